//! What Flux's kinds have in common: suspension, requests to reconcile, dependencies, sources.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::meta;
use super::super::store::{Event, Key};
use super::desk::{Desk, condition_status, key_of, observed};

pub(super) const REQUESTED: &str = "reconcile.fluxcd.io/requestedAt";

pub(super) fn is_suspended(object: &Value) -> bool {
    object["spec"]["suspend"] == true
}

/// Whether somebody asked for a reconciliation that has not been handled.
pub(super) fn is_asked(object: &Value) -> bool {
    let asked = object["metadata"]["annotations"].get(REQUESTED);
    asked.is_some_and(|asked| object["status"].get("lastHandledReconcileAt") != Some(asked))
}

/// Says in a status that the last request was handled.
pub(super) fn handled(object: &Value, status: &mut Value) {
    if let Some(asked) = object["metadata"]["annotations"].get(REQUESTED) {
        status["lastHandledReconcileAt"] = asked.clone();
    }
}

/// Ready at its generation, and not about to be looked at again.
pub(super) fn is_ready(object: &Value) -> bool {
    condition_status(object, "Ready") == "True"
        && object["status"]["observedGeneration"].as_i64() == Some(meta::generation(object))
        && !is_asked(object)
}

/// The status while a change is under way.
pub(super) fn reconciling(object: &Value, message: &str, keep: &[&str]) -> Value {
    let mut status = json!({
        "observedGeneration": object["status"]["observedGeneration"].as_i64().unwrap_or(-1),
        "conditions": [
            observed(object, "Reconciling", "True", "Progressing", message),
            observed(object, "Ready", "Unknown", "Progressing", message),
        ],
    });
    for field in keep.iter().chain(&["lastHandledReconcileAt"]) {
        if let Some(value) = object["status"].get(*field) {
            status[*field] = value.clone();
        }
    }
    status
}

/// A status that failed; tried again when something changes. What was observed stays what last went well, as with Flux.
pub(super) fn failed(object: &Value, reason: &str, message: &str, keep: &[&str]) -> Value {
    let mut status = reconciling(object, "", keep);
    status["conditions"] = json!([observed(object, "Ready", "False", reason, message)]);
    handled(object, &mut status);
    status
}

/// The first of `spec.dependsOn` that is not ready, in Flux' words.
pub(super) fn unready_dependency(desk: &Desk<'_>, object: &Value, resource: &str) -> Option<String> {
    let depends = object["spec"]["dependsOn"].as_array();
    depends.into_iter().flatten().find_map(|reference| {
        let namespace = reference["namespace"].as_str().unwrap_or_else(|| meta::namespace(object));
        let name = reference["name"].as_str().unwrap_or_default();
        match desk.get(resource, namespace, name) {
            None => Some(format!("unable to get '{namespace}/{name}' dependency: not found")),
            Some(found) if !is_ready(&found) => Some(format!("dependency '{namespace}/{name}' is not ready")),
            Some(_) => None,
        }
    })
}

/// The source that a reference names, with the words for it.
pub(super) fn source(desk: &Desk<'_>, object: &Value, reference: &Value) -> (Option<Arc<Value>>, String) {
    let kind = reference["kind"].as_str().unwrap_or_default();
    let name = reference["name"].as_str().unwrap_or_default();
    let namespace = reference["namespace"].as_str().unwrap_or_else(|| meta::namespace(object));
    let found = super::source::ALL.iter().find(|source| source.kind == kind);
    let found = found.and_then(|source| desk.get(source.resource, namespace, name));
    (found, format!("{kind}/{namespace}/{name}"))
}

/// Objects of a kind that name the event's object: as a source, or among what they depend on.
pub(super) fn naming(desk: &Desk<'_>, event: &Event, resource: &str, source: &str) -> Vec<Key> {
    let is_source = event.key.resource.ends_with(".source.toolkit.fluxcd.io");
    if !is_source && &*event.key.resource != resource {
        return Vec::new();
    }
    let namespace = |object: &Value, reference: &Value| {
        reference["namespace"].as_str().unwrap_or_else(|| meta::namespace(object)) == &*event.key.namespace
    };
    let names =
        |object: &Value, reference: &Value| reference["name"] == *event.key.name && namespace(object, reference);
    let objects = desk.list(resource, None);
    let naming = objects.iter().filter(|object| {
        if is_source {
            let reference = object.pointer(source).unwrap_or(&Value::Null);
            return reference["kind"] == event.new["kind"] && names(object, reference);
        }
        object["spec"]["dependsOn"].as_array().into_iter().flatten().any(|reference| names(object, reference))
    });
    naming.map(|object| key_of(resource, object)).collect()
}
