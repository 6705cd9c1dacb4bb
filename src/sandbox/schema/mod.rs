//! What objects look like: the built-in kinds from a record of a real server, custom ones from their definitions; both as
//! JSON schemas that are read where they lie.
//!
//! `builtin` unpacks the record at the first request that needs it; `decode` reads what a client sends as an object of a
//! built-in kind, `typed` judges what is applied, `structural` fills, prunes and validates custom objects.

mod builtin;
mod cel;
mod decode;
mod structural;
mod typed;

use serde_json::Value;

#[cfg(test)]
pub(crate) use builtin::ASKED;
pub(crate) use builtin::{closure, document};
pub(crate) use decode::{blank_status, decode};
pub(crate) use structural::{default_into, misfits, prune, structural_errors};
pub(crate) use typed::typed_errors;

/// The schema of one place in an object: what is said there, and what it refers to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schema<'a> {
    own: &'a Value,
    target: &'a Value,
}

/// What sort of value a schema wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    /// An object with declared fields.
    Struct,
    /// An object with free keys.
    Map,
    Array,
    Text,
    Integer,
    Number,
    Flag,
    IntOrString,
    Quantity,
    Time,
    Bytes,
    /// Anything goes.
    Any,
}

impl<'a> Schema<'a> {
    pub fn new(own: &'a Value) -> Self {
        let reference = own["$ref"].as_str().or_else(|| own.pointer("/allOf/0/$ref").and_then(Value::as_str));
        let target = reference.and_then(|name| builtin::schema(name.rsplit('/').next().unwrap_or_default()));
        Self { own, target: target.unwrap_or(own) }
    }

    /// The schema of a built-in kind.
    pub fn built_in(group: &str, version: &str, kind: &str) -> Option<Schema<'static>> {
        builtin::schema(&builtin::name_of(group, version, kind)).map(Schema::new)
    }

    /// The schema of every object's metadata.
    pub fn metadata() -> Option<Schema<'static>> {
        builtin::schema("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta").map(Schema::new)
    }

    /// A keyword, as said at this place or at what it refers to.
    pub fn word(self, word: &str) -> Option<&'a Value> {
        self.own.get(word).or_else(|| self.target.get(word))
    }

    pub fn text(self, word: &str) -> Option<&'a str> {
        self.word(word).and_then(Value::as_str)
    }

    pub fn flag(self, word: &str) -> bool {
        self.word(word) == Some(&Value::Bool(true))
    }

    /// The schema of a declared field.
    pub fn declared(self, name: &str) -> Option<Self> {
        self.target.get("properties")?.get(name).map(Self::new)
    }

    /// All declared fields.
    pub fn fields(self) -> impl Iterator<Item = (&'a String, Self)> {
        let fields = self.target.get("properties").and_then(Value::as_object);
        fields.into_iter().flatten().map(|(name, own)| (name, Self::new(own)))
    }

    /// The schema of the values under free keys.
    pub fn free(self) -> Option<Self> {
        self.target.get("additionalProperties").filter(|schema| schema.is_object()).map(Self::new)
    }

    /// The schema of the values under a key, declared or free.
    pub fn field(self, name: &str) -> Option<Self> {
        self.declared(name).or_else(|| self.free())
    }

    pub fn items(self) -> Option<Self> {
        self.target.get("items").map(Self::new)
    }

    /// Whether a declared field must be there.
    pub fn requires(self, name: &str) -> bool {
        self.required().any(|required| required == name)
    }

    pub fn required(self) -> impl Iterator<Item = &'a str> {
        self.target.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    /// The name of the recorded schema that this place refers to: `io.k8s.api.core.v1.Container`.
    pub fn name(self) -> Option<&'a str> {
        let reference = self.own.get("$ref").or_else(|| self.own.pointer("/allOf/0/$ref"))?.as_str()?;
        reference.rsplit('/').next()
    }

    pub fn sort(self) -> Sort {
        let format = self.text("format").unwrap_or_default();
        if format == "int-or-string" || self.flag("x-kubernetes-int-or-string") {
            return Sort::IntOrString;
        }
        match self.target.get("type").and_then(Value::as_str) {
            Some("object") if self.target.get("properties").is_some() => Sort::Struct,
            Some("object") if self.free().is_some() => Sort::Map,
            Some("array") => Sort::Array,
            Some("string") => match format {
                "date-time" => Sort::Time,
                "byte" => Sort::Bytes,
                _ => Sort::Text,
            },
            Some("integer") => Sort::Integer,
            Some("number") => Sort::Number,
            Some("boolean") => Sort::Flag,
            None if self.name().is_some_and(|name| name.ends_with(".Quantity")) => Sort::Quantity,
            _ => Sort::Any,
        }
    }
}

/// A path of fields and places in lists, written as the server writes them: `spec.containers[0].name`.
pub(crate) fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
