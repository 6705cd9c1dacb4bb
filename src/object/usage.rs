//! What an object uses of what a namespace has: counts, storage, and the compute resources of Pods, by the names under
//! which a quota limits them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Quantity;

/// Amounts by the name of what they are of.
pub type Amounts = BTreeMap<String, Quantity>;

/// What a name stands for when it is asked of a storage class.
const OF_CLASS: &str = ".storageclass.storage.k8s.io/";

/// The amounts in a map such as `requests`.
pub fn amounts(map: &Value) -> Amounts {
    let entries = map.as_object().into_iter().flatten();
    entries.map(|(name, value)| (name.clone(), quantity(value).unwrap_or_default())).collect()
}

/// A quantity, which may be written as a number.
pub fn quantity(value: &Value) -> Option<Quantity> {
    value.as_str().map_or_else(|| value.as_i64().and_then(|n| Quantity::parse(&n.to_string())), Quantity::parse)
}

/// Adds amounts to others.
pub fn add(sum: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let entry = sum.entry(name.clone()).or_default();
        *entry = entry.plus(*amount);
    }
}

fn raise(most: &mut Amounts, other: &Amounts) {
    for (name, amount) in other {
        let entry = most.entry(name.clone()).or_insert(*amount);
        *entry = (*entry).max(*amount);
    }
}

/// What all containers of a Pod ask for together (`requests`), or may use (`limits`): init containers run one after the
/// other before the rest, those that are restarted always run on beside it.
pub fn of_pod(pod: &Value, field: &str) -> Amounts {
    let list = |name: &str| pod["spec"][name].as_array().into_iter().flatten();
    let (mut together, mut beside, mut before) = (Amounts::new(), Amounts::new(), Amounts::new());
    for container in list("containers") {
        add(&mut together, &amounts(&container["resources"][field]));
    }
    for container in list("initContainers") {
        let own = amounts(&container["resources"][field]);
        if container["restartPolicy"] == "Always" {
            add(&mut together, &own);
            add(&mut beside, &own);
            raise(&mut before, &beside);
        } else {
            let mut now = own;
            add(&mut now, &beside);
            raise(&mut before, &now);
        }
    }
    raise(&mut together, &before);
    let overhead = amounts(&pod["spec"]["overhead"]);
    if field == "requests" || !together.is_empty() {
        add(&mut together, &overhead);
    }
    together
}

/// Whether a Pod uses nothing any more.
fn is_over(pod: &Value) -> bool {
    matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}

/// The resource whose objects a quota's name is about.
pub fn about(name: &str) -> Option<&str> {
    if let Some(counted) = name.strip_prefix("count/") {
        return Some(counted);
    }
    if name == "requests.storage" || name.contains(OF_CLASS) {
        return Some("persistentvolumeclaims");
    }
    match name {
        "configmaps"
        | "persistentvolumeclaims"
        | "replicationcontrollers"
        | "resourcequotas"
        | "secrets"
        | "services" => Some(name),
        "services.loadbalancers" | "services.nodeports" => Some("services"),
        "pods" | "cpu" | "memory" | "ephemeral-storage" => Some("pods"),
        _ if ["requests.", "limits.", "hugepages-"].iter().any(|start| name.starts_with(start)) => Some("pods"),
        _ => None,
    }
}

/// What an object counts as.
pub fn of(resource: &str, object: &Value) -> Amounts {
    let mut used = Amounts::from([(format!("count/{resource}"), Quantity::count(1))]);
    let mut count = |name: &str, number: usize| used.insert(name.to_owned(), Quantity::count(number));
    match resource {
        "pods" if is_over(object) => {}
        "pods" => {
            count("pods", 1);
            compute(object, &mut used);
        }
        "persistentvolumeclaims" => {
            count(resource, 1);
            let storage = quantity(&object["spec"]["resources"]["requests"]["storage"]).unwrap_or_default();
            used.insert("requests.storage".into(), storage);
            if let Some(class) = object["spec"]["storageClassName"].as_str().filter(|class| !class.is_empty()) {
                used.insert(format!("{class}{OF_CLASS}{resource}"), Quantity::count(1));
                used.insert(format!("{class}{OF_CLASS}requests.storage"), storage);
            }
        }
        "services" => {
            count(resource, 1);
            let ports = object["spec"]["ports"].as_array().map_or(0, Vec::len);
            let sort = object["spec"]["type"].as_str();
            let balanced = sort == Some("LoadBalancer");
            let opened = sort == Some("NodePort")
                || balanced && object["spec"]["allocateLoadBalancerNodePorts"].as_bool().unwrap_or(true);
            count("services.loadbalancers", usize::from(balanced));
            count("services.nodeports", if opened { ports } else { 0 });
        }
        other if about(other) == Some(other) => {
            count(other, 1);
        }
        _ => {}
    }
    used
}

fn compute(pod: &Value, used: &mut Amounts) {
    for (name, amount) in of_pod(pod, "requests") {
        if matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") || name.starts_with("hugepages-") {
            used.insert(name.clone(), amount);
        }
        used.insert(format!("requests.{name}"), amount);
    }
    for (name, amount) in of_pod(pod, "limits") {
        if matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") {
            used.insert(format!("limits.{name}"), amount);
        }
    }
}

