use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// An object reference as it is written everywhere: `Kind/namespace/name`, `Kind/name` when cluster-scoped,
/// `Kind.group/…` when a kind is ambiguous. The kind may be a plural or a short name: discovery resolves it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectRef {
    /// The kind, plural or short name, as written.
    pub kind: String,
    /// The API group, where it was named.
    pub group: Option<String>,
    /// The namespace; none when cluster-scoped.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
}

/// A text that is not an object reference.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{0}` is not an object reference: write \"Kind/namespace/name\", or \"Kind/name\" for a cluster-scoped object"
)]
pub struct RefError(String);

impl RefError {
    /// About this text.
    pub(crate) fn of(text: &str) -> Self {
        Self(text.into())
    }
}

impl ObjectRef {
    /// A reference from its parts.
    pub fn new(kind: impl Into<String>, namespace: Option<&str>, name: impl Into<String>) -> Self {
        Self { kind: kind.into(), group: None, namespace: namespace.map(Into::into), name: name.into() }
    }

    /// The reference with an API group.
    #[must_use]
    pub fn in_group(mut self, group: Option<&str>) -> Self {
        self.group = group.filter(|g| !g.is_empty()).map(Into::into);
        self
    }
}

impl FromStr for ObjectRef {
    type Err = RefError;

    fn from_str(text: &str) -> Result<Self, RefError> {
        let parts: Vec<&str> = text.split('/').collect();
        if parts.iter().any(|part| part.trim().is_empty() || part.contains(char::is_whitespace)) {
            return Err(RefError(text.into()));
        }
        let (namespace, name) = match parts[..] {
            [_, name] => (None, name),
            [_, namespace, name] => (Some(namespace), name),
            _ => return Err(RefError(text.into())),
        };
        let (kind, group) = parts[0].split_once('.').map_or((parts[0], None), |(kind, group)| (kind, Some(group)));
        if kind.is_empty() || group == Some("") {
            return Err(RefError(text.into()));
        }
        Ok(Self::new(kind, namespace, name).in_group(group))
    }
}

impl TryFrom<String> for ObjectRef {
    type Error = RefError;

    fn try_from(text: String) -> Result<Self, RefError> {
        text.parse()
    }
}

impl From<ObjectRef> for String {
    fn from(reference: ObjectRef) -> Self {
        reference.to_string()
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        if let Some(group) = &self.group {
            write!(f, ".{group}")?;
        }
        if let Some(namespace) = &self.namespace {
            write!(f, "/{namespace}")?;
        }
        write!(f, "/{}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_read_and_written_in_one_form() {
        for text in ["Namespace/monitoring", "HelmRelease/monitoring/grafana", "Ingress.networking.k8s.io/a/b"] {
            assert_eq!(text.parse::<ObjectRef>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for text in ["", "Namespace", "Namespace/", "/x", "A/b/c/d", "A b/c", "Kind./x", ".g/x"] {
            assert!(text.parse::<ObjectRef>().is_err(), "{text}");
        }
    }
}
