//! Whether everything that objects refer to by name is there, or made on the way.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::Value;

use super::{
    scene::{Live, Scene, meant, nearest},
    unchecked::About,
};
use crate::{
    effect::{Resource, Tried, Unserved},
    model::{Finding, ObjectRef},
    object::{
        edges::{Bond, Reach, links},
        head,
    },
};

/// Groups whose objects come to nothing without what they refer to. What controllers of other groups make of a name that is not
/// there yet is their own business: most wait.
const KNOWN: &[&str] = &["", "apps", "batch"];

/// One reference that an object holds.
struct Reference {
    change: usize,
    to: ObjectRef,
    resource: Arc<Resource>,
    by: String,
    /// Whether the object that is there holds it already.
    old: bool,
    /// Whether it is certain that it has to be there.
    must: bool,
}

pub(super) fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let references = gather(scene);
    let mut places: BTreeMap<(String, String, Option<String>), Arc<Resource>> = BTreeMap::new();
    let key = |reference: &Reference| {
        (reference.resource.group.clone(), reference.resource.plural.clone(), reference.to.namespace.clone())
    };
    for reference in &references {
        places.entry(key(reference)).or_insert_with(|| reference.resource.clone());
    }
    let asked = places.iter().map(|((_, _, namespace), resource)| (resource.clone(), namespace.clone())).collect();
    let names = match scene.lookout.names_in(asked) {
        Ok(names) => names,
        Err(error) => {
            for reference in &references {
                scene.doubts.add(About::Reference, plain(&reference.to), &error.message);
            }
            return vec![];
        }
    };
    let names: BTreeMap<_, _> = places.into_keys().zip(names).collect();
    let mut findings = vec![];
    for reference in &references {
        match names.get(&key(reference)) {
            Some(Ok(names)) if !names.contains(&reference.to.name) => {
                findings.extend(missing(scene, reference, names));
            }
            // what is made on the way need not be there
            Some(Err(error)) if !is_made(scene, reference.change, &reference.to) => {
                scene.doubts.add(About::Reference, plain(&reference.to), &error.message);
            }
            _ => {}
        }
    }
    findings
}

fn plain(object: &ObjectRef) -> String {
    object.clone().in_group(None).to_string()
}

fn missing(scene: &Scene<'_>, reference: &Reference, names: &[String]) -> Option<Finding> {
    let Reference { change, to, by, old, must, .. } = reference;
    if is_made(scene, *change, to) {
        return None;
    }
    let change = &scene.changes[*change];
    let message = format!("{}: {by} names {to}, which does not exist", change.title());
    let finding = match &change.after {
        _ if *must && !old => change.finding("reference", message),
        // what comes before it mostly is what makes it
        Some(before) => {
            Finding::note("reference", message).help(format!("it may be there by then: {before} comes before"))
        }
        None => Finding::warning("reference", message),
    };
    let finding = finding.at(change.wanted.place.clone()).of_step(&change.step);
    Some(meant(finding, nearest(&to.name, names.iter().map(String::as_str))))
}

/// Whether a change before, or of the same step, makes the object: itself, or as an `ExternalSecret` makes its Secret.
fn is_made(scene: &Scene<'_>, n: usize, to: &ObjectRef) -> bool {
    if scene.made_by(n, &to.kind, to.namespace.as_deref(), &to.name) {
        return true;
    }
    let before = scene.changes.iter().enumerate().filter(|(m, change)| *m < n || change.step == scene.changes[n].step);
    before.filter_map(|(_, change)| change.manifest()).flat_map(links).any(|link| {
        let Reach::One(made) = &link.to else { return false };
        link.bond == Bond::Makes && made.kind == to.kind && made.name == to.name && made.namespace == to.namespace
    })
}

