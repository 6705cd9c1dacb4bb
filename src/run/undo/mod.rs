//! Taking back what a run changed: in reverse, the failed or uncertain step first, a skipped one never. It is journaled like
//! the run, and another process goes on where it ended. `plan` says which steps and how, `step` takes one back, `seen` waits
//! until it can be seen, `hold` gives temporary changes back, `repair` is what may be tried instead.

mod hold;
mod plan;
mod repair;
mod seen;
mod step;

pub use plan::ways_back;

use super::{
    Stop, bind,
    executor::Run,
    identity::who,
    place,
    resume::{accepted_route, refuse_other_cluster},
    start::{Crew, Ended, Order, Stood, interrupted, name, untouched},
};
use crate::{
    event::{Closed, Event, Failure, FailureKind, Holder, Life, OnFailure, Opened, RunState, Torn, Undoing},
    model::{ExitCode, Left, RunId, StepId},
};
use plan::Asked;

/// What is to be taken back.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// Everything, or only what is held.
    pub what: Undoing,
    /// The last step that is taken back, by id or title; none for all of them.
    pub to: Option<String>,
    /// With which words.
    pub reason: Option<String>,
    /// The account.
    pub by: Option<String>,
}

/// What an undo came to, where nothing went wrong.
enum Taken {
    /// Everything is as it was.
    All,
    /// So is everything from this step on.
    To(StepId),
    /// Nothing is held any more; the run is where it was, for the reason it had.
    Holds(Life, Option<String>),
    /// Something stays.
    Incomplete(Vec<(StepId, Left)>),
}

/// What was met on the way to a run's place, to be journaled once the undo is.
struct Met {
    /// Why another way to the cluster is accepted.
    route: Option<String>,
    /// From whom the place was taken by force, and with which words.
    broken: (Vec<Holder>, String),
    torn: Option<Torn>,
}

/// Takes a run back where its journal ends.
pub fn undo(crew: Crew, order: Order, opened: Opened, ask: &Ask) -> Ended {
    let asked = match plan::asked(&opened.state, ask) {
        Ok(asked) => asked,
        Err(ended) => return *ended,
    };
    match again(crew, order, opened) {
        Ok((mut run, met)) => {
            let taken = run
                .begin_undo(ask, &asked, false)
                .and_then(|()| run.tell_of(met, ask))
                .and_then(|()| run.declare_again())
                .and_then(|()| run.take_back(ask, &asked, false));
            run.conclude_undo(taken, ask, None)
        }
        Err(ended) => *ended,
    }
}

/// A run that is there already, in its place, on its cluster. One that is closed takes its place again.
fn again(mut crew: Crew, order: Order, opened: Opened) -> Result<(Run, Met), Box<Ended>> {
    let Opened { log, state, torn } = opened;
    let connected = order.connect.connect().map_err(Box::new)?;
    let identity = who(&connected, &order.cancel).map_err(untouched)?;
    refuse_other_cluster(&state, identity.as_ref(), &connected.target.name)?;
    let route = accepted_route(&state, identity.as_ref(), &order, &connected.target.name, "undo")?;
    let run = state.run.clone().unwrap_or_else(|| RunId::new(""));
    let since = state.started.unwrap_or_else(|| crew.clock.now());
    let holder = order.holder(run, &connected.target.name, since);
    (order.named)(&holder.run);
    let offline = order.connect.declare(None, &state.settings, holder.since, &order.cancel);
    let scope = state.plan.as_ref().map_or(&offline.plan.scope, |(plan, _)| &plan.scope).clone();
    let at = bind::place(&connected.target, identity.as_ref(), scope.as_deref());
    crew.lock = connected.lock.clone().unwrap_or(crew.lock);
    if order.cancel.is_cancelled() {
        let exit = interrupted(&order.cancel);
        return Err(Box::new(Ended::new(exit, "stopped before anything was taken back; nothing was changed")));
    }
    let (held, broken) = place::occupy(crew.lock.as_ref(), &at, &holder)?;
    if let Err(error) = held.claim(&log.head()) {
        let ended = Box::new(place::locked(&error, &holder));
        if state.is_closed() {
            // it had no place before, and keeps none
            let _ = held.release();
        }
        return Err(ended);
    }
    let run = Run::joined(crew, order, (log, state), Stood { connected, identity, offline, held });
    Ok((run, Met { route, broken: (broken, holder.broke.unwrap_or_default()), torn }))
}

