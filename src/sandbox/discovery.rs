//! Discovery documents: which groups, versions and kinds are served; plain, and all at once ("aggregated").

use serde_json::{Value, json};

use sha2::{Digest as _, Sha256};

use super::kinds::{Kind, Registry};
use super::secrets;

const SUBRESOURCE_VERBS: [&str; 3] = ["get", "patch", "update"];
/// The release whose behaviour is followed.
const MINOR: &str = "35";

/// Whether the client takes the aggregated form.
pub(crate) fn wants_aggregated(accept: &str) -> bool {
    accept
        .split(',')
        .any(|part| part.contains("as=APIGroupDiscoveryList") && part.contains("v=v2") && !part.contains("v2beta1"))
}

/// The content type of the aggregated form.
pub(crate) const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

pub(crate) fn version() -> Value {
    json!({
        "major": "1", "minor": MINOR, "gitVersion": format!("v1.{MINOR}.0+sandbox"), "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "", "platform": "sandbox",
    })
}

/// `/api`
pub(crate) fn core() -> Value {
    json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1:6443"}]})
}

/// `/apis`
pub(crate) fn groups(registry: &Registry) -> Value {
    let named = registry.groups().iter().filter(|group| !group.is_empty());
    let groups: Vec<Value> = named.map(|group| group_entry(registry, group)).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/<group>`
pub(crate) fn group(registry: &Registry, group: &str) -> Value {
    let mut entry = group_entry(registry, group);
    entry["kind"] = "APIGroup".into();
    entry["apiVersion"] = "v1".into();
    entry
}

fn group_entry(registry: &Registry, group: &str) -> Value {
    let versions: Vec<Value> = registry
        .versions(group)
        .iter()
        .map(|version| json!({"groupVersion": format!("{group}/{version}"), "version": version}))
        .collect();
    json!({"name": group, "preferredVersion": versions.first(), "versions": versions})
}

fn of_version<'a>(registry: &'a Registry, group: &'a str, version: &'a str) -> impl Iterator<Item = &'a Kind> {
    registry.of_group(group).map(|kind| &**kind).filter(move |kind| kind.versions.iter().any(|v| v == version))
}

/// Name, kind, group and version (empty: the resource's own), and verbs of a kind's subresources, in a server's order.
fn below<'a>(
    kind: &'a Kind,
    version: &str,
) -> impl Iterator<Item = (&'a str, &'a str, &'static str, &'static [&'static str])> {
    let entry = kind.version_entry(version);
    let has = |name: &str| entry.is_none_or(|entry| entry["subresources"].get(name).is_some());
    let status = (kind.status && has("status")).then_some(("status", kind.kind.as_str(), "", &SUBRESOURCE_VERBS[..]));
    let scale =
        (kind.scale.is_some() && has("scale")).then_some(("scale", "Scale", "autoscaling/v1", &SUBRESOURCE_VERBS[..]));
    let others = kind.others.iter().map(|&(name, sort, group_version, verbs)| (name, sort, group_version, verbs));
    let mut all: Vec<_> = others.chain(status).chain(scale).collect();
    if !kind.is_custom() {
        all.sort_by_key(|row| row.0);
    }
    all.into_iter()
}

/// A server's word for the version that objects are kept in: clients compare it, and take nothing from it.
fn storage_hash(kind: &Kind) -> String {
    // Some kinds are kept in another version than the preferred one, or in another group.
    let (group, version) = match kind.resource().as_str() {
        "events.events.k8s.io" => ("", "v1"),
        "volumeattributesclasses.storage.k8s.io" | "customresourcedefinitions.apiextensions.k8s.io" => {
            (kind.group.as_str(), "v1beta1")
        }
        _ => (kind.group.as_str(), kind.stored.as_str()),
    };
    let digest = Sha256::digest(format!("{group}/{version}/{}", kind.kind));
    secrets::encode(&digest[..8])
}

/// `/api/v1` and `/apis/<group>/<version>`
pub(crate) fn resources(registry: &Registry, group: &str, version: &str) -> Value {
    let mut resources = Vec::new();
    for kind in of_version(registry, group, version) {
        let mut entry = json!({
            "name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced, "kind": kind.kind,
            "verbs": kind.verbs(),
        });
        if !kind.short_names.is_empty() {
            entry["shortNames"] = json!(kind.short_names);
        }
        if !kind.categories.is_empty() {
            entry["categories"] = json!(kind.categories);
        }
        if !kind.create_only && !kind.read_only {
            entry["storageVersionHash"] = storage_hash(kind).into();
        }
        resources.push(entry);
        for (name, sort, group_version, verbs) in below(kind, version) {
            let mut entry = json!({
                "name": format!("{}/{name}", kind.plural), "singularName": "", "namespaced": kind.namespaced,
                "kind": sort, "verbs": verbs,
            });
            if let Some((group, version)) = group_version.split_once('/') {
                entry["group"] = group.into();
                entry["version"] = version.into();
            }
            resources.push(entry);
        }
    }
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let mut list = json!({"kind": "APIResourceList", "groupVersion": group_version, "resources": resources});
    if !group.is_empty() {
        list["apiVersion"] = "v1".into();
    }
    list
}

/// `/api` (with `core`) or `/apis` in the aggregated form.
pub(crate) fn aggregated(registry: &Registry, core: bool) -> Value {
    let groups = registry.groups().iter().filter(|group| group.is_empty() == core);
    let items: Vec<Value> = groups
        .map(|group| {
            let versions: Vec<Value> = registry
                .versions(group)
                .iter()
                .map(|version| {
                    let resources: Vec<Value> =
                        of_version(registry, group, version).map(|kind| entry(kind, version)).collect();
                    json!({"version": version, "freshness": "Current", "resources": resources})
                })
                .collect();
            let mut metadata = json!({"creationTimestamp": null});
            if !group.is_empty() {
                metadata["name"] = group.as_str().into();
            }
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

fn entry(kind: &Kind, version: &str) -> Value {
    // A built-in group's discovery leaves out what follows from where it stands.
    let (own_group, own_version) = if kind.is_custom() { (kind.group.as_str(), version) } else { ("", "") };
    let own = json!({"group": own_group, "version": own_version, "kind": kind.kind});
    let subresources: Vec<Value> = below(kind, version)
        .map(|(name, sort, group_version, verbs)| {
            let (group, version) = group_version.split_once('/').unwrap_or((own_group, own_version));
            let shape = json!({"group": group, "version": version, "kind": sort});
            json!({"subresource": name, "responseKind": shape, "verbs": verbs})
        })
        .collect();
    let mut entry = json!({
        "resource": kind.plural, "responseKind": own, "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": kind.singular, "verbs": kind.verbs(),
    });
    for (field, list) in [("shortNames", &kind.short_names), ("categories", &kind.categories)] {
        if !list.is_empty() {
            entry[field] = json!(list);
        }
    }
    if !subresources.is_empty() {
        entry["subresources"] = Value::Array(subresources);
    }
    entry
}
