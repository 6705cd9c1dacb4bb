use std::fmt;

use jiff::Timestamp;

use super::{Cancel, Event, Head, Line, Message, RunState};
use crate::model::{Decision, Digest, GateCard, RunId, Step};

/// The journal could not be written: the run stops before its next effect.
#[derive(Debug, thiserror::Error)]
#[error("the journal {path} could not be written: {source}")]
pub struct LogError {
    /// The file.
    pub path: String,
    /// What the system said.
    pub source: std::io::Error,
}

/// The append-only log of one run, held by its one writer.
pub trait Log: Send {
    /// Writes a line. It is in the file when this returns, but may not survive a loss of power until [`Log::sync`].
    fn append(&mut self, event: &Event) -> Result<Line, LogError>;

    /// How far it is.
    fn head(&self) -> Head;

    /// Makes all lines so far durable; costs nothing when they are.
    fn sync(&mut self) -> Result<(), LogError>;

    /// What other processes have said and no line has yet. A message stays until [`Log::taken`].
    fn inbox(&mut self) -> Result<Vec<Message>, LogError>;

    /// Removes messages whose lines are durable.
    fn taken(&mut self, ids: &[String]) -> Result<(), LogError>;
}

/// A run could not be read, found or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No run has this name.
    #[error("there is no run `{name}`")]
    NoRun {
        /// What was asked for.
        name: String,
        /// The nearest names there are.
        nearest: Vec<String>,
    },
    /// Several runs have this in their name.
    #[error("`{name}` could be {}", .runs.join(", "))]
    Several {
        /// What was asked for.
        name: String,
        /// The runs.
        runs: Vec<String>,
    },
    /// Another process writes this run.
    #[error("run {run} is being run by another process{}", .pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    Busy {
        /// The run.
        run: RunId,
        /// The process.
        pid: Option<u32>,
    },
    /// The journal is damaged before its last line, of a newer version, or holds something that must be understood.
    #[error("{path}:{line}: {message}")]
    Damaged {
        /// The file.
        path: String,
        /// The line, from 1.
        line: u64,
        /// What is wrong, and what to do.
        message: String,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// What was cut off a journal's end: a line that did not prove itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The line's number.
    pub line: u64,
    /// How many bytes.
    pub bytes: u64,
    /// Where they are kept.
    pub kept: String,
}

/// A run opened for writing.
pub struct Opened {
    /// Its log.
    pub log: Box<dyn Log>,
    /// What its lines fold to.
    pub state: RunState,
    /// What was cut off its end.
    pub torn: Option<Torn>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("run", &self.state.run).field("torn", &self.torn).finish_non_exhaustive()
    }
}

/// Where runs are kept.
pub trait Store: Send + Sync {
    /// Makes a run's folder with its bundle, and its empty journal. Nothing needs to be durable before the first
    /// [`Log::sync`], which makes all of it so.
    fn create(&self, run: &RunId, bundle: &[u8]) -> Result<Box<dyn Log>, StoreError>;

    /// Takes back a run that was created and has no line yet.
    fn discard(&self, run: &RunId) -> Result<(), StoreError>;

    /// Opens a run for writing: one writer at a time. Cuts a torn last line and keeps it beside the journal.
    fn open(&self, run: &RunId) -> Result<Opened, StoreError> {
        self.open_telling(run, &mut |_| {})
    }

    /// The same, with each line of the run handed to `each`, without its text: the journal is read once for both.
    fn open_telling(&self, run: &RunId, each: &mut dyn FnMut(&Line)) -> Result<Opened, StoreError>;

    /// Hands each line to `each`, from line `from` on (1 is the first), until it says false. Never holds all lines.
    fn read(&self, run: &RunId, from: u64, each: &mut dyn FnMut(Line) -> bool) -> Result<(), StoreError>;

    /// What a run's lines fold to. Opens nothing for writing.
    fn state(&self, run: &RunId) -> Result<RunState, StoreError>;

    /// The bundle as it was given to [`Store::create`]; the one of this digest as it was given to [`Store::rebundle`].
    fn bundle(&self, run: &RunId, changed: Option<&Digest>) -> Result<Vec<u8>, StoreError>;

    /// Keeps another version of a run's bundle beside the first one, durably.
    fn rebundle(&self, run: &RunId, digest: &Digest, bundle: &[u8]) -> Result<(), StoreError>;

    /// All runs, the latest first. One that cannot be read is there with its error.
    fn runs(&self) -> Result<Vec<(RunId, Result<RunState, StoreError>)>, StoreError>;

    /// The one run that `name` names, in full or by a unique part.
    fn find(&self, name: &str) -> Result<RunId, StoreError>;

    /// Puts a message into a run's inbox, durably.
    fn post(&self, run: &RunId, message: &Message) -> Result<(), StoreError>;

    /// Whether a process writes this run now.
    fn is_live(&self, run: &RunId) -> bool;

    /// A payload that was too large for its line.
    fn evidence(&self, run: &RunId, digest: &Digest) -> Result<Vec<u8>, StoreError>;

    /// Where incident records go, for views.
    fn incidents(&self) -> std::path::PathBuf;
}

/// What the time is.
pub trait Clock: Send + Sync {
    /// Now, by the machine's clock.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Decides gates. The class that a broker satisfies is fixed where it is registered, never by its answer.
pub trait Gates: Send + Sync {
    /// Go, no-go, or not now: then the run waits. May block; must come back when `elsewhere` is true, which says that
    /// another process has answered or the run was cancelled, with [`Decision::NotNow`].
    fn decide(&self, card: &GateCard, elsewhere: &dyn Fn() -> bool) -> Decision;

    /// Whether what a manual step asks for is done. The default lets the run wait.
    fn manual(&self, step: &Step, instructions: &str, elsewhere: &dyn Fn() -> bool) -> Decision {
        let _ = (step, instructions, elsewhere);
        Decision::NotNow
    }

    /// What the journal says a decision came through, e.g. `terminal`.
    fn name(&self) -> &'static str {
        "broker"
    }
}

/// A view: is told of each line after it stands in the journal. What it does cannot stop the run.
pub trait Sink: Send {
    /// The next line.
    fn line(&mut self, line: &Line);

    /// The run's process is about to end.
    fn end(&mut self) {}

    /// Called once before the first line with the run's cancel, for views that show it.
    fn attach(&mut self, cancel: &Cancel) {
        let _ = cancel;
    }
}
