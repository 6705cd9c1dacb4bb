//! Staging first: what main refuses, what it takes as evidence, what it goes without.

use crate::program::{GREET, World};

const TOML: &str = "[contexts.staging]\nsandbox = true\n[contexts.main]\nsandbox = true\nrequires = \"staging\"\n";
const PARAMS: &str = "let tag = param(\"tag\", #{ default: \"1\" });\nlet host = param(\"host\", #{ per_context: #{ staging: \"s\", main: \"m\" } });\n";
const HELLO: &str = "/api/v1/namespaces/default/configmaps/hello";

fn world() -> World {
    let world = World::with(&format!("{PARAMS}{GREET}"));
    world.file("runbook.toml", TOML);
    world
}

const MAIN: &str = "run p.rhai --context main";

#[test]
fn main_refuses_what_staging_has_not_verified() {
    let world = world();
    world
        .run(MAIN)
        .exits(13)
        .says("main wants this playbook verified on staging first: there is no run of it on staging")
        .says("runbook run p.rhai --context staging")
        .says("--skip-staging");
    assert!(world.runs().is_empty());
    world.nothing_changed();
}

#[test]
fn main_takes_the_same_bundle_and_shows_what_differs_per_context() {
    let world = world();
    world.go().exits(0);
    let staging = world.only();
    world.run(MAIN).exits(0).says(&staging);
    assert!(world.object("main", HELLO).is_some());
    let main = world.runs().into_iter().find(|run| *run != staging).unwrap();
    let facts = world.journal(&main).of("gate.opened")[0]["card"]["facts"].to_string();
    assert!(facts.contains(&format!("verified on staging by run {staging}")), "{facts}");
    assert!(facts.contains("host was \\\"s\\\", is \\\"m\\\" (declared per context)"), "{facts}");
}

#[test]
fn a_changed_file_or_parameter_is_unstaged() {
    let world = world();
    world.go().exits(0);
    let staging = world.only();
    world
        .run(&format!("{MAIN} -p tag=2"))
        .exits(13)
        .says(&format!("run {staging} had other parameters: tag was \"1\", is \"2\""));
    world.file("cm.yaml", crate::program::config_map("hello", "hello") + "# another\n");
    world.run(MAIN).exits(13).says(&format!("run {staging} verified another version of this playbook"));
    assert!(world.object("main", HELLO).is_none());
}

#[test]
fn a_staging_run_that_did_not_end_well_is_no_evidence() {
    let world = world();
    world.file("cm.yaml", crate::program::config_map("hello", "goodbye"));
    world.file("p.rhai", std::fs::read_to_string(world.path("p.rhai")).unwrap().replace("\"5s\"", "\"0s\""));
    world.go().exits(10);
    let staging = world.only();
    world.run(MAIN).exits(13).says(&format!("run {staging} has not ended with its outcome verified"));
}

#[test]
fn a_staging_run_counts_for_its_time_only() {
    let world = world();
    world.go().exits(0);
    let staging = world.only();
    world.file("runbook.toml", format!("{TOML}max-age = \"1ms\"\n"));
    world.run(MAIN).exits(13).says(&format!("run {staging} ended")).says("it counts for 1ms");
    world.file("runbook.toml", format!("{TOML}soak = \"1h\"\n"));
    world.run(MAIN).exits(13).says("asks for 1h before it counts");
    world.file("runbook.toml", format!("{TOML}max-age = \"1d\"\n"));
    world.run(MAIN).exits(0);
}

#[test]
fn after_the_soak_the_outcome_is_looked_at_again_on_staging() {
    let outcome = "k8s::get(\"ConfigMap/default/hello\").data.greeting == \"hello\"";
    let world = World::new();
    let text =
        format!("{}{PARAMS}{GREET}", crate::program::PLAN).replace("k8s::exists(\"Namespace/default\")", outcome);
    world.file("p.rhai", text);
    world.file("runbook.toml", format!("{TOML}soak = \"1ms\"\n"));
    world.go().exits(0);
    let staging = world.only();
    world.change("staging", "ConfigMap", "hello", &crate::program::config_map("hello", "goodbye"));
    world
        .run(MAIN)
        .exits(13)
        .says(&format!("run {staging} soaked, and what it verified is not so now"))
        .says("\"the namespace is there\" no longer holds on staging: ")
        .says("\"goodbye\", expected \"hello\"");
    assert_eq!(world.only(), staging, "no run began");
    assert!(world.object("main", HELLO).is_none());
    world.change("staging", "ConfigMap", "hello", &crate::program::config_map("hello", "hello"));
    world.run(MAIN).exits(0).says("its outcome still holds there");
    let main = world.runs().into_iter().find(|run| *run != staging).unwrap();
    let again = &world.journal(&main).of("run.bound")[0]["staged"]["by"]["again"][0];
    assert_eq!((&again["verdict"], &again["observations"][0]["observed"]), (&"holds".into(), &"hello".into()));
}

#[test]
fn staging_that_became_another_cluster_since_it_was_verified_is_no_evidence_after_a_soak() {
    let world = world();
    world.file("runbook.toml", format!("{TOML}soak = \"1ms\"\n"));
    world.go().exits(0);
    let sandbox = std::fs::read_dir(world.state().join("sandbox")).unwrap().map(|entry| entry.unwrap());
    let staging =
        sandbox.into_iter().find(|entry| entry.file_name().to_string_lossy().starts_with("staging-")).unwrap();
    std::fs::remove_dir_all(staging.path()).unwrap();
    world.run(MAIN).exits(13).says("staging is another cluster than the one that it verified");
}

#[test]
fn going_without_staging_is_acknowledged_recorded_and_shown() {
    let world = world();
    world.run(&format!("{MAIN} --skip-staging ''")).exits(2).says("--skip-staging wants a reason");
    let ended = world.run(&format!("{MAIN} --skip-staging 'staging burnt down'"));
    let run = world.only();
    ended.exits(20).says("the staging run is skipped: staging burnt down").says(&format!("runbook approve {run}"));
    assert!(world.object("main", HELLO).is_none());
    world.run(&format!("approve {run}")).exits(0);
    world.run(&format!("resume {run}")).exits(0);
    world.run(&format!("show {run}")).exits(0).prints("staging burnt down");
    assert_eq!(world.journal(&run).of("run.bound")[0]["staged"]["skipped"]["reason"], "staging burnt down");
}
