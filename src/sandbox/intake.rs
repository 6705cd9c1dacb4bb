//! What a client sends becomes an object of the path's kind: types checked, unknown fields named and dropped, custom
//! objects pruned and filled in.

use serde_json::{Value, json};

use super::apply::{self, Node};
use super::kinds::Kind;
use super::meta;
use super::request::{Call, Place};
use super::schema::{self, Schema};
use super::status::{ApiError, Cause};

/// What is done about fields that the kind does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unknown {
    Ignore,
    Warn,
    Refuse,
}

/// Reads `fieldValidation`; `options` is the type that an error names.
fn unknown(call: &Call, options: &str) -> Result<Unknown, ApiError> {
    match call.query.text("fieldValidation") {
        "" | "Warn" => Ok(Unknown::Warn),
        "Ignore" => Ok(Unknown::Ignore),
        "Strict" => Ok(Unknown::Refuse),
        other => {
            let cause = Cause {
                reason: "FieldValueNotSupported",
                field: "fieldValidation".into(),
                message: format!(
                    "Unsupported value: {other:?}: supported values: \"\", \"Ignore\", \"Strict\", \"Warn\""
                ),
            };
            Err(ApiError::invalid_as("meta.k8s.io", options, "", &[cause]))
        }
    }
}

/// Checks the options that every write has.
pub(crate) fn options_fit(call: &Call, options: &str) -> Result<(), ApiError> {
    unknown(call, options)?;
    let manager = call.query.text("fieldManager");
    if manager.len() > 128 {
        let cause = Cause {
            reason: "FieldValueTooLong",
            field: "fieldManager".into(),
            message: "Too long: may not be more than 128 bytes".into(),
        };
        return Err(ApiError::invalid_as("meta.k8s.io", options, "", &[cause]));
    }
    Ok(())
}

/// The object as a server would keep it, with what the client is warned of left at the call; or the words for what is
/// wrong. `doubled` are fields that stood twice in the body.
pub(crate) fn taken(place: &Place, call: &Call, object: Value, doubled: Vec<String>) -> Result<Value, String> {
    let (object, dropped) = read(&place.kind, &place.version, object)?;
    let mut complaints: Vec<String> = doubled.iter().map(|field| format!("duplicate field {field:?}")).collect();
    complaints.extend(dropped.iter().map(|field| format!("unknown field {field:?}")));
    match unknown(call, "").unwrap_or(Unknown::Warn) {
        Unknown::Refuse if !complaints.is_empty() => {
            return Err(format!("strict decoding error: {}", complaints.join(", ")));
        }
        Unknown::Warn => call.warnings.borrow_mut().extend(complaints),
        _ => {}
    }
    Ok(object)
}

/// As [`taken`], of an object that the server itself put together.
pub(crate) fn settled(place: &Place, object: Value) -> Result<Value, ApiError> {
    let (object, _) = read(&place.kind, &place.version, object).map_err(ApiError::bad_request)?;
    Ok(object)
}

/// Gives a new object the status that it has before anyone reported one.
pub(crate) fn blank_status(place: &Place, object: &mut Value) {
    let kind = &place.kind;
    if !kind.status {
        return;
    }
    let blank = if kind.is_custom() { None } else { kind.schema(&place.version).and_then(schema::blank_status) };
    if let Some(map) = object.as_object_mut() {
        match blank {
            Some(blank) => map.insert("status".into(), blank),
            None => map.remove("status"),
        };
    }
}

