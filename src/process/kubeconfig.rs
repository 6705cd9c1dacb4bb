//! The private kubeconfig: exactly one context, readable by its owner only, gone with the run.

use std::{
    env, fs, io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::group::Started;
use crate::model::Digest;

const PREFIX: &str = "runbook-kube-";

/// A kubeconfig file with one context in a folder of its own; dropped, both are gone.
#[derive(Debug)]
pub struct PrivateKubeconfig {
    folder: tempfile::TempDir,
    context: String,
    digest: Digest,
}

impl PrivateKubeconfig {
    /// Writes `config`, which has exactly one context and names it as its current one, to a file with mode 0600 below
    /// `$XDG_RUNTIME_DIR`, or the folder for temporary files where there is none. First sweeps what runs that were
    /// killed have left there.
    pub fn write(config: &Value) -> io::Result<Self> {
        Self::write_in(&base(), config)
    }

    fn write_in(base: &Path, config: &Value) -> io::Result<Self> {
        let names: Vec<_> = config["contexts"].as_array().into_iter().flatten().map(|c| c["name"].as_str()).collect();
        let current = config["current-context"].as_str();
        let Some(context) = current.filter(|current| names == [Some(*current)]) else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "a private kubeconfig has exactly one context, its current one; this has {}: {names:?}",
                    names.len()
                ),
            ));
        };
        sweep_in(base);
        let me = Started::of(std::process::id());
        let prefix = format!("{PREFIX}{}-{}-", me.pid, me.start_time.unwrap_or_default());
        let folder =
            tempfile::Builder::new().prefix(&prefix).permissions(fs::Permissions::from_mode(0o700)).tempdir_in(base)?;
        let text = serde_json::to_vec_pretty(config)?; // JSON is YAML
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(folder.path().join("config"))?;
        io::Write::write_all(&mut file, &text)?;
        // The tool's caches (discovery, tokens) belong into its home, never beside this file.
        Ok(Self { folder, context: context.to_owned(), digest: Digest::of(&text) })
    }

    /// Where the file is.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("config")
    }

    /// The one context in it, by the name that it has there.
    pub fn context(&self) -> &str {
        &self.context
    }

    /// Whether the file still says what was written; a tool that rewrote it must not be followed.
    pub fn is_unchanged(&self) -> bool {
        fs::read(self.path()).is_ok_and(|text| Digest::of(text) == self.digest)
    }
}

/// Removes private kubeconfigs whose process is gone; gives back how many.
pub fn sweep() -> usize {
    sweep_in(&base())
}

fn sweep_in(base: &Path) -> usize {
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
    let mut parts = name.strip_prefix(PREFIX).unwrap_or_default().split('-');
    let (Some(Ok(pid)), Some(Ok(start_time))) = (parts.next().map(str::parse), parts.next().map(str::parse::<u64>))
    else {
        return false;
    };
    let now = Started::of(pid).start_time;
    if start_time == 0 { now.is_none() } else { now != Some(start_time) }
}

fn base() -> PathBuf {
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
    use super::*;
    use serde_json::json;
    use std::os::unix::fs::DirBuilderExt as _;

    fn config() -> Value {
        json!({ "apiVersion": "v1", "kind": "Config", "current-context": "staging",
                "contexts": [{ "name": "staging", "context": { "cluster": "staging", "user": "me" } }] })
    }

    #[test]
    fn it_is_for_its_owner_only_and_gone_when_dropped() {
        let base = tempfile::tempdir().expect("a folder");
        let kubeconfig = PrivateKubeconfig::write_in(base.path(), &config()).expect("written");
        let path = kubeconfig.path();
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().expect("a folder"))), (0o600, 0o700));
        assert!(kubeconfig.is_unchanged());
        fs::write(&path, "current-context: main").expect("rewritten");
        assert!(!kubeconfig.is_unchanged());
        drop(kubeconfig);
        assert_eq!(fs::read_dir(base.path()).expect("a folder").count(), 0);
    }

    #[test]
    fn a_second_context_is_refused() {
        let mut two = config();
        two["contexts"].as_array_mut().expect("a list").push(json!({ "name": "main" }));
        let base = tempfile::tempdir().expect("a folder");
        let error = PrivateKubeconfig::write_in(base.path(), &two).expect_err("two contexts");
        assert!(error.to_string().contains("exactly one context"), "{error}");
    }

    #[test]
    fn what_a_killed_run_left_is_swept_and_nothing_else() {
        let base = tempfile::tempdir().expect("a folder");
        let me = Started::of(std::process::id());
        let names = [
            format!("{PREFIX}{}-{}-aaaa", me.pid, me.start_time.unwrap_or_default()),
            format!("{PREFIX}{}-1-bbbb", me.pid), // our pid, but a process that started at another time
            format!("{PREFIX}notes"),
            "other".to_owned(),
        ];
        for name in &names {
            fs::DirBuilder::new().mode(0o700).create(base.path().join(name)).expect("a folder");
        }
        assert_eq!(sweep_in(base.path()), 1);
        assert!(!base.path().join(&names[1]).exists() && base.path().join(&names[0]).exists());
    }
}
