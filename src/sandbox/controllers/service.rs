//! Addresses for Services of type `LoadBalancer` and for Ingresses.

use serde_json::{Value, json};

use super::super::meta;
use super::Simulated;
use super::desk::Desk;

pub(super) struct Services;
pub(super) struct Ingresses;

/// An address of the range that documents use.
fn address(object: &Value) -> String {
    let sum = meta::uid(object).bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    format!("192.0.2.{}", sum % 200 + 50)
}

impl Simulated for Services {
    fn resource(&self) -> &'static str {
        "services"
    }

    fn suspended(&self, service: &Value) -> bool {
        service["spec"]["type"] != "LoadBalancer"
    }

    fn settled(&self, _desk: &Desk<'_>, service: &Value, fault: Option<&str>) -> Option<Value> {
        if let Some(message) = fault {
            let condition = meta::condition(service, "LoadBalancerReady", "False", "SyncLoadBalancerFailed", message);
            return Some(json!({"loadBalancer": {}, "conditions": [condition]}));
        }
        let asked = service["spec"]["loadBalancerIP"].as_str().map(str::to_owned);
        let ip = asked.unwrap_or_else(|| address(service));
        Some(json!({"loadBalancer": {"ingress": [{"ip": ip, "ipMode": "VIP"}]}}))
    }
}

impl Simulated for Ingresses {
    fn resource(&self) -> &'static str {
        "ingresses.networking.k8s.io"
    }

    fn manager(&self) -> &'static str {
        "ingress-controller"
    }

    fn settled(&self, _desk: &Desk<'_>, _ingress: &Value, fault: Option<&str>) -> Option<Value> {
        // an Ingress has no conditions: a failed one has no address
        Some(match fault {
            Some(_) => json!({"loadBalancer": {}}),
            None => json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.10"}]}}),
        })
    }
}
