//! The trial: change closures run once, in order, with no effect on anything; each native leaves a touch.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    effect::{Call, Commanded, Door, EffectError, Mode, Sort, Trial, Wanted},
    event::{Cancel, Clock},
    model::{Body, Doing, Finding, Place, StepId, Touch},
    script::{Declared, ErrorKind, ScriptError},
};

/// How long one closure may take without touching anything.
const STEP: Duration = Duration::from_secs(5);

/// What the trial of one step's change came to.
pub(super) struct Tried {
    pub step: StepId,
    pub touches: Vec<Touch>,
    /// The changes as they would be made.
    pub wanted: Vec<Wanted>,
    /// The commands that it would run.
    pub commands: Vec<Commanded>,
    /// The origins of the URLs that it would ask, with where it does.
    pub urls: Vec<(String, Option<Place>)>,
    /// Why it could not be seen to its end.
    pub stopped: Option<ScriptError>,
}

/// Runs the change closures of these steps, in order.
pub(super) fn each(
    declared: &Declared,
    trial: &Arc<Trial>,
    door: &Arc<Door>,
    cancel: &Cancel,
    clock: &dyn Clock,
    steps: &[StepId],
) -> Vec<Tried> {
    let outputs: Arc<Mutex<BTreeMap<StepId, serde_json::Value>>> = Arc::default();
    let mut all = Vec::with_capacity(steps.len());
    for id in steps {
        let mut call = Call::new(Mode::Change, Some(door.clone()), cancel.clone()).until(Instant::now() + STEP);
        call.trial = Some(trial.clone());
        let mut tag = super::bind::tag(&Body::Change(id.clone()), &call, clock);
        let known = outputs.clone();
        tag.outputs =
            Some(Arc::new(move |step| known.lock().unwrap_or_else(PoisonError::into_inner).get(step).cloned()));
        tag.before = Some(Arc::new(|_| Ok(None)));
        let stopped = match declared.call(&Body::Change(id.clone()), tag) {
            Ok(output) => {
                outputs.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), output);
                None
            }
            Err(error) => Some(error),
        };
        let (touches, wanted) = (trial.take_touches(), trial.take_wanted());
        all.push(Tried { step: id.clone(), touches, wanted, commands: call.commands(), urls: call.urls(), stopped });
    }
    all
}

/// What sort of thing a native stopped a closure with.
pub(super) fn sort_of(error: &ScriptError) -> Option<Sort> {
    error.cause.as_ref().and_then(|cause| cause.downcast_ref::<EffectError>()).map(|own| own.sort)
}

/// Runs every change closure of a declared playbook over an empty sandbox. What each step touches is put into the plan;
/// a closure that stops for want of a value leaves its step partly known. What no context could change is a finding.
pub fn rehearse(declared: &mut Declared, door: &Arc<Door>, cancel: &Cancel, clock: &dyn Clock) -> Vec<Finding> {
    let mut findings = vec![];
    let steps: Vec<StepId> =
        declared.plan.steps().filter(|step| step.doing == Doing::Change).map(|step| step.id.clone()).collect();
    let trial = Arc::new(Trial::new());
    for Tried { step: id, touches, stopped, .. } in each(declared, &trial, door, cancel, clock, &steps) {
        let mut partly = None;
        if let Some(error) = stopped {
            match sort_of(&error) {
                // waiting or another cluster changes nothing about these
                Some(Sort::Argument | Sort::Refused | Sort::WrongMode) => {
                    let mut finding =
                        Finding::error("trial", error.message.clone()).at(error.place.clone()).of_step(&id);
                    finding.help.clone_from(&error.help);
                    findings.push(finding);
                }
                // nothing is waited for in a trial: what takes so long does not end
                // and what is over a limit here is over it in the run
                _ if matches!(error.kind, ErrorKind::Deadline | ErrorKind::Limit) => {
                    let place = error.place.clone();
                    let place = place.or_else(|| declared.plan.step(&id).map(|step| step.place.clone()));
                    let message = format!("the change of {id}: {}", error.message);
                    let mut finding = Finding::error("trial", message).at(place).of_step(&id);
                    finding.help.clone_from(&error.help);
                    findings.push(finding);
                    partly = Some(error.message.clone());
                }
                _ => partly = Some(error.message.clone()),
            }
        }
        if let Some(step) = declared.plan.step_mut(&id) {
            step.trial = touches;
            step.partly_known = partly;
        }
    }
    findings
}
