//! Walking objects by the merge rules of their kind: which fields one has, what differs between two, merging, pruning.

use serde_json::{Map, Value};

use super::fields::{Fields, Step};
use super::shape::{Lists, Shape};

/// What differs between two objects.
#[derive(Debug, Default)]
pub(super) struct Difference {
    /// Added or modified.
    pub changed: Fields,
    pub removed: Fields,
}

/// The step to a list's item; a list that is atomic is never stepped into.
fn step_of(lists: Lists, shape: Shape, item: &Value) -> Step {
    match shape {
        Shape::Keyed(keys) => {
            let mut found = Map::new();
            for key in keys {
                let value = item.get(key).cloned().or_else(|| lists.default_key(key).map(Value::from));
                if let Some(value) = value {
                    found.insert((*key).to_owned(), value);
                }
            }
            Step::Item(Value::Object(found).to_string())
        }
        Shape::Set | Shape::Atomic => Step::Element(item.to_string()),
    }
}

/// The fields that a value sets. With `open`, maps of free keys count as fields of their own (what an update records).
pub(super) fn fields_of(lists: Lists, value: &Value, path: &mut Vec<&str>, open: bool) -> Fields {
    // The path borrows from the value; a fresh vector per level keeps the lifetimes of both apart.
    match value {
        Value::Object(map) if !lists.atomic_map(path) => {
            let mut fields = Fields {
                owned: map.is_empty() || ((open || lists.is_schemaless()) && lists.is_open_map(path)),
                ..Fields::default()
            };
            for (name, child) in map {
                let mut below = path.clone();
                below.push(name);
                fields.put(Step::Field(name.clone()), fields_of(lists, child, &mut below, open));
            }
            fields
        }
        Value::Array(items) => {
            let shape = lists.list(path);
            if shape == Shape::Atomic || items.is_empty() {
                return Fields::leaf();
            }
            // A required list, such as that of containers, is never a field of its own.
            let counted = open && path.last() != Some(&"containers");
            let mut fields = Fields { owned: counted, ..Fields::default() };
            for item in items {
                let mut below = match shape {
                    Shape::Keyed(_) => fields_of(lists, item, &mut path.clone(), open),
                    _ => Fields::leaf(),
                };
                below.owned = true;
                fields.put(step_of(lists, shape, item), below);
            }
            fields
        }
        _ => Fields::leaf(),
    }
}

/// Compares two values place by place.
pub(super) fn difference(lists: Lists, old: &Value, new: &Value, path: &[&str]) -> Difference {
    let mut found = Difference::default();
    compare(lists, old, new, path, &mut found);
    found
}

fn compare(lists: Lists, old: &Value, new: &Value, path: &[&str], found: &mut Difference) {
    if old == new {
        return;
    }
    match (old, new) {
        (Value::Object(before), Value::Object(after)) if !lists.atomic_map(path) => {
            for (name, old) in before {
                let below = [path, &[name.as_str()]].concat();
                let step = Step::Field(name.clone());
                match after.get(name) {
                    Some(new) => nested(found, step, |found| compare(lists, old, new, &below, found)),
                    None => found.removed.put(step, fields_of(lists, old, &mut below.clone(), true)),
                }
            }
            for (name, new) in after.iter().filter(|(name, _)| !before.contains_key(*name)) {
                let mut below = [path, &[name.as_str()]].concat();
                found.changed.put(Step::Field(name.clone()), fields_of(lists, new, &mut below, true));
            }
        }
        (Value::Array(before), Value::Array(after)) if lists.list(path) != Shape::Atomic => {
            let shape = lists.list(path);
            let whole = |item: &Value| {
                let mut fields = match shape {
                    Shape::Keyed(_) => fields_of(lists, item, &mut path.to_vec(), true),
                    _ => Fields::default(),
                };
                fields.owned = true;
                fields
            };
            let find =
                |items: &[Value], step: &Step| items.iter().find(|item| step_of(lists, shape, item) == *step).cloned();
            for old in before {
                let step = step_of(lists, shape, old);
                match find(after, &step) {
                    Some(new) => nested(found, step, |found| compare(lists, old, &new, path, found)),
                    None => found.removed.put(step, whole(old)),
                }
            }
            for new in after {
                let step = step_of(lists, shape, new);
                if find(before, &step).is_none() {
                    found.changed.put(step, whole(new));
                }
            }
        }
        _ => {
            found.changed.add(&fields_of(lists, new, &mut path.to_vec(), true));
            found.changed.owned |= !new.is_object() && !new.is_array();
            if old.is_object() || old.is_array() {
                found.removed.add(&fields_of(lists, old, &mut path.to_vec(), true).minus(&found.changed));
            }
        }
    }
}

fn nested(found: &mut Difference, step: Step, work: impl FnOnce(&mut Difference)) {
    let mut below = Difference::default();
    work(&mut below);
    found.changed.put(step.clone(), below.changed);
    found.removed.put(step, below.removed);
}

/// Lays an applied value over the live one.
pub(super) fn merge(lists: Lists, live: &Value, applied: &Value, path: &[&str]) -> Value {
    match (live, applied) {
        (Value::Object(before), Value::Object(after)) if !lists.atomic_map(path) => {
            let mut merged = before.clone();
            for (name, value) in after {
                let below = [path, &[name.as_str()]].concat();
                let value = before.get(name).map_or_else(|| value.clone(), |live| merge(lists, live, value, &below));
                merged.insert(name.clone(), value);
            }
            Value::Object(merged)
        }
        (Value::Array(before), Value::Array(after)) if lists.list(path) != Shape::Atomic => {
            let shape = lists.list(path);
            let mut merged = before.clone();
            for item in after {
                let step = step_of(lists, shape, item);
                match merged.iter_mut().find(|live| step_of(lists, shape, live) == step) {
                    Some(live) => *live = merge(lists, live, item, path),
                    None => merged.push(item.clone()),
                }
            }
            Value::Array(merged)
        }
        _ => applied.clone(),
    }
}

/// Removes the fields in `drop` that nobody in `keep` holds; a map or item emptied by that goes too.
pub(super) fn prune(lists: Lists, value: &mut Value, drop: &Fields, keep: &Fields, path: &[&str]) {
    let none = Fields::default();
    match value {
        Value::Object(map) if !lists.atomic_map(path) => {
            for (step, dropped) in &drop.below {
                let Step::Field(name) = step else { continue };
                let Some(child) = map.get_mut(name) else {
                    continue;
                };
                let kept = keep.below.get(step).unwrap_or(&none);
                let below = [path, &[name.as_str()]].concat();
                prune(lists, child, dropped, kept, &below);
                if kept.is_empty() && (dropped.owned && dropped.below.is_empty() || is_hollow(child)) {
                    map.remove(name);
                }
            }
        }
        Value::Array(items) => {
            let shape = lists.list(path);
            if shape == Shape::Atomic {
                return;
            }
            items.retain_mut(|item| {
                let step = step_of(lists, shape, item);
                let Some(dropped) = drop.below.get(&step) else {
                    return true;
                };
                let kept = keep.below.get(&step).unwrap_or(&none);
                if kept.is_empty() && dropped.owned {
                    return false;
                }
                prune(lists, item, dropped, kept, path);
                true
            });
        }
        _ => {}
    }
}

fn is_hollow(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}
