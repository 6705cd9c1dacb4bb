//! One step on its way back: started, sent, seen, ended. What an earlier process did of it is not done again.

use std::{sync::Arc, time::Instant};

use super::{
    super::{Stop, executor::Run},
    plan,
};
use crate::{
    effect::{Call, EffectError, Ledger, Mode, Sort, WayBack},
    event::{EffectState, Event, Failure, FailureKind, Part, StepState, VerifyResult},
    model::{ExitCode, Left, Span, Step, StepId, UndoItem, UndoWay},
};

/// How long an automatic way back may take where its step does not say how long its change may.
const TIMEOUT: Span = Span::seconds(600);

/// What became of a step.
#[derive(Default)]
struct Back {
    items: Vec<UndoItem>,
    verifies: Vec<VerifyResult>,
    left: Vec<Left>,
    failure: Option<Failure>,
    by_hand: Option<String>,
}

impl Run {
    /// Takes a step back, or gives a hold back; gives what stays. `careful` stops at the first thing that stays.
    ///
    /// # Errors
    /// What failed, was cancelled, or waits for something done by hand.
    pub(super) fn step_back(&mut self, id: &StepId, hold: bool, careful: bool) -> Result<Vec<Left>, Stop> {
        let planned = self.plan.clone();
        let step = planned.step(id);
        let known = self.with_state(|state| state.step(id));
        let mut way = plan::way(step, &known);
        if way == UndoWay::Closure && !self.is_the_one(id) {
            way = UndoWay::None("its .undo is not the one that the run was started with".into());
        }
        // what was left before may have been taken back by hand meanwhile
        let said = known.undo.is_some().then(|| self.done_message(id)).flatten();
        self.append(&Event::UndoStepStarted { step: id.clone(), way: way.clone(), hold })?;
        let mut back = match (said, way, step) {
            (Some(done), ..) => Back { by_hand: Some(done.reason.unwrap_or_default()), ..Back::default() },
            (None, UndoWay::Automatic, _) => self.automatic(id, step, &known, careful)?,
            (None, UndoWay::Closure, Some(step)) => self.by_closure(step)?,
            (None, UndoWay::ByHand(text), Some(step)) if !careful => self.back_by_hand(step, &text)?,
            (None, UndoWay::ByHand(text), _) => stays(step, id, format!("it is taken back by hand: {text}")),
            (None, UndoWay::None(why), _) => stays(step, id, why),
            (None, ..) => stays(step, id, "how it is taken back is not known".into()),
        };
        if let Some(step) = step.filter(|_| back.failure.is_none() && back.left.is_empty()) {
            back.verifies.extend(self.undone(step)?);
        }
        back.failure = back.failure.or_else(|| self.not_back(step, &back.verifies));
        let Back { items, verifies, left, failure, by_hand } = back;
        self.record(&Event::UndoStepEnded {
            step: id.clone(),
            items,
            verifies,
            left: left.clone(),
            failure: failure.clone(),
            by_hand,
        })?;
        match failure {
            Some(failure) => Err(Stop::Failed { failure: Box::new(failure), step: Some(id.clone()) }),
            None => Ok(left),
        }
    }

    /// Whether the closures of a step are those that it ran with.
    fn is_the_one(&self, id: &StepId) -> bool {
        let now = self.declared.plan.step(id).map(|step| &step.digest);
        now.is_some() && now == self.plan.step(id).map(|step| &step.digest)
    }

    fn automatic(&self, id: &StepId, step: Option<&Step>, known: &StepState, careful: bool) -> Result<Back, Stop> {
        let way_back = self.way_back(id, step);
        let mut back = Back::default();
        let effects: Vec<&EffectState> = known.changes().collect();
        let mut taken = vec![];
        for effect in effects.iter().rev() {
            let items = match way_back.take(effect) {
                Ok(items) => items,
                Err(error) => {
                    back.failure = Some(self.undo_failed(id, step, error)?);
                    return Ok(back);
                }
            };
            back.left.extend(items.iter().flat_map(|item| item.left.clone()));
            back.items.extend(items);
            taken.push(*effect);
            if careful && !back.left.is_empty() {
                break;
            }
        }
        if back.items.iter().any(|item| !item.back.is_empty()) {
            let stays = back.items.iter().filter(|item| !item.left.is_empty()).map(|item| item.what.clone()).collect();
            let looks = || {
                let found = taken.iter().map(|effect| way_back.check(effect, &stays)).collect::<Result<Vec<_>, _>>()?;
                // an object that two effects changed is looked at once, as it was before the first
                let mut all = found.into_iter().flatten().collect::<Vec<_>>();
                all.reverse();
                let mut seen = std::collections::BTreeSet::new();
                all.retain(|it| seen.insert(it.text.split(" is ").next().unwrap_or_default().to_owned()));
                all.reverse();
                Ok(all)
            };
            back.verifies = self.comes_back(looks)?;
        }
        Ok(back)
    }

