use serde_json::Value;

use super::{State, Status, conditions::condition};
use crate::object::{
    head,
    path::{at, int, text},
};

const REQUESTED: &str = "reconcile.fluxcd.io/requestedAt";

/// A Flux object is ready when its controller says so of this generation, after the reconcile that was asked for last.
pub(super) fn status(kind: &str, object: &Value) -> Option<Status> {
    if matches!(kind, "Alert" | "Provider") && at(object, "status.conditions").is_none() {
        // these have no controller that would report on them
        return None;
    }
    let ready = condition(object, "Ready");
    if at(object, "spec.suspend") == Some(&Value::Bool(true)) {
        let last = ready.map(|ready| format!("; last seen: {}", ready.message_or_status())).unwrap_or_default();
        return Some(Status::failed("Suspended", format!("it is suspended, so nothing reconciles it{last}")));
    }
    let requested = object["metadata"]["annotations"][REQUESTED].as_str();
    let handled = text(object, "status.lastHandledReconcileAt");
    if requested.is_some() && requested != handled {
        return Some(Status::in_progress(
            "ReconcileRequested",
            "the reconcile that was asked for has not been handled yet",
        ));
    }
    let Some(ready) = ready else {
        return Some(Status::in_progress("NoStatus", "its controller has not reported yet"));
    };
    if !ready.holds() {
        return Some(Status::by(State::InProgress, &ready));
    }
    let generation = head(object).generation();
    let seen = ready.observed_generation.or_else(|| int(object, "status.observedGeneration"));
    // a generation that nobody has seen is -1 in Flux
    let current = seen.is_some_and(|seen| seen >= 1 && Some(seen) == generation);
    if !current {
        let message = format!(
            "generation {} is not seen yet (observed: {}); last seen: {}",
            generation.unwrap_or_default(),
            seen.unwrap_or(-1),
            ready.message_or_status()
        );
        return Some(Status::in_progress("GenerationNotObserved", message));
    }
    Some(Status::by(State::Current, &ready))
}
