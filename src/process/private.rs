//! Folders that a run alone may look into: for its kubeconfig, and for the files of a command. Gone with what holds them;
//! what a killed run left is swept.

use std::{
    env, fs, io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use super::group::Started;

/// How the names of such folders begin.
const PREFIXES: [&str; 2] = [KUBECONFIG, FILES];
pub(super) const KUBECONFIG: &str = "runbook-kube-";
const FILES: &str = "runbook-files-";

/// Files that a command works on, in a folder of its own; dropped, all is gone.
#[derive(Debug)]
pub struct PrivateFiles(tempfile::TempDir);

impl PrivateFiles {
    /// Writes these files, each by its path below the folder, with mode 0600.
    ///
    /// # Errors
    /// The folder cannot be made, or a file not be written.
    pub fn write<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> io::Result<Self> {
        let folder = folder(&base(), FILES)?;
        for (path, bytes) in files {
            let path = folder.path().join(path);
            if let Some(above) = path.parent() {
                fs::create_dir_all(above)?;
            }
            write(&path, bytes)?;
        }
        Ok(Self(folder))
    }

    /// Where they are.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

/// A new folder below `base` for its owner only. First sweeps what runs that were killed have left there.
pub(super) fn folder(base: &Path, prefix: &str) -> io::Result<tempfile::TempDir> {
    sweep_in(base);
    let me = Started::of(std::process::id());
    let prefix = format!("{prefix}{}-{}-", me.pid, me.start_time.unwrap_or_default());
    tempfile::Builder::new().prefix(&prefix).permissions(fs::Permissions::from_mode(0o700)).tempdir_in(base)
}

/// A new file for its owner only.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    io::Write::write_all(&mut file, bytes)
}

/// Removes private folders whose process is gone; gives back how many.
pub fn sweep() -> usize {
    sweep_in(&base())
}

pub(super) fn sweep_in(base: &Path) -> usize {
    let entries = fs::read_dir(base).into_iter().flatten().flatten();
    entries.filter(|entry| is_left_over(&entry.file_name().to_string_lossy()) && remove(&entry.path())).count()
}

fn remove(folder: &Path) -> bool {
    // Neither a link nor another user's folder: what is below is then not ours to remove.
    let ours = fs::symlink_metadata(folder)
        .is_ok_and(|meta| meta.is_dir() && meta.uid() == rustix::process::getuid().as_raw());
    ours && fs::remove_dir_all(folder).is_ok()
}

/// Whether a folder's name says that a process made it which is gone.
fn is_left_over(name: &str) -> bool {
    let rest = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix));
    let mut parts = rest.unwrap_or_default().split('-');
    let (Some(Ok(pid)), Some(Ok(start_time))) = (parts.next().map(str::parse), parts.next().map(str::parse::<u64>))
    else {
        return false;
    };
    let now = Started::of(pid).start_time;
    if start_time == 0 { now.is_none() } else { now != Some(start_time) }
}

pub(super) fn base() -> PathBuf {
    env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute() && writable(folder))
        .unwrap_or_else(env::temp_dir)
}

fn writable(folder: &Path) -> bool {
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::DirBuilderExt as _;

    use super::*;

    #[test]
    fn files_of_a_command_are_for_their_owner_only_and_gone_when_dropped() {
        let files = PrivateFiles::write([("chart/Chart.yaml", b"name: x".as_slice()), ("a", b"")]).expect("written");
        let path = files.path().join("chart/Chart.yaml");
        assert_eq!(fs::read(&path).expect("there"), b"name: x");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        let folder = files.path().to_owned();
        drop(files);
        assert!(!folder.exists());
    }

    #[test]
    fn what_a_killed_run_left_is_swept_and_nothing_else() {
        let base = tempfile::tempdir().expect("a folder");
        let me = Started::of(std::process::id());
        let names = [
            format!("{KUBECONFIG}{}-{}-aaaa", me.pid, me.start_time.unwrap_or_default()),
            format!("{FILES}{}-1-bbbb", me.pid), // our pid, but a process that started at another time
            format!("{KUBECONFIG}notes"),
            "other".to_owned(),
        ];
        for name in &names {
            fs::DirBuilder::new().mode(0o700).create(base.path().join(name)).expect("a folder");
        }
        assert_eq!(sweep_in(base.path()), 1);
        assert!(!base.path().join(&names[1]).exists() && base.path().join(&names[0]).exists());
    }
}
