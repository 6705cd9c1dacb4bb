use serde_json::Value;

use super::{
    State, Status,
    conditions::{Condition, condition},
};
use crate::object::path::{at, int, text};

fn count(object: &Value, path: &str) -> i64 {
    int(object, path).unwrap_or_default()
}

fn wanted(object: &Value) -> i64 {
    int(object, "spec.replicas").unwrap_or(1)
}

/// A controller that has not yet written what it saw has not started.
fn unobserved(object: &Value) -> Option<Status> {
    int(object, "status.observedGeneration")
        .is_none()
        .then(|| Status::in_progress("GenerationNotObserved", "its controller has not seen it yet"))
}

/// The first count that is too low, said as `updated replicas: 1 of 3`.
fn behind(counts: &[(&str, i64, i64)]) -> Option<Status> {
    let (what, have, want) = counts.iter().find(|(_, have, want)| have < want)?;
    Some(Status::in_progress("Progressing", format!("{what}: {have} of {want}")))
}

pub(super) fn deployment(object: &Value) -> Status {
    if let Some(status) = unobserved(object) {
        return status;
    }
    let wanted = wanted(object);
    let part = |name: &str| count(object, &format!("status.{name}"));
    let (replicas, updated, available) = (part("replicas"), part("updatedReplicas"), part("availableReplicas"));
    let progressing = condition(object, "Progressing");
    let late = progressing.filter(|progressing| progressing.reason == "ProgressDeadlineExceeded");
    let counted = behind(&[
        ("replicas", replicas, wanted),
        ("updated replicas", updated, wanted),
        ("ready replicas", part("readyReplicas"), wanted),
        ("available replicas", available, updated),
    ])
    .or_else(|| {
        let old = replicas - wanted;
        (old > 0).then(|| Status::in_progress("Progressing", format!("{old} old replicas still run")))
    })
    .or_else(|| match condition(object, "Available") {
        Some(available) if available.holds() => None,
        Some(available) => Some(Status::by(State::InProgress, &available)),
        None => Some(Status::in_progress("Progressing", "it is not Available yet")),
    });
    match (counted, late) {
        (Some(_), Some(late)) => return Status::by(State::Failed, &late),
        // pods that may not be made: the counts alone would not say why
        (Some(behind), None) => return failure_of_replicas(object).unwrap_or(behind),
        // every replica is there: the condition is left from before an undo, and its controller will see so
        (None, Some(late)) => return Status::by(State::InProgress, &late),
        (None, None) => {}
    }
    let unlimited = int(object, "spec.progressDeadlineSeconds").is_none_or(|seconds| seconds == i64::from(i32::MAX));
    match progressing {
        Some(progressing) if progressing.holds() && progressing.reason == "NewReplicaSetAvailable" => {
            Status::by(State::Current, &progressing)
        }
        _ if unlimited => Status::current(format!("{available} replicas are available")),
        Some(progressing) => Status::by(State::InProgress, &progressing),
        None => Status::in_progress("Progressing", "its new ReplicaSet is not available yet"),
    }
}

pub(super) fn stateful_set(object: &Value) -> Status {
    if text(object, "spec.updateStrategy.type") == Some("OnDelete") {
        return Status::new(State::Current, "OnDelete", "its pods are updated when they are deleted");
    }
    if let Some(status) = unobserved(object) {
        return status;
    }
    let wanted = wanted(object);
    let part = |name: &str| count(object, &format!("status.{name}"));
    if let Some(status) =
        behind(&[("replicas", part("replicas"), wanted), ("ready replicas", part("readyReplicas"), wanted)])
    {
        return status;
    }
    if part("replicas") > wanted {
        return Status::in_progress("Progressing", format!("{} replicas too many", part("replicas") - wanted));
    }
    let partition = int(object, "spec.updateStrategy.rollingUpdate.partition").unwrap_or_default();
    if partition > 0 {
        let updated = (wanted - partition).max(0);
        return behind(&[("updated replicas", part("updatedReplicas"), updated)])
            .unwrap_or_else(|| Status::current(format!("{updated} replicas beyond the partition are updated")));
    }
    if let Some(status) = behind(&[("current replicas", part("currentReplicas"), wanted)]) {
        return status;
    }
    let revision = |name: &str| text(object, &format!("status.{name}")).unwrap_or_default();
    if revision("currentRevision") != revision("updateRevision") {
        let message = format!("revision {} is not yet {}", revision("currentRevision"), revision("updateRevision"));
        return Status::in_progress("Progressing", message);
    }
    Status::current(format!("{wanted} replicas are ready"))
}

pub(super) fn daemon_set(object: &Value) -> Status {
    if let Some(status) = unobserved(object) {
        return status;
    }
    if int(object, "status.desiredNumberScheduled").is_none() {
        return Status::in_progress("Progressing", "its controller has not counted the nodes yet");
    }
    let part = |name: &str| count(object, &format!("status.{name}"));
    let wanted = part("desiredNumberScheduled");
    behind(&[
        ("scheduled pods", part("currentNumberScheduled"), wanted),
        ("updated pods", part("updatedNumberScheduled"), wanted),
        ("available pods", part("numberAvailable"), wanted),
        ("ready pods", part("numberReady"), wanted),
    ])
    .unwrap_or_else(|| Status::current(format!("{wanted} pods are ready")))
}

/// What the API server said when a pod was to be made.
fn failure_of_replicas(object: &Value) -> Option<Status> {
    let failure = condition(object, "ReplicaFailure").filter(Condition::holds)?;
    Some(Status::by(State::InProgress, &failure))
}

pub(super) fn replica_set(object: &Value) -> Status {
    if let Some(failure) = failure_of_replicas(object) {
        return failure;
    }
    if at(object, "status").is_none() {
        return Status::in_progress("GenerationNotObserved", "its controller has not seen it yet");
    }
    let wanted = wanted(object);
    let part = |name: &str| count(object, &format!("status.{name}"));
    if part("replicas") > wanted {
        return Status::in_progress("Progressing", format!("{} replicas too many", part("replicas") - wanted));
    }
    behind(&[
        ("labelled replicas", part("fullyLabeledReplicas"), wanted),
        ("available replicas", part("availableReplicas"), wanted),
        ("ready replicas", part("readyReplicas"), wanted),
    ])
    .unwrap_or_else(|| Status::current(format!("{wanted} replicas are ready")))
}
