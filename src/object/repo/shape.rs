use std::collections::BTreeMap;

use serde_json::Value;

/// The fields that an object sets, with their values: what two objects are compared by. Items of lists are not told apart,
/// and neither name, namespace, kind nor version counts.
#[derive(Debug, Default)]
pub(super) struct Shape(BTreeMap<String, Option<Value>>);

/// What two shapes have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Common {
    /// Fields that both set.
    pub fields: usize,
    /// Fields that the first sets.
    pub own: usize,
    /// Fields that one of them sets, or both.
    pub all: usize,
    /// Fields that both set to the same value.
    pub values: usize,
}

impl Shape {
    pub fn of(object: &Value) -> Self {
        let mut shape = Self::default();
        for (key, value) in object.as_object().into_iter().flatten() {
            match key.as_str() {
                "apiVersion" | "kind" | "status" => {}
                "metadata" => {
                    for (key, value) in value.as_object().into_iter().flatten() {
                        if !matches!(key.as_str(), "name" | "namespace") {
                            shape.add(format!("metadata.{key}"), value);
                        }
                    }
                }
                _ => shape.add(key.clone(), value),
            }
        }
        shape
    }

    fn add(&mut self, path: String, value: &Value) {
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                for (key, value) in fields {
                    self.add(format!("{path}.{key}"), value);
                }
            }
            Value::Array(items) if !items.is_empty() => {
                for item in items {
                    self.add(format!("{path}[]"), item);
                }
            }
            // a field that is set in several items has no one value
            leaf => {
                let one = self.0.entry(path).or_insert_with(|| Some(leaf.clone()));
                if one.as_ref() != Some(leaf) {
                    *one = None;
                }
            }
        }
    }

    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub fn common(&self, other: &Self) -> Common {
        let both = self.0.iter().filter_map(|(path, value)| Some((value, other.0.get(path)?)));
        let (mut fields, mut values) = (0, 0);
        for (own, others) in both {
            fields += 1;
            values += usize::from(own.is_some() && own == others);
        }
        Common { fields, own: self.0.len(), all: self.0.len() + other.0.len() - fields, values }
    }
}

impl Common {
    /// How much the second is like the first, from 0 to 1: that it sets the same counts for more than that it sets nothing
    /// else.
    pub fn alike(self) -> f64 {
        0.75 * share(self.fields, self.own) + 0.25 * share(self.fields, self.all)
    }

    /// How many of the common fields have the same value, from 0 to 1.
    pub fn same(self) -> f64 {
        share(self.values, self.fields)
    }
}

/// A part of a whole, from 0 to 1; all of nothing is 1.
#[allow(clippy::cast_precision_loss, reason = "counts of fields")]
pub(super) fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

/// A sum of parts as points out of a hundred.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 100")]
pub(super) fn points(sum: f64) -> u32 {
    sum.clamp(0.0, 100.0).round() as u32
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_are_alike_by_the_fields_that_they_set_and_not_by_their_names() {
        let one = json!({ "kind": "A", "metadata": { "name": "a", "labels": { "x": "1" } },
            "spec": { "list": [{ "name": "p", "port": 1 }, { "name": "q" }], "image": "i" } });
        let other = json!({ "kind": "A", "metadata": { "name": "b" }, "spec": { "list": [{ "name": "p" }], "image": "i", "more": {} } });
        let common = Shape::of(&one).common(&Shape::of(&other));
        // labels.x, list[].name, list[].port, image, more; the names in the list are not one value
        assert_eq!(common, Common { fields: 2, own: 4, all: 5, values: 1 });
        assert_eq!(points(common.alike() * 100.0), 48); // 3/4 of 2 of 4, and 1/4 of 2 of 5
        assert_eq!(Shape::of(&json!({})).common(&Shape::of(&json!({ "kind": "B" }))).alike().to_string(), "1");
    }
}
