//! What is taken for true: how it is shown, and what is to be acknowledged.

use crate::program::{GREET, World};

fn world(assume: &str) -> World {
    World::with(&format!("{GREET}{assume}"))
}

#[test]
fn low_confidence_without_a_probe_is_acknowledged_at_the_start_gate() {
    let world =
        world("assume(\"nobody else is at work\", \"low\").impact(\"two changes meet\").source(\"the calendar\");");
    let outcome = world.go();
    let fact = "to accept assumption (low): nobody else is at work - has no probe; source: the calendar; if it is not so: two \
                changes meet";
    outcome.exits(20).says(fact).says("warning: assumed without a probe: nobody else is at work");
    let run = world.only();
    outcome.says(&format!("opened by runbook approve {run} (counts for 1h; it accepts what is listed above)"));
    world.nothing_changed();
    world.run(&format!("approve {run} --reason 'we asked'")).exits(0);
    world.run(&format!("resume {run}")).exits(0);
}

#[test]
fn other_assumptions_are_shown_there_and_stop_nothing() {
    let assume = "assume(\"the moon is up\", \"medium\").source(\"the almanac\");
assume(\"the namespace is there\", \"high\", || k8s::exists(\"Namespace/default\")).impact(\"nothing is greeted\");";
    let world = world(assume);
    world.go().exits(0);
    let gates = world.journal(&world.only()).of("gate.opened");
    let facts: Vec<&str> =
        gates[0]["card"]["facts"].as_array().unwrap().iter().filter_map(|fact| fact["text"].as_str()).collect();
    assert_eq!(
        facts,
        [
            "assumption (medium): the moon is up - has no probe; source: the almanac",
            "assumption (high): the namespace is there - holds; if it is not so: nothing is greeted",
        ]
    );
    let plan = world.run("plan p.rhai");
    plan.exits(0);
    for row in [
        "| the moon is up",
        "| medium     | none",
        "| the namespace is there",
        "| high       | asked before the first change",
        "| nothing is greeted",
    ] {
        assert!(plan.out.contains(row), "{row}:\n{}", plan.out);
    }
}

#[test]
fn high_confidence_wants_a_probe() {
    let world = world("assume(\"the moon is up\", \"high\");");
    world.run("check p.rhai").exits(13).says("is assumed with high confidence, and nothing verifies it");
}

#[test]
fn a_probe_that_fails_tells_what_there_is() {
    let assume =
        "assume(\"the config is named greeting\", \"medium\", || k8s::exists(\"ConfigMap/kube-system/greeting\"));
assume(\"there is a Greeting kind\", \"low\", || k8s::api(\"Deploymint\", \"v1\"));
assume(\"Deployments are beta\", \"low\", || k8s::api(\"Deployment\", [\"v1beta1\", \"v1beta2\"]));
assume(\"there is a pod\", \"low\", || k8s::exec(\"Pod/default/box\", [\"ls\"], #{ reads: true }).stdout == \"\");";
    let world = world(assume);
    let outcome = world.go();
    outcome.exits(12).says("found: ConfigMap/kube-system/greeting does not exist");
    outcome.says("found: Deploymint is not served as v1, nor in any other version; there is `Deployment`");
    outcome.says("found: Deployment is served as v1, not as v1beta1 or v1beta2");
    outcome.says("found: Pod/default/box does not exist");
    world.nothing_changed();
}

#[test]
fn a_command_in_a_pod_says_that_it_only_reads_where_something_is_read() {
    let world = World::with(&format!(
        "{GREET}assume(\"x\", \"low\", || k8s::exec(\"Pod/default/box\", [\"ls\"]).status == 0);"
    ));
    world.go().exits(12).says("where the command changes nothing, say so: k8s::exec(…, […], #{ reads: true })");
    world.nothing_changed();
}
