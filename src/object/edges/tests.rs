use serde_json::{Value, json};

use super::*;
use crate::object::objects;

/// An app as Flux keeps it: secret from a vault, chart, route.
const APP: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: monitoring}
---
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: onepassword-connect}
spec: {provider: {onepassword: {auth: {secretRef: {connectTokenSecretRef: {name: token, namespace: vault, key: t}}}}}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: grafana, namespace: monitoring}
spec:
  secretStoreRef: {kind: ClusterSecretStore, name: onepassword-connect}
  target: {name: grafana-admin}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: grafana, namespace: flux-system}
spec: {url: "https://example.com"}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: grafana, namespace: monitoring}
spec:
  chart: {spec: {chart: grafana, sourceRef: {kind: HelmRepository, name: grafana, namespace: flux-system}}}
  dependsOn: [{name: prometheus}]
  valuesFrom: [{kind: Secret, name: grafana-admin}]
---
apiVersion: apps/v1
kind: Deployment
metadata:
  {name: grafana, namespace: monitoring, uid: d1, labels: {helm.toolkit.fluxcd.io/name: grafana, helm.toolkit.fluxcd.io/namespace: monitoring}}
spec:
  template:
    metadata: {labels: {app: grafana}}
    spec:
      serviceAccountName: grafana
      volumes: [{name: a, persistentVolumeClaim: {claimName: data}}, {name: b, configMap: {name: dashboards}}]
      containers: [{name: g, env: [{name: P, valueFrom: {secretKeyRef: {name: grafana-admin, key: p}}}]}]
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: grafana-1, namespace: monitoring, uid: r1, ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: grafana, uid: d1, controller: true}]}
spec:
  template:
    metadata: {labels: {app: grafana}}
    spec: {serviceAccountName: grafana, volumes: [{name: b, configMap: {name: dashboards}}]}
---
apiVersion: v1
kind: Service
metadata: {name: grafana, namespace: monitoring, labels: {app: grafana}}
spec: {selector: {app: grafana}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: grafana, namespace: monitoring}
spec:
  parentRefs: [{name: external, namespace: gateways}]
  rules: [{backendRefs: [{name: grafana, port: 80}]}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: grafana, namespace: monitoring}
spec: {selector: {matchExpressions: [{key: app, operator: In, values: [grafana]}]}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: grafana, namespace: monitoring}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: grafana}}
"#;

fn app() -> Vec<Value> {
    objects(APP, "app.yaml").unwrap()
}

