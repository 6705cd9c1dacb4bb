use serde_json::{Map, Value};

use super::head;

/// One field that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The field's path, e.g. `spec.template.spec.containers[0].image`.
    pub path: String,
    /// Its value before; none where it was not there.
    pub before: Option<Value>,
    /// Its value after; none where it is gone.
    pub after: Option<Value>,
}

/// Stands for a value of a Secret.
const HIDDEN: &str = "(hidden)";

/// What the server sets, and no one decides.
const SERVER_SET: [&str; 8] = [
    "managedFields",
    "resourceVersion",
    "uid",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
];

/// The object without status and what the server sets.
pub fn without_server_fields(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(map) = object.as_object_mut() {
        map.remove("status");
        if let Some(metadata) = map.get_mut("metadata").and_then(Value::as_object_mut) {
            for field in SERVER_SET {
                metadata.remove(field);
            }
        }
    }
    object
}

/// The fields in which two objects differ, in the order of their paths; status and what the server sets do not count.
/// Of a Secret's values it only says that they differ.
pub fn diff(before: &Value, after: &Value) -> Vec<Difference> {
    let secret =
        [before, after].iter().any(|object| head(object).kind() == "Secret" && head(object).group().is_empty());
    let mut found = vec![];
    compare("", Some(&without_server_fields(before)), Some(&without_server_fields(after)), &mut found);
    if secret {
        for difference in &mut found {
            // the annotation of client-side apply holds the whole Secret
            let shown = difference.path.starts_with("metadata.") && !difference.path.contains("last-applied");
            if !shown {
                for side in [&mut difference.before, &mut difference.after] {
                    *side = side.take().map(|_| HIDDEN.into());
                }
            }
        }
    }
    found
}

fn compare(path: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Difference>) {
    match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => compare_maps(path, before, after, found),
        // a map that came or went is said field by field
        (Some(Value::Object(before)), None) if !before.is_empty() => compare_maps(path, before, &Map::new(), found),
        (None, Some(Value::Object(after))) if !after.is_empty() => compare_maps(path, &Map::new(), after, found),
        (Some(Value::Array(before)), Some(Value::Array(after))) => {
            for i in 0..before.len().max(after.len()) {
                compare(&format!("{path}[{i}]"), before.get(i), after.get(i), found);
            }
        }
        (before, after) if before == after => {}
        (before, after) => {
            found.push(Difference { path: path.to_owned(), before: before.cloned(), after: after.cloned() });
        }
    }
}

fn compare_maps(path: &str, before: &Map<String, Value>, after: &Map<String, Value>, found: &mut Vec<Difference>) {
    let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        compare(&join(path, key), before.get(key), after.get(key), found);
    }
}

fn join(path: &str, key: &str) -> String {
    // a key with a dot in it would read as two
    let key = if key.contains('.') || key.is_empty() { format!("[\"{key}\"]") } else { key.to_owned() };
    if path.is_empty() || key.starts_with('[') { format!("{path}{key}") } else { format!("{path}.{key}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(before: &Value, after: &Value) -> Vec<String> {
        diff(before, after).into_iter().map(|difference| difference.path).collect()
    }

    #[test]
    fn only_what_someone_decided_differs() {
        let before = json!({ "metadata": { "uid": "1", "generation": 1, "managedFields": [], "labels": { "a.b/c": "1" } },
            "spec": { "replicas": 1, "list": [1, 2] }, "status": { "ready": 1 } });
        let after = json!({ "metadata": { "uid": "2", "generation": 2, "resourceVersion": "5", "labels": { "a.b/c": "2" } },
            "spec": { "replicas": 1, "list": [1, 3, 4], "template": { "image": "x" } }, "status": { "ready": 2 } });
        assert_eq!(
            paths(&before, &after),
            ["metadata.labels[\"a.b/c\"]", "spec.list[1]", "spec.list[2]", "spec.template.image"]
        );
        assert!(paths(&before, &before).is_empty());
    }

    #[test]
    fn both_sides_are_told() {
        let found = diff(&json!({ "spec": { "replicas": 1 } }), &json!({ "spec": { "paused": true } }));
        let told: Vec<_> = found.into_iter().map(|d| (d.path, d.before, d.after)).collect();
        assert_eq!(
            told,
            [("spec.paused".into(), None, Some(json!(true))), ("spec.replicas".into(), Some(json!(1)), None)]
        );
    }

    #[test]
    fn a_secret_s_values_are_never_told() {
        let secret = |value: &str| {
            json!({ "apiVersion": "v1", "kind": "Secret", "stringData": { "k": value }, "data": { "password": value },
                "metadata": { "labels": { "a": value }, "annotations": { "kubectl.kubernetes.io/last-applied-configuration": value } } })
        };
        let found = diff(&secret("one"), &secret("two"));
        let hidden: Vec<_> =
            found.iter().filter(|d| d.before == Some(json!(HIDDEN)) && d.after == Some(json!(HIDDEN))).collect();
        assert_eq!((found.len(), hidden.len()), (4, 3), "{found:?}");
    }
}
