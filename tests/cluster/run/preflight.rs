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

#[test]
fn what_an_account_may_not_ask_is_one_warning_that_names_it_and_stops_nothing() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("unasked");
    server.apply(&format!("{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: default, namespace: {ns}}}}}"));
    let user = format!("user-{ns}");
    server.permit_identity(&user);
    server.permit(&user, &ns, "{apiGroups: [''], resources: [pods], verbs: [get, list, watch, patch, create]}");
    let world = World::new("[contexts.staging]\n", &[]);
    world.kubeconfig_of(&[("staging", server.kubeconfig_as(&user, &[]))], None);
    let pod = format!(
        "k8s::apply(#{{ apiVersion: \"v1\", kind: \"Pod\", metadata: #{{ name: \"p\", namespace: \"{ns}\" }}, spec: #{{ containers: [#{{ name: \"c\", image: \"i\",
            envFrom: [#{{ secretRef: #{{ name: \"login\" }} }}, #{{ configMapRef: #{{ name: \"tuning\" }} }}] }}] }} }})"
    );
    let verify = format!("k8s::exists(\"Pod/{ns}/p\")");
    world.file("p.rhai", &play("\"staging\"", &verify, &step("Pod", &pod).replace("|| true", &format!("|| {verify}"))));
    let ended = world.run("run p.rhai --context staging");
    ended
        .exits(0)
        .says("preflight  1 warning")
        .says(&format!("not all could be checked: account {user} may not: list configmaps, resourcequotas and secrets in namespace {ns}"))
        .says(&format!("whether ConfigMap/{ns}/tuning and Secret/{ns}/login are there"))
        .says(&format!("how much room the quotas leave in namespace {ns}"));
    assert_eq!(ended.err.matches("checked").count(), 1, "{}", ended.err);
}

#[test]
fn a_real_servers_definition_says_the_same_before_and_after_it_is_there() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("defined");
    let world = World::new("[contexts.staging]\n", &[("staging", server)]);
    let spec = "{type: object, properties: {size: {type: integer, maximum: 9}}}";
    world.file(
        "crd.yaml",
        &format!(
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: sizes.{ns}.example.com}}\nspec:\n  group: {ns}.example.com\n  scope: Namespaced\n  names: {{kind: Size, plural: sizes}}\n  versions: [{{name: v1, served: true, storage: true, schema: {{openAPIV3Schema: {{type: object, properties: {{spec: {spec}}}}}}}}}]\n"
        ),
    );
    for (file, spec) in [("typo", "{sise: 1}"), ("large", "{size: 10}"), ("good", "{size: 1}")] {
        world.file(
            &format!("{file}.yaml"),
            &format!("apiVersion: {ns}.example.com/v1\nkind: Size\nmetadata: {{name: {file}, namespace: {ns}}}\nspec: {spec}\n"),
        );
    }
    let apply = |file: &str| step(file, &format!("k8s::apply(\"{file}.yaml\")"));
    let steps = [apply("crd"), apply("typo"), apply("large"), apply("good")].concat();
    world.file("p.rhai", &play("\"staging\"", "true", &steps));
    world
        .run("run p.rhai --context staging")
        .exits(12)
        .says("preflight  2 errors")
        .says("spec.sise: unknown field")
        .says("did you mean `spec.size`?")
        .says("spec.size in body should be less than or equal to 9");
    // the server's own words, once it has the definition
    world.file("p.rhai", &play("\"staging\"", "true", &[apply("crd"), apply("good")].concat()));
    world.run("run p.rhai --context staging").exits(0);
    world.file("p.rhai", &play("\"staging\"", "true", &[apply("typo"), apply("large")].concat()));
    world
        .run("run p.rhai --context staging")
        .exits(12)
        .says("preflight  2 errors")
        .says(".spec.sise: field not declared in schema")
        .says("spec.size in body should be less than or equal to 9");
    server.client().delete(&format!("CustomResourceDefinition/sizes.{ns}.example.com"));
}
