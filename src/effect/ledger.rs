use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::{EffectError, Sort};
use crate::{
    event::{Applied, Before, EffectState, Event, Head, Outcome, Part, Recorder, Sent},
    model::{Digest, Place, RunId, StepId},
};

/// What is asked before each effect: is it still that cluster, does the run still hold its place? And once more when it is
/// journaled and not sent yet, with how far the journal is then: has no other copy of the run gone further?
pub type Standing = Arc<dyn Fn(Option<&Head>) -> Result<(), EffectError> + Send + Sync>;

/// The effects of one step: numbers them, journals each before it is sent and after it was answered, and answers from
/// the journal what an earlier process already did.
pub struct Ledger {
    step: StepId,
    recorder: Arc<Mutex<Recorder>>,
    standing: Standing,
    /// Everything the step does may be sent again: `.idempotent()`.
    idempotent: bool,
    part: Part,
    state: Mutex<State>,
}

struct State {
    seq: u32,
    known: Vec<EffectState>,
}

/// An effect before it is sent.
pub(super) struct Intent {
    pub native: String,
    pub targets: Vec<String>,
    pub input: Digest,
    pub idempotent: bool,
    pub place: Option<Place>,
}

/// What an effect was answered.
pub(super) struct Answer {
    pub results: Vec<Applied>,
    pub output: Value,
    pub error: Option<EffectError>,
}

impl Ledger {
    /// The effects of `step`, of which `known` were journaled before.
    pub fn new(
        step: StepId,
        recorder: Arc<Mutex<Recorder>>,
        standing: Standing,
        idempotent: bool,
        known: Vec<EffectState>,
    ) -> Self {
        Self { step, recorder, standing, idempotent, part: Part::Change, state: Mutex::new(State { seq: 0, known }) }
    }

    /// The effects of another of the step's closures than its change.
    #[must_use]
    pub fn of(mut self, part: Part) -> Self {
        self.part = part;
        self
    }

    /// The run's recorder.
    pub(super) fn recorder(&self) -> MutexGuard<'_, Recorder> {
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The effect that is being sent: run, step, closure and number.
    pub(super) fn current(&self) -> (RunId, StepId, Part, u32) {
        let run = self.recorder().state().run.clone().unwrap_or_else(|| RunId::new(""));
        (run, self.step.clone(), self.part, self.lock().seq)
    }

    fn whose(&self) -> String {
        match self.part {
            Part::Change => format!("step {}", self.step),
            Part::Repair => format!("the repair of step {}", self.step),
            Part::Undo => format!("the way back of step {}", self.step),
        }
    }

    /// Whether the journal holds effects that this closure did not come to: it is not the closure that made them.
    pub fn left_over(&self) -> Option<String> {
        let state = self.lock();
        let seq = state.seq as usize;
        state.known.get(seq).map(|effect| {
            format!(
                "the journal holds {} {} as effect {}, which this closure did not come to again",
                effect.sent.native,
                effect.sent.targets.join(", "),
                seq + 1
            )
        })
    }

    /// Sends an effect once: journals it, sends it, journals the answer. `before` reads what is there.
    pub(super) fn perform(
        &self,
        intent: Intent,
        before: impl FnOnce() -> Result<Vec<Before>, EffectError>,
        send: impl FnOnce(&Sent) -> Result<Answer, EffectError>,
    ) -> Result<Value, EffectError> {
        let (seq, known) = {
            let mut state = self.lock();
            state.seq += 1;
            (state.seq, state.known.get(state.seq as usize - 1).cloned())
        };
        let idempotent = intent.idempotent || self.idempotent;
        let (mut images, mut at, mut uncertain) = (None, None, false);
        if let Some(known) = known {
            if let Some(answer) = self.replay(&intent, &known, seq, idempotent)? {
                return Ok(answer);
            }
            // what was there before the first time is what undo has to know
            uncertain = known.results.is_none();
            (images, at) = (Some(known.sent.before), known.sent.at);
        }
        (self.standing)(None)?;
        let before = match images {
            Some(images) => images,
            None => before()?,
        };
        let sent = Sent {
            seq,
            native: intent.native,
            targets: intent.targets,
            input: intent.input,
            idempotent,
            before,
            at: at.or_else(|| Some(jiff::Timestamp::now())),
            place: intent.place,
            part: self.part,
        };
        let head = {
            let mut recorder = self.recorder();
            recorder.commit(&Event::Effect { step: self.step.clone(), effect: sent.clone() })?;
            recorder.head()
        };
        if let Err(error) = (self.standing)(Some(&head)) {
            // what an earlier process may have sent stays uncertain
            if !uncertain {
                self.not_sent(&sent, &error)?;
            }
            return Err(error);
        }
        let Answer { results, output, error } = send(&sent)?;
        let event = Event::Effected {
            step: self.step.clone(),
            seq,
            results,
            output,
            error: error.as_ref().map(ToString::to_string),
            part: self.part,
        };
        let mut recorder = self.recorder();
        // what a script gets is what the journal holds, in the first process as after a resume
        let output = recorder.append_answer(&event)?;
        if !idempotent {
            recorder.sync()?;
        }
        error.map_or(Ok(output), Err)
    }

    /// Journals that an effect was not sent after all, so that nothing about it is uncertain.
    fn not_sent(&self, sent: &Sent, error: &EffectError) -> Result<(), EffectError> {
        let not_tried = |target: &String| Applied {
            target: target.clone(),
            outcome: Outcome::NotTried,
            message: None,
            after: None,
        };
        let event = Event::Effected {
            step: self.step.clone(),
            seq: sent.seq,
            results: sent.targets.iter().map(not_tried).collect(),
            output: Value::Null,
            error: Some(error.to_string()),
            part: self.part,
        };
        Ok(self.recorder().commit(&event)?)
    }

    /// The journal's answer to an effect, or none where it has to be sent (again).
    fn replay(
        &self,
        intent: &Intent,
        known: &EffectState,
        seq: u32,
        idempotent: bool,
    ) -> Result<Option<Value>, EffectError> {
        let same = known.sent.native == intent.native && known.sent.targets == intent.targets;
        let differs = |what: &str| {
            EffectError::new(
                Sort::Uncertain,
                format!(
                    "effect {seq} of {} is not the one in the journal: journaled {} {}, now {} {}{what}",
                    self.whose(),
                    known.sent.native,
                    known.sent.targets.join(", "),
                    intent.native,
                    intent.targets.join(", "),
                ),
            )
            .help("look at what is there, then say what became of the step")
        };
        if !same {
            return Err(differs(""));
        }
        let done = known.results.as_ref().is_some_and(|results| {
            known.error.is_none() && results.iter().all(|r| matches!(r.outcome, Outcome::Applied | Outcome::Unchanged))
        });
        if done {
            if known.sent.input != intent.input {
                return Err(differs(" with another input"));
            }
            return Ok(Some(known.output.clone()));
        }
        if known.results.is_some() {
            // it failed, and was seen to fail: resuming asks for it again
            return Ok(None);
        }
        if known.sent.input != intent.input {
            return Err(differs(" with another input"));
        }
        if idempotent {
            return Ok(None);
        }
        Err(EffectError::new(
            Sort::Uncertain,
            format!(
                "{} {} was sent by {} and its answer is not known; it may not be sent twice",
                known.sent.native,
                known.sent.targets.join(", "),
                self.whose()
            ),
        )
        .help("look at what is there: whether it was done can be seen, not guessed"))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("step", &self.step).finish_non_exhaustive()
    }
}