/// A run that is being taken back does not go on before that has ended.
pub(super) fn refuse_undoing(state: &RunState) -> Result<(), Box<Ended>> {
    match &state.undoing {
        Some(undoing) if undoing.of_changes().is_some() => {
            let run = name(state);
            let ended =
                Ended::new(ExitCode::UndoIncomplete, format!("run {run} is being taken back; it does not go on"));
            Err(Box::new(
                ended
                    .help(format!("runbook undo {run}"))
                    .help(format!("or leave it as it is: runbook abandon {run} --reason \"…\"")),
            ))
        }
        _ => Ok(()),
    }
}

impl Run {
    /// The plan that the run was bound to, with the closures of its own copy of the playbook.
    fn declare_again(&mut self) -> Result<(), Stop> {
        let plan = self.with_state(|state| state.plan.clone());
        if !(self.plan.discoveries.is_empty() && self.plan.secrets.is_empty()) {
            self.declare_asking(false)?;
        }
        self.go_on()?;
        if let Some((plan, _)) = plan {
            self.plan = (*plan).into();
        }
        Ok(())
    }

    /// Ends a run's process: takes the run back first, where it was asked to do so by itself.
    pub fn finish(mut self, result: Result<(), Stop>) -> Ended {
        let failure = match &result {
            Err(Stop::Failed { failure, .. }) if self.undoes(failure.kind) => (**failure).clone(),
            _ => return self.conclude(result),
        };
        if let Err(Stop::Failed { failure, step: None }) = &result
            && let Err(error) = self.record(&Event::Failed { failure: (**failure).clone() })
        {
            return self.conclude(Err(Stop::Journal(error)));
        }
        self.collect_evidence();
        let asked = Asked { steps: self.with_state(RunState::in_force), to: None };
        let ask = Ask::default();
        let taken = self.begin_undo(&ask, &asked, true).and_then(|()| self.take_back(&ask, &asked, true));
        self.conclude_undo(taken, &ask, Some(failure))
    }

    fn undoes(&self, kind: FailureKind) -> bool {
        let over = matches!(
            kind,
            FailureKind::Preflight
                | FailureKind::Identity
                | FailureKind::Journal
                | FailureKind::Cancelled
                | FailureKind::Internal
                | FailureKind::Undo
        );
        let wanted = |state: &RunState| {
            state.settings.on_failure == OnFailure::Undo && state.undoing.is_none() && !state.in_force().is_empty()
        };
        !over && self.with_state(wanted)
    }

    /// The first line of an undo: from here on it is known that the run is being taken back, and how far.
    fn begin_undo(&self, ask: &Ask, asked: &Asked, on_failure: bool) -> Result<(), Stop> {
        self.record(&Event::UndoStarted {
            what: ask.what,
            to: asked.to.clone(),
            steps: asked.steps.clone(),
            on_failure,
            reason: ask.reason.clone(),
            program: env!("CARGO_PKG_VERSION").into(),
            by: ask.by.clone(),
        })?;
        Ok(())
    }

    fn tell_of(&self, Met { route, broken, torn }: Met, ask: &Ask) -> Result<(), Stop> {
        self.broke(broken.0, &broken.1)?;
        self.was_torn(torn)?;
        if let Some((reason, identity)) = route.zip(self.identity.clone()) {
            self.record(&Event::RouteAccepted { identity, reason, by: ask.by.clone() })?;
        }
        Ok(())
    }

