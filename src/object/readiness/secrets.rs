use serde_json::Value;

use super::{State, Status, conditions::condition};
use crate::object::{head, path::text};

/// The kinds of External Secrets: synced in this version, or a store that answers.
pub(super) fn status(kind: &str, object: &Value) -> Option<Status> {
    match kind {
        "ExternalSecret" | "PushSecret" | "ClusterExternalSecret" => Some(synced(kind, object)),
        "SecretStore" | "ClusterSecretStore" => Some(reported(object)),
        _ => None,
    }
}

fn reported(object: &Value) -> Status {
    match condition(object, "Ready") {
        Some(ready) if ready.holds() => Status::by(State::Current, &ready),
        // its controller tries again for ever: nothing here is final
        Some(ready) => Status::by(State::InProgress, &ready),
        None => Status::in_progress("NoStatus", "its controller has not reported yet"),
    }
}

fn synced(kind: &str, object: &Value) -> Status {
    let status = reported(object);
    if !status.is_ready() || kind == "ClusterExternalSecret" || syncs_once(object) {
        return status;
    }
    // `<generation>-<hash>`: the only trace of the version that was synced
    let version = text(object, "status.syncedResourceVersion").unwrap_or_default();
    let synced = version.split_once('-').and_then(|(generation, _)| generation.parse::<i64>().ok());
    if synced == head(object).generation() {
        return status;
    }
    let message = format!(
        "generation {} is not synced yet (synced: {}); last seen: {}",
        head(object).generation().unwrap_or_default(),
        synced.map_or_else(|| "none".into(), |synced| synced.to_string()),
        status.message
    );
    Status::in_progress("GenerationNotSynced", message)
}

/// Whether it is synced when it is made, and never again.
fn syncs_once(object: &Value) -> bool {
    let interval = text(object, "spec.refreshInterval").unwrap_or_default();
    let policy = text(object, "spec.refreshPolicy");
    let zero = !interval.is_empty() && interval.chars().all(|c| matches!(c, '0' | 'h' | 'm' | 's'));
    policy == Some("CreatedOnce") || (policy.is_none() && zero)
}
