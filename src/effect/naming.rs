//! Who names an object that is about to be deleted, without being bound to it otherwise.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::EffectError;
use crate::{
    cluster::{Cluster, Patience, Survey},
    model::ObjectRef,
    object::{
        self,
        edges::{Bond, Reach, links},
        kept::keeper,
        path::at,
    },
};

/// How far owners of owners are followed.
const DEEP: usize = 8;

/// What a cluster's objects name, looked up once for all objects of one way back.
#[derive(Debug, Default)]
pub(super) struct Naming {
    objects: Vec<Known>,
    /// By the name that is named: which object does so, and by which field.
    named: HashMap<String, Vec<(usize, ObjectRef, String)>>,
    uids: HashMap<String, usize>,
    references: HashMap<ObjectRef, usize>,
    /// Kinds that could not be listed.
    pub unseen: Vec<String>,
}

#[derive(Debug)]
struct Known {
    object: ObjectRef,
    uid: String,
    owners: Vec<String>,
    keeper: Option<ObjectRef>,
    going: bool,
}

impl Naming {
    /// Looks at every object of the cluster.
    pub fn look(cluster: &Cluster, patience: &Patience) -> Result<Self, EffectError> {
        Ok(Self::of(cluster.survey(patience)?))
    }

    fn of(survey: Survey) -> Self {
        let mut naming = Self { unseen: survey.unseen.into_iter().map(|(kind, _)| kind).collect(), ..Self::default() };
        for (n, object) in survey.objects.iter().enumerate() {
            let head = object::head(object);
            for (to, by) in names(object) {
                naming.named.entry(to.name.clone()).or_default().push((n, to, by));
            }
            let uid = head.uid().unwrap_or_default().to_owned();
            naming.uids.insert(uid.clone(), n);
            naming.references.insert(head.reference(), n);
            naming.objects.push(Known {
                object: head.full_reference(),
                uid,
                owners: owners(object),
                keeper: keeper(object).and_then(|keeper| keeper.source).map(|source| source.in_group(None)),
                going: head.deletion_timestamp().is_some(),
            });
        }
        naming
    }

    /// Objects that name this one, each with the field. What this run made, and what comes of it, goes as well: `made` and
    /// `gone` are UIDs.
    pub fn of_object(
        &self,
        object: &Value,
        made: &BTreeSet<String>,
        gone: &BTreeSet<String>,
    ) -> Vec<(ObjectRef, String)> {
        let head = object::head(object);
        let meant = |to: &ObjectRef| {
            to.kind == head.kind()
                && to.group.as_deref().is_none_or(|group| group == head.group())
                // where a kind has no namespaces, what names it says none, or its own
                && (head.namespace().is_none() || to.namespace.as_deref() == head.namespace())
        };
        let all = self.named.get(head.name()).into_iter().flatten().filter(|(_, to, _)| meant(to));
        let others = all.filter(|(n, ..)| {
            let known = &self.objects[*n];
            !known.going && Some(known.uid.as_str()) != head.uid() && !self.comes_from(*n, made, gone, DEEP)
        });
        others.map(|(n, _, by)| (self.objects[*n].object.clone(), by.clone())).collect()
    }

    /// Whether it is something that this run made, or something that is gone or was made for either.
    fn comes_from(&self, n: usize, made: &BTreeSet<String>, gone: &BTreeSet<String>, depth: usize) -> bool {
        let known = &self.objects[n];
        let one = |uid: &String| made.contains(uid) || gone.contains(uid);
        if one(&known.uid) || known.owners.iter().any(one) {
            return true;
        }
        let above = known.owners.iter().filter_map(|uid| self.uids.get(uid));
        let above = above.chain(known.keeper.as_ref().and_then(|keeper| self.references.get(keeper)));
        depth > 0
            && above.copied().filter(|above| *above != n).any(|above| self.comes_from(above, made, gone, depth - 1))
    }
}

/// Whether an object as it is now still names another.
pub(super) fn still_names(object: &Value, by: &str, wanted: &Value) -> bool {
    let head = object::head(object);
    head.deletion_timestamp().is_none()
        && names(object).iter().any(|(to, field)| field == by && to.name == object::head(wanted).name())
}

/// What an object names in its own fields, beside its namespace, its owners and what keeps it.
fn names(object: &Value) -> Vec<(ObjectRef, String)> {
    let found = links(object).into_iter().filter(|link| link.bond == Bond::Needs && !link.by.starts_with("metadata."));
    found
        .filter_map(|link| match link.to {
            Reach::One(to) => Some((to, link.by)),
            _ => None,
        })
        .collect()
}

fn owners(object: &Value) -> Vec<String> {
    let owners = at(object, "metadata.ownerReferences").and_then(Value::as_array).into_iter().flatten();
    owners.filter_map(|owner| Some(owner["uid"].as_str()?.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config_map() -> Value {
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "settings", "namespace": "web", "uid": "cm" } })
    }

    fn user(name: &str, namespace: &str, metadata: &Value) -> Value {
        let mut object = json!({ "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": name, "namespace": namespace, "uid": name },
            "spec": { "template": { "spec": { "volumes": [{ "configMap": { "name": "settings" } }] } } } });
        for (key, value) in metadata.as_object().into_iter().flatten() {
            object["metadata"][key] = value.clone();
        }
        object
    }

    fn named(objects: Vec<Value>, made: &[&str], gone: &[&str]) -> Vec<String> {
        let uids = |uids: &[&str]| uids.iter().map(ToString::to_string).collect();
        let naming = Naming::of(Survey { objects, unseen: vec![] });
        let found = naming.of_object(&config_map(), &uids(made), &uids(gone));
        found.into_iter().map(|(object, by)| format!("{object} {by}")).collect()
    }

    #[test]
    fn what_names_an_object_is_found_with_its_field_in_the_same_namespace() {
        let by = "Deployment.apps/web/shop spec.template.spec.volumes[0].configMap";
        let objects =
            vec![config_map(), user("shop", "web", &json!({})), user("shop", "other", &json!({ "uid": "x" }))];
        assert_eq!(named(objects, &[], &[]), [by]);
    }

    #[test]
    fn what_this_run_made_what_comes_of_it_and_what_goes_does_not_count() {
        let owner = json!({ "ownerReferences": [{ "uid": "deployment", "controller": true }] });
        let kept =
            json!({ "labels": { "helm.toolkit.fluxcd.io/name": "shop", "helm.toolkit.fluxcd.io/namespace": "web" } });
        let release = json!({ "apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease",
            "metadata": { "name": "shop", "namespace": "web", "uid": "release" } });
        let objects = vec![
            user("mine", "web", &json!({})),
            user("of-mine", "web", &owner),
            user("of-the-release", "web", &kept),
            user("going", "web", &json!({ "deletionTimestamp": "2026-01-01T00:00:00Z" })),
            user("gone", "web", &json!({})),
            release,
        ];
        assert_eq!(named(objects.clone(), &["mine", "deployment", "release"], &["gone"]), Vec::<String>::new());
        assert_eq!(named(objects, &[], &[]).len(), 4);
    }

    #[test]
    fn what_names_it_no_more_is_seen_when_it_is_read_again() {
        let mut object = user("shop", "web", &json!({}));
        let by = "spec.template.spec.volumes[0].configMap";
        assert!(still_names(&object, by, &config_map()));
        object["spec"]["template"]["spec"]["volumes"] = json!([]);
        assert!(!still_names(&object, by, &config_map()));
    }
}
