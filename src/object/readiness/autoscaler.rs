use serde_json::Value;

use super::{
    State, Status,
    conditions::{Condition, condition_in},
};
use crate::object::path::at;

/// Where version 1 of the kind keeps its conditions, as a text.
const IN_V1: &str = "autoscaling.alpha.kubernetes.io/conditions";

/// An autoscaler is ready when it has found what it scales and the numbers that it scales by: one that only exists scales
/// nothing. Its controller looks again every few seconds, so that nothing of it is final. One whose target was taken to no
/// replicas is switched off, and is as it should be.
pub(super) fn status(object: &Value) -> Status {
    let old = object["metadata"]["annotations"][IN_V1].as_str().and_then(|text| serde_json::from_str(text).ok());
    let conditions: Option<&Value> = at(object, "status.conditions").or(old.as_ref());
    let found = |kind| condition_in(conditions, kind);
    let unseen = || Status::in_progress("NoStatus", "its controller has not looked at it yet");
    let Some(able) = found("AbleToScale") else { return unseen() };
    if !able.holds() {
        return Status::by(State::InProgress, &able);
    }
    match found("ScalingActive") {
        Some(active) if active.holds() || is_off(&active) => Status::by(State::Current, &active),
        Some(active) => Status::by(State::InProgress, &active),
        None => unseen(),
    }
}

fn is_off(active: &Condition<'_>) -> bool {
    active.fails() && active.reason == "ScalingDisabled"
}
