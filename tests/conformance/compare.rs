//! What of an answer is compared: everything but times, UIDs, resourceVersions, addresses and generated names.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use crate::sides::Answer;

static MADE_UP: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uid>"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>"),
        (r"resource version: \d+ \(\d+\)", "resource version: <version> (<version>)"),
        (r"resource version: \d+, current: \d+", "resource version: <version>, current: <version>"),
        (r"ResourceVersion in (record|the precondition) \(\d+\)", "ResourceVersion in $1 (<version>)"),
        (r"ResourceVersion in the precondition \(\w+\)", "ResourceVersion in the precondition (<version>)"),
        (r"\b10\.\d+\.\d+\.\d+\b", "<address>"),
        (r"\b127\.0\.0\.1:\d+\b", "<address>"),
        (r"hash=[0-9A-F]{64,}", "hash=<hash>"),
        // The server shows what could not be read in the order of its own fields.
        (r#"(?s)patch: Invalid value: "\{.*\}": "#, "patch: <object>: "),
        (r#"(?s)^Invalid value: "\{.*\}": "#, "Invalid value: <object>: "),
        (r"(?s)Invalid value: (\{.*\}|\[\{.*\}\]): ", "Invalid value: <object>: "),
        (r"^\d+s$", "<age>"),
    ]
    .into_iter()
    .map(|(pattern, name)| (Regex::new(pattern).unwrap(), name))
    .collect()
});

/// An answer as it is compared. `tag` is the word that this run put into names.
pub fn compared(answer: &Answer, tag: &str) -> Value {
    let text = String::from_utf8_lossy(&answer.body);
    let body = match serde_json::from_str::<Value>(&text) {
        Ok(value) => normal(value, tag),
        Err(_) if text.starts_with('{') => {
            // A stream of events.
            let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| json!(line)));
            Value::Array(lines.map(|line| normal(line, tag)).collect())
        }
        Err(_) if answer.content_type == "application/yaml" => {
            serde_yaml::from_str(&text).map_or_else(|_| json!(text), |value| normal(value, tag))
        }
        Err(_) => json!(plain(&text, tag)),
    };
    let body = if answer.content_type == "application/yaml" && body.is_string() { json!("<yaml>") } else { body };
    let warnings: Vec<String> = answer.warnings.iter().map(|warning| plain(warning, tag)).collect();
    json!({"code": answer.code, "type": answer.content_type, "warnings": warnings, "body": body})
}

fn plain(text: &str, tag: &str) -> String {
    let mut text = text.replace(tag, "<tag>");
    for (pattern, name) in MADE_UP.iter() {
        text = pattern.replace_all(&text, *name).into_owned();
    }
    text
}

fn normal(value: Value, tag: &str) -> Value {
    match value {
        Value::String(text) => Value::String(plain(&text, tag)),
        Value::Array(items) => Value::Array(items.into_iter().map(|item| normal(item, tag)).collect()),
        Value::Object(map) => {
            let generated = map.get("generateName").cloned();
            let map = unordered(map);
            let mut out = serde_json::Map::new();
            for (name, value) in map {
                let value = match (name.as_str(), &value) {
                    ("resourceVersion", Value::String(text)) if !text.is_empty() && text != "0" => json!("<version>"),
                    ("continue", Value::String(text)) if !text.is_empty() => json!("<token>"),
                    ("nodePort", Value::Number(_)) => json!("<port>"),
                    // Text, which the record of the kinds leaves out.
                    ("description", Value::String(_)) => continue,
                    ("name", Value::String(text)) => match generated.as_ref().and_then(Value::as_str) {
                        Some(prefix) if text.starts_with(prefix) => json!("<generated>"),
                        _ => normal(value, tag),
                    },
                    ("managedFields", Value::Array(_)) => {
                        let mut normal = normal(value, tag);
                        // Their order depends on the second in which each was written.
                        if let Some(list) = normal.as_array_mut() {
                            list.sort_by_key(Value::to_string);
                        }
                        normal
                    }
                    _ => normal(value, tag),
                };
                out.insert(plain(&name, tag), value);
            }
            Value::Object(out)
        }
        other => other,
    }
}

/// A status with several causes: the server collects them from maps, in any order.
fn unordered(mut status: serde_json::Map<String, Value>) -> serde_json::Map<String, Value> {
    let causes = status.get_mut("details").and_then(|details| details.get_mut("causes")?.as_array_mut());
    if let Some(causes) = causes.filter(|causes| causes.len() > 1) {
        causes.sort_by_key(Value::to_string);
        if let Some(text) = status.get("message").and_then(Value::as_str) {
            // The causes say the rest.
            let end = text.find(" is invalid").or_else(|| text.find("conflicts: ")).unwrap_or(text.len());
            status.insert("message".into(), format!("{} <causes>", &text[..end]).into());
        }
    }
    status
}

/// The places where two values differ, a line each: path, the sandbox's, the server's.
pub fn differences(sandbox: &Value, real: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(sandbox, real, String::new(), &mut found);
    found
}

fn collect(sandbox: &Value, real: &Value, path: String, found: &mut Vec<String>) {
    match (sandbox, real) {
        (Value::Object(a), Value::Object(b)) => {
            for (name, value) in a {
                collect(value, b.get(name).unwrap_or(&Value::Null), format!("{path}.{name}"), found);
            }
            for (name, value) in b.iter().filter(|(name, _)| !a.contains_key(*name)) {
                found.push(format!("{path}.{name}: sandbox nothing, server {value}"));
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (place, (a, b)) in a.iter().zip(b).enumerate() {
                collect(a, b, format!("{path}[{place}]"), found);
            }
        }
        (a, b) if a != b => found.push(format!("{path}: sandbox {a}, server {b}")),
        _ => {}
    }
}
