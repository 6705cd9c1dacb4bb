//! What a server checks and fills in before it keeps an object: names, namespaces, defaults of a few built-in kinds.

use serde_json::{Value, json};

use super::kinds::{self, CRD_RESOURCE, Kind};
use super::meta;
use super::request::Place;
use super::secrets;
use super::status::{ApiError, Cause};
use super::store::{Key, Tx};

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SERVICE: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";

fn is_label(text: &str) -> bool {
    let ends = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.first().is_some_and(|b| ends(*b))
        && bytes.last().is_some_and(|b| ends(*b))
        && bytes.iter().all(|b| ends(*b) || *b == b'-')
}

/// Checks the sent type against the path's; a missing one is filled in for built-in kinds.
pub(crate) fn type_fits(place: &Place, object: &mut Value) -> Result<(), ApiError> {
    let expected = place.api_version();
    let Some(map) = object.as_object_mut() else {
        return Err(ApiError::bad_request("the object provided is not a JSON object"));
    };
    if !map.get("metadata").is_none_or(|metadata| metadata.is_object() || metadata.is_null()) {
        return Err(ApiError::bad_request(format!(
            "{} in version {:?} cannot be handled as a {}: metadata: expected a map",
            place.kind.kind, place.version, place.kind.kind
        )));
    }
    let misshapen =
        ["spec", "status"].into_iter().find(|field| map.get(*field).is_some_and(|v| !v.is_object() && !v.is_null()));
    if let Some(field) = misshapen.filter(|_| !place.kind.is_custom()) {
        let (kind, version) = (&place.kind.kind, &place.version);
        return Err(ApiError::bad_request(format!(
            "{kind} in version {version:?} cannot be handled as a {kind}: {field}: expected a map"
        )));
    }
    if !place.kind.is_custom() {
        map.entry("apiVersion").or_insert_with(|| expected.clone().into());
        map.entry("kind").or_insert_with(|| place.kind.kind.clone().into());
    }
    for field in ["kind", "apiVersion"] {
        if map.get(field).and_then(Value::as_str).is_none_or(str::is_empty) {
            let named = if field == "kind" { "Kind" } else { "apiVersion" };
            let shown = Value::Object(map.clone());
            return Err(ApiError::bad_request(format!("Object '{named}' is missing in '{shown}'")));
        }
    }
    let sent = map["apiVersion"].as_str().unwrap_or_default();
    if sent != expected && !place.kind.is_custom() {
        let kind = map["kind"].as_str().unwrap_or_default();
        let version = sent.rsplit('/').next().unwrap_or_default();
        return Err(ApiError::bad_request(format!(
            "{kind} in version {version:?} cannot be handled as a {}: no kind {kind:?} is registered for version {sent:?} in scheme \"pkg/runtime/scheme.go:111\"",
            place.kind.kind
        )));
    }
    if sent != expected {
        return Err(ApiError::bad_request(format!(
            "the API version in the data ({sent}) does not match the expected API version ({expected})"
        )));
    }
    let sent = map["kind"].as_str().unwrap_or_default();
    if sent != place.kind.kind && place.kind.is_custom() {
        let name = map.get("metadata").and_then(|metadata| metadata["name"].as_str()).unwrap_or_default();
        let cause = Cause::invalid("kind", &sent.into(), &format!("must be {}", place.kind.kind));
        return Err(ApiError::invalid_as(&place.kind.group, sent, name, &[cause]));
    }
    if sent != place.kind.kind {
        return Err(ApiError::bad_request(format!(
            "{sent} in version {:?} cannot be handled as a {}: the kind in the data does not match the path's",
            place.version, place.kind.kind
        )));
    }
    Ok(())
}

