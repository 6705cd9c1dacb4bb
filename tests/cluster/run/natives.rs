//! Natives whose behaviour is the server's own: field managers, access reviews, proxies, evictions, definitions.

use http::Method;
use serde_json::{Value, json};

use super::{World, play};
use crate::apiserver;

/// A world on staging with one step, whose outcome is the namespace's being there.
fn world(server: &apiserver::Cluster, ns: &str, step: &str) -> World {
    let world = World::new("[contexts.staging]\n", &[("staging", server)]);
    world.file("p.rhai", &play("\"staging\"", &format!("k8s::exists(\"Namespace/{ns}\")"), &step.replace("NS", ns)));
    world
}

fn run(world: &World) -> super::world::Outcome {
    world.run("run p.rhai --context staging")
}

/// Applies or updates a `ConfigMap` as another field manager.
fn as_manager(server: &apiserver::Cluster, ns: &str, manager: &str, content_type: &str, extra: &Value) {
    let mut object =
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "shop", "namespace": ns } });
    object.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    object["metadata"]["name"] = "shop".into();
    object["metadata"]["namespace"] = ns.into();
    let path = format!("/api/v1/namespaces/{ns}/configmaps/shop?fieldManager={manager}");
    let (code, answer) = server.client().send(Method::PATCH, &path, content_type, object.to_string().into_bytes());
    assert!(code < 300, "{answer}");
}

const APPLY: &str = "application/apply-patch+yaml";
const MERGE: &str = "application/merge-patch+json";

#[test]
fn what_kubectl_applied_conflicts_by_name_and_field_and_is_taken_over_on_demand() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("takeover");
    server.apply(&format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: shop, namespace: {ns}, labels: {{made: by-hand}}}}}}"
    ));
    as_manager(server, &ns, "kubectl-client-side-apply", MERGE, &json!({ "data": { "level": "info", "old": "1" } }));
    let step = r#"step("Apply").change(|| k8s::apply(#{ apiVersion: "v1", kind: "ConfigMap",
    metadata: #{ name: "shop", namespace: "NS" }, data: #{ level: "debug" } }OPTIONS))
    .verify("it is written", || k8s::get("ConfigMap/NS/shop").data.level == "debug");"#;
    run(&world(server, &ns, &step.replace("OPTIONS", "")))
        .exits(12)
        .says("data.level is kept by \"kubectl-client-side-apply\"")
        .says("take_over: \"kubectl-client-side-apply\"");
    run(&world(server, &ns, &step.replace("OPTIONS", ", #{ take_over: \"kubectl-client-side-apply\" }"))).exits(0);
    // adopted: what the manifest does not have is gone
    assert_eq!(server.get(&format!("ConfigMap/{ns}/shop")).unwrap()["data"], json!({ "level": "debug" }));
}

#[test]
fn of_an_object_that_flux_keeps_only_the_fields_that_it_applies_are_refused() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("kept");
    let labels = json!({ "kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": ns });
    let kept = json!({ "metadata": { "labels": labels }, "data": { "level": "info" } });
    as_manager(server, &ns, "kustomize-controller", APPLY, &kept);
    let patch = r#"step("Patch").change(|| k8s::patch("ConfigMap/NS/shop", #{ data: #{ FIELD: "debug" } }))
    .verify("it is written", || k8s::get("ConfigMap/NS/shop").data.FIELD == "debug")
    .undo(|| k8s::patch("ConfigMap/NS/shop", #{ data: #{ FIELD: () } }));"#;
    run(&world(server, &ns, &patch.replace("FIELD", "level")))
        .exits(12)
        .says(&format!("ConfigMap/{ns}/shop is kept by Flux (Kustomization/{ns}/apps): it would put back data.level"));
    assert_eq!(server.get(&format!("ConfigMap/{ns}/shop")).unwrap()["data"]["level"], "info");
    run(&world(server, &ns, &patch.replace("FIELD", "extra"))).exits(0);
    // while its owner is suspended, changes last
    if server.crds(&["fluxcd"]).is_some() {
        server.apply(&format!(
            "{{apiVersion: kustomize.toolkit.fluxcd.io/v1, kind: Kustomization, metadata: {{name: apps, namespace: {ns}}},
  spec: {{suspend: true, interval: 1h, prune: true, path: ./, sourceRef: {{kind: GitRepository, name: x}}}}}}"
        ));
        run(&world(server, &ns, &patch.replace("FIELD", "level"))).exits(0);
    }
}

