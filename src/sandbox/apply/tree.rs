//! Walking objects by the merge rules of their kind: which fields one has, what differs between two, merging, pruning.

use serde_json::Value;

use super::fields::{Fields, Step};
use super::shape::{Node, Shape};

/// What differs between two objects.
#[derive(Debug, Default)]
pub(super) struct Difference {
    /// Added or modified.
    pub changed: Fields,
    pub removed: Fields,
}

/// The fields that a value sets. With `open`, maps and lists count as fields of their own where a new object does not have
/// them anyway: what an update records.
pub(super) fn fields_of(node: Node<'_>, value: &Value, open: bool) -> Fields {
    match value {
        value if open && node.has_anyway(value) => Fields::default(),
        Value::Object(map) if !node.atomic_map() => {
            let owned = if open { !node.is_given() } else { map.is_empty() || !node.is_declared() };
            let mut fields = Fields { owned, ..Fields::default() };
            for (name, child) in map {
                fields.put(Step::Field(name.clone()), fields_of(node.child(name), child, open));
            }
            fields
        }
        Value::Array(items) => {
            let shape = node.shape();
            if shape == Shape::Atomic || (items.is_empty() && open) {
                return Fields::leaf();
            }
            let owned = if open { !node.is_given() } else { !node.is_declared() };
            let mut fields = Fields { owned, ..Fields::default() };
            for item in items {
                fields.put(node.step_of(item), item_fields(node, item, open));
            }
            fields
        }
        _ => Fields::leaf(),
    }
}

fn item_fields(node: Node<'_>, item: &Value, open: bool) -> Fields {
    let mut fields = if node.shape() == Shape::Keyed { fields_of(node.item(), item, open) } else { Fields::default() };
    fields.owned = true;
    fields
}

/// Compares two values place by place.
pub(super) fn difference(node: Node<'_>, old: &Value, new: &Value) -> Difference {
    let mut found = Difference::default();
    compare(node, old, new, &mut found);
    found
}

fn compare(node: Node<'_>, old: &Value, new: &Value, found: &mut Difference) {
    if old == new {
        return;
    }
    match (old, new) {
        (Value::Object(before), Value::Object(after)) if !node.atomic_map() => {
            for (name, old) in before {
                let below = node.child(name);
                let step = Step::Field(name.clone());
                match after.get(name) {
                    Some(new) => nested(found, step, |found| compare(below, old, new, found)),
                    None => found.removed.put(step, fields_of(below, old, true)),
                }
            }
            for (name, new) in after.iter().filter(|(name, _)| !before.contains_key(*name)) {
                found.changed.put(Step::Field(name.clone()), fields_of(node.child(name), new, true));
            }
        }
        (Value::Array(before), Value::Array(after)) if node.shape() != Shape::Atomic => {
            let find = |items: &[Value], step: &Step| items.iter().find(|item| node.step_of(item) == *step).cloned();
            for old in before {
                let step = node.step_of(old);
                match find(after, &step) {
                    Some(new) => nested(found, step, |found| compare(node.item(), old, &new, found)),
                    None => found.removed.put(step, item_fields(node, old, true)),
                }
            }
            for new in after {
                let step = node.step_of(new);
                if find(before, &step).is_none() {
                    found.changed.put(step, item_fields(node, new, true));
                }
            }
        }
        _ => {
            found.changed.add(&fields_of(node, new, true));
            found.changed.owned |= !new.is_object() && !new.is_array();
            if old.is_object() || old.is_array() {
                found.removed.add(&fields_of(node, old, true).minus(&found.changed));
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
pub(super) fn merge(node: Node<'_>, live: &Value, applied: &Value) -> Value {
    match (live, applied) {
        (Value::Object(before), Value::Object(after)) if !node.atomic_map() => {
            let mut merged = before.clone();
            for (name, value) in after {
                let live = before.get(name);
                let value = live.map_or_else(|| value.clone(), |live| merge(node.child(name), live, value));
                merged.insert(name.clone(), value);
            }
            Value::Object(merged)
        }
        (Value::Array(before), Value::Array(after)) if node.shape() != Shape::Atomic => {
            let mut merged = before.clone();
            for item in after {
                let step = node.step_of(item);
                match merged.iter_mut().find(|live| node.step_of(live) == step) {
                    Some(live) => *live = merge(node.item(), live, item),
                    None => merged.push(item.clone()),
                }
            }
            Value::Array(merged)
        }
        _ => applied.clone(),
    }
}

/// Removes the fields in `drop` that nobody in `keep` holds; a map or item emptied by that goes too.
pub(super) fn prune(node: Node<'_>, value: &mut Value, drop: &Fields, keep: &Fields) {
    let none = Fields::default();
    match value {
        Value::Object(map) if !node.atomic_map() => {
            for (step, dropped) in &drop.below {
                let Step::Field(name) = step else { continue };
                let Some(child) = map.get_mut(name) else {
                    continue;
                };
                let kept = keep.below.get(step).unwrap_or(&none);
                prune(node.child(name), child, dropped, kept);
                if kept.is_empty() && (dropped.owned && dropped.below.is_empty() || is_hollow(child)) {
                    map.remove(name);
                }
            }
        }
        Value::Array(items) => {
            if node.shape() == Shape::Atomic {
                return;
            }
            items.retain_mut(|item| {
                let step = node.step_of(item);
                let Some(dropped) = drop.below.get(&step) else {
                    return true;
                };
                let kept = keep.below.get(&step).unwrap_or(&none);
                if kept.is_empty() && dropped.owned {
                    return false;
                }
                prune(node.item(), item, dropped, kept);
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
