//! Flux, External Secrets and Gateway API: happy paths, what depends on what, and faults.

use super::*;

const SOURCES: &str = "/apis/source.toolkit.fluxcd.io/v1/namespaces/flux-system/gitrepositories";
const KUSTOMIZATIONS: &str = "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations";
const RELEASES: &str = "/apis/helm.toolkit.fluxcd.io/v2/namespaces/flux-system/helmreleases";
const STORES: &str = "/apis/external-secrets.io/v1/clustersecretstores";
const GATEWAYS: &str = "/apis/gateway.networking.k8s.io/v1/namespaces/gateway/gateways";

fn telling(faults: &[&str]) -> Sandbox {
    let sandbox = sandbox();
    let faults = faults.iter().map(|text| text.parse().expect("a fault")).collect();
    sandbox.set_faults(faults).expect("they do something");
    sandbox
}

fn repository() -> Value {
    json!({"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": {"name": "fleet"},
           "spec": {"url": "https://git.example.com/fleet", "interval": "1m", "ref": {"branch": "main"}}})
}

fn kustomization(name: &str, after: &[&str]) -> Value {
    let depends: Vec<Value> = after.iter().map(|name| json!({"name": name})).collect();
    json!({"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": {"name": name},
           "spec": {"interval": "10m", "path": "./", "prune": true, "dependsOn": depends,
                    "sourceRef": {"kind": "GitRepository", "name": "fleet"}}})
}

fn is_ready(object: &Value) -> bool {
    condition(object, "Ready")["status"] == "True"
}

#[tokio::test]
async fn a_kustomization_applies_the_revision_of_its_source() {
    let sandbox = sandbox();
    sandbox.post(KUSTOMIZATIONS, kustomization("apps", &[])).await;
    let early = sandbox.until(KUSTOMIZATIONS, "apps", |object| condition(object, "Ready")["status"] == "False").await;
    assert_eq!(condition(&early, "Ready")["reason"], "ArtifactFailed");
    sandbox.post(SOURCES, repository()).await;
    let source = sandbox.until(SOURCES, "fleet", is_ready).await;
    let revision = &source["status"]["artifact"]["revision"];
    assert!(revision.as_str().is_some_and(|revision| revision.starts_with("main@sha1:")), "{source}");
    let applied = sandbox.until(KUSTOMIZATIONS, "apps", is_ready).await;
    assert_eq!(applied["status"]["lastAppliedRevision"], *revision);
    assert_eq!(condition(&applied, "Ready")["reason"], "ReconciliationSucceeded");
}

#[tokio::test]
async fn what_depends_on_something_waits_for_it() {
    let sandbox = telling(&["Kustomization/flux-system/base: the health check timed out"]);
    sandbox.post(SOURCES, repository()).await;
    sandbox.post(KUSTOMIZATIONS, kustomization("base", &[])).await;
    sandbox.post(KUSTOMIZATIONS, kustomization("apps", &["base"])).await;
    let failed = |object: &Value| condition(object, "Ready")["status"] == "False";
    let base = sandbox
        .until(KUSTOMIZATIONS, "base", |object| {
            failed(object) && condition(object, "Ready")["reason"] != "ArtifactFailed"
        })
        .await;
    assert_eq!(condition(&base, "Ready")["message"], "the health check timed out");
    let waits = |object: &Value| condition(object, "Ready")["reason"] == "DependencyNotReady";
    let apps = sandbox.until(KUSTOMIZATIONS, "apps", waits).await;
    assert!(condition(&apps, "Ready")["message"].to_string().contains("flux-system/base"), "{apps}");
    sandbox.set_faults(vec![]).expect("none");
    sandbox.until(KUSTOMIZATIONS, "apps", is_ready).await;
}

#[tokio::test]
async fn a_requested_reconciliation_is_handled_and_a_suspended_one_is_not() {
    let sandbox = sandbox();
    sandbox.post(SOURCES, repository()).await;
    sandbox.until(SOURCES, "fleet", is_ready).await;
    let ask = |at: &str| json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": at}}});
    sandbox.merge(&format!("{SOURCES}/fleet"), ask("once")).await;
    sandbox
        .until(SOURCES, "fleet", |object| is_ready(object) && object["status"]["lastHandledReconcileAt"] == "once")
        .await;
    sandbox.merge(&format!("{SOURCES}/fleet"), json!({"spec": {"suspend": true}})).await;
    sandbox.merge(&format!("{SOURCES}/fleet"), ask("twice")).await;
    // another object, handled after it, shows that it was looked at
    sandbox.post(KUSTOMIZATIONS, kustomization("apps", &[])).await;
    sandbox.until(KUSTOMIZATIONS, "apps", |object| !condition(object, "Ready").is_null()).await;
    assert_eq!(sandbox.get(&format!("{SOURCES}/fleet")).await.1["status"]["lastHandledReconcileAt"], "once");
}

#[tokio::test]
async fn a_release_waits_for_a_source_that_failed() {
    let sandbox = telling(&["HelmRepository/flux-system/charts: no such host"]);
    let repository = json!({"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "HelmRepository", "metadata": {"name": "charts"},
                            "spec": {"url": "https://charts.example.com", "interval": "1h"}});
    let repositories = "/apis/source.toolkit.fluxcd.io/v1/namespaces/flux-system/helmrepositories";
    sandbox.post(repositories, repository).await;
    sandbox.until(repositories, "charts", |object| condition(object, "Ready")["status"] == "False").await;
    let release = json!({"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "metadata": {"name": "grafana"},
        "spec": {"interval": "5m", "chart": {"spec": {"chart": "grafana", "sourceRef": {"kind": "HelmRepository", "name": "charts"}}}}});
    sandbox.post(RELEASES, release).await;
    let failed = sandbox.until(RELEASES, "grafana", |object| condition(object, "Ready")["status"] == "False").await;
    assert_eq!(condition(&failed, "Ready")["reason"], "SourceNotReady");
    assert!(condition(&failed, "Ready")["message"].to_string().contains("no such host"), "{failed}");
    sandbox.set_faults(vec![]).expect("none");
    sandbox.until(RELEASES, "grafana", is_ready).await;
}

