use std::fmt;

use serde::{Deserialize, Serialize};

/// How a command ended: the numbers that scripts and CI read. They never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
#[repr(u8)]
pub enum ExitCode {
    /// 0: done, and what it says was seen.
    Done = 0,
    /// 1: an error inside runbook itself.
    Internal = 1,
    /// 2: the command line was not understood.
    Usage = 2,
    /// 3: differences were found, where they were asked for.
    Differences = 3,
    /// 10: a verify did not hold in its time.
    VerifyFailed = 10,
    /// 11: a step's change failed.
    StepFailed = 11,
    /// 12: preflight found something; nothing has changed.
    PreflightFailed = 12,
    /// 13: the playbook was refused: syntax, findings, not ready, policy, promotion.
    Refused = 13,
    /// 20: the run waits: at a gate, for a manual step, for a parked verify.
    Waiting = 20,
    /// 21: a gate was rejected.
    Rejected = 21,
    /// 22: an approval had expired.
    Expired = 22,
    /// 30: another run holds the cluster.
    Locked = 30,
    /// 31: an undeclared context, or not the cluster that it was.
    WrongContext = 31,
    /// 40: the outcome of an effect is unknown.
    Unknown = 40,
    /// 41: an undo did not come to its end.
    UndoIncomplete = 41,
    /// 130: ended by Ctrl-C.
    Interrupted = 130,
    /// 143: ended by SIGTERM.
    Terminated = 143,
}

impl ExitCode {
    /// The number that the process exits with.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// What the number means, in a few words.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Internal => "internal error",
            Self::Usage => "usage",
            Self::Differences => "differences found",
            Self::VerifyFailed => "a verify did not hold",
            Self::StepFailed => "a step failed",
            Self::PreflightFailed => "preflight failed",
            Self::Refused => "playbook refused",
            Self::Waiting => "waiting",
            Self::Rejected => "gate rejected",
            Self::Expired => "approval expired",
            Self::Locked => "locked",
            Self::WrongContext => "undeclared context, or not the cluster it was",
            Self::Unknown => "outcome unknown",
            Self::UndoIncomplete => "undo incomplete",
            Self::Interrupted => "interrupted",
            Self::Terminated => "terminated",
        }
    }
}

impl fmt::Display for ExitCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.code(), self.meaning())
    }
}
