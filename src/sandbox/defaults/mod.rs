//! What a server fills in before it keeps an object of a built-in kind.

mod pods;

use serde_json::{Map, Value, json};

use super::kinds::Kind;
use super::meta;
use super::secrets;
use pods::{placed, pod, template};

fn default(object: &mut Value, path: &str, value: Value) {
    if meta::at(object, path).is_none_or(Value::is_null) {
        meta::set(object, path, value);
    }
}

fn defaults<const N: usize>(object: &mut Value, values: [(&str, Value); N]) {
    for (path, value) in values {
        default(object, path, value);
    }
}

/// The items of a list that are maps.
fn items<'a>(object: &'a mut Value, pointer: &str) -> impl Iterator<Item = &'a mut Value> {
    object.pointer_mut(pointer).and_then(Value::as_array_mut).into_iter().flatten().filter(|item| item.is_object())
}

/// Fills in what a server fills in; whoever writes the object owns these fields.
pub(crate) fn fill(kind: &Kind, object: &mut Value) {
    if kind.is_custom() {
        return;
    }
    match kind.resource().as_str() {
        "secrets" => {
            secrets::fold_string_data(object);
            default(object, "type", "Opaque".into());
        }
        "namespaces" => {
            let name = meta::name(object).to_owned();
            let metadata = meta::metadata_mut(object);
            let labels = meta::map_mut(metadata.entry("labels").or_insert(Value::Null));
            labels.insert("kubernetes.io/metadata.name".into(), name.into());
        }
        "pods" => pod(object),
        "podtemplates" => template(object, "/template"),
        "services" => service(object),
        "persistentvolumeclaims" => default(object, "spec.volumeMode", "Filesystem".into()),
        "persistentvolumes" => {
            defaults(
                object,
                [("spec.persistentVolumeReclaimPolicy", "Retain".into()), ("spec.volumeMode", "Filesystem".into())],
            );
            if object["spec"]["hostPath"].is_object() {
                default(object, "spec.hostPath.type", "".into());
            }
        }
        "endpoints" => {
            for subset in items(object, "/subsets") {
                items(subset, "/ports").for_each(|port| default(port, "protocol", "TCP".into()));
            }
        }
        "limitranges" => items(object, "/spec/limits").for_each(limit),
        "poddisruptionbudgets.policy"
        | "rolebindings.rbac.authorization.k8s.io"
        | "clusterrolebindings.rbac.authorization.k8s.io" => binding(object),
        "horizontalpodautoscalers.autoscaling" => autoscaler(object),
        "networkpolicies.networking.k8s.io" => network_policy(object),
        "storageclasses.storage.k8s.io" => {
            defaults(object, [("reclaimPolicy", "Delete".into()), ("volumeBindingMode", "Immediate".into())]);
        }
        "customresourcedefinitions.apiextensions.k8s.io" => {
            let kind = object["spec"]["names"]["kind"].as_str().unwrap_or_default().to_owned();
            if !kind.is_empty() {
                default(object, "spec.names.listKind", format!("{kind}List").into());
                default(object, "spec.names.singular", kind.to_lowercase().into());
            }
            if object["spec"].is_object() {
                default(object, "spec.conversion.strategy", "None".into());
            }
        }
        "priorityclasses.scheduling.k8s.io" => default(object, "preemptionPolicy", "PreemptLowerPriority".into()),
        "replicationcontrollers" => {
            default(object, "spec.replicas", 1.into());
            template(object, "/spec/template");
        }
        _ => workload(kind, object),
    }
}

fn workload(kind: &Kind, object: &mut Value) {
    match kind.resource().as_str() {
        "deployments.apps" => {
            defaults(
                object,
                [
                    ("spec.replicas", 1.into()),
                    ("spec.revisionHistoryLimit", 10.into()),
                    ("spec.progressDeadlineSeconds", 600.into()),
                    ("spec.strategy.type", "RollingUpdate".into()),
                ],
            );
            if object["spec"]["strategy"]["type"] == "RollingUpdate" {
                default(object, "spec.strategy.rollingUpdate.maxSurge", "25%".into());
                default(object, "spec.strategy.rollingUpdate.maxUnavailable", "25%".into());
            }
        }
        "statefulsets.apps" => {
            defaults(
                object,
                [
                    ("spec.replicas", 1.into()),
                    ("spec.podManagementPolicy", "OrderedReady".into()),
                    ("spec.revisionHistoryLimit", 10.into()),
                    ("spec.updateStrategy.type", "RollingUpdate".into()),
                    ("spec.persistentVolumeClaimRetentionPolicy.whenDeleted", "Retain".into()),
                    ("spec.persistentVolumeClaimRetentionPolicy.whenScaled", "Retain".into()),
                ],
            );
            if object["spec"]["updateStrategy"]["type"] == "RollingUpdate" {
                default(object, "spec.updateStrategy.rollingUpdate.partition", 0.into());
            }
            for claim in items(object, "/spec/volumeClaimTemplates") {
                defaults(
                    claim,
                    [
                        ("apiVersion", "v1".into()),
                        ("kind", "PersistentVolumeClaim".into()),
                        ("spec.volumeMode", "Filesystem".into()),
                        ("status.phase", "Pending".into()),
                    ],
                );
            }
        }
        "daemonsets.apps" => {
            let annotations = &mut object["metadata"]["annotations"];
            meta::map_mut(annotations).entry("deprecated.daemonset.template.generation").or_insert("1".into());
            defaults(
                object,
                [("spec.revisionHistoryLimit", 10.into()), ("spec.updateStrategy.type", "RollingUpdate".into())],
            );
            if object["spec"]["updateStrategy"]["type"] == "RollingUpdate" {
                default(object, "spec.updateStrategy.rollingUpdate.maxUnavailable", 1.into());
                default(object, "spec.updateStrategy.rollingUpdate.maxSurge", 0.into());
            }
        }
        "replicasets.apps" => default(object, "spec.replicas", 1.into()),
        "jobs.batch" => job(object),
        "cronjobs.batch" => {
            defaults(
                object,
                [
                    ("spec.concurrencyPolicy", "Allow".into()),
                    ("spec.suspend", false.into()),
                    ("spec.successfulJobsHistoryLimit", 3.into()),
                    ("spec.failedJobsHistoryLimit", 1.into()),
                ],
            );
            template(object, "/spec/jobTemplate/spec/template");
            return;
        }
        _ => return,
    }
    template(object, "/spec/template");
}

