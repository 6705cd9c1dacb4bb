//! What the lines of an undo, a hold that is given back and a repair fold to. Their effects carry the part they belong to,
//! so that what a step's change did stays known until the step is begun again.

use super::{
    EffectState, Event, Failure, Life, OnFailure, Part, RunState, Said, StepState, StepStatus, Undoing, VerifyResult,
};
use crate::model::{Item, Left, Step, StepId, UndoItem, UndoWay};

/// A step's way back, once it was begun.
#[derive(Clone, Debug, PartialEq)]
pub struct UndoState {
    /// How.
    pub way: UndoWay,
    /// Whether it is a hold that is given back: then its step stays done.
    pub hold: bool,
    /// Its effects so far, in order.
    pub effects: Vec<EffectState>,
    /// Whether the step is taken back: nothing stays, and it was seen.
    pub complete: bool,
    /// What went back.
    pub items: Vec<UndoItem>,
    /// What stays.
    pub left: Vec<Left>,
    /// What was seen afterwards.
    pub verifies: Vec<VerifyResult>,
    /// What happened, where it did not come to its end.
    pub failure: Option<Failure>,
    /// Whether it waits for something done by hand.
    pub waits: bool,
}

/// A step's repair, once it was begun.
#[derive(Clone, Debug, PartialEq)]
pub struct RepairState {
    /// Its text.
    pub text: String,
    /// What it was begun for.
    pub after: Option<String>,
    /// Its effects so far, in order.
    pub effects: Vec<EffectState>,
    /// Whether it ended, well or not.
    pub ended: bool,
}

/// An undo that was begun and has not come to its end.
#[derive(Clone, Debug, PartialEq)]
pub struct UndoingState {
    /// What is taken back.
    pub what: Undoing,
    /// The last step that is; none for all of them.
    pub to: Option<StepId>,
    /// Whether the run does it by itself, because of its failure.
    pub on_failure: bool,
    /// Where the run was before it, and why.
    pub was: (Life, Option<String>),
    /// Whether all of it is taken back: only the line that says where the run is then is missing.
    pub complete: bool,
    /// The undo of changes in the middle of which holds are given back; it goes on after that.
    pub within: Option<Box<UndoingState>>,
}

impl UndoingState {
    /// The undo of changes that this is, or is in the middle of.
    pub fn of_changes(&self) -> Option<&Self> {
        match self.what {
            Undoing::Changes => Some(self),
            Undoing::Holds => self.within.as_deref(),
        }
    }
}

impl StepState {
    /// Whether it made a change that was not taken back or given back.
    pub fn is_in_force(&self) -> bool {
        let made = !self.effects.is_empty()
            || self.by_hand
            || self.repair.as_ref().is_some_and(|repair| !repair.effects.is_empty())
            || self.status == StepStatus::Manual;
        made && self.skipped.is_none() && self.status != StepStatus::Undone && !self.is_given_back()
    }

    /// Whether it was a hold and is none any more.
    pub fn is_given_back(&self) -> bool {
        self.undo.as_ref().is_some_and(|undo| undo.hold && undo.complete)
    }

    /// The effects of its change and its repair, in the order in which they were sent.
    pub fn changes(&self) -> impl DoubleEndedIterator<Item = &EffectState> {
        self.effects.iter().chain(self.repair.iter().flat_map(|repair| &repair.effects))
    }

    /// The effects of one of its closures.
    pub fn effects_of(&self, part: Part) -> &[EffectState] {
        match part {
            Part::Change => &self.effects,
            Part::Repair => self.repair.as_ref().map_or(&[], |repair| &repair.effects),
            Part::Undo => self.undo.as_ref().map_or(&[], |undo| &undo.effects),
        }
    }

    pub(super) fn effects_mut(&mut self, part: Part) -> Option<&mut Vec<EffectState>> {
        match part {
            Part::Change => Some(&mut self.effects),
            Part::Repair => self.repair.as_mut().map(|repair| &mut repair.effects),
            Part::Undo => self.undo.as_mut().map(|undo| &mut undo.effects),
        }
    }
}

impl RunState {
    /// Whether the step is done, and what it made is to be found: a hold that was given back is done and gone.
    pub fn stands(&self, id: &StepId) -> bool {
        self.is_done(id) && !self.steps[id].is_given_back()
    }

    /// The holds that are still held: temporary changes that nothing has given back yet.
    pub fn held(&self) -> Vec<&Step> {
        let steps = self.plan.iter().flat_map(|(plan, _)| plan.steps());
        steps
            .filter(|step| step.until.is_some() && self.steps.get(&step.id).is_some_and(StepState::is_in_force))
            .collect()
    }

