//! Strategic merge patches: like merge patches, but lists of named objects are merged by name, and directives
//! (`$patch`, `$deleteFromPrimitiveList/…`, `$setElementOrder/…`, `$retainKeys`) are carried out.

use serde_json::{Map, Value};

use super::apply::Node;

const DIRECTIVE: &str = "$patch";

/// The live value with the patch laid over it.
pub(crate) fn merge(node: Node<'_>, live: &Value, patch: &Value) -> Result<Value, String> {
    let Value::Object(changes) = patch else {
        return Ok(patch.clone());
    };
    match changes.get(DIRECTIVE).and_then(Value::as_str) {
        Some("replace") => return Ok(without_directives(patch)),
        Some("delete") => return Ok(Value::Object(Map::new())),
        Some("merge") | None => {}
        Some(other) => {
            return Err(format!("unknown patch type: {other} in map: {}", shown(patch)));
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
        let below = node.child(name);
        if change.is_null() || change.get(DIRECTIVE).is_some_and(|directive| directive == "delete") {
            merged.remove(name);
            continue;
        }
        let before = merged.get(name).cloned().unwrap_or(Value::Null);
        let after = match change {
            Value::Array(items) => {
                let order = changes.get(&format!("$setElementOrder/{name}")).and_then(Value::as_array);
                merge_list(below, &before, items, order)?
            }
            _ => merge(below, &before, change)?,
        };
        merged.insert(name.clone(), after);
    }
    Ok(Value::Object(merged))
}

fn merge_list(node: Node<'_>, live: &Value, changes: &[Value], order: Option<&Vec<Value>>) -> Result<Value, String> {
    let Some(key) = node.strategic_key() else {
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
        let wanted = change
            .get(key)
            .ok_or_else(|| format!("map: {} does not contain declared merge key: {key}", shown(change)))?;
        let place = merged.iter().position(|item| item.get(key) == Some(wanted));
        match (place, change[DIRECTIVE] == "delete") {
            (Some(place), true) => {
                merged.remove(place);
            }
            (None, true) => {}
            (Some(place), false) => merged[place] = merge(node.item(), &merged[place], change)?,
            (None, false) => merged.push(without_directives(change)),
        }
    }
    let before = live.as_array().map(Vec::as_slice).unwrap_or_default();
    let order = order.map_or(changes, Vec::as_slice);
    Ok(Value::Array(in_order(key, merged, before, order)))
}

/// The order of a merged list: what the patch names in the patch's order, all else where it was; what is new comes first.
fn in_order(key: &str, merged: Vec<Value>, before: &[Value], patch: &[Value]) -> Vec<Value> {
    let told = |item: &Value| if key.is_empty() { item.clone() } else { item[key].clone() };
    let place = |list: &[Value], item: &Value| list.iter().position(|other| told(other) == told(item));
    let (mut named, left): (Vec<Value>, Vec<Value>) = merged.into_iter().partition(|item| place(patch, item).is_some());
    named.sort_by_key(|item| place(patch, item));
    let mut sorted = Vec::with_capacity(named.len() + left.len());
    let (mut named, mut left) = (named.into_iter().peekable(), left.into_iter().peekable());
    loop {
        let left_first = match (left.peek(), named.peek()) {
            (None, None) => return sorted,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(a), Some(b)) => place(before, a).zip(place(before, b)).is_some_and(|(a, b)| a < b),
        };
        sorted.extend(if left_first { left.next() } else { named.next() });
    }
}

/// A patch as a server shows it in a message.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let parts: Vec<String> = map.iter().map(|(name, value)| format!("{name}:{}", shown(value))).collect();
            format!("map[{}]", parts.join(" "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(" ")),
        Value::String(text) => text.clone(),
        Value::Null => "<nil>".to_owned(),
        other => other.to_string(),
    }
}

/// What is wrong with a value, as a server says it of a strategic merge patch.
pub(crate) fn in_its_words(why: String) -> String {
    let found = why.strip_prefix("json: cannot unmarshal ").and_then(|rest| rest.split_once(" into "));
    match found.zip(why.rsplit_once(" of type ")) {
        Some(((found, _), (_, wanted))) if wanted.starts_with("[]") => format!("cannot restore slice from {found}"),
        Some(((found, _), (_, wanted))) if wanted.starts_with("map[") => format!("cannot restore map from {found}"),
        Some(((found, _), (_, wanted))) if wanted.contains('.') => format!("cannot restore struct from: {found}"),
        Some((_, (_, wanted))) => format!("unrecognized type: {wanted}"),
        None => why,
    }
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
        merge(Node::of(registry.by_resource("pods").expect("built in"), "v1"), live, patch)
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
