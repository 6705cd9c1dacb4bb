//! What Pods have besides being objects: logs, which are empty here, commands, whose answers an annotation of the Pod says,
//! and eviction, which asks disruption budgets.

use http::Method;
use serde_json::{Value, json};

use super::request::Call;
use super::selector::Selector;
use super::status::ApiError;
use super::store::{Key, Store};
use super::{meta, remove, request};

/// The media type in which a command's end is answered at once: no connection is taken over here.
pub const EXECUTED: &str = "application/vnd.runbook.executed+json";

/// A Pod's annotation with the answers of commands, as JSON: `{"ls /data": "what it prints", "id": {"status": 1}}`.
const ANSWERS: &str = "sandbox.runbook.dev/exec";

/// An answer about a Pod: text of a log, or JSON with its code.
pub(crate) enum Answer {
    Text(String),
    Json(u16, Value),
}

/// Answers a request below a Pod; `None` where it is about something else.
pub(crate) fn answer(store: &Store, call: &Call) -> Option<Result<Answer, ApiError>> {
    let parts: Vec<&str> = call.path.split('/').filter(|part| !part.is_empty()).collect();
    let ["api", "v1", "namespaces", namespace, "pods", name, what @ ("log" | "exec" | "eviction")] = parts.as_slice()
    else {
        return None;
    };
    let key = Key::new("pods", namespace, &request::decode(name, false));
    let kind = store.registry().by_resource("pods").cloned()?;
    let Some(pod) = store.get(&key) else {
        return Some(Err(ApiError::not_found(&kind, &key.name)));
    };
    Some(match (*what, &call.method) {
        ("log", &Method::GET) => log(&pod, call.query.text("container")).map(Answer::Text),
        ("exec", _) if call.accept == EXECUTED => exec(&pod, call),
        ("eviction", &Method::POST) => evict(store, &key, &pod, call),
        _ => Err(ApiError::method_not_allowed()),
    })
}

fn names(pod: &Value) -> Vec<&str> {
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
    let init = pod["spec"]["initContainers"].as_array().into_iter().flatten();
    containers.chain(init).filter_map(|container| container["name"].as_str()).collect()
}

/// What a command in a container says: nothing runs here, so the Pod's annotation knows.
fn exec(pod: &Value, call: &Call) -> Result<Answer, ApiError> {
    container(pod, call.query.text("container"))?;
    let line = call.query.all("command").collect::<Vec<_>>().join(" ");
    let said = pod["metadata"]["annotations"][ANSWERS].as_str().unwrap_or("{}");
    let answers: Value = serde_json::from_str(said).map_err(|error| {
        ApiError::bad_request(format!("the annotation {ANSWERS} of pod {} is not JSON: {error}", meta::name(pod)))
    })?;
    let answer = match &answers[&line] {
        Value::String(stdout) => json!({"status": 0, "stdout": stdout, "stderr": ""}),
        answer @ Value::Object(_) => answer.clone(),
        _ => {
            let example = json!({ line: "what it prints" });
            return Err(ApiError::bad_request(format!(
                "nothing runs in the pods of a sandbox; say in an annotation of pod {} what this command answers: {ANSWERS}: '{example}'",
                meta::name(pod)
            )));
        }
    };
    Ok(Answer::Json(200, answer))
}

/// The container that is meant.
fn container<'a>(pod: &'a Value, asked: &'a str) -> Result<&'a str, ApiError> {
    let (name, names) = (meta::name(pod), names(pod));
    Ok(match (asked, names.as_slice()) {
        ("", [only]) => *only,
        ("", several) => {
            let choice = several.join(" ");
            return Err(ApiError::bad_request(format!(
                "a container name must be specified for pod {name}, choose one of: [{choice}]"
            )));
        }
        (asked, known) if known.contains(&asked) => asked,
        (asked, _) => return Err(ApiError::bad_request(format!("container {asked} is not valid for pod {name}"))),
    })
}

fn log(pod: &Value, asked: &str) -> Result<String, ApiError> {
    let (name, container) = (meta::name(pod), container(pod, asked)?);
    let statuses = pod["status"]["containerStatuses"].as_array().into_iter().flatten();
    let waiting = statuses
        .filter(|status| status["name"] == container)
        .find_map(|status| status["state"]["waiting"]["reason"].as_str());
    match waiting {
        Some(reason) if reason != "CrashLoopBackOff" => {
            Err(ApiError::bad_request(format!("container {container:?} in pod {name:?} is waiting to start: {reason}")))
        }
        _ => Ok(String::new()),
    }
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|c| c["type"] == "Ready" && c["status"] == "True")
}

/// A number, or a share of `all` such as `50%`, rounded up.
fn share(value: &Value, all: usize) -> Option<usize> {
    if let Some(number) = value.as_u64() {
        return usize::try_from(number).ok();
    }
    let percent: usize = value.as_str()?.trim_end_matches('%').parse().ok()?;
    Some((all * percent).div_ceil(100))
}

/// The budget that losing this Pod would violate.
fn violated(store: &Store, pod: &Value) -> Option<String> {
    let pods_kind = store.registry().by_resource("pods").cloned()?;
    let namespace = meta::namespace(pod);
    let pods = store.list("pods", Some(namespace)).0;
    let budgets = store.list("poddisruptionbudgets.policy", Some(namespace)).0;
    budgets.iter().find_map(|budget| {
        let labels = budget["spec"]["selector"]["matchLabels"].as_object()?;
        let text = labels.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
        let selector = Selector::parse(&pods_kind, &text.collect::<Vec<_>>().join(","), "").ok()?;
        if !selector.matches(pod) {
            return None;
        }
        let covered: Vec<_> = pods.iter().filter(|pod| selector.matches(pod)).collect();
        let healthy = covered.iter().filter(|pod| is_ready(pod)).count();
        let all = covered.len();
        let needed = match (share(&budget["spec"]["minAvailable"], all), share(&budget["spec"]["maxUnavailable"], all))
        {
            (Some(least), _) => least,
            (None, Some(most)) => all.saturating_sub(most),
            (None, None) => return None,
        };
        (healthy < needed + 1).then(|| {
            let name = meta::name(budget);
            format!("The disruption budget {name} needs {needed} healthy pods and has {healthy} currently")
        })
    })
}

fn evict(store: &Store, key: &Key, pod: &Value, call: &Call) -> Result<Answer, ApiError> {
    if let Some(why) = violated(store, pod) {
        let message = "Cannot evict pod as it would violate the pod's disruption budget.";
        return Ok(Answer::Json(
            429,
            json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
                "reason": "TooManyRequests", "code": 429,
                "details": {"causes": [{"reason": "DisruptionBudget", "message": why}]},
            }),
        ));
    }
    let dry = call.dry_run("CreateOptions")?;
    let target =
        request::target(&store.registry(), &format!("/api/v1/namespaces/{}/pods/{}", key.namespace, key.name))?;
    if let request::Target::Objects(place) = target {
        store.write(dry, |tx| {
            remove::finish(tx, &place, key);
            Ok(())
        })?;
    }
    let done = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    Ok(Answer::Json(201, done))
}
