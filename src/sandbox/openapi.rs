//! `OpenAPI` documents of what is served: version 3 for each group and version, and version 2 as far as clients ask for it.

use serde_json::{Map, Value, json};

use super::kinds::{Kind, Registry};
use super::schema;

const REFERENCE: &str = "#/components/schemas/";

/// How kubectl asks for the older document, before it says that it knows no such kind.
pub(crate) const SECOND_IN_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
/// The older document in that form, which names no kinds: its `swagger` field, `2.0`.
pub(crate) const SECOND_EMPTY: &[u8] = b"\x0a\x032.0";

/// `/openapi/v3`: where the documents are.
pub(crate) fn index(registry: &Registry) -> Value {
    let mut paths = Map::new();
    for group in registry.groups() {
        for version in registry.versions(group) {
            let path = root(group, &version);
            let hash = hash_of(registry, group, &version);
            let url = format!("/openapi/v3/{path}?hash={hash}");
            paths.insert(path, json!({"serverRelativeURL": url}));
        }
    }
    json!({"paths": paths})
}

fn root(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

/// Changes when what is served under the version changes.
fn hash_of(registry: &Registry, group: &str, version: &str) -> String {
    use sha2::{Digest as _, Sha256};
    let mut digest = Sha256::new();
    for kind in of_version(registry, group, version) {
        digest.update(&kind.kind);
        if let Some(definition) = &kind.definition {
            digest.update(definition["metadata"]["generation"].to_string());
            digest.update(definition["metadata"]["uid"].as_str().unwrap_or_default());
        }
    }
    digest.finalize().iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().concat()
}

fn of_version<'a>(registry: &'a Registry, group: &'a str, version: &'a str) -> impl Iterator<Item = &'a Kind> {
    registry.of_group(group).map(|kind| &**kind).filter(move |kind| kind.versions.iter().any(|v| v == version))
}

/// `/openapi/v3/apis/<group>/<version>`; `None` when the version is not served.
pub(crate) fn document(registry: &Registry, group: &str, version: &str) -> Option<Value> {
    let kinds: Vec<&Kind> = of_version(registry, group, version).collect();
    if kinds.is_empty() {
        return None;
    }
    let mut schemas = schema::closure(
        kinds
            .iter()
            .filter(|kind| !kind.is_custom())
            .flat_map(|kind| schema::document(&kind.group, version, &kind.kind))
            .chain(COMMON.iter().map(|name| (*name).to_owned())),
    );
    let mut paths = Map::new();
    for kind in kinds {
        let name = schema_name(kind, version);
        if kind.is_custom() {
            schemas[name.as_str()] = custom(kind, version);
        }
        add_paths(&mut paths, kind, version, &name);
    }
    Some(json!({
        "openapi": "3.0.0", "info": {"title": "Kubernetes", "version": super::discovery::version()["gitVersion"]},
        "paths": paths, "components": {"schemas": schemas},
    }))
}

const COMMON: [&str; 2] =
    ["io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions", "io.k8s.apimachinery.pkg.apis.meta.v1.Status"];

fn schema_name(kind: &Kind, version: &str) -> String {
    if !kind.is_custom() {
        let [name, _] = schema::document(&kind.group, version, &kind.kind);
        return name;
    }
    let mut group: Vec<&str> = kind.group.split('.').collect();
    group.reverse();
    format!("{}.{version}.{}", group.join("."), kind.kind)
}

/// A custom kind's schema, with what every object has.
fn custom(kind: &Kind, version: &str) -> Value {
    let mut whole = kind
        .version_entry(version)
        .and_then(|entry| entry.pointer("/schema/openAPIV3Schema"))
        .cloned()
        .unwrap_or_else(|| json!({"type": "object"}));
    let metadata = format!("{REFERENCE}io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta");
    if whole["properties"].is_object() || whole["x-kubernetes-preserve-unknown-fields"] != true {
        whole["properties"]["apiVersion"] = json!({"type": "string"});
        whole["properties"]["kind"] = json!({"type": "string"});
        whole["properties"]["metadata"] = json!({"allOf": [{"$ref": metadata}]});
    }
    whole["x-kubernetes-group-version-kind"] = json!([{"group": kind.group, "version": version, "kind": kind.kind}]);
    whole
}