fn job(object: &mut Value) {
    if object["spec"]["completions"].is_null() && object["spec"]["parallelism"].is_null() {
        default(object, "spec.completions", 1.into());
    }
    defaults(
        object,
        [
            ("spec.parallelism", 1.into()),
            ("spec.backoffLimit", 6.into()),
            ("spec.completionMode", "NonIndexed".into()),
            ("spec.suspend", false.into()),
            ("spec.podReplacementPolicy", "TerminatingOrFailed".into()),
            ("spec.manualSelector", false.into()),
        ],
    );
}

fn service(service: &mut Value) {
    defaults(service, [("spec.type", "ClusterIP".into()), ("spec.sessionAffinity", "None".into())]);
    let sort = service["spec"]["type"].as_str().unwrap_or_default().to_owned();
    if sort != "ExternalName" {
        default(service, "spec.internalTrafficPolicy", "Cluster".into());
    }
    if matches!(sort.as_str(), "NodePort" | "LoadBalancer") {
        default(service, "spec.externalTrafficPolicy", "Cluster".into());
    }
    if sort == "LoadBalancer" {
        default(service, "spec.allocateLoadBalancerNodePorts", true.into());
    }
    if service["spec"]["sessionAffinity"] == "ClientIP" {
        default(service, "spec.sessionAffinityConfig.clientIP.timeoutSeconds", 10800.into());
    }
    for port in items(service, "/spec/ports") {
        default(port, "protocol", "TCP".into());
        let number = port["port"].clone();
        if port["targetPort"].is_null() || port["targetPort"] == 0 {
            meta::set(port, "targetPort", number);
        }
    }
}

/// A limit of containers: what is not said follows from what is.
fn limit(limit: &mut Value) {
    if limit["type"] != "Container" {
        return;
    }
    for (from, to) in [("max", "default"), ("default", "defaultRequest"), ("min", "defaultRequest")] {
        for (name, value) in limit[from].as_object().cloned().unwrap_or_default() {
            meta::map_mut(&mut limit[to]).entry(name).or_insert(value);
        }
    }
}

fn binding(object: &mut Value) {
    if object["roleRef"].is_object() && object["roleRef"]["apiGroup"].as_str().is_none_or(str::is_empty) {
        meta::set(object, "roleRef.apiGroup", "rbac.authorization.k8s.io".into());
    }
    for subject in items(object, "/subjects") {
        if matches!(subject["kind"].as_str(), Some("User" | "Group")) {
            default(subject, "apiGroup", "rbac.authorization.k8s.io".into());
        }
    }
}

