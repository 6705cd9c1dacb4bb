use serde_json::Value;

use super::way_back::HELD_SECRET;

/// kubectl's client-side apply keeps the whole object here.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Whether an object is a Kubernetes Secret.
pub fn is_secret(object: &Value) -> bool {
    let in_core = |version: &Value| version.as_str().is_none_or(|version| !version.contains('/'));
    object["kind"] == "Secret" && in_core(&object["apiVersion"])
}

/// How the values of a Secret stand in a field of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// In base64, as the server keeps them.
    Base64,
    /// As they are.
    Text,
}

/// In which form the values of a Secret stand below the field `key` of `parent`; none where there are none: they are in
/// its `data` and `stringData`, in what client-side apply kept of it, and in what a command printed that prints such.
pub fn hides(parent: &Value, key: &str) -> Option<Form> {
    match key {
        "data" if is_secret(parent) => Some(Form::Base64),
        "stringData" if is_secret(parent) => Some(Form::Text),
        LAST_APPLIED => {
            let kept = parent[key].as_str()?;
            let squeezed: String = kept.chars().filter(|c| !c.is_whitespace()).collect();
            squeezed.contains("\"kind\":\"Secret\"").then_some(Form::Text)
        }
        "stdout" | "stderr" | "json" if parent["secret"] == true && parent["status"].is_i64() => Some(Form::Text),
        _ => None,
    }
}

/// Calls `each` with every value of a Secret that stands in `value`, with its path, its form and what it is a part of, until
/// `each` says that it is enough.
fn walk<'v>(
    value: &'v Value,
    hidden: Option<(Form, &'v Value)>,
    path: &mut String,
    each: &mut dyn FnMut(&str, &'v Value, (Form, &'v Value)) -> bool,
) -> bool {
    let length = path.len();
    let mut below = |step: &str, child: &'v Value, hidden: Option<(Form, &'v Value)>, path: &mut String| {
        path.push_str(step);
        let go_on = walk(child, hidden, path, each);
        path.truncate(length);
        go_on
    };
    match value {
        Value::Object(fields) => fields.iter().all(|(key, child)| {
            let dot = if path.is_empty() { "" } else { "." };
            below(&format!("{dot}{key}"), child, hidden.or_else(|| hides(value, key).map(|form| (form, value))), path)
        }),
        Value::Array(items) => items.iter().enumerate().all(|(i, item)| below(&format!("[{i}]"), item, hidden, path)),
        Value::Null => true,
        leaf => hidden.is_none_or(|hidden| each(path, leaf, hidden)),
    }
}

/// The path of the first value of a Secret in `value`, e.g. `data.password`; `hidden`: all of it is one.
pub fn first_secret(value: &Value, hidden: bool) -> Option<String> {
    let mut found = None;
    walk(value, hidden.then_some((Form::Text, value)), &mut String::new(), &mut |path, _, _| {
        found = Some(path.to_owned());
        false
    });
    found
}

/// Calls `each` with every value of a Secret in `value`, its form and the Secret.
pub fn each_secret(value: &Value, mut each: impl FnMut(&str, Form, &Value)) {
    walk(value, None, &mut String::new(), &mut |_, leaf, (form, secret)| {
        match leaf {
            Value::String(text) => each(text, form, secret),
            other => each(&other.to_string(), form, secret),
        }
        true
    });
}

/// Whether a Secret says this in the open, as its name, its namespace or a label: then it hides nothing.
pub fn says_openly(secret: &Value, value: &[u8]) -> bool {
    let metadata = &secret["metadata"];
    let labels = metadata["labels"].as_object().into_iter().flat_map(serde_json::Map::values);
    labels
        .chain([&metadata["name"], &metadata["namespace"]])
        .any(|open| open.as_str().is_some_and(|open| open.as_bytes() == value))
}

/// `value` with what stands for a secret in the place of each value of one; `hidden`: all of it is one.
pub fn without_secrets(value: &Value, hidden: bool) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, child)| {
                let hidden = hidden || hides(value, key).is_some();
                (key.clone(), without_secrets(child, hidden))
            });
            Value::Object(fields.collect())
        }
        Value::Array(items) => items.iter().map(|item| without_secrets(item, hidden)).collect(),
        Value::Null => Value::Null,
        leaf => {
            if hidden {
                HELD_SECRET.into()
            } else {
                leaf.clone()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn secret() -> Value {
        json!({ "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": { "name": "x", "annotations": {
            LAST_APPLIED: "{\"kind\": \"Secret\", \"data\": {\"k\": \"aHVudGVyMg==\"}}" } },
            "data": { "k": "aHVudGVyMg==", "none": null }, "stringData": { "l": "hunter2" } })
    }

    #[test]
    fn the_values_of_a_secret_are_found_wherever_it_stands() {
        let listed = json!({ "kind": "List", "items": [{ "kind": "ConfigMap", "data": { "a": "b" } }, secret()] });
        assert_eq!(first_secret(&listed, false).as_deref(), Some("items[1].data.k"));
        let mut all = vec![];
        each_secret(&listed, |value, form, _| all.push((value.to_owned(), form)));
        assert_eq!(all.len(), 3, "{all:?}");
        assert!(all.contains(&("aHVudGVyMg==".into(), Form::Base64)) && all.contains(&("hunter2".into(), Form::Text)));
        let text = without_secrets(&listed, false).to_string();
        assert!(!text.contains("aHVudGVyMg") && !text.contains("hunter2"), "{text}");
        assert!(text.contains("\"name\":\"x\"") && text.contains("\"a\":\"b\"") && text.contains("Opaque"), "{text}");
        assert!(text.contains("\"k\":\"«secret»\"") && text.contains("\"none\":null"), "{text}");
    }

    #[test]
    fn what_a_command_printed_is_hidden_where_it_is_secret_by_type() {
        let printed =
            |secret: bool| json!({ "status": 0, "stdout": "a", "stderr": "", "json": null, "secret": secret });
        assert_eq!(first_secret(&printed(true), false).as_deref(), Some("stderr"));
        assert_eq!(first_secret(&printed(false), false), None);
        let open = json!({ "secret": true, "json": "a field of some other kind" });
        assert_eq!(first_secret(&open, false), None);
    }

    #[test]
    fn what_a_secret_says_in_the_open_is_its_names_and_labels() {
        let secret = json!({ "metadata": { "name": "pg-app", "namespace": "db", "labels": { "app": "postgres" } } });
        for (value, open) in [("pg-app", true), ("db", true), ("postgres", true), ("app", false), ("", false)] {
            assert_eq!(says_openly(&secret, value.as_bytes()), open, "{value}");
        }
        assert!(!says_openly(&json!({}), b"x"));
    }

    #[test]
    fn what_is_no_secret_of_the_core_group_is_left_alone() {
        let other = json!({ "apiVersion": "example.com/v1", "kind": "Secret", "data": { "k": "v" } });
        let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "k": "v" } });
        for open in [other, map, json!({ "data": { "k": "v" } }), json!("text")] {
            assert_eq!(first_secret(&open, false), None);
            assert_eq!(without_secrets(&open, false), open);
        }
        assert_eq!(without_secrets(&json!({ "a": [1, true] }), true), json!({ "a": ["«secret»", "«secret»"] }));
    }
}
