//! What a definition says against an object of the kind that it makes, before any server knows of either.

use std::sync::Arc;

use serde_json::Value;

use super::kinds::Kind;
use super::schema::{self, Schema};
use super::{intake, meta, validate};
use crate::object::split_api_version;

/// A field of an object that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Which, as a server writes it: `spec.rules[0].name`; empty where it is the whole object.
    pub field: String,
    /// What is wrong with it, in a server's words.
    pub message: String,
    /// Of a field that there is not: the fields that there are in its place.
    pub known: Vec<String>,
}

/// All that is wrong with a new object by the `CustomResourceDefinition` of its kind: unknown and missing fields, types, bounds,
/// rules in CEL. Nothing where the definition does not serve its version.
pub fn misfits(definition: &Value, object: &Value) -> Vec<Misfit> {
    let (group, version) = split_api_version(object["apiVersion"].as_str().unwrap_or_default());
    let kind = Kind::defined_by(&Arc::new(definition.clone()));
    let fits =
        |kind: &Kind| kind.group == group && object["kind"] == kind.kind && kind.versions.iter().any(|v| v == version);
    let Some(kind) = kind.filter(fits) else { return vec![] };
    let misfit = |field: &str, message: &str| Misfit { field: field.into(), message: message.into(), known: vec![] };
    let mut found = vec![];
    match (kind.namespaced, meta::namespace(object).is_empty()) {
        (true, true) => found.push(misfit("metadata.namespace", "Required value: the kind is namespaced")),
        (false, false) => found.push(misfit("metadata.namespace", "Forbidden: the kind is cluster-scoped")),
        _ => {}
    }
    let (object, dropped) = match intake::read(&kind, version, object.clone()) {
        Ok(read) => read,
        Err(why) => {
            found.push(misfit("", &why));
            return found;
        }
    };
    let Some(schema) = kind.schema(version) else { return found };
    found.extend(dropped.into_iter().map(|field| {
        let known = beside(schema, &field);
        Misfit { message: "unknown field".into(), known, field }
    }));
    let causes = schema::misfits(schema, &object, None).into_iter().chain(validate::metadata(&object));
    // that some rules wait for the others says nothing
    let causes = causes.filter(|cause| !cause.message.contains("some validation rules were not checked"));
    found.extend(causes.map(|cause| misfit(cause.field.trim_start_matches("<nil>"), &cause.message)));
    found
}

/// The fields that there are where this one was written.
fn beside(root: Schema<'_>, field: &str) -> Vec<String> {
    let Some((parents, _)) = field.rsplit_once('.') else { return names(root) };
    let mut schema = root;
    for (n, step) in parents.split('.').enumerate() {
        let (name, places) =
            step.split_once('[').map_or((step, 0), |(name, rest)| (name, 1 + rest.matches('[').count()));
        let below = match (n, name) {
            (0, "metadata") => Schema::metadata(),
            _ => schema.field(name),
        };
        let below = (0..places).try_fold(below, |schema, _| Some(schema?.items()));
        let Some(Some(below)) = below else { return vec![] };
        schema = below;
    }
    names(schema)
}