#[test]
fn a_definition_is_served_before_its_objects_are_sent_in_one_apply() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("define");
    let plural = format!("things{}", ns.replace('-', ""));
    let step = format!(
        "step(\"Define\").change(|| k8s::apply(`
apiVersion: {plural}.runbook.example.com/v1
kind: Thing
metadata: {{name: one, namespace: NS}}
spec: {{size: 1}}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.{plural}.runbook.example.com}}
spec:
  group: {plural}.runbook.example.com
  names: {{kind: Thing, plural: {plural}, singular: thing{plural}}}
  scope: Namespaced
  versions: [{{name: v1, served: true, storage: true, deprecated: true, deprecationWarning: \"Thing v1 is on its way out\", schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}}}]
`)).verify(\"it is there\", || k8s::exists(\"Thing.{plural}.runbook.example.com/NS/one\"));"
    );
    let world = world(server, &ns, &step);
    run(&world).exits(0).says("Thing v1 is on its way out");
    let journal = world.journal(&world.new_run(&[]));
    assert_eq!(journal.outcomes(), ["applied", "applied"]);
    assert!(journal.of("note.added").iter().any(|note| note["via"] == "api"), "a warning of the server is kept");
    server.client().delete(&format!("CustomResourceDefinition/{plural}.{plural}.runbook.example.com"));
}

#[test]
fn permissions_are_asked_a_service_is_reached_through_the_proxy_and_a_pod_is_evicted() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("natives");
    let node = format!("node-{ns}");
    server.apply(&format!(
        "{{apiVersion: v1, kind: Node, metadata: {{name: {node}}}}}
---
{{apiVersion: v1, kind: Service, metadata: {{name: shop, namespace: {ns}}}, spec: {{selector: {{app: shop}}, ports: [{{port: 80}}]}}}}
---
{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: default, namespace: {ns}}}}}
---
{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: shop, namespace: {ns}}}, spec: {{replicas: 1, selector: {{matchLabels: {{app: shop}}}}, template: {{metadata: {{labels: {{app: shop}}}}, spec: {{containers: [{{name: shop, image: shop}}]}}}}}}}}
---
{{apiVersion: v1, kind: Pod, metadata: {{name: shop, namespace: {ns}}}, spec: {{nodeName: {node}, terminationGracePeriodSeconds: 0, containers: [{{name: shop, image: shop}}]}}}}"
    ));
    let asks = r#"step("Ask")
    .verify("we may", || k8s::can("patch", "Deployment/NS/shop") && k8s::can("patch/scale", "deploy", "NS"))
    .verify("nobody answers", || { let r = k8s::http("Service/NS/shop", "/healthz"); r.status == 503 && r.body.contains("endpoints") })
    .verify("served", || k8s::api("Deployment").version == "v1" && k8s::api("po").namespaced);
step("Scale").change(|| k8s::scale("Deployment/NS/shop", 2)).verify("two", || k8s::get("Deployment/NS/shop").spec.replicas == 2);
"#;
    let drain = format!(
        "step(\"Drain\").change(|| k8s::drain(\"{node}\"OPTIONS)).verify(\"the pod is gone\", || !k8s::exists(\"Pod/NS/shop\")).undo(|| k8s::uncordon(\"{node}\"));\n"
    );
    run(&world(server, &ns, &format!("{asks}{}", drain.replace("OPTIONS", ""))))
        .exits(11)
        .says(&format!("nothing would bring these pods back: Pod/{ns}/shop"));
    assert!(server.get(&format!("Node/{node}")).unwrap()["spec"]["unschedulable"].is_null(), "nothing was changed");
    let world = world(server, &ns, &drain.replace("OPTIONS", ", #{ unmanaged: true }"));
    run(&world).exits(0);
    assert_eq!(world.journal(&world.new_run(&[])).outcomes(), ["applied", "applied"]);
    assert_eq!(server.get(&format!("Node/{node}")).unwrap()["spec"]["unschedulable"], true);
    server.client().delete(&format!("Node/{node}"));
}

#[test]
fn logs_and_commands_of_a_pod_without_a_kubelet_fail_by_its_name() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("inside");
    server.apply(&format!(
        "{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: default, namespace: {ns}}}}}
---
{{apiVersion: v1, kind: Pod, metadata: {{name: shop, namespace: {ns}}}, spec: {{containers: [{{name: shop, image: shop}}]}}}}"
    ));
    let exec =
        "step(\"Run\").change(|| k8s::exec(\"Pod/NS/shop\", [\"true\"])).verify(\"x\", || true).irreversible(\"x\");";
    let world = world(server, &ns, exec);
    run(&world).exits(11).says(&format!("exec in Pod/{ns}/shop")).says("does not have a host assigned");
    assert_eq!(world.journal(&world.new_run(&[])).outcomes(), ["failed"]);
}
