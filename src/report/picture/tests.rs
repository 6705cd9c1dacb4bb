use serde_json::json;

use super::*;
use crate::{
    model::{Item, Step},
    report::fixture,
};

fn manifests() -> Vec<Value> {
    vec![
        json!({"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
            "metadata": {"name": "grafana-admin", "namespace": "monitoring"},
            "spec": {"secretStoreRef": {"kind": "ClusterSecretStore", "name": "vault"}, "target": {"name": "grafana-admin"}}}),
        json!({"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease",
            "metadata": {"name": "grafana", "namespace": "monitoring"},
            "spec": {"valuesFrom": [{"kind": "Secret", "name": "grafana-admin"}]}}),
    ]
}

fn said(picture: &Picture) -> Vec<String> {
    let name = |id: &str| picture.node(id).unwrap().label.clone();
    picture.edges.iter().map(|e| format!("{} {} {} {}", name(&e.from), e.sort.word(), name(&e.to), e.why)).collect()
}

#[test]
fn steps_lead_to_what_they_touch_and_that_to_what_it_needs() {
    let picture = Picture::of(&fixture::plan(), manifests(), None);
    let said = said(&picture);
    for line in [
        "1. Prerequisites has Create namespace ",
        "Create namespace touches Namespace/monitoring apply",
        "Deploy Grafana touches HelmRelease/monitoring/grafana apply",
        "ExternalSecret/monitoring/grafana-admin needs ClusterSecretStore/vault spec.secretStoreRef",
        "HelmRelease/monitoring/grafana needs Namespace/monitoring metadata.namespace",
        "the new pods exhaust the namespace quota affects Namespace/monitoring ",
    ] {
        assert!(said.iter().any(|it| it == line), "{line}\n{said:#?}");
    }
    let namespace = picture.node("object:Namespace/monitoring").unwrap();
    assert!(namespace.touched && namespace.at_risk && namespace.exists.is_none());
    assert!(picture.nodes.iter().all(|node| picture.nodes.iter().filter(|other| other.id == node.id).count() == 1));
    assert!(picture.edges.iter().all(|e| picture.node(&e.from).is_some() && picture.node(&e.to).is_some()));
}

#[test]
fn on_a_cluster_what_depends_on_the_touched_is_in_it_and_what_is_missing_is_marked() {
    let held = vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "monitoring"}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "reader", "namespace": "monitoring"},
            "spec": {"template": {"spec": {"volumes": [{"secret": {"secretName": "grafana-admin"}}]}}}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "far", "namespace": "elsewhere"}}),
    ];
    let picture = Picture::of(&fixture::plan(), manifests(), Some(held));
    let exists = |id: &str| picture.node(id).unwrap_or_else(|| panic!("{id}: {picture:#?}")).exists;
    assert_eq!(exists("object:Namespace/monitoring"), Some(true));
    assert_eq!(exists("object:Deployment.apps/monitoring/reader"), Some(true), "it is in the namespace");
    assert_eq!(exists("object:ClusterSecretStore/vault"), Some(false));
    assert!(picture.nodes.iter().all(|node| !node.label.contains("far")), "nothing leads there");
}

#[test]
fn what_is_no_object_is_in_it_under_its_own_name() {
    let mut plan = fixture::plan();
    let Item::Step(step) = &mut plan.phases[0].items[0] else { panic!("a step") };
    step.trial = vec![Touch::new(Verb::Run, "kubectl annotate ns/x a=b"), Touch::new(Verb::Write, "a/b.txt")];
    step.touches = vec!["Node/worker-1".into(), "the router".into()];
    let picture = Picture::of(&plan, vec![], None);
    for id in ["thing:kubectl annotate ns/x a=b", "thing:a/b.txt", "thing:the router"] {
        assert_eq!(picture.node(id).unwrap().sort, NodeSort::Thing);
    }
    assert!(picture.node("object:Node/worker-1").unwrap().touched);
}

/// A plan of `steps` steps, each with `each` objects of its own.
pub(in crate::report) fn large(steps: usize, each: usize) -> Plan {
    let mut plan = fixture::plan();
    let step = |n: usize| Step {
        id: crate::model::StepId::of("prerequisites", &format!("step {n}")),
        title: format!("step {n}"),
        trial: (0..each).map(|m| Touch::new(Verb::Apply, format!("ConfigMap/space-{}/map-{n}-{m}", n % 7))).collect(),
        ..plan.steps().next().unwrap().clone()
    };
    plan.phases[0].items = (0..steps).map(|n| Item::Step(step(n))).collect();
    plan
}

#[test]
fn what_would_be_too_many_boxes_is_joined_until_it_can_be_read() {
    for (steps, each) in [(10, 1), (20, 40), (150, 3), (500, 1)] {
        let picture = Picture::of(&large(steps, each), vec![], None);
        assert!(picture.nodes.len() > steps * each, "all of it is in the values");
        let (image, drawn) = svg(&picture);
        assert!(drawn.nodes.len() <= 200, "{steps} × {each}: {}", drawn.nodes.len());
        assert_eq!(image.matches("<rect").count(), drawn.nodes.len());
        assert!(drawn.edges.iter().all(|e| drawn.node(&e.from).is_some() && drawn.node(&e.to).is_some()));
        if steps * each > 200 && steps < 200 {
            assert!(image.contains(" × ConfigMap"), "{image}");
        }
    }
}
