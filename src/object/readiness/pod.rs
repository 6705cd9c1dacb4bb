use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{State, Status, conditions::condition};
use crate::object::path::{at, text};

/// How long the scheduler may look for a node before it counts as a failure.
const SCHEDULING: SignedDuration = SignedDuration::from_secs(15);

/// A pod is ready when it succeeded, or runs and says that it is ready.
pub(super) fn status(object: &Value, now: Timestamp) -> Status {
    let phase = text(object, "status.phase").unwrap_or("Pending");
    let ready = condition(object, "Ready");
    match phase {
        "Succeeded" => return Status::new(State::Current, "Succeeded", "the pod has succeeded"),
        "Failed" => {
            let reason = text(object, "status.reason").unwrap_or("Failed");
            let message = text(object, "status.message").map(ToOwned::to_owned).or_else(|| ended(object));
            return Status::failed(reason, message.unwrap_or_else(|| "the pod has failed".into()));
        }
        "Running" if ready.is_some_and(|ready| ready.holds()) => return Status::current("the pod is ready"),
        _ => {}
    }
    if let Some((reason, message)) = waiting(object) {
        let state = if reason == "CrashLoopBackOff" { State::Failed } else { State::InProgress };
        return Status::new(state, reason, message);
    }
    if let Some(scheduled) = condition(object, "PodScheduled").filter(|c| c.fails() && c.reason == "Unschedulable") {
        let long = scheduled.since().is_some_and(|since| now.duration_since(since) > SCHEDULING);
        return Status::by(if long { State::Failed } else { State::InProgress }, &scheduled);
    }
    ready.filter(|ready| !ready.message.is_empty()).map_or_else(
        || Status::in_progress(phase, format!("the pod is {phase} and not ready")),
        |ready| Status::by(State::InProgress, &ready),
    )
}

fn containers(object: &Value) -> impl Iterator<Item = &Value> {
    ["status.initContainerStatuses", "status.containerStatuses"]
        .into_iter()
        .filter_map(|path| at(object, path).and_then(Value::as_array))
        .flatten()
}

/// Why a container waits, where it says more than that it starts; one that crashes comes first.
fn waiting(object: &Value) -> Option<(String, String)> {
    let mut found: Vec<(String, String)> = containers(object)
        .filter_map(|container| {
            let reason = text(container, "state.waiting.reason")?;
            let name = text(container, "name").unwrap_or("container");
            let message = text(container, "state.waiting.message").unwrap_or("no message");
            Some((reason.to_owned(), format!("container {name}: {message}")))
        })
        .filter(|(reason, _)| !matches!(reason.as_str(), "ContainerCreating" | "PodInitializing"))
        .collect();
    found.sort_by_key(|(reason, _)| reason != "CrashLoopBackOff");
    found.into_iter().next()
}

/// How a container ended.
fn ended(object: &Value) -> Option<String> {
    containers(object).find_map(|container| {
        let end = at(container, "state.terminated")?;
        let code = end["exitCode"].as_i64().filter(|code| *code != 0)?;
        let name = text(container, "name").unwrap_or("container");
        let message = text(end, "message").or_else(|| text(end, "reason")).unwrap_or("Error");
        Some(format!("container {name} ended with {code}: {message}"))
    })
}
