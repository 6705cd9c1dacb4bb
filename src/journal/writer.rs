//! The one writer of a run's journal.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    BUNDLE, EVIDENCE, JOURNAL, PAYLOAD_LIMIT, WRITER,
    disk::{Disk, create_dirs, private, sync_file},
    envelope, inbox,
    reader::Mark,
    scrub,
};
use crate::{
    event::{Clock, Event, Head, Line, Log, LogError, Message},
    model::Digest,
    redact::Scrubber,
};

/// Kinds that a program which does not know them must refuse. All kinds of version 1.0 are known to every program that
/// reads 1.x; one that is added later and changes what the others mean is named here.
const MUST: [&str; 0] = [];

/// The right to write a run, for as long as this lives. It goes with the process.
#[derive(Debug)]
pub(super) struct WriterLock {
    _file: File,
}

impl WriterLock {
    /// Takes it, or says which process has it.
    pub(super) fn take(folder: &Path) -> io::Result<Result<Self, Option<u32>>> {
        let path = folder.join(WRITER);
        let mut file = private().read(true).write(true).create(true).truncate(false).open(&path)?;
        let mut holder = None;
        for attempt in 0.. {
            match file.try_lock() {
                Ok(()) => {
                    file.set_len(0)?;
                    file.rewind()?;
                    write!(file, "{}", std::process::id())?;
                    return Ok(Ok(Self { _file: file }));
                }
                Err(std::fs::TryLockError::WouldBlock) => {
                    let mut pid = String::new();
                    let _ = file.rewind().and_then(|()| file.read_to_string(&mut pid).map(drop));
                    holder = pid.trim().parse().ok();
                }
                Err(std::fs::TryLockError::Error(error)) => return Err(error),
            }
            // one that only asks holds it for a moment; so does a command that this very process is about to start
            let patience = if holder == Some(std::process::id()) { 200 } else { 5 };
            if attempt >= patience {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        Ok(Err(holder))
    }

    /// Whether a process has it.
    pub(super) fn is_taken(folder: &Path) -> bool {
        let Ok(file) = File::open(folder.join(WRITER)) else { return false };
        matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock))
    }
}

/// What is shared by all logs of a store.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) scrubber: Scrubber,
    pub(super) clock: Arc<dyn Clock>,
}

/// A run's journal, opened for writing.
pub(super) struct FileLog {
    shared: Shared,
    folder: PathBuf,
    path: PathBuf,
    file: File,
    mark: Mark,
    /// Whether lines were written since the last sync.
    pending: bool,
    /// Folders whose names are not durable yet.
    folders: Vec<PathBuf>,
    /// Files that have to be durable before the next line is.
    evidence: BTreeSet<PathBuf>,
    /// Whether the bundle is durable.
    bundle: bool,
    /// Whether it has to be, with the next sync.
    needs_bundle: bool,
    failed: Option<(io::ErrorKind, String)>,
    strange: BTreeSet<PathBuf>,
    _lock: WriterLock,
}

impl FileLog {
    /// A log that goes on behind `mark`. `folders`: those that are new.
    pub(super) fn new(
        shared: Shared,
        folder: &Path,
        file: File,
        mark: Mark,
        folders: Vec<PathBuf>,
        lock: WriterLock,
    ) -> Self {
        let bundle = folders.is_empty();
        Self {
            shared,
            folder: folder.to_owned(),
            path: folder.join(JOURNAL),
            file,
            mark,
            pending: false,
            folders,
            evidence: BTreeSet::new(),
            bundle,
            needs_bundle: false,
            failed: None,
            strange: BTreeSet::new(),
            _lock: lock,
        }
    }

    fn error(&self, source: io::Error) -> LogError {
        LogError { path: self.path.display().to_string(), source }
    }

    /// The first error is the last: what the disk holds is not known any more.
    fn checked<T>(&mut self, result: io::Result<T>) -> Result<T, LogError> {
        result.map_err(|error| {
            self.failed = Some((error.kind(), error.to_string()));
            self.error(error)
        })
    }

    fn alive(&self) -> Result<(), LogError> {
        match &self.failed {
            None => Ok(()),
            Some((kind, text)) => Err(self
                .error(io::Error::new(*kind, format!("an earlier write failed, so nothing more is written: {text}")))),
        }
    }

