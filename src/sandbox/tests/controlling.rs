use super::*;

const SECRETS: &str = "/apis/external-secrets.io/v1/namespaces/web/externalsecrets";
const RELEASES: &str = "/apis/helm.toolkit.fluxcd.io/v2/namespaces/web/helmreleases";
const ROUTES: &str = "/apis/gateway.networking.k8s.io/v1/namespaces/web/httproutes";

async fn with_namespace(options: Options) -> Sandbox {
    let sandbox = Sandbox::in_memory(options).expect("opens");
    let (code, _) = sandbox
        .post("/api/v1/namespaces", json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "web"}}))
        .await;
    assert_eq!(code, 201);
    sandbox
}

fn external_secret(store: &str) -> Value {
    json!({
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": {"name": "admin"},
        "spec": {
            "secretStoreRef": {"kind": "ClusterSecretStore", "name": store}, "target": {"name": "admin-login"},
            "data": [{"secretKey": "password", "remoteRef": {"key": "grafana", "property": "password"}}],
        },
    })
}

fn release() -> Value {
    json!({
        "apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "metadata": {"name": "grafana"},
        "spec": {"interval": "5m", "chart": {"spec": {"chart": "grafana", "version": "8.5.0", "sourceRef": {"kind": "HelmRepository", "name": "grafana"}}}},
    })
}

fn route(gateway: &str) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "grafana"},
        "spec": {
            "parentRefs": [{"name": gateway, "namespace": "gateway", "sectionName": "https"}], "hostnames": ["grafana.example.com"],
            "rules": [{"matches": [{"path": {"type": "PathPrefix", "value": "/api"}}], "backendRefs": [{"name": "grafana", "port": 80}]}],
        },
    })
}

fn parent<'a>(route: &'a Value, kind: &str) -> &'a Value {
    let conditions = route["status"]["parents"][0]["conditions"].as_array();
    conditions.into_iter().flatten().find(|c| c["type"] == kind).unwrap_or(&Value::Null)
}

#[tokio::test]
async fn an_external_secret_gets_its_secret_and_becomes_ready() {
    let sandbox = with_namespace(quick()).await;
    sandbox.post(SECRETS, external_secret("onepassword-connect")).await;
    let ready = sandbox.until(SECRETS, "admin", |object| condition(object, "Ready")["status"] == "True").await;
    assert_eq!(condition(&ready, "Ready")["reason"], "SecretSynced");
    assert!(ready["status"]["syncedResourceVersion"].as_str().is_some_and(|v| v.starts_with("1-")), "{ready}");
    let (code, secret) = sandbox.get("/api/v1/namespaces/web/secrets/admin-login").await;
    assert_eq!(code, 200);
    assert!(secret["data"]["password"].as_str().is_some_and(|v| v.len() > 8), "{secret}");
}

#[tokio::test]
async fn a_missing_store_is_named_and_its_arrival_mends_the_secret() {
    let sandbox = with_namespace(quick()).await;
    sandbox.post(SECRETS, external_secret("vault")).await;
    let failed = sandbox.until(SECRETS, "admin", |object| condition(object, "Ready")["status"] == "False").await;
    assert_eq!(condition(&failed, "Ready")["reason"], "SecretSyncedError");
    assert!(condition(&failed, "Ready")["message"].as_str().is_some_and(|m| m.contains("vault")), "{failed}");
    let store = json!({"apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore", "metadata": {"name": "vault"}, "spec": {}});
    sandbox.post("/apis/external-secrets.io/v1/clustersecretstores", store).await;
    sandbox.until(SECRETS, "admin", |object| condition(object, "Ready")["status"] == "True").await;
}

