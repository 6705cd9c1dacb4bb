use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Event, RunState};
use crate::model::RunId;

/// How far a journal is: its last line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The line's number; 0 where there is none.
    pub n: u64,
    /// Its hash, which stands for it and all before it.
    pub hash: String,
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short: String = self.hash.chars().take(12).collect();
        if self.n == 0 { f.write_str("no line") } else { write!(f, "line {} ({short})", self.n) }
    }
}

/// Who holds a cluster, in the sense of: which run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The run.
    pub run: RunId,
    /// The context's name.
    pub context: String,
    /// Since when.
    pub since: Timestamp,
    /// The process.
    pub pid: u32,
    /// The machine.
    pub host: String,
    /// The account that works there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The state folder that its journal is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<Folder>,
    /// With which words it took the place by force, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broke: Option<String>,
}

/// A state folder, told from each copy of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folder {
    /// Where it is on its machine.
    pub path: String,
    /// Another one for another machine and for another copy.
    pub id: String,
}

impl Holder {
    /// Whether both work on the same state folder of the same machine.
    pub fn is_beside(&self, other: &Self) -> bool {
        self.host == other.host && self.folder.is_some() && self.folder == other.folder
    }

    /// Who and where, e.g. `kim@ops-1, pid 4242`.
    pub fn place(&self) -> String {
        let account = self.account.as_ref().map(|account| format!("{account}@")).unwrap_or_default();
        let host = if self.host.is_empty() { "a machine without a name" } else { &self.host };
        format!("{account}{host}, pid {}", self.pid)
    }
}

/// How the holder of a place is, as far as that can be seen from here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bearing {
    /// Its process lives.
    Live,
    /// Its process ended in order: the run waits for this.
    Waits(String),
    /// Its process ended in order: the run stopped because of this.
    Stopped(String),
    /// Its process ended without a word (a crash, `kill -9`, a loss of power), or was cut off; when it was heard of last.
    Dead(Option<Timestamp>),
    /// It cannot be seen.
    #[default]
    Unknown,
}

impl fmt::Display for Bearing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Live => f.write_str("its process is running"),
            Self::Waits(why) => write!(f, "it waits: {why}"),
            Self::Stopped(why) => write!(f, "it stopped: {why}"),
            Self::Dead(Some(heard)) => write!(f, "its process is gone: nothing was heard of it since {heard:.0}"),
            Self::Dead(None) => f.write_str("its process is gone: it ended without a word"),
            Self::Unknown => f.write_str("whether its process lives cannot be seen from here"),
        }
    }
}

