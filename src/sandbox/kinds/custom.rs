//! From a `CustomResourceDefinition` to a served kind.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::meta;
use super::{Kind, Origin, Scale};
use crate::model::FaultHow;

/// The key of definitions in the store.
pub(crate) const CRD_RESOURCE: &str = "customresourcedefinitions.apiextensions.k8s.io";

fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
}

fn texts(value: &Value, pointer: &str) -> Vec<String> {
    let items = value.pointer(pointer).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The kind that a definition serves; `None` when it lacks a name, a plural or a served version.
pub(super) fn kind_of(definition: &Arc<Value>) -> Option<Kind> {
    if is_held_back(definition) {
        return None;
    }
    let group = text(definition, "/spec/group")?;
    let kind = text(definition, "/spec/names/kind")?;
    let plural = text(definition, "/spec/names/plural")?;
    let all = definition.pointer("/spec/versions")?.as_array()?;
    let mut versions: Vec<String> =
        all.iter().filter(|v| v["served"] == true).filter_map(|v| v["name"].as_str()).map(str::to_owned).collect();
    versions.sort_by_key(|version| std::cmp::Reverse(priority(version)));
    let stored = all.iter().find(|v| v["storage"] == true).and_then(|v| text(v, "/name"));
    let preferred = versions.first()?.clone();
    Some(Kind {
        list_kind: text(definition, "/spec/names/listKind").unwrap_or_else(|| format!("{kind}List")),
        singular: text(definition, "/spec/names/singular").unwrap_or_else(|| kind.to_lowercase()),
        short_names: texts(definition, "/spec/names/shortNames"),
        categories: texts(definition, "/spec/names/categories"),
        namespaced: definition.pointer("/spec/scope").and_then(Value::as_str) == Some("Namespaced"),
        stored: stored.unwrap_or(preferred),
        status: all.iter().any(|v| v.pointer("/subresources/status").is_some()),
        generation: true,
        scale: all.iter().find_map(|v| {
            let scale = v.pointer("/subresources/scale")?;
            let path = |field: &str| scale[field].as_str().map(|p| p.trim_start_matches('.').to_owned());
            Some(Scale {
                spec_replicas: path("specReplicasPath")?,
                status_replicas: path("statusReplicasPath")?,
                selector: path("labelSelectorPath"),
            })
        }),
        create_only: false,
        read_only: false,
        others: &[],
        definition: Some(Arc::clone(definition)),
        origin: Origin::Custom,
        group,
        kind,
        plural,
        versions,
    })
}

/// A version of a definition, by its name.
pub(super) fn version_of<'a>(definition: &'a Value, version: &str) -> Option<&'a Value> {
    let versions = definition.pointer("/spec/versions").and_then(Value::as_array);
    versions.into_iter().flatten().find(|entry| entry["name"] == version)
}

/// The schema of a version.
pub(super) fn schema_of<'a>(definition: &'a Value, version: &str) -> Option<&'a Value> {
    version_of(definition, version)?.pointer("/schema/openAPIV3Schema")
}

/// How much a server prefers a version: stable before beta before alpha, then the higher number.
pub(super) fn priority(version: &str) -> (u8, u32, u32) {
    let digits = |text: &str| text.parse::<u32>().ok();
    let Some(rest) = version.strip_prefix('v') else {
        return (0, 0, 0);
    };
    for (level, word) in [(2, "beta"), (1, "alpha")] {
        if let Some((major, minor)) = rest.split_once(word) {
            return digits(major).zip(digits(minor)).map_or((0, 0, 0), |(major, minor)| (level, major, minor));
        }
    }
    digits(rest).map_or((0, 0, 0), |major| (3, major, 0))
}

/// Writes what a server writes into a definition: defaulted names, and the status that says whether it is served.
pub(crate) fn establish(definition: &mut Value, fault: Option<&FaultHow>) {
    let Some(names) = definition.pointer("/spec/names").cloned() else {
        return;
    };
    let (Some(kind), true) = (names["kind"].as_str(), names.is_object()) else {
        return;
    };
    let mut accepted = names.clone();
    if accepted["listKind"].is_null() {
        accepted["listKind"] = format!("{kind}List").into();
    }
    if accepted["singular"].is_null() {
        accepted["singular"] = kind.to_lowercase().into();
    }
    definition["spec"]["names"] = accepted;
    if definition.pointer("/spec/conversion").is_none() {
        definition["spec"]["conversion"] = json!({"strategy": "None"});
    }
    definition["status"] = match fault {
        None | Some(FaultHow::Flap(_)) => established(definition, None),
        Some(FaultHow::Fail(message)) => established(definition, Some(message)),
        Some(FaultHow::Stall) => installing(definition),
    };
}

/// The status of a definition that is served, or that is not because of a fault.
pub(crate) fn established(definition: &Value, fault: Option<&str>) -> Value {
    let condition = |kind: &str, status: &str, reason: &str, message: &str| {
        meta::condition(definition, kind, status, reason, message)
    };
    let (names, conditions) = match fault {
        None => (
            definition["spec"]["names"].clone(),
            json!([
                condition("NamesAccepted", "True", "NoConflicts", "no conflicts found"),
                condition("Established", "True", "InitialNamesAccepted", "the initial names have been accepted"),
            ]),
        ),
        Some(message) => (
            json!({"plural": "", "kind": ""}),
            json!([
                condition("NamesAccepted", "False", "KindConflict", message),
                condition("Established", "False", "NotAccepted", "not all names are accepted"),
            ]),
        ),
    };
    status(definition, &names, &conditions)
}

/// The status of a definition whose names are accepted and that is not served yet.
pub(crate) fn installing(definition: &Value) -> Value {
    let conditions = json!([
        meta::condition(definition, "NamesAccepted", "True", "NoConflicts", "no conflicts found"),
        meta::condition(definition, "Established", "False", "Installing", "the initial names have been accepted"),
    ]);
    status(definition, &definition["spec"]["names"], &conditions)
}

fn status(definition: &Value, names: &Value, conditions: &Value) -> Value {
    let versions = definition.pointer("/spec/versions").and_then(Value::as_array).into_iter().flatten();
    let stored: Vec<Value> = versions.filter(|v| v["storage"] == true).map(|v| v["name"].clone()).collect();
    json!({"acceptedNames": names, "conditions": conditions, "storedVersions": stored})
}

/// Whether a definition says that it is not served.
fn is_held_back(definition: &Value) -> bool {
    let conditions = definition["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|condition| condition["type"] == "Established" && condition["status"] == "False")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stable_versions_are_preferred_over_beta_and_alpha_ones() {
        let mut versions = vec!["v1alpha1", "v1beta2", "v2", "v1beta1", "v10", "odd"];
        versions.sort_by_key(|v| std::cmp::Reverse(priority(v)));
        assert_eq!(versions, ["v10", "v2", "v1beta2", "v1beta1", "v1alpha1", "odd"]);
    }

    #[test]
    fn a_definition_without_a_served_version_serves_nothing() {
        let definition = json!({"spec": {"group": "g", "names": {"kind": "K", "plural": "ks"},
            "versions": [{"name": "v1", "served": false, "storage": true}]}});
        assert_eq!(kind_of(&Arc::new(definition)), None);
    }
}