#[tokio::test]
async fn a_release_makes_its_workload_and_is_ready_after_it() {
    let sandbox = with_namespace(quick()).await;
    sandbox.post(RELEASES, release()).await;
    let ready = sandbox.until(RELEASES, "grafana", |object| condition(object, "Ready")["status"] == "True").await;
    assert_eq!(condition(&ready, "Ready")["reason"], "InstallSucceeded");
    assert_eq!(ready["status"]["observedGeneration"], 1);
    assert_eq!(ready["status"]["history"][0]["status"], "deployed");
    let (_, deployment) = sandbox.get("/apis/apps/v1/namespaces/web/deployments/grafana").await;
    assert_eq!(deployment["status"]["readyReplicas"], 1);
    assert_eq!(condition(&deployment, "Progressing")["reason"], "NewReplicaSetAvailable");
    assert_eq!(deployment["metadata"]["labels"]["helm.toolkit.fluxcd.io/name"], "grafana");
    sandbox.merge(&format!("{RELEASES}/grafana"), json!({"spec": {"values": {"replicaCount": 3}}})).await;
    let upgraded = sandbox
        .until(RELEASES, "grafana", |object| {
            object["status"]["observedGeneration"] == 2 && condition(object, "Ready")["status"] == "True"
        })
        .await;
    assert_eq!(condition(&upgraded, "Ready")["reason"], "UpgradeSucceeded");
    assert_eq!(sandbox.get("/apis/apps/v1/namespaces/web/deployments/grafana").await.1["status"]["readyReplicas"], 3);
    sandbox.delete(&format!("{RELEASES}/grafana")).await;
    assert_eq!(sandbox.get("/apis/apps/v1/namespaces/web/deployments/grafana").await.0, 404, "uninstalled with it");
}

#[tokio::test]
async fn a_suspended_release_is_left_alone() {
    let sandbox = with_namespace(quick()).await;
    let mut body = release();
    body["spec"]["suspend"] = true.into();
    sandbox.post(RELEASES, body).await;
    // A second object, handled after it, shows that the first was looked at.
    sandbox.post(SECRETS, external_secret("onepassword-connect")).await;
    sandbox.until(SECRETS, "admin", |object| condition(object, "Ready")["status"] == "True").await;
    assert!(sandbox.get(&format!("{RELEASES}/grafana")).await.1.get("status").is_none());
}

#[tokio::test]
async fn a_told_failure_fails_with_its_message_and_a_stall_stays_in_progress() {
    let fault = |target: &str, how| Fault { target: target.into(), how };
    let faults = vec![
        fault("HelmRelease/web/grafana", FaultHow::Fail("install retries exhausted".into())),
        fault("HelmRelease/web/slow", FaultHow::Stall),
    ];
    let sandbox = with_namespace(Options { faults, ..quick() }).await;
    sandbox.post(RELEASES, release()).await;
    let failed = sandbox.until(RELEASES, "grafana", |object| condition(object, "Ready")["status"] == "False").await;
    assert!(
        condition(&failed, "Ready")["message"].as_str().is_some_and(|m| m.contains("install retries exhausted")),
        "{failed}"
    );
    assert_eq!(condition(&failed, "Stalled")["status"], "True");
    let mut slow = release();
    slow["metadata"]["name"] = "slow".into();
    sandbox.post(RELEASES, slow).await;
    let stalled = sandbox.until(RELEASES, "slow", |object| !condition(object, "Ready").is_null()).await;
    assert_eq!(condition(&stalled, "Ready")["status"], "Unknown");
}

#[tokio::test]
async fn a_route_is_accepted_and_its_backend_is_resolved_when_it_appears() {
    let sandbox = with_namespace(quick()).await;
    sandbox.post(ROUTES, route("shared")).await;
    let before = sandbox.until(ROUTES, "grafana", |object| parent(object, "Accepted")["status"] == "True").await;
    assert_eq!(parent(&before, "ResolvedRefs")["reason"], "BackendNotFound");
    assert_eq!(sandbox.answer_http("GET", "grafana.example.com:443", "/api/health").map(|a| a.0), Some(503));
    sandbox.post(RELEASES, release()).await;
    sandbox.until(ROUTES, "grafana", |object| parent(object, "ResolvedRefs")["status"] == "True").await;
    sandbox.until(RELEASES, "grafana", |object| condition(object, "Ready")["status"] == "True").await;
    assert_eq!(sandbox.answer_http("GET", "grafana.example.com", "/api/health?x=1").map(|a| a.0), Some(200));
    assert_eq!(sandbox.answer_http("GET", "grafana.example.com", "/apis").map(|a| a.0), Some(404));
    assert_eq!(sandbox.answer_http("GET", "other.example.com", "/api"), None);
}

