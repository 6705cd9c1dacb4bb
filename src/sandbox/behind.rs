//! What Pods and Services answer through the API. Nothing runs here: a Pod that is ready answers every question with what it
//! was asked, and a Service does where it has endpoints.

use http::Method;
use serde_json::{Value, json};

use super::request::{self, Call};
use super::status::ApiError;
use super::store::{Key, Store};

/// Answers a request through the proxy of a Pod or Service, with its code; `None` where it is about something else.
pub(crate) fn answer(store: &Store, call: &Call) -> Option<Result<(u16, Value), ApiError>> {
    let mut parts = call.path.strip_prefix("/api/v1/namespaces/")?.splitn(5, '/');
    let (namespace, resource, id) = (parts.next()?, parts.next()?, request::decode(parts.next()?, false));
    if parts.next()? != "proxy" {
        return None;
    }
    if !["pods", "services"].contains(&resource) {
        return None;
    }
    if call.method != Method::GET {
        return Some(Err(ApiError::method_not_allowed()));
    }
    let (name, port) = match id.split(':').collect::<Vec<_>>()[..] {
        [name] => (name, ""),
        [name, port] | ["http" | "https" | "", name, port] => (name, port),
        _ => {
            let what = resource.trim_end_matches('s');
            return Some(Err(ApiError::bad_request(format!("invalid {what} request {id:?}"))));
        }
    };
    let path = format!("/{}", parts.next().unwrap_or_default());
    let backend = match resource {
        "pods" => pod(store, namespace, name),
        _ => service(store, namespace, name, port, &id),
    };
    Some(backend.map(|backend| {
        (200, json!({"status": "ok", "method": "GET", "path": path, "backend": backend, "served-by": "sandbox"}))
    }))
}

fn unavailable(why: String) -> ApiError {
    ApiError::new(503, "ServiceUnavailable", why, None)
}

/// An object; where there is none, one of the kind that was asked for is missing.
fn find(store: &Store, resource: &str, asked: &str, namespace: &str, name: &str) -> Result<Value, ApiError> {
    let kind = store.registry().by_resource(asked).cloned().ok_or(ApiError::NoSuchPath)?;
    let found = store.get(&Key::new(resource, namespace, name));
    found.map(|object| (*object).clone()).ok_or_else(|| ApiError::not_found(&kind, name))
}

/// The Pod, if it can be asked.
fn pod(store: &Store, namespace: &str, name: &str) -> Result<String, ApiError> {
    let pod = find(store, "pods", "pods", namespace, name)?;
    if !pod["status"]["podIP"].is_string() {
        return Err(ApiError::bad_request("address not allowed"));
    }
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    if !conditions.into_iter().any(|c| c["type"] == "Ready" && c["status"] == "True") {
        return Err(unavailable("error trying to reach service: the pod is not ready".into()));
    }
    Ok(format!("Pod/{namespace}/{name}"))
}

/// The Service, if anybody stands behind that port of it.
fn service(store: &Store, namespace: &str, name: &str, port: &str, asked: &str) -> Result<String, ApiError> {
    let ports = |list: &Value| list.as_array().cloned().unwrap_or_default();
    let named = |port: &Value| port["name"].as_str().unwrap_or_default().to_owned();
    let wanted = match port.parse::<i64>() {
        Ok(number) => ports(&find(store, "services", "services", namespace, name)?["spec"]["ports"])
            .iter()
            .find(|port| port["port"] == number)
            .map(named)
            .ok_or_else(|| unavailable(format!("no service port {number} found for service {name:?}")))?,
        Err(_) => port.to_owned(),
    };
    let subsets = ports(&find(store, "endpoints", "services", namespace, name)?["subsets"]);
    let asked = if subsets.is_empty() { name } else { asked };
    let mut ready = subsets.iter().filter(|subset| subset["addresses"].as_array().is_some_and(|all| !all.is_empty()));
    if ready.any(|subset| ports(&subset["ports"]).iter().any(|port| named(port) == wanted)) {
        return Ok(format!("Service/{namespace}/{name}"));
    }
    Err(unavailable(format!("no endpoints available for service {asked:?}")))
}
