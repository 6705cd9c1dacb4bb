//! Fields that go back: those that differ between before and after, where live is still as after.

use serde_json::{Map, Value, json};

use super::HELD_SECRET;
use crate::{model::text::value, object::without_server_fields};

/// What a value may be long in words.
const MOST: usize = 80;

/// How a changed object goes back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Restore {
    /// The merge patch; null where nothing has to be sent.
    pub patch: Value,
    /// The fields that it puts back, each with what it becomes: `spec.replicas: 5 → 3`.
    pub back: Vec<String>,
    /// The fields that stay as they are, and why.
    pub left: Vec<(String, String)>,
}

/// How to put back what an effect changed. `counts` says whether a field, by its keys, is one that the effect set.
pub fn restore(before: &Value, after: &Value, live: &Value, counts: &dyn Fn(&[String]) -> bool) -> Restore {
    let [before, after, live] = [before, after, live].map(without_server_fields);
    let mut walk = Walk { counts, path: vec![], restore: Restore::default() };
    walk.compare(Some(&before), Some(&after), Some(&live));
    walk.restore
}

/// The patch without the fields that the server named as ones it does not let go back, with those fields.
pub fn without(patch: &Value, fields: &[String]) -> (Value, Vec<String>) {
    let (mut patch, mut refused) = (patch.clone(), vec![]);
    for field in fields {
        let keys: Vec<&str> = field.split(['.', '[']).map(|key| key.trim_matches([']', '"', '\''])).collect();
        if remove(&mut patch, &keys) {
            refused.push(field.clone());
        }
    }
    if patch.as_object().is_some_and(Map::is_empty) {
        patch = Value::Null;
    }
    (patch, refused)
}

/// Removes the longest part of the path that the patch has; whether it had any.
fn remove(patch: &mut Value, keys: &[&str]) -> bool {
    let (Some(map), [key, rest @ ..]) = (patch.as_object_mut(), keys) else { return false };
    let Some(inner) = map.get_mut(*key) else { return false };
    // a field above or below the one that is named goes with it
    if rest.is_empty() || !inner.is_object() || !remove(inner, rest) || inner.as_object().is_some_and(Map::is_empty) {
        map.remove(*key);
    }
    true
}

struct Walk<'a> {
    counts: &'a dyn Fn(&[String]) -> bool,
    path: Vec<String>,
    restore: Restore,
}

impl Walk<'_> {
    fn compare(&mut self, before: Option<&Value>, after: Option<&Value>, live: Option<&Value>) {
        match (before, after) {
            (before, after) if before == after => {}
            (None | Some(Value::Object(_)), None | Some(Value::Object(_))) => {
                let empty = Map::new();
                let map =
                    |side: Option<&Value>| side.and_then(Value::as_object).cloned().unwrap_or_else(|| empty.clone());
                let (before, after) = (map(before), map(after));
                let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
                keys.sort();
                keys.dedup();
                for key in keys {
                    self.path.push(key.clone());
                    self.compare(before.get(key), after.get(key), live.and_then(|live| live.get(key)));
                    self.path.pop();
                }
            }
            // lists are one value: a merge patch knows no parts of them
            (before, after) => self.leaf(before, after, live),
        }
    }

    fn leaf(&mut self, before: Option<&Value>, after: Option<&Value>, live: Option<&Value>) {
        let name = name(&self.path);
        if live == before || !(self.counts)(&self.path) {
            return;
        }
        if [before, after].into_iter().flatten().any(holds_secret) {
            self.restore.left.push((name, "it held a secret's value, which is not kept".into()));
        } else if matches!(self.path.first().map(String::as_str), Some("apiVersion" | "kind")) {
            let words = format!("it was read as {} and answered as {}", shown(before), shown(after));
            self.restore.left.push((name, words));
        } else if live == after {
            self.restore.back.push(format!("{name}: {} → {}", shown(live), shown(before)));
            set(&mut self.restore.patch, &self.path, before.cloned().unwrap_or_default());
        } else {
            let words = format!("it is {} now, and this run had made it {}", shown(live), shown(after));
            self.restore.left.push((name, words));
        }
    }
}

