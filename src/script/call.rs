use std::{any::Any, sync::Arc, time::Instant};

use rhai::{Dynamic, NativeCallContext};
use serde_json::Value;

use super::{
    ScriptError,
    guard::{Cancelled, Printer},
    library::Library,
};
pub use crate::effect::Mode;
use crate::model::{Body, StepId};

/// Gives what a finished step's change returned.
pub type Outputs = Arc<dyn Fn(&StepId) -> Option<Value> + Send + Sync>;

/// Gives an object as it was before this step, by reference; an error where it was not kept.
pub type Before = Arc<dyn Fn(&str) -> Result<Option<Value>, ScriptError> + Send + Sync>;

/// One call of one closure: everything that natives below it need to know. It travels with the call, so calls from
/// several threads do not see each other's.
#[derive(Clone)]
pub struct Call {
    /// What natives may do.
    pub mode: Mode,
    /// Which closure.
    pub body: Body,
    /// The door to the world that natives go through; each native knows its type.
    pub door: Option<Arc<dyn Any + Send + Sync>>,
    /// Ends the closure at once, natives included.
    pub cancelled: Option<Cancelled>,
    /// When the closure has to be done.
    pub deadline: Option<Instant>,
    /// What this step's change returned, in its later closures.
    pub output: Option<Value>,
    /// What other steps returned.
    pub outputs: Option<Outputs>,
    /// Objects before this step.
    pub before: Option<Before>,
    /// Gets what the closure prints.
    pub printer: Option<Printer>,
    /// What `time::now()` says; the present where unset.
    pub now: Option<jiff::Timestamp>,
}

impl Call {
    /// A call of `body` in its own mode, with nothing else.
    pub fn new(body: Body) -> Self {
        Self {
            mode: Mode::of(&body),
            body,
            door: None,
            cancelled: None,
            deadline: None,
            output: None,
            outputs: None,
            before: None,
            printer: None,
            now: None,
        }
    }

    /// With this door to the world.
    #[must_use]
    pub fn through(mut self, door: Arc<dyn Any + Send + Sync>) -> Self {
        self.door = Some(door);
        self
    }

    /// Done by then.
    #[must_use]
    pub fn until(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// The closure in words: `a verify of step rollout/publish`.
    pub fn words(&self) -> String {
        match &self.body {
            Body::Change(step) => format!("the change of step {step}"),
            Body::Precheck(step, _) => format!("a precheck of step {step}"),
            Body::SkipIf(step) => format!("the skip_if of step {step}"),
            Body::Verify(step, _) => format!("a verify of step {step}"),
            Body::Undo(step) => format!("the undo of step {step}"),
            Body::Undone(step, _) => format!("an undone of step {step}"),
            Body::Repair(step) => format!("the repair of step {step}"),
            Body::Show(gate, _) => format!("a show of gate {gate}"),
            Body::Assumption(_) => "the probe of an assumption".into(),
            Body::Outcome(_) => "a verify of the outcome".into(),
            Body::Discovery(_) => "a discover".into(),
        }
    }
}

/// A call as the engine carries it.
#[derive(Clone)]
pub(super) struct Tag(pub(super) Arc<Call>, pub(super) Arc<Library>);

/// The call that this native runs in; none while the plan is being declared.
pub(super) fn current(context: &NativeCallContext) -> Option<Arc<Call>> {
    context.tag().and_then(|tag| tag.read_lock::<Tag>().map(|tag| tag.0.clone()))
}

/// `call` of a closure of these scripts as an engine's tag.
pub(super) fn tag(call: Call, library: &Arc<Library>) -> Dynamic {
    Dynamic::from(Tag(Arc::new(call), library.clone()))
}
