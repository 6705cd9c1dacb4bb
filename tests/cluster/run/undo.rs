//! Taking a run back on a real API server: what its preconditions, finalizers, owner references and immutable fields make
//! of it. What may not be taken back by itself stays, and is named.

use http::Method;
use serde_json::{Value, json};

use super::{World, play};
use crate::apiserver;

/// A world on staging with these items, in which NS is the namespace.
fn world(server: &apiserver::Cluster, ns: &str, items: &str) -> World {
    let world = World::new("[contexts.staging]\n", &[("staging", server)]);
    world.file("p.rhai", &play("\"staging\"", &format!("k8s::exists(\"Namespace/{ns}\")"), &items.replace("NS", ns)));
    world
}

/// Runs the playbook to its good end, and gives the run.
fn done(world: &World) -> String {
    world.run("run p.rhai --context staging").exits(0);
    world.new_run(&[])
}

fn step(title: &str, object: &str, reference: &str) -> String {
    format!(
        "step(\"{title}\").change(|| k8s::apply({object})).verify(\"it is there\", || k8s::exists(\"{reference}\"));\n"
    )
}

fn config_map(title: &str, name: &str, data: &str) -> String {
    let object = format!(
        "#{{ apiVersion: \"v1\", kind: \"ConfigMap\", metadata: #{{ name: \"{name}\", namespace: \"NS\" }}, data: #{{ {data} }} }}"
    );
    step(title, &object, &format!("ConfigMap/NS/{name}"))
}

fn patch(server: &apiserver::Cluster, path: &str, patch: &Value) {
    let body = patch.to_string().into_bytes();
    let (code, answer) = server.client().send(Method::PATCH, path, "application/merge-patch+json", body);
    assert!(code < 300, "{answer}");
}

#[test]
fn made_objects_go_by_uid_and_changed_fields_go_back_where_nothing_else_changed_them() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("undo");
    server.apply(&format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: old, namespace: {ns}, labels: {{kept: 'yes'}}}}, data: {{a: '1', b: '1'}}}}"
    ));
    let old = "#{ apiVersion: \"v1\", kind: \"ConfigMap\", metadata: #{ name: \"old\", namespace: \"NS\", labels: #{ mine: \"yes\" } }, data: #{ c: \"2\", d: \"2\" } }";
    let items = [config_map("Make", "new", "k: \"v\""), step("Change", old, "ConfigMap/NS/old")].concat();
    let world = world(server, &ns, &items);
    let run = done(&world);
    let path = format!("/api/v1/namespaces/{ns}/configmaps/old");
    patch(server, &path, &json!({ "data": { "d": "3", "e": "3" } }));
    let ended = world.run(&format!("undo {run}"));
    ended.exits(41).says("data.d: it is \"3\" now, and this run had made it \"2\"");
    assert!(server.get(&format!("ConfigMap/{ns}/new")).is_none());
    let now = server.get(&format!("ConfigMap/{ns}/old")).unwrap();
    assert_eq!(now["data"], json!({ "a": "1", "b": "1", "d": "3", "e": "3" }));
    assert_eq!(now["metadata"]["labels"], json!({ "kept": "yes" }));
    // and once that is as the run left it, all of it is
    patch(server, &path, &json!({ "data": { "d": "2" } }));
    world.run(&format!("undo {run}")).exits(0);
    assert_eq!(server.get(&format!("ConfigMap/{ns}/old")).unwrap()["data"], json!({ "a": "1", "b": "1", "e": "3" }));
}

#[test]
fn an_object_that_was_made_anew_by_somebody_else_is_not_deleted() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("anew");
    let world = world(server, &ns, &config_map("Make", "new", "k: \"v\""));
    let run = done(&world);
    let manifest = format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: new, namespace: {ns}}}}}");
    server.client().delete(&format!("ConfigMap/{ns}/new"));
    server.apply(&manifest);
    world.run(&format!("undo {run}")).exits(41).says("it is another object now than the one that this run made");
    assert!(server.get(&format!("ConfigMap/{ns}/new")).is_some());
}

#[test]
fn a_namespace_that_holds_what_others_made_stays() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("holder");
    let made = format!("{ns}-made");
    let namespace = format!("#{{ apiVersion: \"v1\", kind: \"Namespace\", metadata: #{{ name: \"{made}\" }} }}");
    let inside = format!(
        "#{{ apiVersion: \"v1\", kind: \"ConfigMap\", metadata: #{{ name: \"mine\", namespace: \"{made}\" }} }}"
    );
    let items = [
        step("Make it", &namespace, &format!("Namespace/{made}")),
        step("Fill it", &inside, &format!("ConfigMap/{made}/mine")),
    ]
    .concat();
    let world = world(server, &ns, &items);
    let run = done(&world);
    server.apply(&format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: theirs, namespace: {made}}}}}"));
    let plan = world.run(&format!("undo {run} --dry-run"));
    plan.exits(0);
    assert!(
        plan.out.contains(&format!("stays  Namespace/{made}: it still holds ConfigMap/{made}/theirs")),
        "{}",
        plan.out
    );
    world.run(&format!("undo {run}")).exits(41).says(&format!("it still holds ConfigMap/{made}/theirs"));
    assert!(server.get(&format!("ConfigMap/{made}/mine")).is_none(), "what it made itself is gone");
    let there = server.get(&format!("Namespace/{made}")).unwrap();
    assert!(there["metadata"]["deletionTimestamp"].is_null());
}

