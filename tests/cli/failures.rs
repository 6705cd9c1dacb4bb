//! What does not go as expected: exit code, expected and observed, the record, and nothing changed behind the journal.

use std::path::Path;

use crate::program::{GREET, PLAN, World, config_map};

const NEVER: &str = "step(\"Greet\").change(|| k8s::apply(\"cm.yaml\"))\n    .verify(\"it says goodbye\", || k8s::get(\"ConfigMap/default/hello\").data.greeting == \"goodbye\").within(\"300ms\");\n";

#[test]
fn a_verify_that_does_not_hold_ends_with_10_and_a_record() {
    let world = World::with(NEVER);
    let ended = world.go();
    let run = world.only();
    ended
        .exits(10)
        .says("verify \"it says goodbye\" of step \"Greet\" did not hold within 300ms")
        .says("expected \"goodbye\"")
        .says("observed \"hello\"")
        .says("p.rhai:6:")
        .says("<root>/state/incidents/")
        .says(&format!("runbook resume {run}"))
        .says(&format!("runbook abandon {run}"));
    let (md, json) = (world.records("md"), world.records("json"));
    assert!(md.len() == 1 && json.len() == 1, "one record, in both forms");
    for words in ["it says goodbye", "\"goodbye\"", "\"hello\"", &run, "ConfigMap/default/hello"] {
        assert!(md[0].contains(words), "the record does not say {words}:\n{}", md[0]);
    }
    let record: serde_json::Value = serde_json::from_str(&json[0]).unwrap();
    assert!(record.to_string().contains(&run));
    assert!(!md[0].to_lowercase().contains("why didn't"), "blameless");
    let written = world.journal(&run).of("incident.written");
    let path = Path::new(written[0]["path"].as_str().unwrap());
    assert!(path.extension().is_some_and(|extension| extension == "md"), "{written:?}");
    world.run("runs").exits(0).prints("stopped").prints("0/1");
    world.everything_is_journaled("staging");
}

#[test]
fn a_stopped_run_goes_on_once_the_cause_is_mended() {
    let world = World::with(NEVER);
    world.go().exits(10);
    let run = world.only();
    world.change("staging", "ConfigMap", "hello", &crate::program::config_map("hello", "goodbye"));
    world.run(&format!("resume {run}")).exits(0);
    // the change was not sent again
    assert_eq!(world.journal(&run).of("effect").len(), 1);
}

#[test]
fn a_changed_playbook_is_not_resumed_and_the_difference_is_shown() {
    let world = World::with(NEVER);
    world.go().exits(10);
    let run = world.only();
    world.playbook("p", &NEVER.replace("goodbye", "hello"));
    world
        .run(&format!("resume {run}"))
        .exits(13)
        .says(&format!("is not what run {run} was started with"))
        .says("+ .verify(\"it says hello\"")
        .says(&format!("runbook abandon {run}"));
}

#[test]
fn a_change_that_fails_ends_with_11() {
    // what a command prints is known in the run alone
    let world = World::with(&GREET.replace(
        "k8s::apply(\"cm.yaml\")",
        "if cmd::read([\"echo\", \"so\"]).stdout == \"\" { k8s::apply(\"cm.yaml\") } else { k8s::apply(\"nowhere.yaml\") }",
    ));
    world.file("nowhere.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: hello, namespace: nowhere}\n");
    world.file("runbook.toml", format!("{}[tools.echo]\nread = [[\"*\"]]\n", crate::program::SANDBOXES));
    world.go().exits(11).says("ConfigMap/nowhere/hello").says("namespace `nowhere` does not exist").says("p.rhai:5:");
    assert_eq!(world.records("md").len(), 1);
    let run = world.only();
    assert_eq!(world.journal(&run).of("step.failed").len(), 1);
}

#[test]
fn a_precheck_that_does_not_hold_ends_with_11_and_changes_nothing() {
    let world = World::with(
        "step(\"Greet\").precheck(\"there is room\", || k8s::exists(\"Namespace/room\"))\n    .change(|| k8s::apply(\"cm.yaml\")).verify(\"so\", || k8s::exists(\"ConfigMap/default/hello\"));\n",
    );
    world.go().exits(11).says("precheck \"there is room\"").says("nothing was changed by it").says("Namespace/room");
    world.nothing_changed();
}

