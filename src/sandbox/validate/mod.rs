//! What is wrong with an object beyond its schema: the checks that a server's code makes for the commonest kinds.

mod amounts;

use std::collections::BTreeSet;

use serde_json::Value;

use super::admit;
use super::kinds::Kind;
use super::selector::selects;
use super::status::Cause;

fn texts<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = (usize, &'a Value)> {
    value[field].as_array().into_iter().flatten().enumerate()
}

fn of_choice(field: &str, value: &Value, choices: &[&str]) -> Option<Cause> {
    let text = value.as_str()?;
    if text.is_empty() || choices.contains(&text) {
        return None;
    }
    let shown: Vec<String> = choices.iter().map(|choice| format!("{choice:?}")).collect();
    Some(Cause {
        reason: "FieldValueNotSupported",
        field: field.to_owned(),
        message: format!("Unsupported value: {text:?}: supported values: {}", shown.join(", ")),
    })
}

fn not_negative(field: &str, value: &Value) -> Option<Cause> {
    let number = value.as_i64().filter(|number| *number < 0)?;
    Some(Cause::invalid(field, &number.into(), "must be greater than or equal to 0"))
}

fn port(field: &str, value: &Value) -> Option<Cause> {
    let number = value.as_i64().filter(|number| !(1..=65535).contains(number))?;
    Some(Cause::invalid(field, &number.into(), "must be between 1 and 65535, inclusive"))
}

/// What is wrong with any object's metadata.
pub(crate) fn metadata(object: &Value) -> Vec<Cause> {
    let mut found = Vec::new();
    let metadata = &object["metadata"];
    for (key, value) in metadata["labels"].as_object().into_iter().flatten() {
        found.extend(admit::label_key_misfit("metadata.labels", key));
        found.extend(admit::label_value_misfit("metadata.labels", value.as_str().unwrap_or_default()));
    }
    for (key, _) in metadata["annotations"].as_object().into_iter().flatten() {
        found.extend(
            admit::label_key_misfit("metadata.annotations", &key.to_lowercase())
                .map(|cause| Cause { message: cause.message.replacen(&key.to_lowercase(), key, 1), ..cause }),
        );
    }
    for (place, finalizer) in list(metadata, "finalizers") {
        let text = finalizer.as_str().unwrap_or_default();
        found.extend(admit::label_key_misfit("metadata.finalizers", text));
        if !text.contains('/') && !matches!(text, "orphan" | "foregroundDeletion" | "kubernetes") {
            let what = "name is neither a standard finalizer name nor is it fully qualified";
            found.push(Cause::invalid(&format!("metadata.finalizers[{place}]"), &text.into(), what));
        }
    }
    for (_, owner) in list(metadata, "ownerReferences") {
        for field in ["apiVersion", "kind", "name", "uid"] {
            if texts(owner, field).is_empty() {
                let what = if field == "apiVersion" { "version must not be empty" } else { "must not be empty" };
                let path = format!("metadata.ownerReferences.{field}");
                found.push(Cause::invalid(&path, &"".into(), what));
            }
        }
    }
    let controllers: Vec<&Value> =
        list(metadata, "ownerReferences").map(|(_, owner)| owner).filter(|owner| owner["controller"] == true).collect();
    if controllers.len() > 1 {
        let shown = metadata["ownerReferences"].clone();
        let what = format!(
            "Only one reference can have Controller set to true. Found \"true\" in references for {} and {}",
            shown_owner(controllers[0]),
            shown_owner(controllers[1])
        );
        found.push(Cause::invalid("metadata.ownerReferences", &shown, &what));
    }
    found
}

fn shown_owner(owner: &Value) -> String {
    format!("{}/{}", texts(owner, "kind"), texts(owner, "name"))
}