/// Each object that is reached, with the path of fields to it.
fn reached(graph: &Graph, of: &str, direction: Direction) -> Vec<String> {
    let impact = graph.impact(&[of.parse().unwrap()], direction);
    let mut lines: Vec<String> = (1..impact.reached.len())
        .map(|place| {
            let by: Vec<&str> =
                impact.path(place).into_iter().skip(1).map(|at| impact.reached[at].by.as_deref().unwrap()).collect();
            let Reached { object, exists, .. } = &impact.reached[place];
            format!("{object}{} by {}", if *exists { "" } else { " (missing)" }, by.join(" > "))
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn what_depends_on_a_secret_store_is_reached_through_the_secret_that_it_fills() {
    let graph = Graph::of(&app());
    let lines = reached(&graph, "ClusterSecretStore/onepassword-connect", Direction::Dependents);
    assert!(lines.contains(&"ExternalSecret.external-secrets.io/monitoring/grafana by spec.secretStoreRef".into()));
    assert!(lines.contains(&"Secret/monitoring/grafana-admin (missing) by spec.secretStoreRef > spec.target".into()));
    assert!(
        lines.iter().any(|line| line.starts_with(
            "Deployment.apps/monitoring/grafana by spec.secretStoreRef > spec.target > spec.template.spec.containers[0]"
        )),
        "{lines:#?}"
    );
    assert!(lines.iter().any(|line| line.starts_with("HTTPRoute.")), "through the Service: {lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("HorizontalPodAutoscaler.")));
    assert!(lines.iter().any(|line| line.starts_with("PodDisruptionBudget.")));
}

#[test]
fn what_an_app_needs_is_reached_with_what_is_missing_marked() {
    let graph = Graph::of(&app());
    let lines = reached(&graph, "HTTPRoute/monitoring/grafana", Direction::Needs);
    for line in [
        "Gateway/gateways/external (missing) by spec.parentRefs[0]",
        "Service/monitoring/grafana by spec.rules[0].backendRefs[0]",
        "Deployment.apps/monitoring/grafana by spec.rules[0].backendRefs[0] > spec.selector",
        "HelmRelease.helm.toolkit.fluxcd.io/monitoring/grafana by spec.rules[0].backendRefs[0] > spec.selector > metadata.labels[helm.toolkit.fluxcd.io/name]",
        "Secret/vault/token (missing) by spec.rules[0].backendRefs[0] > spec.selector > spec.template.spec.containers[0].env[0].valueFrom.secretKeyRef > spec.target > spec.secretStoreRef > spec.provider.onepassword.auth.secretRef.connectTokenSecretRef",
        "PersistentVolumeClaim/monitoring/data (missing) by spec.rules[0].backendRefs[0] > spec.selector > spec.template.spec.volumes[0].persistentVolumeClaim.claimName",
    ] {
        assert!(lines.contains(&line.to_owned()), "{line}\nis not in {lines:#?}");
    }
    assert!(lines.iter().any(|line| line.starts_with("HelmRelease/monitoring/prometheus (missing)")), "{lines:#?}");
}

#[test]
fn a_replica_set_is_reached_through_its_deployment_and_not_beside_it() {
    let graph = Graph::of(&app());
    let lines = reached(&graph, "ConfigMap/monitoring/dashboards", Direction::Dependents);
    let sets: Vec<&String> = lines.iter().filter(|line| line.starts_with("ReplicaSet")).collect();
    assert_eq!(sets.len(), 1);
    assert!(sets[0].ends_with("> metadata.ownerReferences[0]"), "{sets:?}");
}

#[test]
fn instances_of_a_custom_resource_need_its_definition() {
    let crd = json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "externalsecrets.external-secrets.io" },
        "spec": { "group": "external-secrets.io", "names": { "kind": "ExternalSecret" } } });
    let graph = Graph::of(&[app(), vec![crd]].concat());
    let lines = reached(&graph, "CustomResourceDefinition/externalsecrets.external-secrets.io", Direction::Dependents);
    assert!(lines.contains(&"ExternalSecret.external-secrets.io/monitoring/grafana by kind".into()), "{lines:#?}");
}

#[test]
fn a_webhook_that_fails_closed_stands_in_front_of_its_kinds() {
    let hook = json!({ "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": { "name": "policy" },
        "webhooks": [{ "clientConfig": { "service": { "name": "policy", "namespace": "security" } },
            "rules": [{ "resources": ["pods", "pods/exec"] }] },
            { "failurePolicy": "Ignore", "clientConfig": { "url": "https://x" }, "rules": [{ "resources": ["secrets"] }] }] });
    let graph = Graph::of(&[hook]);
    let lines = reached(&graph, "Service/security/policy", Direction::Dependents);
    assert_eq!(
        lines,
        [
            "ValidatingWebhookConfiguration.admissionregistration.k8s.io/policy by webhooks[0].clientConfig.service",
            "pods/* (missing) by webhooks[0].clientConfig.service > webhooks[0].rules",
        ]
    );
}

#[test]
fn an_object_that_nothing_knows_is_there_alone() {
    let impact = Graph::of(&app()).impact(&["ConfigMap/x/y".parse().unwrap()], Direction::Dependents);
    assert_eq!(impact.reached.len(), 1);
    assert!(!impact.reached[0].exists);
}

#[test]
fn a_kind_that_nobody_foresaw_is_read_by_the_names_of_its_fields() {
    let object = json!({ "apiVersion": "example.com/v1", "kind": "Widget", "metadata": { "name": "w", "namespace": "n" },
        "spec": { "deep": [{ "tlsSecretRef": { "name": "tls" } }], "targetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "d" },
            "replicas": 1, "name": "not a reference" } });
    let to: Vec<String> = links(&object)
        .into_iter()
        .map(|link| match link.to {
            Reach::One(to) => format!("{to} by {}", link.by),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(
        to,
        [
            "Namespace/n by metadata.namespace",
            "Secret/n/tls by spec.deep[0].tlsSecretRef",
            "Deployment.apps/n/d by spec.targetRef"
        ]
    );
}