#[test]
fn a_failed_assumption_ends_with_12_and_nothing_changes() {
    let world = World::new();
    let assume = "assume(\"there is a moon\", \"medium\", || k8s::exists(\"Namespace/moon\")).impact(\"it is dark\").source(\"the almanac\");\nassume(\"there is a sun\", \"medium\", || k8s::exists(\"Namespace/sun\")).impact(\"it is darker\").source(\"the almanac\");\n";
    world.file("p.rhai", PLAN.replace("phase(", &format!("{assume}phase(")) + GREET);
    world
        .go()
        .exits(12)
        .says("there is a moon")
        .says("it is dark")
        .says("there is a sun")
        .says("Namespace/sun")
        .says("p.rhai:4:")
        .says("p.rhai:5:");
    world.nothing_changed();
    // nothing is held: the next run is not in its way
    world.go().exits(12);
}

#[test]
fn a_discovery_that_fails_ends_with_12_and_nothing_changes() {
    let world = World::new();
    let discover = "let n = discover(\"nodes\", [\"a\", \"b\"], || k8s::list(\"Nodde\").map(|n| n.metadata.name));\n";
    world.file("p.rhai", PLAN.replace("phase(", &format!("{discover}phase(")) + GREET);
    world.go().exits(12).says("nodes").says("Nodde").says("did you mean `Node`?");
    world.nothing_changed();
}

#[test]
fn an_outcome_that_is_not_there_ends_with_10() {
    let world = World::new();
    let plan =
        PLAN.replace("k8s::exists(\"Namespace/default\"))", "k8s::exists(\"Namespace/elsewhere\")).within(\"0s\")");
    world.file("p.rhai", plan + GREET);
    world.go().exits(10).says("the namespace is there").says("Namespace/elsewhere");
    assert_eq!(world.records("md").len(), 1);
}

/// More objects than an output may name, and a step that reads what is not kept of them.
#[test]
fn a_change_that_returns_much_is_made_and_only_reading_its_output_fails() {
    let many = (0..400).map(|n| config_map(&format!("object-{n}"), "hello")).collect::<Vec<_>>().join("---\n");
    let step = |verify: &str| {
        format!(
            "step(\"Greet all\").change(|| k8s::apply(\"many.yaml\"))\n    .verify(\"all are there\", || {verify}).within(\"5s\");\n"
        )
    };
    let world = World::with(&step("k8s::list(\"ConfigMap\", \"default\").len() >= 400"));
    world.file("many.yaml", &many);
    world.go().exits(0);
    let world = World::with(&step("output().len() == 400"));
    world.file("many.yaml", &many);
    world
        .go()
        .says("this step's output was")
        .says("no more than 65536 are kept")
        .says("let the change return what is needed");
    assert!(world.object("staging", "/api/v1/namespaces/default/configmaps/object-399").is_some());
}