/// Checks name and namespace against the path, and fills in the namespace.
pub(crate) fn address_fits(place: &Place, object: &mut Value) -> Result<(), ApiError> {
    if let Some(name) = &place.name {
        let sent = meta::name(object).to_owned();
        if sent.is_empty() {
            meta::metadata_mut(object).insert("name".into(), name.clone().into());
        } else if sent != *name {
            return Err(ApiError::bad_request(format!(
                "the name of the object ({sent}) does not match the name on the URL ({name})"
            )));
        }
    }
    let sent = meta::namespace(object).to_owned();
    match &place.namespace {
        Some(namespace) if sent.is_empty() => {
            meta::metadata_mut(object).insert("namespace".into(), namespace.clone().into());
        }
        Some(namespace) if sent != *namespace => {
            return Err(ApiError::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        None if !sent.is_empty() => {
            let cause = Cause {
                reason: "FieldValueForbidden",
                field: "metadata.namespace".into(),
                message: "Forbidden: not allowed on this type".into(),
            };
            return Err(ApiError::invalid(&place.kind, meta::name(object), &[cause]));
        }
        _ => {}
    }
    Ok(())
}

/// Refuses names that the kind cannot have.
pub(crate) fn name_is_legal(kind: &Kind, name: &str) -> Result<(), ApiError> {
    let (legal, rule) = match kind.resource().as_str() {
        "namespaces" => (is_label(name) && name.len() <= 63, LABEL),
        "services" => (is_label(name) && name.len() <= 63 && !name.starts_with(|c: char| c.is_ascii_digit()), SERVICE),
        _ if kind.group == "rbac.authorization.k8s.io" => {
            (!matches!(name, "." | "..") && !name.contains(['/', '%']), "may not contain '/' or '%'")
        }
        _ => (name.len() <= 253 && name.split('.').all(is_label), SUBDOMAIN),
    };
    if legal {
        Ok(())
    } else {
        Err(ApiError::invalid(kind, name, &[Cause::invalid("metadata.name", &name.into(), rule)]))
    }
}

/// Refuses a new object in a namespace that is missing or on its way out.
pub(crate) fn namespace_takes(tx: &Tx<'_>, place: &Place, name: &str) -> Result<(), ApiError> {
    let Some(namespace) = &place.namespace else {
        return Ok(());
    };
    let Some(found) = tx.get(&Key::new("namespaces", "", namespace)) else {
        return Err(ApiError::namespace_not_found(namespace));
    };
    if meta::is_terminating(&found) {
        let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
        let causes = json!([{
            "reason": "NamespaceTerminating", "message": format!("namespace {namespace} is being terminated"),
            "field": "metadata.namespace",
        }]);
        return Err(ApiError::forbidden(&place.kind, name, &why, Some(causes)));
    }
    Ok(())
}

fn default(object: &mut Value, path: &str, value: Value) {
    if meta::at(object, path).is_none_or(Value::is_null) {
        meta::set(object, path, value);
    }
}

/// Fills in what a server fills in for a few built-in kinds.
pub(crate) fn defaults(kind: &Kind, object: &mut Value) {
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
        "configmaps" => {
            if let Some(map) = object.as_object_mut() {
                // Empty maps are left out, as a server writes them.
                let is_data = |field: &str| matches!(field, "data" | "binaryData");
                map.retain(|field, value| !is_data(field) || value.as_object().is_none_or(|data| !data.is_empty()));
            }
        }
        "deployments.apps" => {
            default(object, "spec.replicas", 1.into());
            default(object, "spec.revisionHistoryLimit", 10.into());
            default(object, "spec.progressDeadlineSeconds", 600.into());
            default(object, "spec.strategy.type", "RollingUpdate".into());
            if object["spec"]["strategy"]["type"] == "RollingUpdate" {
                default(object, "spec.strategy.rollingUpdate.maxSurge", "25%".into());
                default(object, "spec.strategy.rollingUpdate.maxUnavailable", "25%".into());
            }
            pod_defaults(object);
        }
        "statefulsets.apps" | "replicasets.apps" => {
            default(object, "spec.replicas", 1.into());
            pod_defaults(object);
        }
        "daemonsets.apps" | "jobs.batch" => pod_defaults(object),
        "services" => service_defaults(object),
        _ => {}
    }
}

/// The items of a list that are maps.
fn items<'a>(object: &'a mut Value, pointer: &str) -> impl Iterator<Item = &'a mut Value> {
    object.pointer_mut(pointer).and_then(Value::as_array_mut).into_iter().flatten().filter(|item| item.is_object())
}

/// Fills in what a server decides itself: nobody owns these fields.
pub(crate) fn prepare(kind: &Kind, object: &mut Value) {
    match kind.resource().as_str() {
        "namespaces" if !meta::is_terminating(object) => {
            default(object, "spec.finalizers", json!(["kubernetes"]));
            default(object, "status.phase", "Active".into());
        }
        "services" => {
            assign_address(object);
            default(object, "status.loadBalancer", json!({}));
        }
        "deployments.apps" | "jobs.batch" | "cronjobs.batch" => default(object, "status", json!({})),
        _ => {}
    }
}

