//! When is an object ready: kstatus with the deviations that its users asked for, one rule a file.
//! The reason and message that a user sees are the controller's own, where it gave any.
//!
//! What has no rule follows the generic order: a `Ready` condition where there is one, else it is ready once it exists and its
//! controller has seen its generation, where it counts them. That is right for:
//! - `Node`: its `Ready` condition, in the kubelet's words; whether it is cordoned says nothing about it.
//! - `PodDisruptionBudget`: its controller has counted; how many pods may go now is `status.disruptionsAllowed`.
//! - `Ingress`: there at once. Not every controller writes the address that it answers at: where yours does, verify
//!   `status.loadBalancer.ingress`.
//! - `NetworkPolicy`: no controller says that it is enforced: try a connection that it forbids.
//! - `ResourceQuota`: there at once; what of it is used is counted a moment later, in `status.used`.
//! - `ConfigMap`, `Secret`, `CronJob`, roles and the like: nothing is to be waited for.

mod autoscaler;
mod conditions;
mod definition;
mod flux;
mod gateway;
mod job;
mod pod;
mod secrets;
mod simple;
#[cfg(test)]
mod tests;
mod workload;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{head, path::int};
use conditions::{Condition, condition};

/// How far an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum State {
    /// As its spec wants it.
    Current,
    /// On the way.
    InProgress,
    /// Its controller has given up, or needs help.
    Failed,
    /// Being deleted.
    Terminating,
    /// It does not exist.
    NotFound,
}

impl State {
    /// The word for it, as in kstatus.
    pub fn word(self) -> &'static str {
        match self {
            Self::Current => "Current",
            Self::InProgress => "InProgress",
            Self::Failed => "Failed",
            Self::Terminating => "Terminating",
            Self::NotFound => "NotFound",
        }
    }
}

/// How far an object is, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// How far.
    pub status: State,
    /// Why, in one word: the controller's where it gave one.
    pub reason: String,
    /// Why, in a sentence: the controller's where it gave one.
    pub message: String,
    /// The generation of its spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// The generation that its controller has seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

impl Status {
    /// Whether it is as its spec wants it.
    pub fn is_ready(&self) -> bool {
        self.status == State::Current
    }

    fn new(status: State, reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, reason: reason.into(), message: message.into(), generation: None, observed_generation: None }
    }

    fn current(message: impl Into<String>) -> Self {
        Self::new(State::Current, "Ready", message)
    }

    fn in_progress(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(State::InProgress, reason, message)
    }

    fn failed(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(State::Failed, reason, message)
    }

    /// The state with a condition's own reason and message.
    fn by(status: State, condition: &Condition<'_>) -> Self {
        Self::new(status, condition.reason_or_type(), condition.message_or_status())
    }
}

/// How far the object is at `now`; what counts seconds needs the time.
pub fn status(object: &Value, now: Timestamp) -> Status {
    let mut status = decide(object, now);
    status.generation = head(object).generation();
    status.observed_generation = int(object, "status.observedGeneration");
    status
}

/// As [`status`], for an object that may not exist.
pub fn status_of(object: Option<&Value>, now: Timestamp) -> Status {
    object.map_or_else(|| Status::new(State::NotFound, "NotFound", "it does not exist"), |object| status(object, now))
}

fn decide(object: &Value, now: Timestamp) -> Status {
    let about = head(object);
    if let Some(since) = about.deletion_timestamp() {
        return Status::new(State::Terminating, "Terminating", format!("it is being deleted since {since}"));
    }
    // an observedGeneration that is not an integer says nothing
    if let (Some(observed), Some(generation)) = (int(object, "status.observedGeneration"), about.generation())
        && observed != generation
    {
        // a condition that names this generation says more than the count does: Flux leaves that at -1 until the first success
        let of_this = |kind| condition(object, kind).filter(|found| found.observed_generation == Some(generation));
        if let Some(stalled) = of_this("Stalled").filter(Condition::holds) {
            return Status::by(State::Failed, &stalled);
        }
        if let Some(ready) = of_this("Ready").filter(|ready| !ready.holds()) {
            return Status::by(State::InProgress, &ready);
        }
        let last = condition(object, "Ready").map(|ready| format!("; last seen: {}", ready.message_or_status()));
        let message =
            format!("generation {generation} is not seen yet (observed: {observed}){}", last.unwrap_or_default());
        return Status::in_progress("GenerationNotObserved", message);
    }
    if let Some(reconciling) = condition(object, "Reconciling").filter(Condition::holds) {
        // the Ready condition says more, where it has something to say
        let ready = condition(object, "Ready").filter(|ready| !ready.holds() && !ready.message.is_empty());
        return Status::by(State::InProgress, &ready.unwrap_or(reconciling));
    }
    if let Some(stalled) = condition(object, "Stalled").filter(Condition::holds) {
        return Status::by(State::Failed, &stalled);
    }
    by_kind(object, now).unwrap_or_else(|| by_ready(object))
}

fn by_kind(object: &Value, now: Timestamp) -> Option<Status> {
    let about = head(object);
    Some(match (about.group(), about.kind()) {
        ("", "Namespace") => simple::namespace(object),
        ("", "PersistentVolumeClaim") => simple::claim(object),
        ("", "Service") => simple::service(object),
        ("", "Pod") => pod::status(object, now),
        ("apps", "Deployment") => workload::deployment(object),
        ("apps", "StatefulSet") => workload::stateful_set(object),
        ("apps", "DaemonSet") => workload::daemon_set(object),
        ("apps", "ReplicaSet") => workload::replica_set(object),
        ("batch", "Job") => job::status(object),
        ("autoscaling", "HorizontalPodAutoscaler") => autoscaler::status(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition::status(object),
        ("apiregistration.k8s.io", "APIService") => simple::api_service(object),
        ("external-secrets.io", kind) => return secrets::status(kind, object),
        ("gateway.networking.k8s.io", kind) => return gateway::status(kind, object),
        (group, kind) if group.ends_with(".toolkit.fluxcd.io") => return flux::status(kind, object),
        _ => return None,
    })
}

/// The last rule: a `Ready` condition where there is one, else the object's being there.
fn by_ready(object: &Value) -> Status {
    match condition(object, "Ready") {
        Some(ready) if ready.holds() => Status::by(State::Current, &ready),
        Some(ready) => Status::by(State::InProgress, &ready),
        None => Status::current("it exists"),
    }
}