/// A tool that says much before it fails, with its rules.
fn with_a_tool_that_fails(items: &str) -> World {
    let world = World::with(items);
    let line = |n: u32| format!("printf 'step {n} \\033[31mdone\\033[0m\\n' >&2\n");
    let lines = (1..=30).map(line).collect::<Vec<_>>().concat();
    world.file(
        "bin/migrate",
        format!(
            "#!/bin/sh\necho \"begun with $TOKEN\"\n{lines}echo \"error: no table users for $TOKEN\" >&2\nexit 3\n"
        ),
    );
    std::fs::set_permissions(world.path("bin/migrate"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    world.file(
        "runbook.toml",
        format!("{}[tools.migrate]\nread = [[\"show\"]]\nchange = [[\"up\"]]\n", crate::program::SANDBOXES),
    );
    world
}

fn go_with_tool(world: &World) -> crate::program::Outcome {
    let mut command = world.command("run p.rhai --context staging");
    command.env("PATH", format!("{}:/usr/bin:/bin", world.path("bin").display())).env("TOKEN", "hunter2-hunter2");
    world.spawn(command).ends()
}

const TOKEN: &str = "let token = secret(\"token\", #{ env: \"TOKEN\" });\n";

#[test]
fn a_command_that_fails_shows_the_end_of_what_it_said_and_where_all_of_it_is() {
    let change = "step(\"Migrate\").change(|| cmd::run([\"migrate\", \"up\"], #{ env: #{ TOKEN: token } })).verify(\"so\", || true).undo(\"by hand\");\n";
    let world = with_a_tool_that_fails("");
    world.file("p.rhai", PLAN.replace("phase(", &format!("{TOKEN}phase(")) + change);
    let ended = go_with_tool(&world);
    let run = world.only();
    ended
        .exits(11)
        .says("`migrate up` ended with status 3 and said:")
        .says("(19 lines before)")
        .says("step 30 done")
        .says("error: no table users for")
        .says_not("step 19 done")
        .says("p.rhai:6:")
        .says(&format!("all that it printed: runbook show {run} --commands"));
    assert_eq!(ended.err.matches("step 30 done").count(), 1, "{ended}");
    assert!(!ended.err.contains("hunter2") && !ended.err.contains('\u{1b}'), "{ended}");
    let record = &world.records("md")[0];
    assert!(record.contains("step 30 done") && record.contains("error: no table users for"), "{record}");

    let all = world.run(&format!("show {run} --commands"));
    all.exits(0).prints("$ migrate up").prints("status 3").prints("begun with").prints("step 1 done");
    assert!(!all.out.contains("hunter2") && !all.out.contains('\u{1b}'), "{all}");
    let json = world.run(&format!("show {run} --commands -o json")).json();
    assert_eq!((&json[0]["status"], &json[0]["step"]), (&3.into(), &"one/migrate".into()), "{json:#}");
    assert!(json[0]["stderr"].as_str().unwrap().starts_with("step 1 done\n"), "{json:#}");
}

#[test]
fn a_verify_by_a_command_that_fails_shows_the_end_of_what_it_said() {
    let verify = "step(\"Greet\").change(|| k8s::apply(\"cm.yaml\")).verify(\"the tables are there\", || cmd::read([\"migrate\", \"show\"]).status == 0).within(\"300ms\");\n";
    let world = with_a_tool_that_fails(verify);
    let ended = go_with_tool(&world);
    let run = world.only();
    ended
        .exits(10)
        .says("expected 0")
        .says("observed 3")
        .says("`migrate show` ended with status 3 and said:")
        .says("error: no table users for")
        .says_not("step 19 done")
        .says(&format!("all that was printed: runbook show {run} --commands"));
    world.run(&format!("show {run} --commands")).exits(0).prints("$ migrate show").prints("step 1 done");
}

#[test]
fn what_went_wrong_is_told_once_and_the_last_words_end_with_what_to_type() {
    let world = World::with(NEVER);
    let ended = world.go();
    let run = world.only();
    for words in ["expected  \"goodbye\"", "observed  \"hello\"", "at p.rhai:6:", ".md", "failed: "] {
        assert_eq!(ended.err.matches(words).count(), 1, "{words}{ended}");
    }
    ended.exits(10);
    assert!(ended.err.trim_end().ends_with(&format!("runbook show {run}")), "{ended}");

    let world = World::with(
        "step(\"Greet\").change(|| k8s::apply(\"nowhere.yaml\")).verify(\"so\", || true).undo(\"by hand\");\n",
    );
    world.file("nowhere.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: nowhere}\n");
    let ended = world.run("run p.rhai --context staging --until one/greet");
    ended
        .exits(12)
        .says("preflight 1 error")
        .says("outcome not begun after")
        .says("preflight found 1 error; nothing was changed")
        .says("runbook run <root>/playbooks/p.rhai --context staging --until one/greet");
    for words in ["namespace `nowhere` does not exist", ".md", "nothing was changed"] {
        assert_eq!(ended.err.matches(words).count(), 1, "{words}{ended}");
    }
}

#[test]
fn a_workload_that_does_not_come_up_is_shown_with_its_pods_that_fail() {
    let world = World::with(
        "step(\"Shop\").change(|| k8s::apply(\"shop.yaml\")).verify(\"it runs\", || k8s::ready(\"Deployment/default/shop\")).within(\"2s\");\n",
    );
    world.file(
        "shop.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: shop, namespace: default}\nspec:\n  replicas: 2\n  selector: {matchLabels: {app: shop}}\n  template: {metadata: {labels: {app: shop}}, spec: {containers: [{name: c, image: i}]}}\n",
    );
    let ended = world.run("run p.rhai --context staging --fault 'Deployment/default/shop: no such image'");
    ended
        .exits(10)
        .says("evidence Pod/default/shop-")
        .says("evidence warning event of Pod/default/shop-")
        .says("no such image");
    let run = world.only();
    let evidence = world.journal(&run).of("evidence.collected");
    let pods: std::collections::BTreeSet<&str> =
        evidence.iter().filter_map(|it| it["about"].as_str()).filter(|about| about.starts_with("Pod/")).collect();
    assert_eq!(pods.len(), 2, "{evidence:#?}");
}
