//! What preflight finds on a real API server.

use std::time::Duration;

use serde_json::json;

use super::{World, play};
use crate::apiserver;

fn step(title: &str, change: &str) -> String {
    format!("step(\"{title}\").change(|| {change}).verify(\"so\", || true).undo(\"by hand\");\n")
}

#[test]
fn a_real_server_is_asked_for_everything_before_anything_changes() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("ahead");
    server.apply(&format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: shop, namespace: {ns}}}, data: {{level: info}}}}
---
{{apiVersion: v1, kind: Secret, metadata: {{name: shop-login, namespace: {ns}}}}}
---
{{apiVersion: v1, kind: ResourceQuota, metadata: {{name: compute, namespace: {ns}}}, spec: {{hard: {{pods: '1'}}}}}}"
    ));
    let map = |data: &str| {
        format!(
            "k8s::apply(#{{ apiVersion: \"v1\", kind: \"ConfigMap\", metadata: #{{ name: \"shop\", namespace: \"{ns}\" }}, {data} }})"
        )
    };
    let deployment = format!(
        "k8s::apply(#{{ apiVersion: \"apps/v1\", kind: \"Deployment\", metadata: #{{ name: \"shop\", namespace: \"{ns}\" }}, spec: #{{ replicas: 2, selector: #{{ matchLabels: #{{ a: \"b\" }} }},
            template: #{{ metadata: #{{ labels: #{{ a: \"b\" }} }}, spec: #{{ containers: [#{{ name: \"c\", image: \"i\", envFrom: [#{{ secretRef: #{{ name: \"login\" }} }}] }}] }} }} }} }})"
    );
    let steps = [
        step("Differ", &map("data: #{ extra: \"yes\" }")),
        step("Field", &map("datas: #{ a: \"b\" }").replace("\"shop\"", "\"other\"")),
        step("Roll out", &deployment),
        step(
            "Early",
            "k8s::apply(#{ apiVersion: \"admissionregistration.k8s.io/v1alpha1\", kind: \"MutatingAdmissionPolicy\", metadata: #{ name: \"m\" } })",
        ),
        step(
            "Old",
            &format!(
                "k8s::apply(#{{ apiVersion: \"policy/v1beta1\", kind: \"PodDisruptionBudget\", metadata: #{{ name: \"p\", namespace: \"{ns}\" }} }})"
            ),
        ),
        step(
            "Away",
            "k8s::apply(#{ apiVersion: \"v1\", kind: \"ConfigMap\", metadata: #{ name: \"a\", namespace: \"kube-sytem\" } })",
        ),
        step("Dangling", &format!("k8s::annotate(\"Secret/{ns}/shop-logn\", #{{ a: \"b\" }})")),
    ];
    let world = World::new("[contexts.staging]\n", &[("staging", server)]);
    world.file("p.rhai", &play("\"staging\"", "true", &steps.concat()));
    let ended = world.run("run p.rhai --context staging");
    ended
        .exits(12)
        .says(&format!("ConfigMap/{ns}/shop is there already and differs: data.extra: (none) → \"yes\""))
        .says(&format!("ConfigMap/{ns}/other"))
        .says("datas")
        .says(&format!("Deployment/{ns}/shop: spec.template.spec.containers[0].envFrom[0].secretRef names Secret/{ns}/login, which does not exist"))
        .says("did you mean `shop-login`?")
        .says(&format!("ResourceQuota/{ns}/compute leaves 1 of pods (0 of 1 are used), and up to Deployment/{ns}/shop 2 are needed"))
        .says("does not serve admissionregistration.k8s.io/v1alpha1 MutatingAdmissionPolicy")
        .says("--runtime-config=admissionregistration.k8s.io/v1alpha1=true")
        .says("versions that are served: policy/v1")
        .says("write apiVersion: policy/v1")
        .says("namespace `kube-sytem` does not exist")
        .says("did you mean `Namespace/kube-system`?")
        .says(&format!("k8s::annotate: Secret/{ns}/shop-logn does not exist"))
        .says(&format!("did you mean `Secret/{ns}/shop-login`?"));
    let journal = world.journal(&world.new_run(&[]));
    assert!(journal.of("effect").is_empty());
    assert!(server.get(&format!("Deployment.apps/{ns}/shop")).is_none());
    assert_eq!(server.get(&format!("ConfigMap/{ns}/shop")).unwrap()["data"], json!({ "level": "info" }));
}

#[test]
fn fifty_steps_are_looked_at_with_few_requests_and_soon() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("fifty");
    let steps: String = (0..50)
        .map(|n| {
            step(&format!("Apply {n}"), &format!("k8s::apply(#{{ apiVersion: \"v1\", kind: \"ConfigMap\", metadata: #{{ name: \"o-{n}\", namespace: \"{ns}\" }} }})"))
                .replace("|| true", &format!("|| k8s::exists(\"ConfigMap/{ns}/o-{n}\")"))
        })
        .collect();
    let world = World::new("[contexts.staging]\n", &[("staging", server)]);
    world.file("p.rhai", &play("\"staging\"", "true", &steps));
    let begun = std::time::Instant::now();
    world.run("plan p.rhai --context staging").exits(0);
    let took = begun.elapsed();
    println!("a plan of 50 steps over a real API server, a debug build: {took:?}");
    assert!(took < Duration::from_secs(20), "{took:?}");
}
