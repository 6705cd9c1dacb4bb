//! What hangs in or on an object that is about to be deleted, or names it, and was not made by this run.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    EffectError,
    naming::{Naming, still_names},
};
use crate::{
    cluster::{Cluster, ClusterError, Patience, Selector},
    object::{self, path::at},
};

/// How many are named.
const NAMED: usize = 3;
/// How many that named an object are asked whether they still do.
const ASKED: usize = 20;

/// What was looked up so far: one look at a namespace serves all objects of one way back.
#[derive(Debug, Default)]
pub(super) struct Hanging {
    inside: BTreeMap<String, Vec<Value>>,
    /// The UIDs of what is gone since, or will be.
    gone: BTreeSet<String>,
    /// Who names what.
    naming: Option<Naming>,
}

impl Hanging {
    /// Says that the object with this UID is gone, whatever was seen before.
    pub fn gone(&mut self, uid: String) {
        self.gone.insert(uid);
    }

    /// Why the object may not be deleted, where something hangs in or on it. `made` are the UIDs of what this run made: what
    /// it made after this object is gone by now, or on its way.
    pub fn on(
        &mut self,
        cluster: &Cluster,
        object: &Value,
        made: &BTreeSet<String>,
        patience: &Patience,
    ) -> Result<Option<String>, EffectError> {
        let head = object::head(object);
        let found: Vec<String> = match (head.kind(), head.group()) {
            ("Namespace", "") => {
                let inside = cluster.contents(head.name(), patience)?;
                self.others(&inside, made).into_iter().map(|other| object::reference(other).to_string()).collect()
            }
            ("CustomResourceDefinition", _) => {
                let text = |path| at(object, path).and_then(Value::as_str).unwrap_or_default();
                let kind = format!("{}.{}", text("spec.names.kind"), text("spec.group"));
                match cluster.list(&kind, None, &Selector::default(), patience) {
                    Ok(listed) => {
                        let left = listed.items.iter().filter(|item| !self.is_going(item));
                        left.map(|item| object::reference(item).to_string()).collect::<Vec<_>>()
                    }
                    Err(ClusterError::NotServed { .. }) => vec![],
                    Err(error) => return Err(error.into()),
                }
            }
            _ => {
                let Some(uid) = head.uid() else { return Ok(None) };
                let Some(namespace) = head.namespace() else { return self.named(cluster, object, made, patience) };
                if !self.inside.contains_key(namespace) {
                    self.inside.insert(namespace.to_owned(), cluster.contents(namespace, patience)?);
                }
                let inside = &self.inside[namespace];
                // what its own controller made of it goes with it
                let hangs = |other: &&Value| owners(other).any(|(owner, controls)| owner == uid && !controls);
                self.others(inside, made)
                    .into_iter()
                    .filter(hangs)
                    .map(|other| object::reference(other).to_string())
                    .collect()
            }
        };
        if found.is_empty() && matches!(head.kind(), "Namespace" | "CustomResourceDefinition") {
            return Ok(None);
        }
        if found.is_empty() {
            return self.named(cluster, object, made, patience);
        }
        let more = found.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let named = found.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        Ok(Some(match head.kind() {
            "Namespace" => format!("it still holds {named}{more}"),
            "CustomResourceDefinition" => format!("it still has instances: {named}{more}"),
            _ => format!("deleting it would take {named}{more} with it, which this run did not make"),
        }))
    }

    /// Kinds among which it could not be looked for who names an object.
    pub fn unseen(&self) -> &[String] {
        self.naming.as_ref().map(|naming| naming.unseen.as_slice()).unwrap_or_default()
    }

