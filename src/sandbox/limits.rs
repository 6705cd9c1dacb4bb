//! Limit ranges: what a container gets that says nothing, and what containers, Pods and claims may ask for, in a server's
//! words.

use serde_json::Value;

use super::meta;
use super::request::Place;
use super::status::ApiError;
use super::store::Tx;
use crate::object::{
    Quantity,
    usage::{self, Amounts},
};

const RESOURCE: &str = "limitranges";

/// The limits of a namespace, each an item of some range's `spec.limits`.
fn limits(tx: &Tx<'_>, place: &Place) -> Vec<Value> {
    let ranges = place.namespace.as_deref().map(|namespace| tx.list(RESOURCE, Some(namespace))).unwrap_or_default();
    ranges.iter().flat_map(|(_, range)| range["spec"]["limits"].as_array().cloned().unwrap_or_default()).collect()
}

/// Gives the containers of a new Pod what they do not say themselves.
pub(crate) fn fill(tx: &Tx<'_>, place: &Place, pod: &mut Value) {
    let limits = limits(tx, place);
    let of_containers = limits.iter().filter(|limit| limit["type"] == "Container");
    let (mut requests, mut most) = (serde_json::Map::new(), serde_json::Map::new());
    for limit in of_containers {
        for (from, to) in [("defaultRequest", &mut requests), ("default", &mut most)] {
            let entries = limit[from].as_object().into_iter().flatten();
            to.extend(entries.map(|(name, value)| (name.clone(), value.clone())));
        }
    }
    let mut notes: Vec<String> = Vec::new();
    for (list, word) in [("containers", "container"), ("initContainers", "init container")] {
        for container in pod["spec"][list].as_array_mut().into_iter().flatten().filter(|item| item.is_object()) {
            let name = container["name"].as_str().unwrap_or_default().to_owned();
            for (field, one, defaults) in [("requests", "request", &requests), ("limits", "limit", &most)] {
                let resources = meta::map_mut(&mut container["resources"]);
                let said = |name: &String| resources.get(field).is_some_and(|map| map.get(name).is_some());
                let fresh: Vec<(String, Value)> =
                    defaults.iter().filter(|(name, _)| !said(name)).map(|(n, v)| (n.clone(), v.clone())).collect();
                if fresh.is_empty() {
                    continue;
                }
                let names: Vec<&str> = fresh.iter().map(|(name, _)| name.as_str()).collect();
                notes.push(format!("{} {one} for {word} {name}", names.join(", ")));
                meta::map_mut(resources.entry(field).or_insert(Value::Null)).extend(fresh);
            }
        }
    }
    if !notes.is_empty() {
        let annotations = meta::metadata_mut(pod).entry("annotations").or_insert(Value::Null);
        let text = format!("LimitRanger plugin set: {}", notes.join("; "));
        meta::map_mut(annotations).insert("kubernetes.io/limit-ranger".into(), text.into());
    }
}

/// What is asked for and what may be used, by one container, Pod or claim.
struct Asked {
    requests: Amounts,
    limits: Amounts,
}

impl Asked {
    fn of(resources: &Value) -> Self {
        Self { requests: usage::amounts(&resources["requests"]), limits: usage::amounts(&resources["limits"]) }
    }

    /// What one limit says against it.
    fn against(&self, limit: &Value, claim: bool) -> Vec<String> {
        let sort = limit["type"].as_str().unwrap_or_default();
        let mut found = Vec::new();
        for (name, bound) in usage::amounts(&limit["min"]) {
            let (request, most) = (self.requests.get(&name), self.limits.get(&name));
            let head = format!("minimum {name} usage per {sort} is {bound}");
            match (request, most) {
                (None, _) => found.push(format!("{head}.  No request is specified")),
                (Some(request), _) if *request < bound => found.push(format!("{head}, but request is {request}")),
                (_, Some(most)) if *most < bound => found.push(format!("{head}, but limit is {most}")),
                _ => {}
            }
        }
        for (name, bound) in usage::amounts(&limit["max"]) {
            let (request, most) = (self.requests.get(&name), self.limits.get(&name));
            let head = format!("maximum {name} usage per {sort} is {bound}");
            match (request, most) {
                (None, _) if claim => found.push(format!("{head}.  No request is specified")),
                (_, None) if !claim => found.push(format!("{head}.  No limit is specified")),
                (_, Some(most)) if *most > bound => found.push(format!("{head}, but limit is {most}")),
                (Some(request), _) if *request > bound => found.push(format!("{head}, but request is {request}")),
                _ => {}
            }
        }
        for (name, bound) in usage::amounts(&limit["maxLimitRequestRatio"]) {
            let said = |amounts: &Amounts| amounts.get(&name).copied().filter(|amount| !amount.is_zero());
            let head = format!("{name} max limit to request ratio per {sort} is {bound}");
            match (said(&self.requests), said(&self.limits)) {
                (None, _) => found.push(format!("{head}, but no request is specified or request is 0")),
                (_, None) => found.push(format!("{head}, but no limit is specified or limit is 0")),
                (Some(request), Some(most)) => {
                    let ratio = most.ratio(request);
                    if ratio > bound.ratio(Quantity::count(1)) {
                        found.push(format!("{head}, but provided ratio is {ratio:.6}"));
                    }
                }
            }
        }
        found
    }
}

/// Refuses a Pod or a claim that asks for less or more than its namespace allows.
pub(crate) fn admit(tx: &Tx<'_>, place: &Place, object: &Value) -> Result<(), ApiError> {
    let mut found: Vec<String> = Vec::new();
    let claim = place.kind.resource() == "persistentvolumeclaims";
    for limit in limits(tx, place) {
        match limit["type"].as_str() {
            Some("PersistentVolumeClaim") if claim => {
                let mut asked = Asked::of(&object["spec"]["resources"]);
                asked.limits.clear();
                found.extend(asked.against(&limit, true));
            }
            Some("Container") if !claim => {
                for list in ["containers", "initContainers"] {
                    for container in object["spec"][list].as_array().into_iter().flatten() {
                        found.extend(Asked::of(&container["resources"]).against(&limit, false));
                    }
                }
            }
            Some("Pod") if !claim => {
                let requests = usage::of_pod(object, "requests");
                let asked = Asked { requests, limits: usage::of_pod(object, "limits") };
                found.extend(asked.against(&limit, false));
            }
            _ => {}
        }
    }
    let why = match found.as_slice() {
        [] => return Ok(()),
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    };
    Err(ApiError::forbidden(&place.kind, meta::name(object), &why, None))
}
