//! Folders that commands are given: charts, kustomizations, manifests. What is applied is what the run began with, whatever
//! becomes of it on disk.

use std::fs;

use super::{World, play};
use crate::apiserver::{self, assets, or_not_run};

fn config_map(name: &str, says: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{says: {says}}}\n")
}

/// Steps for each of these commands, after one that waits, or after a gate.
fn after(first: &str, ns: &str, commands: &[&str]) -> String {
    let steps = commands.iter().enumerate().map(|(n, command)| {
        format!(
            "step(\"Command {n}\").change(|| cmd::run([{command}])).verify(\"it is there\", || k8s::exists(\"Namespace/NS\")).irreversible(\"it is made\");\n"
        )
    });
    let items = format!("{first}{}", steps.collect::<String>());
    play("\"staging\"", "k8s::exists(\"Namespace/NS\")", &items).replace("NS", ns)
}

const WAITS: &str = "step(\"Wait\").change(|| cmd::run([\"waiter\", \"go\"])).verify(\"it is there\", || k8s::exists(\"Namespace/NS\")).irreversible(\"it waits\");\n";
const GATE: &str = "step(\"Look\").verify(\"it is there\", || k8s::exists(\"Namespace/NS\"));\ngate(\"Go on?\");\nphase(\"Two\").goal(\"all is made\");\n";

/// Runs, and lets something be done on disk before the first command.
fn through(world: &mut World, meanwhile: impl FnOnce(&World)) -> super::world::Outcome {
    let pipe = world.waiter();
    let live = world.start("run p.rhai --context staging");
    pipe.meanwhile(|| meanwhile(world));
    live.ends()
}

fn world(server: &apiserver::Cluster) -> Option<World> {
    let built = or_not_run(assets::flux())?;
    or_not_run(assets::kubectl())?;
    let mut world = World::new("[contexts.staging]\n[tools.waiter]\nchange = [[\"*\"]]\n", &[("staging", server)]);
    world.programs(&built);
    Some(world)
}

#[test]
fn a_chart_and_a_kustomization_are_applied_as_they_were_when_the_run_began() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("folders");
    let Some(mut world) = world(server) else { return };
    world.file("chart/Chart.yaml", "apiVersion: v2\nname: chart\nversion: 1.0.0\n");
    world.file("chart/.helmignore", "ignored.yaml\n");
    world.file("chart/templates/ignored.yaml", &config_map("ignored", "then"));
    world.file(
        "chart/templates/cm.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: helm}\ndata: {says: \"{{ .Values.says }}\"}\n",
    );
    world.file("values.yaml", "says: then\n");
    world.file(
        "base/kustomization.yaml",
        "resources: [cm.yaml]\nconfigMapGenerator: [{name: made, files: [says.txt]}]\n",
    );
    world.file("base/cm.yaml", &config_map("kustomized", "then"));
    world.file("overlays/a/kustomization.yaml", "resources: [../../base]\n");
    world.file("base/says.txt", "then");
    world.file("manifests/cm.yaml", &config_map("plain", "then"));
    world.file(
        "p.rhai",
        &after(
            WAITS,
            &ns,
            &[
                "\"helm\", \"upgrade\", \"--install\", \"rel\", \"chart\", \"--namespace\", \"NS\", \"-f\", \"values.yaml\"",
                "\"kubectl\", \"apply\", \"-n\", \"NS\", \"-k\", \"overlays/a\"",
                "\"kubectl\", \"apply\", \"-n\", \"NS\", \"-Rf\", \"./manifests/\"",
                "\"kustomize\", \"build\", \"./overlays/a\"",
            ],
        ),
    );
    let outcome = through(&mut world, |world| {
        for (file, text) in [
            ("chart/templates/cm.yaml", config_map("helm", "now")),
            ("chart/templates/more.yaml", config_map("more", "now")),
            ("values.yaml", "says: now\n".to_owned()),
            ("base/cm.yaml", config_map("kustomized", "now")),
            ("manifests/more.yaml", config_map("more", "now")),
            ("base/says.txt", "now".to_owned()),
        ] {
            world.file(file, &text);
        }
        fs::remove_file(world.path("manifests/cm.yaml")).unwrap();
    });
    outcome.exits(0);
    for name in ["helm", "kustomized", "plain"] {
        let object = server.get(&format!("ConfigMap/{ns}/{name}")).unwrap();
        assert_eq!(object["data"]["says"], "then", "{name}");
    }
    for name in ["more", "ignored"] {
        assert!(server.get(&format!("ConfigMap/{ns}/{name}")).is_none(), "{name}");
    }
    let ended = world.journal(&world.new_run(&[])).of("child.ended");
    let built = ended.last().unwrap()["stdout"].as_str().unwrap();
    assert!(built.contains("says: then") && built.contains("says.txt: then") && !built.contains("now"), "{built}");
    let left: Vec<_> = fs::read_dir(world.tmp()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Another machine has neither the playbook nor its folder.
#[test]
fn a_run_whose_folder_is_gone_still_applies_what_it_began_with() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("gone");
    let Some(world) = world(server) else { return };
    world.file("play/manifests/cm.yaml", &config_map("plain", "then"));
    let commands = [
        "\"kubectl\", \"apply\", \"-n\", \"NS\", \"-f\", \"manifests\"",
        "\"kubectl\", \"label\", \"ns\", \"NS\", \"a=b\"",
    ];
    world.file("play/p.rhai", &after(GATE, &ns, &commands));
    world.run("run play/p.rhai --context staging").exits(20);
    let run = world.new_run(&[]);
    fs::remove_dir_all(world.path("play")).unwrap();
    world.run(&format!("approve {run}")).exits(0);
    world.run(&format!("resume {run}")).exits(0);
    assert_eq!(server.get(&format!("ConfigMap/{ns}/plain")).unwrap()["data"]["says"], "then");
}