fn assign_address(service: &mut Value) {
    if service["spec"]["type"] != "ExternalName" && meta::at(service, "spec.clusterIP").is_none() {
        // Derived from the UID: stable, and no table of addresses is needed.
        let uid = meta::uid(service).replace('-', "");
        let part = |at: usize| uid.get(at..at + 2).and_then(|hex| u8::from_str_radix(hex, 16).ok()).unwrap_or(1);
        let address = format!("10.96.{}.{}", part(0), part(2));
        meta::set(service, "spec.clusterIP", address.clone().into());
        default(service, "spec.clusterIPs", json!([address]));
        default(service, "spec.ipFamilies", json!(["IPv4"]));
        default(service, "spec.ipFamilyPolicy", "SingleStack".into());
    }
}

fn pod_defaults(workload: &mut Value) {
    let Some(template) = workload.pointer_mut("/spec/template").filter(|template| template["spec"].is_object()) else {
        return;
    };
    for (path, value) in [
        ("spec.restartPolicy", json!("Always")),
        ("spec.terminationGracePeriodSeconds", json!(30)),
        ("spec.dnsPolicy", json!("ClusterFirst")),
        ("spec.schedulerName", json!("default-scheduler")),
        ("spec.securityContext", json!({})),
    ] {
        default(template, path, value);
    }
    for container in items(template, "/spec/containers") {
        let image = container["image"].as_str().unwrap_or_default();
        let newest = image.ends_with(":latest") || !image.rsplit('/').next().unwrap_or_default().contains([':', '@']);
        default(container, "imagePullPolicy", if newest { "Always" } else { "IfNotPresent" }.into());
        default(container, "terminationMessagePath", "/dev/termination-log".into());
        default(container, "terminationMessagePolicy", "File".into());
        default(container, "resources", json!({}));
        for port in items(container, "/ports") {
            default(port, "protocol", "TCP".into());
        }
    }
}

fn service_defaults(service: &mut Value) {
    default(service, "spec.type", "ClusterIP".into());
    default(service, "spec.sessionAffinity", "None".into());
    default(service, "spec.internalTrafficPolicy", "Cluster".into());
    for port in items(service, "/spec/ports") {
        default(port, "protocol", "TCP".into());
        let number = port["port"].clone();
        default(port, "targetPort", number);
    }
}

/// Checks and completes a definition of a custom kind.
pub(crate) fn definition(kind: &Kind, object: &mut Value) -> Result<(), ApiError> {
    if kind.resource() != CRD_RESOURCE {
        return Ok(());
    }
    let name = meta::name(object).to_owned();
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (group, plural) = (text("/spec/group"), text("/spec/names/plural"));
    let mut causes = Vec::new();
    for (field, pointer) in [
        ("spec.group", "/spec/group"),
        ("spec.scope", "/spec/scope"),
        ("spec.names.plural", "/spec/names/plural"),
        ("spec.names.kind", "/spec/names/kind"),
    ] {
        if text(pointer).is_empty() {
            causes.push(Cause::required(field, ""));
        }
    }
    let versions = object.pointer("/spec/versions").and_then(Value::as_array);
    let stored = versions.into_iter().flatten().filter(|version| version["storage"] == true).count();
    if stored != 1 {
        let shown = object.pointer("/spec/versions").cloned().unwrap_or_default();
        causes.push(Cause::invalid("spec.versions", &shown, "must have exactly one version marked as storage version"));
    }
    if causes.is_empty() && name != format!("{plural}.{group}") {
        causes.push(Cause::invalid(
            "metadata.name",
            &name.clone().into(),
            "must be spec.names.plural+\".\"+spec.group",
        ));
    }
    if !causes.is_empty() {
        return Err(ApiError::invalid(kind, &name, &causes));
    }
    kinds::establish(object, &meta::now());
    Ok(())
}

/// Refuses changes of what cannot change after creation.
pub(crate) fn unchangeable(kind: &Kind, old: &Value, new: &Value) -> Result<(), ApiError> {
    let mut causes = Vec::new();
    let resource = kind.resource();
    if matches!(resource.as_str(), "deployments.apps" | "daemonsets.apps" | "replicasets.apps" | "statefulsets.apps") {
        let (before, after) = (&old["spec"]["selector"], &new["spec"]["selector"]);
        if before != after {
            causes.push(Cause::invalid("spec.selector", after, "field is immutable"));
        }
    }
    if matches!(resource.as_str(), "configmaps" | "secrets") && old["immutable"] == true {
        for field in ["data", "binaryData", "stringData", "immutable"] {
            if old.get(field) != new.get(field) {
                let message = "Forbidden: field is immutable when `immutable` is set".to_owned();
                causes.push(Cause { reason: "FieldValueForbidden", field: field.to_owned(), message });
            }
        }
    }
    if causes.is_empty() { Ok(()) } else { Err(ApiError::invalid(kind, meta::name(old), &causes)) }
}
