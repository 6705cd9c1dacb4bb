//! The record of the built-in kinds: one compressed file, unpacked once and read schema by schema.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::sync::OnceLock;

use flate2::read::GzDecoder;
use serde_json::{Value, json};

/// A line for each schema: its name, a tab, its JSON. `tests/conformance/kinds.rs` records it.
const PACKED: &[u8] = include_bytes!("builtin.gz");

struct Record {
    schemas: BTreeMap<&'static str, (&'static str, OnceLock<Value>)>,
}

#[cfg(test)]
thread_local! {
    /// How often this thread asked for the record.
    pub(crate) static ASKED: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

fn record() -> &'static Record {
    static TEXT: OnceLock<String> = OnceLock::new();
    static RECORD: OnceLock<Record> = OnceLock::new();
    #[cfg(test)]
    ASKED.with(|asked| asked.set(asked.get() + 1));
    RECORD.get_or_init(|| {
        let text = TEXT.get_or_init(|| {
            let mut text = String::new();
            // The file is a part of the program; what cannot be read is missing, and its kinds take anything.
            let _ = GzDecoder::new(PACKED).read_to_string(&mut text);
            text
        });
        let lines = text.lines().filter_map(|line| line.split_once('\t'));
        Record { schemas: lines.map(|(name, schema)| (name, (schema, OnceLock::new()))).collect() }
    })
}

/// A recorded schema by its name.
pub(super) fn schema(name: &str) -> Option<&'static Value> {
    let (text, read) = record().schemas.get(name)?;
    Some(read.get_or_init(|| serde_json::from_str(text).unwrap_or_default()))
}

/// The name under which a kind is recorded.
pub(super) fn name_of(group: &str, version: &str, kind: &str) -> String {
    match group {
        "" => format!("io.k8s.api.core.{version}.{kind}"),
        "apiextensions.k8s.io" => {
            format!("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.{version}.{kind}")
        }
        "apiregistration.k8s.io" => format!("io.k8s.kube-aggregator.pkg.apis.apiregistration.{version}.{kind}"),
        group => format!("io.k8s.api.{}.{version}.{kind}", group.split('.').next().unwrap_or_default()),
    }
}

/// These schemas and all that they refer to.
pub(crate) fn closure(names: impl Iterator<Item = String>) -> Value {
    let mut open: Vec<String> = names.collect();
    let mut seen = BTreeSet::new();
    let mut found = json!({});
    while let Some(name) = open.pop() {
        let Some(schema) = seen.insert(name.clone()).then(|| schema(&name)).flatten() else {
            continue;
        };
        references(schema, &mut open);
        found[name.as_str()] = schema.clone();
    }
    found
}

fn references(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(map) => {
            for (word, value) in map {
                match value.as_str() {
                    Some(reference) if word == "$ref" => {
                        found.push(reference.rsplit('/').next().unwrap_or_default().to_owned());
                    }
                    _ => references(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

/// Names of a kind's schemas for an `OpenAPI` document.
pub(crate) fn document(group: &str, version: &str, kind: &str) -> [String; 2] {
    [name_of(group, version, kind), name_of(group, version, &format!("{kind}List"))]
}
