//! Strategic merge patches: like merge patches, but lists of named objects are merged by name, and directives
//! (`$patch`, `$deleteFromPrimitiveList/…`, `$setElementOrder/…`, `$retainKeys`) are carried out.

use serde_json::{Map, Value};

use super::apply::{Lists, strategic_keys};

const DIRECTIVE: &str = "$patch";

/// The live value with the patch laid over it.
pub(crate) fn merge(lists: Lists, live: &Value, patch: &Value, path: &[&str]) -> Result<Value, String> {
    let Value::Object(changes) = patch else {
        return Ok(patch.clone());
    };
    match changes.get(DIRECTIVE).and_then(Value::as_str) {
        Some("replace") => return Ok(without_directives(patch)),
        Some("delete") => return Ok(Value::Object(Map::new())),
        Some("merge") | None => {}
        Some(other) => {
            return Err(format!("unknown {DIRECTIVE} directive {other:?}, expected replace, delete or merge"));
        }
    }
    let mut merged = live.as_object().cloned().unwrap_or_default();
    if let Some(kept) = changes.get("$retainKeys").and_then(Value::as_array) {
        merged.retain(|name, _| kept.iter().any(|kept| kept == name));
    }
    for (name, change) in changes {
        let list = name.strip_prefix("$deleteFromPrimitiveList/").and_then(|list| merged.get_mut(list));
        if let (Some(Value::Array(items)), Some(gone)) = (list, change.as_array()) {
            items.retain(|item| !gone.contains(item));
        }
    }
    for (name, change) in changes.iter().filter(|(name, _)| !name.starts_with('$')) {
        let below = [path, &[name.as_str()]].concat();
        if change.is_null() || change.get(DIRECTIVE).is_some_and(|directive| directive == "delete") {
            merged.remove(name);
            continue;
        }
        let before = merged.get(name).cloned().unwrap_or(Value::Null);
        let after = match change {
            Value::Array(items) => merge_list(lists, &before, items, &below)?,
            _ => merge(lists, &before, change, &below)?,
        };
        merged.insert(name.clone(), after);
    }
    Ok(Value::Object(merged))
}

fn merge_list(lists: Lists, live: &Value, changes: &[Value], path: &[&str]) -> Result<Value, String> {
    let Some(key) = strategic_keys(lists, path) else {
        return Ok(Value::Array(changes.iter().map(without_directives).collect()));
    };
    if changes.iter().any(|item| item[DIRECTIVE] == "replace") {
        let kept = changes.iter().filter(|item| item[DIRECTIVE].is_null());
        return Ok(Value::Array(kept.map(without_directives).collect()));
    }
    let mut merged = live.as_array().cloned().unwrap_or_default();
    for change in changes {
        if key.is_empty() {
            if !merged.contains(change) {
                merged.push(change.clone());
            }
            continue;
        }
        let wanted =
            change.get(key).ok_or_else(|| format!("map: {change} does not contain declared merge key: {key}"))?;
        let place = merged.iter().position(|item| item.get(key) == Some(wanted));
        match (place, change[DIRECTIVE] == "delete") {
            (Some(place), true) => {
                merged.remove(place);
            }
            (None, true) => {}
            (Some(place), false) => merged[place] = merge(lists, &merged[place], change, path)?,
            (None, false) => merged.push(without_directives(change)),
        }
    }
    Ok(Value::Array(merged))
}

fn without_directives(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(name, value)| !name.starts_with('$') && !value.is_null());
            Value::Object(kept.map(|(name, value)| (name.clone(), without_directives(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_directives).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::kinds::Registry;
    use super::*;
    use serde_json::json;

    fn merged(live: &Value, patch: &Value) -> Result<Value, String> {
        let registry = Registry::new(std::iter::empty());
        merge(Lists::of(registry.by_resource("pods").expect("built in")), live, patch, &[])
    }

    #[test]
    fn containers_are_merged_by_name() {
        let live = json!({"spec": {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]}});
        let patch = json!({"spec": {"containers": [{"name": "b", "image": "2"}, {"name": "c", "image": "3"}]}});
        assert_eq!(
            merged(&live, &patch).expect("merged")["spec"]["containers"],
            json!([{"name": "a", "image": "1"}, {"name": "b", "image": "2"}, {"name": "c", "image": "3"}])
        );
        let patch = json!({"spec": {"containers": [{"name": "a", "$patch": "delete"}]}});
        assert_eq!(merged(&live, &patch).expect("merged")["spec"]["containers"], json!([{"name": "b", "image": "1"}]));
    }

    #[test]
    fn an_item_without_its_key_is_refused() {
        let patch = json!({"spec": {"containers": [{"image": "2"}]}});
        assert!(merged(&json!({}), &patch).expect_err("refused").contains("merge key: name"));
    }

    #[test]
    fn null_removes_and_replace_replaces() {
        let live = json!({"metadata": {"labels": {"a": "1"}, "finalizers": ["x", "y"]}, "spec": {"a": 1}});
        let patch = json!({"metadata": {"labels": {"a": null}, "$deleteFromPrimitiveList/finalizers": ["x"]}, "spec": {"$patch": "replace", "b": 2}});
        assert_eq!(
            merged(&live, &patch).expect("merged"),
            json!({"metadata": {"labels": {}, "finalizers": ["y"]}, "spec": {"b": 2}})
        );
    }
}
