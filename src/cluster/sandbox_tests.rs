//! The client against the embedded cluster, which is the other half of every run without a real one.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::json;
use tokio::runtime::Runtime;

use super::*;
use crate::{
    event::Cancel,
    model::ObjectRef,
    object::{
        edges::{self, Direction, Graph},
        head,
        readiness::{State, status},
    },
    sandbox::Options,
};

struct Rig {
    sandbox: Sandbox,
    cluster: Cluster,
    _runtime: Runtime,
}

fn rig() -> Rig {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let sandbox = Sandbox::in_memory(Options::default()).unwrap();
    let cluster = Cluster::sandbox(runtime.handle(), &sandbox);
    Rig { sandbox, cluster, _runtime: runtime }
}

fn patience() -> Patience {
    Patience::of(Duration::from_secs(10))
}

fn reference(text: &str) -> ObjectRef {
    text.parse().unwrap()
}

impl Rig {
    fn apply(&self, object: &serde_json::Value) -> Result<serde_json::Value, ClusterError> {
        self.cluster.apply(object, &ApplyOptions::default(), &patience())
    }

    fn namespace(&self, name: &str) {
        self.apply(&json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } })).unwrap();
    }
}

fn config_map(name: &str, value: &str) -> serde_json::Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "namespace": "web" }, "data": { "v": value } })
}

#[test]
fn its_identity_is_its_own() {
    let rig = rig();
    let identity = rig.cluster.identity(&patience()).unwrap();
    assert_eq!((identity.uid, identity.server), (rig.sandbox.uid(), "sandbox".to_owned()));
    assert!(!identity.version.is_empty());
}

#[test]
fn an_object_is_applied_read_listed_and_deleted() {
    let rig = rig();
    rig.namespace("web");
    let first = rig.apply(&config_map("a", "1")).unwrap();
    let again = rig.apply(&config_map("a", "1")).unwrap();
    assert!(unchanged(&first, &again));
    assert!(!unchanged(&first, &rig.apply(&config_map("a", "2")).unwrap()));
    let got = rig.cluster.get(&reference("cm/web/a"), &patience()).unwrap().unwrap();
    assert_eq!(got["data"]["v"], "2");
    let listed = rig.cluster.list("configmaps", Some("web"), &Selector::default(), &patience()).unwrap();
    assert!(listed.items.iter().any(|item| item["metadata"]["name"] == "a" && item["kind"] == "ConfigMap"));
    let other = DeleteOptions { uid: Some("another".into()), dry_run: false };
    let error = rig.cluster.delete(&reference("cm/web/a"), &other, &patience()).unwrap_err();
    assert!(matches!(error, ClusterError::Conflict { .. }), "{error:?}");
    let own = DeleteOptions { uid: Some(got["metadata"]["uid"].as_str().unwrap().into()), dry_run: false };
    assert!(rig.cluster.delete(&reference("cm/web/a"), &own, &patience()).unwrap().is_some());
    assert_eq!(rig.cluster.get(&reference("cm/web/a"), &patience()).unwrap(), None);
}

#[test]
fn a_dry_run_keeps_nothing() {
    let rig = rig();
    rig.namespace("web");
    let options = ApplyOptions { dry_run: true, ..ApplyOptions::default() };
    rig.cluster.apply(&config_map("a", "1"), &options, &patience()).unwrap();
    assert_eq!(rig.cluster.get(&reference("cm/web/a"), &patience()).unwrap(), None);
}

#[test]
fn a_missing_namespace_and_a_conflict_are_named() {
    let rig = rig();
    let error = rig.apply(&config_map("a", "1")).unwrap_err();
    assert!(matches!(&error, ClusterError::NamespaceMissing { namespace, .. } if namespace == "web"), "{error:?}");
    rig.namespace("web");
    let other = ApplyOptions { field_manager: "someone".into(), ..ApplyOptions::default() };
    rig.cluster.apply(&config_map("a", "1"), &other, &patience()).unwrap();
    let error = rig.apply(&config_map("a", "2")).unwrap_err();
    let ClusterError::Conflict { causes, .. } = &error else { panic!("{error:?}") };
    assert_eq!((causes[0].manager.as_deref(), causes[0].field.as_str()), (Some("someone"), "data.v"));
}

#[test]
fn a_custom_kind_becomes_ready_and_its_watch_says_so() {
    let rig = rig();
    rig.namespace("web");
    rig.apply(&json!({ "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
        "metadata": { "name": "s", "namespace": "web" },
        "spec": { "refreshInterval": "1h", "secretStoreRef": { "kind": "ClusterSecretStore", "name": "onepassword-connect" },
            "target": { "name": "s" }, "data": [{ "secretKey": "k", "remoteRef": { "key": "i", "property": "p" } }] } }))
    .unwrap();
    let watches = Watches::new(&rig.cluster);
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        watches.begin();
        let secret = watches.get(&reference("ExternalSecret/web/s"), &patience()).unwrap();
        watches.end();
        let found = status(&secret.unwrap(), Timestamp::now());
        if found.status == State::Current && watches.in_sync() {
            break;
        }
        assert_eq!(watches.wait(until, &Cancel::new()), Woken::Changed, "{found:?}");
    }
}

