//! `doctor` on real clusters: what it sees, what it pins, how it ends.

use std::fs;

use serde_json::Value;

use super::World;
use crate::apiserver;

fn toml(world: &World) -> String {
    fs::read_to_string(world.path("runbook.toml")).unwrap()
}

#[test]
fn a_pin_is_written_between_the_comments_and_another_cluster_is_refused_from_then_on() {
    let Some(clusters) = apiserver::shared() else { return };
    let (staging, main) = (clusters.staging(), clusters.main());
    let text = "# two clusters\n[contexts.staging] # the small one\n\n[contexts.main]\ngate = \"human\" # as agreed\nstore = \"local\"\n";
    let world = World::new(text, &[("staging", staging), ("main", main)]);
    let looked = world.run("doctor");
    looked.exits(0);
    for words in [
        "context staging",
        &staging.uid(),
        "it is not pinned",
        "runbook doctor --pin --context main",
        "admin (system:masters",
        "gates are at least human (runbook.toml)",
        "state folder",
        "kubectl",
    ] {
        assert!(looked.out.contains(words), "{words}:\n{}", looked.out);
    }
    assert_eq!(toml(&world), text, "looking changes nothing");

    let pinned = world.run("doctor --pin --context main");
    pinned.exits(0);
    assert!(pinned.out.contains(&format!("context main is pinned to {}", main.uid())), "{}", pinned.out);
    let with_main = text.replace("store = \"local\"\n", &format!("store = \"local\"\nuid = \"{}\"\n", main.uid()));
    assert_eq!(toml(&world), with_main);
    world.run("doctor --pin").exits(0);
    let both = toml(&world);
    assert!(
        both.contains(&staging.uid()) && both.contains("# the small one") && both.contains("# as agreed"),
        "{both}"
    );
    assert!(world.run("doctor --pin").out.contains("pinned to its cluster already"));

    // the context leads elsewhere now: said, and the pin stays unless it is replaced
    world.kubeconfig(&[("staging", staging), ("main", staging)], None);
    let other = world.run("doctor --context main");
    other.exits(31);
    assert!(other.out.contains(&format!("it is {}, runbook.toml says {}", staging.uid(), main.uid())), "{}", other.out);
    assert!(other.out.contains("contexts main and staging are one cluster"), "{}", other.out);
    world.run("doctor --pin --context main").exits(31).says(&main.uid()).says(&staging.uid()).says("--pin --replace");
    assert_eq!(toml(&world), both);
    // and never onto the cluster of another context
    world.run("doctor --pin --replace --context main").exits(31).says("two names for one cluster");
    assert_eq!(toml(&world), both);
    world.kubeconfig(&[("staging", main), ("main", main)], None);
    world.file("runbook.toml", &both.replace(&main.uid(), "gone"));
    world.run("doctor --pin --replace --context main").exits(0);
    assert!(toml(&world).contains(&main.uid()));
    world.run("doctor --pin --replace").exits(2);
}

#[test]
fn what_cannot_be_reached_or_kept_is_said_with_what_to_do_and_ends_with_12() {
    let Some(clusters) = apiserver::shared() else { return };
    let staging = clusters.staging();
    let text = "[contexts.staging]\nstore = \"cluster\"\n[contexts.gone]\n[contexts.here]\nsandbox = true\n";
    let world = World::new(text, &[("staging", staging)]);
    staging.permit_identity("doctor-nobody");
    world.kubeconfig_of(&[("staging", staging.kubeconfig_as("doctor-nobody", &[]))], None);
    let looked = world.run("doctor -o json");
    looked.exits(12);
    let found: Value = serde_json::from_str(&looked.out).unwrap();
    let checkup = |context: &str, name: &str| {
        let context = found["contexts"].as_array().unwrap().iter().find(|it| it["name"] == context).unwrap();
        context["checkups"].as_array().unwrap().iter().find(|it| it["name"] == name).cloned().unwrap_or_default()
    };
    assert_eq!(checkup("gone", "kube-context")["health"], "failed");
    assert_eq!(checkup("here", "reached")["health"], "ok");
    assert!(checkup("staging", "account")["text"].as_str().unwrap().starts_with("doctor-nobody"));
    let places = checkup("staging", "places");
    assert_eq!(places["health"], "failed");
    assert!(places["text"].as_str().unwrap().contains("may not get leases, create leases"), "{places}");
    let machine = found["machine"].as_array().unwrap();
    assert!(machine.iter().any(|it| it["name"] == "state folder" && it["health"] != "failed"), "{machine:?}");
    world.run("doctor --context gone --pin").exits(12).says("context gone cannot be reached");
    world.run("doctor --context her").exits(31).says("did you mean --context here?");
}
