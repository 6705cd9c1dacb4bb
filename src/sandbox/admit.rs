//! What a server checks before it keeps an object: type and address, names, namespaces, definitions, what may not
//! change, quotas.

use serde_json::{Value, json};

use super::kinds::{self, CRD_RESOURCE, Kind};
use super::meta;
use super::request::Place;
use super::schema::{self, Schema};
use super::status::{ApiError, Cause};
use super::store::{Key, Tx};

/// Versions that a server still reads and no longer serves.
const RETIRED: [&str; 4] = ["apps/v1beta1", "apps/v1beta2", "batch/v1beta1", "policy/v1beta1"];

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

/// Why a text is no name of the short kind, such as a container's.
pub(crate) fn label_misfit(text: &str) -> Option<&'static str> {
    (!is_label(text) || text.len() > 63).then_some(LABEL)
}

fn is_qualified(text: &str) -> bool {
    let bytes = text.as_bytes();
    text.len() <= 63
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
}

/// What is wrong with the key of a label or an annotation.
pub(crate) fn label_key_misfit(field: &str, key: &str) -> Option<Cause> {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let prefix_legal = prefix.is_none_or(|prefix| prefix.len() <= 253 && prefix.split('.').all(is_label));
    (!is_qualified(name) || !prefix_legal).then(|| {
        Cause::invalid(
            field,
            &key.into(),
            "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
        )
    })
}

/// What is wrong with the value of a label.
pub(crate) fn label_value_misfit(field: &str, value: &str) -> Option<Cause> {
    (!value.is_empty() && !is_qualified(value)).then(|| {
        Cause::invalid(
            field,
            &value.into(),
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
        )
    })
}

