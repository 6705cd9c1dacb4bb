//! What scripts call on a cluster, each native once as a user writes it: what it does, what the journal keeps of it.

use serde_json::{Value, json};

use crate::program::World;

const SHOP: &str = r#"step("Make").change(|| k8s::apply(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: web, labels: LABELS}
spec:
  replicas: 1
  selector: {matchLabels: {app: shop}}
  template: {metadata: {labels: {app: shop}}, spec: {containers: [{name: shop, image: "shop:1"}]}}
---
apiVersion: v1
kind: Namespace
metadata: {name: web}
`)).verify("it is ready", || k8s::ready("deploy/web/shop"));
"#;

fn shop(labels: &str, items: &str) -> World {
    World::with(&format!("{}{items}", SHOP.replace("LABELS", labels)))
}

const FLUX: &str = "{kustomize.toolkit.fluxcd.io/name: apps, kustomize.toolkit.fluxcd.io/namespace: flux-system}";

/// The images that an effect of this native kept: before, after.
fn images(world: &World, native: &str) -> (Value, Value) {
    let run = world.only();
    let journal = world.journal(&run);
    let lines = journal.values();
    let at = lines.iter().position(|line| line["k"] == "effect" && line["p"]["effect"]["native"] == native).unwrap();
    let answered = lines[at..].iter().find(|line| line["k"] == "effected").unwrap();
    (lines[at]["p"]["effect"]["before"][0]["image"].clone(), answered["p"]["results"][0]["after"].clone())
}

#[test]
fn an_object_is_scaled_patched_labelled_and_annotated_with_what_was_there_before() {
    let world = shop(
        "{}",
        r#"step("Scale").change(|| k8s::scale("Deployment/web/shop", 3))
    .verify("three", || k8s::get("Deployment/web/shop").status.readyReplicas == 3);
step("Patch").change(|| k8s::patch("Deployment/web/shop", #{ spec: #{ minReadySeconds: 1 } }))
    .verify("patched", || k8s::get("Deployment/web/shop").spec.minReadySeconds == 1)
    .undo(|| k8s::patch("Deployment/web/shop", #{ spec: #{ minReadySeconds: () } }));
step("By operations").change(|| k8s::patch("Deployment/web/shop", [#{ op: "replace", path: "/spec/minReadySeconds", value: 2 }]))
    .verify("patched", || k8s::get("Deployment/web/shop").spec.minReadySeconds == 2).undo(|| k8s::scale("Deployment/web/shop", 1));
step("Mark").change(|| { k8s::label("Namespace/web", #{ a: "b" }); k8s::annotate("ns/web", #{ c: "d" }) })
    .verify("both", || { let ns = k8s::get("Namespace/web"); ns.metadata.labels.a == "b" && ns.metadata.annotations.c == "d" });
step("Unmark").change(|| k8s::label("Namespace/web", #{ a: () }))
    .verify("gone", || absent(k8s::get("Namespace/web"), "metadata.labels.a"));
"#,
    );
    world.go().exits(0);
    let (before, after) = images(&world, "k8s::scale");
    assert_eq!((&before["spec"]["replicas"], &after["spec"]["replicas"]), (&json!(1), &json!(3)));
    let (before, after) = images(&world, "k8s::label");
    assert_eq!((&before["metadata"]["labels"]["a"], &after["metadata"]["labels"]["a"]), (&Value::Null, &json!("b")));
}

#[test]
fn a_restart_is_stamped_once_and_rolls_the_pods() {
    let world = shop(
        "{}",
        r#"step("Restart").change(|| k8s::restart("Deployment/web/shop"))
    .verify("it is stamped", || k8s::get("Deployment/web/shop").spec.template.metadata.annotations["kubectl.kubernetes.io/restartedAt"].len() > 10)
    .verify("it is ready", || k8s::ready("Deployment/web/shop")).irreversible("pods that are gone are gone");
"#,
    );
    world.go().exits(0);
    let (_, after) = images(&world, "k8s::restart");
    let stamp =
        after["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"].as_str().unwrap();
    let journal = world.journal(&world.only());
    let effect = journal.values().into_iter().find(|line| line["p"]["effect"]["native"] == "k8s::restart").unwrap();
    // the second it was journaled first: sent again, it would be the same restart
    let at = effect["p"]["effect"]["at"].as_str().unwrap();
    assert_eq!(stamp[..19], at[..19]);
}

#[test]
fn what_can_be_asked_is_answered_and_says_why() {
    let world = shop(
        "{}",
        r#"step("Ask")
    .verify("status", || { let s = k8s::status("Deployment/web/shop"); s.status == "Current" && s.generation == s.observedGeneration })
    .verify("no status", || k8s::status("Deployment/web/nothing").status == "NotFound")
    .verify("served", || k8s::api("deploy").kind == "Deployment" && "v1" in k8s::api("Deployment").versions)
    .verify("not served", || !k8s::api("Deploymnt").served && "Deployment" in k8s::api("Deploymnt").nearest)
    .verify("new", || { let d = k8s::diff(#{ apiVersion: "v1", kind: "ConfigMap", metadata: #{ name: "n", namespace: "web" } }); d.differs && !d.objects[0].exists })
    .verify("same", || !k8s::diff(#{ apiVersion: "v1", kind: "Namespace", metadata: #{ name: "web" } }).differs)
    .verify("other", || { let d = k8s::diff(#{ apiVersion: "v1", kind: "Namespace", metadata: #{ name: "web", labels: #{ a: "b" } } });
        d.objects[0].fields[0].path == "metadata.labels.a" && d.objects[0].fields[0].after == "b" })
    .verify("refused", || k8s::diff(#{ apiVersion: "v1", kind: "ConfigMap", metadata: #{ name: "n", namespace: "nowhere" } }).objects[0].error.contains("nowhere"));
"#,
    );
    world.go().exits(0);
}

#[test]
fn what_flux_keeps_is_refused_with_its_name_and_what_lasts_unless_there_is_a_reason() {
    let scale = r#"step("Scale").change(|| k8s::scale("Deployment/web/shop", 3))
    .verify("three", || k8s::get("Deployment/web/shop").spec.replicas == 3);
"#;
    let world = shop(FLUX, scale);
    world
        .go()
        .exits(11)
        .says("Deployment/web/shop is kept by Flux (Kustomization/flux-system/apps): it would put back spec.replicas")
        .says("nothing was changed")
        .says("flux::suspend(\"Kustomization/flux-system/apps\")")
        .says("despite_owner");
    let world = shop(FLUX, &scale.replace("shop\", 3)", "shop\", 3, #{ despite_owner: \"load test\" })"));
    world.go().exits(0);
    // what a restart adds, nobody puts back
    let world = shop(
        FLUX,
        "step(\"Restart\").change(|| k8s::restart(\"Deployment/web/shop\")).verify(\"r\", || k8s::ready(\"Deployment/web/shop\")).irreversible(\"x\");\n",
    );
    world.go().exits(0);
    let world = shop(
        FLUX,
        "step(\"Delete\").change(|| k8s::delete(\"Deployment/web/shop\")).verify(\"gone\", || !k8s::exists(\"Deployment/web/shop\")).irreversible(\"x\");\n",
    );
    world.go().exits(11).says("it would bring it back");
}

#[test]
fn an_object_that_is_not_there_is_named_with_the_one_that_is() {
    let change = |line: &str| {
        shop("{}", &format!("step(\"Try\").change(|| {line}).verify(\"x\", || true).irreversible(\"x\");\n"))
    };
    change("k8s::scale(\"Deployment/web/shopp\", 3)")
        .go()
        .exits(12)
        .says("k8s::scale: Deployment/web/shopp does not exist")
        .says("nothing was changed")
        .says("did you mean `Deployment/web/shop`?");
    let world = shop("{}", "step(\"Look\").verify(\"x\", || k8s::ready(\"Deployment/web/sho\")).within(\"0s\");\n");
    world.go().exits(10).says("Deployment/web/sho does not exist; there is `Deployment/web/shop`");
    let world = shop(
        "{}",
        "step(\"Look\").verify(\"x\", || k8s::get(\"Deployment/web/sho\").spec.replicas == 1).within(\"0s\");\n",
    );
    world.go().exits(10).says("not found; there is `Deployment/web/shop`)");
}

#[test]
fn a_wrong_argument_says_what_is_taken_before_anything_runs() {
    for (line, words) in [
        ("k8s::scale(\"Deployment/web/shop\", -1)", "takes the replicas as a whole number from 0, not -1"),
        ("k8s::scale(\"shop\", 1)", "`shop` is not an object reference"),
        ("k8s::label(\"Namespace/web\", #{ a: 1 })", "a is 1; its value is a text, or () to remove it"),
        ("k8s::patch(\"Namespace/web\", 5)", "takes a map to merge or a list"),
        ("k8s::cordon(\"Pod/web/a\")", "takes a node's name or \"Node/name\""),
        ("k8s::exec(\"Deployment/web/shop\", [\"ls\"])", "runs a command in one pod"),
        ("k8s::exec(\"Pod/web/a\", \"ls\")", "takes the program and its arguments as a list of texts"),
        (
            "k8s::job(#{ apiVersion: \"v1\", kind: \"Pod\", metadata: #{ name: \"a\" } })",
            "takes a Job, and Pod/a is none",
        ),
        ("k8s::apply(\"cm.yaml\", #{ force: true })", "has no option `force`: it takes despite_owner, take_over"),
        ("k8s::delete(\"Namespace/web\", #{ despite_owner: \" \" })", "wants a reason"),
    ] {
        let world =
            World::with(&format!("step(\"Try\").change(|| {line}).verify(\"x\", || true).irreversible(\"x\");\n"));
        world.go().exits(13).says(words);
        assert!(world.runs().is_empty(), "{line}");
    }
}

#[test]
fn a_node_is_cordoned_drained_and_given_back() {
    let world = World::with(
        r#"step("Make a node").change(|| k8s::apply(#{ apiVersion: "v1", kind: "Node", metadata: #{ name: "node-z" } }))
    .verify("it is there", || k8s::exists("Node/node-z"));
step("Cordon").change(|| k8s::cordon("node-z"))
    .verify("no new pods", || k8s::get("Node/node-z").spec.unschedulable == true);
step("Uncordon").change(|| k8s::uncordon("Node/node-z"))
    .verify("new pods", || absent(k8s::get("Node/node-z"), "spec.unschedulable"));
step("Drain").change(|| k8s::drain("node-z")).verify("no new pods", || k8s::get("Node/node-z").spec.unschedulable == true)
    .undo(|| k8s::uncordon("node-z"));
"#,
    );
    world.go().exits(0);
}

#[test]
fn a_service_and_a_pod_of_a_sandbox_answer_through_the_api_once_they_are_ready() {
    let world = shop(
        "{}",
        r#"step("Serve").change(|| k8s::apply(`
{apiVersion: v1, kind: Service, metadata: {name: shop, namespace: web}, spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: nobody, namespace: web}, spec: {selector: {app: nobody}, ports: [{port: 80}]}}
`))
    .verify("it answers", || k8s::http("Service/web/shop", "/healthz").status == 200)
    .verify("by its port", || k8s::http("Service/web/shop", "/healthz", #{ port: 80 }).json.path == "/healthz")
    .verify("its pod answers", || k8s::http("Pod/web/" + k8s::list("Pod", "web")[0].metadata.name, "info?short=1").json.path == "/info")
    .verify("nobody is there", || { let r = k8s::http("Service/web/nobody", "/"); r.status == 503 && r.body.contains("no endpoints") });
step("Look").verify("a port that is not there", || k8s::http("Service/web/shop", "/", #{ port: 81 }).status == 200).within("100ms");
"#,
    );
    world.go().exits(10).says("it has no port `81`; it has `http` (80)");
    assert_eq!(world.journal(&world.only()).of("step.verified").len(), 2);
}
