//! A run works on the cluster that it is pinned to, by its identity and not by a name.

use super::{World, play};
use crate::apiserver;

/// A change, a gate and a change, in this namespace.
fn two_phases(namespace: &str) -> String {
    play(
        "\"staging\", \"main\"",
        &format!("k8s::exists(\"ConfigMap/{namespace}/second\")"),
        &format!(
            "step(\"First\").change(|| k8s::apply(#{{ apiVersion: \"v1\", kind: \"ConfigMap\",
    metadata: #{{ name: \"first\", namespace: \"{namespace}\" }} }}))
    .verify(\"it is there\", || k8s::exists(\"ConfigMap/{namespace}/first\"));
gate(\"Go on?\");
phase(\"Two\").goal(\"the second one is there\");
step(\"Second\").change(|| k8s::apply(#{{ apiVersion: \"v1\", kind: \"ConfigMap\",
    metadata: #{{ name: \"second\", namespace: \"{namespace}\" }} }}))
    .verify(\"it is there\", || k8s::exists(\"ConfigMap/{namespace}/second\"));"
        ),
    )
}

#[test]
fn a_context_that_is_pinned_to_another_cluster_is_refused() {
    let Some(clusters) = apiserver::shared() else { return };
    let (staging, main) = (clusters.staging(), clusters.main());
    let ns = staging.namespace("pinned");
    // the kubeconfig that the context names counts, not the caller's
    let toml = |uid: &str| format!("[contexts.staging]\nkubeconfig = \"named\"\nuid = \"{uid}\"\n");
    let world = World::new(&toml(&main.uid()), &[("staging", main)]);
    world.file("named", &std::fs::read_to_string(staging.kubeconfig()).unwrap());
    world.file("p.rhai", &two_phases(&ns));
    let refused = world.run("run p.rhai --context staging");
    refused.exits(31).says(&staging.uid()).says(&main.uid()).says("[contexts.staging] uid");
    assert!(world.runs().is_empty());
    assert!(staging.get(&format!("ConfigMap/{ns}/first")).is_none());

    world.file("runbook.toml", &toml(&staging.uid()));
    world.run("run p.rhai --context staging").exits(20);
    assert!(staging.get(&format!("ConfigMap/{ns}/first")).is_some());
}

#[test]
fn a_run_on_the_same_cluster_by_another_name_is_no_evidence() {
    let Some(clusters) = apiserver::shared() else { return };
    let staging = clusters.staging();
    let ns = staging.namespace("names");
    let toml = "[contexts.staging]\n[contexts.main]\nrequires = \"staging\"\nstore = \"local\"\n";
    let world = World::new(toml, &[("staging", staging), ("main", staging)]);
    let found = format!("k8s::exists(\"Namespace/{ns}\")");
    let check = format!("step(\"Look\").verify(\"it is there\", || {found});");
    world.file("p.rhai", &play("\"staging\", \"main\"", &found, &check));
    world.run("run p.rhai --context staging").exits(0);
    let one = world.run("run p.rhai --context main");
    one.exits(31).says("contexts main and staging are one cluster").says("runbook doctor --pin --context main");
    // one that is pinned is what it is; the other's run is no evidence for it
    world.file(
        "runbook.toml",
        &toml.replace("[contexts.main]", &format!("[contexts.main]\nuid = \"{}\"", staging.uid())),
    );
    world.run("run p.rhai --context main").exits(13).says("was on this very cluster");
    world.run("run p.rhai --context staging").exits(31).says("contexts staging and main are one cluster");
    world.file("runbook.toml", toml);
    // by its own name, it is another cluster, and the same evidence counts
    world.kubeconfig(&[("staging", staging), ("main", clusters.main())], None);
    clusters.main().apply(&format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {ns}}}}}"));
    world.run("run p.rhai --context main").exits(0);
}

#[test]
fn a_context_that_the_kubeconfig_does_not_have_is_named_with_the_nearest() {
    let Some(clusters) = apiserver::shared() else { return };
    let world = World::new("[contexts.stagin]\ntier = \"staging\"\n", &[("staging", clusters.staging())]);
    world.file("p.rhai", &two_phases("default"));
    let refused = world.run("run p.rhai --context stagin");
    refused.exits(31).says("no context `stagin`").says("did you mean `staging`?");
    world.run("run p.rhai --context staging").exits(31).says("did you mean --context stagin?");
    assert!(world.runs().is_empty());
}
