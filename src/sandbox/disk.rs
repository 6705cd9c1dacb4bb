//! The sandbox's state on disk, between processes.
//!
//! Every answered write is in the operating system's page cache before it is answered, and so survives `kill -9` of this
//! process. It does not survive a power loss: syncing is left out on purpose, a sandbox is not worth an fsync per write.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use redb::backends::FileBackend;
use redb::{Builder, Database, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition, TableError};
use serde_json::Value;

use super::SandboxError;
use super::kept::Note;
use super::secrets;
use super::store::Key;

const OBJECTS: TableDefinition<&str, &[u8]> = TableDefinition::new("objects");
const COUNTERS: TableDefinition<&str, u64> = TableDefinition::new("counters");
const VERSION: &str = "resourceVersion";

/// How long another process may keep the file before opening gives up.
const PATIENCE: Duration = Duration::from_secs(3);

/// redb's file, without syncs.
#[derive(Debug)]
struct PageCache(FileBackend);

impl StorageBackend for PageCache {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        Ok(()) // see the module: written is enough, it need not be on the platter
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
    fn close(&self) -> io::Result<()> {
        Ok(()) // whoever opened the file lets go of it
    }
}

/// An open state file.
#[derive(Debug)]
pub(crate) struct Disk {
    database: Database,
    path: PathBuf,
    /// A second handle of the same open file, which is locked through both.
    file: File,
}

/// What a state file holds.
pub(crate) struct Loaded {
    pub objects: Vec<(Key, Value)>,
    pub version: u64,
}

impl Disk {
    /// Opens a file that is held by this process.
    pub fn open(file: File, path: &Path) -> Result<(Self, Loaded), SandboxError> {
        let unreadable = |source: io::Error| SandboxError::Unreadable { path: path.to_owned(), source };
        // from here on it may be another than was noted
        Note::remove(path).map_err(unreadable)?;
        let handle = file.try_clone().map_err(unreadable)?;
        let damaged = |why: String| SandboxError::Damaged { path: path.to_owned(), why };
        let inner = FileBackend::new(file).map_err(|e| damaged(e.to_string()))?;
        // redb takes what its pages say for granted: a file with a sound head and broken pages makes it panic
        let opened = std::panic::catch_unwind(AssertUnwindSafe(move || {
            let database = Builder::new()
                .set_cache_size(8 << 20)
                .create_with_backend(PageCache(inner))
                .map_err(|e| e.to_string())?;
            let disk = Self { database, path: path.to_owned(), file: handle };
            let loaded = disk.load()?;
            Ok((disk, loaded))
        }));
        opened.unwrap_or_else(|_| Err("its pages are broken".to_owned())).map_err(damaged)
    }

    /// Closes the file and notes who it is that it holds.
    pub fn close(self, uid: Option<&str>) {
        let Self { database, path, file } = self;
        drop(database);
        if let Some(uid) = uid {
            Note::write(&path, &file, uid);
        }
        // a command that is about to start may have inherited the file
        let _ = file.unlock();
    }

    fn load(&self) -> Result<Loaded, String> {
        let text = |e: &dyn std::fmt::Display| e.to_string();
        let read = self.database.begin_read().map_err(|e| text(&e))?;
        let counters = match read.open_table(COUNTERS) {
            // the first write makes all tables as one
            Err(TableError::TableDoesNotExist(_)) => return Ok(Loaded { objects: Vec::new(), version: 0 }),
            counters => counters.map_err(|e| text(&e))?,
        };
        let version = counters.get(VERSION).map_err(|e| text(&e))?.map_or(0, |value| value.value());
        let table = read.open_table(OBJECTS).map_err(|e| text(&e))?;
        let mut objects = Vec::new();
        for row in table.iter().map_err(|e| text(&e))? {
            let (key, value) = row.map_err(|e| text(&e))?;
            let key = key_of(key.value())
                .ok_or_else(|| format!("key {:?} is not of the form kind/namespace/name", key.value()))?;
            let object = serde_json::from_slice(value.value()).map_err(|e| format!("{key}: {e}"))?;
            objects.push((key, object));
        }
        Ok(Loaded { objects, version })
    }

