//! `ReplicaSet`s: as many Pods as are wanted.

use serde_json::{Value, json};

use super::super::meta;
use super::super::store::{Event, Key};
use super::deployment::owner_in;
use super::desk::{Desk, condition_status, key_of};
use super::pod;
use super::template::{self, replicas, with_counts};
use super::{Simulated, Told};

pub(super) struct ReplicaSets;

pub(super) const RESOURCE: &str = "replicasets.apps";

/// Why a Pod that is missing cannot be made.
fn refusal(desk: &Desk<'_>, set: &Value) -> Option<String> {
    let pods = desk.owned(pod::RESOURCE, set);
    let missing = replicas(set) - i64::try_from(pods.len()).unwrap_or(i64::MAX);
    for _ in 0..missing {
        let pod = template::pod(set, &set["spec"]["template"], &format!("{}-", meta::name(set)));
        if let Err(why) = desk.create(pod) {
            return Some(why);
        }
    }
    None
}

impl Simulated for ReplicaSets {
    fn resource(&self) -> &'static str {
        RESOURCE
    }

    fn is_sum(&self) -> bool {
        true
    }

    fn tend(&self, desk: &Desk<'_>, set: &Value, _told: &Told) {
        let mut pods = desk.owned(pod::RESOURCE, set);
        let wanted = usize::try_from(replicas(set)).unwrap_or_default();
        // those that are not ready go first, and of the others the newest
        pods.sort_by_key(|pod| {
            (!pod::is_ready(pod), std::cmp::Reverse(meta::field(pod, "creationTimestamp").to_owned()))
        });
        let surplus = pods.len().saturating_sub(wanted);
        for pod in pods.iter().take(surplus) {
            desk.remove(&key_of(pod::RESOURCE, pod));
        }
    }

    fn settled(&self, desk: &Desk<'_>, set: &Value, _fault: Option<&str>) -> Option<Value> {
        let refused = refusal(desk, set);
        let pods = desk.owned(pod::RESOURCE, set);
        let all = i64::try_from(pods.len()).unwrap_or_default();
        let ready = i64::try_from(pods.iter().filter(|pod| pod::is_ready(pod)).count()).unwrap_or_default();
        let mut status = json!({"observedGeneration": meta::generation(set), "replicas": all});
        if let Some(why) = refused {
            // the Pod's made-up name changes with every try
            let kept = set["status"]["conditions"][0]["message"].as_str();
            let why = kept.filter(|_| condition_status(set, "ReplicaFailure") == "True").unwrap_or(&why);
            status["conditions"] = json!([meta::condition(set, "ReplicaFailure", "True", "FailedCreate", why)]);
        }
        let counts = [("fullyLabeledReplicas", all), ("readyReplicas", ready), ("availableReplicas", ready)];
        Some(with_counts(status, &counts))
    }

    fn concerned(&self, desk: &Desk<'_>, event: &Event) -> Vec<Key> {
        // a quota that grew lets go on what it stopped
        if &*event.key.resource == "resourcequotas" {
            let sets = desk.list(RESOURCE, Some(&event.key.namespace));
            let stopped = sets.iter().filter(|set| condition_status(set, "ReplicaFailure") == "True");
            return stopped.map(|set| key_of(RESOURCE, set)).collect();
        }
        owner_in(event, pod::RESOURCE, "ReplicaSet", RESOURCE)
    }
}
