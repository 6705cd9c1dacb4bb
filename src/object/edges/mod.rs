//! What an object needs to work, read from its own fields: the edges of `impact` and of `repo::references`.
//! `links` reads one object; `Graph` joins many and follows them, each with the field that shows why.
//! A field is known by its name wherever it stands, so that kinds nobody foresaw are read too.

mod fields;
mod graph;
mod labels;
mod pods;

use crate::model::ObjectRef;

pub(in crate::object) use fields::is_cluster_scoped;
pub use fields::{links, stays_in_its_namespace};
pub use graph::{Direction, Graph, Impact, Reached};
pub use labels::LabelSelector;
pub(in crate::object) use pods::pod_labels;

/// One reference that an object holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What it names.
    pub to: Reach,
    /// The field that names it, e.g. `spec.valuesFrom[0]`.
    pub by: String,
    /// Which of the two needs the other.
    pub bond: Bond,
}

/// Which of the two needs the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bond {
    /// The object needs what it names.
    Needs,
    /// The object makes what it names, so what it names needs the object.
    Makes,
}

/// What a field names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// One object. Its namespace is the one that is meant if its kind has namespaces.
    One(ObjectRef),
    /// The pods with these labels, or what makes them.
    Pods {
        /// Where they are; none for all namespaces.
        namespace: Option<String>,
        /// Their labels.
        labels: LabelSelector,
    },
    /// The Services with these labels.
    Services {
        /// Where they are; none for all namespaces.
        namespace: Option<String>,
        /// Their labels.
        labels: LabelSelector,
    },
}

#[cfg(test)]
mod tests;