/// The object as it would be kept, and the fields that were dropped from it.
pub(crate) fn read(kind: &Kind, version: &str, mut object: Value) -> Result<(Value, Vec<String>), String> {
    let Some(schema) = kind.schema(version) else {
        return Ok((object, Vec::new()));
    };
    if !kind.is_custom() {
        // A configuration without a type is one of the path's.
        let (api_version, name) = (object["apiVersion"].clone(), object["kind"].clone());
        let (mut object, dropped) = schema::decode(schema, &kind.kind, object)?;
        object["apiVersion"] = api_version;
        object["kind"] = name;
        return Ok((object, dropped));
    }
    let mut dropped = Vec::new();
    if let (Some(schema), Some(metadata)) = (Schema::metadata(), object.get_mut("metadata")) {
        let (read, unknown) = schema::decode(schema, "ObjectMeta", std::mem::take(metadata))
            .map_err(|why| why.replacen("ObjectMeta.", "ObjectMeta.metadata.", 1))?;
        *metadata = read;
        dropped.extend(unknown.into_iter().map(|field| format!("metadata.{field}")));
    }
    schema::prune(schema, &mut object, true, "", &mut dropped);
    dropped.sort();
    schema::default_into(schema, &mut object);
    Ok((object, dropped))
}

/// Refuses an applied configuration that its kind's schema has no room for.
pub(crate) fn typed(place: &Place, config: &Value) -> Result<(), ApiError> {
    let errors = schema::typed_errors(Node::of(&place.kind, &place.version), config);
    if errors.is_empty() {
        return Ok(());
    }
    let shown = match errors.as_slice() {
        [one] => one.clone(),
        many => format!("errors:\n  {}\n", many.join("\n  ")),
    };
    let (group, version) = (&place.kind.group, &place.version);
    let (namespace, name) = (meta::namespace(config), meta::name(config));
    Err(ApiError::new(
        500,
        "",
        format!(
            "failed to create typed patch object ({namespace}/{name}; {group}/{version}, Kind={}): {shown}",
            place.kind.kind
        ),
        None,
    ))
}

/// The refusal of a patch whose result is no object of the kind.
pub(crate) fn patch_invalid(value: &str, why: &str) -> ApiError {
    let cause = Cause {
        reason: "FieldValueInvalid",
        field: "patch".into(),
        message: format!("Invalid value: {value:?}: {why}"),
    };
    let message = format!(" \"\" is invalid: patch: {}", cause.message);
    let causes = json!([{"reason": cause.reason, "message": cause.message, "field": cause.field}]);
    ApiError::new(422, "Invalid", message, Some(json!({"causes": causes})))
}

/// What a custom object's schema says against it.
pub(crate) fn custom_misfits(place: &Place, new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let kind = &place.kind;
    if !kind.is_custom() {
        return Vec::new();
    }
    kind.schema(&place.version).map(|schema| schema::misfits(schema, new, old)).unwrap_or_default()
}

/// The fields that stand twice in a JSON text, by their paths.
pub(crate) fn doubled(body: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut reader = serde_json::Deserializer::from_slice(body);
    // What cannot be read is refused by whoever reads the body.
    let _ = serde::de::DeserializeSeed::deserialize(Twice { path: String::new(), found: &mut found }, &mut reader);
    found
}

struct Twice<'a> {
    path: String,
    found: &'a mut Vec<String>,
}

impl<'de> serde::de::DeserializeSeed<'de> for Twice<'_> {
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> serde::de::Visitor<'de> for Twice<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut number = 0;
        while items
            .next_element_seed(Twice { path: format!("{}[{number}]", self.path), found: &mut *self.found })?
            .is_some()
        {
            number += 1;
        }
        Ok(())
    }
    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = std::collections::BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            let path = schema::joined(&self.path, &name);
            if !seen.insert(name) && !self.found.contains(&path) {
                self.found.push(path.clone());
            }
            map.next_value_seed(Twice { path, found: &mut *self.found })?;
        }
        Ok(())
    }
}

/// Leaves out of a configuration what nobody can apply, and gives it the path's name.
pub(crate) fn addressed(place: &Place, config: &mut Value) {
    if let Some(name) = &place.name
        && meta::name(config).is_empty()
    {
        meta::metadata_mut(config).insert("name".into(), name.clone().into());
    }
    if place.kind.status {
        apply::surrender(config, place.subresource == "status");
    }
}
