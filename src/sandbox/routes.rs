//! The cluster's front door: what a request to a host gets, by the `HTTPRoute`s and Ingresses that route it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::meta;
use super::store::{Key, Store};

const ROUTES: &str = "httproutes.gateway.networking.k8s.io";
const INGRESSES: &str = "ingresses.networking.k8s.io";

/// Where a request goes.
enum Way {
    Backend { namespace: String, service: String },
    NoPath,
    NotAccepted(String),
}

/// See [`super::Sandbox::answer_http`].
pub(crate) fn answer(store: &Store, method: &str, host: &str, path: &str) -> Option<(u16, String)> {
    let name = host.rsplit_once(':').map_or(
        host,
        |(name, port)| {
            if port.bytes().all(|b| b.is_ascii_digit()) { name } else { host }
        },
    );
    let name = name.to_ascii_lowercase();
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let path = if path.is_empty() { "/" } else { path };
    let (code, told) = match way(store, &name, path)? {
        Way::NoPath => (404, json!({"error": "no route matches the path"})),
        Way::NotAccepted(route) => (404, json!({"error": format!("{route} is not accepted by a gateway")})),
        Way::Backend { namespace, service } => {
            let backend = format!("Service/{namespace}/{service}");
            match readiness(store, &namespace, &service) {
                Ok(()) => (200, json!({"status": "ok", "method": method, "path": path, "backend": backend})),
                Err(why) => (503, json!({"error": why, "backend": backend})),
            }
        }
    };
    let mut body = told;
    body["host"] = name.into();
    body["served-by"] = "sandbox".into();
    Some((code, body.to_string()))
}

fn host_fits(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(suffix) => host.strip_suffix(suffix).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        None => pattern.eq_ignore_ascii_case(host),
    }
}

fn prefix_fits(prefix: &str, path: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The longest matching path wins, as in a gateway.
fn way(store: &Store, host: &str, path: &str) -> Option<Way> {
    let mut known = false;
    let mut refused = None;
    let mut best: Option<(usize, Way)> = None;
    let mut offer = |weight: usize, way: Way| {
        if best.as_ref().is_none_or(|(heaviest, _)| weight > *heaviest) {
            best = Some((weight, way));
        }
    };
    for route in store.list(ROUTES, None).0 {
        let hosts = route["spec"]["hostnames"].as_array();
        if !hosts.into_iter().flatten().filter_map(Value::as_str).any(|pattern| host_fits(pattern, host)) {
            continue;
        }
        known = true;
        if !is_accepted(&route) {
            refused = Some(format!("HTTPRoute/{}/{}", meta::namespace(&route), meta::name(&route)));
            continue;
        }
        for rule in route["spec"]["rules"].as_array().into_iter().flatten() {
            if let (Some(weight), Some(way)) = (rule_weight(rule, path), backend_of(&route, rule)) {
                offer(weight, way);
            }
        }
    }
    for ingress in store.list(INGRESSES, None).0 {
        for rule in ingress["spec"]["rules"].as_array().into_iter().flatten() {
            if !rule["host"].as_str().is_some_and(|pattern| host_fits(pattern, host)) {
                continue;
            }
            known = true;
            for entry in rule["http"]["paths"].as_array().into_iter().flatten() {
                let wanted = entry["path"].as_str().unwrap_or("/");
                let fits = if entry["pathType"] == "Exact" { wanted == path } else { prefix_fits(wanted, path) };
                if let (true, Some(service)) = (fits, entry["backend"]["service"]["name"].as_str()) {
                    offer(
                        wanted.len(),
                        Way::Backend { namespace: meta::namespace(&ingress).to_owned(), service: service.to_owned() },
                    );
                }
            }
        }
    }
    match (best, refused) {
        (Some((_, way)), _) => Some(way),
        (None, Some(route)) => Some(Way::NotAccepted(route)),
        (None, None) => known.then_some(Way::NoPath),
    }
}

fn is_accepted(route: &Value) -> bool {
    let parents = route["status"]["parents"].as_array();
    parents.into_iter().flatten().any(|parent| {
        let conditions = parent["conditions"].as_array();
        conditions.into_iter().flatten().any(|c| c["type"] == "Accepted" && c["status"] == "True")
    })
}

/// How closely a rule fits a path; `None` when it does not.
fn rule_weight(rule: &Value, path: &str) -> Option<usize> {
    let Some(matches) = rule["matches"].as_array().filter(|matches| !matches.is_empty()) else {
        return Some(1);
    };
    let weights = matches.iter().filter_map(|entry| {
        let wanted = entry["path"]["value"].as_str().unwrap_or("/");
        match entry["path"]["type"].as_str() {
            // An exact match beats any prefix of the same length.
            Some("Exact") => (wanted == path).then_some(wanted.len() + 1),
            _ => prefix_fits(wanted, path).then_some(wanted.len()),
        }
    });
    weights.max()
}

fn backend_of(route: &Value, rule: &Value) -> Option<Way> {
    let backend = rule["backendRefs"].as_array()?.iter().find(|backend| backend["weight"] != 0)?;
    Some(Way::Backend {
        namespace: backend["namespace"].as_str().unwrap_or_else(|| meta::namespace(route)).to_owned(),
        service: backend["name"].as_str()?.to_owned(),
    })
}

/// Whether something ready stands behind a Service.
fn readiness(store: &Store, namespace: &str, service: &str) -> Result<(), String> {
    let Some(found) = store.get(&Key::new("services", namespace, service)) else {
        return Err("the Service does not exist".into());
    };
    let Some(selector) = found["spec"]["selector"].as_object().filter(|selector| !selector.is_empty()) else {
        return Err("the Service selects no workload".into());
    };
    let selected = |labels: &Value| selector.iter().all(|(key, value)| labels.get(key) == Some(value));
    let mut behind: Vec<Arc<Value>> = Vec::new();
    for resource in ["deployments.apps", "statefulsets.apps", "daemonsets.apps", "replicasets.apps"] {
        let workloads = store.list(resource, Some(namespace)).0;
        behind.extend(workloads.into_iter().filter(|w| selected(&w["spec"]["template"]["metadata"]["labels"])));
    }
    let ready = |status: &Value| {
        ["readyReplicas", "numberReady"].iter().any(|field| status[*field].as_i64().unwrap_or_default() > 0)
    };
    if behind.iter().any(|workload| ready(&workload["status"])) {
        return Ok(());
    }
    let pods = store.list("pods", Some(namespace)).0;
    let serving = pods.iter().filter(|pod| selected(&pod["metadata"]["labels"])).any(|pod| {
        let conditions = pod["status"]["conditions"].as_array();
        conditions.into_iter().flatten().any(|c| c["type"] == "Ready" && c["status"] == "True")
    });
    if serving {
        return Ok(());
    }
    Err(if behind.is_empty() {
        "no workload is behind the Service".into()
    } else {
        "no ready replica is behind the Service".into()
    })
}