#[test]
fn changes_are_seen_by_a_watch_within_milliseconds() {
    let rig = rig();
    rig.namespace("web");
    rig.apply(&config_map("a", "0")).unwrap();
    let watches = Watches::new(&rig.cluster);
    let read = || {
        watches.begin();
        let object = watches.get(&reference("cm/web/a"), &patience()).unwrap().unwrap();
        watches.end();
        object["data"]["v"].as_str().unwrap().to_owned()
    };
    let mut times = vec![];
    for i in 1..60 {
        read();
        watches.wait(Instant::now(), &Cancel::new());
        rig.apply(&config_map("a", &i.to_string())).unwrap();
        let applied = Instant::now();
        while read() != i.to_string() {
            assert_eq!(watches.wait(applied + Duration::from_secs(10), &Cancel::new()), Woken::Changed);
        }
        times.push(applied.elapsed());
    }
    times.sort();
    println!("p50 {:?} slowest {:?}", times[times.len() / 2], times[times.len() - 1]);
    assert!(times[times.len() / 2] < Duration::from_millis(50), "{times:?}");
}

#[test]
fn what_depends_on_an_object_is_the_same_whether_all_is_looked_at_or_only_what_can_name_it() {
    let rig = rig();
    for namespace in ["web", "db", "ops", "far"] {
        rig.namespace(namespace);
    }
    let pod = |secret: &str| {
        json!({ "metadata": { "labels": { "app": secret } }, "spec": { "serviceAccountName": "runner",
        "containers": [{ "name": "c", "image": "i", "envFrom": [{ "secretRef": { "name": secret } }] }] } })
    };
    for namespace in ["web", "db", "ops", "far"] {
        let meta = |name: &str| json!({ "name": name, "namespace": namespace });
        for object in [
            json!({ "apiVersion": "v1", "kind": "Secret", "metadata": meta("login") }),
            json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta("runner") }),
            json!({ "apiVersion": "v1", "kind": "Service", "metadata": meta("app"),
                "spec": { "selector": { "app": "login" }, "ports": [{ "port": 80 }] } }),
            json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta("app"), "spec": { "replicas": 0,
                "selector": { "matchLabels": { "app": "login" } }, "template": pod("login") } }),
        ] {
            rig.apply(&object).unwrap();
        }
    }
    let role = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view" });
    let subject = |namespace: &str| json!([{ "kind": "ServiceAccount", "name": "runner", "namespace": namespace }]);
    for object in [
        // across namespaces, through what has none, and from a kind that nobody foresaw
        json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": { "name": "b", "namespace": "ops" }, "roleRef": role, "subjects": subject("web") }),
        json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": { "name": "b" }, "roleRef": role, "subjects": subject("db") }),
        json!({ "apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore", "metadata": { "name": "vault" },
            "spec": { "provider": { "fake": { "data": [] } },
                "conditions": [{ "authSecretRef": { "name": "login", "namespace": "far" } }] } }),
        json!({ "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": { "name": "made", "namespace": "ops" },
            "spec": { "secretStoreRef": { "kind": "ClusterSecretStore", "name": "vault" },
                "data": [{ "secretKey": "k", "remoteRef": { "key": "i" } }] } }),
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "reader", "namespace": "ops" },
            "spec": { "replicas": 0, "selector": { "matchLabels": { "app": "made" } }, "template": pod("made") } }),
    ] {
        rig.apply(&object).unwrap();
    }
    let all = rig.cluster.survey(&patience()).unwrap().objects;
    let graph = Graph::of(&all);
    let mut wider = 0;
    for object in &all {
        let of = [head(object).full_reference()];
        let (seen, near) = rig.cluster.dependents(&of, &patience()).unwrap();
        let sorted = |mut reached: Vec<edges::Reached>| {
            reached.sort_by(|a, b| a.object.cmp(&b.object));
            reached.into_iter().map(|it| (it.object, it.exists, it.depth)).collect::<Vec<_>>()
        };
        assert_eq!(sorted(near.reached), sorted(graph.impact(&of, Direction::Dependents).reached), "{}", of[0]);
        assert!(seen.unseen.is_empty());
        wider += usize::from(of[0].namespace.is_some() && seen.objects.len() < all.len());
    }
    assert!(wider > 0, "not all of it was looked at for each");
    let far = |name: &str| rig.cluster.dependents(&[reference(name)], &patience()).unwrap().1.reached;
    assert!(far("Secret/far/login").iter().any(|it| it.object == "Deployment.apps/ops/reader".parse().unwrap()));
}
