//! Which steps are taken back, in which order and how.

use std::collections::BTreeSet;

use super::{
    super::{
        identity::who,
        place::locked,
        resume::refuse_other_cluster,
        start::{Crew, Ended, Order, name},
    },
    Ask,
};
use crate::{
    effect::{Call, Mode, WayBack, made},
    event::{Closed, EffectState, Life, RunState, StepState, StepStatus, Undoing, UndoingState},
    model::{Doing, ExitCode, RunId, Step, StepId, UndoItem, UndoPlan, UndoStep, UndoWay, WayBack as Declared},
};

/// How a step is taken back. One that the plan does not have any more has only what was kept of its effects.
pub(super) fn way(step: Option<&Step>, state: &StepState) -> UndoWay {
    let Some(step) = step else { return UndoWay::Automatic };
    match &step.way_back {
        Declared::Closure => UndoWay::Closure,
        Declared::Instructions(text) => UndoWay::ByHand(text.clone()),
        Declared::Irreversible(why) => UndoWay::None(format!("it is irreversible: {why}")),
        Declared::Automatic if matches!(step.doing, Doing::Manual(_)) || state.by_hand => {
            UndoWay::None("it was done by hand, and no way back is declared".into())
        }
        Declared::Automatic => UndoWay::Automatic,
    }
}

/// What is to be taken back.
pub(super) struct Asked {
    /// The steps, the first one first.
    pub steps: Vec<StepId>,
    /// The last one; none where it is all of them.
    pub to: Option<StepId>,
}

/// The steps that are asked for. An undo that goes on goes as far as it was asked to go.
pub(super) fn asked(state: &RunState, ask: &Ask) -> Result<Asked, Box<Ended>> {
    let run = name(state);
    let refuse = |message: String| Box::new(Ended::new(ExitCode::Usage, message).help(format!("runbook show {run}")));
    if state.life == Life::Closed(Closed::Undone) {
        return Err(refuse(format!("run {run} was taken back already")));
    }
    if ask.what == Undoing::Holds {
        let steps: Vec<StepId> = state.held().into_iter().rev().map(|step| step.id.clone()).collect();
        // the process that gave the last one back may not have come to say so
        let begun = state.undoing.as_ref().is_some_and(|undoing| undoing.what == Undoing::Holds);
        if state.is_closed() || steps.is_empty() && !begun {
            return Err(refuse(format!("run {run} holds nothing")));
        }
        return Ok(Asked { steps, to: None });
    }
    let mut steps = state.in_force();
    if steps.is_empty() && state.is_closed() {
        return Err(refuse(format!("run {run} changed nothing that stands")));
    }
    let known = state.undoing.as_ref().and_then(UndoingState::of_changes).and_then(|undoing| undoing.to.clone());
    let to = match (ask.to.as_deref(), known) {
        (None, None) => return Ok(Asked { steps, to: None }),
        (None, Some(known)) => known,
        (Some(called), known) => {
            let here = steps.iter().chain(&known).find(|id| is_called(state, id, called));
            here.cloned().ok_or_else(|| no_such_step(state, &steps, called))?
        }
    };
    // where it was taken back by the process before, nothing more is
    steps.truncate(steps.iter().position(|id| *id == to).map_or(0, |last| last + 1));
    Ok(Asked { steps, to: Some(to) })
}

fn title<'a>(state: &'a RunState, id: &StepId) -> Option<&'a str> {
    state.plan.as_ref().and_then(|(plan, _)| plan.step(id)).map(|step| step.title.as_str())
}

fn is_called(state: &RunState, id: &StepId, called: &str) -> bool {
    id.as_str() == called || id.as_str().ends_with(&format!("/{called}")) || title(state, id) == Some(called)
}

