//! `HTTPRoute`s and `GRPCRoute`s: accepted by the gateways they name, references resolved to Services that exist.

use serde_json::{Value, json};

use super::super::meta;
use super::super::store::{Event, Key};
use super::desk::Desk;
use super::{Simulated, gateway};

/// One kind of route.
#[derive(Debug, Clone, Copy)]
pub(super) struct Routes(&'static str);

pub(super) const HTTP: Routes = Routes("httproutes.gateway.networking.k8s.io");
pub(super) const GRPC: Routes = Routes("grpcroutes.gateway.networking.k8s.io");

const CONTROLLER: &str = "runbook.dev/sandbox";

fn list<'a>(object: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    object["spec"][field].as_array().into_iter().flatten()
}

pub(super) fn is_route(resource: &str) -> bool {
    resource == HTTP.0 || resource == GRPC.0
}

/// The gateways that a route names.
pub(super) fn parents(route: &Value) -> impl Iterator<Item = Key> {
    list(route, "parentRefs").map(|parent| {
        let namespace = parent["namespace"].as_str().unwrap_or_else(|| meta::namespace(route));
        Key::new(gateway::RESOURCE, namespace, parent["name"].as_str().unwrap_or_default())
    })
}

/// How many routes a listener has.
pub(super) fn attached(desk: &Desk<'_>, gateway: &Value, listener: &Value) -> usize {
    let key = Key::new(gateway::RESOURCE, meta::namespace(gateway), meta::name(gateway));
    let attaches = |route: &Value| {
        list(route, "parentRefs").zip(parents(route)).any(|(parent, of)| {
            let section = &parent["sectionName"];
            of == key && (section.is_null() || *section == listener["name"])
        })
    };
    [HTTP, GRPC].iter().flat_map(|routes| desk.list(routes.0, None)).filter(|route| attaches(route)).count()
}

/// Whether the gateway, and the listener if one is named, is there.
fn has_parent(desk: &Desk<'_>, route: &Value, parent: &Value) -> bool {
    let namespace = parent["namespace"].as_str().unwrap_or_else(|| meta::namespace(route));
    let Some(gateway) = desk.get(gateway::RESOURCE, namespace, parent["name"].as_str().unwrap_or_default()) else {
        return false;
    };
    let section = &parent["sectionName"];
    let port = &parent["port"];
    list(&gateway, "listeners").any(|listener| {
        (section.is_null() || listener["name"] == *section) && (port.is_null() || listener["port"] == *port)
    })
}

/// The first backend that is not there, as `namespace/name`.
fn missing_backend(desk: &Desk<'_>, route: &Value) -> Option<String> {
    let backends = list(route, "rules").flat_map(|rule| rule["backendRefs"].as_array().into_iter().flatten());
    backends.filter(|backend| backend["kind"].is_null() || backend["kind"] == "Service").find_map(|backend| {
        let namespace = backend["namespace"].as_str().unwrap_or_else(|| meta::namespace(route));
        let name = backend["name"].as_str().unwrap_or_default();
        desk.get("services", namespace, name).is_none().then(|| format!("{namespace}/{name}"))
    })
}

/// A condition of one parent, its transition time kept when the status is what it was.
fn condition(route: &Value, parent: &Value, kind: &str, status: &str, reason: &str, message: &str) -> Value {
    let before =
        route["status"]["parents"].as_array().into_iter().flatten().find(|entry| entry["parentRef"] == *parent);
    let conditions = before.map(|entry| entry["conditions"].clone()).unwrap_or_default();
    let mut condition = meta::condition(&json!({"status": {"conditions": conditions}}), kind, status, reason, message);
    condition["observedGeneration"] = meta::generation(route).into();
    condition
}

impl Simulated for Routes {
    fn resource(&self) -> &'static str {
        self.0
    }

    fn manager(&self) -> &'static str {
        gateway::MANAGER
    }

    fn settled(&self, desk: &Desk<'_>, route: &Value, fault: Option<&str>) -> Option<Value> {
        let missing = missing_backend(desk, route);
        let parents: Vec<Value> = list(route, "parentRefs")
            .map(|parent| {
                let accepted = if let Some(message) = fault {
                    condition(route, parent, "Accepted", "False", "UnsupportedValue", message)
                } else if has_parent(desk, route, parent) {
                    condition(route, parent, "Accepted", "True", "Accepted", "Route is accepted")
                } else {
                    let message = format!(
                        "no Gateway or listener matches the parent {}",
                        parent["name"].as_str().unwrap_or_default()
                    );
                    condition(route, parent, "Accepted", "False", "NoMatchingParent", &message)
                };
                let resolved = match &missing {
                    Some(backend) => {
                        let message = format!("Service {backend} not found");
                        condition(route, parent, "ResolvedRefs", "False", "BackendNotFound", &message)
                    }
                    None => {
                        condition(route, parent, "ResolvedRefs", "True", "ResolvedRefs", "All references are resolved")
                    }
                };
                json!({"parentRef": parent, "controllerName": CONTROLLER, "conditions": [accepted, resolved]})
            })
            .collect();
        Some(json!({"parents": parents}))
    }

    fn concerned(&self, desk: &Desk<'_>, event: &Event) -> Vec<Key> {
        match &*event.key.resource {
            // A Service that only changes still exists: nothing to look at.
            "services" if event.old.is_none() || event.removed => desk.keys(self.0, None),
            gateway::RESOURCE => desk.keys(self.0, None),
            _ => Vec::new(),
        }
    }
}
