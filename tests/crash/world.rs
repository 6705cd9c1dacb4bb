//! What there is once a run is over: in a sandbox, in a namespace of a real API server, in a folder.

use std::{collections::BTreeMap, path::Path, time::Duration};

use reqwest::Method;

use runbook::{
    cluster::{Cluster, Patience, Selector},
    sandbox::{Options, Sandbox},
};
use serde_json::{Value, json};

use crate::apiserver;

/// What each object asks for: no uids, times, versions, and nothing that controllers report.
pub type World = BTreeMap<String, Value>;

/// Kinds whose objects are different in each run.
const OTHERS: [&str; 5] = ["Event", "CustomResourceDefinition", "Pod", "Endpoints", "EndpointSlice"];

/// The world of the one sandbox in this state folder.
pub fn of_sandbox(state: &Path) -> World {
    let folder = std::fs::read_dir(state.join("sandbox")).unwrap().next().unwrap().unwrap().path();
    let sandbox = Sandbox::open(folder.join("state.redb"), Options::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let cluster = Cluster::sandbox(runtime.handle(), &sandbox);
    let patience = Patience::of(Duration::from_secs(30));
    let mut world = World::new();
    for resource in cluster.resources(&patience).unwrap() {
        // what is said about objects, what a new sandbox brings, and what its controllers draw names for is no run's doing
        if OTHERS.contains(&resource.kind.as_str()) || !resource.verbs.iter().any(|verb| verb == "list") {
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

/// What a namespace of a real API server holds that runs make; its name is not said, so that two can be compared.
pub fn of_namespace(cluster: &apiserver::Cluster, ns: &str) -> World {
    let mut world = World::new();
    for path in ["/api/v1", "/apis/apps/v1"] {
        let plurals = if path == "/api/v1" { &["configmaps", "services", "secrets"][..] } else { &["deployments"] };
        for plural in plurals {
            let list = format!("{path}/namespaces/{ns}/{plural}");
            let (status, answer) = cluster.client().send(Method::GET, &list, "application/json", vec![]);
            assert_eq!(status, 200, "{answer}");
            for object in answer["items"].as_array().unwrap() {
                let name = object["metadata"]["name"].as_str().unwrap();
                // the certificate that the API server itself gives to each namespace
                if name == "kube-root-ca.crt" {
                    continue;
                }
                let mut kept = nameless(essence(object), ns);
                kept["generation"] = object["metadata"]["generation"].clone();
                world.insert(format!("{plural}/{name}"), kept);
            }
        }
    }
    world
}

/// What the files of a folder hold, its state left out.
pub fn of_files(folder: &Path) -> World {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.is_file() && path.file_name().is_none_or(|name| name != "ended.json"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&path).unwrap().into())
        })
        .collect()
}

/// A value that does not say in which namespace, when and under which uid something was made.
pub fn nameless(mut value: Value, ns: &str) -> Value {
    strip(&mut value);
    serde_json::from_str(&value.to_string().replace(ns, "<namespace>")).unwrap()
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for key in ["uid", "resourceVersion", "creationTimestamp", "clusterIP", "clusterIPs"] {
                map.remove(key);
            }
            map.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
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
