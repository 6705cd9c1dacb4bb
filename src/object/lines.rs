//! YAML documents with the line of each of their fields.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{
    head,
    yaml::{self, NodeVisitor, YamlError},
};

/// One document, or one item of a list document, and where its fields stand.
#[derive(Clone, Debug)]
pub struct Lined {
    /// What it holds.
    pub value: Value,
    /// The lines of its fields.
    pub lines: Lines,
}

/// The line of a value, and of those in it, counted from 1.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    line: u32,
    below: Below,
}

#[derive(Clone, Debug, Default)]
enum Below {
    #[default]
    Nothing,
    Fields(Vec<(String, Lines)>),
    Items(Vec<Lines>),
}

/// Reads every document as [`yaml::documents`] does, with the lines of its fields; lists of objects are unpacked. Of JSON that
/// is no YAML only the line of the document is known.
///
/// # Errors
/// As [`yaml::documents`].
pub fn lined(text: &str, file: &str) -> Result<Vec<Lined>, YamlError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let found: Vec<Lined> = match serde_yaml::from_multiple_with_options::<Marked>(text, yaml::options()) {
        Ok(found) => found.into_iter().map(|Marked(value, lines)| Lined { value, lines }).collect(),
        Err(_) => yaml::documents(text, file)?
            .into_iter()
            .map(|document| {
                let line = u32::try_from(document.line).unwrap_or(u32::MAX);
                Lined { value: document.value, lines: Lines { line, below: Below::Nothing } }
            })
            .collect(),
    };
    Ok(found.into_iter().filter(|document| !document.value.is_null()).flat_map(unpacked).collect())
}

fn unpacked(mut document: Lined) -> Vec<Lined> {
    let is_list = head(&document.value).kind().ends_with("List");
    match document.value.get_mut("items").filter(|items| is_list && items.is_array()).map(Value::take) {
        Some(Value::Array(items)) => {
            let items = items.into_iter().enumerate();
            items.map(|(n, value)| Lined { value, lines: document.lines.sub(&format!("items[{n}]")) }).collect()
        }
        _ => vec![document],
    }
}

impl Lines {
    /// The line that it begins on.
    pub fn line(&self) -> u32 {
        self.line
    }

    /// The line of the field at a path as edges and diffs write it (`spec.valuesFrom[0].name`, `metadata.labels["a.b/c"]`);
    /// of one that is not there, the line of the nearest that it would be in.
    pub fn at(&self, path: &str) -> u32 {
        self.find(path).0.line
    }

    /// The line of the name, where the field is a map that has one, else of the field itself.
    pub fn of_name(&self, path: &str) -> u32 {
        let found = self.find(path).0;
        match &found.below {
            Below::Fields(fields) => fields.iter().find(|(key, _)| key == "name").map_or(found.line, |(_, at)| at.line),
            _ => found.line,
        }
    }

    fn sub(&self, path: &str) -> Self {
        self.find(path).0.clone()
    }

    /// The nearest on the way to a path, and what is left of the path.
    fn find<'p>(&self, path: &'p str) -> (&Self, &'p str) {
        let deeper = match &self.below {
            Below::Nothing => None,
            Below::Fields(fields) => fields.iter().find_map(|(key, below)| Some((below, after_key(path, key)?))),
            Below::Items(items) => path.strip_prefix('[').and_then(|rest| {
                let (number, rest) = rest.split_once(']')?;
                Some((items.get(number.parse::<usize>().ok()?)?, rest))
            }),
        };
        match deeper {
            Some((below, rest)) if !rest.is_empty() => below.find(rest.strip_prefix('.').unwrap_or(rest)),
            Some((below, _)) => (below, ""),
            None => (self, path),
        }
    }
}

/// What follows a key at the beginning of a path, in any of the forms that paths have.
fn after_key<'p>(path: &'p str, key: &str) -> Option<&'p str> {
    let in_brackets = || {
        let rest = path.strip_prefix('[')?;
        rest.strip_prefix('"')
            .and_then(|rest| rest.strip_prefix(key)?.strip_prefix("\"]"))
            .or_else(|| rest.strip_prefix(key)?.strip_prefix(']'))
    };
    let plain = path.strip_prefix(key).filter(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
    plain.or_else(in_brackets)
}

/// A value with the lines of what is in it.
struct Marked(Value, Lines);

