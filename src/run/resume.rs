//! A run that goes on: where its journal ends, in its place, on its cluster; and what is said along with that.

use super::{
    Stop, bind,
    executor::Run,
    identity::who,
    place,
    start::{
        Crew, Ended, Order, Stood, interrupted, name, refuse_errors, refuse_unknown_step, refuse_unnamed, staged,
        together, unjournaled, untouched, unwritable,
    },
    undo::refuse_undoing,
};
use crate::{
    event::{Event, LogError, Opened, RunState, Staged, Stated, StepStatus, Torn},
    model::{ExitCode, Identity, Plan, RunId, StepId},
};

/// What is said along with a resume.
#[derive(Clone, Debug, Default)]
pub struct Resumption {
    /// What became of a step.
    pub settle: Option<Settle>,
    /// A verify that does not have to hold.
    pub waive: Option<Waive>,
    /// The playbook is not what the run was started with, and that is accepted.
    pub changed: Option<Changed>,
    /// Why the cluster may be reached by another server or CA.
    pub accept_route: Option<String>,
}

/// What became of a step that is uncertain or failed.
#[derive(Clone, Debug)]
pub struct Settle {
    /// The step, by id or title.
    pub step: String,
    /// What is stated.
    pub outcome: Stated,
    /// With which words.
    pub reason: String,
}

/// A verify that does not have to hold.
#[derive(Clone, Debug)]
pub struct Waive {
    /// Its text.
    pub verify: String,
    /// Its step, by id or title, where several verifies have this text.
    pub step: Option<String>,
    /// With which words.
    pub reason: String,
}

/// How the playbook differs from the one that the run was started with.
#[derive(Clone, Debug)]
pub struct Changed {
    /// Its files that differ, a line each.
    pub files: Vec<String>,
}

/// Goes on with a run where its journal ends.
pub fn resume(crew: Crew, order: Order, opened: Opened) -> Ended {
    match rejoin(crew, order, opened) {
        Ok((mut run, fresh)) => {
            let result = match fresh {
                Some(staged) => run.bind(staged),
                None => run.repeat(),
            };
            let result = result.and_then(|()| run.drive());
            run.finish(result)
        }
        Err(ended) => *ended,
    }
}

/// Everything that is asked before the first line of a run that goes on.
pub(super) fn rejoin(mut crew: Crew, order: Order, opened: Opened) -> Result<(Run, Option<Staged>), Box<Ended>> {
    let Opened { log, state, torn } = opened;
    if state.is_closed() {
        return Err(Box::new(
            Ended::new(ExitCode::Usage, format!("run {} is closed", name(&state)))
                .help(format!("runbook show {}", name(&state))),
        ));
    }
    refuse_undoing(&state)?;
    let connected = order.connect.connect().map_err(Box::new)?;
    let identity = who(&connected, &order.cancel).map_err(untouched)?;
    refuse_other_cluster(&state, identity.as_ref(), &connected.target.name)?;
    let accepted = accepted_route(&state, identity.as_ref(), &order, &connected.target.name, "resume")?;
    let run = state.run.clone().unwrap_or_else(|| RunId::new(""));
    let since = state.started.unwrap_or_else(|| crew.clock.now());
    let holder = order.holder(run, &connected.target.name, since);
    (order.named)(&holder.run);
    let offline = order.connect.declare(None, &state.settings, holder.since, &order.cancel);
    if order.cancel.is_cancelled() {
        return Err(Box::new(Ended::new(
            interrupted(&order.cancel),
            "stopped before the run went on; nothing was changed",
        )));
    }
    if order.resumption.changed.is_some() {
        refuse_errors(&together(&order.unread, &offline.findings))?;
        refuse_unnamed(&offline.plan, &connected.target)?;
        refuse_another(&state, &offline.plan)?;
    }
    let known = state.plan.as_ref().filter(|_| order.resumption.changed.is_none()).map(|(plan, _)| &**plan);
    let plan = known.unwrap_or(&offline.plan);
    refuse_unknown_step(plan, order.settings.until.as_deref())?;
    refuse_unspoken(&state, plan, &order.resumption)?;
    let scope = state.plan.as_ref().map_or(&offline.plan.scope, |(plan, _)| &plan.scope).clone();
    let at = bind::place(&connected.target, identity.as_ref(), scope.as_deref());
    crew.lock = connected.lock.clone().unwrap_or(crew.lock);
    let (held, broken) = place::occupy(crew.lock.as_ref(), &at, &holder)?;
    held.claim(&log.head()).map_err(|error| Box::new(place::locked(&error, &holder)))?;
    // without a bound plan nothing has been decided or changed: it binds as if it were started now
    let fresh = match state.plan {
        Some(_) => None,
        None => Some(staged(&crew, &order, &offline.plan, &connected, identity.as_ref())?),
    };
    if order.resumption.changed.is_some() {
        let bundle = order
            .bundle
            .to_bytes(order.holds_secret.as_ref())
            .map_err(|error| Box::new(Ended::new(ExitCode::Internal, error.to_string())))?;
        // there before the line that says it is in force
        crew.store.rebundle(&holder.run, &order.bundle.digest(), &bundle).map_err(|error| unwritable(&error))?;
    }
    let run = Run::joined(crew, order, (log, state), Stood { connected, identity, offline, held });
    run.broke(broken, holder.broke.as_deref().unwrap_or_default()).map_err(|error| unjournaled(&error))?;
    run.was_torn(torn).map_err(|error| unjournaled(&error))?;
    if let (Some(reason), Some(identity)) = (accepted, run.identity.clone()) {
        let event = Event::RouteAccepted { identity, reason, by: run.by.clone() };
        run.record(&event).map_err(|error| unjournaled(&error))?;
    }
    Ok((run, fresh))
}

