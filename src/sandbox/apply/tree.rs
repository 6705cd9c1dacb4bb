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
            let steps = |items: &[Value]| items.iter().map(|item| node.step_of(item)).collect::<Vec<Step>>();
            let (standing, named) = (steps(before), steps(after));
            let at = |items: &'_ [Value], steps: &[Step], step: &Step| {
                steps.iter().position(|one| one == step).and_then(|place| items.get(place).cloned())
            };
            let both = in_order(&standing, &named).into_iter().filter_map(|step| {
                match (at(before, &standing, step), at(after, &named, step)) {
                    (Some(live), Some(item)) => Some(merge(node.item(), &live, &item)),
                    (live, item) => item.or(live),
                }
            });
            Value::Array(both.collect())
        }
        _ => applied.clone(),
    }
}

/// The items of both lists: those that are named in the order in which they are named, the others where they stand.
fn in_order<'a>(standing: &'a [Step], named: &'a [Step]) -> Vec<&'a Step> {
    let mut order: Vec<&Step> = Vec::with_capacity(standing.len().max(named.len()));
    let (mut left, mut right) = (0, 0);
    loop {
        let (mine, theirs) = (standing.get(left), named.get(right));
        if mine.is_none() && theirs.is_none() {
            return order;
        }
        if let Some(mine) = mine {
            let next_shared = named.iter().skip(right).find(|step| standing.contains(step));
            if Some(mine) == theirs {
                right += 1;
            } else if named.contains(mine) {
                if theirs.is_none() || order.contains(&mine) || next_shared.is_some_and(|shared| shared != mine) {
                    // it has, or will have, its place among those that are named
                    left += 1;
                    continue;
                }
                order.extend(theirs);
                right += 1;
                continue;
            }
            order.push(mine);
            left += 1;
        } else {
            order.extend(theirs);
            right += 1;
        }
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
                let was_hollow = is_hollow(child);
                prune(node.child(name), child, dropped, kept);
                if is_hollow(child) && !was_hollow && !kept.is_empty() {
                    // what this emptied goes even where it is applied as empty
                    *child = Value::Null;
                } else if kept.is_empty() && (dropped.owned && dropped.below.is_empty() || is_hollow(child)) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_items_come_in_the_order_applied_and_the_others_stay_between_them() {
        for (standing, named, expected) in [
            ("abc", "", "abc"),
            ("", "ab", "ab"),
            ("ab", "ba", "ba"),
            ("abc", "ca", "bca"),
            ("axbyc", "cb", "axycb"),
            ("ab", "cab", "cab"),
            ("ab", "acb", "acb"),
            ("xa", "b", "xab"),
        ] {
            let steps = |text: &str| text.chars().map(|c| Step::Field(c.to_string())).collect::<Vec<_>>();
            let (left, right) = (steps(standing), steps(named));
            let order = in_order(&left, &right);
            let text: String = order.iter().map(|step| step.to_string().replace('.', "")).collect();
            assert_eq!(text, expected, "{standing} and {named}");
        }
    }
}