#[test]
fn a_definition_that_has_instances_stays() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("crd");
    let group = format!("{ns}.example.org");
    let definition = format!(
        "#{{ apiVersion: \"apiextensions.k8s.io/v1\", kind: \"CustomResourceDefinition\", metadata: #{{ name: \"gadgets.{group}\" }},
        spec: #{{ group: \"{group}\", scope: \"Namespaced\", names: #{{ kind: \"Gadget\", plural: \"gadgets\", singular: \"gadget\", listKind: \"GadgetList\" }},
        versions: [#{{ name: \"v1\", served: true, storage: true, schema: #{{ openAPIV3Schema: #{{ type: \"object\" }} }} }}] }} }}"
    );
    let items = format!(
        "step(\"Define\").change(|| k8s::apply({definition})).verify(\"it is served\", || k8s::ready(\"CustomResourceDefinition/gadgets.{group}\"));\n"
    );
    let world = world(server, &ns, &items);
    let run = done(&world);
    let gadget = format!("{{apiVersion: {group}/v1, kind: Gadget, metadata: {{name: theirs, namespace: {ns}}}}}");
    apiserver::eventually(std::time::Duration::from_secs(30), || {
        let path = format!("/apis/{group}/v1/namespaces/{ns}/gadgets/theirs?fieldManager=tests");
        let (code, _) =
            server.client().send(Method::PATCH, &path, "application/apply-patch+yaml", gadget.clone().into_bytes());
        (code < 300).then_some(())
    })
    .unwrap();
    world.run(&format!("undo {run}")).exits(41).says(&format!("it still has instances: Gadget/{ns}/theirs"));
    assert!(server.get(&format!("CustomResourceDefinition/gadgets.{group}")).is_some());
}

#[test]
fn what_others_hung_on_a_made_object_keeps_it_there() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("owner");
    let world = world(server, &ns, &config_map("Make", "owner", "k: \"v\""));
    let run = done(&world);
    let uid = server.get(&format!("ConfigMap/{ns}/owner")).unwrap()["metadata"]["uid"].as_str().unwrap().to_owned();
    server.apply(&format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: theirs, namespace: {ns}, ownerReferences: [{{apiVersion: v1, kind: ConfigMap, name: owner, uid: {uid}}}]}}}}"
    ));
    world
        .run(&format!("undo {run}"))
        .exits(41)
        .says(&format!("deleting it would take ConfigMap/{ns}/theirs with it, which this run did not make"));
    assert!(server.get(&format!("ConfigMap/{ns}/owner")).is_some());
}

#[test]
fn what_others_name_by_now_stays_until_they_do_not() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("named");
    // its own pod template names it too, and goes with it
    let own = "#{ apiVersion: \"v1\", kind: \"PodTemplate\", metadata: #{ name: \"own\", namespace: \"NS\" }, template: #{ spec: #{ containers: [#{ name: \"c\", image: \"i\" }], volumes: [#{ name: \"v\", configMap: #{ name: \"new\" } }] } } }";
    let items = [config_map("Make", "new", "k: \"v\""), step("Use", own, "PodTemplate/NS/own")].concat();
    let world = world(server, &ns, &items);
    let run = done(&world);
    server.apply(&format!(
        "{{apiVersion: v1, kind: PodTemplate, metadata: {{name: other, namespace: {ns}}}, template: {{spec: {{containers: [{{name: c, image: i}}], volumes: [{{name: v, configMap: {{name: new}}}}]}}}}}}"
    ));
    let named = format!("it is still named by PodTemplate/{ns}/other (template.spec.volumes[0].configMap)");
    let planned = world.run(&format!("undo {run} --dry-run"));
    assert!(planned.out.contains("it is still named by"), "{planned:?}");
    world.run(&format!("undo {run}")).exits(41).says(&named);
    assert!(server.get(&format!("PodTemplate/{ns}/own")).is_none(), "what the run made to use it is gone");
    assert!(server.get(&format!("ConfigMap/{ns}/new")).is_some());
    server.client().delete(&format!("PodTemplate/{ns}/other"));
    world.run(&format!("undo {run}")).exits(0);
    assert!(server.get(&format!("ConfigMap/{ns}/new")).is_none());
}

#[test]
fn a_finalizer_that_tears_something_down_keeps_its_object() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("finalizer");
    let world = world(server, &ns, &config_map("Make", "bucket", "k: \"v\""));
    let run = done(&world);
    let path = format!("/api/v1/namespaces/{ns}/configmaps/bucket");
    patch(server, &path, &json!({ "metadata": { "finalizers": ["storage.example.org/cleanup"] } }));
    world
        .run(&format!("undo {run}"))
        .exits(41)
        .says("its finalizer storage.example.org/cleanup tears down what it stands for");
    assert!(server.get(&format!("ConfigMap/{ns}/bucket")).unwrap()["metadata"]["deletionTimestamp"].is_null());
    patch(server, &path, &json!({ "metadata": { "finalizers": [] } }));
    world.run(&format!("undo {run}")).exits(0);
}

