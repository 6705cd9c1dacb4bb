//! `HorizontalPodAutoscaler`s: they find what they scale, and numbers that suit it as it is: nothing is ever scaled.

use serde_json::{Value, json};

use super::super::meta;
use super::super::status::qualified;
use super::super::store::{Event, Key};
use super::Simulated;
use super::desk::Desk;
use crate::object::split_api_version;

pub(super) struct Autoscalers;

const RESOURCE: &str = "horizontalpodautoscalers.autoscaling";

impl Simulated for Autoscalers {
    fn resource(&self) -> &'static str {
        RESOURCE
    }

    fn settled(&self, desk: &Desk<'_>, autoscaler: &Value, fault: Option<&str>) -> Option<Value> {
        let condition =
            |kind, status, reason, message: &str| meta::condition(autoscaler, kind, status, reason, message);
        let spec = &autoscaler["spec"];
        let replicas = match replicas(desk, meta::namespace(autoscaler), &spec["scaleTargetRef"]) {
            Ok(replicas) => replicas,
            Err(missing) => {
                let message = format!("the HPA controller was unable to get the target's current scale: {missing}");
                let unable = condition("AbleToScale", "False", "FailedGetScale", &message);
                return Some(json!({"currentReplicas": 0, "desiredReplicas": 0, "conditions": [unable]}));
            }
        };
        let able = "the HPA controller was able to get the target's current scale";
        let able = condition("AbleToScale", "True", "SucceededGetScale", able);
        let active = |status, reason, message: &str| condition("ScalingActive", status, reason, message);
        let least = spec["minReplicas"].as_i64().unwrap_or(1);
        let most = spec["maxReplicas"].as_i64().unwrap_or(least).max(least);
        let (active, desired) = match fault {
            Some(message) => {
                let message = format!("the HPA was unable to compute the replica count: {message}");
                (active("False", "FailedGetResourceMetric", &message), replicas)
            }
            None if replicas == 0 => {
                let message = "scaling is disabled since the replica count of the target is zero";
                (active("False", "ScalingDisabled", message), 0)
            }
            None => {
                let message = "the HPA was able to successfully calculate a replica count";
                (active("True", "ValidMetricFound", message), replicas.clamp(least, most))
            }
        };
        let limited = "the desired count is within the acceptable range";
        let limited = condition("ScalingLimited", "False", "DesiredWithinRange", limited);
        Some(json!({"currentReplicas": replicas, "desiredReplicas": desired, "conditions": [able, active, limited]}))
    }

    fn concerned(&self, desk: &Desk<'_>, event: &Event) -> Vec<Key> {
        let kind = desk.store.registry().by_resource(&event.key.resource).cloned();
        if kind.is_none_or(|kind| kind.scale.is_none()) {
            return Vec::new();
        }
        desk.keys(RESOURCE, Some(&event.key.namespace))
    }
}

/// How many replicas the target is to have, or in a server's words that it is not there.
fn replicas(desk: &Desk<'_>, namespace: &str, target: &Value) -> Result<i64, String> {
    let text = |field: &str| target[field].as_str().unwrap_or_default();
    let (group, _) = split_api_version(text("apiVersion"));
    let registry = desk.store.registry();
    let kind = registry.of_group(group).find(|kind| kind.kind == text("kind"));
    let scaled = kind.and_then(|kind| Some((kind, kind.scale.as_ref()?)));
    let Some((kind, scale)) = scaled else {
        return Err(format!("no matches for kind {:?} in group {group:?}", text("kind")));
    };
    let Some(object) = desk.get(&kind.resource(), namespace, text("name")) else {
        return Err(format!("{} {:?} not found", qualified(group, &format!("{}/scale", kind.plural)), text("name")));
    };
    Ok(meta::at(&object, &scale.spec_replicas).and_then(Value::as_i64).unwrap_or_default())
}
