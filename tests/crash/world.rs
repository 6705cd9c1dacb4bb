//! What a sandbox holds once a run is over.

use std::{collections::BTreeMap, path::Path, time::Duration};

use runbook::{
    cluster::{Cluster, Patience, Selector},
    sandbox::{Options, Sandbox},
};
use serde_json::{Value, json};

/// What each object asks for: no uids, times, versions, and nothing that controllers report.
pub type World = BTreeMap<String, Value>;

/// The world of the one sandbox in this state folder.
pub fn read(state: &Path) -> World {
    let folder = std::fs::read_dir(state.join("sandbox")).unwrap().next().unwrap().unwrap().path();
    let sandbox = Sandbox::open(folder.join("state.redb"), Options::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let cluster = Cluster::sandbox(runtime.handle(), &sandbox);
    let patience = Patience::of(Duration::from_secs(30));
    let mut world = World::new();
    for resource in cluster.resources(&patience).unwrap() {
        // what is said about objects, and what a new sandbox brings, is no run's doing
        if ["Event", "CustomResourceDefinition"].contains(&resource.kind.as_str())
            || !resource.verbs.iter().any(|verb| verb == "list")
        {
            continue;
        }
        let kind = format!("{}.{}", resource.plural, resource.group);
        let kind = kind.trim_end_matches('.');
        for object in cluster.list(kind, None, &Selector::default(), &patience).unwrap().items {
            let name = |key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
            world.insert(format!("{kind}/{}/{}", name("namespace"), name("name")), essence(&object));
        }
    }
    world
}

/// What differs between two worlds: the object, here, there.
pub fn differences<'a>(one: &'a World, other: &'a World) -> Vec<(&'a str, Option<&'a Value>, Option<&'a Value>)> {
    let mut keys: Vec<&String> = one.keys().chain(other.keys()).collect();
    keys.sort();
    keys.dedup();
    let pairs = keys.into_iter().map(|key| (key.as_str(), one.get(key), other.get(key)));
    pairs.filter(|(_, one, other)| one != other).collect()
}

fn essence(object: &Value) -> Value {
    let mut kept = object.clone();
    let metadata = kept["metadata"].take();
    kept["metadata"] = json!({ "labels": metadata["labels"], "annotations": metadata["annotations"], "finalizers": metadata["finalizers"] });
    kept["status"].take();
    // a server draws them
    if let Some(spec) = kept["spec"].as_object_mut() {
        spec.retain(|key, _| key != "clusterIP" && key != "clusterIPs");
    }
    kept
}
