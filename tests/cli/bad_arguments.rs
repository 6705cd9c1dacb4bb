//! What is wrong on the command line, in `runbook.toml` or in the kubeconfig.

use crate::program::{GREET, World};

#[test]
fn a_missing_context_is_asked_for() {
    let world = World::with(GREET);
    world
        .run("run p.rhai")
        .exits(2)
        .says("--context is missing")
        .says("runbook run p.rhai --context staging")
        .prints_nothing();
    assert!(world.runs().is_empty());
}

#[test]
fn a_context_that_is_not_declared_is_named_with_the_nearest() {
    let world = World::with(GREET);
    world
        .run("run p.rhai --context stagin")
        .exits(31)
        .says("context `stagin` is not declared in <root>/playbooks/runbook.toml")
        .says("did you mean --context staging?");
    assert!(world.runs().is_empty());
}

#[test]
fn a_context_that_the_playbook_does_not_name_is_refused() {
    let world = World::with(GREET);
    world.file("runbook.toml", "[contexts.lab]\nsandbox = true\n");
    world.run("run p.rhai --context lab").exits(31).says("not for context lab: it names staging, main");
    world.nothing_changed();
}

#[test]
fn without_a_runbook_toml_nothing_is_reached() {
    let world = World::with(GREET);
    std::fs::remove_file(world.path("runbook.toml")).unwrap();
    world.go().exits(31).says("there is no runbook.toml").says("[contexts.staging]");
}

#[test]
fn a_context_that_the_kubeconfig_does_not_have_is_named() {
    let world = World::with(GREET);
    world.file("runbook.toml", "[contexts.staging]\n");
    world.go().exits(31).says("staging").says(".kube/config");
    world.file(
        "../home/.kube/config",
        "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\nusers: [{name: u, user: {}}]\ncontexts: [{name: stagign, context: {cluster: c, user: u}}]\n",
    );
    world.go().exits(31).says("staging").says("stagign");
    world.file("../home/.kube/config", "{ this is: [no kubeconfig");
    world.go().exits(31).says(".kube/config");
    assert!(world.runs().is_empty());
}

#[test]
fn a_parameter_that_is_missing_unknown_or_not_one_of_its_values_is_named() {
    let world = World::with(&format!(
        "let a = param(\"greeting\", #{{ one_of: [\"hello\", \"moin\"], about: \"what it says\" }});\nlet n = param(\"count\", #{{ default: 2 }});\n{GREET}"
    ));
    let run = |params: &str| world.run(&format!("run p.rhai --context staging {params}"));
    run("").exits(13).says("param `greeting` has no value").says("--> p.rhai:5:").says("-p greeting=…");
    run("-p greting=hello").exits(13).says("the playbook has no param `greting`").says("did you mean `-p greeting=…`?");
    run("-p greeting=helo").exits(13).says("param `greeting` cannot be \"helo\"").says("\"hello\", \"moin\"");
    run("-p greeting=hello -p count=two").exits(13).says("param `count` is a number").says("--> p.rhai:6:");
    run("-p greeting").exits(2).says("`-p greeting` has no value").says("-p greeting=VALUE");
    run("--params none.yaml").exits(2).says("none.yaml").says("No such file");
    world.file("list.yaml", "- 1\n");
    run("--params list.yaml").exits(2).says("list.yaml").says("a map of names and values");
    world.nothing_changed();
    assert!(world.runs().is_empty());
    run("-p greeting=moin").exits(0);
}

#[test]
fn an_unknown_verb_or_flag_has_the_nearest_one() {
    let world = World::with(GREET);
    world.run("rnu p.rhai").exits(2).says("unrecognized subcommand 'rnu'").says("'runs'");
    world.run("run p.rhai --contxt staging").exits(2).says("'--contxt'").says("'--context'");
    world.run("run p.rhai --context staging --progress loud").exits(2).says("loud").says("plain");
    world.run("undue x").exits(2).says("unrecognized subcommand");
    world.run("").exits(2).says("Usage: runbook");
}

#[test]
fn a_run_that_there_is_not_is_named_with_what_lists_them() {
    let world = World::with(GREET);
    for verb in ["show", "resume", "approve", "reject", "note", "done", "abandon"] {
        let rest = match verb {
            "note" => " 'text'",
            "done" => " step",
            "abandon" => " --reason because",
            _ => "",
        };
        world.run(&format!("{verb} nothing-123456{rest}")).exits(2).says("nothing-123456").says("runbook runs");
    }
    world.run("runs").exits(0).says("no runs yet").prints_nothing();
}

#[test]
fn a_configuration_with_a_mistake_is_refused_with_its_line() {
    let world = World::with(GREET);
    world.file("runbook.toml", "[contexts.staging]\nsandbox = true\nrequire = \"main\"\n");
    world.go().exits(2).says("runbook.toml:3").says("require").says("requires");
    world.file("runbook.toml", "[contexts.staging\n");
    world.go().exits(2).says("runbook.toml:1");
    assert!(world.runs().is_empty());
}
