use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::Path,
};

/// What is written to the disk and made durable, so that tests can let each of these fail.
pub trait Disk: Send + Sync {
    /// Makes a folder; an error where it exists.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes or replaces a file with this content.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Adds a line to the end of a journal: one call per line.
    fn append(&self, journal: &mut File, line: &[u8]) -> io::Result<()>;

    /// Cuts a journal's end off.
    fn truncate(&self, journal: &File, length: u64) -> io::Result<()>;

    /// Makes a file's content durable.
    fn sync(&self, file: &File) -> io::Result<()>;

    /// Makes the names in a folder durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Gives a file another name, replacing what has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// The disk of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsDisk;

impl Disk for OsDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(path)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        private().write(true).create(true).truncate(true).open(path)?.write_all(bytes)
    }

    fn append(&self, journal: &mut File, line: &[u8]) -> io::Result<()> {
        journal.write_all(line)
    }

    fn truncate(&self, journal: &File, length: u64) -> io::Result<()> {
        journal.set_len(length)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

/// The operating system's disk, asked before each operation whether it is done: a failing disk, for tests.
pub trait Hindered: Send + Sync {
    /// What the operation, by its name in [`Disk`], fails with. What was to be written is written by half then, as a full disk
    /// does it.
    fn next(&self, operation: &'static str) -> io::Result<()>;
}

impl<T: Hindered> Disk for T {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.next("create_dir")?;
        OsDisk.create_dir(path)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.next("write").inspect_err(|_| drop(OsDisk.write(path, half(bytes))))?;
        OsDisk.write(path, bytes)
    }

    fn append(&self, journal: &mut File, line: &[u8]) -> io::Result<()> {
        self.next("append").inspect_err(|_| drop(OsDisk.append(journal, half(line))))?;
        OsDisk.append(journal, line)
    }

    fn truncate(&self, journal: &File, length: u64) -> io::Result<()> {
        self.next("truncate")?;
        OsDisk.truncate(journal, length)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.next("sync")?;
        OsDisk.sync(file)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.next("sync_dir")?;
        OsDisk.sync_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.next("rename")?;
        OsDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.next("remove")?;
        OsDisk.remove(path)
    }
}

fn half(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len() / 2]
}

/// Files that only their owner reads.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Makes the file at `path` durable.
pub(super) fn sync_file(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    disk.sync(&File::open(path)?)
}

/// Writes a file so that it is there as a whole or not at all, and durable.
pub(super) fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8], temporary: &Path) -> io::Result<()> {
    disk.write(temporary, bytes)?;
    sync_file(disk, temporary)?;
    disk.rename(temporary, path)?;
    path.parent().map_or(Ok(()), |folder| disk.sync_dir(folder))
}

/// Makes a folder and those above it; gives those that were not there, the lowest first.
pub(super) fn create_dirs(disk: &dyn Disk, path: &Path) -> io::Result<Vec<std::path::PathBuf>> {
    match disk.create_dir(path) {
        Ok(()) => Ok(vec![path.to_owned()]),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(vec![]),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let Some(above) = path.parent() else { return Err(error) };
            let mut made = create_dirs(disk, above)?;
            match disk.create_dir(path) {
                Ok(()) => made.insert(0, path.to_owned()),
                // another process was faster
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
                Err(error) => return Err(error),
            }
            Ok(made)
        }
        Err(error) => Err(error),
    }
}