fn add_paths(paths: &mut Map<String, Value>, kind: &Kind, version: &str, schema: &str) {
    let base = root(&kind.group, version);
    let plural = &kind.plural;
    let collection = if kind.namespaced {
        format!("/{base}/namespaces/{{namespace}}/{plural}")
    } else {
        format!("/{base}/{plural}")
    };
    let verbs = kind.verbs();
    let can = |verb: &str| verbs.contains(&verb);
    let operation = |action: &str, options: &[&str]| {
        let parameters: Vec<Value> = options
            .iter()
            .map(|name| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}}))
            .collect();
        let shown = json!({"application/json": {"schema": {"$ref": format!("{REFERENCE}{schema}")}}});
        let mut operation = json!({
            "parameters": parameters, "responses": {"200": {"description": "OK", "content": shown}},
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": {"group": kind.group, "version": version, "kind": kind.kind},
        });
        if matches!(action, "post" | "put" | "patch") {
            let sort = if action == "patch" { "application/apply-patch+yaml" } else { "*/*" };
            operation["requestBody"] =
                json!({"content": {sort: {"schema": {"$ref": format!("{REFERENCE}{schema}")}}}, "required": true});
        }
        operation
    };
    let writing = ["dryRun", "fieldManager", "fieldValidation"];
    let mut many = Map::new();
    let mut one = Map::new();
    if can("list") {
        let options = ["continue", "fieldSelector", "labelSelector", "limit", "resourceVersion", "watch"];
        many.insert("get".into(), operation("list", &options));
    }
    if can("create") {
        many.insert("post".into(), operation("post", &writing));
    }
    if can("deletecollection") {
        many.insert("delete".into(), operation("deletecollection", &["dryRun", "labelSelector", "fieldSelector"]));
    }
    if can("get") {
        one.insert("get".into(), operation("get", &[]));
    }
    if can("update") {
        one.insert("put".into(), operation("put", &writing));
    }
    if can("patch") {
        let options = ["dryRun", "fieldManager", "fieldValidation", "force"];
        one.insert("patch".into(), operation("patch", &options));
    }
    if can("delete") {
        one.insert("delete".into(), operation("delete", &["dryRun", "gracePeriodSeconds", "propagationPolicy"]));
    }
    if kind.namespaced && can("list") {
        paths.insert(format!("/{base}/{plural}"), json!({"get": many.get("get")}));
    }
    if !one.is_empty() {
        paths.insert(format!("{collection}/{{name}}"), Value::Object(one.clone()));
    }
    let whole: Vec<&str> =
        [kind.status.then_some("status"), kind.scale.is_some().then_some("scale")].into_iter().flatten().collect();
    for name in whole {
        let kept = one.iter().filter(|(method, _)| *method != "delete");
        let below: Map<String, Value> = kept.map(|(method, value)| (method.clone(), value.clone())).collect();
        paths.insert(format!("{collection}/{{name}}/{name}"), Value::Object(below));
    }
    paths.insert(collection, Value::Object(many));
}

/// `/openapi/v2`: definitions under the names of the third version, without paths.
pub(crate) fn second(registry: &Registry) -> Value {
    let mut definitions = Map::new();
    for group in registry.groups() {
        for version in registry.versions(group) {
            let schemas = document(registry, group, &version).map(|mut whole| whole["components"]["schemas"].take());
            if let Some(Value::Object(schemas)) = schemas {
                definitions.extend(schemas.into_iter().map(|(name, schema)| (name, older(schema))));
            }
        }
    }
    json!({
        "swagger": "2.0", "info": {"title": "Kubernetes", "version": super::discovery::version()["gitVersion"]},
        "paths": {}, "definitions": definitions,
    })
}

/// A schema in the second version's form.
fn older(schema: Value) -> Value {
    match schema {
        Value::Object(mut map) => {
            let inner = map.get("allOf").and_then(Value::as_array).and_then(|list| list.first()).cloned();
            if let Some(reference) = inner.as_ref().and_then(|inner| inner.get("$ref")) {
                map.insert("$ref".into(), reference.clone());
                map.remove("allOf");
            }
            if map.remove("oneOf").is_some() {
                map.insert("type".into(), "string".into());
            }
            map.remove("anyOf");
            map.remove("not");
            map.remove("nullable");
            Value::Object(
                map.into_iter()
                    .map(|(name, value)| match value {
                        Value::String(text) if name == "$ref" => {
                            (name, text.replace(REFERENCE, "#/definitions/").into())
                        }
                        value => (name, older(value)),
                    })
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.into_iter().map(older).collect()),
        other => other,
    }
}
