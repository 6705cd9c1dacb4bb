//! What a new state starts with: namespaces, a node, the custom kinds, and what a platform brings.

use serde_json::{Value, json};

use super::kinds::{CRD_RESOURCE, brought_definitions};
use super::meta;
use super::request::Place;
use super::status::ApiError;
use super::store::{Key, Store, Tx};
use super::write;

/// What the platform brings, as a JSON list of objects.
const PLATFORM: &str = include_str!("seed.json");

/// Fills a state that has no `kube-system` yet; leaves any other as it is.
pub(crate) fn lay_down(store: &Store, platform: bool) -> Result<(), ApiError> {
    if store.get(&Key::new("namespaces", "", "kube-system")).is_some() {
        return Ok(());
    }
    let namespaces = ["default", "kube-node-lease", "kube-public", "kube-system"];
    let basics =
        namespaces.iter().map(|name| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
    let accounts = namespaces.iter().map(|namespace| {
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": namespace}})
    });
    let all: Vec<Value> = basics.chain(accounts).chain([node()]).chain(brought_definitions()).collect();
    store.write(false, |tx| all.into_iter().try_for_each(|object| add(tx, object)))?;
    if platform {
        let objects: Vec<Value> = serde_json::from_str(PLATFORM).map_err(ApiError::internal)?;
        // After the definitions are kept: only then are their kinds served.
        store.write(false, |tx| objects.into_iter().try_for_each(|object| add(tx, object)))?;
    }
    Ok(())
}

fn add(tx: &mut Tx<'_>, object: Value) -> Result<(), ApiError> {
    let registry = tx.registry();
    let api_version = object["apiVersion"].as_str().unwrap_or_default().to_owned();
    let group = api_version.split_once('/').map_or("", |(group, _)| group).to_owned();
    let found = registry.of_group(&group).find(|kind| object["kind"] == kind.kind.as_str());
    let kind = found
        .ok_or_else(|| ApiError::internal(format!("the seed names a kind that is not served: {}", object["kind"])))?;
    let namespace = meta::namespace(&object).to_owned();
    let mut place = Place {
        kind: std::sync::Arc::clone(kind),
        version: kind.stored.clone(),
        namespace: kind.namespaced.then_some(namespace),
        name: None,
        subresource: String::new(),
    };
    let mut status = object.get("status").cloned();
    // Nobody keeps account of what was there from the start; so nothing needs the record of the built-in kinds yet.
    let made = write::insert(tx, &place, object, None)?;
    if kind.resource() != CRD_RESOURCE
        && let Some(status) = &mut status
    {
        for condition in status.pointer_mut("/conditions").and_then(Value::as_array_mut).into_iter().flatten() {
            condition["lastTransitionTime"] = meta::now().into();
        }
        let mut new = (*made).clone();
        new["status"] = status.clone();
        place.subresource = "status".into();
        write::update(tx, &place, &made, new, None)?;
    }
    Ok(())
}

fn node() -> Value {
    let condition = |kind: &str, status: &str, reason: &str| json!({"type": kind, "status": status, "reason": reason, "message": "", "lastHeartbeatTime": meta::now()});
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": "sandbox-node-1", "labels": {
            "kubernetes.io/hostname": "sandbox-node-1", "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}},
        "spec": {"taints": []},
        "status": {
            "capacity": {"cpu": "4", "memory": "8Gi", "pods": "110"}, "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"},
            "conditions": [
                condition("MemoryPressure", "False", "KubeletHasSufficientMemory"),
                condition("DiskPressure", "False", "KubeletHasNoDiskPressure"),
                condition("PIDPressure", "False", "KubeletHasSufficientPID"),
                condition("Ready", "True", "KubeletReady"),
            ],
            "nodeInfo": {"kubeletVersion": "v1.35.0+sandbox", "operatingSystem": "linux", "architecture": "amd64"},
        },
    })
}
