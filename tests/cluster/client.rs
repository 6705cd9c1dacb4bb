//! The client and the read set of a verify, against a real API server.

#![allow(clippy::unwrap_used, reason = "test code outside of test functions")]

use std::{
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use runbook::{
    cluster::{ApplyOptions, Cluster, ClusterError, KubeconfigSource, Outcome, Patience, Selector, Watches, Woken},
    event::Cancel,
    model::ObjectRef,
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::apiserver;

/// A client of one of the test's API servers.
struct Client {
    cluster: Cluster,
    runtime: Runtime,
}

fn client(server: &apiserver::Cluster) -> Client {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let source = KubeconfigSource::file(server.kubeconfig());
    let cluster = Cluster::connect(runtime.handle(), &source, server.name()).unwrap();
    Client { cluster, runtime }
}

fn patience() -> Patience {
    Patience::of(Duration::from_secs(30))
}

fn config_map(namespace: &str, name: &str, value: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "namespace": namespace }, "data": { "v": value } })
}

fn apply(client: &Client, object: &Value) -> Result<Value, ClusterError> {
    client.cluster.apply(object, &ApplyOptions::default(), &patience())
}

fn value(object: Option<&Value>) -> Option<&str> {
    object.and_then(|object| object["data"]["v"].as_str())
}

#[test]
fn the_identity_is_that_of_the_cluster_and_of_no_other() {
    let Some(clusters) = apiserver::shared() else { return };
    let staging = client(clusters.staging());
    let identity = staging.cluster.identity(&patience()).unwrap();
    assert_eq!(identity.uid, clusters.staging().uid());
    assert_eq!(identity.server, clusters.staging().url().trim_end_matches('/'));
    assert!(identity.ca.is_some() && identity.version.starts_with('v'), "{identity:?}");
    assert!(!staging.cluster.check_uid(&clusters.main().uid(), &patience()).unwrap());
}

#[test]
fn refusals_of_a_real_server_are_what_they_are() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let client = client(server);
    let ns = server.namespace("refusals");
    let deployment = |spec: Value| json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "a", "namespace": ns }, "spec": spec });
    let pod =
        json!({ "metadata": { "labels": { "a": "b" } }, "spec": { "containers": [{ "name": "c", "image": "x" }] } });
    let selector = json!({ "matchLabels": { "a": "b" } });
    let good = deployment(json!({ "replicas": 1, "selector": selector, "template": pod }));

    let unknown = deployment(json!({ "replicsa": 1, "selector": selector, "template": pod }));
    let error = apply(&client, &unknown).unwrap_err();
    assert!(matches!(&error, ClusterError::Invalid { .. }) && error.to_string().contains("replicsa"), "{error:?}");

    let error = apply(&client, &deployment(json!({ "selector": { "matchLabels": { "x": "y" } }, "template": pod })))
        .unwrap_err();
    let ClusterError::Invalid { causes, .. } = &error else { panic!("{error:?}") };
    assert!(causes[0].field.starts_with("spec.template"), "{causes:?}");

    let missing = config_map("there-is-no-such-namespace", "a", "1");
    let error = apply(&client, &missing).unwrap_err();
    assert!(matches!(&error, ClusterError::NamespaceMissing { .. }), "{error:?}");
    let read = client.cluster.get(&"ConfigMap/there-is-no-such-namespace/a".parse().unwrap(), &patience());
    assert_eq!(read, Ok(None));

    let other = ApplyOptions { field_manager: "someone".into(), ..ApplyOptions::default() };
    client.cluster.apply(&good, &other, &patience()).unwrap();
    let error =
        apply(&client, &deployment(json!({ "replicas": 2, "selector": selector, "template": pod }))).unwrap_err();
    let ClusterError::Conflict { causes, .. } = &error else { panic!("{error:?}") };
    assert_eq!((causes[0].manager.as_deref(), causes[0].field.as_str()), (Some("someone"), "spec.replicas"));

    let error = client.cluster.get(&format!("Deploymnt/{ns}/a").parse().unwrap(), &patience()).unwrap_err();
    assert!(error.to_string().contains("did you mean `Deployment`"), "{error}");
    let event = client.cluster.resolve_kind("ev", &patience()).unwrap();
    assert_eq!((event.group.as_str(), event.kind.as_str()), ("", "Event"));
}