impl<'de> Deserialize<'de> for Marked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = serde_yaml::Spanned::<Inner>::deserialize(deserializer)?;
        let line = u32::try_from(spanned.referenced.line()).unwrap_or(u32::MAX).max(1);
        let Inner(value, below) = spanned.value;
        Ok(Self(value, Lines { line, below }))
    }
}

struct Inner(Value, Below);

impl<'de> Deserialize<'de> for Inner {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MarkVisitor)
    }
}

struct MarkVisitor;

fn leaf(value: Value) -> Inner {
    Inner(value, Below::Nothing)
}

impl<'de> Visitor<'de> for MarkVisitor {
    type Value = Inner;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Inner, E> {
        Ok(leaf(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Inner, E> {
        Ok(leaf(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Inner, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Inner, E> {
        NodeVisitor.visit_bool(value).map(leaf)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Inner, E> {
        NodeVisitor.visit_i64(value).map(leaf)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Inner, E> {
        NodeVisitor.visit_u64(value).map(leaf)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Inner, E> {
        NodeVisitor.visit_f64(value).map(leaf)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Inner, E> {
        NodeVisitor.visit_str(value).map(leaf)
    }

    fn visit_bytes<E: serde::de::Error>(self, value: &[u8]) -> Result<Inner, E> {
        NodeVisitor.visit_bytes(value).map(leaf)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Inner, A::Error> {
        let (mut values, mut lines) = (vec![], vec![]);
        while let Some(Marked(value, line)) = seq.next_element()? {
            values.push(value);
            lines.push(line);
        }
        Ok(Inner(Value::Array(values), Below::Items(lines)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Inner, A::Error> {
        let (mut fields, mut lines) = (Map::new(), vec![]);
        while let Some(key) = map.next_key()? {
            let key = yaml::key(key).map_err(A::Error::custom)?;
            let Marked(value, line) = map.next_value()?;
            if fields.contains_key(&key) {
                return Err(A::Error::custom(format!("duplicate mapping key: {key}")));
            }
            lines.push((key.clone(), line));
            fields.insert(key, value);
        }
        Ok(Inner(Value::Object(fields), Below::Fields(lines)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# a comment
apiVersion: v1
kind: ConfigMap
metadata:
  name: a
  labels: {app.kubernetes.io/name: x}
---
---
kind: HelmRelease
base: &base
  secretRef:
    key: k
    name: shared
spec:
  valuesFrom:
    - kind: Secret
      name: one
    - *base
  merged:
    <<: *base
    own: 1
";

    #[test]
    fn each_field_has_its_line_in_every_document() {
        let found = lined(TEXT, "f").unwrap();
        let at = |n: usize, path: &str| found[n].lines.at(path);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].lines.line(), found[1].lines.line()), (2, 9));
        assert_eq!(at(0, "metadata.labels[\"app.kubernetes.io/name\"]"), 6);
        assert_eq!(at(0, "metadata.labels[app.kubernetes.io/name]"), 6);
        assert_eq!((at(1, "spec.valuesFrom[0]"), found[1].lines.of_name("spec.valuesFrom[0]")), (16, 17));
        assert_eq!(at(1, "spec.merged.own"), 21);
        // an alias stands where it is used
        assert_eq!(at(1, "spec.valuesFrom[1]"), 18);
        assert_eq!(found[1].value["spec"]["merged"]["secretRef"]["name"], "shared");
    }

    #[test]
    fn a_field_that_is_not_there_has_the_line_of_what_it_would_be_in() {
        let found = lined(TEXT, "f").unwrap();
        assert_eq!(found[0].lines.at("metadata.namespace"), 5);
        assert_eq!(found[1].lines.at("spec.valuesFrom[7].name"), found[1].lines.at("spec.valuesFrom"));
        assert_eq!(found[0].lines.at("status"), 2);
    }

    #[test]
    fn the_objects_of_a_list_are_read_each_with_its_lines() {
        let text = "apiVersion: v1\nkind: List\nitems:\n  - kind: A\n    metadata:\n      name: a\n  - kind: B\n";
        let found = lined(text, "f").unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].lines.at("metadata.name"), found[1].lines.line()), (6, 7));
        let json = lined("{\n\t\"kind\": \"A\"\n}\n{\"kind\": \"B\"}", "f").unwrap();
        assert_eq!((json.len(), json[1].lines.at("kind")), (2, 4));
    }

    #[test]
    fn what_is_no_yaml_is_refused_with_its_place() {
        let error = lined("a: 1\nb: [\n", "f.yaml").unwrap_err();
        assert!(error.to_string().starts_with("f.yaml:"), "{error}");
    }
}