/// A place could not be taken, or is not held any more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another run has it.
    #[error("run {} has {} since {:.0} ({}); {bearing}", .holder.run, .holder.context, .holder.since, .holder.place())]
    Held {
        /// Which.
        holder: Box<Holder>,
        /// How it is.
        bearing: Bearing,
    },
    /// It was held, and is not any more.
    #[error("{message}")]
    Lost {
        /// What became of it.
        message: String,
    },
    /// Another copy of this run's journal has gone further: going on here would make two histories of one run.
    #[error("this copy of run {run} is behind: its journal ends with {own}, and {further} has brought it to {known}")]
    Behind {
        /// The run.
        run: RunId,
        /// How far this copy is.
        own: Head,
        /// How far the run is.
        known: Head,
        /// Where that was.
        further: String,
    },
    /// Another copy of this run's journal went another way.
    #[error("this copy of run {run} went another way than {further}: {own} here is {known} there")]
    Forked {
        /// The run.
        run: RunId,
        /// This copy's line.
        own: Head,
        /// The same line of the other copy.
        known: Head,
        /// Where that is.
        further: String,
    },
    /// Another copy of this run's journal closed the run.
    #[error("run {run} is closed; this copy of it does not know that: {further} does")]
    Over {
        /// The run.
        run: RunId,
        /// Where that was.
        further: String,
    },
    /// Nobody answered, so it is not known whether it is still held.
    #[error("{message}")]
    Unreachable {
        /// What was asked, and what became of it.
        message: String,
    },
    /// It cannot be kept where it has to be.
    #[error("{message}")]
    Refused {
        /// Why.
        message: String,
        /// What to type.
        help: Vec<String>,
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

impl LockError {
    /// What the run reads whose place was taken by force.
    pub fn forced(by: &Holder) -> Self {
        let words = by.broke.as_ref().map(|words| format!(": \"{words}\"")).unwrap_or_default();
        Self::Lost { message: format!("run {} ({}) took its place by force{words}", by.run, by.place()) }
    }
}

/// A place that is held for as long as this lives. Dropping it does not give it up: a run that waits keeps its place.
pub trait Held: Send {
    /// Whether it is still held; asked before each change.
    fn check(&self) -> Result<(), LockError>;

    /// Says how far the run's journal is, where other machines see that: before a change is sent, and before a run goes
    /// on. Refused where another copy has gone further.
    fn claim(&self, head: &Head) -> Result<(), LockError> {
        let _ = head;
        Ok(())
    }

    /// The process ends and the run keeps its place: says so where other machines see it.
    fn rest(&self, head: &Head, bearing: &Bearing) -> Result<(), LockError> {
        let _ = (head, bearing);
        Ok(())
    }

    /// Gives it up. The run may take it again; one that is closed is freed: [`Lock::free`].
    fn release(self: Box<Self>) -> Result<(), LockError>;
}

/// One run that changes per cluster. A place is named by the cluster's identity, narrowed by the plan's scope:
/// `identity` or `identity/scope`. A place and a part of it are not held by two runs.
pub trait Lock: Send + Sync {
    /// Takes a place. The run that has it already takes it again.
    fn take(&self, place: &str, holder: &Holder) -> Result<Box<dyn Held>, LockError>;

    /// Takes a place by force; gives whom it was taken from. They stop before their next change.
    fn seize(&self, place: &str, holder: &Holder) -> Result<(Box<dyn Held>, Vec<Holder>), LockError>;

    /// Gives up what a run holds, and lets no copy of it take a place again: the run is closed.
    fn free(&self, run: &RunId) -> Result<(), LockError>;

    /// Whether this copy of a run is the one that has gone furthest, as far as that is kept. Nothing is taken or written.
    fn look(&self, run: &RunId) -> Result<(), LockError> {
        let _ = run;
        Ok(())
    }
}

/// What runs have verified, where other machines see it.
pub trait Evidence: Send + Sync {
    /// Keeps what a run was and came to, in place of what is kept of it: the events that say so, each with its time. A run
    /// that is being taken back is kept as one, so that no copy of it counts either.
    fn keep(&self, run: &RunId, events: &[(Timestamp, Event)]) -> Result<(), LockError>;

    /// What is kept, the latest first.
    fn runs(&self) -> Result<Vec<(RunId, RunState)>, LockError>;
}

/// Whether a run that has one of these places must not be joined by a run that has the other.
pub fn overlap(one: &str, other: &str) -> bool {
    let within = |part: &str, whole: &str| part.strip_prefix(whole).is_some_and(|rest| rest.starts_with('/'));
    one == other || within(one, other) || within(other, one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_overlaps_with_its_parts_and_not_with_its_neighbours() {
        for (one, other, both) in [
            ("u", "u", true),
            ("u", "u/dns", true),
            ("u/dns", "u", true),
            ("u/dns", "u/dns/zone", true),
            ("u/dns", "u/dn", false),
            ("u/dns", "u/web", false),
            ("u", "v", false),
        ] {
            assert_eq!(overlap(one, other), both, "{one} {other}");
        }
    }

    #[test]
    fn a_holder_of_an_earlier_version_is_still_read() {
        let json = r#"{"run":"a-1","context":"main","since":"2026-07-31T14:02:01Z","pid":7,"host":"ops"}"#;
        let holder: Holder = serde_json::from_str(json).unwrap();
        assert_eq!((holder.place(), holder.is_beside(&holder)), ("ops, pid 7".into(), false));
    }
}
