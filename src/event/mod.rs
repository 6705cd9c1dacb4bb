//! What can happen in a run (`Event`, which is also the wire format) and the fold of events into a run's state.
//! The traits through which `run` and `effect` know the journal, locks and other runs: `Log`, `Store`, `Lock`, `Clock`;
//! `Gates` and `Sink` are how people and views take part.
//! A line that claims a result is durable before a view is told of it; a view's failure stops nothing.

mod account;
mod cancel;
mod fold;
mod kinds;
mod line;
mod payload;
mod recorder;
mod stated;
mod traits;

pub use cancel::{Cancel, CancelGuard};
pub use fold::{Assumed, EffectState, FoldError, GateState, Life, RunState, StepState, StepStatus};
pub use kinds::Event;
pub use line::Line;
pub use payload::{
    Applied, Before, Closed, Failure, FailureKind, Message, Outcome, Said, Sent, Settings, Staged, Stated, VerifyResult,
};
pub use recorder::Recorder;
pub use stated::Parked;
pub use traits::{
    Clock, Gates, Held, Holder, Lock, LockError, Log, LogError, Opened, Sink, Store, StoreError, Torn, WallClock,
};