#[tokio::test]
async fn a_secret_store_is_validated_or_says_why_not() {
    let sandbox = telling(&["ClusterSecretStore/broken: the token expired"]);
    for name in ["vault", "broken"] {
        let store = json!({"apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore", "metadata": {"name": name},
                           "spec": {"provider": {"vault": {"server": "https://vault.example.com"}}}});
        sandbox.post(STORES, store).await;
    }
    let valid = sandbox.until(STORES, "vault", is_ready).await;
    assert_eq!(condition(&valid, "Ready")["reason"], "Valid");
    let broken = sandbox.until(STORES, "broken", |object| condition(object, "Ready")["status"] == "False").await;
    assert_eq!(condition(&broken, "Ready")["message"], "the token expired");
}

#[tokio::test]
async fn a_gateway_is_programmed_and_counts_its_routes() {
    let sandbox = telling(&["Gateway/gateway/refused: no address is left"]);
    let gateway = |name: &str| {
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": name},
            "spec": {"gatewayClassName": "sandbox", "listeners": [
                {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}}]}})
    };
    sandbox.post(GATEWAYS, gateway("own")).await;
    sandbox.post(GATEWAYS, gateway("refused")).await;
    let programmed = |status: &'static str| move |object: &Value| condition(object, "Programmed")["status"] == status;
    let own = sandbox.until(GATEWAYS, "own", programmed("True")).await;
    assert!(own["status"]["addresses"][0]["value"].is_string(), "{own}");
    let refused = sandbox.until(GATEWAYS, "refused", programmed("False")).await;
    assert_eq!(condition(&refused, "Programmed")["message"], "no address is left");
    let route = json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "r"},
        "spec": {"parentRefs": [{"name": "own"}], "hostnames": ["a.example.com"]}});
    sandbox.post("/apis/gateway.networking.k8s.io/v1/namespaces/gateway/httproutes", route).await;
    sandbox.until(GATEWAYS, "own", |object| object["status"]["listeners"][0]["attachedRoutes"] == 1).await;
}

#[tokio::test]
async fn what_a_live_cluster_dumped_keeps_its_identity_and_its_status() {
    let sandbox = sandbox();
    let release = json!({"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease",
        "metadata": {"name": "old", "namespace": "apps", "uid": "11111111-2222-4333-8444-555555555555", "generation": 7,
                     "resourceVersion": "991", "creationTimestamp": "2024-01-01T00:00:00Z"},
        "spec": {"interval": "5m", "chart": {"spec": {"chart": "old"}}},
        "status": {"observedGeneration": 7, "conditions": [
            {"type": "Ready", "status": "False", "reason": "UpgradeFailed", "message": "as it was",
             "lastTransitionTime": "2024-01-01T00:00:00Z"}]}});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "apps"},
                        "stringData": {"password": "canary"}});
    let own = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system", "uid": "another"}});
    let unknown = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}});
    let uid = sandbox.uid();
    let loaded = sandbox.load(vec![release, secret, own, unknown]);
    assert_eq!((loaded.made, loaded.replaced, loaded.namespaces.as_slice()), (2, 1, &["apps".to_owned()][..]));
    assert!(loaded.left_out[0].why.contains("CustomResourceDefinition"), "{loaded:?}");
    assert_eq!(sandbox.uid(), uid, "the sandbox stays the cluster that it is");
    let (_, secret) = sandbox.get("/api/v1/namespaces/apps/secrets/s").await;
    assert!(!secret.to_string().contains(&super::secrets::encode(b"canary")), "{secret}");
    let releases = "/apis/helm.toolkit.fluxcd.io/v2/namespaces/apps/helmreleases";
    // a second object, settled after it, shows that the controllers had their time
    sandbox.post(SOURCES, repository()).await;
    sandbox.until(SOURCES, "fleet", is_ready).await;
    let (_, kept) = sandbox.get(&format!("{releases}/old")).await;
    assert_eq!(kept["metadata"]["uid"], "11111111-2222-4333-8444-555555555555");
    assert_eq!(
        (&kept["metadata"]["generation"], &condition(&kept, "Ready")["message"]),
        (&json!(7), &json!("as it was"))
    );
    assert_ne!(kept["metadata"]["resourceVersion"], "991");
    sandbox.merge(&format!("{releases}/old"), json!({"spec": {"interval": "1m"}})).await;
    sandbox.until(releases, "old", is_ready).await;
}

#[tokio::test]
async fn a_reset_sandbox_is_another_cluster_with_nothing_of_before() {
    let sandbox = sandbox();
    let uid = sandbox.uid();
    sandbox.post(MAPS, config_map("a", json!({}))).await;
    assert!(sandbox.reset().expect("done") > 10);
    assert_eq!(sandbox.get(&format!("{MAPS}/a")).await.0, 404);
    assert_ne!(sandbox.uid(), uid);
    assert_eq!(sandbox.get(GATEWAYS).await.1["items"][0]["metadata"]["name"], "shared");
}
