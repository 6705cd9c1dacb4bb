//! A sandbox on disk that is held from the beginning and opened when something is asked of it. Who it is, all that many a
//! run asks, is noted beside its state by the process that closes it.

use std::{
    fmt, fs,
    fs::File,
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};

use super::{Front, Options, Sandbox, SandboxError, disk};

/// Who a sandbox is, and the state file that says so. It stands on disk only while nobody has that file open.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    uid: String,
    inode: u64,
    length: u64,
    /// Seconds and nanoseconds.
    changed: (i64, i64),
}

impl Note {
    fn path(state: &Path) -> PathBuf {
        state.with_extension("uid")
    }

    fn of(file: &File, uid: &str) -> io::Result<Self> {
        let meta = file.metadata()?;
        Ok(Self { uid: uid.into(), inode: meta.ino(), length: meta.len(), changed: (meta.mtime(), meta.mtime_nsec()) })
    }

    /// Notes who it is that `state`, which nobody changes any more, holds.
    pub(super) fn write(state: &Path, file: &File, uid: &str) {
        // without a note the next process opens the state to know
        let _ = Self::of(file, uid).and_then(|note| fs::write(Self::path(state), serde_json::to_vec(&note)?));
    }

    /// Before anything of it may change.
    pub(super) fn remove(state: &Path) -> io::Result<()> {
        match fs::remove_file(Self::path(state)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Who it is, if the file is the very one that was closed.
    fn read(state: &Path, file: &File) -> Option<String> {
        let note: Self = serde_json::from_slice(&fs::read(Self::path(state)).ok()?).ok()?;
        (Self::of(file, &note.uid).ok()? == note).then_some(note.uid)
    }
}

/// The sandbox of a state file, which no other process can open while this lives.
pub struct Kept {
    path: PathBuf,
    state: Mutex<State>,
}

enum State {
    /// Locked; it is this one.
    Closed(File, String),
    Open(Sandbox),
}

impl Kept {
    /// Holds the state in a file; a new one, and one that was not closed, is opened at once. One process at a time has it;
    /// this waits a few seconds for another to leave.
    ///
    /// # Errors
    /// Another process has it, or its state cannot be kept or read.
    pub fn hold(path: impl Into<PathBuf>) -> Result<Self, SandboxError> {
        let path = path.into();
        let file = disk::hold(&path)?;
        let state = match Note::read(&path, &file) {
            Some(uid) => State::Closed(file, uid),
            None => State::Open(Sandbox::of_file(file, &path, Options::default())?),
        };
        Ok(Self { path, state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sandbox, opened now unless it is.
    ///
    /// # Errors
    /// Its state cannot be read.
    pub fn open(&self) -> Result<Sandbox, SandboxError> {
        let mut state = self.state();
        let (file, noted) = match &*state {
            State::Open(sandbox) => return Ok(sandbox.clone()),
            State::Closed(file, uid) => (file, uid),
        };
        let file = file.try_clone().map_err(|source| SandboxError::Unreadable { path: self.path.clone(), source })?;
        let sandbox = Sandbox::of_file(file, &self.path, Options::default())?;
        let uid = sandbox.uid();
        if uid != *noted {
            let why = format!("it is the cluster {uid}, and was noted as {noted}");
            return Err(SandboxError::Damaged { path: self.path.clone(), why });
        }
        *state = State::Open(sandbox.clone());
        Ok(sandbox)
    }

    /// The sandbox, if it is open.
    pub fn opened(&self) -> Option<Sandbox> {
        match &*self.state() {
            State::Open(sandbox) => Some(sandbox.clone()),
            State::Closed(..) => None,
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let State::Closed(file, _) = &*self.state() {
            // a command that is about to start may have inherited the file
            let _ = file.unlock();
        }
    }
}

impl Front for Kept {
    fn uid(&self) -> Result<String, String> {
        Ok(match &*self.state() {
            State::Open(sandbox) => sandbox.uid(),
            State::Closed(_, uid) => uid.clone(),
        })
    }

    fn answer_http(&self, method: &str, host: &str, path: &str) -> Result<Option<(u16, String)>, String> {
        Ok(self.open().map_err(|error| error.to_string())?.answer_http(method, host, path))
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("path", &self.path).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.redb");
        (folder, path)
    }

    #[test]
    fn who_it_is_is_known_without_opening_one_that_was_closed() {
        let (_folder, path) = state();
        let uid = Kept::hold(&path).unwrap().uid().unwrap();
        let kept = Kept::hold(&path).unwrap();
        assert!(kept.opened().is_none());
        assert_eq!(kept.uid().unwrap(), uid);
        assert!(File::open(&path).unwrap().try_lock().is_err(), "it is held all the same");
        assert_eq!(kept.open().unwrap().uid(), uid);
        assert!(!Note::path(&path).exists(), "what is open may change");
        drop(kept);
        // neither opened nor changed: the note still counts
        drop(Kept::hold(&path).unwrap());
        assert!(Kept::hold(&path).unwrap().opened().is_none());
    }

    #[test]
    fn one_that_began_anew_is_another() {
        let (_folder, path) = state();
        let kept = Kept::hold(&path).unwrap();
        let before = kept.uid().unwrap();
        kept.open().unwrap().reset().unwrap();
        let after = kept.uid().unwrap();
        assert_ne!(before, after);
        drop(kept);
        let again = Kept::hold(&path).unwrap();
        assert!(again.opened().is_none());
        assert_eq!(again.uid().unwrap(), after);
    }

    #[test]
    fn a_file_that_was_not_closed_or_is_another_is_opened_at_once() {
        let (_folder, path) = state();
        let uid = Kept::hold(&path).unwrap().uid().unwrap();
        let noted = fs::read(Note::path(&path)).unwrap();
        // as after a kill
        fs::remove_file(Note::path(&path)).unwrap();
        assert!(Kept::hold(&path).unwrap().opened().is_some());
        // as after a kill of a process that had found a note: it was gone before anything changed
        let kept = Kept::hold(&path).unwrap();
        kept.open().unwrap();
        assert!(!Note::path(&path).exists());
        drop(kept);
        // another file in its place, with the note of the first
        fs::remove_file(&path).unwrap();
        fs::write(Note::path(&path), &noted).unwrap();
        let other = Kept::hold(&path).unwrap();
        assert!(other.opened().is_some());
        assert_ne!(other.uid().unwrap(), uid);
        drop(other);
        // no note at all
        fs::write(Note::path(&path), "{").unwrap();
        assert!(Kept::hold(&path).unwrap().opened().is_some());
    }
}
