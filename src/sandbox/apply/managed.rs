//! `metadata.managedFields`: reading and writing the entries, and the two ways of changing an object: apply, which asks
//! the other managers, and update, which takes what it changes.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::kinds::Kind;
use super::super::meta;
use super::super::status::ApiError;
use super::fields::Fields;
use super::shape::Node;
use super::tree;

/// How a manager writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    Apply,
    Update,
}

/// Who writes, and through what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Manager {
    pub operation: Operation,
    pub name: String,
    /// Empty for the object itself.
    pub subresource: String,
    pub api_version: String,
}

impl Manager {
    /// As the server's messages name a manager in a conflict.
    fn shown(&self) -> String {
        let name = &self.name;
        let through = match self.subresource.as_str() {
            "" => String::new(),
            subresource => format!(" with subresource {subresource:?}"),
        };
        match self.operation {
            Operation::Apply => format!("{name:?}{through}"),
            Operation::Update => format!("{name:?}{through} using {}", self.api_version),
        }
    }

    fn version(&self) -> &str {
        self.api_version.rsplit('/').next().unwrap_or_default()
    }

    /// What tells two managers apart: an applier is the same in every version.
    fn is(&self, other: &Self) -> bool {
        self.operation == other.operation
            && self.name == other.name
            && self.subresource == other.subresource
            && (self.operation == Operation::Apply || self.api_version == other.api_version)
    }
}

struct Entry {
    manager: Manager,
    fields: Fields,
    time: String,
}

fn entries_of(object: &Value) -> Vec<Entry> {
    let list = object["metadata"]["managedFields"].as_array();
    list.into_iter()
        .flatten()
        .filter_map(|entry| {
            let text = |field: &str| entry[field].as_str().unwrap_or_default().to_owned();
            let operation = match entry["operation"].as_str()? {
                "Apply" => Operation::Apply,
                "Update" => Operation::Update,
                _ => return None,
            };
            Some(Entry {
                manager: Manager {
                    operation,
                    name: text("manager"),
                    subresource: text("subresource"),
                    api_version: text("apiVersion"),
                },
                fields: Fields::from_wire(&entry["fieldsV1"]),
                time: text("time"),
            })
        })
        .collect()
}

fn write_entries(object: &mut Value, mut entries: Vec<Entry>) {
    entries.retain(|entry| !entry.fields.is_empty());
    entries.sort_by(|a, b| (a.manager.operation, &a.time, &a.manager).cmp(&(b.manager.operation, &b.time, &b.manager)));
    let metadata = meta::metadata_mut(object);
    if entries.is_empty() {
        metadata.remove("managedFields");
        return;
    }
    let list = entries
        .into_iter()
        .map(|entry| {
            let operation = if entry.manager.operation == Operation::Apply { "Apply" } else { "Update" };
            let mut map = Map::new();
            map.insert("manager".into(), entry.manager.name.into());
            map.insert("operation".into(), operation.into());
            map.insert("apiVersion".into(), entry.manager.api_version.into());
            // Through the scale subresource a server notes no time, nor of an apply that changes nothing.
            if entry.manager.subresource != "scale" && !entry.time.is_empty() {
                map.insert("time".into(), entry.time.into());
            }
            map.insert("fieldsType".into(), "FieldsV1".into());
            map.insert("fieldsV1".into(), entry.fields.to_wire());
            if !entry.manager.subresource.is_empty() {
                map.insert("subresource".into(), entry.manager.subresource.into());
            }
            Value::Object(map)
        })
        .collect();
    metadata.insert("managedFields".into(), Value::Array(list));
}

/// The object without what nobody can own.
fn ownable(object: &Value) -> Value {
    let mut plain = object.clone();
    if let Some(map) = plain.as_object_mut() {
        map.remove("apiVersion");
        map.remove("kind");
        if let Some(metadata) = map.get_mut("metadata").and_then(Value::as_object_mut) {
            for field in [
                "name",
                "namespace",
                "creationTimestamp",
                "selfLink",
                "uid",
                "generation",
                "managedFields",
                "resourceVersion",
                "deletionTimestamp",
                "deletionGracePeriodSeconds",
            ] {
                metadata.remove(field);
            }
            if metadata.is_empty() {
                map.remove("metadata");
            }
        }
    }
    plain
}

