//! `VolSync`'s `ReplicationSource`s, where their definition is loaded: a backup that is asked for by hand is done, and says so.

use serde_json::{Value, json};

use super::super::meta;
use super::Simulated;
use super::desk::Desk;

pub(super) struct Sources;

impl Simulated for Sources {
    fn resource(&self) -> &'static str {
        "replicationsources.volsync.backube"
    }

    fn manager(&self) -> &'static str {
        "volsync"
    }

    fn suspended(&self, source: &Value) -> bool {
        source["spec"]["paused"] == true
    }

    fn progress(&self, source: &Value) -> Option<Value> {
        let mut status = source["status"].as_object().cloned().unwrap_or_default();
        if !is_asked(source) {
            return None;
        }
        let condition =
            meta::condition(source, "Synchronizing", "True", "SyncInProgress", "Synchronization in-progress");
        status.insert("conditions".into(), json!([condition]));
        Some(Value::Object(status))
    }

    fn settled(&self, _desk: &Desk<'_>, source: &Value, fault: Option<&str>) -> Option<Value> {
        let mut status = source["status"].as_object().cloned().unwrap_or_default();
        let manual = &source["spec"]["trigger"]["manual"];
        let (reason, message) = if manual.is_string() {
            ("WaitingForManual", "Waiting for manual trigger")
        } else {
            ("WaitingForSchedule", "Waiting for next scheduled synchronization")
        };
        if is_asked(source) {
            let mover = match fault {
                None => json!({"result": "Successful", "logs": "snapshot saved"}),
                Some(message) => json!({"result": "Failed", "logs": message}),
            };
            status.insert("latestMoverStatus".into(), mover);
            // a backup that fails is tried again, and the request stays open
            if fault.is_none() {
                status.insert("lastManualSync".into(), manual.clone());
                status.insert("lastSyncTime".into(), meta::now().into());
                status.insert("lastSyncDuration".into(), "1s".into());
            }
        }
        let condition = meta::condition(source, "Synchronizing", "False", reason, message);
        status.insert("conditions".into(), json!([condition]));
        Some(Value::Object(status))
    }
}

/// Whether a backup is asked for that is not done.
fn is_asked(source: &Value) -> bool {
    let manual = &source["spec"]["trigger"]["manual"];
    manual.is_string() && *manual != source["status"]["lastManualSync"]
}
