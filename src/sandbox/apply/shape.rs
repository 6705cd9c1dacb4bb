//! How a place in an object behaves when it is merged: as a whole or part by part, by the schema of its kind. Where no
//! schema says anything, maps are merged by their keys and lists are whole.

use serde_json::{Map, Value};

use super::super::kinds::Kind;
use super::super::schema::{Schema, Sort};
use super::fields::Step;

/// How a list is merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Replaced as a whole.
    Atomic,
    /// A set of plain values.
    Set,
    /// Objects told apart by keys.
    Keyed,
}

/// One place in an object, with what its kind says of it.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools, reason = "each says another thing of the place, in any combination")]
pub(crate) struct Node<'a> {
    schema: Option<Schema<'a>>,
    custom: bool,
    root: bool,
    /// A declared field, not a free key.
    declared: bool,
    /// A new object of a built-in kind has this place before anyone sets it.
    given: bool,
}

impl<'a> Node<'a> {
    /// The root of an object of a kind.
    pub fn of(kind: &'a Kind, version: &str) -> Self {
        let custom = kind.is_custom();
        Self { schema: kind.schema(version), custom, root: true, declared: true, given: true }
    }

    /// The place under a key.
    pub fn child(self, name: &str) -> Self {
        let free = Self { schema: None, root: false, declared: false, given: false, ..self };
        self.child_declared(name).unwrap_or(free)
    }

    /// The place under a key, when the schema has room for it.
    pub fn child_declared(self, name: &str) -> Option<Self> {
        let free = Self { schema: None, root: false, declared: false, given: false, ..self };
        if self.root && self.custom && matches!(name, "metadata" | "apiVersion" | "kind") {
            let schema = if name == "metadata" { Schema::metadata() } else { None };
            // What a server keeps of every object has the same form everywhere.
            return Some(Self { schema, declared: true, given: name == "metadata", ..free });
        }
        let Some(schema) = self.schema else {
            return Some(free);
        };
        if let Some(below) = schema.declared(name) {
            let given = below.word("default").is_some()
                || matches!(below.sort(), Sort::Array | Sort::Map) && schema.requires(name);
            return Some(Self {
                schema: Some(below),
                declared: true,
                given: self.given && !self.custom && given,
                ..free
            });
        }
        if let Some(below) = schema.free() {
            return Some(Self { schema: Some(below), ..free });
        }
        let open = schema.sort() == Sort::Any
            || schema.flag("x-kubernetes-preserve-unknown-fields")
            || schema.flag("x-kubernetes-embedded-resource") && matches!(name, "metadata" | "apiVersion" | "kind");
        open.then_some(free)
    }

    /// An item of the list at this place.
    pub fn item(self) -> Self {
        let schema = self.schema.and_then(Schema::items);
        Self { schema, root: false, declared: true, given: false, ..self }
    }

    pub fn sort(self) -> Sort {
        self.schema.map_or(Sort::Any, |schema| match schema.sort() {
            Sort::Any if self.root => Sort::Struct,
            sort => sort,
        })
    }

    pub fn is_custom(self) -> bool {
        self.custom
    }

    pub fn is_declared(self) -> bool {
        self.declared
    }

    pub fn is_given(self) -> bool {
        self.given
    }

    /// Whether a new object has this very value here before anyone sets it.
    pub fn has_anyway(self, value: &Value) -> bool {
        self.given && self.schema.and_then(|schema| schema.word("default")) == Some(value)
    }

    fn text(self, word: &str) -> &'a str {
        self.schema.and_then(|schema| schema.text(word)).unwrap_or_default()
    }

    /// The rule for the list at this place.
    pub fn shape(self) -> Shape {
        match self.text("x-kubernetes-list-type") {
            "map" => Shape::Keyed,
            "set" => Shape::Set,
            "" if self.merges() => {
                if self.text("x-kubernetes-patch-merge-key").is_empty() {
                    Shape::Set
                } else {
                    Shape::Keyed
                }
            }
            _ => Shape::Atomic,
        }
    }

    fn merges(self) -> bool {
        self.text("x-kubernetes-patch-strategy").split(',').any(|strategy| strategy == "merge")
    }

    /// The keys that tell the items of the list at this place apart.
    pub fn keys(self) -> impl Iterator<Item = &'a str> {
        let declared =
            self.schema.and_then(|schema| schema.word("x-kubernetes-list-map-keys")).and_then(Value::as_array);
        let merge_key =
            Some(self.text("x-kubernetes-patch-merge-key")).filter(|key| declared.is_none() && !key.is_empty());
        declared.into_iter().flatten().filter_map(Value::as_str).chain(merge_key)
    }

    /// The value that a key of a list item has when it is left out.
    pub fn key_default(self, key: &str) -> Option<&'a Value> {
        let default = self.item().schema?.declared(key)?.word("default")?;
        (default != "" && default != 0).then_some(default)
    }

    /// The key by which strategic merge patches tell the items of the list apart; lists of plain values that merge give `""`.
    pub fn strategic_key(self) -> Option<&'a str> {
        self.merges().then(|| self.text("x-kubernetes-patch-merge-key"))
    }

    /// Whether the map at this place is replaced as a whole.
    pub fn atomic_map(self) -> bool {
        self.text("x-kubernetes-map-type") == "atomic"
    }

    /// The step to an item of the list at this place; a list that is atomic is never stepped into.
    pub fn step_of(self, item: &Value) -> Step {
        if self.shape() != Shape::Keyed {
            return Step::Element(item.to_string());
        }
        let mut found = Map::new();
        for key in self.keys() {
            if let Some(value) = item.get(key).or_else(|| self.key_default(key)) {
                found.insert(key.to_owned(), value.clone());
            }
        }
        Step::Item(Value::Object(found).to_string())
    }
}