    fn by_closure(&self, step: &Step) -> Result<Back, Stop> {
        let mut back = Back::default();
        if let Err(stop) = self.perform(step, Part::Undo) {
            let Stop::Failed { failure, .. } = stop else { return Err(stop) };
            back.failure = Some(Self::as_undo(*failure)?);
            return Ok(back);
        }
        let effects = self.with_state(|state| state.step(&step.id).effects_of(Part::Undo).to_vec());
        let way_back = self.way_back(&step.id, Some(step));
        back.verifies = self.comes_back(|| {
            effects
                .iter()
                .map(|effect| way_back.deleted(effect))
                .collect::<Result<Vec<_>, _>>()
                .map(|found| found.concat())
        })?;
        Ok(back)
    }

    /// Something that a person takes back: asked for on a terminal, or waited for.
    fn back_by_hand(&mut self, step: &Step, instructions: &str) -> Result<Back, Stop> {
        self.keeps_place()?;
        self.recorder().sync()?;
        match self.asked_for(step, instructions)? {
            Some(done) => Ok(Back { by_hand: Some(done.reason.unwrap_or_default()), ..Back::default() }),
            None => Err(Stop::Waiting {
                reason: format!("step \"{}\" is to be taken back by hand: {instructions}", step.title),
                gate: None,
                step: Some(step.id.clone()),
                exit: ExitCode::Waiting,
            }),
        }
    }

    fn way_back(&self, id: &StepId, step: Option<&Step>) -> WayBack {
        let (known, made) = self.with_state(|state| {
            let known = state.steps.get(id).map(|step| step.effects_of(Part::Undo).to_vec()).unwrap_or_default();
            (known, plan::made_by(state))
        });
        let ledger = Ledger::new(
            id.clone(),
            self.recorder.clone(),
            self.standing(step.and_then(|step| step.api_down)),
            false,
            known,
        )
        .of(Part::Undo);
        let timeout = step.map_or(TIMEOUT, |step| step.timeout);
        let mut call = Call::new(Mode::Change, Some(self.door.clone()), self.cancel.clone())
            .until(Instant::now() + timeout.duration());
        call.ledger = Some(Arc::new(ledger));
        WayBack::new(call, made)
    }

    /// What stopped an automatic way back, as what happened; an `Err` where it is not the way back that failed, and the
    /// whole undo has to end.
    fn undo_failed(&self, id: &StepId, step: Option<&Step>, error: EffectError) -> Result<Failure, Stop> {
        match error.sort {
            Sort::Cancelled => return Err(Stop::Cancelled),
            Sort::Identity | Sort::Lock | Sort::Journal => {
                return Err(match self.stop_of(Some(id), error.sort, &error) {
                    Stop::Failed { failure, .. } => Stop::Failed { failure, step: None },
                    stop => stop,
                });
            }
            _ => {}
        }
        let mut failure = Failure::new(FailureKind::Undo, error.message);
        failure.help = error.help;
        failure.place = step.map(|step| step.place.clone());
        Ok(failure)
    }

    fn as_undo(failure: Failure) -> Result<Failure, Stop> {
        match failure.kind {
            FailureKind::Identity | FailureKind::Lock | FailureKind::Journal | FailureKind::Cancelled => {
                Err(Stop::Failed { failure: Box::new(failure), step: None })
            }
            _ => Ok(Failure { kind: FailureKind::Undo, ..failure }),
        }
    }
}

fn stays(step: Option<&Step>, id: &StepId, why: String) -> Back {
    let what = step.map_or_else(|| format!("step {id}"), |step| format!("step \"{}\"", step.title));
    Back { left: vec![Left::new(what, why)], ..Back::default() }
}
