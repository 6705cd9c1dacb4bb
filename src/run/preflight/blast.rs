//! What depends on objects that are about to change, and that no risk names.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::{
    scene::{Change, Live, Scene},
    unchecked::About,
    unread::alters,
};
use crate::{
    effect::Wanting,
    model::{Finding, ObjectRef, Plan, Risk},
    object::{self, edges::Impact, kept::keeper},
};

/// Dependents that are named one by one.
const NAMED: usize = 3;
/// Changed objects that are told one by one.
const MOST: usize = 5;

/// Compares what the risks of this context say they affect with what really hangs on the objects that are changed. What
/// can depend on it is listed once, and only where something is changed that is there already.
pub(super) fn check(scene: &Scene<'_>, plan: &Plan) -> Vec<Finding> {
    let target = scene.door.target();
    let here = |risk: &&Risk| risk.on.is_empty() || risk.on.iter().any(|on| *on == target.name || *on == target.tier);
    let risks: Vec<&Risk> = plan.risks.iter().filter(here).collect();
    // it is said, and acknowledged at the start gate, that nobody knows
    if risks.iter().any(|risk| risk.unknown_blast_radius.is_some()) {
        return vec![];
    }
    let roots: Vec<(ObjectRef, &Change)> =
        scene.changes.iter().filter(|change| spreads(change)).map(|change| (meant(change), change)).collect();
    if roots.is_empty() {
        return vec![];
    }
    let of: Vec<ObjectRef> = roots.iter().map(|(object, _)| object.clone()).collect();
    let (survey, impact) = match scene.lookout.dependents(&of) {
        Ok(found) => found,
        Err(error) => {
            scene.doubts.add(About::Impact, "other object", &error.message);
            return vec![];
        }
    };
    let named = risks.iter().flat_map(|risk| &risk.affects).filter_map(|text| text.parse().ok());
    let known = Known {
        named: named.map(|object: ObjectRef| resolved(scene, object)).collect(),
        touched: scene.changes.iter().map(meant).collect(),
        objects: survey.objects.iter().map(|object| (object::head(object).full_reference(), object)).collect(),
    };
    let mut findings = vec![];
    let mut left = 0;
    for (root, places) in unnamed(&impact, &known) {
        let Some((object, change)) = roots.iter().find(|(object, _)| *object == root) else { continue };
        if findings.len() < MOST {
            findings.push(finding(&impact, &places, object, change));
        } else {
            left += 1;
        }
    }
    if left > 0 {
        findings
            .push(Finding::warning("blast-radius", format!("other objects depend on {left} more that are changed")));
    }
    for (kind, why) in &survey.unseen {
        scene.doubts.add(About::Impact, kind, why);
    }
    findings
}

/// Whether others can feel the change: it is one, and of something that is there. What is in a namespace does not feel that its
/// labels change.
fn spreads(change: &Change) -> bool {
    let deleted = matches!(change.wanted.change, Wanting::Deleted);
    alters(change) && (deleted || change.wanted.object.kind != "Namespace")
}

/// The object that is changed, as the server knows it.
fn meant(change: &Change) -> ObjectRef {
    match &change.live {
        Live::Is(live) => object::head(live).full_reference(),
        _ => change.wanted.object.clone(),
    }
}

/// A reference with the kind that the server means by it.
fn resolved(scene: &Scene<'_>, object: ObjectRef) -> ObjectRef {
    match scene.lookout.kind_of(&object) {
        Ok(kind) => ObjectRef { kind: kind.kind.clone(), ..object }.in_group(Some(&kind.group)),
        Err(_) => object,
    }
}

/// What is known of a cluster's objects.
struct Known<'a> {
    /// What the risks say they affect.
    named: BTreeSet<ObjectRef>,
    /// What the playbook changes.
    touched: BTreeSet<ObjectRef>,
    objects: HashMap<ObjectRef, &'a Value>,
}

impl Known<'_> {
    /// Whether a risk names the object, its namespace, or what keeps it.
    fn is_named(&self, object: &ObjectRef) -> bool {
        let of = |object: &ObjectRef| {
            self.named.iter().any(|named| {
                named.kind == object.kind
                    && named.name == object.name
                    && (named.namespace.is_none() || named.namespace == object.namespace)
            })
        };
        let namespace = object.namespace.as_deref();
        let source = self.objects.get(object).and_then(|live| keeper(live)).and_then(|keeper| keeper.source);
        of(object)
            || namespace.is_some_and(|namespace| of(&ObjectRef::new("Namespace", None, namespace)))
            || source.is_some_and(|source| of(&source))
    }
}

/// What depends on each changed object, by its places, and is neither named nor changed itself. What only belongs to another
/// object is not told apart from it, and what is behind something that is named was thought of with it.
fn unnamed(impact: &Impact, known: &Known<'_>) -> BTreeMap<ObjectRef, Vec<usize>> {
    let mut found: BTreeMap<ObjectRef, Vec<usize>> = BTreeMap::new();
    let mut covered = vec![false; impact.reached.len()];
    for (place, reached) in impact.reached.iter().enumerate() {
        let Some(next_to) = reached.next_to else { continue };
        covered[place] = covered[next_to] || known.is_named(&reached.object);
        let belongs = reached
            .by
            .as_deref()
            .is_some_and(|by| by.starts_with("metadata.ownerReferences") || by.starts_with("metadata.labels["));
        if !covered[place] && !belongs && reached.exists && !known.touched.contains(&reached.object) {
            let root = &impact.reached[impact.path(place)[0]].object;
            found.entry(root.clone()).or_default().push(place);
        }
    }
    found
}