    /// The steps whose change is in force, in the order in which they are taken back: the failed or uncertain one first,
    /// then from the last that was begun to the first.
    pub fn in_force(&self) -> Vec<StepId> {
        let mut steps: Vec<(&StepId, &StepState)> = self.steps.iter().filter(|(_, step)| step.is_in_force()).collect();
        let plan: Vec<&StepId> = self.plan.iter().flat_map(|(plan, _)| plan.steps()).map(|step| &step.id).collect();
        steps.sort_by_key(|(id, step)| (step.started, plan.iter().position(|planned| planned == id)));
        steps.reverse();
        steps.sort_by_key(|(_, step)| !step.is_uncertain() && step.status == StepStatus::Verified);
        steps.into_iter().map(|(id, _)| id.clone()).collect()
    }

    /// None where the step is not known, which its event could not follow then.
    pub(super) fn undo_event(&mut self, event: &Event) -> Option<()> {
        match event {
            Event::UndoStarted { what, to, on_failure, .. } => {
                let now = (self.life.clone(), self.reason.clone());
                let (was, within) = match (self.undoing.take(), what) {
                    (Some(known), Undoing::Holds) if known.what == Undoing::Holds => (known.was, known.within),
                    (Some(known), Undoing::Changes) => match known.what {
                        Undoing::Changes => (known.was, None),
                        Undoing::Holds => (known.within.map_or(known.was, |changes| changes.was), None),
                    },
                    (known, _) => (now, known.map(Box::new)),
                };
                let (what, to, on_failure) = (*what, to.clone(), *on_failure);
                self.undoing = Some(UndoingState { what, to, on_failure, was, complete: false, within });
                self.life = Life::Running;
                self.reason = None;
                self.exit = None;
            }
            Event::UndoStepStarted { step, way, hold } => {
                let state = self.steps.get_mut(step)?;
                let undo = state.undo.take();
                let effects = undo.map(|undo| undo.effects).unwrap_or_default();
                state.undo = Some(UndoState {
                    waits: matches!(way, UndoWay::ByHand(_)),
                    way: way.clone(),
                    hold: *hold,
                    effects,
                    complete: false,
                    items: vec![],
                    left: vec![],
                    verifies: vec![],
                    failure: None,
                });
                if !hold {
                    self.current = Some(step.clone());
                }
            }
            Event::UndoStepEnded { step, items, verifies, left, failure, .. } => {
                self.used(step);
                let state = self.steps.get_mut(step)?;
                let undo = state.undo.as_mut()?;
                undo.complete = left.is_empty() && failure.is_none();
                undo.waits = false;
                undo.items.clone_from(items);
                undo.left.clone_from(left);
                undo.verifies.clone_from(verifies);
                undo.failure.clone_from(failure);
                if undo.complete && !undo.hold {
                    state.status = StepStatus::Undone;
                    self.current = None;
                    self.shut_gates_after(step);
                }
            }
            Event::UndoEnded { complete: true } => self.undoing.as_mut()?.complete = true,
            Event::RepairStarted { step, text } => {
                let state = self.steps.get_mut(step)?;
                let after = state.failure.as_ref().map(|failure| failure.message.clone());
                // one that is there goes on in another process
                state.repair.get_or_insert_with(|| RepairState {
                    text: text.clone(),
                    after,
                    effects: vec![],
                    ended: false,
                });
            }
            Event::RepairEnded { step, .. } => self.steps.get_mut(step)?.repair.as_mut()?.ended = true,
            _ => {}
        }
        Some(())
    }

    /// The step that waits to be done, or to be taken back, by hand, where nobody has said that it is.
    pub fn to_do_by_hand(&self) -> Option<&StepId> {
        let waits = |step: &StepState| match &step.undo {
            Some(undo) => undo.waits,
            None => step.status == StepStatus::Manual,
        };
        let said = |id: &StepId| {
            self.unused.iter().any(|message| matches!(&message.said, Said::Done { step, .. } if step == id))
        };
        self.steps.iter().find(|(id, step)| waits(step) && !said(id)).map(|(id, _)| id)
    }

    /// What was said to be done by hand about a step has been used.
    pub(super) fn used(&mut self, id: &StepId) {
        self.unused.retain(|message| !matches!(&message.said, Said::Done { step, .. } if step == id));
    }

    /// Gates that were passed on the strength of a step that is gone are asked again.
    fn shut_gates_after(&mut self, id: &StepId) {
        let Some((plan, _)) = &self.plan else { return };
        let items = plan.phases.iter().flat_map(|phase| &phase.items);
        let after = items.skip_while(|item| !matches!(item, Item::Step(step) if step.id == *id));
        let gates: Vec<_> =
            after.filter_map(|item| if let Item::Gate(gate) = item { Some(gate.id.clone()) } else { None }).collect();
        for gate in gates {
            if let Some(known) = self.gates.get_mut(&gate) {
                known.decision = None;
            }
        }
    }