/// What is wrong with an object of a built-in kind.
pub(crate) fn misfits(kind: &Kind, object: &Value) -> Vec<Cause> {
    if kind.is_custom() {
        return Vec::new();
    }
    let mut found = Vec::new();
    let spec = &object["spec"];
    match kind.resource().as_str() {
        "deployments.apps" | "statefulsets.apps" | "daemonsets.apps" | "replicasets.apps" => {
            found.extend(not_negative("spec.replicas", &spec["replicas"]));
            workload(spec, &mut found);
        }
        "pods" => pod("spec", spec, &["Always", "OnFailure", "Never"], &mut found),
        "jobs.batch" => job("spec", spec, &mut found),
        "cronjobs.batch" => {
            if texts(spec, "schedule").is_empty() {
                found.push(Cause::required("spec.schedule", ""));
            } else if !is_schedule(texts(spec, "schedule")) {
                let count = texts(spec, "schedule").split_whitespace().count();
                let what = format!("expected exactly 5 fields, found {count}: [{}]", texts(spec, "schedule"));
                found.push(Cause::invalid("spec.schedule", &spec["schedule"], &what));
            }
            job("spec.jobTemplate.spec", &spec["jobTemplate"]["spec"], &mut found);
        }
        "services" => service(spec, &mut found),
        "configmaps" => {
            for part in ["data", "binaryData"] {
                for (key, _) in object[part].as_object().into_iter().flatten() {
                    found.extend(config_key(&format!("{part}[{key}]"), key));
                }
            }
        }
        "secrets" => secret(object, &mut found),
        "persistentvolumeclaims" => claim(spec, &mut found),
        "resourcequotas" => amounts::quota(spec, &mut found),
        "limitranges" => amounts::limits(spec, &mut found),
        "horizontalpodautoscalers.autoscaling" => amounts::autoscaler(spec, &mut found),
        "rolebindings.rbac.authorization.k8s.io" | "clusterrolebindings.rbac.authorization.k8s.io" => {
            binding(object, &mut found);
        }
        "roles.rbac.authorization.k8s.io" | "clusterroles.rbac.authorization.k8s.io" => {
            for (place, rule) in list(object, "rules") {
                if rule["verbs"].as_array().is_none_or(Vec::is_empty) {
                    found.push(Cause::required(
                        &format!("rules[{place}].verbs"),
                        "verbs must contain at least one value",
                    ));
                }
                let empty = |field: &str| rule[field].as_array().is_none_or(Vec::is_empty);
                if empty("nonResourceURLs") {
                    for (field, what) in [
                        ("apiGroups", "resource rules must supply at least one api group"),
                        ("resources", "resource rules must supply at least one resource"),
                    ] {
                        if empty(field) {
                            found.push(Cause::required(&format!("rules[{place}].{field}"), what));
                        }
                    }
                }
            }
        }
        "ingresses.networking.k8s.io" => ingress(spec, &mut found),
        "poddisruptionbudgets.policy" if !spec["minAvailable"].is_null() && !spec["maxUnavailable"].is_null() => {
            found.push(Cause {
                reason: "FieldValueInvalid",
                field: "spec".into(),
                message: "Invalid value: {}: minAvailable and maxUnavailable cannot be both set".into(),
            });
        }
        "storageclasses.storage.k8s.io" if texts(object, "provisioner").is_empty() => {
            found.push(Cause::required("provisioner", ""));
        }
        _ => {}
    }
    found
}

fn workload(spec: &Value, found: &mut Vec<Cause>) {
    let selector = &spec["selector"];
    let empty = |field: &str| {
        selector[field].as_object().is_none_or(serde_json::Map::is_empty)
            && selector[field].as_array().is_none_or(Vec::is_empty)
    };
    if selector.is_null() {
        found.push(Cause::required("spec.selector", ""));
    } else if empty("matchLabels") && empty("matchExpressions") {
        found.push(Cause::invalid("spec.selector", selector, "empty selector is invalid for deployment"));
    }
    let labels = &spec["template"]["metadata"]["labels"];
    if selector.is_null() || !selects(selector, labels) {
        let what = "`selector` does not match template `labels`";
        found.push(Cause::invalid("spec.template.metadata.labels", labels, what));
    }
    pod("spec.template.spec", &spec["template"]["spec"], &["Always"], found);
}

fn job(path: &str, spec: &Value, found: &mut Vec<Cause>) {
    for field in ["parallelism", "completions", "backoffLimit"] {
        found.extend(not_negative(&format!("{path}.{field}"), &spec[field]));
    }
    let policy = &spec["template"]["spec"]["restartPolicy"];
    let below = format!("{path}.template.spec");
    pod(&below, &spec["template"]["spec"], &["Always", "OnFailure", "Never"], found);
    if policy == "Always" {
        let field = format!("{below}.restartPolicy");
        found.push(Cause {
            reason: "FieldValueRequired",
            field,
            message: "Required value: valid values: \"OnFailure\", \"Never\"".into(),
        });
    }
}

fn pod(path: &str, spec: &Value, policies: &[&str], found: &mut Vec<Cause>) {
    if spec["containers"].as_array().is_none_or(Vec::is_empty) {
        found.push(Cause::required(&format!("{path}.containers"), ""));
    }
    let volumes: BTreeSet<&str> = list(spec, "volumes").map(|(_, volume)| texts(volume, "name")).collect();
    let mut names = BTreeSet::new();
    for part in ["initContainers", "containers"] {
        for (place, container) in list(spec, part) {
            let at = format!("{path}.{part}[{place}]");
            let name = texts(container, "name");
            if name.is_empty() {
                found.push(Cause::required(&format!("{at}.name"), ""));
            } else if let Some(why) = admit::label_misfit(name) {
                found.push(Cause::invalid(&format!("{at}.name"), &name.into(), why));
            } else if !names.insert(name) {
                let field = format!("{at}.name");
                let message = format!("Duplicate value: {name:?}");
                found.push(Cause { reason: "FieldValueDuplicate", field, message });
            }
            if texts(container, "image").is_empty() {
                found.push(Cause::required(&format!("{at}.image"), ""));
            }
            let choices = ["Always", "IfNotPresent", "Never"];
            found.extend(of_choice(&format!("{at}.imagePullPolicy"), &container["imagePullPolicy"], &choices));
            for (number, one) in list(container, "ports") {
                found.extend(port(&format!("{at}.ports[{number}].containerPort"), &one["containerPort"]));
            }
            for (number, one) in list(container, "env") {
                if texts(one, "name").is_empty() {
                    found.push(Cause::required(&format!("{at}.env[{number}].name"), ""));
                }
            }
            for (number, mount) in list(container, "volumeMounts") {
                let name = texts(mount, "name");
                if !volumes.contains(name) {
                    let field = format!("{at}.volumeMounts[{number}].name");
                    found.push(Cause { reason: "FieldValueNotFound", field, message: format!("Not found: {name:?}") });
                }
                if texts(mount, "mountPath").is_empty() {
                    found.push(Cause::required(&format!("{at}.volumeMounts[{number}].mountPath"), ""));
                }
            }
        }
    }
    found.extend(of_choice(&format!("{path}.restartPolicy"), &spec["restartPolicy"], policies));
}

