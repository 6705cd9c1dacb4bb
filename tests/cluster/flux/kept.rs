//! What Flux keeps: refused by its owner's name, and changed while its owner is suspended.

use std::path::Path;

use super::{Sources, World, play};
use crate::apiserver::flux;

const KEEPER: &str = "Kustomization/flux-system/demo";
const SETTINGS: &str = "ConfigMap/default/demo-settings";

const PLATFORM: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: flux-system}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: flux-system, namespace: flux-system}
spec: {interval: 1h, url: 'REPOSITORY', ref: {branch: main}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: demo, namespace: flux-system}
spec: {interval: 1h, prune: true, path: ./demo, sourceRef: {kind: GitRepository, name: flux-system}}
";

#[test]
fn what_flux_keeps_is_refused_by_its_name_and_changed_by_the_playbook_that_suspends_it_until_flux_puts_it_back() {
    let Some(cluster) = flux::shared() else { return };
    let sources = Sources::start();
    let settings =
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: demo-settings, namespace: default}, data: {level: info}}\n";
    sources.push(&[("demo/settings.yaml", settings)]);
    cluster.apply(&PLATFORM.replace("REPOSITORY", &sources.repository()));
    let level = |wanted: &'static str| {
        cluster.wait(SETTINGS, "it has the level", |map| map["data"]["level"] == wanted);
    };
    level("info");

    let mut world = World::new("[contexts.staging]\n", &[("staging", &cluster)]);
    world.env.push(("RUNBOOK_CONFIG", world.path("runbook.toml")));
    let patch = format!(
        "step(\"Patch\").change(|| k8s::patch(\"{SETTINGS}\", #{{ data: #{{ level: \"debug\" }} }})).verify(\"x\", || true);"
    );
    world.file("p.rhai", &play("\"staging\"", "true", &patch));
    world
        .run("run p.rhai --context staging")
        .exits(12)
        .says(&format!("{SETTINGS} is kept by Flux ({KEEPER}): it would put back data.level"));
    level("info");
    let known = world.runs();
    let playbook = Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks/suspend-and-patch.rhai");
    world.run(&format!("run {} --context staging", playbook.display())).exits(0).says("done");
    let journal = world.journal(&world.new_run(&known));
    let patched = journal.of("effected").into_iter().flat_map(|p| p["results"].as_array().cloned().unwrap());
    let levels: Vec<_> = patched.filter_map(|r| r["after"]["data"]["level"].as_str().map(ToOwned::to_owned)).collect();
    assert_eq!(levels, ["debug"], "it was changed while its owner was suspended");
    assert!(cluster.get(KEEPER).unwrap()["spec"]["suspend"].is_null(), "it is resumed");
    // and Flux puts back what is in Git
    level("info");
    cluster.client().delete(KEEPER);
    cluster.client().delete("GitRepository/flux-system/flux-system");
}