fn names(schema: Schema<'_>) -> Vec<String> {
    schema.fields().map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn definition() -> Value {
        let rule = json!({ "type": "object", "required": ["port"], "properties": {
            "port": { "type": "integer", "maximum": 65535 }, "protocol": { "type": "string", "enum": ["TCP", "UDP"] } } });
        let spec = json!({ "type": "object", "properties": {
            "size": { "type": "integer", "default": 1 }, "most": { "type": "integer", "default": 3 },
            "labels": { "type": "object", "additionalProperties": { "type": "string" } },
            "rules": { "type": "array", "items": rule } },
            "x-kubernetes-validations": [{ "rule": "self.size <= self.most", "message": "size is more than most" }] });
        let schema = json!({ "type": "object", "properties": { "spec": spec } });
        json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": { "name": "widgets.example.com" },
            "spec": { "group": "example.com", "scope": "Namespaced", "names": { "kind": "Widget", "plural": "widgets" },
                "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": schema } },
                    { "name": "v1alpha1", "served": false, "storage": false }] } })
    }

    fn widget(spec: Value) -> Value {
        json!({ "apiVersion": "example.com/v1", "kind": "Widget", "metadata": { "name": "a", "namespace": "web" }, "spec": spec })
    }

    fn told(object: &Value) -> Vec<String> {
        misfits(&definition(), object).iter().map(|it| format!("{}: {}", it.field, it.message)).collect()
    }

    #[test]
    fn what_fits_is_not_told() {
        let whole = json!({ "size": 2, "labels": { "any": "thing" }, "rules": [{ "port": 80, "protocol": "TCP" }] });
        assert!(told(&widget(whole)).is_empty());
        assert!(told(&widget(json!({}))).is_empty());
    }

    #[test]
    fn every_field_that_does_not_fit_is_told_with_its_path() {
        let wrong =
            json!({ "sise": 2, "rules": [{ "prot": 80 }, { "port": "http", "protocol": "SCTP" }, { "port": 70000 }] });
        let told = told(&widget(wrong));
        for words in [
            "spec.sise: unknown field",
            "spec.rules[0].prot: unknown field",
            "spec.rules[0].port: Required value",
            "spec.rules[1].port: Invalid value: \"string\": spec.rules[1].port in body must be of type integer",
            "spec.rules[1].protocol: Unsupported value: \"SCTP\"",
            "spec.rules[2].port: Invalid value: 70000: spec.rules[2].port in body should be less than or equal to 65535",
        ] {
            assert!(told.iter().any(|it| it.starts_with(words)), "{words}: {told:#?}");
        }
        assert_eq!(told.len(), 6, "{told:#?}");
    }

    #[test]
    fn a_field_that_there_is_not_comes_with_those_that_there_are() {
        let found = misfits(&definition(), &widget(json!({ "sise": 2, "rules": [{ "port": 1, "prot": 80 }] })));
        let known: Vec<&[String]> = found.iter().map(|it| &it.known[..]).collect();
        assert_eq!(
            known,
            [
                &["port".to_owned(), "protocol".into()][..],
                &["labels".to_owned(), "most".into(), "rules".into(), "size".into()]
            ]
        );
        let mut labelled = widget(json!({}));
        labelled["metadata"]["label"] = json!({});
        let found = misfits(&definition(), &labelled);
        assert!(found[0].field == "metadata.label" && found[0].known.iter().any(|name| name == "labels"), "{found:?}");
    }

    #[test]
    fn rules_see_the_defaults_that_a_server_would_fill_in() {
        assert_eq!(told(&widget(json!({ "size": 4 }))), ["spec: Invalid value: size is more than most"]);
        assert!(told(&widget(json!({ "size": 4, "most": 5 }))).is_empty());
    }

    #[test]
    fn the_namespace_has_to_be_there_where_the_kind_has_one() {
        let mut object = widget(json!({}));
        object["metadata"] = json!({ "name": "a" });
        assert_eq!(told(&object), ["metadata.namespace: Required value: the kind is namespaced"]);
        let mut wide = definition();
        wide["spec"]["scope"] = "Cluster".into();
        assert!(misfits(&wide, &object).is_empty());
        assert_eq!(misfits(&wide, &widget(json!({})))[0].field, "metadata.namespace");
    }

    #[test]
    fn of_another_kind_or_a_version_that_is_not_served_nothing_is_said() {
        let mut other = widget(json!({ "sise": 1 }));
        other["apiVersion"] = "example.com/v1alpha1".into();
        assert!(told(&other).is_empty());
        other["kind"] = "Gadget".into();
        assert!(told(&other).is_empty() && misfits(&json!({}), &other).is_empty() && told(&json!(null)).is_empty());
    }
}
