//! From a loaded playbook to an ended run: bind, trial, preflight, executor, verify, gate, resume, promotion.
//! It knows the journal, locks and other runs only through the traits of `event`.
//! Whatever a run comes to, it comes to it here; what a process prints or exits with is decided elsewhere.

mod bind;
mod changes;
mod conclude;
mod evidence;
mod executor;
mod gate;
mod identity;
mod outlook;
mod park;
mod place;
mod preflight;
mod promotion;
mod repeat;
mod resume;
mod soak;
mod start;
mod step;
mod trial;
mod undo;
mod verify;

pub use bind::{Connect, Connected};
pub use identity::who;
pub use outlook::{Outlook, outlook};
pub use preflight::{Ahead, look_ahead};
pub use promotion::{Requirement, Unmet};
pub use resume::{Changed, Resumption, Settle, Waive, resume};
pub use start::{Crew, Ended, Notify, Order, WRITABLE, start, together};
pub use trial::rehearse;
pub use undo::{Ask, undo, ways_back};

use crate::{
    event::{Failure, LogError},
    model::{ExitCode, GateId, StepId},
};

/// Why a run's process stops before the run's end.
#[derive(Debug)]
enum Stop {
    /// Somebody has to decide or do something.
    Waiting { reason: String, gate: Option<GateId>, step: Option<StepId>, exit: ExitCode },
    /// Something did not go as expected. A step that failed has its line already.
    Failed { failure: Box<Failure>, step: Option<StepId> },
    /// It was cancelled.
    Cancelled,
    /// The journal could not be written: nothing more can be said in it.
    Journal(LogError),
}

impl From<LogError> for Stop {
    fn from(error: LogError) -> Self {
        Self::Journal(error)
    }
}