/// The result of applying `config` as `manager` over the live object: merged, what the manager dropped pruned, ownership
/// recorded. A field that another manager holds with another value is a conflict, unless `force` takes it over.
pub(crate) fn applied(
    kind: &Kind,
    live: &Value,
    config: &Value,
    manager: &Manager,
    force: bool,
) -> Result<Value, ApiError> {
    let node = Node::of(kind, manager.version());
    let mut entries = entries_of(live);
    if entries.is_empty() && !meta::uid(live).is_empty() {
        // Nobody kept account of what is there: it all belongs to whoever was there before.
        let found = tree::difference(node, &json!({}), &ownable(live));
        let before = Manager {
            operation: Operation::Update,
            name: "before-first-apply".into(),
            subresource: String::new(),
            api_version: manager.api_version.clone(),
        };
        entries.push(Entry { manager: before, fields: found.changed, time: meta::now() });
    }
    let bare = ownable(config);
    let set = tree::fields_of(node, &bare, false);
    let set = Fields { owned: false, ..set };
    let mut merged = tree::merge(node, live, config);
    let difference = tree::difference(node, &ownable(live), &ownable(&merged));

    let mut conflicts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in entries.iter_mut().filter(|entry| !entry.manager.is(manager)) {
        let disputed = entry.fields.common(&difference.changed);
        if disputed.is_empty() {
            continue;
        }
        if force {
            entry.fields = entry.fields.minus(&disputed);
        } else {
            conflicts.entry(entry.manager.shown()).or_default().extend(disputed.paths());
        }
    }
    if !conflicts.is_empty() {
        return Err(conflict(&conflicts));
    }

    let mine = entries.iter().position(|entry| entry.manager.is(manager));
    if let Some(mine) = mine {
        let dropped = entries[mine].fields.minus(&set);
        let mut kept = set.clone();
        for (_, entry) in entries.iter().enumerate().filter(|(place, _)| *place != mine) {
            kept.add(&entry.fields);
        }
        tree::prune(node, &mut merged, &dropped, &kept);
    }
    let changes = tree::difference(node, &ownable(live), &ownable(&merged));
    let gone = changes.removed;
    let is_same = changes.changed.is_empty() && gone.is_empty();
    for entry in entries.iter_mut().filter(|entry| !entry.manager.is(manager)) {
        entry.fields = entry.fields.minus(&gone);
    }
    // Where nothing changes the time stays what it was; whoever comes to what is there has none.
    let before = mine.map(|mine| entries.remove(mine).time);
    let is_new = meta::uid(live).is_empty();
    let time = if is_same && !is_new { before.unwrap_or_default() } else { meta::now() };
    entries.push(Entry { manager: manager.clone(), fields: set, time });
    write_entries(&mut merged, entries);
    Ok(merged)
}

fn conflict(conflicts: &BTreeMap<String, Vec<String>>) -> ApiError {
    let all: Vec<(&String, &String)> =
        conflicts.iter().flat_map(|(who, paths)| paths.iter().map(move |path| (who, path))).collect();
    let message = if let [(who, path)] = all.as_slice() {
        format!("Apply failed with 1 conflict: conflict with {who}: {path}")
    } else {
        let mut lines = Vec::new();
        for (who, paths) in conflicts {
            lines.push(format!("conflicts with {who}:"));
            lines.extend(paths.iter().map(|path| format!("- {path}")));
        }
        format!("Apply failed with {} conflicts: {}", all.len(), lines.join("\n"))
    };
    let causes: Vec<Value> = all
        .iter()
        .map(|(who, path)| json!({"reason": "FieldManagerConflict", "message": format!("conflict with {who}"), "field": path}))
        .collect();
    ApiError::new(409, "Conflict", message, Some(json!({"causes": causes})))
}

/// Records in `new` that `manager` changed it from `old` by an update; `old` is `null` for a new object.
pub(crate) fn recorded(kind: &Kind, old: &Value, new: &mut Value, manager: &Manager) {
    let node = Node::of(kind, manager.version());
    // A client may reset the entries, or move them to another manager, by sending its own list.
    let sent = new["metadata"].get("managedFields").is_some_and(Value::is_array);
    let mut entries = entries_of(if sent { new } else { old });
    if entries.is_empty() && !old.is_null() {
        // Without an account from the beginning, or after it was thrown away, updates keep none.
        write_entries(new, entries);
        return;
    }
    let before = if old.is_null() { json!({}) } else { ownable(old) };
    let mut difference = tree::difference(node, &before, &ownable(new));
    if kind.status && manager.subresource != "status" {
        // The status has a door of its own.
        difference.changed.forget("status");
        difference.removed.forget("status");
    }
    let mut taken = difference.changed.clone();
    taken.add(&difference.removed);
    if !taken.is_empty() {
        for entry in entries.iter_mut().filter(|entry| !entry.manager.is(manager)) {
            entry.fields = entry.fields.minus(&taken);
        }
        let mine = entries.iter().position(|entry| entry.manager.is(manager)).unwrap_or(entries.len());
        if mine == entries.len() {
            entries.push(Entry { manager: manager.clone(), fields: Fields::default(), time: String::new() });
        }
        let mut fields = entries[mine].fields.clone();
        fields.add(&difference.changed);
        let fields = fields.minus(&difference.removed);
        if fields != entries[mine].fields || entries[mine].time.is_empty() {
            entries[mine].time = meta::now();
        }
        entries[mine].fields = fields;
    }
    write_entries(new, entries);
}

/// Leaves out of an applied configuration what the endpoint does not take: `status` on the object itself, all but
/// `status` on the status subresource.
pub(crate) fn surrender(config: &mut Value, status: bool) {
    let Some(map) = config.as_object_mut() else {
        return;
    };
    if status {
        map.retain(|field, _| matches!(field.as_str(), "apiVersion" | "kind" | "metadata" | "status"));
        if let Some(metadata) = map.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.retain(|field, _| matches!(field.as_str(), "name" | "namespace" | "uid" | "resourceVersion"));
        }
    } else {
        map.remove("status");
    }
}

/// Whether two objects are the same, the times in their managedFields aside.
pub(crate) fn same_but_times(a: &Value, b: &Value) -> bool {
    fn timeless(object: &Value) -> Value {
        let mut plain = object.clone();
        if let Some(list) = plain.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut) {
            for entry in list.iter_mut().filter_map(Value::as_object_mut) {
                entry.remove("time");
            }
        }
        plain
    }
    a == b || timeless(a) == timeless(b)
}

#[cfg(test)]
#[path = "managed_tests.rs"]
mod tests;
