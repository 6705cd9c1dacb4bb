//! What a server fills in below a pod's spec, and what it decides for a new pod.

use serde_json::{Value, json};

use super::super::meta;
use super::{default, defaults, items};

pub(super) fn template(object: &mut Value, pointer: &str) {
    if let Some(template) = object.pointer_mut(pointer).filter(|template| template["spec"].is_object()) {
        pod_spec(template);
    }
}

pub(super) fn pod(object: &mut Value) {
    if !object["spec"].is_object() {
        return;
    }
    default(object, "spec.enableServiceLinks", true.into());
    pod_spec(object);
    for list in ["/spec/containers", "/spec/initContainers"] {
        for container in items(object, list) {
            let limits = container["resources"]["limits"].as_object().cloned().unwrap_or_default();
            for (name, value) in limits {
                let requests = &mut container["resources"]["requests"];
                meta::map_mut(requests).entry(name).or_insert(value);
            }
        }
    }
}

/// The defaults of what is below `spec` of a pod or a pod's template.
fn pod_spec(pod: &mut Value) {
    defaults(
        pod,
        [
            ("spec.restartPolicy", json!("Always")),
            ("spec.terminationGracePeriodSeconds", json!(30)),
            ("spec.dnsPolicy", json!("ClusterFirst")),
            ("spec.schedulerName", json!("default-scheduler")),
            ("spec.securityContext", json!({})),
        ],
    );
    if let Some(account) = pod["spec"]["serviceAccountName"].as_str().map(str::to_owned) {
        default(pod, "spec.serviceAccount", account.into());
    }
    // In a template it is the registry that does this.
    let host = pod["spec"]["hostNetwork"] == true && pod["kind"] == "Pod";
    for list in ["/spec/containers", "/spec/initContainers", "/spec/ephemeralContainers"] {
        items(pod, list).for_each(|one| container(one, host));
    }
    items(pod, "/spec/volumes").for_each(volume);
}

fn container(container: &mut Value, host: bool) {
    let image = container["image"].as_str().unwrap_or_default();
    let newest = image.ends_with(":latest") || !image.rsplit('/').next().unwrap_or_default().contains([':', '@']);
    defaults(
        container,
        [
            ("imagePullPolicy", if newest { "Always" } else { "IfNotPresent" }.into()),
            ("terminationMessagePath", "/dev/termination-log".into()),
            ("terminationMessagePolicy", "File".into()),
            ("resources", json!({})),
        ],
    );
    for port in items(container, "/ports") {
        default(port, "protocol", "TCP".into());
        if host {
            host_port(port);
        }
    }
    for variable in items(container, "/env") {
        if variable["valueFrom"]["fieldRef"].is_object() {
            default(variable, "valueFrom.fieldRef.apiVersion", "v1".into());
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(probe).filter(|probe| probe.is_object()) {
            defaults(
                probe,
                [
                    ("timeoutSeconds", 1.into()),
                    ("periodSeconds", 10.into()),
                    ("successThreshold", 1.into()),
                    ("failureThreshold", 3.into()),
                ],
            );
            handler(probe);
            if probe["grpc"].is_object() {
                default(probe, "grpc.service", "".into());
            }
        }
    }
    for hook in ["postStart", "preStop"] {
        if let Some(hook) = container.get_mut("lifecycle").and_then(|hooks| hooks.get_mut(hook)) {
            handler(hook);
        }
    }
}

fn host_port(port: &mut Value) {
    let number = port["containerPort"].clone();
    default(port, "hostPort", number);
}

fn handler(handler: &mut Value) {
    if handler["httpGet"].is_object() {
        default(handler, "httpGet.path", "/".into());
        default(handler, "httpGet.scheme", "HTTP".into());
    }
}

fn volume(volume: &mut Value) {
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        if volume[source].is_object() {
            default(&mut volume[source], "defaultMode", 420.into());
        }
    }
    let fields = |item: &mut Value| {
        if item["fieldRef"].is_object() {
            default(item, "fieldRef.apiVersion", "v1".into());
        }
    };
    items(volume, "/downwardAPI/items").for_each(fields);
    for source in items(volume, "/projected/sources") {
        items(source, "/downwardAPI/items").for_each(fields);
        if source["serviceAccountToken"].is_object() {
            default(source, "serviceAccountToken.expirationSeconds", 3600.into());
        }
    }
    if volume["hostPath"].is_object() {
        default(volume, "hostPath.type", "".into());
    }
}

/// What admission and the registry write into a new pod.
pub(super) fn placed(pod: &mut Value) {
    if !pod["spec"].is_object() {
        return;
    }
    defaults(
        pod,
        [
            ("spec.serviceAccountName", "default".into()),
            ("spec.priority", 0.into()),
            ("spec.preemptionPolicy", "PreemptLowerPriority".into()),
            ("status.phase", "Pending".into()),
        ],
    );
    let account = pod["spec"]["serviceAccountName"].clone();
    default(pod, "spec.serviceAccount", account);
    let class = class_of(pod);
    default(pod, "status.qosClass", class.into());
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let known = pod["spec"]["tolerations"].as_array();
        let tolerates = |t: &Value| {
            (t["key"] == key || (t["key"].is_null() && t["operator"] == "Exists"))
                && (t["effect"].is_null() || t["effect"] == "NoExecute")
        };
        if !known.is_some_and(|list| list.iter().any(tolerates)) {
            let toleration = json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300});
            match pod["spec"]["tolerations"].as_array_mut() {
                Some(list) => list.push(toleration),
                None => pod["spec"]["tolerations"] = json!([toleration]),
            }
        }
    }
}

fn class_of(pod: &Value) -> &'static str {
    let lists = ["containers", "initContainers"].map(|list| pod["spec"][list].as_array());
    let all: Vec<&Value> = lists.into_iter().flatten().flatten().collect();
    let some = |part: &str| all.iter().any(|c| c["resources"][part].as_object().is_some_and(|map| !map.is_empty()));
    if !some("limits") && !some("requests") {
        return "BestEffort";
    }
    let guaranteed = all.iter().all(|container| {
        let (limits, requests) = (&container["resources"]["limits"], &container["resources"]["requests"]);
        ["cpu", "memory"].iter().all(|name| !limits[*name].is_null() && limits[*name] == requests[*name])
    });
    if guaranteed { "Guaranteed" } else { "Burstable" }
}