    /// One step after the other; what stays of a step does not keep the others from going back, unless the run does it by
    /// itself. What fails does.
    fn take_back(&mut self, ask: &Ask, asked: &Asked, on_failure: bool) -> Result<Taken, Stop> {
        let was =
            self.with_state(|state| state.undoing.as_ref().map(|undoing| undoing.was.clone())).unwrap_or_default();
        if was.0 == Life::Closed(Closed::Done) {
            self.withdraw_evidence();
        }
        self.end_children()?;
        let mut left = vec![];
        for id in &asked.steps {
            self.recorder().absorb()?;
            self.go_on()?;
            let back = self.step_back(id, ask.what == Undoing::Holds, on_failure)?;
            left.extend(back.into_iter().map(|left| (id.clone(), left)));
            if on_failure && !left.is_empty() {
                break;
            }
        }
        self.append(&Event::UndoEnded { complete: left.is_empty() })?;
        Ok(match (left.is_empty(), ask.what, asked.to.clone()) {
            (false, ..) => Taken::Incomplete(left),
            (true, Undoing::Holds, _) => Taken::Holds(was.0, was.1),
            (true, Undoing::Changes, Some(to)) if !self.with_state(RunState::in_force).is_empty() => Taken::To(to),
            (true, Undoing::Changes, _) => Taken::All,
        })
    }

    fn conclude_undo(self, taken: Result<Taken, Stop>, ask: &Ask, failure: Option<Failure>) -> Ended {
        let taken = match taken {
            Ok(taken) => taken,
            // the undo's failure is the one that counts: a failed undo never triggers another
            Err(stop) => return self.conclude(Err(stop)),
        };
        let exit = failure.as_ref().map_or(ExitCode::Done, |failure| failure.kind.exit());
        let (event, exit, words) = match taken {
            Taken::All => {
                let why = failure.as_ref().map(|failure| failure.message.clone());
                let reason = ask.reason.clone().or(why);
                let event = Event::Closed { how: Closed::Undone, reason, exit, exceptions: vec![] };
                (event, exit, "everything that the run changed was taken back".to_owned())
            }
            Taken::To(step) => {
                let words = format!("taken back to step {step}; what was done before it stands");
                (Event::Stopped { reason: words.clone(), exit }, exit, words)
            }
            Taken::Holds(life, reason) => self.as_before(&life, reason),
            Taken::Incomplete(left) => {
                let exit = ExitCode::UndoIncomplete;
                let words = incomplete(&left);
                (Event::Stopped { reason: words.clone(), exit }, exit, words)
            }
        };
        let closed = matches!(event, Event::Closed { .. });
        let recorded = closed || exit == ExitCode::UndoIncomplete;
        let mut ended = self.ends(&event, exit, words);
        if recorded {
            ended.incident = self.write_incident();
        }
        if failure.is_some() || exit == ExitCode::UndoIncomplete {
            self.tell("failed", &event, &ended);
        }
        ended.failure = failure;
        self.leave();
        self.recorder().end();
        ended
    }

    /// A run whose holds were given back is where it was before.
    fn as_before(&self, life: &Life, reason: Option<String>) -> (Event, ExitCode, String) {
        let (gate, step) = self.with_state(|state| (state.at_gate.clone(), state.current.clone()));
        let words = "nothing is held any more".to_owned();
        let reason = reason.unwrap_or_else(|| words.clone());
        let exit = ExitCode::Done;
        let event = match life {
            Life::Waiting => Event::Waiting { reason, gate, step, exit },
            _ => Event::Stopped { reason, exit },
        };
        (event, exit, words)
    }
}

fn incomplete(left: &[(StepId, Left)]) -> String {
    let words = left.iter().map(|(_, left)| left.to_string()).take(3).collect::<Vec<_>>().join("; ");
    let more = left.len().saturating_sub(3);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    format!("undo incomplete, {} left: {words}{more}", left.len())
}
