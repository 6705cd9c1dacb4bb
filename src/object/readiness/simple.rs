use serde_json::Value;

use super::{State, Status, conditions::condition};
use crate::object::path::{at, text};

/// A namespace is there at once; only its end takes time.
pub(super) fn namespace(object: &Value) -> Status {
    match text(object, "status.phase") {
        None | Some("Active") => Status::current("the namespace is Active"),
        Some(phase) => Status::in_progress(phase, format!("the namespace is {phase}")),
    }
}

/// Bound, and nothing else.
pub(super) fn claim(object: &Value) -> Status {
    match text(object, "status.phase") {
        Some("Bound") => Status::current("the claim is Bound"),
        Some("Lost") => Status::failed("Lost", "the volume of this claim is gone"),
        phase => {
            let phase = phase.unwrap_or("Pending");
            let hint = "a storage class with WaitForFirstConsumer binds when a pod uses the claim";
            Status::in_progress(phase, format!("the claim is {phase}; {hint}"))
        }
    }
}

/// A load balancer needs an address; every other service is there at once.
pub(super) fn service(object: &Value) -> Status {
    if text(object, "spec.type") != Some("LoadBalancer") {
        return Status::current("the service exists");
    }
    if text(object, "spec.clusterIP").is_none_or(str::is_empty) {
        return Status::in_progress("NoClusterIP", "the service has no clusterIP yet");
    }
    let addresses = at(object, "status.loadBalancer.ingress").and_then(Value::as_array);
    if addresses.is_none_or(Vec::is_empty) {
        return Status::in_progress("NoAddress", "the load balancer has no address yet");
    }
    Status::current("the load balancer has an address")
}

/// Its group is served when the server behind it answers.
pub(super) fn api_service(object: &Value) -> Status {
    match condition(object, "Available") {
        Some(available) if available.holds() => Status::by(State::Current, &available),
        Some(available) => Status::by(State::InProgress, &available),
        None => Status::in_progress("NoStatus", "its controller has not reported yet"),
    }
}