    /// An undo that came to its end is over once the run's state after it is journaled: a process that ends before that
    /// leaves no doubt how far it was to go.
    pub(super) fn undo_is_over(&mut self) {
        if let Some(undoing) = self.undoing.take_if(|undoing| undoing.complete) {
            self.undoing = undoing.within.map(|changes| *changes);
        }
    }

    pub(super) fn goes_on(&mut self, on_failure: Option<OnFailure>) {
        // holds that could not be given back are still held; where the run is from here on is another matter
        self.undoing = None;
        self.life = Life::Running;
        self.reason = None;
        self.exit = None;
        if let Some(on_failure) = on_failure {
            self.settings.on_failure = on_failure;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::event::{Line, Sent};

    struct Story {
        state: RunState,
        n: u64,
    }

    impl Story {
        /// A run with two steps, both verified.
        fn two_steps() -> Self {
            let mut story = Self { state: RunState::default(), n: 0 };
            story.then(json!({ "k": "run.opened", "p": {
                "run": "p-000001", "playbook": "p.rhai", "title": "t", "bundle": "x", "program": "0", "settings": {},
                "target": { "name": "staging", "tier": "staging", "sandbox": true }, "started": "2026-01-01T00:00:00Z" } }));
            for id in ["one/a", "one/b"] {
                story.then(json!({ "k": "step.started", "p": { "step": id, "attempt": 1 } }));
                story.effect(id, Part::Change);
                story.then(json!({ "k": "step.verified", "p": { "step": id, "verifies": [] } }));
            }
            story
        }

        fn then(&mut self, line: Value) {
            self.tries(line).unwrap();
        }

        fn tries(&mut self, line: Value) -> Result<(), crate::event::FoldError> {
            let event: Event = serde_json::from_value(line.clone()).unwrap();
            self.n += 1;
            let line = Line {
                n: self.n,
                t: jiff::Timestamp::UNIX_EPOCH,
                kind: event.kind().into(),
                event: Some(event),
                text: line.to_string(),
            };
            self.state.take(&line)
        }

        fn effect(&mut self, id: &str, part: Part) {
            let sent = Sent {
                seq: 1,
                native: "k8s::apply".into(),
                targets: vec!["ConfigMap/a/b".into()],
                input: crate::model::Digest::of("x"),
                idempotent: true,
                before: vec![],
                at: None,
                place: None,
                part,
            };
            self.then(json!({ "k": "effect", "p": { "step": id, "effect": sent } }));
            self.then(json!({ "k": "effected", "p": { "step": id, "seq": 1, "results": [], "of": part } }));
        }

        fn step(&self, id: &str) -> StepState {
            self.state.step(&StepId::new(id))
        }
    }

    fn ended(id: &str, left: &[Left]) -> Value {
        json!({ "k": "undo.step.ended", "p": { "step": id, "left": left } })
    }

    fn started(id: &str, hold: bool) -> Value {
        json!({ "k": "undo.step.started", "p": { "step": id, "way": "automatic", "hold": hold } })
    }

    const UNDO: &str =
        r#"{ "k": "undo.started", "p": { "what": "changes", "steps": ["one/b", "one/a"], "program": "0" } }"#;

    #[test]
    fn the_effects_of_a_way_back_do_not_take_the_place_of_the_change_s() {
        let mut story = Story::two_steps();
        story.then(serde_json::from_str(UNDO).unwrap());
        story.then(started("one/b", false));
        story.effect("one/b", Part::Undo);
        let step = story.step("one/b");
        assert_eq!((step.effects.len(), step.effects_of(Part::Undo).len()), (1, 1));
        assert_eq!(step.effects[0].sent.part, Part::Change);
        assert!(step.is_in_force(), "it is taken back once that was seen");
        story.then(ended("one/b", &[]));
        assert_eq!(story.step("one/b").status, StepStatus::Undone);
        assert!(!story.step("one/b").is_in_force());
        // begun again, it starts from nothing
        story.then(json!({ "k": "step.started", "p": { "step": "one/b", "attempt": 2 } }));
        assert!(story.step("one/b").effects.is_empty());
    }

    #[test]
    fn a_step_of_which_something_stays_is_not_taken_back() {
        let mut story = Story::two_steps();
        story.then(serde_json::from_str(UNDO).unwrap());
        story.then(started("one/b", false));
        story.then(ended("one/b", &[Left::new("ConfigMap/a/b", "it is another object now")]));
        story.then(json!({ "k": "undo.ended", "p": { "complete": false } }));
        assert!(story.step("one/b").is_in_force());
        assert!(story.state.undoing.is_some(), "the next undo goes on with it");
    }

    #[test]
    fn a_closed_run_is_opened_by_an_undo_and_by_nothing_else() {
        let mut story = Story::two_steps();
        story.then(json!({ "k": "run.closed", "p": { "how": "done", "exit": "done" } }));
        assert!(story.tries(json!({ "k": "step.started", "p": { "step": "one/a", "attempt": 2 } })).is_err());
        story.then(serde_json::from_str(UNDO).unwrap());
        assert_eq!(story.state.life, Life::Running);
        let was = &story.state.undoing.as_ref().unwrap().was.0;
        assert_eq!(*was, Life::Closed(crate::event::Closed::Done));
        story.then(json!({ "k": "run.closed", "p": { "how": "undone", "exit": "done" } }));
        assert!(story.state.undoing.is_none());
        assert!(story.tries(serde_json::from_str(UNDO).unwrap()).is_err(), "an undone run is not undone again");
    }

    #[test]
    fn how_far_an_undo_was_to_go_is_known_until_where_the_run_is_then_was_said() {
        let mut story = Story::two_steps();
        let undo = json!({ "k": "undo.started", "p": { "what": "changes", "to": "one/b", "steps": ["one/b"], "program": "0" } });
        story.then(undo);
        story.then(started("one/b", false));
        story.then(ended("one/b", &[]));
        story.then(json!({ "k": "undo.ended", "p": { "complete": true } }));
        let undoing = story.state.undoing.clone().unwrap();
        assert_eq!((undoing.complete, undoing.to.unwrap().as_str()), (true, "one/b"));
        story.then(json!({ "k": "run.stopped", "p": { "reason": "taken back to step one/b", "exit": "done" } }));
        assert!(story.state.undoing.is_none());
    }

    #[test]
    fn holds_that_are_given_back_in_the_middle_of_an_undo_do_not_end_it() {
        let mut story = Story::two_steps();
        let stopped = json!({ "k": "run.stopped", "p": { "reason": "undo incomplete", "exit": "undo-incomplete" } });
        story.then(json!({ "k": "run.closed", "p": { "how": "done", "exit": "done" } }));
        story.then(serde_json::from_str(UNDO).unwrap());
        story.then(json!({ "k": "undo.ended", "p": { "complete": false } }));
        story.then(stopped.clone());
        let holds = json!({ "k": "undo.started", "p": { "what": "holds", "steps": ["one/a"], "program": "0" } });
        // the process that gives them back is killed once
        story.then(holds.clone());
        story.then(holds);
        let undoing = story.state.undoing.clone().unwrap();
        assert_eq!((undoing.what, undoing.was.0.clone()), (Undoing::Holds, Life::Stopped));
        assert_eq!(undoing.of_changes().unwrap().was.0, Life::Closed(crate::event::Closed::Done));
        story.then(json!({ "k": "undo.ended", "p": { "complete": true } }));
        story.then(stopped);
        let undoing = story.state.undoing.as_ref().unwrap();
        assert_eq!((undoing.what, undoing.complete), (Undoing::Changes, false));
        story.then(serde_json::from_str(UNDO).unwrap());
        let was = &story.state.undoing.as_ref().unwrap().was.0;
        assert_eq!(*was, Life::Closed(crate::event::Closed::Done));
    }

    #[test]
    fn a_hold_that_is_given_back_leaves_its_step_done() {
        let mut story = Story::two_steps();
        story.then(started("one/a", true));
        story.effect("one/a", Part::Undo);
        story.then(ended("one/a", &[]));
        assert_eq!(story.step("one/a").status, StepStatus::Verified);
        assert!(!story.state.stands(&StepId::new("one/a")) && story.state.stands(&StepId::new("one/b")));
        assert!(!story.step("one/a").is_in_force());
    }

    #[test]
    fn a_step_is_repaired_once() {
        let mut story = Story::two_steps();
        let repair = json!({ "k": "repair.started", "p": { "step": "one/b", "text": "once more" } });
        story.then(repair.clone());
        story.effect("one/b", Part::Repair);
        // another process goes on with it
        story.then(repair.clone());
        assert_eq!(story.step("one/b").effects_of(Part::Repair).len(), 1);
        story.then(json!({ "k": "repair.ended", "p": { "step": "one/b" } }));
        assert!(story.tries(repair).is_err());
        assert_eq!(story.step("one/b").changes().count(), 2, "both are to be taken back");
    }
}
