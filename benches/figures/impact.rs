//! Joining and following the edges between the objects of a large cluster.

use std::time::{Duration, Instant};

use runbook::object::edges::{Direction, Graph};
use serde_json::{Value, json};

use super::table::{Figure, Table, median};

const APPS: usize = 4_000;
const ROUNDS: usize = 5;

/// What depends on one namespace among 20,000 objects, once they are listed.
pub fn rows(table: &mut Table) {
    let objects: Vec<Value> = (0..APPS).flat_map(app).collect();
    let text = Value::from(objects.clone()).to_string();
    let (mut own, mut floor) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let reached =
            Graph::of(&objects).impact(&["Secret/team-0/shared".parse().expect("a reference")], Direction::Dependents);
        own.push(begun.elapsed());
        assert!(reached.reached.len() > APPS / 100, "every app of the team uses it");
        let begun = Instant::now();
        let parsed: Value = serde_json::from_str(&text).expect("it is JSON");
        floor.push(begun.elapsed());
        assert_eq!(parsed.as_array().map(Vec::len), Some(objects.len()));
    }
    table.row(
        "impact: 20,000 objects",
        Figure::Time(median(&mut own)),
        Some(Figure::Time(median(&mut floor))),
        Some(Figure::Time(Duration::from_secs(1))),
        format!("{} objects joined and followed from one Secret, median of {ROUNDS}; floor: parsing the same objects as JSON", objects.len()),
    );
}

fn app(n: usize) -> Vec<Value> {
    let (name, namespace) = (format!("app-{n}"), format!("team-{}", n % 40));
    let meta = json!({ "name": name, "namespace": namespace, "labels": { "app": name } });
    vec![
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": { "template": {
            "metadata": { "labels": { "app": name } },
            "spec": { "serviceAccountName": "default", "volumes": [{ "configMap": { "name": name } }],
                "containers": [{ "name": "c", "image": "i", "envFrom": [{ "secretRef": { "name": "shared" } }] }] } } } }),
        json!({ "apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": { "selector": { "app": name } } }),
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": { "a": "b" } }),
        json!({ "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta,
            "spec": { "selector": { "matchLabels": { "app": name } } } }),
        json!({ "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": meta,
            "spec": { "parentRefs": [{ "name": "shared", "namespace": "gateways" }], "rules": [{ "backendRefs": [{ "name": name }] }] } }),
    ]
}
