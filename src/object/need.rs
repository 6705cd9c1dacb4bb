//! What objects take of a namespace's quota: how many they are, what their pods ask for, what their claims store.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    head,
    path::{at, int, text},
};

/// Amounts by the names that a `ResourceQuota` gives them, in thousandths.
pub type Amounts = BTreeMap<String, i128>;

/// What a container gets where it says nothing, from a namespace's `LimitRange`s.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    requests: Amounts,
    limits: Amounts,
}

impl Defaults {
    /// From `LimitRange` objects.
    pub fn of(ranges: &[Value]) -> Self {
        let mut defaults = Self::default();
        let limits = ranges.iter().flat_map(|range| range["spec"]["limits"].as_array().into_iter().flatten());
        for limit in limits.filter(|limit| limit["type"] == "Container") {
            // a default limit is the default request as well, unless there is one of its own
            for (field, into) in [("default", &mut defaults.limits), ("defaultRequest", &mut defaults.requests)] {
                into.extend(amounts(&limit[field]));
            }
        }
        for (name, amount) in &defaults.limits {
            defaults.requests.entry(name.clone()).or_insert(*amount);
        }
        defaults
    }
}

/// A quantity such as `500m` or `1Gi` in thousandths, rounded up; none where it is no quantity.
pub fn thousandths(text: &str) -> Option<i128> {
    let text = text.trim();
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (digits, suffix) = text.split_at(end);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if (whole.is_empty() && fraction.is_empty()) || digits.len() > 20 || fraction.contains('.') {
        return None;
    }
    let mantissa: i128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let decimal = |exponent: i32| match u32::try_from(exponent) {
        Ok(exponent) => Some((10_i128.checked_pow(exponent)?, 1)),
        Err(_) => Some((1, 10_i128.checked_pow(exponent.unsigned_abs())?)),
    };
    let (times, per) = match suffix {
        "" => (1, 1),
        "n" => decimal(-9)?,
        "u" => decimal(-6)?,
        "m" => decimal(-3)?,
        "k" => decimal(3)?,
        "M" => decimal(6)?,
        "G" => decimal(9)?,
        "T" => decimal(12)?,
        "P" => decimal(15)?,
        "E" => decimal(18)?,
        "Ki" => (1_i128 << 10, 1),
        "Mi" => (1_i128 << 20, 1),
        "Gi" => (1_i128 << 30, 1),
        "Ti" => (1_i128 << 40, 1),
        "Pi" => (1_i128 << 50, 1),
        "Ei" => (1_i128 << 60, 1),
        _ => decimal(suffix.strip_prefix(['e', 'E'])?.parse().ok().filter(|e: &i32| e.abs() < 19)?)?,
    };
    let above = mantissa.checked_mul(times)?.checked_mul(1000)?;
    let below = scale.checked_mul(per)?;
    let amount = (above + below - 1) / below;
    Some(if negative { -amount } else { amount })
}

/// An amount as a person would write it: bytes in the largest binary unit that leaves nothing over.
pub fn shown(name: &str, amount: i128) -> String {
    let bytes = name.contains("memory") || name.contains("storage");
    if amount % 1000 != 0 {
        return format!("{amount}m");
    }
    let mut whole = amount / 1000;
    let mut unit = "";
    if bytes && whole != 0 {
        for next in ["Ki", "Mi", "Gi", "Ti"] {
            if whole % 1024 != 0 {
                break;
            }
            whole /= 1024;
            unit = next;
        }
    }
    format!("{whole}{unit}")
}

