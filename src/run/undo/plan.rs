//! Which steps are taken back, in which order and how.

use std::collections::BTreeSet;

use super::{
    super::{
        identity::who,
        resume::refuse_other_cluster,
        start::{Crew, Ended, Order},
    },
    Ask,
};
use crate::{
    effect::{Call, Mode, WayBack, made},
    event::{Closed, EffectState, Life, RunState, StepState, Undoing},
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

/// The steps that are asked for, the first one first.
pub(super) fn asked(state: &RunState, ask: &Ask) -> Result<Vec<StepId>, Box<Ended>> {
    let run = state.run.as_ref().map(ToString::to_string).unwrap_or_default();
    let refuse = |message: String| Box::new(Ended::new(ExitCode::Usage, message).help(format!("runbook show {run}")));
    if state.life == Life::Closed(Closed::Undone) {
        return Err(refuse(format!("run {run} was taken back already")));
    }
    if ask.what == Undoing::Holds {
        if state.is_closed() || state.held().is_empty() {
            return Err(refuse(format!("run {run} holds nothing")));
        }
        return Ok(state.held().into_iter().rev().map(|step| step.id.clone()).collect());
    }
    let mut steps = state.in_force();
    if steps.is_empty() && state.is_closed() {
        return Err(refuse(format!("run {run} changed nothing that stands")));
    }
    // an undo that goes on goes as far as it was asked to
    let known = state.undoing.as_ref().and_then(|undoing| undoing.to.as_ref());
    let Some(to) = ask.to.as_deref().or(known.map(StepId::as_str)) else { return Ok(steps) };
    let title = |id: &StepId| state.plan.as_ref().and_then(|(plan, _)| plan.step(id)).map(|step| step.title.clone());
    let named = |id: &StepId| {
        id.as_str() == to || id.as_str().ends_with(&format!("/{to}")) || title(id).is_some_and(|title| title == to)
    };
    match steps.iter().position(named) {
        Some(last) => steps.truncate(last + 1),
        None if ask.to.is_none() => steps.clear(),
        None => {
            let mut ended = Ended::new(ExitCode::Usage, format!("--to {to}: run {run} has no such step to take back"));
            let near = steps
                .iter()
                .max_by(|a, b| strsim::jaro_winkler(a.as_str(), to).total_cmp(&strsim::jaro_winkler(b.as_str(), to)));
            if let Some(near) = near {
                ended = ended.help(format!("did you mean {near}?"));
            }
            return Err(Box::new(ended.help(format!("runbook undo {run} --dry-run lists them"))));
        }
    }
    Ok(steps)
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
    let ids = asked(&state, ask)?;
    let connected = order.connect.connect().map_err(Box::new)?;
    let identity = who(&connected, &order.cancel)?;
    refuse_other_cluster(&state, identity.as_ref(), &connected.target.name)?;
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
    Ok(UndoPlan { run: run.clone(), title: state.title.clone(), context, steps, skipped })
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
