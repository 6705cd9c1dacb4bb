//! Whether what is added fits into the quotas of its namespaces.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    scene::{Change, Live, Scene},
    unchecked::About,
};
use crate::{
    effect::{Tried, Unserved, Wanting},
    model::{Finding, ObjectRef},
    object::{
        self, Quantity,
        need::{self, Defaults},
        usage::{self, Amounts},
    },
};

pub(super) fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let adding = scene.changes.iter().filter(|change| !matches!(change.wanted.change, Wanting::Acted));
    let namespaces: BTreeSet<String> = adding.filter_map(|change| change.wanted.object.namespace.clone()).collect();
    let namespaces: Vec<String> = namespaces.into_iter().collect();
    let quotas = listed(scene, "ResourceQuota", &namespaces);
    let limited: Vec<String> =
        quotas.iter().filter(|(_, found)| !found.is_empty()).map(|(name, _)| name.clone()).collect();
    let ranges = listed(scene, "LimitRange", &limited);
    let mut findings = vec![];
    for namespace in &limited {
        let defaults = Defaults::of(ranges.get(namespace).map(Vec::as_slice).unwrap_or_default());
        for quota in &quotas[namespace] {
            // one with scopes counts only some pods, and which is the scheduler's business
            let scoped = ["scopes", "scopeSelector"].iter().any(|field| !quota["spec"][*field].is_null());
            if !scoped {
                findings.extend(over(scene, namespace, quota, &defaults));
            }
        }
    }
    findings
}

/// The objects of a kind in each of these namespaces; those that cannot be listed are left out, and said.
fn listed(scene: &Scene<'_>, kind: &str, namespaces: &[String]) -> BTreeMap<String, Vec<Value>> {
    let doubt = |namespace: &String, why: &str| scene.doubts.add(About::Room, format!("namespace {namespace}"), why);
    let resource = match scene.lookout.kind_of(&ObjectRef::new(kind, Some("any"), "any")) {
        Ok(resource) => resource,
        Err(Unserved::Unknown(why)) => {
            for namespace in namespaces {
                doubt(namespace, &why);
            }
            return BTreeMap::new();
        }
        Err(_) => return BTreeMap::new(),
    };
    let places = namespaces.iter().map(|namespace| (resource.clone(), Some(namespace.clone()))).collect();
    let found = match scene.lookout.objects_in(places) {
        Ok(found) => found,
        Err(error) => {
            for namespace in namespaces {
                doubt(namespace, &error.message);
            }
            return BTreeMap::new();
        }
    };
    let mut listed = BTreeMap::new();
    for (namespace, found) in namespaces.iter().zip(found) {
        match found {
            Ok(found) => drop(listed.insert(namespace.clone(), found)),
            Err(error) => doubt(namespace, &error.message),
        }
    }
    listed
}

/// What of a quota the changes would go over, at the step where they do.
fn over(scene: &Scene<'_>, namespace: &str, quota: &Value, defaults: &Defaults) -> Vec<Finding> {
    let mut hard = usage::amounts(&quota["spec"]["hard"]);
    let used = usage::amounts(&quota["status"]["used"]);
    let quota_name = object::head(quota).name();
    let mut added = Amounts::new();
    let mut said: BTreeSet<String> = BTreeSet::new();
    let mut findings = vec![];
    for change in scene.changes.iter().filter(|change| change.wanted.object.namespace.as_deref() == Some(namespace)) {
        if let (Some(manifest), "ResourceQuota") = (change.manifest(), change.wanted.object.kind.as_str())
            && change.wanted.object.name == quota_name
        {
            // a step before makes room
            hard.extend(usage::amounts(&manifest["spec"]["hard"]));
        }
        let more = adds(change, defaults);
        usage::add(&mut added, &more);
        for (name, most) in &hard {
            let of = |amounts: &Amounts| amounts.get(name).copied().unwrap_or_default();
            let (asked, there) = (of(&added), of(&used));
            let none = Quantity::default();
            if asked > none && of(&more) > none && there.plus(asked) > *most && said.insert(name.clone()) {
                let message = format!(
                    "ResourceQuota/{namespace}/{quota_name} leaves {} of {name} ({} of {} are used), and up to {} {} are needed",
                    most.less(there),
                    there,
                    most,
                    change.name(),
                    asked,
                );
                findings.push(change.finding("quota", message).help(format!(
                    "make room: a larger spec.hard[\"{name}\"], or fewer replicas and smaller requests"
                )));
            }
        }
    }
    findings
}

/// What a change adds to what its object takes now.
fn adds(change: &Change, defaults: &Defaults) -> Amounts {
    let Ok(kind) = &change.kind else { return Amounts::new() };
    let takes = |object: &Value| need::of(object, &kind.plural, defaults);
    let before = match &change.live {
        Live::Is(live) => takes(live),
        _ => Amounts::new(),
    };
    let after = match (&change.wanted.change, &change.tried, &change.live) {
        // an object that is changed again was counted by its first change
        _ if change.again => return Amounts::new(),
        (Wanting::Applied(_), Some(Tried::Accepted(after)), _) => takes(after),
        (Wanting::Applied(object), ..) => takes(object),
        (Wanting::Fields { fields, .. }, _, Live::Is(live)) => {
            let mut after = live.clone();
            object::merge(&mut after, fields);
            takes(&after)
        }
        (Wanting::Deleted, ..) => Amounts::new(),
        _ => return Amounts::new(),
    };
    need::more(after, &before)
}
