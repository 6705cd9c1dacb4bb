//! Events: what a controller says beside a status when something does not become ready.

use serde_json::{Value, json};

use super::super::meta;
use super::super::store::Key;
use super::desk::Desk;
use super::template;

/// Conditions that tell of something wrong, with the status that they have then.
const WRONG: [(&str, &str); 10] = [
    ("Ready", "False"),
    ("Accepted", "False"),
    ("Programmed", "False"),
    ("LoadBalancerReady", "False"),
    ("PodScheduled", "False"),
    ("NamesAccepted", "False"),
    ("ReplicaFailure", "True"),
    ("Failed", "True"),
    ("ProvisioningFailed", "True"),
    ("NamespaceDeletionContentFailure", "True"),
];

/// The reason and the words of what is wrong with an object, as its status has them.
fn complaint(object: &Value) -> Option<(String, String)> {
    let said = |value: &Value, reason: &str| {
        let message = value["message"].as_str().filter(|message| !message.is_empty())?;
        Some((reason.to_owned(), message.to_owned()))
    };
    let status = &object["status"];
    for container in status["containerStatuses"].as_array().into_iter().flatten() {
        let (waiting, over) = (&container["state"]["waiting"], &container["state"]["terminated"]);
        let reason = match waiting["reason"].as_str() {
            Some("CrashLoopBackOff") => "BackOff",
            _ => "Failed",
        };
        if let Some(found) = said(waiting, reason).or_else(|| said(over, "Failed")) {
            return Some(found);
        }
    }
    let parents = status["parents"].as_array().into_iter().flatten().map(|parent| &parent["conditions"]);
    let lists = std::iter::once(&status["conditions"]).chain(parents).filter_map(Value::as_array);
    lists.flatten().find_map(|condition| {
        let (kind, value) = (condition["type"].as_str()?, condition["status"].as_str()?);
        let reason = match kind {
            "PodScheduled" => "FailedScheduling",
            _ => condition["reason"].as_str()?,
        };
        WRONG.contains(&(kind, value)).then(|| said(condition, reason)).flatten()
    })
}

/// Tells what is wrong with an object now that was not wrong before.
pub(super) fn tell_change(desk: &Desk<'_>, component: &str, old: &Value, new: &Value) {
    if let Some((reason, message)) = complaint(new).filter(|now| complaint(old).as_ref() != Some(now)) {
        tell(desk, component, new, &reason, &message, true);
    }
}

/// Tells that an object failed whose status has no words for it; unless `again`, only where it was not told before.
pub(super) fn tell_failure(desk: &Desk<'_>, component: &str, object: &Value, message: &str, again: bool) {
    if complaint(object).is_none() {
        tell(desk, component, object, "Failed", message, again);
    }
}

/// Writes a warning, or counts on the one that says the same.
fn tell(desk: &Desk<'_>, component: &str, object: &Value, reason: &str, message: &str, again: bool) {
    let namespace = Some(meta::namespace(object)).filter(|own| !own.is_empty()).unwrap_or("default");
    let sum = template::fingerprint(&json!([meta::uid(object), reason, message]));
    let name = format!("{}.{sum}", meta::name(object));
    let key = Key::new("events", namespace, &name);
    let now = meta::now();
    if desk.store.get(&key).is_some() {
        if again {
            desk.change(&key, |event| {
                event["count"] = (event["count"].as_i64().unwrap_or(1) + 1).into();
                event["lastTimestamp"] = now.into();
            });
        }
        return;
    }
    let mut about = json!({
        "apiVersion": object["apiVersion"], "kind": object["kind"], "name": meta::name(object),
        "uid": meta::uid(object), "resourceVersion": meta::resource_version(object),
    });
    if !meta::namespace(object).is_empty() {
        about["namespace"] = namespace.into();
    }
    let event = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "namespace": namespace},
        "involvedObject": about, "type": "Warning", "reason": reason, "message": message, "count": 1,
        "firstTimestamp": now, "lastTimestamp": now, "source": {"component": component},
        "reportingComponent": component, "reportingInstance": "",
    });
    if let Err(why) = desk.create(event) {
        tracing::debug!(why, "no Event about {}", meta::name(object));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: Value) -> Option<(String, String)> {
        complaint(&json!({"status": status}))
    }

    #[test]
    fn what_is_wrong_is_read_from_conditions_and_containers() {
        let told = |reason: &str, message: &str| Some((reason.to_owned(), message.to_owned()));
        let ready =
            |status: &str| json!({"conditions": [{"type": "Ready", "status": status, "reason": "R", "message": "m"}]});
        assert_eq!(of(ready("False")), told("R", "m"));
        assert_eq!(of(ready("True")), None);
        assert_eq!(of(json!({"parents": [ready("False")]})), told("R", "m"));
        let waiting =
            |reason: &str| json!({"containerStatuses": [{"state": {"waiting": {"reason": reason, "message": "m"}}}]});
        assert_eq!(of(waiting("CrashLoopBackOff")), told("BackOff", "m"));
        assert_eq!(of(waiting("ErrImagePull")), told("Failed", "m"));
        assert_eq!(of(json!({"containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]})), None);
        assert_eq!(of(Value::Null), None);
    }
}
