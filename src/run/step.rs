use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{Stop, executor::Run};
use crate::{
    effect::{Call, Ledger, Mode, Sort, Trouble, kept},
    event::{Event, Failure, FailureKind, Part, Said, StepStatus, VerifyResult},
    model::{Body, Decision, Doing, ExitCode, Step, StepId, Verdict, text::elapsed},
};

/// What was asked for by hand is done.
pub(super) struct Done {
    pub reason: Option<String>,
}

impl Run {
    /// One step, from its prechecks to its verifies; goes on where the journal ends.
    pub fn step(&mut self, step: &Step) -> Result<(), Stop> {
        let known = self.with_state(|state| state.step(&step.id));
        self.append(&Event::StepStarted { step: step.id.clone(), attempt: known.attempts + 1 })?;
        let ended = if self.is_being_repaired(step) {
            self.repair(step)
        } else {
            self.change(step).and_then(|before| self.verify(step, &before))
        };
        match self.step_failed(step, ended) {
            Err(Stop::Failed { failure, .. }) if self.may_repair(step, &failure) => {
                let repaired = self.repair(step);
                self.step_failed(step, repaired)
            }
            other => other,
        }
    }

    fn step_failed(&self, step: &Step, ended: Result<(), Stop>) -> Result<(), Stop> {
        let Err(Stop::Failed { failure, .. }) = ended else { return ended };
        self.record(&Event::StepFailed { step: step.id.clone(), failure: (*failure).clone() })?;
        Err(Stop::Failed { failure, step: Some(step.id.clone()) })
    }

    /// Up to the end of the change; says which verifies held before it.
    fn change(&mut self, step: &Step) -> Result<Vec<Verdict>, Stop> {
        let known = self.with_state(|state| state.step(&step.id));
        match known.status {
            StepStatus::Changed => return Ok(known.before),
            StepStatus::Manual => {
                self.by_hand(step, false)?;
                return Ok(known.before);
            }
            _ => {}
        }
        // with effects sent already, what was there before them can no longer be asked
        let before = if known.effects.is_empty() {
            self.prechecks(step)?;
            if self.is_skipped(step)? {
                return Ok(vec![]);
            }
            let before = self.before_change(step)?;
            self.append(&Event::StepBefore { step: step.id.clone(), verdicts: before.clone() })?;
            before
        } else {
            known.before.clone()
        };
        match &step.doing {
            Doing::Change => {
                let output = self.perform(step, Part::Change)?;
                self.append(&Event::StepChanged { step: step.id.clone(), output })?;
            }
            Doing::Manual(_) => self.by_hand(step, true)?,
            Doing::Check => {}
        }
        Ok(before)
    }

    fn prechecks(&self, step: &Step) -> Result<(), Stop> {
        for (n, check) in step.prechecks.iter().enumerate() {
            let look = self.check(&Body::Precheck(step.id.clone(), n), check, &step.id)?;
            if !look.verdict.holds() {
                let kind = if look.verdict == Verdict::Unknown { FailureKind::Unknown } else { FailureKind::Precheck };
                let mut failure = Failure::new(
                    kind,
                    format!(
                        "precheck \"{}\" of step \"{}\" {}; nothing was changed by it",
                        check.text,
                        step.title,
                        look.verdict.words()
                    ),
                );
                // nothing was changed, so nothing about the outcome is unknown
                if kind == FailureKind::Unknown {
                    failure.kind = FailureKind::Precheck;
                }
                failure.place = Some(check.place.clone());
                failure.excerpt = self.declared.excerpt(&check.place);
                let told = self.told_by_commands(&look)?;
                failure.verifies = vec![VerifyResult {
                    text: check.text.clone(),
                    verdict: look.verdict,
                    observations: look.observations,
                    reason: look.reason.or(told),
                    evaluations: 1,
                    took: check.within,
                    flaps: 0,
                    held_before: false,
                }];
                return Err(Stop::Failed { failure: Box::new(failure), step: Some(step.id.clone()) });
            }
        }
        Ok(())
    }

    fn is_skipped(&self, step: &Step) -> Result<bool, Stop> {
        let Some(check) = &step.skip_if else { return Ok(false) };
        let look = self.check(&Body::SkipIf(step.id.clone()), check, &step.id)?;
        if !look.verdict.holds() {
            return Ok(false);
        }
        self.append(&Event::StepSkipped {
            step: step.id.clone(),
            text: check.text.clone(),
            observations: look.observations,
        })?;
        Ok(true)
    }

