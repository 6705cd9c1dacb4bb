use serde_json::Value;

use crate::object::{head, path::at};

/// The labels of the pods that an object is, or makes.
pub(in crate::object) fn pod_labels(object: &Value) -> Option<&Value> {
    match head(object).kind() {
        "Pod" => at(object, "metadata.labels"),
        "CronJob" => at(object, "spec.jobTemplate.spec.template.metadata.labels"),
        _ => at(object, "spec.template.metadata.labels"),
    }
}

/// The UID of the controller that keeps the object.
pub(super) fn controller(object: &Value) -> Option<&str> {
    let owners = at(object, "metadata.ownerReferences")?.as_array()?;
    owners.iter().find(|owner| owner["controller"] == true)?["uid"].as_str()
}
