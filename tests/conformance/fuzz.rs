//! Requests nobody would send: whatever comes, the sandbox answers, and never panics.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use runbook::sandbox::{Options, Sandbox, Timing};
use serde_json::{Map, Value, json};
use tower::ServiceExt as _;

/// How many sequences of requests are tried, and how long each is at most.
const SEQUENCES: u32 = 128;
const LENGTH: usize = 12;

#[derive(Debug, Clone)]
struct Request {
    method: String,
    path: String,
    content_type: String,
    accept: String,
    body: Vec<u8>,
}

fn of(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::sample::select(words).prop_map(str::to_owned)
}

fn path() -> impl Strategy<Value = String> {
    let known = of(&[
        "/api/v1/namespaces/default/configmaps",
        "/api/v1/namespaces/default/configmaps/a",
        "/api/v1/namespaces/default/pods/a",
        "/api/v1/namespaces/default/secrets/a",
        "/api/v1/namespaces/default/services/a",
        "/api/v1/namespaces/default/pods",
        "/api/v1/namespaces/default/resourcequotas",
        "/api/v1/namespaces/default/resourcequotas/a/status",
        "/api/v1/namespaces/default/limitranges",
        "/api/v1/namespaces/a",
        "/api/v1/namespaces",
        "/apis/apps/v1/namespaces/default/deployments/a",
        "/apis/apps/v1/namespaces/default/deployments/a/scale",
        "/apis/apps/v1/namespaces/default/deployments/a/status",
        "/apis/apps/v1/namespaces/default/deployments",
        "/apis/batch/v1/namespaces/default/jobs",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.example.com",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        "/apis/example.com/v1/namespaces/default/things",
        "/apis/example.com/v1/namespaces/default/things/a",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        "/openapi/v3/apis/apps/v1",
    ]);
    let words =
        of(&["api", "apis", "v1", "namespaces", "default", "pods", "a", "watch", "status", "%2F", "..", "", "é"]);
    let built = vec(words, 0..7).prop_map(|parts| format!("/{}", parts.join("/").replace('é', "%C3%A9")));
    let query = of(&[
        "",
        "?fieldManager=x",
        "?fieldManager=x&force=true",
        "?dryRun=All",
        "?labelSelector=a%20in%20(b,c),!d",
        "?labelSelector=((((",
        "?fieldSelector=metadata.name%3Da,,x%3D",
        "?limit=1&continue=WzEsIiIsIiJd",
        "?limit=-9223372036854775808",
        "?resourceVersion=18446744073709551615",
        "?fieldValidation=Strict",
        "?watch=1&timeoutSeconds=0&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=1",
        "?watch=1&timeoutSeconds=-1&resourceVersion=0",
        "?propagationPolicy=Foreground&gracePeriodSeconds=-9223372036854775808",
        "?%zz=%&&==&",
    ]);
    (prop_oneof![3 => known, 1 => built], query).prop_map(|(path, query): (String, String)| format!("{path}{query}"))
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|n| json!(n)),
        of(&["", "a", "1Gi", "2026-01-01T00:00:00Z", "((", "self.a", "-1", "e9", "99999999999999999999m", "\u{1f600}"])
            .prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        let key = of(&[
            "metadata",
            "name",
            "namespace",
            "labels",
            "annotations",
            "finalizers",
            "ownerReferences",
            "managedFields",
            "fieldsV1",
            "uid",
            "resourceVersion",
            "spec",
            "status",
            "data",
            "template",
            "containers",
            "ports",
            "resources",
            "requests",
            "limits",
            "hard",
            "max",
            "default",
            "cpu",
            "selector",
            "replicas",
            "versions",
            "schema",
            "openAPIV3Schema",
            "properties",
            "items",
            "type",
            "x-kubernetes-validations",
            "rule",
            "$patch",
            "$setElementOrder/containers",
            "preconditions",
            "op",
            "path",
            "value",
            "f:spec",
            "k:{",
        ]);
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::Array),
            vec((key, inner), 0..5).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

