//! What is said about a run from outside while no process works on it: outcomes by hand, waived verifies, another playbook,
//! another way to the cluster; and what goes on waiting meanwhile.

use jiff::Timestamp;

use super::{Applied, Event, Outcome, RunState, Stated, StepStatus};
use crate::model::{GateId, StepId};

/// A verify that is waited for without a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// Its text.
    pub text: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when it may come true, or has to stay so.
    pub until: Timestamp,
    /// Since when it holds, where it only has to stay true.
    pub held: Option<Timestamp>,
}

impl RunState {
    /// The verifies of a step (none: of the outcome) are not waited for any more.
    pub(super) fn unpark(&mut self, of: Option<&StepId>) {
        self.parked.retain(|(step, _), _| step.as_ref() != of);
    }

    pub(super) fn stated(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::StepSettled { step, outcome, reason, .. } => {
                self.settled(step, *outcome, reason)?;
                self.exceptions.push(format!("step {step}: stated as {} ({reason})", outcome.word()));
            }
            Event::Waived { step, text, reason, .. } => {
                self.waived.insert((step.clone(), text.clone()), reason.clone());
                let of = step.as_ref().map_or_else(|| "the outcome".to_owned(), |step| format!("step {step}"));
                self.exceptions.push(format!("verify \"{text}\" of {of}: waived ({reason})"));
            }
            Event::Parked { step, verify, text, since, until, held } => {
                let parked = Parked { text: text.clone(), since: *since, until: *until, held: *held };
                self.parked.insert((step.clone(), *verify), parked);
            }
            Event::PlaybookChanged { bundle, plan, digest, changes } => {
                self.bundle = Some(bundle.clone());
                self.title.clone_from(&plan.title);
                self.plan = Some((plan.clone(), digest.clone()));
                self.changes.extend(changes.iter().cloned());
                self.exceptions.push("the playbook was changed on the way".into());
                self.changed = true;
                // asked and decided for the plan that is in force now
                self.preflight = None;
                self.assumed.clear();
                self.gates.remove(&GateId::start());
            }
            Event::RouteAccepted { identity, .. } => self.identity = Some(identity.clone()),
            _ => {}
        }
        Ok(())
    }

    fn settled(&mut self, id: &StepId, outcome: Stated, reason: &str) -> Result<(), String> {
        let state = self.started(id)?;
        if state.status == StepStatus::Verified {
            return Err(format!("step {id} is done"));
        }
        state.settled = Some(outcome);
        state.failure = None;
        state.skipped = None;
        match outcome {
            Stated::Applied => {
                for effect in state.effects.iter_mut().filter(|effect| effect.results.is_none()) {
                    let applied = |target: &String| Applied {
                        target: target.clone(),
                        outcome: Outcome::Applied,
                        message: Some(format!("stated by hand: {reason}")),
                        after: None,
                    };
                    effect.results = Some(effect.sent.targets.iter().map(applied).collect());
                }
                state.status = StepStatus::Changed;
            }
            Stated::NotApplied => {
                state.effects.clear();
                state.output = None;
                state.by_hand = false;
                state.status = StepStatus::Started;
            }
            Stated::ByHand => {
                state.by_hand = true;
                state.status = StepStatus::Changed;
            }
        }
        self.unpark(Some(id));
        Ok(())
    }
}