/// What an object takes, its pods and claims included. `plural` is its kind's plural.
pub fn of(object: &Value, plural: &str, defaults: &Defaults) -> Amounts {
    let mut all = Amounts::new();
    let (group, kind) = (head(object).group(), head(object).kind());
    let mut add = |name: String, amount: i128| *all.entry(name).or_default() += amount;
    let counted = if group.is_empty() { format!("count/{plural}") } else { format!("count/{plural}.{group}") };
    add(counted, 1000);
    let own =
        ["services", "configmaps", "secrets", "persistentvolumeclaims", "resourcequotas", "replicationcontrollers"];
    if group.is_empty() && own.contains(&plural) {
        add(plural.into(), 1000);
    }
    if kind == "Service" && group.is_empty() {
        match text(object, "spec.type") {
            Some("LoadBalancer") => add("services.loadbalancers".into(), 1000),
            Some("NodePort") => add("services.nodeports".into(), 1000),
            _ => {}
        }
    }
    if kind == "PersistentVolumeClaim" {
        claim(&object["spec"], 1, &mut add);
    }
    let count = i128::from(pods(object));
    if count > 0 {
        let spec = if kind == "Pod" { &object["spec"] } else { &object["spec"]["template"]["spec"] };
        add("pods".into(), 1000 * count);
        add("count/pods".into(), 1000 * count);
        for (name, amount) in pod(spec, defaults) {
            add(name, amount * count);
        }
        for template in at(object, "spec.volumeClaimTemplates").and_then(Value::as_array).into_iter().flatten() {
            add("persistentvolumeclaims".into(), 1000 * count);
            add("count/persistentvolumeclaims".into(), 1000 * count);
            claim(&template["spec"], count, &mut add);
        }
    }
    // a pod counts once
    if kind == "Pod"
        && let Some(pods) = all.get_mut("count/pods")
    {
        *pods = 1000;
    }
    all
}

fn claim(spec: &Value, count: i128, add: &mut impl FnMut(String, i128)) {
    let Some(storage) = text(spec, "resources.requests.storage").and_then(thousandths) else { return };
    add("requests.storage".into(), storage * count);
    if let Some(class) = text(spec, "storageClassName") {
        add(format!("{class}.storageclass.storage.k8s.io/requests.storage"), storage * count);
        add(format!("{class}.storageclass.storage.k8s.io/persistentvolumeclaims"), 1000 * count);
    }
}

/// How many pods it makes, as far as it says so itself.
fn pods(object: &Value) -> i64 {
    let replicas = |field: &str| int(object, field).unwrap_or(1).max(0);
    match (head(object).group(), head(object).kind()) {
        ("", "Pod") => 1,
        ("apps", "Deployment" | "StatefulSet" | "ReplicaSet") => replicas("spec.replicas"),
        ("batch", "Job") if object["spec"]["suspend"] != true => replicas("spec.parallelism"),
        _ => 0,
    }
}

/// What one pod asks for and is limited to.
fn pod(spec: &Value, defaults: &Defaults) -> Amounts {
    let list = |field: &str| spec[field].as_array().cloned().unwrap_or_default();
    let mut together = Amounts::new();
    let mut alone: Vec<Amounts> = vec![];
    for container in list("containers") {
        sum(&mut together, &of_container(&container, defaults));
    }
    for container in list("initContainers") {
        let its = of_container(&container, defaults);
        if container["restartPolicy"] == "Always" { sum(&mut together, &its) } else { alone.push(its) }
    }
    for (name, amount) in alone.into_iter().flatten() {
        let most = together.entry(name).or_default();
        *most = (*most).max(amount);
    }
    sum(&mut together, &both(&amounts(&spec["overhead"]), &Amounts::new()));
    together
}

fn of_container(container: &Value, defaults: &Defaults) -> Amounts {
    let (mut requests, mut limits) =
        (amounts(&container["resources"]["requests"]), amounts(&container["resources"]["limits"]));
    for (name, amount) in &limits {
        requests.entry(name.clone()).or_insert(*amount);
    }
    for (into, from) in [(&mut requests, &defaults.requests), (&mut limits, &defaults.limits)] {
        for (name, amount) in from {
            into.entry(name.clone()).or_insert(*amount);
        }
    }
    both(&requests, &limits)
}

/// Under the names of a quota: `requests.cpu` is also `cpu`.
fn both(requests: &Amounts, limits: &Amounts) -> Amounts {
    let mut all = Amounts::new();
    for (name, amount) in requests {
        all.insert(format!("requests.{name}"), *amount);
        if matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") {
            all.insert(name.clone(), *amount);
        }
    }
    all.extend(limits.iter().map(|(name, amount)| (format!("limits.{name}"), *amount)));
    all
}