/// No copy is made of what holds secrets: it is read where it is, as long as it is what it was.
#[test]
fn a_folder_with_a_secret_in_it_is_read_on_disk_and_refused_where_it_differs() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: kept}\nstringData: {password: hunter2hunter2}\n";
    for (name, change, says) in [
        ("nothing", None, None),
        (
            "more",
            Some(("manifests/more.yaml", config_map("more", "now"))),
            Some("manifests/more.yaml is on disk and not in the bundle, and kubectl would read it there"),
        ),
        (
            "changed",
            Some(("manifests/cm.yaml", config_map("plain", "now"))),
            Some("manifests/cm.yaml is not on disk as it is in the bundle"),
        ),
    ] {
        let ns = server.namespace("kept");
        let Some(mut world) = world(server) else { return };
        world.file("manifests/cm.yaml", &config_map("plain", "then"));
        world.file("manifests/secret.yaml", secret);
        world.file("p.rhai", &after(WAITS, &ns, &["\"kubectl\", \"apply\", \"-n\", \"NS\", \"-f\", \"manifests\""]));
        let outcome = through(&mut world, |world| {
            if let Some((file, text)) = &change {
                world.file(file, text);
            }
        });
        outcome.exits(if change.is_none() { 0 } else { 11 });
        if let Some(says) = says {
            outcome.says(says);
        }
        assert_eq!(server.get(&format!("Secret/{ns}/kept")).is_some(), change.is_none(), "{name}");
    }
}

#[test]
fn a_folder_that_is_not_in_the_bundle_is_named_with_the_line_to_add() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let Some(world) = world(server) else { return };
    world.file("chart/Chart.yaml", "apiVersion: v2\nname: chart\nversion: 1.0.0\n");
    world.file("base/kustomization.yaml", "resources: [cm.yaml, lost.yaml]\n");
    world.file("base/cm.yaml", &config_map("kustomized", "then"));
    let text = after(
        GATE,
        "default",
        &[
            "\"helm\", \"template\", \"rel\", CHART",
            "\"kustomize\", \"build\", \"./base\"",
            "\"helm\", \"upgrade\", \"rel\", \"../chart\"",
        ],
    );
    world.file("p.rhai", &format!("const CHART = \"cha\" + \"rt\";\n{text}"));
    let refused = world.run("run p.rhai --context staging");
    refused.exits(13);
    refused.says("`helm template` reads chart, which is not in the bundle").says("add files(\"chart/**\")");
    refused.says("base/kustomization.yaml takes in `lost.yaml` (resources[1]), which is not in the bundle");
    refused.says("`helm upgrade` reads ../chart, which is not below the playbook's folder");
}