fn finding(impact: &Impact, places: &[usize], object: &ObjectRef, change: &Change) -> Finding {
    let plain = |object: &ObjectRef| object.clone().in_group(None).to_string();
    let shown = places.iter().take(NAMED).map(|place| {
        let reached = &impact.reached[*place];
        let by = reached.by.as_deref().unwrap_or_default();
        let next = reached.next_to.map(|next| &impact.reached[next]).filter(|next| next.depth > 0);
        let through = next.map(|next| format!(" of {}", plain(&next.object))).unwrap_or_default();
        format!("{} ({by}{through})", plain(&reached.object))
    });
    let shown = shown.collect::<Vec<_>>().join(", ");
    let more = places.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let count = match places.len() {
        1 => "1 object depends".to_owned(),
        n => format!("{n} objects depend"),
    };
    let message = format!("{count} on {}, and no risk names what: {shown}{more}", plain(object));
    let mut names: BTreeSet<String> = places
        .iter()
        .map(|place| {
            let reached = &impact.reached[*place].object;
            match (&reached.namespace, places.len() > NAMED) {
                (Some(namespace), true) => format!("\"Namespace/{namespace}\""),
                _ => format!("\"{}\"", plain(reached)),
            }
        })
        .collect();
    let all = names.len();
    while names.len() > NAMED {
        names.pop_last();
    }
    let dots = if all > NAMED { ", …" } else { "" };
    let affects = names.into_iter().collect::<Vec<_>>().join(", ");
    Finding::warning("blast-radius", message)
        .at(change.wanted.place.clone())
        .of_step(&change.step)
        .help(format!("name them: risk(\"…\").affects([{affects}{dots}]), or .unknown_blast_radius(\"why\")"))
        .help(format!("all of them: runbook impact {} --context NAME", plain(object)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::object::edges::{Direction, Graph};

    fn reference(text: &str) -> ObjectRef {
        text.parse().unwrap()
    }

    /// A store, a secret from it, the app that reads the secret, and what the app is made of.
    fn cluster() -> Vec<Value> {
        let kept = json!({ "helm.toolkit.fluxcd.io/name": "shop", "helm.toolkit.fluxcd.io/namespace": "web" });
        vec![
            json!({ "apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore", "metadata": { "name": "vault" } }),
            json!({ "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": { "name": "login", "namespace": "web" },
                "spec": { "secretStoreRef": { "kind": "ClusterSecretStore", "name": "vault" } } }),
            json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "login", "namespace": "web" } }),
            json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "shop", "namespace": "web", "uid": "d", "labels": kept },
                "spec": { "template": { "spec": { "volumes": [{ "secret": { "secretName": "login" } }] } } } }),
            json!({ "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": { "name": "shop-1", "namespace": "web",
                "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "Deployment", "name": "shop", "uid": "d", "controller": true }] } }),
        ]
    }

    fn told(named: &[&str], touched: &[&str]) -> Vec<String> {
        let objects = cluster();
        let root = object::head(&objects[0]).full_reference();
        let impact = Graph::of(&objects).impact(std::slice::from_ref(&root), Direction::Dependents);
        let known = Known {
            named: named.iter().map(|text| reference(text)).collect(),
            touched: touched.iter().map(|text| reference(text)).collect(),
            objects: objects.iter().map(|object| (object::head(object).full_reference(), object)).collect(),
        };
        let found = unnamed(&impact, &known);
        let places = found.get(&root).cloned().unwrap_or_default();
        places.iter().map(|place| impact.reached[*place].object.clone().in_group(None).to_string()).collect()
    }

    #[test]
    fn what_depends_on_a_change_is_told_without_what_only_belongs_to_it() {
        assert_eq!(told(&[], &[]), ["ExternalSecret/web/login", "Secret/web/login", "Deployment/web/shop"]);
    }

    #[test]
    fn what_a_risk_names_its_namespace_its_keeper_or_what_it_is_behind_is_known() {
        assert!(told(&["Namespace/web"], &[]).is_empty());
        assert!(told(&["ExternalSecret/web/login"], &[]).is_empty());
        assert_eq!(told(&["Deployment/web/shop"], &[]), ["ExternalSecret/web/login", "Secret/web/login"]);
        assert_eq!(told(&["HelmRelease/web/shop"], &[]), ["ExternalSecret/web/login", "Secret/web/login"]);
        assert_eq!(told(&["Namespace/other"], &[]).len(), 3);
    }

    #[test]
    fn what_the_playbook_changes_itself_is_not_told() {
        let touched = ["ExternalSecret.external-secrets.io/web/login"];
        assert_eq!(told(&[], &touched), ["Secret/web/login", "Deployment/web/shop"]);
    }
}
