//! `DaemonSet`s: one Pod on each node that takes Pods.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::meta;
use super::super::store::{Event, Key};
use super::deployment::owner_in;
use super::desk::{Desk, key_of};
use super::pod;
use super::revision;
use super::template::{self, with_counts};
use super::{Simulated, Told};

pub(super) struct DaemonSets;

const RESOURCE: &str = "daemonsets.apps";

/// Nodes that a Pod of it belongs on.
fn nodes(desk: &Desk<'_>, set: &Value) -> Vec<Arc<Value>> {
    let selector = set["spec"]["template"]["spec"]["nodeSelector"].as_object();
    let fits = |node: &Arc<Value>| {
        selector.into_iter().flatten().all(|(key, value)| node["metadata"]["labels"].get(key) == Some(value))
    };
    // a cordoned node keeps its daemons
    desk.list("nodes", None).into_iter().filter(fits).collect()
}

fn is_on(pod: &Value, node: &Value) -> bool {
    pod["spec"]["nodeName"] == meta::name(node)
}

impl Simulated for DaemonSets {
    fn resource(&self) -> &'static str {
        RESOURCE
    }

    fn is_sum(&self) -> bool {
        true
    }

    fn tend(&self, desk: &Desk<'_>, set: &Value, _told: &Told) {
        let hash = revision::current(desk, set);
        let (nodes, pods) = (nodes(desk, set), desk.owned(pod::RESOURCE, set));
        for pod in pods.iter().filter(|pod| !nodes.iter().any(|node| is_on(pod, node))) {
            desk.remove(&key_of(pod::RESOURCE, pod));
        }
        let mut made = false;
        for node in nodes.iter().filter(|node| !pods.iter().any(|pod| is_on(pod, node))) {
            let mut pod = template::pod(set, &set["spec"]["template"], &format!("{}-", meta::name(set)));
            template::label(&mut pod, revision::HASH, &hash);
            pod["spec"]["nodeName"] = meta::name(node).into();
            made |= desk.create(pod).is_ok();
        }
        let on_delete = set["spec"]["updateStrategy"]["type"] == "OnDelete";
        if !made && !on_delete && pods.iter().all(|pod| pod::is_ready(pod)) {
            // one node at a time
            if let Some(old) = pods.iter().find(|pod| !revision::is_of(pod, &hash)) {
                desk.remove(&key_of(pod::RESOURCE, old));
            }
        }
    }

    fn settled(&self, desk: &Desk<'_>, set: &Value, _fault: Option<&str>) -> Option<Value> {
        let hash = revision::current(desk, set);
        let (wanted, pods) = (nodes(desk, set).len(), desk.owned(pod::RESOURCE, set));
        let number = |count: usize| i64::try_from(count).unwrap_or_default();
        let wanted = number(wanted);
        let ready = number(pods.iter().filter(|pod| pod::is_ready(pod)).count());
        let updated = number(pods.iter().filter(|pod| revision::is_of(pod, &hash)).count());
        let status = json!({
            "observedGeneration": meta::generation(set), "desiredNumberScheduled": wanted,
            "currentNumberScheduled": number(pods.len()), "numberMisscheduled": 0, "numberReady": ready,
        });
        let counts =
            [("updatedNumberScheduled", updated), ("numberAvailable", ready), ("numberUnavailable", wanted - ready)];
        Some(with_counts(status, &counts))
    }

    fn concerned(&self, desk: &Desk<'_>, event: &Event) -> Vec<Key> {
        if &*event.key.resource == "nodes" {
            return desk.keys(RESOURCE, None);
        }
        owner_in(event, pod::RESOURCE, "DaemonSet", RESOURCE)
    }
}