/// What is not there to be taken back: a step that is in force no more or not yet, or none at all.
fn no_such_step(state: &RunState, steps: &[StepId], called: &str) -> Box<Ended> {
    let run = name(state);
    let plan = state.plan.iter().flat_map(|(plan, _)| plan.steps());
    let planned = plan.map(|step| &step.id).find(|id| is_called(state, id, called));
    let message = match planned.map(|id| state.step(id)) {
        None => format!("--to {called}: run {run} has no such step to take back"),
        Some(step) if step.status == StepStatus::Undone => format!("--to {called}: that step was taken back already"),
        Some(step) if step.is_given_back() => format!("--to {called}: what that step held was given back already"),
        Some(step) if step.skipped.is_some() => {
            format!("--to {called}: the change of that step was skipped, so there is nothing of it to take back")
        }
        Some(_) => format!("--to {called}: that step has changed nothing"),
    };
    let mut ended = Ended::new(ExitCode::Usage, message);
    let likeness = |id: &StepId| strsim::jaro_winkler(id.as_str(), called);
    let near = steps.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    if let Some(near) = near.filter(|_| planned.is_none()) {
        ended = ended.help(format!("did you mean {near}?"));
    }
    Box::new(ended.help(format!("runbook undo {run} --dry-run lists them")))
}

/// The UIDs of all that a run made.
pub(super) fn made_by(state: &RunState) -> BTreeSet<String> {
    made(state.steps.values().flat_map(StepState::changes))
}

/// What an undo would do, by how things are now. Nothing is sent, and nothing is journaled.
///
/// # Errors
/// What cannot be taken back at all; a context that cannot be reached, or is another cluster than it was.
pub fn ways_back(crew: &Crew, order: &Order, run: &RunId, ask: &Ask) -> Result<UndoPlan, Box<Ended>> {
    let state = crew.store.state(run).map_err(|error| Box::new(Ended::new(ExitCode::Internal, error.to_string())))?;
    let Asked { steps: ids, to } = asked(&state, ask)?;
    let connected = order.connect.connect().map_err(Box::new)?;
    let identity = who(&connected, &order.cancel)?;
    refuse_other_cluster(&state, identity.as_ref(), &connected.target.name)?;
    if let Some(lock) = &connected.lock {
        // what a copy that is behind would take back is not what there is to take back
        let me = order.holder(run.clone(), &connected.target.name, state.started.unwrap_or_default());
        lock.look(run).map_err(|error| Box::new(locked(&error, &me)))?;
    }
    let call = Call::new(Mode::Read, Some(connected.door), order.cancel.clone());
    let way_back = WayBack::new(call, made_by(&state));
    let plan = state.plan.as_ref().map(|(plan, _)| &**plan);
    let mut steps = vec![];
    for id in ids {
        let (step, known) = (plan.and_then(|plan| plan.step(&id)), state.step(&id));
        let way = way(step, &known);
        let effects: Vec<&EffectState> = known.changes().collect();
        let items = match &way {
            UndoWay::Automatic => way_back.look(&effects).map_err(|error| {
                let mut ended = Ended::new(error.sort.exit(), error.message);
                ended.help = error.help;
                Box::new(ended)
            })?,
            UndoWay::Closure | UndoWay::ByHand(_) => {
                way_back.presume(&effects);
                vec![]
            }
            _ => vec![],
        };
        steps.push(UndoStep {
            title: step.map_or_else(|| id.to_string(), |step| step.title.clone()),
            verified: verified(step, &way, &items),
            step: id,
            way,
            items,
        });
    }
    let skipped = state.steps.iter().filter(|(_, step)| step.skipped.is_some()).map(|(id, _)| id.clone()).collect();
    let context = state.target.as_ref().map(|target| target.name.clone()).unwrap_or_default();
    let (title, holds) = (state.title.clone(), ask.what == Undoing::Holds);
    Ok(UndoPlan { run: run.clone(), title, context, to, holds, steps, skipped })
}

fn verified(step: Option<&Step>, way: &UndoWay, items: &[UndoItem]) -> Vec<String> {
    let mut texts: Vec<String> = step.iter().flat_map(|step| &step.undone).map(|check| check.text.clone()).collect();
    match way {
        UndoWay::Automatic if items.iter().any(|item| !item.back.is_empty()) => {
            texts.push("each object is read back and compared".into());
        }
        UndoWay::Closure => texts.push("what its .undo deletes is gone".into()),
        _ => {}
    }
    texts
}
