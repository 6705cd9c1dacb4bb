use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::head;

/// Text that does not hold what it should, with the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct YamlError {
    /// The file as it was named.
    pub file: String,
    /// Line, counted from 1.
    pub line: u64,
    /// Column in characters, counted from 1.
    pub column: u64,
    /// What is wrong, without the text around it: that could be a secret.
    pub message: String,
}

/// One document and the line that it starts on.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// What it holds.
    pub value: Value,
    /// Its first line, counted from 1.
    pub line: u64,
}

/// Reads every document of YAML or JSON text, scalars as kubectl reads them (`yes` is true, `010` is 8). Empty ones are left out.
/// Known differences: `nO` and the like, in mixed case, are booleans here; a float with `_` in it is a text; `1e400` and keys
/// that are given twice are refused; where a merge stands after keys that it has too, the keys win.
///
/// # Errors
/// The first thing that is not YAML, a duplicate key, or aliases that expand too far.
pub fn documents(text: &str, file: &str) -> Result<Vec<Document>, YamlError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match serde_yaml::from_multiple_with_options::<serde_yaml::Spanned<Node>>(text, options()) {
        Ok(documents) => Ok(documents
            .into_iter()
            .map(|document| Document { line: document.referenced.line().max(1), value: document.value.0 })
            .filter(|document| !document.value.is_null())
            .collect()),
        Err(error) => json(text).ok_or_else(|| {
            let place = error.location().map_or((1, 1), |place| (place.line().max(1), place.column().max(1)));
            YamlError { file: file.into(), line: place.0, column: place.1, message: words(&error) }
        }),
    }
}

/// How YAML is read everywhere: as kubectl does.
pub(super) fn options() -> serde_yaml::Options {
    serde_yaml::options! {
        legacy_octal_numbers: true,
        with_snippet: false,
    }
}

/// Reads every Kubernetes object of YAML or JSON text; lists are unpacked.
///
/// # Errors
/// As [`documents`]; and a document that is no object, or has no apiVersion, kind or metadata.name.
pub fn objects(text: &str, file: &str) -> Result<Vec<Value>, YamlError> {
    let mut objects = vec![];
    for Document { mut value, line } in documents(text, file)? {
        let refuse = |message: String| YamlError { file: file.into(), line, column: 1, message };
        let list = head(&value).kind().ends_with("List") && value.get("items").is_some_and(Value::is_array);
        if !list {
            complete(&value, "the document").map_err(refuse)?;
            objects.push(value);
            continue;
        }
        let Some(Value::Array(items)) = value.get_mut("items").map(Value::take) else { continue };
        for (i, item) in items.into_iter().enumerate() {
            complete(&item, &format!("item {i} of the list")).map_err(refuse)?;
            objects.push(item);
        }
    }
    Ok(objects)
}

/// Whether a value is an object that can be applied; what is missing, named after `what`.
///
/// # Errors
/// What is missing.
pub fn complete(object: &Value, which: &str) -> Result<(), String> {
    if !object.is_object() {
        return Err(format!("{which} is not a Kubernetes object but {}", type_of(object)));
    }
    let head = head(object);
    let parts = [("apiVersion", head.api_version()), ("kind", head.kind()), ("metadata.name", head.name())];
    let missing: Vec<&str> = parts.iter().filter(|(_, value)| value.is_empty()).map(|(name, _)| *name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let known = [head.kind(), head.name()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
    let known = if known.is_empty() { String::new() } else { format!(" ({known})") };
    Err(format!("{which}{known} has no {}", missing.join(", no ")))
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a sequence",
        Value::Object(_) => "a map",
    }
}

/// JSON that is no YAML: indented by tabs, or several values in a row.
fn json(text: &str) -> Option<Vec<Document>> {
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    let mut found = vec![];
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Node>();
    loop {
        let start = values.byte_offset();
        let gap = text[start..].len() - text[start..].trim_start().len();
        let line = text[..start + gap].matches('\n').count() + 1;
        match values.next() {
            None => return Some(found),
            Some(value) => found.push(Document { value: value.ok()?.0, line: line as u64 }),
        }
    }
}

fn words(error: &serde_yaml::Error) -> String {
    let text = error.without_snippet().to_string();
    let first = text.lines().next().unwrap_or_default();
    // the place is said once, in front
    first.split(" at line ").next().unwrap_or(first).trim_start_matches("error: ").to_owned()
}

/// A map's key as text.
pub(super) fn key(Node(key): Node) -> Result<String, String> {
    match key {
        Value::String(key) => Ok(key),
        Value::Bool(key) => Ok(key.to_string()),
        Value::Number(key) => Ok(key.to_string()),
        other => Err(format!("a key is {}, not a text", type_of(&other))),
    }
}

/// A value as sigs.k8s.io/yaml makes it: keys are texts, whole floats are integers, nothing is infinite.
pub(super) struct Node(Value);

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor).map(Node)
    }
}

pub(super) struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    #[allow(clippy::cast_precision_loss, reason = "Kubernetes knows no integers beyond i64: they are floats to it")]
    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        i64::try_from(value).map_or_else(|_| self.visit_f64(value as f64), |value| Ok(value.into()))
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "guarded by the comparison")]
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        if value.fract() == 0.0 && value.abs() < i64::MAX as f64 {
            return Ok((value as i64).into());
        }
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("infinity and NaN have no place in an object"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_bytes<E: serde::de::Error>(self, value: &[u8]) -> Result<Value, E> {
        std::str::from_utf8(value).map(Value::from).map_err(|_| E::custom("!!binary that is not UTF-8"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = vec![];
        while let Some(Node(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(name) = map.next_key()? {
            let key = key(name).map_err(A::Error::custom)?;
            let Node(value) = map.next_value()?;
            if fields.contains_key(&key) {
                return Err(A::Error::custom(format!("duplicate mapping key: {key}")));
            }
            fields.insert(key, value);
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
#[path = "yaml_tests.rs"]
mod tests;
