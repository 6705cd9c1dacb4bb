//! What can happen in a run (`Event`, which is also the wire format) and the fold of events into a run's state.
//! The traits through which `run` and `effect` know the journal, locks and other runs: `Log`, `Store`, `Lock`, `Clock`;
//! `Gates` and `Sink` are how people and views take part.
//! An undo is lines of the same journal: `undo.started`, then per step `undo.step.started`, its effects, `undo.step.ended`,
//! and `undo.ended`. The effects of a way back or a repair say so (`of`), and never take the place of the change's.
//! A line that claims a result is durable before a view is told of it; a view's failure stops nothing.

mod account;
mod cancel;
mod fold;
mod fold_undo;
mod follows;
mod kinds;
mod line;
mod lock;
mod payload;
mod recorder;
mod stated;
mod traits;

pub use cancel::{Cancel, CancelGuard};
pub use fold::{Assumed, EffectState, FoldError, GateState, Life, RunState, StepState, StepStatus};
pub use fold_undo::{RepairState, UndoState, UndoingState};
pub use kinds::Event;
pub use line::Line;
pub use lock::{Bearing, Evidence, Folder, Head, Held, Holder, Lock, LockError, overlap};
pub use payload::{
    Applied, Before, Closed, Failure, FailureKind, Message, OnFailure, Outcome, Part, Said, Seen, Sent, Settings,
    Staged, Stated, Undoing, VerifyResult,
};
pub use recorder::Recorder;
pub use stated::Parked;
pub use traits::{Clock, Gates, Log, LogError, Opened, Sink, Store, StoreError, Torn, WallClock};
