//! `StatefulSet`s: numbered Pods, one after the other, with claims of their own.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::meta;
use super::super::store::{Event, Key};
use super::deployment::owner_in;
use super::desk::{Desk, key_of};
use super::pod;
use super::revision;
use super::template::{self, replicas, with_counts};
use super::{Simulated, Told};

pub(super) struct StatefulSets;

const RESOURCE: &str = "statefulsets.apps";

fn ordinal(pod: &Value) -> i64 {
    meta::name(pod).rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or(-1)
}

fn make(desk: &Desk<'_>, set: &Value, number: i64, hash: &str) {
    let name = format!("{}-{number}", meta::name(set));
    let mut pod = template::pod(set, &set["spec"]["template"], &name);
    template::label(&mut pod, "statefulset.kubernetes.io/pod-name", &name);
    template::label(&mut pod, "apps.kubernetes.io/pod-index", &number.to_string());
    template::label(&mut pod, revision::HASH, &format!("{}-{hash}", meta::name(set)));
    pod["spec"]["hostname"] = name.clone().into();
    pod["spec"]["subdomain"] = set["spec"]["serviceName"].clone();
    let mut volumes = pod["spec"]["volumes"].as_array().cloned().unwrap_or_default();
    for template in set["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten() {
        let claim = format!("{}-{name}", meta::name(template));
        if desk.get(super::claim::RESOURCE, meta::namespace(set), &claim).is_none() {
            let labels = set["spec"]["selector"]["matchLabels"].clone();
            let metadata = json!({"name": claim, "namespace": meta::namespace(set), "labels": labels});
            let made = desk.create(json!({
                "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": template["spec"],
            }));
            if let Err(why) = made {
                tracing::debug!(why, "no claim {claim}");
            }
        }
        volumes.push(json!({"name": meta::name(template), "persistentVolumeClaim": {"claimName": claim}}));
    }
    if !volumes.is_empty() {
        pod["spec"]["volumes"] = volumes.into();
    }
    if let Err(why) = desk.create(pod) {
        tracing::debug!(why, "no Pod {name}");
    }
}

fn count<'a>(pods: impl Iterator<Item = &'a Arc<Value>>) -> i64 {
    i64::try_from(pods.count()).unwrap_or_default()
}

impl Simulated for StatefulSets {
    fn resource(&self) -> &'static str {
        RESOURCE
    }

    fn is_sum(&self) -> bool {
        true
    }

    fn tend(&self, desk: &Desk<'_>, set: &Value, _told: &Told) {
        let hash = revision::current(desk, set);
        let pods = desk.owned(pod::RESOURCE, set);
        let wanted = replicas(set);
        let in_order = set["spec"]["podManagementPolicy"] != "Parallel";
        for number in 0..wanted {
            match pods.iter().find(|pod| ordinal(pod) == number) {
                Some(pod) if in_order && !pod::is_ready(pod) => return,
                Some(_) => {}
                None => {
                    make(desk, set, number, &hash);
                    if in_order {
                        return;
                    }
                }
            }
        }
        // from here on all that are wanted are there: the highest number goes first
        let surplus = pods.iter().filter(|pod| ordinal(pod) >= wanted).max_by_key(|pod| ordinal(pod));
        if let Some(pod) = surplus {
            desk.remove(&key_of(pod::RESOURCE, pod));
            return;
        }
        if set["spec"]["updateStrategy"]["type"] == "OnDelete" || !pods.iter().all(|pod| pod::is_ready(pod)) {
            return;
        }
        let from = set["spec"]["updateStrategy"]["rollingUpdate"]["partition"].as_i64().unwrap_or_default();
        let old = pods.iter().filter(|pod| ordinal(pod) >= from && !revision::is_of(pod, &hash));
        if let Some(pod) = old.max_by_key(|pod| ordinal(pod)) {
            desk.remove(&key_of(pod::RESOURCE, pod));
        }
    }

    fn settled(&self, desk: &Desk<'_>, set: &Value, _fault: Option<&str>) -> Option<Value> {
        let hash = revision::current(desk, set);
        let pods = desk.owned(pod::RESOURCE, set);
        let update = format!("{}-{hash}", meta::name(set));
        let updated = count(pods.iter().filter(|pod| revision::is_of(pod, &hash)));
        let ready = count(pods.iter().filter(|pod| pod::is_ready(pod)));
        let all = count(pods.iter());
        let before = set["status"]["currentRevision"].as_str().unwrap_or(&update);
        let current = if updated == all && ready == all && all == replicas(set) { &update } else { before };
        let at_current = count(pods.iter().filter(|pod| pod["metadata"]["labels"][revision::HASH] == *current));
        let status = json!({
            "observedGeneration": meta::generation(set), "replicas": all, "availableReplicas": ready,
            "collisionCount": 0, "currentRevision": current, "updateRevision": update,
        });
        let counts = [("readyReplicas", ready), ("currentReplicas", at_current), ("updatedReplicas", updated)];
        Some(with_counts(status, &counts))
    }

    fn concerned(&self, _desk: &Desk<'_>, event: &Event) -> Vec<Key> {
        owner_in(event, pod::RESOURCE, "StatefulSet", RESOURCE)
    }
}
