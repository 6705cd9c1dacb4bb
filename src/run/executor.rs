use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Stop, start::Crew};
use crate::{
    effect::{Call, Door, Mode, Watching},
    event::{Cancel, Event, Evidence, Failure, FailureKind, Held, LogError, OnFailure, Recorder, RunState},
    model::{Body, GateClass, Identity, Item, Phase, Plan, Step, StepId, Target},
    object::{secret::is_secret, way_back::HELD_SECRET as REPLACED},
    script::{self, Declared, ErrorKind, ScriptError},
};

/// A bound run: what it is made of, and where it writes.
pub(super) struct Run {
    pub crew: Crew,
    pub recorder: Arc<Mutex<Recorder>>,
    pub plan: Arc<Plan>,
    pub declared: Declared,
    pub door: Arc<Door>,
    pub connect: Arc<dyn super::bind::Connect>,
    pub cancel: Cancel,
    pub target: Target,
    pub identity: Option<Identity>,
    /// The lowest class that any gate may have in this context.
    pub lowest: GateClass,
    pub held: Arc<Mutex<Box<dyn Held>>>,
    /// Where other machines see what was verified; none where they do not.
    pub evidence: Option<Arc<dyn Evidence>>,
    /// Where it stops as at a gate.
    pub until: Option<String>,
    /// Whether a person is there who can wait.
    pub attended: bool,
    /// The account.
    pub by: Option<String>,
    /// What is said along with a resume.
    pub resumption: super::resume::Resumption,
    /// Tells somebody of an end.
    pub notify: Option<super::start::Notify>,
    /// What is done about a failure.
    pub on_failure: OnFailure,
}

impl Run {
    pub fn recorder(&self) -> MutexGuard<'_, Recorder> {
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn state(&self) -> RunState {
        self.recorder().state().clone()
    }

    /// One look at the folded state, without copying it.
    pub fn with_state<T>(&self, look: impl FnOnce(&RunState) -> T) -> T {
        look(self.recorder().state())
    }

    /// Now, by the API server's clock where it has answered: what crosses processes is compared by it.
    pub fn now(&self) -> jiff::Timestamp {
        self.door.server_now().unwrap_or_else(|| self.crew.clock.now())
    }

    /// Why a verify does not have to hold, where it was waived.
    pub fn waived(&self, step: Option<&StepId>, text: &str) -> Option<String> {
        self.with_state(|state| state.waived.get(&(step.cloned(), text.to_owned())).cloned())
    }

    pub fn append(&self, event: &Event) -> Result<(), LogError> {
        self.recorder().append(event)
    }

    pub fn record(&self, event: &Event) -> Result<(), LogError> {
        self.recorder().record(event)
    }

    /// A call that only reads, through watches where it is repeated.
    pub fn reading(&self, watching: Option<&Arc<Watching>>) -> Call {
        let mut call = Call::new(Mode::Read, Some(self.door.clone()), self.cancel.clone());
        call.watches = watching.cloned();
        call
    }

    /// Calls a closure that is not an assertion.
    pub fn call(&self, body: &Body, step: Option<&StepId>, call: &Call) -> Result<serde_json::Value, ScriptError> {
        self.declared.call(body, self.tag(body, step, call))
    }

    /// A call as its script knows it: with what its step returned and found.
    pub fn tag(&self, body: &Body, step: Option<&StepId>, call: &Call) -> script::Call {
        let mut tag = super::bind::tag(body, call, self.crew.clock.as_ref());
        if let Some(step) = step {
            tag.output = self.with_state(|state| state.steps.get(step).and_then(|known| known.output.clone()));
            tag.before = Some(self.before(step));
        }
        tag.outputs = Some(self.outputs());
        tag
    }

    /// What steps' changes returned, from the journal, in the first process as after a resume.
    fn outputs(&self) -> script::Outputs {
        let recorder = self.recorder.clone();
        Arc::new(move |step| {
            let recorder = recorder.lock().unwrap_or_else(PoisonError::into_inner);
            recorder.state().steps.get(step).and_then(|state| state.output.clone())
        })
    }

