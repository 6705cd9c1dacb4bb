//! Deployments: a `ReplicaSet` for each template, the new one filled as the old ones empty.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::meta;
use super::super::store::{Event, Key};
use super::desk::{Desk, condition_status, controlled_by, controller, key_of};
use super::replica_set;
use super::template::{self, HASH, count, replicas, with_counts};
use super::{Simulated, Told};

pub(super) struct Deployments;

const RESOURCE: &str = "deployments.apps";
const REVISION: &str = "deployment.kubernetes.io/revision";

fn revision_of(object: &Value) -> i64 {
    object["metadata"]["annotations"][REVISION].as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// How many of `wanted` may be missing, or be there besides them, by a number or a share such as `25%`.
fn share(value: &Value, wanted: i64, round_up: bool) -> i64 {
    if let Some(number) = value.as_i64() {
        return number;
    }
    let text = value.as_str().unwrap_or("25%");
    let percent: i64 = text.trim_end_matches('%').parse().unwrap_or(25);
    (wanted * percent + if round_up { 99 } else { 0 }) / 100
}

fn is_recreate(deployment: &Value) -> bool {
    deployment["spec"]["strategy"]["type"] == "Recreate"
}

/// How many replicas may be missing while it counts as available.
fn may_miss(deployment: &Value) -> i64 {
    let wanted = replicas(deployment);
    if is_recreate(deployment) {
        return 0;
    }
    let rolling = &deployment["spec"]["strategy"]["rollingUpdate"];
    let missing = share(&rolling["maxUnavailable"], wanted, false);
    // both zero would never get anywhere
    if missing == 0 && share(&rolling["maxSurge"], wanted, true) == 0 { 1.min(wanted) } else { missing.min(wanted) }
}

/// The `ReplicaSet` of the present template, and the others.
fn sets(desk: &Desk<'_>, deployment: &Value) -> (Option<Arc<Value>>, Vec<Arc<Value>>) {
    let mut sets = desk.owned(replica_set::RESOURCE, deployment);
    let current = sets.iter().position(|set| template::same(&set["spec"]["template"], &deployment["spec"]["template"]));
    let new = current.map(|place| sets.remove(place));
    (new, sets)
}

fn new_set(deployment: &Value, revision: i64, wanted: i64) -> Value {
    let mut pods = deployment["spec"]["template"].clone();
    let hash = template::fingerprint(&pods);
    let labels = meta::map_mut(&mut pods["metadata"]["labels"]);
    labels.insert(HASH.into(), hash.clone().into());
    let labels = labels.clone();
    let mut selector = deployment["spec"]["selector"].clone();
    meta::map_mut(&mut selector["matchLabels"]).insert(HASH.into(), hash.clone().into());
    let mut annotations = deployment["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
    annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    annotations.insert(REVISION.into(), revision.to_string().into());
    let surge = share(&deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"], replicas(deployment), true);
    let most = replicas(deployment) + if is_recreate(deployment) { 0 } else { surge };
    annotations.insert("deployment.kubernetes.io/desired-replicas".into(), replicas(deployment).to_string().into());
    annotations.insert("deployment.kubernetes.io/max-replicas".into(), most.to_string().into());
    let mut spec = json!({"replicas": wanted, "selector": selector, "template": pods});
    if let Some(seconds) = deployment["spec"].get("minReadySeconds") {
        spec["minReadySeconds"] = seconds.clone();
    }
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "spec": spec,
        "metadata": {
            "name": format!("{}-{hash}", meta::name(deployment)), "namespace": meta::namespace(deployment),
            "labels": labels, "annotations": annotations, "ownerReferences": controlled_by(deployment),
        },
    })
}

fn scale(desk: &Desk<'_>, set: &Value, wanted: i64) {
    if replicas(set) != wanted {
        desk.change(&key_of(replica_set::RESOURCE, set), |set| set["spec"]["replicas"] = wanted.into());
    }
}

fn number(desk: &Desk<'_>, resource: &str, object: &Value, revision: i64) {
    if revision_of(object) != revision {
        desk.change(&key_of(resource, object), |object| {
            meta::map_mut(&mut object["metadata"]["annotations"]).insert(REVISION.into(), revision.to_string().into());
        });
    }
}

fn condition(object: &Value, kind: &str, status: &str, reason: &str, message: &str) -> Value {
    let before = object["status"]["conditions"].as_array().into_iter().flatten().find(|c| c["type"] == kind);
    let mut condition = meta::condition(object, kind, status, reason, message);
    let same = before.filter(|c| c["status"] == status && c["reason"] == reason && c["message"] == message);
    condition["lastUpdateTime"] = same.map_or_else(|| meta::now().into(), |c| c["lastUpdateTime"].clone());
    condition
}

impl Simulated for Deployments {
    fn resource(&self) -> &'static str {
        RESOURCE
    }

    fn is_sum(&self) -> bool {
        true
    }

    fn tend(&self, desk: &Desk<'_>, deployment: &Value, _told: &Told) {
        let (new, mut old) = sets(desk, deployment);
        let paused = deployment["spec"]["paused"] == true;
        let wanted = replicas(deployment);
        let last = old.iter().map(|set| revision_of(set)).max().unwrap_or_default();
        let emptied = || old.iter().all(|set| count(set, "replicas") == 0);
        let Some(new) = new else {
            if !paused {
                let start = if is_recreate(deployment) && !emptied() { 0 } else { wanted };
                if let Err(why) = desk.create(new_set(deployment, last + 1, start)) {
                    tracing::debug!(why, "no ReplicaSet for {}", meta::name(deployment));
                }
                number(desk, RESOURCE, deployment, last + 1);
                if is_recreate(deployment) {
                    for set in &old {
                        scale(desk, set, 0);
                    }
                }
            }
            return;
        };
        let revision = if revision_of(&new) > last { revision_of(&new) } else { last + 1 };
        number(desk, replica_set::RESOURCE, &new, revision);
        number(desk, RESOURCE, deployment, revision);
        if paused {
            return;
        }
        if !is_recreate(deployment) || emptied() {
            scale(desk, &new, wanted);
        }
        // the old ones go as the new one comes, the oldest first
        let ready = if is_recreate(deployment) { wanted } else { count(&new, "availableReplicas") };
        let mut keep = (wanted - ready).max(0);
        old.sort_by_key(|set| std::cmp::Reverse(revision_of(set)));
        for set in &old {
            let left = replicas(set).min(keep);
            keep -= left;
            scale(desk, set, left);
        }
        let limit = usize::try_from(deployment["spec"]["revisionHistoryLimit"].as_i64().unwrap_or(10)).unwrap_or(10);
        for set in old.iter().skip(limit).filter(|set| replicas(set) == 0 && count(set, "replicas") == 0) {
            desk.remove(&key_of(replica_set::RESOURCE, set));
        }
    }

    fn settled(&self, desk: &Desk<'_>, deployment: &Value, fault: Option<&str>) -> Option<Value> {
        let (new, old) = sets(desk, deployment);
        let wanted = replicas(deployment);
        let sum = |field: &str| old.iter().chain(&new).map(|set| count(set, field)).sum::<i64>();
        let updated = new.as_ref().map_or(0, |set| count(set, "replicas"));
        let (there, ready, available) = (sum("replicas"), sum("readyReplicas"), sum("availableReplicas"));
        let should = old.iter().chain(&new).map(|set| replicas(set)).sum::<i64>();
        let named = match &new {
            Some(set) => format!("ReplicaSet {:?}", meta::name(set)),
            None => format!("Deployment {:?}", meta::name(deployment)),
        };
        let mut conditions = vec![if available >= wanted - may_miss(deployment) {
            let message = "Deployment has minimum availability.";
            condition(deployment, "Available", "True", "MinimumReplicasAvailable", message)
        } else {
            let message = "Deployment does not have minimum availability.";
            condition(deployment, "Available", "False", "MinimumReplicasUnavailable", message)
        }];
        let done = new.is_some() && updated == wanted && there == wanted && available == wanted;
        conditions.push(if let Some(message) = fault {
            condition(deployment, "Progressing", "False", "ProgressDeadlineExceeded", message)
        } else if done {
            let message = format!("{named} has successfully progressed.");
            condition(deployment, "Progressing", "True", "NewReplicaSetAvailable", &message)
        } else if deployment["spec"]["paused"] == true {
            condition(deployment, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")
        } else {
            let message = format!("{named} is progressing.");
            condition(deployment, "Progressing", "True", "ReplicaSetUpdated", &message)
        });
        let failing = new.as_ref().filter(|set| condition_status(set, "ReplicaFailure") == "True");
        if let Some(message) = failing.and_then(|set| set["status"]["conditions"][0]["message"].as_str()) {
            conditions.push(condition(deployment, "ReplicaFailure", "True", "FailedCreate", message));
        }
        let counts = [
            ("replicas", there),
            ("updatedReplicas", updated),
            ("readyReplicas", ready),
            ("availableReplicas", available),
            ("unavailableReplicas", (should - available).max(0)),
        ];
        let status = json!({"observedGeneration": meta::generation(deployment), "conditions": conditions});
        Some(with_counts(status, &counts))
    }

    fn concerned(&self, _desk: &Desk<'_>, event: &Event) -> Vec<Key> {
        owner_in(event, replica_set::RESOURCE, "Deployment", RESOURCE)
    }
}

/// The workload of this kind that an event's object belongs to, where the object is of the given resource.
pub(super) fn owner_in(event: &Event, of: &str, kind: &str, resource: &str) -> Vec<Key> {
    if *event.key.resource != *of {
        return Vec::new();
    }
    let owner = controller(&event.new).filter(|owner| owner["kind"] == kind);
    let name = owner.and_then(|owner| owner["name"].as_str());
    name.map(|name| Key::new(resource, &event.key.namespace, name)).into_iter().collect()
}
