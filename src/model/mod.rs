//! Values only: what a plan, a step, a gate, a risk, a reference, a finding, a touch, an observation, a verdict is.
//! Nothing here does I/O or knows how a value came to be; every other module may use it.
//! One concept, one type: `Finding` serves check, preflight and lints; `Touch` serves risk, staging and ways back.
//! All types are serde values: they stand in the journal as they are.

mod diagnosis;
mod digest;
mod exit;
mod fault;
mod finding;
mod gate;
mod identity;
mod ids;
pub mod markdown;
mod missing;
mod observation;
mod place;
mod plan;
mod reference;
mod span;
mod step;
pub mod text;
mod touch;
mod undo;

pub use diagnosis::{Checkup, ContextDiagnosis, Diagnosis, Health, Pinned};
pub use digest::Digest;
pub use exit::ExitCode;
pub use fault::{Fault, FaultError, FaultHow};
pub use finding::{Finding, Severity};
pub use gate::{Decision, Fact, Gate, GateCard, GateClass, Show};
pub use identity::{Identity, Target};
pub use ids::{Body, GateId, RunId, StepId, slug};
pub use missing::Missing;
pub use observation::{Evaluation, Observation, Read, Verdict};
pub use place::Place;
pub use plan::{
    Assumption, Choice, Confidence, Discovery, Item, Kind, Param, Phase, Plan, Question, Resolution, Risk, SecretParam,
};
pub use reference::{ObjectRef, RefError};
pub use span::{Span, SpanError};
pub use step::{Check, Doing, Hold, Step, Verify, WayBack};
pub use touch::{Touch, Verb};
pub use undo::{Left, UndoItem, UndoPlan, UndoStep, UndoWay};
