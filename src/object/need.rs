//! What objects take of their namespace's quotas, with the pods and claims that they are about to make.

use serde_json::{Value, json};

use super::{
    head,
    path::{at, int},
    usage::{self, Amounts},
};

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
                into.extend(usage::amounts(&limit[field]));
            }
        }
        for (name, amount) in &defaults.limits {
            defaults.requests.entry(name.clone()).or_insert(*amount);
        }
        defaults
    }

    /// A pod of this spec as a server would keep it: what its containers leave out is filled in.
    fn pod(&self, spec: &Value) -> Value {
        let mut spec = spec.clone();
        for field in ["containers", "initContainers"] {
            for container in spec.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten() {
                let mut limits = usage::amounts(&container["resources"]["limits"]);
                let mut requests = usage::amounts(&container["resources"]["requests"]);
                // what is limited and not asked for is asked for as far as its limit
                fill(&mut requests, &limits);
                fill(&mut requests, &self.requests);
                fill(&mut limits, &self.limits);
                if let Some(container) = container.as_object_mut() {
                    let resources = json!({ "requests": usage::written(&requests), "limits": usage::written(&limits) });
                    container.insert("resources".into(), resources);
                }
            }
        }
        json!({ "spec": spec })
    }
}

fn fill(into: &mut Amounts, from: &Amounts) {
    for (name, amount) in from {
        into.entry(name.clone()).or_insert(*amount);
    }
}

/// What an object takes, its pods and claims included. `plural` is its kind's plural.
pub fn of(object: &Value, plural: &str, defaults: &Defaults) -> Amounts {
    let group = head(object).group();
    let resource = if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") };
    if resource == "pods" {
        return usage::of("pods", &defaults.pod(&object["spec"]));
    }
    let mut all = usage::of(&resource, object);
    let count = pods(object);
    if count > 0 {
        let pod = usage::of("pods", &defaults.pod(&object["spec"]["template"]["spec"]));
        usage::add(&mut all, &times(pod, count));
        for template in at(object, "spec.volumeClaimTemplates").and_then(Value::as_array).into_iter().flatten() {
            usage::add(&mut all, &times(usage::of("persistentvolumeclaims", template), count));
        }
    }
    all
}

fn times(mut amounts: Amounts, count: i64) -> Amounts {
    for amount in amounts.values_mut() {
        *amount = amount.times(count);
    }
    amounts
}

/// How many pods a workload makes, as far as it says so itself.
fn pods(object: &Value) -> i64 {
    let replicas = |field: &str| int(object, field).unwrap_or(1).max(0);
    match (head(object).group(), head(object).kind()) {
        ("apps", "Deployment" | "StatefulSet" | "ReplicaSet") => replicas("spec.replicas"),
        ("batch", "Job") if object["spec"]["suspend"] != true => replicas("spec.parallelism"),
        _ => 0,
    }
}

/// What is taken after a change beyond what was taken before it.
#[must_use]
pub fn more(mut after: Amounts, before: &Amounts) -> Amounts {
    for (name, amount) in before {
        let entry = after.entry(name.clone()).or_default();
        *entry = entry.minus(*amount);
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Quantity;

    fn amount(text: &str) -> Quantity {
        Quantity::parse(text).expect("a quantity")
    }

    #[test]
    fn a_deployment_takes_its_pods_times_what_each_asks_for() {
        let container =
            json!({ "name": "c", "resources": { "requests": { "memory": "1Gi" }, "limits": { "cpu": "1" } } });
        let deployment = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "spec": { "replicas": 3, "template": {
            "spec": { "containers": [container], "initContainers": [
                { "name": "i", "resources": { "requests": { "memory": "2Gi" } } }] } } } });
        let found = of(&deployment, "deployments", &Defaults::default());
        assert_eq!((found["pods"], found["count/pods"]), (amount("3"), amount("3")));
        assert_eq!(found["requests.memory"], amount("6Gi"), "the largest of the init containers counts");
        assert_eq!(found["memory"].to_string(), "6Gi");
        assert_eq!(found["requests.cpu"], amount("3"), "a limit is a request where there is none");
        assert_eq!(found["limits.cpu"], amount("3"));
        assert_eq!(found["count/deployments.apps"], amount("1"));
    }

    #[test]
    fn what_a_container_leaves_out_comes_from_the_limit_range() {
        let ranges = [json!({ "spec": { "limits": [
            { "type": "Container", "default": { "memory": "512Mi" }, "defaultRequest": { "cpu": "100m" } },
            { "type": "Pod", "max": { "cpu": "1" } }] } })];
        let pod =
            json!({ "apiVersion": "v1", "kind": "Pod", "spec": { "containers": [{ "name": "a" }, { "name": "b" }] } });
        let found = of(&pod, "pods", &Defaults::of(&ranges));
        assert_eq!(found["requests.cpu"].to_string(), "200m");
        assert_eq!(found["limits.memory"], amount("1Gi"));
        assert_eq!(found["requests.memory"], amount("1Gi"));
        assert_eq!((found["pods"], found["count/pods"]), (amount("1"), amount("1")));
    }

    #[test]
    fn claims_count_where_they_are_made_and_where_a_stateful_set_makes_them() {
        let spec = json!({ "storageClassName": "fast", "resources": { "requests": { "storage": "10Gi" } } });
        let claim = json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": spec });
        let found = of(&claim, "persistentvolumeclaims", &Defaults::default());
        assert_eq!(found["requests.storage"], amount("10Gi"));
        assert_eq!(found["fast.storageclass.storage.k8s.io/requests.storage"], amount("10Gi"));
        assert_eq!(found["persistentvolumeclaims"], amount("1"));
        let set = json!({ "apiVersion": "apps/v1", "kind": "StatefulSet", "spec": { "replicas": 2,
            "template": { "spec": {} }, "volumeClaimTemplates": [{ "spec": spec }] } });
        let found = of(&set, "statefulsets", &Defaults::default());
        assert_eq!(found["requests.storage"], amount("20Gi"));
        assert_eq!(found["persistentvolumeclaims"], amount("2"));
    }

    #[test]
    fn a_change_takes_what_it_adds() {
        let pods = |count: &str| Amounts::from([("pods".to_owned(), amount(count))]);
        assert_eq!(more(pods("5"), &pods("3"))["pods"], amount("2"));
        assert!(more(Amounts::new(), &pods("3"))["pods"] < Quantity::default());
    }
}