/// Amounts of a map of quantities.
pub fn amounts(quantities: &Value) -> Amounts {
    let pairs = quantities.as_object().into_iter().flatten();
    let amount = |value: &Value| match value {
        Value::String(text) => thousandths(text),
        Value::Number(number) => thousandths(&number.to_string()),
        _ => None,
    };
    pairs.filter_map(|(name, value)| Some((name.clone(), amount(value)?))).collect()
}

/// Adds amounts to others.
pub fn sum(into: &mut Amounts, from: &Amounts) {
    for (name, amount) in from {
        *into.entry(name.clone()).or_default() += amount;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn quantities_are_read_and_shown_as_people_write_them() {
        for (text, expected) in [
            ("500m", Some(500)),
            ("1", Some(1000)),
            ("1.5", Some(1500)),
            ("1Gi", Some(1_073_741_824_000)),
            ("0.5Mi", Some(524_288_000)),
            ("2k", Some(2_000_000)),
            ("1e3", Some(1_000_000)),
            ("1n", Some(1)),
            ("-1", Some(-1000)),
            ("", None),
            ("x", None),
            ("1.2.3", None),
            ("99999999999999999999999", None),
        ] {
            assert_eq!(thousandths(text), expected, "{text}");
        }
        assert_eq!(shown("requests.memory", 1_610_612_736_000), "1536Mi");
        assert_eq!(shown("requests.cpu", 1500), "1500m");
        assert_eq!(shown("pods", 3000), "3");
        assert_eq!(shown("limits.memory", 0), "0");
    }

    #[test]
    fn a_deployment_takes_its_pods_times_what_each_asks_for() {
        let container =
            json!({ "name": "c", "resources": { "requests": { "memory": "1Gi" }, "limits": { "cpu": "1" } } });
        let deployment = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "spec": { "replicas": 3, "template": {
            "spec": { "containers": [container], "initContainers": [
                { "name": "i", "resources": { "requests": { "memory": "2Gi" } } }] } } } });
        let found = of(&deployment, "deployments", &Defaults::default());
        let gib = thousandths("1Gi").unwrap();
        assert_eq!(found["pods"], 3000);
        assert_eq!(found["requests.memory"], 6 * gib, "the largest of the init containers counts");
        assert_eq!(found["memory"], 6 * gib);
        assert_eq!(found["requests.cpu"], 3000, "a limit is a request where there is none");
        assert_eq!(found["limits.cpu"], 3000);
        assert_eq!(found["count/deployments.apps"], 1000);
    }

    #[test]
    fn what_a_container_leaves_out_comes_from_the_limit_range() {
        let ranges = [json!({ "spec": { "limits": [
            { "type": "Container", "default": { "memory": "512Mi" }, "defaultRequest": { "cpu": "100m" } },
            { "type": "Pod", "max": { "cpu": "1" } }] } })];
        let pod =
            json!({ "apiVersion": "v1", "kind": "Pod", "spec": { "containers": [{ "name": "a" }, { "name": "b" }] } });
        let found = of(&pod, "pods", &Defaults::of(&ranges));
        assert_eq!(found["requests.cpu"], 200);
        assert_eq!(found["limits.memory"], thousandths("1Gi").unwrap());
        assert_eq!(found["requests.memory"], thousandths("1Gi").unwrap());
        assert_eq!((found["pods"], found["count/pods"]), (1000, 1000));
    }

    #[test]
    fn claims_count_where_they_are_made_and_where_a_stateful_set_makes_them() {
        let spec = json!({ "storageClassName": "fast", "resources": { "requests": { "storage": "10Gi" } } });
        let claim = json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": spec });
        let found = of(&claim, "persistentvolumeclaims", &Defaults::default());
        assert_eq!(found["requests.storage"], thousandths("10Gi").unwrap());
        assert_eq!(found["fast.storageclass.storage.k8s.io/requests.storage"], thousandths("10Gi").unwrap());
        assert_eq!(found["persistentvolumeclaims"], 1000);
        let set = json!({ "apiVersion": "apps/v1", "kind": "StatefulSet", "spec": { "replicas": 2,
            "template": { "spec": {} }, "volumeClaimTemplates": [{ "spec": spec }] } });
        let found = of(&set, "statefulsets", &Defaults::default());
        assert_eq!(found["requests.storage"], thousandths("20Gi").unwrap());
        assert_eq!(found["persistentvolumeclaims"], 2000);
    }
}