pub(super) fn refuse_other_cluster(state: &RunState, now: Option<&Identity>, context: &str) -> Result<(), Box<Ended>> {
    let (Some(then), Some(now)) = (&state.identity, now) else { return Ok(()) };
    if then.uid == now.uid {
        return Ok(());
    }
    let message = format!(
        "context {context} is another cluster than the one that run {} began on: kube-system has UID {}, it had {}",
        name(state),
        now.uid,
        then.uid
    );
    Err(Box::new(Ended::new(ExitCode::WrongContext, message).help(format!("runbook show {}", name(state)))))
}

/// Why another way to the same cluster is accepted, where it is one; refused where nothing was said about it.
pub(super) fn accepted_route(
    state: &RunState,
    now: Option<&Identity>,
    order: &Order,
    context: &str,
    verb: &str,
) -> Result<Option<String>, Box<Ended>> {
    let Some(words) = another_route(state, now) else { return Ok(None) };
    if let Some(reason) = &order.resumption.accept_route {
        return Ok(Some(reason.clone()));
    }
    let message = format!(
        "context {context} is the cluster that it was, and is reached another way: {words}; nothing was changed"
    );
    let command = format!("runbook {verb} {} --accept-route \"…\"", name(state));
    Err(Box::new(Ended::new(ExitCode::WrongContext, message).help(format!("if that is meant: {command}"))))
}

/// How the way to the same cluster differs from the one that the run knows. The CA tells whether it is trusted the same
/// way; where there is none, only the server's URL can.
fn another_route(state: &RunState, now: Option<&Identity>) -> Option<String> {
    let (then, now) = (state.identity.as_ref()?, now?);
    let ca = |identity: &Identity| identity.ca.as_ref().map_or("none".to_owned(), |ca| ca.short().to_owned());
    if then.ca != now.ca {
        return Some(format!("its CA is {} at {}, it was {} at {}", ca(now), now.server, ca(then), then.server));
    }
    (now.ca.is_none() && then.server != now.server)
        .then(|| format!("its server is {}, it was {}, and no CA tells that both are one", now.server, then.server))
}

/// Another playbook is not another version of this one, however much is accepted.
fn refuse_another(state: &RunState, plan: &Plan) -> Result<(), Box<Ended>> {
    let run = name(state);
    let Some((then, _)) = &state.plan else {
        let ended = Ended::new(ExitCode::Refused, format!("run {run} was never bound: it changed nothing"));
        return Err(Box::new(ended.help(format!("start the playbook anew: runbook abandon {run} --reason \"…\""))));
    };
    let why = if then.title != plan.title {
        format!("its plan is \"{}\", the run's is \"{}\"", plan.title, then.title)
    } else if then.scope != plan.scope {
        let scope = |plan: &Plan| plan.scope.clone().unwrap_or_else(|| "the whole cluster".into());
        format!("its scope is {}, and the run keeps its place on {}", scope(plan), scope(then))
    } else {
        return Ok(());
    };
    let ended = Ended::new(ExitCode::Refused, format!("this is another playbook than that of run {run}: {why}"));
    Err(Box::new(ended.help(format!("runbook abandon {run} --reason \"…\", then run it"))))
}