fn autoscaler(object: &mut Value) {
    default(object, "spec.minReplicas", 1.into());
    default(
        object,
        "spec.metrics",
        json!([{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]),
    );
    if object["spec"]["behavior"].is_object() {
        let percent = json!({"type": "Percent", "value": 100, "periodSeconds": 15});
        let pods = json!({"type": "Pods", "value": 4, "periodSeconds": 15});
        defaults(
            object,
            [
                ("spec.behavior.scaleUp.stabilizationWindowSeconds", 0.into()),
                ("spec.behavior.scaleUp.selectPolicy", "Max".into()),
                ("spec.behavior.scaleUp.policies", json!([pods, percent])),
                ("spec.behavior.scaleDown.selectPolicy", "Max".into()),
                ("spec.behavior.scaleDown.policies", json!([percent])),
            ],
        );
    }
}

fn network_policy(object: &mut Value) {
    let spec = &mut object["spec"];
    if spec.is_object() && spec["policyTypes"].is_null() {
        let outgoing = spec["egress"].as_array().is_some_and(|rules| !rules.is_empty());
        spec["policyTypes"] = if outgoing { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
    }
    for list in ["/spec/ingress", "/spec/egress"] {
        for rule in items(object, list) {
            items(rule, "/ports").for_each(|port| default(port, "protocol", "TCP".into()));
        }
    }
}

/// Fills in what a server decides itself: nobody owns these fields.
pub(crate) fn decide(kind: &Kind, object: &mut Value) {
    if kind.is_custom() {
        return;
    }
    match kind.resource().as_str() {
        "namespaces" if !meta::is_terminating(object) => {
            default(object, "spec.finalizers", json!(["kubernetes"]));
            default(object, "status.phase", "Active".into());
        }
        "services" => {
            assign_address(object);
            default(object, "status.loadBalancer", json!({}));
        }
        "pods" => placed(object),
        "jobs.batch" => selected(object),
        "events" => {
            for field in ["eventTime", "firstTimestamp", "lastTimestamp"] {
                meta::map_mut(object).entry(field).or_insert(Value::Null);
            }
        }
        "horizontalpodautoscalers.autoscaling" if object["status"].is_object() => {
            meta::map_mut(&mut object["status"]).entry("currentMetrics").or_insert(Value::Null);
        }
        "roles.rbac.authorization.k8s.io" | "clusterroles.rbac.authorization.k8s.io" => {
            meta::map_mut(object).entry("rules").or_insert(Value::Null);
        }
        "nodes" if meta::resource_version(object).is_empty() && object["spec"]["taints"].is_null() => {
            meta::set(object, "spec.taints", json!([{"effect": "NoSchedule", "key": "node.kubernetes.io/not-ready"}]));
        }
        "persistentvolumeclaims" => {
            default(object, "status.phase", "Pending".into());
            protected(object, "kubernetes.io/pvc-protection");
        }
        "persistentvolumes" => {
            if object["status"]["phase"].is_null() {
                meta::set(object, "status.phase", "Pending".into());
                meta::set(object, "status.lastPhaseTransitionTime", meta::now().into());
            }
            protected(object, "kubernetes.io/pv-protection");
        }
        _ => {}
    }
}

/// Keeps a new object from going while something uses it; on its way out that is over.
fn protected(object: &mut Value, finalizer: &str) {
    let fresh = meta::resource_version(object).is_empty() && !meta::is_terminating(object);
    if fresh {
        let list = &mut object["metadata"]["finalizers"];
        match list.as_array_mut() {
            Some(list) if list.iter().any(|f| f == finalizer) => {}
            Some(list) => list.push(finalizer.into()),
            None => *list = json!([finalizer]),
        }
    }
}

/// The selector of a job, and the labels that its pods get for it.
fn selected(job: &mut Value) {
    if job["spec"]["manualSelector"] == true || !job["spec"]["selector"].is_null() {
        return;
    }
    let (uid, name) = (meta::uid(job).to_owned(), meta::name(job).to_owned());
    meta::set(job, "spec.selector", json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}));
    let labels = meta::map_mut(&mut job["spec"]["template"]["metadata"]).entry("labels").or_insert(Value::Null);
    let labels = meta::map_mut(labels);
    for (key, value) in [
        ("batch.kubernetes.io/controller-uid", &uid),
        ("controller-uid", &uid),
        ("batch.kubernetes.io/job-name", &name),
        ("job-name", &name),
    ] {
        labels.insert(key.to_owned(), value.clone().into());
    }
    let labels = labels.clone();
    if job["metadata"]["labels"].as_object().is_none_or(Map::is_empty) {
        job["metadata"]["labels"] = Value::Object(labels);
    }
}

fn assign_address(service: &mut Value) {
    // Derived from the UID: stable, and no table of addresses is needed.
    let uid = meta::uid(service).replace('-', "");
    let part = |at: usize| uid.get(at..at + 2).and_then(|hex| u8::from_str_radix(hex, 16).ok()).unwrap_or(1);
    let sort = service["spec"]["type"].as_str().unwrap_or_default().to_owned();
    if sort == "ExternalName" {
        return;
    }
    if meta::at(service, "spec.clusterIP").and_then(Value::as_str).is_none_or(str::is_empty) {
        meta::set(service, "spec.clusterIP", format!("10.96.{}.{}", part(0), part(2)).into());
    }
    let address = service["spec"]["clusterIP"].clone();
    let unselected = address == "None" && service["spec"]["selector"].is_null();
    defaults(
        service,
        [
            ("spec.clusterIPs", json!([address])),
            ("spec.ipFamilies", json!(["IPv4"])),
            ("spec.ipFamilyPolicy", if unselected { "RequireDualStack" } else { "SingleStack" }.into()),
        ],
    );
    if matches!(sort.as_str(), "NodePort" | "LoadBalancer") {
        let base = 30000 + i64::from(part(4)) * 10;
        for (place, port) in items(service, "/spec/ports").enumerate() {
            let number = base + i64::try_from(place % 160).unwrap_or_default();
            if port["nodePort"].is_null() || port["nodePort"] == 0 {
                meta::set(port, "nodePort", number.into());
            }
        }
    }
}