/// Something that looks like an object, so that it gets past the first checks.
fn object() -> impl Strategy<Value = Value> {
    let kind = proptest::sample::select(&[
        ("v1", "ConfigMap"),
        ("v1", "Pod"),
        ("v1", "Secret"),
        ("v1", "Service"),
        ("v1", "ResourceQuota"),
        ("v1", "LimitRange"),
        ("v1", "Namespace"),
        ("apps/v1", "Deployment"),
        ("batch/v1", "Job"),
        ("example.com/v1", "Thing"),
    ]);
    (kind, value(), value()).prop_map(|((api_version, kind), metadata, spec)| {
        let mut metadata = metadata.as_object().cloned().unwrap_or_default();
        metadata.insert("name".into(), "a".into());
        let mut whole = Map::new();
        whole.insert("apiVersion".into(), api_version.into());
        whole.insert("kind".into(), kind.into());
        whole.insert("metadata".into(), Value::Object(metadata));
        whole.insert(if kind == "ConfigMap" { "data" } else { "spec" }.into(), spec);
        Value::Object(whole)
    })
}

fn definition() -> impl Strategy<Value = Value> {
    value().prop_map(|schema| {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "things.example.com"},
            "spec": {
                "group": "example.com", "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                    "type": "object", "x-kubernetes-preserve-unknown-fields": true,
                    "properties": {"spec": {"type": "object", "default": schema, "properties": schema,
                        "x-kubernetes-validations": [{"rule": "self.a == oldSelf.b || size(self) > 1"}]}},
                }}}],
            },
        })
    })
}

fn request() -> impl Strategy<Value = Request> {
    let body = prop_oneof![
        4 => object().prop_map(|value| value.to_string().into_bytes()),
        1 => definition().prop_map(|value| value.to_string().into_bytes()),
        3 => value().prop_map(|value| value.to_string().into_bytes()),
        1 => vec(any::<u8>(), 0..40),
        1 => Just(Vec::new()),
        1 => Just("[".repeat(4000).into_bytes()),
    ];
    let method = of(&["GET", "POST", "PUT", "PATCH", "PATCH", "DELETE", "OPTIONS", "HEAD"]);
    let content_type = of(&[
        "application/json",
        "application/apply-patch+yaml",
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
        "application/json-patch+json",
        "text/plain",
        "",
    ]);
    let accept = of(&["application/json", "application/json;as=Table;v=v1;g=meta.k8s.io", "*/*", "", ";;,="]);
    (method, path(), content_type, accept, body).prop_map(|(method, path, content_type, accept, body)| Request {
        method,
        path,
        content_type,
        accept,
        body,
    })
}

#[test]
fn no_request_makes_the_sandbox_panic() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: SEQUENCES, failure_persistence: None, ..Config::default() });
    let result = runner.run(&vec(request(), 1..LENGTH), |requests| {
        runtime.block_on(async {
            let options = Options { timing: Timing::INSTANT, ..Options::default() };
            let sandbox = Sandbox::in_memory(options).unwrap();
            for request in requests {
                let sent = http::Request::builder()
                    .method(request.method.as_str())
                    .uri(&request.path)
                    .header("content-type", &request.content_type)
                    .header("accept", &request.accept)
                    .body(Full::new(Bytes::from(request.body)));
                let Ok(sent) = sent else { continue };
                let answer = sandbox.service().oneshot(sent).await.unwrap();
                prop_assert!((200..600).contains(&answer.status().as_u16()), "{} {}", request.method, request.path);
                // Only watches go on for long, and what they say at first is enough.
                let _ = tokio::time::timeout(Duration::from_millis(20), answer.into_body().collect()).await;
            }
            let asked = http::Request::get("/readyz").body(Full::new(Bytes::new())).unwrap();
            prop_assert_eq!(sandbox.service().oneshot(asked).await.unwrap().status(), 200, "it still answers");
            Ok(())
        })
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
