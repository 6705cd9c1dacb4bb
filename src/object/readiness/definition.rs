use serde_json::Value;

use super::{
    State, Status,
    conditions::{Condition, condition},
};

/// A CRD is ready when its kind is served.
pub(super) fn status(object: &Value) -> Status {
    if let Some(names) = condition(object, "NamesAccepted").filter(Condition::fails) {
        return Status::by(State::Failed, &names);
    }
    match condition(object, "Established") {
        Some(established) if established.holds() => Status::by(State::Current, &established),
        Some(established) if established.fails() && established.reason != "Installing" => {
            Status::by(State::Failed, &established)
        }
        Some(established) => Status::by(State::InProgress, &established),
        None => Status::in_progress("Installing", "the definition is not Established yet"),
    }
}