    /// Why the object may not be deleted, where something else names it.
    fn named(
        &mut self,
        cluster: &Cluster,
        object: &Value,
        made: &BTreeSet<String>,
        patience: &Patience,
    ) -> Result<Option<String>, EffectError> {
        if self.naming.is_none() {
            self.naming = Some(Naming::look(cluster, patience)?);
        }
        let known = self.naming.iter().flat_map(|naming| naming.of_object(object, made, &self.gone));
        let mut known: Vec<_> = known.collect();
        known.dedup_by(|a, b| a.0 == b.0);
        let unasked = known.len().saturating_sub(ASKED);
        let mut found = vec![];
        for (other, by) in known.into_iter().take(ASKED) {
            // it was looked up once for the whole way back: what is so by now decides
            if cluster.get(&other, patience)?.is_some_and(|now| still_names(&now, &by, object)) {
                found.push(format!("{} ({by})", other.in_group(None)));
            }
        }
        if found.is_empty() {
            return Ok(None);
        }
        let more = (found.len() + unasked).saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let named = found.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
        Ok(Some(format!("it is still named by {named}{more}, which this run did not make")))
    }

    /// Those that are neither on their way, nor made by Kubernetes itself, nor by a controller for something that this
    /// run made.
    fn others<'a>(&self, all: &'a [Value], made: &BTreeSet<String>) -> Vec<&'a Value> {
        let other =
            |object: &&Value| !self.is_going(object) && !is_own(object) && !self.comes_from(object, all, made, 8);
        all.iter().filter(other).collect()
    }

    fn is_going(&self, object: &Value) -> bool {
        let head = object::head(object);
        head.deletion_timestamp().is_some() || head.uid().is_some_and(|uid| self.gone.contains(uid))
    }

    /// Whether it was made for something that this run made and that is gone: then it goes as well.
    fn comes_from(&self, object: &Value, all: &[Value], made: &BTreeSet<String>, depth: usize) -> bool {
        owners(object).any(|(owner, _)| {
            let there = all.iter().find(|other| object::head(other).uid() == Some(owner));
            match there {
                Some(there) => depth > 0 && (self.is_going(there) || self.comes_from(there, all, made, depth - 1)),
                None => made.contains(owner),
            }
        })
    }
}

/// What every namespace has.
fn is_own(object: &Value) -> bool {
    let head = object::head(object);
    matches!((head.kind(), head.name()), ("ConfigMap", "kube-root-ca.crt") | ("ServiceAccount", "default"))
}

/// The UIDs of an object's owners, each with whether it is the controller.
fn owners(object: &Value) -> impl Iterator<Item = (&str, bool)> {
    let owners = at(object, "metadata.ownerReferences").and_then(Value::as_array);
    owners
        .into_iter()
        .flatten()
        .filter_map(|owner| Some((owner["uid"].as_str()?, owner["controller"].as_bool().unwrap_or(false))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(kind: &str, name: &str, uid: &str, owner: Option<&str>) -> Value {
        let owners = owner.map(|uid| json!([{ "uid": uid, "controller": true }])).unwrap_or_default();
        json!({ "kind": kind, "metadata": { "name": name, "uid": uid, "ownerReferences": owners } })
    }

    #[test]
    fn what_came_of_something_that_this_run_made_does_not_hang() {
        let all = [
            object("ConfigMap", "kube-root-ca.crt", "1", None),
            object("ServiceAccount", "default", "2", None),
            object("ReplicaSet", "web-1", "3", Some("deployment")),
            object("Pod", "web-1-a", "4", Some("3")),
            object("ConfigMap", "notes", "5", None),
            object("Pod", "other", "6", Some("gone")),
        ];
        let made = BTreeSet::from(["deployment".to_owned()]);
        let mut hanging = Hanging::default();
        let names: Vec<_> =
            hanging.others(&all, &made).into_iter().map(|o| object::head(o).name().to_owned()).collect();
        assert_eq!(names, ["notes", "other"]);
        let mut going = all[4].clone();
        going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert!(hanging.others(&[going], &made).is_empty());
        hanging.gone("5".into());
        hanging.gone("6".into());
        assert!(hanging.others(&all, &made).is_empty());
    }
}
