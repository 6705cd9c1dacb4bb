//! Whatever is sent to any kind with `dryRun=All`: nothing is kept.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::sides::{Sent, Side};

/// How many series of requests are tried; each goes through all kinds.
const SERIES: u32 = 12;

/// What a kind is found under: path of its objects, apiVersion, kind.
type Kind = (String, String, String);

async fn ask(side: &Side, method: &str, path: &str, sort: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let (method, path, content_type) = (method.to_owned(), path.to_owned(), sort.to_owned());
    let answer = side.send(&Sent { method, path, accept: "application/json".into(), content_type, body }).await;
    (answer.code, serde_json::from_slice(&answer.body).unwrap_or_default())
}

/// All kinds that can be created and listed, by discovery.
async fn kinds(side: &Side) -> Vec<Kind> {
    let (_, groups) = ask(side, "GET", "/apis", "", &Value::Null).await;
    let groups = groups["groups"].as_array().unwrap().clone();
    let versions = groups.iter().map(|group| group["preferredVersion"]["groupVersion"].as_str().unwrap().to_owned());
    let mut found = Vec::new();
    for version in std::iter::once("v1".to_owned()).chain(versions) {
        let base = if version == "v1" { "/api/v1".to_owned() } else { format!("/apis/{version}") };
        let (_, listed) = ask(side, "GET", &base, "", &Value::Null).await;
        for resource in listed["resources"].as_array().unwrap() {
            let verbs = resource["verbs"].to_string();
            if resource["name"].as_str().unwrap().contains('/') || !verbs.contains("list") || !verbs.contains("create")
            {
                continue;
            }
            let within = if resource["namespaced"] == true { "/namespaces/default" } else { "" };
            let path = format!("{base}{within}/{}", resource["name"].as_str().unwrap());
            found.push((path, version.clone(), resource["kind"].as_str().unwrap().to_owned()));
        }
    }
    found
}

/// Bodies of which one or the other suits most kinds.
fn bodies() -> Vec<Value> {
    let pod = json!({"restartPolicy": "Never", "containers": [{"name": "c", "image": "nginx"}]});
    let template =
        json!({"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}});
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "a"});
    vec![
        json!({}),
        json!({"spec": {"selector": {"matchLabels": {"app": "a"}}, "serviceName": "a", "template": template}}),
        json!({"spec": pod}),
        json!({"spec": {"template": {"spec": pod}}}),
        json!({"spec": {"schedule": "0 0 * * *", "jobTemplate": {"spec": {"template": {"spec": pod}}}}}),
        json!({"spec": {"ports": [{"port": 80}], "selector": {"app": "a"}}}),
        json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
            "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/a"}}}),
        json!({"spec": {"defaultBackend": {"service": {"name": "a", "port": {"number": 80}}}}}),
        json!({"spec": {"hard": {"pods": "0", "configmaps": "1k"}}}),
        json!({"spec": {"limits": [{"type": "Container", "default": {"cpu": "1"}}]}}),
        json!({"spec": {"maxReplicas": 2, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"}}}),
        json!({"provisioner": "example.com/a", "value": 1}),
        json!({"roleRef": role}),
    ]
}

/// Everything that is there.
async fn all(side: &Side, kinds: &[Kind]) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for (path, _, _) in kinds {
        let (_, list) = ask(side, "GET", path, "", &Value::Null).await;
        all.insert(path.clone(), list["items"].clone());
    }
    all
}

#[test]
fn a_dry_run_of_any_kind_keeps_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (side, kinds, before) = runtime.block_on(async {
        let side = Side::sandbox();
        let kinds = kinds(&side).await;
        let mut made = 0;
        for (path, api_version, kind) in &kinds {
            for mut body in bodies() {
                body["apiVersion"] = api_version.as_str().into();
                body["kind"] = kind.as_str().into();
                body["metadata"] = json!({"name": "a", "namespace": null, "finalizers": ["example.com/a"]});
                if ask(&side, "POST", path, "application/json", &body).await.0 == 201 {
                    made += 1;
                    break;
                }
            }
        }
        println!("{made} of {} kinds have an object", kinds.len());
        assert!(made >= 40, "only {made} of {} kinds have an object", kinds.len());
        let before = all(&side, &kinds).await;
        (side, kinds, before)
    });
    let write = (
        0..5_usize,
        0..bodies().len(),
        prop::sample::select(vec!["a", "b"]),
        prop::sample::select(vec!["", "/status", "/scale"]),
    );
    let mut runner = TestRunner::new(Config { cases: SERIES, failure_persistence: None, ..Config::default() });
    let series = prop::collection::vec(write, kinds.len());
    let result = runner.run(&series, |series| {
        runtime.block_on(async {
            for ((path, api_version, kind), (verb, body, name, below)) in kinds.iter().zip(series) {
                let mut body = bodies()[body].clone();
                body["apiVersion"] = api_version.as_str().into();
                body["kind"] = kind.as_str().into();
                body["metadata"] = json!({"name": name, "labels": {"dry": "run"}});
                let (method, sort, at) = match verb {
                    0 => ("POST", "application/json", path.clone()),
                    1 => ("PUT", "application/json", format!("{path}/{name}{below}")),
                    2 => ("PATCH", "application/merge-patch+json", format!("{path}/{name}{below}")),
                    3 => ("PATCH", "application/apply-patch+yaml", format!("{path}/{name}{below}")),
                    _ => ("DELETE", "application/json", format!("{path}/{name}")),
                };
                let manager = if verb == 3 { "&fieldManager=dry&force=true" } else { "" };
                let sent = if verb == 4 { Value::Null } else { body };
                let (code, _) = ask(&side, method, &format!("{at}?dryRun=All{manager}"), sort, &sent).await;
                prop_assert!(code < 500 || code == 500 && verb == 3, "{method} {at} answers {code}");
            }
            let after = all(&side, &kinds).await;
            for (path, items) in &before {
                prop_assert_eq!(items, &after[path], "something was kept under {}", path);
            }
            Ok(())
        })
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
