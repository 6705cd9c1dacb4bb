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

    pub(super) fn stated(&mut self, event: &Event) {
        match event {
            Event::StepSettled { step, outcome, reason, .. } => {
                self.settled(step, *outcome, reason);
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
    }

    fn settled(&mut self, id: &StepId, outcome: Stated, reason: &str) {
        let Some(state) = self.steps.get_mut(id) else { return };
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    use crate::{
        event::{Line, Sent, Settings},
        model::{Digest, Identity, Plan, RunId, Target},
    };

    fn sent() -> Sent {
        let sent =
            json!({ "seq": 1, "native": "cmd::run", "targets": ["task deploy"], "input": "ab", "idempotent": false });
        serde_json::from_value(sent).unwrap()
    }

    fn uncertain() -> RunState {
        let step = StepId::of("one", "deploy");
        let target = Target { name: "staging".into(), tier: "staging".into(), sandbox: true };
        let opened = Event::Opened {
            run: RunId::new("a-000000"),
            playbook: "a.rhai".into(),
            origin: None,
            config: None,
            title: "A".into(),
            target,
            bundle: Digest::of("a"),
            started: Timestamp::UNIX_EPOCH,
            program: "0".into(),
            settings: Settings::default(),
            by: None,
        };
        let started = Event::StepStarted { step: step.clone(), attempt: 1 };
        let mut state = RunState::default();
        for event in [opened, started, Event::Effect { step, effect: sent() }] {
            take(&mut state, event).unwrap();
        }
        state
    }

    fn take(state: &mut RunState, event: Event) -> Result<(), crate::event::FoldError> {
        let n = state.lines + 1;
        let line =
            Line { n, t: Timestamp::UNIX_EPOCH, kind: event.kind().into(), event: Some(event), text: String::new() };
        state.take(&line)
    }

    fn settled(outcome: Stated) -> RunState {
        let mut state = uncertain();
        let step = StepId::of("one", "deploy");
        take(&mut state, Event::StepSettled { step, outcome, reason: "looked".into(), by: None }).unwrap();
        state
    }

    #[test]
    fn what_is_stated_about_a_step_says_what_of_it_is_made_again() {
        let step = StepId::of("one", "deploy");
        assert!(uncertain().step(&step).is_uncertain());
        let applied = settled(Stated::Applied).step(&step);
        assert_eq!((applied.status, applied.is_uncertain()), (StepStatus::Changed, false));
        assert_eq!(applied.effects[0].results.as_ref().unwrap()[0].outcome, Outcome::Applied);
        let again = settled(Stated::NotApplied).step(&step);
        assert_eq!((again.status, again.effects.len()), (StepStatus::Started, 0));
        let by_hand = settled(Stated::ByHand).step(&step);
        assert_eq!((by_hand.status, by_hand.by_hand), (StepStatus::Changed, true));
        assert_eq!(settled(Stated::ByHand).exceptions, ["step one/deploy: stated as by-hand (looked)"]);
        let mut state = uncertain();
        let other = Event::StepSettled {
            step: StepId::of("one", "other"),
            outcome: Stated::Applied,
            reason: "x".into(),
            by: None,
        };
        assert!(take(&mut state, other).unwrap_err().to_string().contains("was not started"));
    }

    #[test]
    fn a_changed_playbook_is_asked_for_anew_and_keeps_what_was_done() {
        let mut state = uncertain();
        state.preflight = Some(vec![]);
        let plan = Plan { title: "B".into(), ..Plan::default() };
        let digest = plan.digest();
        let changed = Event::PlaybookChanged {
            bundle: Digest::of("b"),
            plan: Box::new(plan),
            digest,
            changes: vec!["step one/deploy is changed".into()],
        };
        take(&mut state, changed).unwrap();
        assert_eq!(
            (state.bundle.clone(), state.changed, state.preflight.is_none()),
            (Some(Digest::of("b")), true, true)
        );
        assert_eq!(state.steps.len(), 1);
        let identity =
            Identity { uid: "u".into(), server: "https://b".into(), ca: None, version: "v1".into(), nodes: vec![] };
        take(&mut state, Event::RouteAccepted { identity, reason: "moved".into(), by: None }).unwrap();
        assert_eq!(state.identity.map(|identity| identity.server).as_deref(), Some("https://b"));
    }
}