fn is_schedule(text: &str) -> bool {
    text.starts_with('@') || text.split_whitespace().count() == 5
}

fn service(spec: &Value, found: &mut Vec<Cause>) {
    let sort = texts(spec, "type");
    let ports = spec["ports"].as_array().map_or(0, Vec::len);
    if ports == 0 && sort != "ExternalName" && spec["clusterIP"] != "None" {
        found.push(Cause::required("spec.ports", ""));
    }
    for (place, one) in list(spec, "ports") {
        let at = format!("spec.ports[{place}]");
        if ports > 1 && texts(one, "name").is_empty() {
            found.push(Cause::required(&format!("{at}.name"), ""));
        }
        found.extend(port(&format!("{at}.port"), &one["port"]));
        found.extend(of_choice(&format!("{at}.protocol"), &one["protocol"], &["SCTP", "TCP", "UDP"]));
        found.extend(port(&format!("{at}.targetPort"), &one["targetPort"]));
    }
    let sorts = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    found.extend(of_choice("spec.type", &spec["type"], &sorts));
    found.extend(of_choice("spec.sessionAffinity", &spec["sessionAffinity"], &["ClientIP", "None"]));
    if sort == "ExternalName" && texts(spec, "externalName").is_empty() {
        let what = "a lowercase RFC-1123 hostname without trailing dot";
        found.push(Cause::required("spec.externalName", what));
    }
}

fn config_key(field: &str, key: &str) -> Option<Cause> {
    let legal =
        !key.is_empty() && key.len() <= 253 && key.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    (!legal).then(|| {
        Cause::invalid(
            field,
            &key.into(),
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
        )
    })
}

fn secret(object: &Value, found: &mut Vec<Cause>) {
    for (key, _) in object["data"].as_object().into_iter().flatten() {
        found.extend(config_key(&format!("data[{key}]"), key));
    }
    if object["type"] == "kubernetes.io/tls" {
        for key in ["tls.crt", "tls.key"] {
            if object["data"][key].is_null() {
                found.push(Cause::required(&format!("data[{key}]"), ""));
            }
        }
    }
}

fn claim(spec: &Value, found: &mut Vec<Cause>) {
    if spec["accessModes"].as_array().is_none_or(Vec::is_empty) {
        found.push(Cause::required("spec.accessModes", "at least 1 access mode is required"));
    }
    if spec["resources"]["requests"]["storage"].is_null() {
        found.push(Cause::required("spec.resources[storage]", ""));
    }
}

fn binding(object: &Value, found: &mut Vec<Cause>) {
    let role = &object["roleRef"];
    let kinds = if object["kind"] == "RoleBinding" { &["Role", "ClusterRole"][..] } else { &["ClusterRole"] };
    match texts(role, "kind") {
        kind if kinds.contains(&kind) => {}
        kind => {
            let shown: Vec<String> = kinds.iter().map(|kind| format!("{kind:?}")).collect();
            found.push(Cause {
                reason: "FieldValueNotSupported",
                field: "roleRef.kind".into(),
                message: format!("Unsupported value: {kind:?}: supported values: {}", shown.join(", ")),
            });
        }
    }
    if texts(role, "name").is_empty() {
        found.push(Cause::required("roleRef.name", ""));
    }
}

fn ingress(spec: &Value, found: &mut Vec<Cause>) {
    if spec["rules"].as_array().is_none_or(Vec::is_empty) && spec["defaultBackend"].is_null() {
        found.push(Cause {
            reason: "FieldValueInvalid",
            field: "spec".into(),
            message: "Invalid value: null: either `defaultBackend` or `rules` must be specified".into(),
        });
    }
    for (place, rule) in list(spec, "rules") {
        for (number, path) in list(&rule["http"], "paths") {
            if texts(path, "pathType").is_empty() {
                let field = format!("spec.rules[{place}].http.paths[{number}].pathType");
                found.push(Cause::required(&field, "pathType must be specified"));
            }
        }
    }
}
