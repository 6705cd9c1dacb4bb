//! Sets of fields, as a tree, and their wire form `FieldsV1`.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

/// One step of a path into an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Field(String),
    /// An item of a list of objects, by its keys; the JSON text of a sorted map.
    Item(String),
    /// A value of a list that is a set; its JSON text.
    Element(String),
    Index(usize),
}

impl Step {
    fn to_wire(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Item(keys) => format!("k:{keys}"),
            Self::Element(value) => format!("v:{value}"),
            Self::Index(place) => format!("i:{place}"),
        }
    }

    fn from_wire(text: &str) -> Option<Self> {
        let (sort, rest) = text.split_once(':')?;
        match sort {
            "f" => Some(Self::Field(rest.to_owned())),
            // Through a value, so that keys are sorted and spaced alike however they were written.
            "k" => serde_json::from_str::<Value>(rest).ok().map(|keys| Self::Item(keys.to_string())),
            "v" => serde_json::from_str::<Value>(rest).ok().map(|value| Self::Element(value.to_string())),
            "i" => rest.parse().ok().map(Self::Index),
            _ => None,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Element(value) => write!(f, "[={value}]"),
            Self::Index(place) => write!(f, "[{place}]"),
            Self::Item(keys) => {
                let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
                let parts: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
                write!(f, "[{}]", parts.join(","))
            }
        }
    }
}

/// A set of fields. `owned` means this very place, not only places below it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fields {
    pub owned: bool,
    pub below: BTreeMap<Step, Fields>,
}

impl Fields {
    pub fn leaf() -> Self {
        Self { owned: true, below: BTreeMap::new() }
    }

    pub fn is_empty(&self) -> bool {
        !self.owned && self.below.values().all(Self::is_empty)
    }

    pub fn add(&mut self, other: &Self) {
        self.owned |= other.owned;
        for (step, fields) in &other.below {
            self.below.entry(step.clone()).or_default().add(fields);
        }
    }

    /// Puts a set at one step below, unless it is empty.
    pub fn put(&mut self, step: Step, fields: Self) {
        if !fields.is_empty() {
            self.below.insert(step, fields);
        }
    }

    /// Leaves a field of an object out, with all that is below it.
    pub fn forget(&mut self, field: &str) {
        self.below.remove(&Step::Field(field.to_owned()));
    }

    pub fn minus(&self, other: &Self) -> Self {
        let mut rest = Self { owned: self.owned && !other.owned, below: BTreeMap::new() };
        for (step, fields) in &self.below {
            let left = other.below.get(step).map_or_else(|| fields.clone(), |taken| fields.minus(taken));
            rest.put(step.clone(), left);
        }
        rest
    }

    pub fn common(&self, other: &Self) -> Self {
        let mut both = Self { owned: self.owned && other.owned, below: BTreeMap::new() };
        for (step, fields) in &self.below {
            if let Some(theirs) = other.below.get(step) {
                both.put(step.clone(), fields.common(theirs));
            }
        }
        both
    }

    /// Paths of all owned places, as a server writes them: `.spec.containers[name="a"].image`.
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect(&mut String::new(), &mut paths);
        paths
    }

    /// What a place has itself comes before what is below, as in the server's sets.
    fn collect(&self, at: &mut String, paths: &mut Vec<String>) {
        let length = at.len();
        for (step, _) in self.below.iter().filter(|(_, fields)| fields.owned) {
            at.push_str(&step.to_string());
            paths.push(at.clone());
            at.truncate(length);
        }
        for (step, fields) in &self.below {
            at.push_str(&step.to_string());
            fields.collect(at, paths);
            at.truncate(length);
        }
    }

    pub fn to_wire(&self) -> Value {
        let mut map = Map::new();
        if self.owned && !self.below.is_empty() {
            map.insert(".".to_owned(), Value::Object(Map::new()));
        }
        for (step, fields) in &self.below {
            map.insert(step.to_wire(), fields.to_wire());
        }
        Value::Object(map)
    }

    pub fn from_wire(wire: &Value) -> Self {
        let mut fields = Self::from_wire_below(wire);
        fields.owned = false;
        fields
    }

    fn from_wire_below(wire: &Value) -> Self {
        let Some(map) = wire.as_object() else {
            return Self::leaf();
        };
        let mut fields = Self { owned: map.is_empty() || map.contains_key("."), below: BTreeMap::new() };
        for (text, below) in map {
            if let Some(step) = Step::from_wire(text) {
                fields.below.insert(step, Self::from_wire_below(below));
            }
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_set_survives_its_wire_form() {
        let wire = json!({
            "f:data": {".": {}, "f:a": {}},
            "f:spec": {"f:containers": {"k:{\"name\":\"x\"}": {".": {}, "f:image": {}}}, "f:finalizers": {"v:\"a/b\"": {}}},
        });
        let fields = Fields::from_wire(&wire);
        assert_eq!(fields.to_wire(), wire);
        assert_eq!(
            fields.paths(),
            [
                ".data",
                ".data.a",
                ".spec.containers[name=\"x\"]",
                ".spec.containers[name=\"x\"].image",
                ".spec.finalizers[=\"a/b\"]"
            ]
        );
    }

    #[test]
    fn sets_are_added_subtracted_and_intersected_place_by_place() {
        let set = |wire: Value| Fields::from_wire(&wire);
        let (a, b) = (set(json!({"f:x": {"f:a": {}, "f:b": {}}})), set(json!({"f:x": {"f:b": {}}, "f:y": {}})));
        assert_eq!(a.minus(&b), set(json!({"f:x": {"f:a": {}}})));
        assert_eq!(a.common(&b), set(json!({"f:x": {"f:b": {}}})));
        let mut sum = a.clone();
        sum.add(&b);
        assert_eq!(sum, set(json!({"f:x": {"f:a": {}, "f:b": {}}, "f:y": {}})));
        assert!(a.minus(&a).is_empty());
    }
}