    /// What was there before a step's effects.
    fn before(&self, step: &StepId) -> script::Before {
        let (recorder, step) = (self.recorder.clone(), step.clone());
        Arc::new(move |reference| {
            let recorder = recorder.lock().unwrap_or_else(PoisonError::into_inner);
            let effects = recorder.state().steps.get(&step).map(|state| state.effects.as_slice()).unwrap_or_default();
            let images = effects.iter().flat_map(|effect| &effect.sent.before);
            let image = images.filter(|before| before.object == reference).find_map(|before| before.image.clone());
            match image {
                // nothing is put back with what only stands for a secret; of a Secret, its values know that they do
                Some(image) if !is_secret(&image) && image.to_string().contains(REPLACED) => Err(ScriptError::new(
                    ErrorKind::Native,
                    format!("{reference} held a secret's value before, and that is kept nowhere"),
                )
                .help("take the value from where it comes from: `secret(\"name\", #{ … })`")),
                image => Ok(image),
            }
        })
    }

    /// Phase by phase, item by item; what is done already is passed over.
    pub fn drive(&mut self) -> Result<(), Stop> {
        self.start_gate()?;
        let plan = self.plan.clone();
        for (index, phase) in plan.phases.iter().enumerate() {
            if self.is_over(phase) {
                // its process may have ended before its holds were given back
                self.give_back(Some(phase))?;
                continue;
            }
            self.append(&Event::PhaseStarted { index, title: phase.title.clone() })?;
            for item in &phase.items {
                self.go_on()?;
                match item {
                    Item::Step(step) => self.step_unless_done(step)?,
                    Item::Gate(gate) => self.gate_unless_open(gate)?,
                }
            }
            self.give_back(Some(phase))?;
            self.append(&Event::PhaseEnded { index, title: phase.title.clone() })?;
        }
        self.outcome()?;
        self.give_back(None)
    }

    fn is_over(&self, phase: &Phase) -> bool {
        self.with_state(|state| {
            phase.items.iter().all(|item| match item {
                Item::Step(step) => state.is_done(&step.id),
                Item::Gate(gate) => state.gates.get(&gate.id).is_some_and(crate::event::GateState::is_open),
            })
        })
    }

    fn step_unless_done(&mut self, step: &Step) -> Result<(), Stop> {
        if self.with_state(|state| state.is_done(&step.id)) {
            return Ok(());
        }
        self.recorder().absorb()?;
        self.step(step)?;
        if self.until.as_deref().is_some_and(|until| until == step.id.as_str() || until == step.title) {
            return Err(Stop::Waiting {
                reason: format!("step \"{}\" is done, which is where it was asked to stop", step.title),
                gate: None,
                step: Some(step.id.clone()),
                exit: crate::model::ExitCode::Waiting,
            });
        }
        Ok(())
    }

    /// Ends here where the run was cancelled.
    pub fn go_on(&self) -> Result<(), Stop> {
        if self.cancel.is_cancelled() { Err(Stop::Cancelled) } else { Ok(()) }
    }

    /// The outcome's verifies: the last phase's gate.
    fn outcome(&mut self) -> Result<(), Stop> {
        let plan = self.plan.clone();
        let mut results = vec![];
        for (n, verify) in plan.verifies.iter().enumerate() {
            let result = self.hold(&Body::Outcome(n), verify, None, n, false)?;
            let held = result.verdict.holds() || self.waived(None, &verify.text).is_some();
            results.push(result);
            if !held {
                let unknown = results.last().is_some_and(|r| r.verdict == crate::model::Verdict::Unknown);
                let kind = if unknown { FailureKind::Unknown } else { FailureKind::Verify };
                let words = if unknown { "could not be seen" } else { "is not there" };
                let mut failure = Failure::new(kind, format!("the outcome {words}: {}", verify.text));
                failure.place = Some(verify.place.clone());
                failure.excerpt = self.declared.excerpt(&verify.place);
                failure.verifies = results;
                return Err(Stop::Failed { failure: Box::new(failure), step: None });
            }
        }
        if !results.is_empty() {
            self.append(&Event::OutcomeVerified { verifies: results })?;
        }
        Ok(())
    }

    /// An effect's or closure's error as what happened to the run.
    pub fn failed(&self, kind: FailureKind, error: &ScriptError) -> Failure {
        let mut failure = Failure::new(kind, error.message.clone());
        failure.place.clone_from(&error.place);
        failure.excerpt = error.place.as_ref().and_then(|place| self.declared.excerpt(place));
        failure.help.clone_from(&error.help);
        failure
    }
}