#[test]
fn who_may_not_and_who_is_nobody_are_told_apart() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let runtime = client(server);
    let as_user = |path: std::path::PathBuf| {
        Cluster::connect(runtime.runtime.handle(), &KubeconfigSource::file(path), server.name()).unwrap()
    };
    let cluster = as_user(server.kubeconfig_as("client-test-nobody", &[]));
    let error = cluster.get(&"Secret/default/a".parse().unwrap(), &patience()).unwrap_err();
    assert!(matches!(&error, ClusterError::Forbidden { .. }), "{error:?}");
    let text = std::fs::read_to_string(server.kubeconfig()).unwrap();
    let without: String = text.lines().filter(|line| !line.contains("client-")).collect::<Vec<_>>().join("\n");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), without.replace("user: {}", "user: {token: wrong}")).unwrap();
    let error = as_user(file.path().into()).uid(&patience()).unwrap_err();
    assert!(matches!(&error, ClusterError::Unauthorized { .. } | ClusterError::Forbidden { .. }), "{error:?}");
}

#[test]
fn events_of_a_real_watch_are_seen_within_milliseconds() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let client = client(server);
    let ns = server.namespace("latency");
    // as many as make them share one watch
    let references: Vec<ObjectRef> =
        (0..200).map(|i| ObjectRef::new("ConfigMap", Some(&ns), format!("c{i:03}"))).collect();
    let objects: Vec<Arc<Value>> =
        references.iter().map(|reference| Arc::new(config_map(&ns, &reference.name, "0"))).collect();
    let start = Instant::now();
    let applied = client.cluster.apply_many(&objects, &ApplyOptions::default(), &patience());
    assert!(applied.iter().all(|one| matches!(one.outcome, Outcome::Applied(_))));
    println!("200 applied: {:?}", start.elapsed());
    let watches = Watches::new(&client.cluster);
    let read = || {
        watches.begin();
        let read: Vec<_> = references.iter().map(|r| watches.get(r, &patience()).unwrap()).collect();
        watches.end();
        read
    };
    assert_eq!(read().len(), 200);
    while !watches.in_sync() || watches.watching() == 0 {
        watches.wait(Instant::now() + Duration::from_millis(50), &Cancel::new());
        read();
    }
    // from the answer to the patch, which is when its event is on the wire, to an evaluation that sees it
    let (patched, patches) = mpsc::channel();
    let writer = client.cluster.clone();
    let (go, going) = mpsc::channel::<usize>();
    let namespace = ns.clone();
    let thread = std::thread::spawn(move || {
        for i in going {
            writer
                .apply(&config_map(&namespace, "c199", &i.to_string()), &ApplyOptions::default(), &patience())
                .unwrap();
            patched.send(Instant::now()).unwrap();
        }
    });
    let mut times = vec![];
    for i in 1..=100usize {
        go.send(i).unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            assert_eq!(watches.wait(until, &Cancel::new()), Woken::Changed);
            if value(read()[199].as_deref()) == Some(&i.to_string()) {
                break;
            }
        }
        let seen = Instant::now();
        times.push(seen.saturating_duration_since(patches.recv().unwrap()));
    }
    drop(go);
    thread.join().unwrap();
    times.sort();
    println!("watch event -> evaluated over 200 objects: p50 {:?}, p99 {:?}", times[50], times[98]);
    assert!(times[50] < Duration::from_millis(200), "{times:?}");
    assert_eq!(watches.watching(), 1);
}