    /// Each verify once, before the change: what holds already is evidence of nothing.
    fn before_change(&self, step: &Step) -> Result<Vec<Verdict>, Stop> {
        if step.doing == Doing::Check {
            return Ok(vec![]);
        }
        let look = |n| {
            let verify = Body::Verify(step.id.clone(), n);
            match self.look_closely(&verify, Some(&step.id), None, Instant::now()) {
                Ok(look) => Ok(look.verdict),
                // what the change cannot mend is said before it
                Err((Stop::Failed { mut failure, step }, true)) => {
                    failure.kind = FailureKind::Precheck;
                    Err(Stop::Failed { failure, step })
                }
                // a verify that cannot be evaluated yet is evaluated after the change, and says then what is wrong
                Err((Stop::Failed { .. }, false)) => Ok(Verdict::NotYet),
                Err((stop, _)) => Err(stop),
            }
        };
        (0..step.verifies.len()).map(look).collect()
    }

    /// Runs one of a step's closures that change something; effects that the journal holds are answered from it.
    pub(super) fn perform(&self, step: &Step, part: Part) -> Result<Value, Stop> {
        let id = step.id.clone();
        let (body, idempotent) = match part {
            Part::Change => (Body::Change(id), step.idempotent),
            Part::Repair => (Body::Repair(id), false),
            Part::Undo => (Body::Undo(id), false),
        };
        let known = self.with_state(|state| {
            state.steps.get(&step.id).map(|known| known.effects_of(part).to_vec()).unwrap_or_default()
        });
        let ledger =
            Ledger::new(step.id.clone(), self.recorder.clone(), self.standing(step.api_down), idempotent, known)
                .of(part);
        let ledger = Arc::new(ledger);
        let mut call = Call::new(Mode::Change, Some(self.door.clone()), self.cancel.clone())
            .until(Instant::now() + step.timeout.duration());
        call.ledger = Some(ledger.clone());
        let result = self.call(&body, Some(&step.id), &call);
        self.notice(Some(&step.id), vec![])?;
        if let Some(trouble) = call.trouble().filter(|trouble| trouble.sort.is_final()) {
            return Err(self.stop_of(Some(&step.id), trouble.sort, &trouble));
        }
        let output = result.map_err(|error| match sort_of(&error) {
            Some(Sort::Cancelled) => Stop::Cancelled,
            sort => {
                let kind = sort.map_or(FailureKind::Change, kind_of);
                Stop::Failed { failure: Box::new(self.failed(kind, &error)), step: Some(step.id.clone()) }
            }
        })?;
        if let Some(left) = ledger.left_over() {
            return Err(self.failing(step, FailureKind::Unknown, left));
        }
        Ok(kept(output))
    }

    fn failing(&self, step: &Step, kind: FailureKind, message: String) -> Stop {
        let mut failure = Failure::new(kind, message);
        failure.place = Some(step.place.clone());
        failure.excerpt = self.declared.excerpt(&step.place);
        Stop::Failed { failure: Box::new(failure), step: Some(step.id.clone()) }
    }

    /// Something that a person does: asked for on a terminal, or waited for.
    fn by_hand(&mut self, step: &Step, announce: bool) -> Result<(), Stop> {
        let Doing::Manual(instructions) = &step.doing else { return Ok(()) };
        if announce {
            self.keeps_place()?;
            self.record(&Event::StepManual { step: step.id.clone(), instructions: instructions.clone() })?;
            self.claims_place()?;
        }
        let Some(Done { reason }) = self.asked_for(step, instructions)? else {
            return Err(Stop::Waiting {
                reason: format!("step \"{}\" is to be done by hand", step.title),
                gate: None,
                step: Some(step.id.clone()),
                exit: ExitCode::Waiting,
            });
        };
        self.record(&Event::StepDoneByHand { step: step.id.clone(), reason })?;
        Ok(())
    }