fn holds_secret(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(HELD_SECRET),
        Value::Array(items) => items.iter().any(holds_secret),
        Value::Object(map) => map.iter().any(|(key, value)| key.contains(HELD_SECRET) || holds_secret(value)),
        _ => false,
    }
}

fn set(patch: &mut Value, path: &[String], value: Value) {
    let [key, rest @ ..] = path else {
        *patch = value;
        return;
    };
    if !patch.is_object() {
        *patch = json!({});
    }
    if let Some(map) = patch.as_object_mut() {
        set(map.entry(key.clone()).or_insert(Value::Null), rest, value);
    }
}

fn name(path: &[String]) -> String {
    let mut out = String::new();
    for key in path {
        if key.contains('.') || key.is_empty() {
            out.push_str(&format!("[\"{key}\"]"));
        } else {
            if !out.is_empty() {
                out.push('.');
            }
            out.push_str(key);
        }
    }
    out
}

fn shown(side: Option<&Value>) -> String {
    side.map_or_else(|| "absent".into(), |side| value(side, MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(_: &[String]) -> bool {
        true
    }

    #[test]
    fn a_field_goes_back_where_it_is_still_as_the_run_left_it() {
        let before = json!({ "metadata": { "labels": { "a": "1" } }, "spec": { "replicas": 1, "args": ["x"] } });
        let after = json!({ "metadata": { "labels": { "a": "1", "b/c.d": "2" } }, "spec": { "replicas": 3, "args": ["y", "z"] } });
        let mut live = after.clone();
        live["metadata"]["resourceVersion"] = json!("9");
        live["spec"]["more"] = json!(true);
        let back = restore(&before, &after, &live, &all);
        assert_eq!(
            back.patch,
            json!({ "metadata": { "labels": { "b/c.d": null } }, "spec": { "replicas": 1, "args": ["x"] } })
        );
        assert_eq!(back.back.len(), 3);
        assert_eq!(back.back[2], "spec.replicas: 3 → 1");
        assert!(back.left.is_empty(), "{back:?}");
    }

    #[test]
    fn a_field_that_something_else_changed_since_is_left_and_named() {
        let of = |replicas: u32, paused: bool| json!({ "spec": { "replicas": replicas, "paused": paused } });
        let back = restore(&of(1, false), &of(3, true), &of(7, true), &all);
        assert_eq!(back.patch, json!({ "spec": { "paused": false } }));
        assert_eq!(back.left, [("spec.replicas".to_owned(), "it is 7 now, and this run had made it 3".to_owned())]);
    }

    #[test]
    fn what_is_back_already_needs_nothing() {
        let of = |replicas: u32| json!({ "spec": { "replicas": replicas } });
        assert_eq!(restore(&of(1), &of(3), &of(1), &all), Restore::default());
    }

    #[test]
    fn what_held_a_secret_is_left_and_says_so() {
        let of = |text: &str| json!({ "data": { "url": text, "other": text.len() } });
        let back = restore(&of("https://a:«secret»@x"), &of("https://b"), &of("https://b"), &all);
        assert_eq!(back.left.len(), 1);
        assert!(back.left[0].1.contains("secret's value"), "{back:?}");
        assert_eq!(back.patch, json!({ "data": { "other": "https://a:«secret»@x".len() } }));
    }

    #[test]
    fn only_fields_that_the_effect_set_count_where_its_answer_is_not_known() {
        let (before, live) = (json!({ "data": { "a": "1" } }), json!({ "data": { "a": "2", "b": "3" } }));
        let back = restore(&before, &live, &live, &|path| path == ["data".to_owned(), "a".to_owned()]);
        assert_eq!((back.patch, back.left.len()), (json!({ "data": { "a": "1" } }), 0));
    }

    #[test]
    fn fields_that_the_server_does_not_let_go_back_are_taken_out() {
        let patch = json!({ "data": { "a": "1", "b": "2" }, "immutable": null });
        let (rest, refused) = without(&patch, &["immutable".into(), "data.a".into(), "spec.x".into()]);
        assert_eq!((rest, refused.len()), (json!({ "data": { "b": "2" } }), 2));
        let (rest, _) = without(&patch, &["data".into(), "immutable".into()]);
        assert_eq!(rest, Value::Null);
    }
}
