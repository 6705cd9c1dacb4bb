use serde_json::Value;

use super::{
    State, Status,
    conditions::{Condition, condition},
};
use crate::object::path::{at, int};

/// A job is ready when it is complete, not when it has started.
pub(super) fn status(object: &Value) -> Status {
    if let Some(failed) = condition(object, "Failed").filter(Condition::holds) {
        return Status::by(State::Failed, &failed);
    }
    if let Some(complete) = condition(object, "Complete").filter(Condition::holds) {
        return Status::by(State::Current, &complete);
    }
    if at(object, "spec.suspend") == Some(&Value::Bool(true))
        || condition(object, "Suspended").is_some_and(|c| c.holds())
    {
        return Status::new(State::Current, "Suspended", "the job is suspended");
    }
    let count = |path| int(object, path).unwrap_or_default();
    let (active, succeeded, failed) = (count("status.active"), count("status.succeeded"), count("status.failed"));
    Status::in_progress("Running", format!("{active} pods active, {succeeded} succeeded, {failed} failed"))
}