#[test]
fn a_verify_lives_through_a_restart_of_the_api_server() {
    let Some(server) = apiserver::Cluster::start("restarts") else { return };
    let client = client(&server);
    server.uid();
    let ns = server.namespace("restart");
    let reference = ObjectRef::new("ConfigMap", Some(&ns), "a");
    apply(&client, &config_map(&ns, "a", "1")).unwrap();
    let watches = Watches::new(&client.cluster);
    let until = |wanted: &str| {
        let end = Instant::now() + Duration::from_mins(1);
        loop {
            watches.begin();
            let read = watches.get(&reference, &patience());
            watches.end();
            let holds = matches!(&read, Ok(object) if value(object.as_deref()) == Some(wanted));
            if holds && watches.in_sync() {
                return;
            }
            assert_eq!(watches.wait(end, &Cancel::new()), Woken::Changed, "{read:?}");
        }
    };
    until("1");
    watches.wait(Instant::now() + Duration::from_millis(100), &Cancel::new());
    server.stop_api();
    apiserver::eventually(Duration::from_secs(10), || watches.unreachable_since()).expect("the loss is noticed");
    watches.begin();
    watches.get(&reference, &patience()).unwrap();
    watches.end();
    assert!(!watches.in_sync());
    assert!(apply(&client, &config_map(&ns, "a", "2")).unwrap_err().is_unreachable());
    server.start_api();
    apply(&client, &config_map(&ns, "a", "2")).unwrap();
    until("2");
    assert_eq!(watches.unreachable_since(), None);
}

#[test]
fn a_kind_that_appears_is_found_while_a_verify_waits_for_it() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.main();
    let client = client(server);
    let tag = server.namespace("crd").rsplit('-').next().unwrap().to_owned();
    let (plural, kind) = (format!("widgets{tag}"), format!("Widget{tag}"));
    let reference = ObjectRef::new(kind.clone(), None, "a");
    let watches = Watches::new(&client.cluster);
    let read = || {
        watches.begin();
        let read = watches.get(&reference, &patience());
        watches.end();
        read
    };
    assert!(matches!(read(), Err(ClusterError::NotServed { .. })));
    let schema = json!({ "openAPIV3Schema": { "type": "object" } });
    let definition = json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{plural}.runbook.example.com") },
        "spec": { "group": "runbook.example.com", "scope": "Cluster", "names": { "plural": plural, "kind": kind },
            "versions": [{ "name": "v1", "served": true, "storage": true, "schema": schema }] } });
    apply(&client, &definition).unwrap();
    let (start, end) = (Instant::now(), Instant::now() + Duration::from_secs(30));
    while read() != Ok(None) {
        assert_eq!(watches.wait(end, &Cancel::new()), Woken::Changed);
    }
    println!("kind found {:?} after its definition", start.elapsed());
    server.client().delete(&format!("CustomResourceDefinition/{plural}.runbook.example.com"));
}

#[test]
fn many_objects_are_listed_page_by_page() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.main();
    let client = client(server);
    let ns = server.namespace("pages");
    let objects: Vec<Arc<Value>> = (0..510).map(|i| Arc::new(config_map(&ns, &format!("c{i:03}"), "1"))).collect();
    let start = Instant::now();
    let applied = client.cluster.apply_many(&objects, &ApplyOptions::default(), &patience());
    let wrote = start.elapsed();
    assert!(applied.iter().all(|one| matches!(one.outcome, Outcome::Applied(_))));
    let start = Instant::now();
    let listed = client.cluster.list("ConfigMap", Some(&ns), &Selector::default(), &patience()).unwrap();
    println!("510 applied: {wrote:?}, listed: {:?}", start.elapsed());
    // kube-root-ca.crt may be among them, where a controller-manager runs
    assert!(listed.items.len() >= 510, "{}", listed.items.len());
    assert!(listed.items.iter().all(|item| item["kind"] == "ConfigMap"));
}
