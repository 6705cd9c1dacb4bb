//! Who holds which cluster: a file per place, changed only under one lock of the folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    JOURNAL,
    disk::{self, Disk, OsDisk, create_dirs, private},
    reader::{Mark, Reader},
    writer::WriterLock,
};
use crate::{
    event::{Held, Holder, Lock, LockError, RunState},
    model::{Digest, RunId, slug},
};

/// The lock that each change of a place is made under.
const GUARD: &str = ".guard";
const ENDING: &str = ".json";

/// Places in the folder of state. A place is held by a run, not by a process: it stays held while the run waits or has
/// stopped, and is free once the run is closed or its folder is gone.
#[derive(Clone)]
pub struct FileLock {
    root: PathBuf,
    disk: Arc<dyn Disk>,
}

impl std::fmt::Debug for FileLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileLock").field("root", &self.root).finish_non_exhaustive()
    }
}

impl FileLock {
    /// The places in this folder of state.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), disk: Arc::new(OsDisk) }
    }

    /// The same places on another disk.
    #[must_use]
    pub fn on_disk(mut self, disk: Arc<dyn Disk>) -> Self {
        self.disk = disk;
        self
    }

    fn folder(&self) -> PathBuf {
        self.root.join("locks")
    }

    fn path(&self, place: &str) -> PathBuf {
        let name: String = slug(place).chars().take(60).collect();
        self.folder().join(format!("{name}-{}{ENDING}", Digest::of(place).short()))
    }

    fn error(path: &Path, source: io::Error) -> LockError {
        LockError::Io { path: path.display().to_string(), source }
    }

    /// Does something while no other process changes a place.
    fn guarded<T>(&self, act: impl FnOnce() -> Result<T, LockError>) -> Result<T, LockError> {
        let folder = self.folder();
        create_dirs(&*self.disk, &folder).map_err(|source| Self::error(&folder, source))?;
        let path = folder.join(GUARD);
        let guard = private().read(true).write(true).create(true).truncate(false).open(&path);
        let guard =
            guard.and_then(|guard| guard.lock().map(|()| guard)).map_err(|source| Self::error(&path, source))?;
        let done = act();
        drop(guard);
        done
    }

    fn run_folder(&self, run: &RunId) -> PathBuf {
        self.root.join("runs").join(run.as_str())
    }

    /// Whether a run that holds a place has come to its end, or is gone.
    fn is_over(&self, run: &RunId) -> bool {
        let folder = self.run_folder(run);
        if !folder.join(JOURNAL).is_file() {
            // a run takes its place after its folder was made
            return !folder.is_dir();
        }
        let mut state = RunState::default();
        let folded = Reader::open(&folder, Mark::default()).and_then(|mut reader| reader.fold(&mut state));
        // a journal that cannot be read is no reason to take its place
        folded.is_ok() && (state.is_closed() || (state.run.is_none() && !WriterLock::is_taken(&folder)))
    }

    fn holder(path: &Path) -> Result<Option<Holder>, LockError> {
        match fs::read(path) {
            // made durable before a run's first change: what a loss of power left empty was never changed under
            Ok(bytes) if bytes.iter().all(|byte| *byte == 0) => Ok(None),
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| Self::error(path, error.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Self::error(path, error)),
        }
    }

    fn remove(&self, path: &Path) -> Result<(), LockError> {
        match self.disk.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Self::error(path, error)),
            _ => Ok(()),
        }
    }
}

impl Lock for FileLock {
    fn take(&self, place: &str, holder: &Holder) -> Result<Box<dyn Held>, LockError> {
        let path = self.path(place);
        let durable = self.guarded(|| {
            let known = Self::holder(&path)?;
            let again = known.as_ref().is_some_and(|known| known.run == holder.run);
            if let Some(known) = known.filter(|known| !again && !self.is_over(&known.run)) {
                let live = WriterLock::is_taken(&self.run_folder(&known.run));
                return Err(LockError::Held { holder: Box::new(known), live });
            }
            let json = serde_json::to_vec(holder).map_err(|error| Self::error(&path, error.into()))?;
            let temporary = path.with_extension("new");
            // a run that goes on may have changed something; a new one makes its place durable before its first change
            let written = if again {
                disk::replace(&*self.disk, &path, &json, &temporary)
            } else {
                self.disk.write(&temporary, &json).and_then(|()| self.disk.rename(&temporary, &path))
            };
            written.map_err(|source| Self::error(&path, source))?;
            Ok(again)
        })?;
        Ok(Box::new(FileHeld { lock: self.clone(), path, holder: holder.clone(), durable: AtomicBool::new(durable) }))
    }

    fn free(&self, run: &RunId) -> Result<(), LockError> {
        let folder = self.folder();
        if !folder.is_dir() {
            return Ok(());
        }
        self.guarded(|| {
            let entries = fs::read_dir(&folder).map_err(|source| Self::error(&folder, source))?;
            for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
                let is_place = path.to_string_lossy().ends_with(ENDING);
                if is_place && Self::holder(&path).ok().flatten().is_some_and(|holder| holder.run == *run) {
                    self.remove(&path)?;
                }
            }
            Ok(())
        })
    }
}

struct FileHeld {
    lock: FileLock,
    path: PathBuf,
    holder: Holder,
    /// Whether it survives a loss of power: from the first change on.
    durable: AtomicBool,
}

impl FileHeld {
    fn make_durable(&self) -> Result<(), LockError> {
        if self.durable.load(Ordering::Acquire) {
            return Ok(());
        }
        let disk = &*self.lock.disk;
        disk::sync_file(disk, &self.path)
            .and_then(|()| disk.sync_dir(&self.lock.folder()))
            .map_err(|source| FileLock::error(&self.path, source))?;
        self.durable.store(true, Ordering::Release);
        Ok(())
    }
}

impl Held for FileHeld {
    fn check(&self) -> Result<(), LockError> {
        match FileLock::holder(&self.path)? {
            Some(holder) if holder.run == self.holder.run => self.make_durable(),
            Some(holder) => {
                let live = WriterLock::is_taken(&self.lock.run_folder(&holder.run));
                Err(LockError::Held { holder: Box::new(holder), live })
            }
            None => {
                let why = "the place is not held any more: it was given up from outside";
                Err(FileLock::error(&self.path, io::Error::new(io::ErrorKind::NotFound, why)))
            }
        }
    }

    fn release(self: Box<Self>) -> Result<(), LockError> {
        self.lock.guarded(|| match FileLock::holder(&self.path)? {
            Some(holder) if holder.run == self.holder.run => self.lock.remove(&self.path),
            _ => Ok(()),
        })
    }
}
