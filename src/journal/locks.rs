//! Who holds which cluster: a file per place, changed only under one lock of the folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde::{Deserialize, Serialize};

use super::{
    JOURNAL,
    disk::{self, Disk, OsDisk, create_dirs, private},
    reader::{Mark, Reader},
    writer::WriterLock,
};
use crate::{
    event::{Bearing, Folder, Held, Holder, Lock, LockError, RunState, overlap},
    model::{Digest, RunId, slug},
};

/// The lock that each change of a place is made under.
const GUARD: &str = ".guard";
const ENDING: &str = ".json";

/// What a place's file says.
#[derive(Serialize, Deserialize)]
struct Placed {
    #[serde(default)]
    place: String,
    #[serde(flatten)]
    holder: Holder,
}

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

/// A state folder of a machine, told from every copy of it. Makes it where it is missing.
///
/// # Errors
/// It cannot be made or looked at.
pub fn folder(root: &Path, host: &str) -> io::Result<Folder> {
    create_dirs(&OsDisk, root)?;
    let path = root.canonicalize()?;
    let metadata = path.metadata()?;
    #[cfg(unix)]
    let inode = {
        use std::os::unix::fs::MetadataExt as _;
        (metadata.dev(), metadata.ino())
    };
    #[cfg(not(unix))]
    let inode = metadata.created().ok();
    let path = path.display().to_string();
    let id = Digest::of(format!("{host}\n{path}\n{inode:?}")).short().to_string();
    Ok(Folder { path, id })
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

    /// How a run that holds a place is; none where it has come to its end, or is gone.
    fn bearing(&self, run: &RunId) -> Option<Bearing> {
        let folder = self.run_folder(run);
        let live = WriterLock::is_taken(&folder);
        if live {
            return Some(Bearing::Live);
        }
        if !folder.join(JOURNAL).is_file() {
            // a run takes its place after its folder was made
            return folder.is_dir().then_some(Bearing::Unknown);
        }
        let mut state = RunState::default();
        let folded = Reader::open(&folder, Mark::default()).and_then(|mut reader| reader.fold(&mut state));
        if folded.is_err() {
            // a journal that cannot be read is no reason to take its place
            return Some(Bearing::Unknown);
        }
        state.run.as_ref().and(state.bearing())
    }

    /// The places that overlap with this one and are held by another run, each with how that is; what is held by a run
    /// that is over is removed.
    fn others(&self, place: &str, run: &RunId) -> Result<Vec<(PathBuf, Placed, Bearing)>, LockError> {
        let mut found = vec![];
        for (path, placed) in self.held()? {
            let overlaps = overlap(&placed.place, place) || path == self.path(place);
            if placed.holder.run == *run || !overlaps {
                continue;
            }
            match self.bearing(&placed.holder.run) {
                Some(bearing) => found.push((path, placed, bearing)),
                None => self.remove(&path)?,
            }
        }
        Ok(found)
    }

    /// All places that are held.
    fn held(&self) -> Result<Vec<(PathBuf, Placed)>, LockError> {
        let folder = self.folder();
        let entries = fs::read_dir(&folder).map_err(|source| Self::error(&folder, source))?;
        let mut found = vec![];
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if path.to_string_lossy().ends_with(ENDING)
                && let Some(placed) = Self::placed(&path)?
            {
                found.push((path, placed));
            }
        }
        Ok(found)
    }

    fn placed(path: &Path) -> Result<Option<Placed>, LockError> {
        match fs::read(path) {
            // made durable before a run's first change: what a loss of power left empty was never changed under
            Ok(bytes) if bytes.iter().all(|byte| *byte == 0) => Ok(None),
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| Self::error(path, error.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Self::error(path, error)),
        }
    }

    /// Writes who has a place; durably where asked.
    fn put(&self, path: &Path, placed: &Placed, durable: bool) -> Result<(), LockError> {
        let json = serde_json::to_vec(placed).map_err(|error| Self::error(path, error.into()))?;
        let temporary = path.with_extension("new");
        let written = if durable {
            disk::replace(&*self.disk, path, &json, &temporary)
        } else {
            self.disk.write(&temporary, &json).and_then(|()| self.disk.rename(&temporary, path))
        };
        written.map_err(|source| Self::error(path, source))
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
        let placed = Placed { place: place.into(), holder: holder.clone() };
        let durable = self.guarded(|| {
            if let Some((_, Placed { holder, .. }, bearing)) = self.others(place, &holder.run)?.into_iter().next() {
                return Err(LockError::Held { holder: Box::new(holder), bearing });
            }
            // a run that goes on may have changed something; a new one makes its place durable before its first change
            let again = Self::placed(&path)?.is_some();
            self.put(&path, &placed, again)?;
            Ok(again)
        })?;
        Ok(Box::new(FileHeld { lock: self.clone(), path, holder: holder.clone(), durable: AtomicBool::new(durable) }))
    }

    fn seize(&self, place: &str, holder: &Holder) -> Result<(Box<dyn Held>, Vec<Holder>), LockError> {
        let path = self.path(place);
        let broken = self.guarded(|| {
            let others = self.others(place, &holder.run)?;
            for (path, Placed { place, .. }, _) in &others {
                // whoever had it finds there by whom it was taken
                self.put(path, &Placed { place: place.clone(), holder: holder.clone() }, true)?;
            }
            self.put(&path, &Placed { place: place.into(), holder: holder.clone() }, true)?;
            Ok(others.into_iter().map(|(_, placed, _)| placed.holder).collect())
        })?;
        let held = FileHeld { lock: self.clone(), path, holder: holder.clone(), durable: AtomicBool::new(true) };
        Ok((Box::new(held), broken))
    }

    fn free(&self, run: &RunId) -> Result<(), LockError> {
        if !self.folder().is_dir() {
            return Ok(());
        }
        self.guarded(|| {
            for (path, placed) in self.held()? {
                if placed.holder.run == *run {
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
        match FileLock::placed(&self.path)?.map(|placed| placed.holder) {
            Some(holder) if holder.run == self.holder.run => self.make_durable(),
            Some(holder) if holder.broke.is_some() => Err(LockError::forced(&holder)),
            Some(holder) => {
                let bearing = self.lock.bearing(&holder.run).unwrap_or_default();
                Err(LockError::Held { holder: Box::new(holder), bearing })
            }
            None => Err(LockError::Lost { message: format!("{}: it was given up from outside", self.path.display()) }),
        }
    }

    fn release(self: Box<Self>) -> Result<(), LockError> {
        self.lock.free(&self.holder.run)
    }
}
