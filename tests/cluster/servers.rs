//! What the other tests build on: the servers, the CRDs and the played controllers are what they claim to be.

use std::time::Duration;

use reqwest::Method;

use crate::apiserver::{self, Cluster, Controllers, eventually};

fn helm_release(namespace: &str, chart: &str) -> String {
    format!(
        "apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {{name: grafana, namespace: {namespace}}}
spec:
  interval: 10m
  chartRef: {{kind: OCIRepository, name: {chart}}}
"
    )
}

#[test]
fn two_clusters_run_and_are_not_the_same() {
    let Some(clusters) = apiserver::shared() else { return };
    assert_ne!(clusters.staging().uid(), clusters.main().uid());
    let ns = clusters.staging().namespace("only-staging");
    let found = clusters.staging().get(&format!("Namespace/{ns}")).unwrap();
    assert_eq!(found["status"]["phase"], "Active");
    assert!(clusters.main().get(&format!("Namespace/{ns}")).is_none());
}

#[test]
fn the_published_crds_are_served() {
    let Some(clusters) = apiserver::shared() else { return };
    let main = clusters.main();
    let Some(()) = main.crds(&["fluxcd", "external-secrets", "gateway-api"]) else { return };
    for path in [
        "/apis/helm.toolkit.fluxcd.io/v2/helmreleases",
        "/apis/kustomize.toolkit.fluxcd.io/v1/kustomizations",
        "/apis/source.toolkit.fluxcd.io/v1/ocirepositories",
        "/apis/external-secrets.io/v1/clustersecretstores",
        "/apis/gateway.networking.k8s.io/v1/httproutes",
    ] {
        assert!(main.client().read(path)["items"].is_array(), "{path}");
    }
}

#[test]
fn the_played_controllers_write_status_and_can_be_told_to_fail() {
    let Some(clusters) = apiserver::shared() else { return };
    let staging = clusters.staging();
    let Some(()) = staging.crds(&["fluxcd", "external-secrets", "gateway-api"]) else { return };
    let (ns, other) = (staging.namespace("controllers"), staging.namespace("elsewhere"));
    let controllers = Controllers::play(staging, &[&ns]);
    staging.apply(&helm_release(&other, "grafana"));
    staging.apply(&helm_release(&ns, "grafana"));
    let ready = |status: &'static str, generation: u64| {
        move |o: &serde_json::Value| {
            let c = &o["status"]["conditions"][0];
            c["type"] == "Ready" && c["status"] == status && o["status"]["observedGeneration"] == generation
        }
    };
    let release = format!("HelmRelease/{ns}/grafana");
    staging.wait(&release, "it is Ready", ready("True", 1));
    controllers.fail(&release, "install retries exhausted");
    let failed = staging.wait(&release, "it is not Ready", ready("False", 1));
    assert_eq!(failed["status"]["conditions"][0]["message"], "install retries exhausted");
    controllers.mend(&release);
    staging.apply(&helm_release(&ns, "grafana-next"));
    staging.wait(&release, "it is Ready at its second generation", ready("True", 2));

    staging.apply(&format!(
        "apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {{name: grafana-admin, namespace: {ns}}}
spec:
  secretStoreRef: {{kind: ClusterSecretStore, name: onepassword-connect}}
  data: [{{secretKey: password, remoteRef: {{key: grafana}}}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: grafana, namespace: {ns}}}
spec:
  parentRefs: [{{name: shared, namespace: gateways}}]
  rules: [{{backendRefs: [{{name: grafana, port: 80}}]}}]
"
    ));
    let synced = staging.wait(&format!("ExternalSecret/{ns}/grafana-admin"), "it is synced", |o| {
        o["status"]["conditions"][0]["reason"] == "SecretSynced"
    });
    assert!(synced["status"]["syncedResourceVersion"].as_str().unwrap().starts_with("1-"));
    assert!(staging.get(&format!("Secret/{ns}/grafana-admin")).unwrap()["data"]["password"].is_string());
    let route = staging.wait(&format!("HTTPRoute/{ns}/grafana"), "its parents answered", |o| {
        o["status"]["parents"][0]["conditions"].as_array().is_some_and(|c| c.len() == 2)
    });
    assert_eq!(route["status"]["parents"][0]["parentRef"]["name"], "shared");

    // Its namespace is not theirs to look after.
    assert_ne!(staging.get(&format!("HelmRelease/{other}/grafana")).unwrap()["status"]["observedGeneration"], 1);
}

#[test]
fn a_deleted_namespace_goes_with_what_it_holds() {
    let Some(clusters) = apiserver::shared() else { return };
    let main = clusters.main();
    let ns = main.namespace("short-lived");
    main.apply(&format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: a, namespace: {ns}}}}}"));
    let _controllers = Controllers::play(main, &[&ns]);
    let reference = format!("Namespace/{ns}");
    main.client().delete(&reference);
    assert!(eventually(Duration::from_secs(30), || main.get(&reference).is_none().then_some(())).is_some());
}

#[test]
fn a_cluster_of_its_own_can_go_down_and_come_back_and_ends_with_its_owner() {
    let Some(cluster) = Cluster::start("staging") else { return };
    let (uid, dir) = (cluster.uid(), cluster.kubeconfig().parent().unwrap().to_owned());
    cluster.stop_api();
    assert!(!cluster.client().ready());
    cluster.start_api();
    assert_eq!(cluster.uid(), uid, "etcd keeps what was there");
    let url = cluster.url().trim_start_matches("https://").to_owned();
    drop(cluster);
    assert!(std::net::TcpStream::connect(url).is_err(), "the API server ends with its owner");
    assert!(!dir.exists(), "and nothing of it stays on disk");
}

#[test]
fn another_user_may_do_nothing_without_a_role() {
    let Some(clusters) = apiserver::shared() else { return };
    let staging = clusters.staging();
    let config = std::fs::read_to_string(staging.kubeconfig_as("visitor", &[])).unwrap();
    assert!(config.contains("\"current-context\": \"staging\""));
    let review = serde_json::json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {
        "user": "visitor", "resourceAttributes": {"verb": "list", "resource": "namespaces"}}});
    let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    let (_, answer) = staging.client().send(Method::POST, path, "application/json", review.to_string().into());
    assert_eq!(answer["status"]["allowed"], false);
}
