//! `ResourceQuota`s: what of them is used, counted anew at every change in their namespace.

use serde_json::{Value, json};

use super::super::quota::RESOURCE;
use super::super::store::{Event, Key};
use super::Simulated;
use super::desk::Desk;
use crate::object::usage;

pub(super) struct Quotas;

impl Simulated for Quotas {
    fn resource(&self) -> &'static str {
        RESOURCE
    }

    fn is_sum(&self) -> bool {
        true
    }

    fn can_fail(&self) -> bool {
        false
    }

    fn settled(&self, desk: &Desk<'_>, quota: &Value, _fault: Option<&str>) -> Option<Value> {
        let hard = usage::amounts(&quota["spec"]["hard"]);
        let namespace = quota["metadata"]["namespace"].as_str();
        let used = usage::of_namespace(quota, &hard, |resource| desk.list(resource, namespace));
        Some(json!({"hard": usage::written(&hard), "used": usage::written(&used)}))
    }

    fn concerned(&self, desk: &Desk<'_>, event: &Event) -> Vec<Key> {
        if event.key.namespace.is_empty() || &*event.key.resource == RESOURCE {
            return Vec::new();
        }
        desk.keys(RESOURCE, Some(&event.key.namespace))
    }
}
