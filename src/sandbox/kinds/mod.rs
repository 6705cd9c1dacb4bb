//! The kinds that are served: built-in ones from a table, custom ones from the `CustomResourceDefinition`s in the store.

mod builtin;
mod crds;
mod custom;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::schema::Schema;
use super::status::qualified;
use builtin::Sub;

pub(crate) use crds::brought_definitions;
pub(crate) use custom::{CRD_RESOURCE, establish, established, installing};

/// Where a kind comes from; some answers of a server differ between the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    BuiltIn,
    Custom,
}

/// Where the scale subresource reads and writes, as dotted paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scale {
    pub spec_replicas: String,
    pub status_replicas: String,
    pub selector: Option<String>,
}

/// One served kind, in all its versions. Its names are those of discovery.
#[allow(clippy::struct_excessive_bools, clippy::struct_field_names)] // independent facts, named as discovery names them
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kind {
    pub group: String,
    pub kind: String,
    pub list_kind: String,
    pub plural: String,
    pub singular: String,
    pub short_names: Vec<String>,
    pub categories: Vec<String>,
    pub namespaced: bool,
    /// Served versions, the preferred one first.
    pub versions: Vec<String>,
    /// The version that objects are kept in.
    pub stored: String,
    pub status: bool,
    pub generation: bool,
    pub scale: Option<Scale>,
    /// Answered, never kept: access reviews.
    pub create_only: bool,
    /// Only shown.
    pub read_only: bool,
    /// Subresources beside status and scale.
    pub others: &'static [Sub],
    /// Of a custom kind, the definition.
    pub definition: Option<Arc<Value>>,
    pub origin: Origin,
}

impl Kind {
    /// The kind that a definition serves, if it serves any.
    pub fn defined_by(definition: &Arc<Value>) -> Option<Self> {
        custom::kind_of(definition)
    }

    /// `deployments.apps`: the key of the kind in the store.
    pub fn resource(&self) -> String {
        qualified(&self.group, &self.plural)
    }

    /// `apps/v1`, or `v1` in the core group.
    pub fn api_version(&self, version: &str) -> String {
        if self.group.is_empty() { version.to_owned() } else { format!("{}/{version}", self.group) }
    }

    /// The verbs of the resource itself, in discovery's order.
    pub fn verbs(&self) -> &'static [&'static str] {
        if self.create_only {
            &["create"]
        } else if self.read_only {
            &["get", "list"]
        } else if self.is_custom() {
            &["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]
        } else if self.resource() == "namespaces" {
            &["create", "delete", "get", "list", "patch", "update", "watch"]
        } else {
            &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
        }
    }

    /// What objects of this kind look like in a version; `None` where anything goes.
    pub fn schema(&self, version: &str) -> Option<Schema<'_>> {
        match &self.definition {
            None => Schema::built_in(&self.group, version, &self.kind),
            Some(definition) => custom::schema_of(definition, version).map(Schema::new),
        }
    }

    /// A custom kind's version as its definition has it.
    pub fn version_entry(&self, version: &str) -> Option<&Value> {
        custom::version_of(self.definition.as_deref()?, version)
    }

    pub fn is_custom(&self) -> bool {
        self.origin == Origin::Custom
    }
}

/// All served kinds, by resource.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    kinds: BTreeMap<String, Arc<Kind>>,
    /// Groups in the order in which a server lists them.
    groups: Vec<String>,
}

impl Registry {
    /// The built-in kinds and those of the given definitions.
    pub fn new(definitions: impl Iterator<Item = Arc<Value>>) -> Self {
        let mut registry = Self::default();
        for kind in builtin::kinds() {
            registry.add(kind);
        }
        let mut custom: Vec<Kind> = definitions.filter_map(|definition| custom::kind_of(&definition)).collect();
        custom.sort_by(|a, b| (&a.group, &a.plural).cmp(&(&b.group, &b.plural)));
        for kind in custom {
            registry.add(kind);
        }
        registry
    }

    fn add(&mut self, kind: Kind) {
        if !self.groups.contains(&kind.group) {
            self.groups.push(kind.group.clone());
        }
        // A definition never replaces a built-in kind.
        self.kinds.entry(kind.resource()).or_insert_with(|| Arc::new(kind));
    }

    /// The kind behind a path's group, version and plural.
    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Kind>> {
        self.by_resource(&qualified(group, plural)).filter(|kind| kind.versions.iter().any(|v| v == version))
    }

    pub fn by_resource(&self, resource: &str) -> Option<&Arc<Kind>> {
        self.kinds.get(resource)
    }

    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    pub fn of_group<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a Arc<Kind>> {
        self.kinds.values().filter(move |kind| kind.group == group)
    }

    pub fn all(&self) -> impl Iterator<Item = &Arc<Kind>> {
        self.kinds.values()
    }

    /// The group's served versions, the preferred one first.
    pub fn versions(&self, group: &str) -> Vec<String> {
        let mut versions: Vec<String> = Vec::new();
        for kind in self.of_group(group) {
            for version in &kind.versions {
                if !versions.contains(version) {
                    versions.push(version.clone());
                }
            }
        }
        versions.sort_by_key(|version| std::cmp::Reverse(custom::priority(version)));
        versions
    }
}