/// Whether one of a quota's scopes has room for a Pod; of other kinds none has.
fn in_scope(resource: &str, object: &Value, scope: &Value) -> bool {
    if resource != "pods" {
        return false;
    }
    let spec = &object["spec"];
    let terminating = spec["activeDeadlineSeconds"].as_i64().is_some_and(|seconds| seconds >= 0);
    let best_effort = || of_pod(object, "requests").is_empty() && of_pod(object, "limits").is_empty();
    match scope["scopeName"].as_str() {
        Some("Terminating") => terminating,
        Some("NotTerminating") => !terminating,
        Some("BestEffort") => best_effort(),
        Some("NotBestEffort") => !best_effort(),
        Some("PriorityClass") => {
            let class = spec["priorityClassName"].as_str().filter(|class| !class.is_empty());
            let listed =
                || class.is_some_and(|class| scope["values"].as_array().is_some_and(|v| v.contains(&class.into())));
            match scope["operator"].as_str() {
                Some("In") => listed(),
                Some("NotIn") => !listed(),
                Some("DoesNotExist") => class.is_none(),
                _ => class.is_some(),
            }
        }
        _ => false,
    }
}

/// Whether an object falls under a quota.
pub fn falls_under(resource: &str, object: &Value, quota: &Value) -> bool {
    let spec = &quota["spec"];
    let plain = spec["scopes"].as_array().into_iter().flatten();
    let plain = plain.map(|name| serde_json::json!({"scopeName": name, "operator": "Exists"}));
    let selected = spec["scopeSelector"]["matchExpressions"].as_array().into_iter().flatten().cloned();
    plain.chain(selected).all(|scope| in_scope(resource, object, &scope))
}

/// What of the names under a quota's `hard` the objects that `list` gives use.
pub fn of_namespace(quota: &Value, hard: &Amounts, list: impl Fn(&str) -> Vec<std::sync::Arc<Value>>) -> Amounts {
    let mut used: Amounts = hard.keys().map(|name| (name.clone(), Quantity::default())).collect();
    let mut resources: Vec<&str> = hard.keys().filter_map(|name| about(name)).collect();
    resources.sort_unstable();
    resources.dedup();
    for resource in resources {
        for object in list(resource) {
            if falls_under(resource, &object, quota) {
                let mut own = of(resource, &object);
                own.retain(|name, _| hard.contains_key(name));
                add(&mut used, &own);
            }
        }
    }
    used
}

/// Amounts as an object keeps them.
pub fn written(amounts: &Amounts) -> Value {
    amounts
        .iter()
        .map(|(name, amount)| (name.clone(), Value::from(amount.to_string())))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(amounts: &Amounts) -> String {
        amounts.iter().map(|(name, amount)| format!("{name}={amount}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_pod_uses_what_runs_at_the_same_time() {
        let of = |cpu: &str| json!({"resources": {"requests": {"cpu": cpu}}});
        let mut beside = of("100m");
        beside["restartPolicy"] = "Always".into();
        let pod = |init: Value| json!({"spec": {"containers": [of("1"), of("500m")], "initContainers": init}});
        assert_eq!(shown(&of_pod(&pod(json!([])), "requests")), "cpu=1500m");
        assert_eq!(shown(&of_pod(&pod(json!([of("2"), of("1")])), "requests")), "cpu=2");
        assert_eq!(shown(&of_pod(&pod(json!([beside, of("2")])), "requests")), "cpu=2100m");
        assert_eq!(shown(&of_pod(&pod(json!([beside])), "requests")), "cpu=1600m");
    }

    #[test]
    fn a_claim_counts_for_its_class_too() {
        let claim = json!({"spec": {"storageClassName": "fast", "resources": {"requests": {"storage": "1Gi"}}}});
        assert_eq!(
            shown(&super::of("persistentvolumeclaims", &claim)),
            "count/persistentvolumeclaims=1 fast.storageclass.storage.k8s.io/persistentvolumeclaims=1 \
             fast.storageclass.storage.k8s.io/requests.storage=1Gi persistentvolumeclaims=1 requests.storage=1Gi"
        );
    }

    #[test]
    fn a_scope_keeps_pods_apart() {
        let quota = |scope: &str| json!({"spec": {"scopes": [scope]}});
        let plain = json!({"spec": {"containers": [{}]}});
        let asking =
            json!({"spec": {"activeDeadlineSeconds": 5, "containers": [{"resources": {"limits": {"cpu": "1"}}}]}});
        for (scope, of_plain, of_asking) in [
            ("BestEffort", true, false),
            ("NotBestEffort", false, true),
            ("Terminating", false, true),
            ("NotTerminating", true, false),
        ] {
            assert_eq!(falls_under("pods", &plain, &quota(scope)), of_plain, "{scope}");
            assert_eq!(falls_under("pods", &asking, &quota(scope)), of_asking, "{scope}");
        }
        assert!(!falls_under("configmaps", &plain, &quota("BestEffort")));
        assert!(falls_under("configmaps", &plain, &json!({"spec": {}})));
    }
}