    /// Writes a set of changes as one: after a crash all of them are there or none.
    pub fn write<'a>(
        &self,
        changes: impl Iterator<Item = (&'a Key, Option<&'a Value>)>,
        version: u64,
    ) -> Result<(), SandboxError> {
        self.try_write(changes, version).map_err(|why| SandboxError::NotWritten { path: self.path.clone(), why })
    }

    fn try_write<'a>(
        &self,
        changes: impl Iterator<Item = (&'a Key, Option<&'a Value>)>,
        version: u64,
    ) -> Result<(), String> {
        let text = |e: &dyn std::fmt::Display| e.to_string();
        let write = self.database.begin_write().map_err(|e| text(&e))?;
        {
            let mut objects = write.open_table(OBJECTS).map_err(|e| text(&e))?;
            for (key, value) in changes {
                let row = row_of(key);
                match value {
                    Some(value) if key.resource.as_ref() == "secrets" => {
                        let kept = secrets::with_stand_ins(value);
                        let bytes = serde_json::to_vec(&kept).map_err(|e| text(&e))?;
                        objects.insert(row.as_str(), bytes.as_slice()).map_err(|e| text(&e))?;
                    }
                    Some(value) => {
                        let bytes = serde_json::to_vec(value).map_err(|e| text(&e))?;
                        objects.insert(row.as_str(), bytes.as_slice()).map_err(|e| text(&e))?;
                    }
                    None => {
                        objects.remove(row.as_str()).map_err(|e| text(&e))?;
                    }
                }
            }
            let mut counters = write.open_table(COUNTERS).map_err(|e| text(&e))?;
            counters.insert(VERSION, version).map_err(|e| text(&e))?;
        }
        write.commit().map_err(|e| text(&e))
    }
}

fn row_of(key: &Key) -> String {
    format!("{}/{}/{}", key.resource, key.namespace, key.name)
}

fn key_of(row: &str) -> Option<Key> {
    let mut parts = row.splitn(3, '/');
    Some(Key::new(parts.next()?, parts.next()?, parts.next()?))
}

/// Takes the file for this process, or makes it; waits a few seconds for another process to leave it.
pub(crate) fn hold(path: &Path) -> Result<File, SandboxError> {
    let unreadable = |source: io::Error| SandboxError::Unreadable { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(unreadable)?;
    }
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(unreadable)?;
    lock(&file, path)?;
    Ok(file)
}

fn lock(file: &File, path: &Path) -> Result<(), SandboxError> {
    let started = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if started.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(SandboxError::InUse {
                    path: path.to_owned(),
                    holder: super::holder::of(file).unwrap_or_else(|| "another process".to_owned()),
                    waited: PATIENCE,
                });
            }
            Err(TryLockError::Error(source)) => {
                return Err(SandboxError::Unreadable { path: path.to_owned(), source });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn open(path: &Path) -> Result<(Disk, Loaded), SandboxError> {
        Disk::open(hold(path)?, path)
    }

    fn reopened(path: &Path) -> Loaded {
        open(path).expect("the file opens").1
    }

    #[test]
    fn what_was_written_is_there_when_the_file_is_opened_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state.redb");
        let key = Key::new("configmaps", "default", "a");
        {
            let (disk, loaded) = open(&path).expect("a new file");
            assert_eq!((loaded.objects.len(), loaded.version), (0, 0));
            disk.write([(&key, Some(&json!({"n": 1})))].into_iter(), 7).expect("written");
        }
        let loaded = reopened(&path);
        assert_eq!(loaded.version, 7);
        assert_eq!(loaded.objects, [(key, json!({"n": 1}))]);
    }

    #[test]
    fn a_file_that_another_handle_has_open_is_refused_by_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state.redb");
        let _kept = open(&path).expect("a new file");
        let error = open(&path).err().expect("the second is refused");
        assert!(error.to_string().contains("state.redb"), "{error}");
        assert!(matches!(error, SandboxError::InUse { .. }));
    }

    #[test]
    fn a_file_that_is_no_database_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state.redb");
        std::fs::write(&path, vec![b'x'; 8192]).expect("written");
        let error = open(&path).err().expect("garbage is refused");
        assert!(matches!(error, SandboxError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains("state.redb"), "{error}");
    }
}