    /// A payload that is too large for a line goes into a file; gives what stands in the line instead.
    fn put_evidence(&mut self, payload: &str) -> io::Result<String> {
        let folder = self.folder.join(EVIDENCE);
        if !create_dirs(&*self.shared.disk, &folder)?.is_empty() {
            self.folders.push(folder.clone());
        }
        let digest = Digest::of(payload);
        let path = folder.join(digest.as_str());
        // one that is there may be torn: it was not durable until its line was
        self.shared.disk.write(&path, payload.as_bytes())?;
        self.evidence.insert(path);
        Ok(format!("{{\"evidence\":\"{digest}\",\"bytes\":{}}}", payload.len()))
    }

    fn make_durable(&mut self) -> io::Result<()> {
        let disk = &*self.shared.disk;
        if self.needs_bundle && !self.bundle {
            sync_file(disk, &self.folder.join(BUNDLE))?;
            self.bundle = true;
        }
        for path in &self.evidence {
            sync_file(disk, path)?;
        }
        if !self.evidence.is_empty() {
            disk.sync_dir(&self.folder.join(EVIDENCE))?;
        }
        self.evidence.clear();
        disk.sync(&self.file)?;
        // a name is durable when the folder that it stands in is
        let mut above: Vec<&Path> = self.folders.iter().filter_map(|folder| folder.parent()).collect();
        if self.folders.contains(&self.folder) {
            above.push(&self.folder);
        }
        above.sort();
        above.dedup();
        for folder in above.iter().rev() {
            disk.sync_dir(folder)?;
        }
        self.folders.clear();
        Ok(())
    }
}

/// Whether what this event stands for reaches beyond the process: then all that a resume needs has to be durable.
fn reaches_out(event: &Event) -> bool {
    matches!(
        event,
        Event::Effect { .. }
            | Event::ChildStarted { .. }
            | Event::StepManual { .. }
            | Event::Waiting { .. }
            | Event::Stopped { .. }
    )
}

impl Log for FileLog {
    fn append(&mut self, event: &Event) -> Result<Line, LogError> {
        self.alive()?;
        let scrubbed = scrub::scrubbed(event, &self.shared.scrubber).map_err(|_| {
            let why = format!("a secret has the same value as a word that `{}` cannot do without", event.kind());
            self.error(io::Error::new(io::ErrorKind::InvalidData, why))
        })?;
        let event = scrubbed.unwrap_or_else(|| event.clone());
        let json = serde_json::to_string(&event).map_err(|error| self.error(error.into()))?;
        let kind = event.kind();
        let head = envelope::head_of(kind);
        let json = match json.strip_prefix(&head).and_then(|payload| payload.strip_suffix('}')) {
            Some(payload) if payload.len() > PAYLOAD_LIMIT => {
                let written = self.put_evidence(payload);
                format!("{head}{}}}", self.checked(written)?)
            }
            _ => json,
        };
        let (n, t) = (self.mark.n + 1, envelope::rounded(self.shared.clock.now()));
        let (mut text, hash) = envelope::write(n, t, MUST.contains(&kind), &json, self.mark.hash.as_ref());
        text.push('\n');
        let written = self.shared.disk.append(&mut self.file, text.as_bytes());
        self.checked(written)?;
        text.pop();
        self.mark.n = n;
        self.mark.hash = Some(hash);
        self.pending = true;
        self.needs_bundle |= reaches_out(&event);
        Ok(Line { n, t, kind: kind.to_owned(), event: Some(event), text })
    }

    fn head(&self) -> Head {
        Head {
            n: self.mark.n,
            hash: self.mark.hash.map(|hash| hash.iter().copied().map(char::from).collect()).unwrap_or_default(),
        }
    }

    fn sync(&mut self) -> Result<(), LogError> {
        self.alive()?;
        if self.pending {
            let durable = self.make_durable();
            self.checked(durable)?;
            self.pending = false;
        }
        Ok(())
    }

    fn inbox(&mut self) -> Result<Vec<Message>, LogError> {
        let known = &mut self.strange;
        let mut strange = |path: &Path, why: &str| {
            if known.insert(path.to_owned()) {
                tracing::warn!(path = %path.display(), why, "left alone in the inbox");
            }
        };
        let read = inbox::read(&self.folder, &mut strange);
        read.map_err(|error| self.error(error))
    }

    fn taken(&mut self, ids: &[String]) -> Result<(), LogError> {
        inbox::remove(&*self.shared.disk, &self.folder, ids).map_err(|error| self.error(error))
    }
}
