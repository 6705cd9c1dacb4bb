//! `GatewayClass`es, all of them served here, and Gateways: accepted, with an address.

use serde_json::{Value, json};

use super::super::store::{Event, Key};
use super::desk::{Desk, condition_status, observed};
use super::{Simulated, route};

pub(super) struct GatewayClasses;
pub(super) struct Gateways;

const CLASSES: &str = "gatewayclasses.gateway.networking.k8s.io";
pub(super) const RESOURCE: &str = "gateways.gateway.networking.k8s.io";
pub(super) const MANAGER: &str = "gateway-controller";

impl Simulated for GatewayClasses {
    fn resource(&self) -> &'static str {
        CLASSES
    }

    fn manager(&self) -> &'static str {
        MANAGER
    }

    fn settled(&self, _desk: &Desk<'_>, class: &Value, fault: Option<&str>) -> Option<Value> {
        let condition = match fault {
            None => observed(class, "Accepted", "True", "Accepted", "served by the sandbox"),
            Some(message) => observed(class, "Accepted", "False", "InvalidParameters", message),
        };
        Some(json!({"conditions": [condition]}))
    }
}

fn listener(desk: &Desk<'_>, gateway: &Value, listener: &Value, programmed: bool) -> Value {
    let name = &listener["name"];
    let before = gateway["status"]["listeners"].as_array().into_iter().flatten().find(|old| old["name"] == *name);
    let seen = json!({
        "metadata": {"generation": gateway["metadata"]["generation"]},
        "status": {"conditions": before.map(|old| old["conditions"].clone())},
    });
    let http = matches!(listener["protocol"].as_str(), Some("HTTP" | "HTTPS"));
    let kinds = if http { vec!["HTTPRoute", "GRPCRoute"] } else { vec![] };
    let kinds: Vec<Value> =
        kinds.iter().map(|kind| json!({"group": "gateway.networking.k8s.io", "kind": kind})).collect();
    let (status, reason) = if programmed { ("True", "Programmed") } else { ("False", "Invalid") };
    json!({
        "name": name, "supportedKinds": kinds, "attachedRoutes": route::attached(desk, gateway, listener),
        "conditions": [
            observed(&seen, "Accepted", "True", "Accepted", ""),
            observed(&seen, "Programmed", status, reason, ""),
            observed(&seen, "ResolvedRefs", "True", "ResolvedRefs", ""),
        ],
    })
}

impl Simulated for Gateways {
    fn resource(&self) -> &'static str {
        RESOURCE
    }

    fn manager(&self) -> &'static str {
        MANAGER
    }

    fn progress(&self, gateway: &Value) -> Option<Value> {
        let waits = "Waiting for controller";
        gateway["status"]["conditions"].is_null().then(|| {
            json!({"conditions": [
                observed(gateway, "Accepted", "Unknown", "Pending", waits),
                observed(gateway, "Programmed", "Unknown", "Pending", waits),
            ]})
        })
    }

    fn settled(&self, desk: &Desk<'_>, gateway: &Value, fault: Option<&str>) -> Option<Value> {
        // a class that nobody serves leaves its Gateways waiting
        let class = desk.get(CLASSES, "", gateway["spec"]["gatewayClassName"].as_str().unwrap_or_default())?;
        if condition_status(&class, "Accepted") != "True" {
            return None;
        }
        let listeners: Vec<Value> = gateway["spec"]["listeners"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|entry| listener(desk, gateway, entry, fault.is_none()))
            .collect();
        let asked = gateway["spec"]["addresses"][0]["value"].as_str().unwrap_or("192.0.2.10");
        let mut status = json!({
            "listeners": listeners,
            "conditions": [
                observed(gateway, "Accepted", "True", "Accepted", "valid"),
                match fault {
                    None => observed(gateway, "Programmed", "True", "Programmed", "address assigned"),
                    Some(message) => observed(gateway, "Programmed", "False", "Invalid", message),
                },
            ],
        });
        if fault.is_none() {
            status["addresses"] = json!([{"type": "IPAddress", "value": asked}]);
        }
        Some(status)
    }

    fn concerned(&self, desk: &Desk<'_>, event: &Event) -> Vec<Key> {
        match &*event.key.resource {
            CLASSES => desk.keys(RESOURCE, None),
            resource if route::is_route(resource) => {
                route::parents(&event.new).chain(event.old.iter().flat_map(|old| route::parents(old))).collect()
            }
            _ => Vec::new(),
        }
    }
}