    /// Asks for something to be done by hand; none where nobody said that it is.
    pub(super) fn asked_for(&mut self, step: &Step, instructions: &str) -> Result<Option<Done>, Stop> {
        self.recorder().absorb()?;
        let mut done = self.done_message(&step.id);
        if done.is_none() {
            let gates = self.crew.brokers();
            for broker in gates {
                let elsewhere = || self.cancel.is_cancelled() || self.has_message(&step.id);
                match broker.manual(step, instructions, &elsewhere) {
                    Decision::Go { reason } => done = Some(Done { reason }),
                    Decision::NoGo { .. } | Decision::NotNow => {}
                }
                self.go_on()?;
                if done.is_some() {
                    break;
                }
            }
            if done.is_none() {
                self.recorder().absorb()?;
                done = self.done_message(&step.id);
            }
        }
        Ok(done)
    }

    pub(super) fn done_message(&self, id: &StepId) -> Option<Done> {
        self.with_state(|state| {
            state.unused.iter().find_map(|message| match &message.said {
                Said::Done { step, reason } if step == id => Some(Done { reason: reason.clone() }),
                _ => None,
            })
        })
    }

    fn has_message(&self, id: &StepId) -> bool {
        let absorbed = self.recorder().absorb();
        absorbed.is_ok() && self.done_message(id).is_some()
    }

    pub(super) fn verify(&mut self, step: &Step, before: &[Verdict]) -> Result<(), Stop> {
        let mut results = Vec::with_capacity(step.verifies.len());
        for (n, verify) in step.verifies.iter().enumerate() {
            let held_before = before.get(n).is_some_and(|verdict| verdict.holds());
            let result = self.hold(&Body::Verify(step.id.clone(), n), verify, Some(&step.id), n, held_before)?;
            let verdict = result.verdict;
            let (took, within) = (result.took.duration(), verify.within.duration());
            results.push(result);
            if !verdict.holds() && self.waived(Some(&step.id), &verify.text).is_none() {
                let changed = step.doing != Doing::Check;
                // after a change, what cannot be seen is not known; a check that changed nothing just did not hold
                let kind =
                    if verdict == Verdict::Unknown && changed { FailureKind::Unknown } else { FailureKind::Verify };
                let mut failure = Failure::new(
                    kind,
                    format!(
                        "verify \"{}\" of step \"{}\" {} {}",
                        verify.text,
                        step.title,
                        if verdict == Verdict::Unknown { "could not be seen" } else { "did not hold" },
                        // an error that waiting rarely mends does not use up the verify's time
                        if took + Duration::from_secs(1) < within {
                            format!(
                                "and was given up after {}: more of its {} would not mend it",
                                elapsed(took),
                                verify.within
                            )
                        } else {
                            format!("within {}", verify.within)
                        }
                    ),
                );
                failure.place = Some(verify.place.clone());
                failure.excerpt = self.declared.excerpt(&verify.place);
                failure.verifies = results;
                return Err(Stop::Failed { failure: Box::new(failure), step: Some(step.id.clone()) });
            }
        }
        self.record(&Event::StepVerified { step: step.id.clone(), verifies: results })?;
        Ok(())
    }

    /// What a call ran into, as the end of the run's process.
    pub fn stop_of(&self, step: Option<&StepId>, sort: Sort, trouble: &Trouble) -> Stop {
        if sort == Sort::Cancelled {
            return Stop::Cancelled;
        }
        let mut failure = Failure::new(kind_of(sort), trouble.message.clone());
        failure.help.clone_from(&trouble.help);
        if let Some(place) = step.and_then(|id| self.plan.step(id)).map(|step| step.place.clone()) {
            failure.excerpt = self.declared.excerpt(&place);
            failure.place = Some(place);
        }
        Stop::Failed { failure: Box::new(failure), step: step.cloned() }
    }
}

/// What sort of thing stopped the native that an error comes from.
pub(super) fn sort_of(error: &crate::script::ScriptError) -> Option<Sort> {
    error.cause.as_ref()?.downcast_ref::<crate::effect::EffectError>().map(|error| error.sort)
}

pub(super) fn kind_of(sort: Sort) -> FailureKind {
    match sort {
        Sort::Uncertain | Sort::Deadline => FailureKind::Unknown,
        Sort::Identity => FailureKind::Identity,
        Sort::Lock => FailureKind::Lock,
        Sort::Journal => FailureKind::Journal,
        Sort::Cancelled => FailureKind::Cancelled,
        _ => FailureKind::Change,
    }
}