#[tokio::test]
async fn a_route_to_a_missing_gateway_is_not_accepted() {
    let sandbox = with_namespace(quick()).await;
    sandbox.post(ROUTES, route("absent")).await;
    let refused = sandbox.until(ROUTES, "grafana", |object| parent(object, "Accepted")["status"] == "False").await;
    assert_eq!(parent(&refused, "Accepted")["reason"], "NoMatchingParent");
    assert_eq!(sandbox.answer_http("GET", "grafana.example.com", "/api").map(|a| a.0), Some(404));
}

#[tokio::test]
async fn a_deleted_namespace_takes_everything_with_it() {
    let sandbox = with_namespace(quick()).await;
    sandbox.post("/api/v1/namespaces/web/configmaps", config_map("plain", json!({}))).await;
    let mut held = config_map("held", json!({}));
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    sandbox.post("/api/v1/namespaces/web/configmaps", held).await;
    let mut lines = sandbox.watch("/api/v1/namespaces?watch=true&fieldSelector=metadata.name%3Dweb").await;
    assert_eq!(lines.next().await["type"], "ADDED");
    let (code, ending) = sandbox.delete("/api/v1/namespaces/web").await;
    assert_eq!((code, &ending["status"]["phase"]), (200, &json!("Terminating")));
    let (code, body) = sandbox.post("/api/v1/namespaces/web/configmaps", config_map("late", json!({}))).await;
    assert!(code == 403 && body["details"]["causes"][0]["reason"] == "NamespaceTerminating", "{code} {body}");
    let maps = "/api/v1/namespaces/web/configmaps";
    sandbox.until(maps, "held", |object| object["metadata"]["deletionTimestamp"].is_string()).await;
    assert_eq!(sandbox.get(&format!("{maps}/plain")).await.0, 404);
    sandbox.merge(&format!("{maps}/held"), json!({"metadata": {"finalizers": null}})).await;
    loop {
        if lines.next().await["type"] == "DELETED" {
            break;
        }
    }
    assert_eq!(sandbox.get("/api/v1/namespaces/web").await.0, 404);
    let (code, _) = sandbox.delete("/api/v1/namespaces/default").await;
    assert_eq!(code, 403);
}

#[tokio::test]
async fn a_person_sees_progress_before_ready() {
    let sandbox = with_namespace(Options { timing: Timing::default(), ..Options::default() }).await;
    let started = tokio::time::Instant::now();
    sandbox.post(RELEASES, release()).await;
    let working = sandbox.until(RELEASES, "grafana", |object| !condition(object, "Ready").is_null()).await;
    assert_eq!(condition(&working, "Reconciling")["status"], "True");
    sandbox.until(RELEASES, "grafana", |object| condition(object, "Ready")["status"] == "True").await;
    assert!(started.elapsed() >= Duration::from_millis(300), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_backup_that_is_asked_for_by_hand_is_done_and_a_paused_source_takes_none() {
    const SOURCES: &str = "/apis/volsync.backube/v1alpha1/namespaces/web/replicationsources";
    let sandbox = with_namespace(quick()).await;
    let any = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "replicationsources.volsync.backube"},
        "spec": {
            "group": "volsync.backube", "scope": "Namespaced",
            "names": {"kind": "ReplicationSource", "plural": "replicationsources"},
            "versions": [{"name": "v1alpha1", "served": true, "storage": true, "subresources": {"status": {}},
                          "schema": {"openAPIV3Schema": any}}],
        },
    });
    let (code, answer) = sandbox.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition).await;
    assert_eq!(code, 201, "{answer}");
    let source = |name: &str, paused: bool| {
        json!({"apiVersion": "volsync.backube/v1alpha1", "kind": "ReplicationSource", "metadata": {"name": name},
               "spec": {"sourcePVC": name, "paused": paused, "trigger": {"manual": "now"}}})
    };
    for (name, paused) in [("rests", true), ("works", false)] {
        assert_eq!(sandbox.post(SOURCES, source(name, paused)).await.0, 201);
    }
    let done = sandbox.until(SOURCES, "works", |object| object["status"]["lastManualSync"] == "now").await;
    assert_eq!(done["status"]["latestMoverStatus"]["result"], "Successful");
    let (_, rests) = sandbox.get(&format!("{SOURCES}/rests")).await;
    assert!(rests["status"].is_null(), "{rests}");
}