/// Checks the sent type against the path's; a missing one is filled in for built-in kinds.
pub(crate) fn type_fits(place: &Place, object: &mut Value) -> Result<(), ApiError> {
    let expected = place.api_version();
    let Some(map) = object.as_object_mut() else {
        return Err(ApiError::bad_request("the object provided is not a JSON object"));
    };
    if place.kind.is_custom() && !map.get("metadata").is_none_or(|metadata| metadata.is_object() || metadata.is_null())
    {
        let kind = &place.kind.kind;
        return Err(ApiError::bad_request(format!(
            "{kind} in version {:?} cannot be handled as a {kind}: metadata: expected a map",
            place.version
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
    let named = map["kind"].as_str().unwrap_or_default();
    if !place.kind.is_custom() && (sent != expected || named != place.kind.kind) && !RETIRED.contains(&sent) {
        let (group, version) = sent.split_once('/').unwrap_or(("", sent));
        let why = if Schema::built_in(group, version, named).is_some() {
            let own = if place.kind.group.is_empty() { "core" } else { &place.kind.group };
            format!("converting ({version}.{named}) to ({own}.{}): unknown conversion", place.kind.kind)
        } else {
            format!("no kind {named:?} is registered for version {sent:?} in scheme \"pkg/runtime/scheme.go:111\"")
        };
        let kind = &place.kind.kind;
        return Err(ApiError::bad_request(format!(
            "{named} in version {version:?} cannot be handled as a {kind}: {why}"
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
        "namespaces" if name.split('.').all(is_label) && name.contains('.') => (false, "must not contain dots"),
        "namespaces" => (is_label(name) && name.len() <= 63, LABEL),
        "services" => (is_label(name) && name.len() <= 63 && !name.starts_with(|c: char| c.is_ascii_digit()), SERVICE),
        _ if matches!(kind.group.as_str(), "rbac.authorization.k8s.io" | "apiregistration.k8s.io") => (
            !matches!(name, "." | "..") && !name.contains(['/', '%']),
            if name.contains('/') { "may not contain '/'" } else { "may not contain '%'" },
        ),
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

/// Checks and completes a definition of a custom kind.
pub(crate) fn definition(tx: &Tx<'_>, kind: &Kind, object: &mut Value) -> Result<(), ApiError> {
    if kind.resource() != CRD_RESOURCE {
        return Ok(());
    }
    let name = meta::name(object).to_owned();
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (group, plural) = (text("/spec/group"), text("/spec/names/plural"));
    let mut causes = Vec::new();
    if name != format!("{plural}.{group}") {
        let what = "must be spec.names.plural+\".\"+spec.group";
        causes.push(Cause::invalid("metadata.name", &name.clone().into(), what));
    }
    for (field, pointer) in [
        ("spec.group", "/spec/group"),
        ("spec.scope", "/spec/scope"),
        ("spec.names.plural", "/spec/names/plural"),
        ("spec.names.singular", "/spec/names/singular"),
        ("spec.names.kind", "/spec/names/kind"),
        ("spec.names.listKind", "/spec/names/listKind"),
    ] {
        if text(pointer).is_empty() {
            causes.push(Cause::required(field, ""));
        }
    }
    let scope = text("/spec/scope");
    if !matches!(scope.as_str(), "" | "Cluster" | "Namespaced") {
        causes.push(Cause {
            reason: "FieldValueNotSupported",
            field: "spec.scope".into(),
            message: format!("Unsupported value: {scope:?}: supported values: \"Cluster\", \"Namespaced\""),
        });
    }
    let versions = object.pointer("/spec/versions").and_then(Value::as_array).cloned().unwrap_or_default();
    let stored = versions.iter().filter(|version| version["storage"] == true).count();
    if stored != 1 {
        let shown = object.pointer("/spec/versions").cloned().unwrap_or_default();
        causes.push(Cause::invalid("spec.versions", &shown, "must have exactly one version marked as storage version"));
        if stored == 0 {
            let what = "must have at least one stored version";
            causes.push(Cause::invalid("status.storedVersions", &Value::Null, what));
        }
    }
    for (place, version) in versions.iter().enumerate() {
        let field = format!("spec.versions[{place}].schema.openAPIV3Schema");
        match version.pointer("/schema/openAPIV3Schema").filter(|schema| schema.is_object()) {
            // One version alone is spoken of as the older form of a definition has it.
            Some(whole) if versions.len() == 1 => {
                causes.extend(schema::structural_errors(whole, "spec.validation.openAPIV3Schema", true));
            }
            Some(whole) => causes.extend(schema::structural_errors(whole, &field, true)),
            None => causes.push(Cause::required(&field, "")),
        }
    }
    if !causes.is_empty() {
        return Err(ApiError::invalid(kind, &name, &causes));
    }
    kinds::establish(object, tx.fault(kind, "", &name).as_ref());
    Ok(())
}

/// Refuses new finalizers on an object that is on its way out.
pub(crate) fn no_new_finalizers(kind: &Kind, old: &Value, new: &Value) -> Result<(), ApiError> {
    if !meta::is_terminating(old) {
        return Ok(());
    }
    let list = |object: &Value| object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    let before = list(old);
    let fresh: Vec<String> =
        list(new).iter().filter(|finalizer| !before.contains(finalizer)).map(Value::to_string).collect();
    if fresh.is_empty() {
        return Ok(());
    }
    let message = format!(
        "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
        fresh.join(", ")
    );
    let cause = Cause { reason: "FieldValueForbidden", field: "metadata.finalizers".into(), message };
    // Both of the places that a server checks this at speak up.
    Err(ApiError::invalid(kind, meta::name(old), &[cause.clone(), cause]))
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
    let stays = |field: &str| {
        let at = |object: &Value| meta::at(object, field).cloned().unwrap_or_default();
        (at(old) != at(new)).then(|| Cause::invalid(field, &at(new), "field is immutable"))
    };
    match resource.as_str() {
        "secrets" => causes.extend(stays("type")),
        "resourcequotas" => causes.extend(stays("spec.scopes")),
        "jobs.batch" if old["spec"]["suspend"] != true => {
            causes.extend(stays("spec.completions").filter(|_| old["spec"]["completionMode"] != "Indexed"));
            let plain = |object: &Value| object["spec"]["template"]["spec"].clone();
            if plain(old) != plain(new) {
                let template = &new["spec"]["template"];
                causes.push(Cause::invalid("spec.template", template, "field is immutable"));
            }
        }
        "services" => {
            let (before, after) = (&old["spec"]["clusterIP"], &new["spec"]["clusterIP"]);
            let kept = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
            if kept(before) && kept(after) && before != after && new["spec"]["type"] != "ExternalName" {
                let shown = Value::from(vec![after.clone()]);
                causes.push(Cause::invalid("spec.clusterIPs[0]", &shown, "may not change once set"));
            }
        }
        "rolebindings.rbac.authorization.k8s.io" | "clusterrolebindings.rbac.authorization.k8s.io"
            if old["roleRef"] != new["roleRef"] =>
        {
            let role = &new["roleRef"];
            let shown = json!({"APIGroup": role["apiGroup"], "Kind": role["kind"], "Name": role["name"]});
            causes.push(Cause::invalid("roleRef", &shown, "cannot change roleRef"));
        }
        "statefulsets.apps" => {
            const FREE: [&str; 7] = [
                "replicas",
                "ordinals",
                "template",
                "updateStrategy",
                "revisionHistoryLimit",
                "persistentVolumeClaimRetentionPolicy",
                "minReadySeconds",
            ];
            let fixed = |object: &Value| {
                let mut spec = object["spec"].as_object().cloned().unwrap_or_default();
                spec.retain(|field, _| !FREE.contains(&field.as_str()));
                spec
            };
            if fixed(old) != fixed(new) {
                let message = "Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden".to_owned();
                causes = vec![Cause { reason: "FieldValueForbidden", field: "spec".into(), message }];
            }
        }
        _ => {}
    }
    if causes.is_empty() { Ok(()) } else { Err(ApiError::invalid(kind, meta::name(old), &causes)) }
}

/// Refuses a pod under a service account that is not there; the one that every namespace gets may still be on its way.
pub(crate) fn account_exists(tx: &Tx<'_>, place: &Place, pod: &Value) -> Result<(), ApiError> {
    let account = pod["spec"]["serviceAccountName"].as_str().unwrap_or_default();
    let namespace = place.namespace.as_deref().unwrap_or_default();
    if matches!(account, "" | "default") || tx.get(&Key::new("serviceaccounts", namespace, account)).is_some() {
        return Ok(());
    }
    let why = format!("error looking up service account {namespace}/{account}: serviceaccount {account:?} not found");
    Err(ApiError::forbidden(&place.kind, meta::name(pod), &why, None))
}
