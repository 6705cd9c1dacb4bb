//! What stands behind a Service: `EndpointSlice`s and Endpoints, from the Pods that it selects.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::meta;
use super::super::store::{Event, Key};
use super::desk::{Desk, controlled_by, key_of};
use super::pod;
use super::{Controller, Told};

pub(super) struct Endpoints;

const RESOURCE: &str = "services";
const SLICES: &str = "endpointslices.discovery.k8s.io";

fn selects(service: &Value, labels: &Value) -> bool {
    let selector = service["spec"]["selector"].as_object().filter(|selector| !selector.is_empty());
    selector.is_some_and(|selector| selector.iter().all(|(key, value)| labels.get(key) == Some(value)))
}

/// The Service's ports as numbers: a name is looked up in a container.
fn ports(service: &Value, pods: &[Arc<Value>]) -> Vec<Value> {
    let named = |name: &str| {
        let containers = pods.first().and_then(|pod| pod["spec"]["containers"].as_array());
        let mut ports = containers.into_iter().flatten().flat_map(|c| c["ports"].as_array().into_iter().flatten());
        ports.find(|port| port["name"] == name).map(|port| port["containerPort"].clone())
    };
    let all = service["spec"]["ports"].as_array().into_iter().flatten();
    all.filter_map(|port| {
        let target = match &port["targetPort"] {
            Value::String(name) => named(name)?,
            Value::Null => port["port"].clone(),
            number => number.clone(),
        };
        let name = port["name"].as_str().unwrap_or_default();
        Some(json!({"name": name, "port": target, "protocol": port["protocol"].as_str().unwrap_or("TCP")}))
    })
    .collect()
}

fn reference(pod: &Value) -> Value {
    json!({"kind": "Pod", "name": meta::name(pod), "namespace": meta::namespace(pod), "uid": meta::uid(pod)})
}

/// The slice as it has to be, without a name.
fn slice(service: &Value, pods: &[Arc<Value>]) -> Value {
    let endpoints: Vec<Value> = pods
        .iter()
        .map(|pod| {
            let ready = pod::is_ready(pod);
            json!({
                "addresses": [pod["status"]["podIP"]], "nodeName": pod["spec"]["nodeName"], "targetRef": reference(pod),
                "conditions": {"ready": ready, "serving": ready, "terminating": false},
            })
        })
        .collect();
    let name = meta::name(service);
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "endpoints": endpoints, "ports": ports(service, pods),
        "metadata": {
            "generateName": format!("{name}-"), "namespace": meta::namespace(service),
            "labels": {
                "kubernetes.io/service-name": name, "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            },
            "ownerReferences": controlled_by(service),
        },
    })
}

/// The older form of the same.
fn endpoints(service: &Value, pods: &[Arc<Value>]) -> Value {
    let addresses = |ready: bool| -> Vec<Value> {
        let pods = pods.iter().filter(|pod| pod::is_ready(pod) == ready);
        pods.map(|pod| {
            json!({"ip": pod["status"]["podIP"], "nodeName": pod["spec"]["nodeName"], "targetRef": reference(pod)})
        })
        .collect()
    };
    let mut subset = json!({"ports": ports(service, pods)});
    for (field, list) in [("addresses", addresses(true)), ("notReadyAddresses", addresses(false))] {
        if !list.is_empty() {
            subset[field] = list.into();
        }
    }
    let mut object = json!({
        "apiVersion": "v1", "kind": "Endpoints",
        "metadata": {
            "name": meta::name(service), "namespace": meta::namespace(service),
            "labels": {"endpoints.kubernetes.io/managed-by": "endpoint-controller"},
            "ownerReferences": controlled_by(service),
        },
    });
    if !pods.is_empty() {
        object["subsets"] = json!([subset]);
    }
    object
}

impl Controller for Endpoints {
    fn resource(&self) -> &'static str {
        RESOURCE
    }

    fn is_sum(&self) -> bool {
        true
    }

    fn can_fail(&self) -> bool {
        false
    }

    fn concerned(&self, desk: &Desk<'_>, event: &Event) -> Vec<Key> {
        if &*event.key.resource != pod::RESOURCE {
            return Vec::new();
        }
        let services = desk.list(RESOURCE, Some(&event.key.namespace));
        let selecting = services.iter().filter(|service| selects(service, &event.new["metadata"]["labels"]));
        selecting.map(|service| key_of(RESOURCE, service)).collect()
    }

    fn look(&self, desk: &Desk<'_>, key: &Key, service: &Arc<Value>, _told: &Told) -> bool {
        if meta::is_terminating(service)
            || service["spec"]["selector"].as_object().is_none_or(serde_json::Map::is_empty)
        {
            return false;
        }
        let mut pods = desk.list(pod::RESOURCE, Some(&key.namespace));
        pods.retain(|pod| {
            let there = pod["status"]["podIP"].is_string() && !pod::is_over(pod) && !meta::is_terminating(pod);
            there && selects(service, &pod["metadata"]["labels"])
        });
        let wanted = slice(service, &pods);
        match desk.owned(SLICES, service).first() {
            None => {
                if let Err(why) = desk.create(wanted) {
                    tracing::debug!(why, "no EndpointSlice for Service {}", key.name);
                }
            }
            Some(old) => desk.change(&key_of(SLICES, old), |slice| {
                for field in ["endpoints", "ports"] {
                    slice[field] = wanted[field].clone();
                }
            }),
        }
        desk.keep(endpoints(service, &pods), "subsets");
        false
    }

    fn act(&self, _desk: &Desk<'_>, _key: &Key, _service: &Arc<Value>, _told: &Told) {}
}
