//! What is wrong with a configuration that is applied: server-side apply wants every field declared and of its type.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::apply::{Node, Shape};
use super::Sort;

/// The complaints, in the words of a server; nothing when all fits.
pub(crate) fn typed_errors(root: Node<'_>, config: &Value) -> Vec<String> {
    let mut found = Vec::new();
    judge(root, config, "", &mut found);
    found
}

fn judge(node: Node<'_>, value: &Value, path: &str, found: &mut Vec<String>) {
    if value.is_null() {
        return;
    }
    let mut wrong =
        |expected: &str, value: &Value| found.push(format!("{path}: expected {expected}, got {}", shown(value)));
    match (node.sort(), value) {
        (Sort::Struct | Sort::Map, Value::Object(map)) => {
            for (name, value) in map {
                let below = format!("{path}.{name}");
                match node.child_declared(name) {
                    Some(child) => judge(child, value, &below, found),
                    None => found.push(format!("{below}: field not declared in schema")),
                }
            }
        }
        (Sort::Struct | Sort::Map, _) => wrong("map", value),
        (Sort::Array, Value::Array(items)) => list(node, items, path, found),
        (Sort::Array, _) => wrong("list", value),
        (Sort::Text | Sort::Bytes | Sort::Time, Value::String(_))
        | (Sort::Integer | Sort::Number, Value::Number(_))
        | (Sort::Flag, Value::Bool(_))
        | (Sort::IntOrString | Sort::Quantity, Value::String(_) | Value::Number(_))
        | (Sort::Any, _) => {}
        (Sort::Text | Sort::Bytes | Sort::Time, _) => {
            let value = match value {
                Value::Object(_) | Value::Array(_) => shown(value),
                plain => format!("&value.valueUnstructured{{Value:{plain}}}"),
            };
            found.push(format!("{path}: expected string, got {value}"));
        }
        (Sort::Integer | Sort::Number, _) => {
            let what = match value {
                Value::String(_) => "string".to_owned(),
                Value::Bool(_) => "boolean".to_owned(),
                other => shown(other),
            };
            found.push(format!("{path}: expected numeric (int or float), got {what}"));
        }
        (Sort::Flag, _) => wrong("boolean", value),
        (Sort::IntOrString | Sort::Quantity, _) => wrong("string or number", value),
    }
}

fn list(node: Node<'_>, items: &[Value], path: &str, found: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    let shape = node.shape();
    for (number, item) in items.iter().enumerate() {
        match shape {
            Shape::Keyed => {
                if !item.is_object() {
                    found.push(format!(
                        "{path}: element {number}: associative list with keys may not have non-map elements"
                    ));
                    continue;
                }
                let missing = node.keys().find(|key| item.get(key).is_none() && node.key_default(key).is_none());
                if let Some(key) = missing.filter(|_| node.is_custom()) {
                    found.push(format!(
                        "{path}: element {number}: associative list with keys has an element that omits all key fields [{key:?}] (and doesn't have default values for any key fields)"
                    ));
                    continue;
                }
                let step = node.step_of(item).to_string();
                if missing.is_none() && !seen.insert(step.clone()) {
                    found.push(format!("{path}: duplicate entries for key {step}"));
                }
                judge(node.item(), item, &format!("{path}{step}"), found);
            }
            Shape::Set => {
                let step = node.step_of(item).to_string();
                if !seen.insert(step.clone()) {
                    found.push(format!("{path}: duplicate entries for key {step}"));
                }
                judge(node.item(), item, &format!("{path}{step}"), found);
            }
            Shape::Atomic => judge(node.item(), item, &format!("{path}[{number}]"), found),
        }
    }
}

/// A value as Go prints it.
fn shown(value: &Value) -> String {
    fn inner(value: &Value) -> String {
        match value {
            Value::String(text) => text.clone(),
            Value::Array(items) => format!("[{}]", items.iter().map(inner).collect::<Vec<_>>().join(" ")),
            Value::Object(map) => {
                let parts: Vec<String> = map.iter().map(|(name, value)| format!("{name}:{}", inner(value))).collect();
                format!("map[{}]", parts.join(" "))
            }
            Value::Null => "<nil>".to_owned(),
            other => other.to_string(),
        }
    }
    format!("&{{{}}}", inner(value))
}
