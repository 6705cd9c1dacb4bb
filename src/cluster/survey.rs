use std::{collections::BTreeSet, sync::Arc};

use futures::{StreamExt as _, stream};
use serde_json::Value;

use crate::{
    model::ObjectRef,
    object::{
        edges::{self, Direction, Graph, Impact, Reached},
        head,
    },
};

use super::{
    Cluster, ClusterError, Patience, Place, Resource, Selector,
    read::{JSON, METADATA, place},
};

/// Lists that are asked for at once.
const CONCURRENCY: usize = 8;

/// More namespaces than these are looked at all at once.
const FEW: usize = 4;

/// Kinds that say what happened, or again what another says: nothing depends on them, and there are many.
const PASSING: &[&str] = &["Event", "Lease", "ControllerRevision", "ComponentStatus", "Endpoints"];

/// What a cluster holds.
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
        let near = match direction {
            Direction::Dependents => Some(self.dependents(&meant, patience)?),
            Direction::Needs => None,
        };
        let is_there = |impact: &Impact| impact.reached.iter().filter(|reached| reached.depth == 0).all(|it| it.exists);
        if let Some((Survey { objects, unseen }, impact)) = near
            && is_there(&impact)
        {
            return Ok(Followed { impact, objects: objects.len(), unseen, unknown: vec![] });
        }
        let Survey { objects, unseen } = self.survey(patience)?;
        let graph = Graph::of(&objects);
        let unknown = meant.iter().filter(|reference| graph.find(reference).is_none());
        let unknown = unknown.map(|reference| (reference.clone(), graph.nearest(reference))).collect();
        Ok(Followed { impact: graph.impact(&meant, direction), objects: objects.len(), unseen, unknown })
    }

    /// What depends on some objects, named as the server names them, and all that was looked at to know. What can only name
    /// objects of its own namespace is listed in theirs, and in others once the edges lead there.
    ///
    /// # Errors
    /// As [`Cluster::survey`].
    pub fn dependents(&self, of: &[ObjectRef], patience: &Patience) -> Result<(Survey, Impact), ClusterError> {
        let (home, far): (Vec<_>, Vec<_>) = self.kinds(patience)?.into_iter().partition(|resource| {
            resource.namespaced && edges::stays_in_its_namespace(&resource.group, &resource.kind)
        });
        let mut asked: Vec<Place> = far.into_iter().map(|resource| (resource, None)).collect();
        let mut seen: BTreeSet<Option<String>> = BTreeSet::new();
        let mut next: BTreeSet<Option<String>> = of.iter().map(|object| object.namespace.clone()).collect();
        let mut survey = Survey::default();
        loop {
            // what has no namespace can be named from all of them
            if next.contains(&None) || seen.len() + next.len() > FEW {
                next = BTreeSet::from([None]);
                survey.objects.retain(|object| !home.iter().any(|resource| is_of(object, resource)));
            }
            asked.extend(next.iter().flat_map(|place| home.iter().map(|resource| (resource.clone(), place.clone()))));
            let more = self.listed(std::mem::take(&mut asked), patience)?;
            survey.objects.extend(more.objects);
            survey.unseen.extend(more.unseen);
            survey.unseen.dedup();
            survey.objects.sort_by_cached_key(|object| (head(object).kind().to_owned(), place(object)));
            seen.append(&mut next);
            let impact = Graph::of(&survey.objects).impact(of, Direction::Dependents);
            if !seen.contains(&None) {
                let namespace = |reached: &Reached| reached.object.namespace.clone();
                next = impact.reached.iter().map(namespace).filter(|place| !seen.contains(place)).collect();
            }
            if next.is_empty() {
                return Ok((survey, impact));
            }
        }
    }

    /// Lists every kind, each in the version that its group prefers; events, leases and the like are left out.
    ///
    /// # Errors
    /// What the server says where the API itself cannot be discovered. A kind that cannot be listed is in
    /// [`Survey::unseen`].
    pub fn survey(&self, patience: &Patience) -> Result<Survey, ClusterError> {
        let kinds = self.kinds(patience)?;
        self.listed(kinds.into_iter().map(|resource| (resource, None)).collect(), patience)
    }

    /// Every kind that can be listed and says more than what happened, in the order of their names.
    fn kinds(&self, patience: &Patience) -> Result<Vec<Arc<Resource>>, ClusterError> {
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
        Ok(kinds)
    }

    /// The objects of each place, in the order of these.
    fn listed(&self, places: Vec<Place>, patience: &Patience) -> Result<Survey, ClusterError> {
        let inner = self.inner.clone();
        self.wait(patience, "list every kind", async move {
            let lists = stream::iter(places).map(|(resource, namespace)| {
                let inner = inner.clone();
                async move {
                    let secret = resource.kind == "Secret" && resource.group.is_empty();
                    let accept = if secret { METADATA } else { JSON };
                    let mut items = vec![];
                    let each = |item| items.push(named(item, &resource));
                    let answer = inner.list(&resource, namespace.as_deref(), &Selector::default(), accept, each).await;
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

fn is_of(object: &Value, resource: &Resource) -> bool {
    head(object).kind() == resource.kind && head(object).group() == resource.group
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
