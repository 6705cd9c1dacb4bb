use std::sync::Arc;

use futures::{StreamExt as _, stream};
use serde_json::Value;

use crate::{
    model::ObjectRef,
    object::edges::{Direction, Graph, Impact},
};

use super::{
    Cluster, ClusterError, Patience, Resource, Selector,
    read::{JSON, METADATA, place},
};

/// Lists that are asked for at once.
const CONCURRENCY: usize = 8;

/// Kinds that say what happened, or again what another says: nothing depends on them, and there are many.
const PASSING: &[&str] = &["Event", "Lease", "ControllerRevision", "ComponentStatus", "Endpoints"];

/// Everything that a cluster holds.
#[derive(Debug, Default)]
pub struct Survey {
    /// The objects, in the order of kind, namespace and name. Secrets come without their values.
    pub objects: Vec<Value>,
    /// Kinds that could not be listed, with the reason.
    pub unseen: Vec<(String, String)>,
}

/// What depends on some objects, or what they need, and what could not be looked at.
#[derive(Debug)]
pub struct Followed {
    /// What is reached.
    pub impact: Impact,
    /// How many objects were looked at.
    pub objects: usize,
    /// Kinds that could not be listed, with the reason.
    pub unseen: Vec<(String, String)>,
    /// What was asked for, is not there and is named by nothing, with the nearest references that there are.
    pub unknown: Vec<(ObjectRef, Vec<ObjectRef>)>,
}

impl Cluster {
    /// Follows the edges between all objects of the cluster.
    ///
    /// # Errors
    /// As [`Cluster::resolve`] and [`Cluster::survey`].
    pub fn impact(
        &self,
        of: &[ObjectRef],
        direction: Direction,
        patience: &Patience,
    ) -> Result<Followed, ClusterError> {
        let mut meant = vec![];
        for reference in of {
            let resource = self.resolve(reference, patience)?;
            let named = ObjectRef::new(&resource.kind, reference.namespace.as_deref(), &reference.name);
            meant.push(named.in_group(Some(&resource.group)));
        }
        let Survey { objects, unseen } = self.survey(patience)?;
        let graph = Graph::of(&objects);
        let unknown = meant.iter().filter(|reference| graph.find(reference).is_none());
        let unknown = unknown.map(|reference| (reference.clone(), graph.nearest(reference))).collect();
        Ok(Followed { impact: graph.impact(&meant, direction), objects: objects.len(), unseen, unknown })
    }

    /// Lists every kind, each in the version that its group prefers; events, leases and the like are left out.
    ///
    /// # Errors
    /// What the server says where the API itself cannot be discovered. A kind that cannot be listed is in
    /// [`Survey::unseen`].
    pub fn survey(&self, patience: &Patience) -> Result<Survey, ClusterError> {
        let mut kinds: Vec<Arc<Resource>> = vec![];
        for resource in self.resources(patience)? {
            let listed = resource.verbs.iter().any(|verb| verb == "list");
            let passing = PASSING.contains(&resource.kind.as_str()) || resource.group == "metrics.k8s.io";
            let known = kinds.iter().any(|known| known.group == resource.group && known.kind == resource.kind);
            if listed && !passing && !known {
                kinds.push(resource);
            }
        }
        kinds.sort_by(|a, b| (&a.kind, &a.group).cmp(&(&b.kind, &b.group)));
        let inner = self.inner.clone();
        self.wait(patience, "list every kind", async move {
            let lists = stream::iter(kinds).map(|resource| {
                let inner = inner.clone();
                async move {
                    let secret = resource.kind == "Secret" && resource.group.is_empty();
                    let accept = if secret { METADATA } else { JSON };
                    let mut items = vec![];
                    let each = |item| items.push(named(item, &resource));
                    let answer = inner.list(&resource, None, &Selector::default(), accept, each).await;
                    items.sort_by_cached_key(place);
                    (resource.kind.clone(), answer.map(|_| items))
                }
            });
            let mut survey = Survey::default();
            let mut lists = lists.buffered(CONCURRENCY);
            while let Some((kind, list)) = lists.next().await {
                match list {
                    Ok(items) => survey.objects.extend(items),
                    // served by nobody at the moment, or never meant to be listed
                    Err(ClusterError::NotFound { .. }) => {}
                    Err(error) => survey.unseen.push((kind, error.to_string())),
                }
            }
            Ok(survey)
        })
    }
}

/// An object of a metadata list is still of its kind; who wrote which field is of no use here, and large.
fn named(mut item: Value, resource: &Resource) -> Value {
    item["apiVersion"] = resource.api_version().into();
    item["kind"] = resource.kind.clone().into();
    if let Some(metadata) = item["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    item
}
