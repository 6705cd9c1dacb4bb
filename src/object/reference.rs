use serde_json::Value;

use super::path::{int, text};
use crate::model::ObjectRef;

/// What an object says about itself; missing parts are empty or none.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a>(&'a Value);

/// Reads what an object says about itself.
pub fn head(object: &Value) -> Head<'_> {
    Head(object)
}

impl<'a> Head<'a> {
    /// `apps/v1`.
    pub fn api_version(self) -> &'a str {
        text(self.0, "apiVersion").unwrap_or_default()
    }

    /// `apps`; empty for the core group.
    pub fn group(self) -> &'a str {
        split_api_version(self.api_version()).0
    }

    /// `v1`.
    pub fn version(self) -> &'a str {
        split_api_version(self.api_version()).1
    }

    /// `Deployment`.
    pub fn kind(self) -> &'a str {
        text(self.0, "kind").unwrap_or_default()
    }

    /// Its name.
    pub fn name(self) -> &'a str {
        text(self.0, "metadata.name").unwrap_or_default()
    }

    /// Its namespace, where it has one.
    pub fn namespace(self) -> Option<&'a str> {
        text(self.0, "metadata.namespace").filter(|namespace| !namespace.is_empty())
    }

    /// Its UID, once the server gave it one.
    pub fn uid(self) -> Option<&'a str> {
        text(self.0, "metadata.uid")
    }

    /// Its resourceVersion.
    pub fn resource_version(self) -> Option<&'a str> {
        text(self.0, "metadata.resourceVersion")
    }

    /// Its generation.
    pub fn generation(self) -> Option<i64> {
        int(self.0, "metadata.generation")
    }

    /// When its deletion was asked for.
    pub fn deletion_timestamp(self) -> Option<&'a str> {
        text(self.0, "metadata.deletionTimestamp")
    }

    /// The reference to it, without its group.
    pub fn reference(self) -> ObjectRef {
        ObjectRef::new(self.kind(), self.namespace(), self.name())
    }

    /// The reference to it, with its group where it is not the core group.
    pub fn full_reference(self) -> ObjectRef {
        self.reference().in_group(Some(self.group()))
    }
}

/// `apps/v1` → `("apps", "v1")`, `v1` → `("", "v1")`.
pub fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// The reference to an object: `Kind/namespace/name`, or `Kind/name` when it has no namespace.
pub fn reference(object: &Value) -> ObjectRef {
    head(object).reference()
}