fn gather(scene: &Scene<'_>) -> Vec<Reference> {
    let mut kinds: BTreeMap<(String, Option<String>), Option<Arc<Resource>>> = BTreeMap::new();
    let mut found = vec![];
    for (n, change) in scene.changes.iter().enumerate() {
        let Some(manifest) = change.manifest() else { continue };
        // with its defaults, where the server filled them in
        let object = match &change.tried {
            Some(Tried::Accepted(after)) => after,
            _ => manifest,
        };
        let before: BTreeSet<ObjectRef> = match &change.live {
            Live::Is(live) => links(live).into_iter().filter_map(one).collect(),
            _ => BTreeSet::new(),
        };
        for link in links(object) {
            let by = link.by.clone();
            if link.bond != Bond::Needs || by.starts_with("metadata.") || is_optional(object, &by) {
                continue;
            }
            let Some(to) = one(link) else { continue };
            if is_given(&to) {
                continue;
            }
            let kind = kinds.entry((to.kind.clone(), to.group.clone())).or_insert_with(|| {
                let any = |namespace| ObjectRef::new(&to.kind, namespace, "any").in_group(to.group.as_deref());
                [Some("any"), None].into_iter().find_map(|namespace| {
                    let kind = scene.lookout.kind_of(&any(namespace));
                    if let Err(Unserved::Unknown(why)) = &kind {
                        scene.doubts.add(About::Kind, plain(&to), why);
                    }
                    kind.ok()
                })
            });
            let Some(resource) = kind.clone() else { continue };
            let old = before.contains(&to);
            let must = must(object, &to, &by);
            let namespace = to.namespace.clone().filter(|_| resource.namespaced);
            if resource.namespaced && namespace.is_none() {
                continue;
            }
            found.push(Reference { change: n, to: ObjectRef { namespace, ..to }, resource, by, old, must });
        }
    }
    found
}

fn one(link: crate::object::edges::Link) -> Option<ObjectRef> {
    match link.to {
        Reach::One(to) if to.name != "*" => Some(to),
        _ => None,
    }
}

/// What every namespace has without anybody's doing.
fn is_given(to: &ObjectRef) -> bool {
    matches!((to.kind.as_str(), to.name.as_str()), ("ServiceAccount", "default") | ("ConfigMap", "kube-root-ca.crt"))
}

/// Whether the field says that it may be missing.
fn is_optional(object: &Value, by: &str) -> bool {
    let at = |path: &str| {
        path.split('.').try_fold(object, |value, part| {
            let (key, rest) = part.split_once('[').map_or((part, ""), |(key, rest)| (key, rest));
            let mut value = value.get(key)?;
            for index in rest.split('[').filter(|index| !index.is_empty()) {
                value = value.get(index.trim_end_matches(']').parse::<usize>().ok()?)?;
            }
            Some(value)
        })
    };
    let parent = by.rsplit_once('.').map_or("", |(parent, _)| parent);
    [by, parent].into_iter().any(|path| at(path).is_some_and(|value| value["optional"] == true))
}

/// Whether nothing works without it. Some are made by others later on, or are no references in every tool's eyes.
fn must(object: &Value, to: &ObjectRef, by: &str) -> bool {
    const MAY_COME: [&str; 5] = ["imagePullSecrets", "tls", "certificateRefs", "subjects", "serviceName"];
    KNOWN.contains(&head(object).group())
        && !by.contains(".values.")
        && !MAY_COME.iter().any(|field| by.split(['.', '[']).any(|part| part == *field))
        && !matches!(to.kind.as_str(), "StorageClass" | "Node" | "PersistentVolume" | "Service")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_name_that_was_meant_is_found_by_what_it_shares() {
        let near = |wanted: &str, names: &[&str]| nearest(wanted, names.iter().copied());
        assert_eq!(near("onepassword", &["onepassword-connect", "vault", "aws", "gcp"]), ["onepassword-connect"]);
        assert_eq!(near("x", &["a", "b"]), ["a", "b"]);
        assert!(near("x", &["a", "b", "c", "d"]).is_empty());
    }

    #[test]
    fn what_is_optional_may_be_missing() {
        let object = json!({ "spec": { "env": [{ "valueFrom": { "secretKeyRef": { "name": "a", "optional": true } } }],
            "volumes": [{ "secret": { "secretName": "b", "optional": true } }, { "secret": { "secretName": "c" } }] } });
        assert!(is_optional(&object, "spec.env[0].valueFrom.secretKeyRef"));
        assert!(is_optional(&object, "spec.volumes[0].secret.secretName"));
        assert!(!is_optional(&object, "spec.volumes[1].secret.secretName"));
        assert!(!is_optional(&object, "spec.nothing[9].here"));
    }

    #[test]
    fn some_references_may_come_later() {
        let deployment = json!({ "apiVersion": "apps/v1", "kind": "Deployment" });
        let secret: ObjectRef = "Secret/web/a".parse().unwrap();
        assert!(must(&deployment, &secret, "spec.template.spec.containers[0].envFrom[0].secretRef"));
        assert!(!must(&deployment, &secret, "spec.template.spec.imagePullSecrets[0]"));
        let unknown = json!({ "apiVersion": "example.com/v1", "kind": "Thing" });
        assert!(!must(&unknown, &secret, "spec.secretName"));
    }
}