#[test]
fn a_field_that_the_server_does_not_let_go_back_is_named() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("immutable");
    server.apply(&format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: fixed, namespace: {ns}}}, data: {{a: '1'}}}}"
    ));
    let object = "#{ apiVersion: \"v1\", kind: \"ConfigMap\", metadata: #{ name: \"fixed\", namespace: \"NS\", labels: #{ mine: \"yes\" } }, immutable: true }";
    let world = world(server, &ns, &step("Fix", object, "ConfigMap/NS/fixed"));
    let run = done(&world);
    world.run(&format!("undo {run}")).exits(41).says("immutable");
    let now = server.get(&format!("ConfigMap/{ns}/fixed")).unwrap();
    assert_eq!(now["immutable"], true);
    assert!(now["metadata"]["labels"].is_null(), "the rest goes back: {now}");
}

#[test]
fn what_has_no_automatic_way_back_is_refused_before_anything_changes() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("never");
    let apply = |api: &str, kind: &str| {
        format!(
            "k8s::apply(#{{ apiVersion: \"{api}\", kind: \"{kind}\", metadata: #{{ name: \"x\", namespace: \"NS\" }} }})"
        )
    };
    let changes = [
        (apply("v1", "PersistentVolumeClaim"), "its volume's data does not come back"),
        (
            "k8s::apply(#{ apiVersion: \"v1\", kind: \"PersistentVolume\", metadata: #{ name: \"x\" } })".into(),
            "its data does not come back",
        ),
        (apply("snapshot.storage.k8s.io/v1", "VolumeSnapshot"), "a snapshot does not come back"),
        (apply("v1", "Secret"), "what its values were is not kept"),
        (apply("helm.toolkit.fluxcd.io/v2", "HelmRelease"), "its finalizer uninstalls the release"),
        (apply("kustomize.toolkit.fluxcd.io/v1", "Kustomization"), "its finalizer may prune what it applied"),
        (apply("batch/v1", "Job"), "what it did is done"),
        ("k8s::delete(\"ConfigMap/NS/x\")".into(), "delete ConfigMap/NS/x"),
        ("k8s::restart(\"Deployment/NS/x\")".into(), "restart Deployment/NS/x"),
        ("k8s::drain(\"Node/x\")".into(), "drain Node/x"),
        ("cmd::run([\"kubectl\", \"annotate\", \"ns\", \"NS\", \"a=b\"])".into(), "run kubectl annotate"),
    ];
    for (change, why) in changes {
        let items = format!("step(\"Do\").change(|| {change}).verify(\"so\", || true);");
        let world = world(server, &ns, &items);
        let ended = world.run("run p.rhai --context staging");
        ended.exits(13).says("has no way back").says(&why.replace("NS", &ns)).says(".irreversible(");
        assert!(world.runs().is_empty());
    }
}

#[test]
fn scale_cordon_label_and_annotate_go_back_to_the_value_before() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("values");
    let labels = "{app: web}";
    server.apply(&format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: {ns}, annotations: {{note: before}}}}
spec: {{replicas: 0, selector: {{matchLabels: {labels}}}, template: {{metadata: {{labels: {labels}}}, spec: {{containers: [{{name: web, image: web}}]}}}}}}
---
apiVersion: v1
kind: Node
metadata: {{name: {ns}}}
"
    ));
    let web = "Deployment/NS/web";
    let items = format!(
        "step(\"Scale\").change(|| k8s::scale(\"{web}\", 2)).verify(\"so\", || k8s::get(\"{web}\").spec.replicas == 2);
step(\"Label\").change(|| k8s::label(\"{web}\", #{{ mine: \"yes\" }})).verify(\"so\", || k8s::get(\"{web}\").metadata.labels.mine == \"yes\");
step(\"Annotate\").change(|| k8s::annotate(\"{web}\", #{{ note: \"after\" }})).verify(\"so\", || k8s::get(\"{web}\").metadata.annotations.note == \"after\");
step(\"Cordon\").change(|| k8s::cordon(\"Node/NS\")).verify(\"so\", || k8s::get(\"Node/NS\").spec.unschedulable == true);\n"
    );
    let world = world(server, &ns, &items);
    let run = done(&world);
    world.run(&format!("undo {run}")).exits(0);
    let now = server.get(&format!("Deployment/{ns}/web")).unwrap();
    assert_eq!(now["spec"]["replicas"], 0);
    assert_eq!(now["metadata"]["annotations"]["note"], "before");
    assert!(now["metadata"]["labels"]["mine"].is_null());
    assert!(server.get(&format!("Node/{ns}")).unwrap()["spec"]["unschedulable"].is_null());
}
