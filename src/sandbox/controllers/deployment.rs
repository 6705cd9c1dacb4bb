//! Deployments: replicas that become ready.

use serde_json::{Value, json};

use super::super::meta;
use super::{Desk, Simulated};

pub(super) struct Deployments;

fn replicas(object: &Value) -> i64 {
    object["spec"]["replicas"].as_i64().unwrap_or(1)
}

fn progressing(object: &Value, status: &str, reason: &str, message: &str) -> Value {
    let mut condition = meta::condition(object, "Progressing", status, reason, message);
    condition["lastUpdateTime"] = condition["lastTransitionTime"].clone();
    condition
}

fn available(object: &Value, yes: bool) -> Value {
    let (status, reason, message) = if yes {
        ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    let mut condition = meta::condition(object, "Available", status, reason, message);
    condition["lastUpdateTime"] = condition["lastTransitionTime"].clone();
    condition
}

/// Counts that are zero are left out, as a server leaves them out.
fn counted(observed: i64, counts: &[(&str, i64)], conditions: &[Value; 2]) -> Value {
    let mut status = json!({"observedGeneration": observed, "conditions": conditions});
    for (field, count) in counts.iter().filter(|(_, count)| *count != 0) {
        status[*field] = (*count).into();
    }
    status
}

impl Simulated for Deployments {
    fn resource(&self) -> &'static str {
        "deployments.apps"
    }

    fn manager(&self) -> &'static str {
        "kube-controller-manager"
    }

    fn progress(&self, object: &Value) -> Option<Value> {
        let wanted = replicas(object);
        // During a rollout the old replicas go on serving.
        let serving = object["status"]["readyReplicas"].as_i64().unwrap_or_default().min(wanted);
        let message = format!("ReplicaSet for {:?} is progressing.", meta::name(object));
        let conditions =
            [available(object, serving == wanted), progressing(object, "True", "ReplicaSetUpdated", &message)];
        let counts = [
            ("replicas", wanted),
            ("readyReplicas", serving),
            ("availableReplicas", serving),
            ("unavailableReplicas", wanted - serving),
        ];
        Some(counted(meta::generation(object), &counts, &conditions))
    }

    fn settled(&self, _desk: &Desk<'_>, object: &Value, fault: Option<&str>) -> Option<Value> {
        let wanted = replicas(object);
        if let Some(message) = fault {
            let conditions =
                [available(object, false), progressing(object, "False", "ProgressDeadlineExceeded", message)];
            let counts = [("replicas", wanted), ("updatedReplicas", wanted), ("unavailableReplicas", wanted)];
            return Some(counted(meta::generation(object), &counts, &conditions));
        }
        let message = format!("ReplicaSet for {:?} has successfully progressed.", meta::name(object));
        let conditions = [available(object, true), progressing(object, "True", "NewReplicaSetAvailable", &message)];
        let counts = [
            ("replicas", wanted),
            ("updatedReplicas", wanted),
            ("readyReplicas", wanted),
            ("availableReplicas", wanted),
        ];
        Some(counted(meta::generation(object), &counts, &conditions))
    }
}