/// Refuses what is said about steps and verifies that are not there, or not in question.
fn refuse_unspoken(state: &RunState, plan: &Plan, said: &Resumption) -> Result<(), Box<Ended>> {
    if let Some(settle) = &said.settle {
        let id = step_named(plan, &settle.step)?;
        let status = state.step(&id).status;
        let (why, help) = match status {
            StepStatus::Started | StepStatus::Failed | StepStatus::Changed => return waivable(state, plan, said),
            StepStatus::Verified => ("is done", format!("runbook show {}", name(state))),
            StepStatus::Undone => ("was taken back", format!("runbook resume {}", name(state))),
            StepStatus::Pending => ("has not begun", format!("runbook resume {}", name(state))),
            StepStatus::Manual => {
                ("waits to be done by hand", format!("runbook done {} {id} --reason \"…\"", name(state)))
            }
        };
        let message = format!("step {id} {why}: there is no outcome to state");
        return Err(Box::new(Ended::new(ExitCode::Usage, message).help(help)));
    }
    waivable(state, plan, said)
}

fn waivable(state: &RunState, plan: &Plan, said: &Resumption) -> Result<(), Box<Ended>> {
    match &said.waive {
        Some(waive) => find_verify(state, plan, waive).map(drop),
        None => Ok(()),
    }
}

/// The step that is called so: by its id, its title or its title's slug.
pub(super) fn step_named(plan: &Plan, called: &str) -> Result<StepId, Box<Ended>> {
    let is = |id: &StepId, title: &str| {
        id.as_str() == called || title == called || id.as_str().ends_with(&format!("/{called}"))
    };
    if let Some(step) = plan.steps().find(|step| is(&step.id, &step.title)) {
        return Ok(step.id.clone());
    }
    let near = plan
        .steps()
        .map(|step| step.id.as_str())
        .max_by(|a, b| strsim::jaro_winkler(a, called).total_cmp(&strsim::jaro_winkler(b, called)));
    let ended = Ended::new(ExitCode::Usage, format!("the playbook has no step `{called}`"));
    Err(Box::new(match near {
        Some(near) => ended.help(format!("did you mean {near}?")),
        None => ended,
    }))
}

/// The one verify that is to be waived: its step (none: the outcome), its index and its text.
pub(super) fn find_verify(
    state: &RunState,
    plan: &Plan,
    waive: &Waive,
) -> Result<(Option<StepId>, usize, String), Box<Ended>> {
    let only = waive.step.as_ref().map(|step| step_named(plan, step)).transpose()?;
    // a step that has not begun has no verify that stands in the way
    let begun = plan.steps().filter(|step| state.step(&step.id).attempts > 0);
    let of_steps = begun
        .filter(|step| only.as_ref().is_none_or(|only| *only == step.id))
        .flat_map(|step| step.verifies.iter().enumerate().map(|(n, verify)| (Some(step.id.clone()), n, verify)));
    let outcome = plan.verifies.iter().enumerate().filter(|_| only.is_none()).map(|(n, verify)| (None, n, verify));
    let all: Vec<_> = of_steps.chain(outcome).collect();
    let found: Vec<_> = all.iter().filter(|(_, _, verify)| verify.text == waive.verify).collect();
    match found.as_slice() {
        [(step, n, verify)] => Ok((step.clone(), *n, verify.text.clone())),
        [] => {
            let near = all.iter().map(|(_, _, verify)| verify.text.as_str()).max_by(|a, b| {
                strsim::jaro_winkler(a, &waive.verify).total_cmp(&strsim::jaro_winkler(b, &waive.verify))
            });
            let message = format!("no step that has begun has a verify \"{}\"", waive.verify);
            let ended = Ended::new(ExitCode::Usage, message);
            Err(Box::new(match near {
                Some(near) => ended.help(format!("did you mean --waive \"{near}\"?")),
                None => ended,
            }))
        }
        several => {
            let message = format!("{} verifies are called \"{}\": say of which step", several.len(), waive.verify);
            let mut ended = Ended::new(ExitCode::Usage, message);
            ended.help = several.iter().filter_map(|(step, ..)| step.as_ref()).map(|s| format!("--step {s}")).collect();
            Err(Box::new(ended))
        }
    }
}

impl Run {
    /// Journals what was cut off the journal.
    pub(super) fn was_torn(&self, torn: Option<Torn>) -> Result<(), LogError> {
        let Some(Torn { line, bytes, kept }) = torn else { return Ok(()) };
        let text = format!(
            "line {line} of the journal was not whole; its {bytes} bytes are kept in {kept}, and what it may have said counts as uncertain"
        );
        self.append(&Event::Noted { text, step: None, via: "journal".into() })
    }

    /// Journals what was said about a step.
    pub(super) fn settle(&self) -> Result<(), Stop> {
        let Some(Settle { step, outcome, reason }) = self.resumption.settle.clone() else { return Ok(()) };
        let Ok(step) = step_named(&self.plan, &step) else { return Ok(()) };
        self.record(&Event::StepSettled { step, outcome, reason, by: self.by.clone() })?;
        Ok(())
    }
}
