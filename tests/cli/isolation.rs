//! What a tool, a node, a host and a project are held to, without a real cluster; the ways to another cluster stand in
//! `tests/cluster/run/ways.rs`.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::program::World;

/// A world whose one step does this; the context has these lines more.
fn world(line: &str, more: &str) -> World {
    let world = World::with(&format!(
        "step(\"Try\").change(|| {line}).verify(\"it is there\", || k8s::exists(\"Namespace/default\")).irreversible(\"no way back\");\n"
    ));
    world.file(
        "runbook.toml",
        format!("[contexts.staging]\nsandbox = true\n{more}\n[contexts.main]\nsandbox = true\nhosts = [\"*.main.example.com\"]\n"),
    );
    world
}

/// A tool of the test's own in front of `PATH`, which leaves a file behind when it is started to do something: not when it is
/// asked what it is.
fn tool(world: &World, name: &str, script: &str) {
    let path = world.home().join("bin").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, format!("#!/bin/sh\ncase \"$*\" in *version*|*--help*|options) exit 0;; esac\ntouch \"$HOME/{name}-started\"\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn started(world: &World, name: &str) -> bool {
    world.home().join(format!("{name}-started")).exists()
}

fn go(world: &World, context: &str) -> crate::program::Outcome {
    let mut command = world.command(&format!("run p.rhai --context {context}"));
    let path = std::env::join_paths(
        [world.home().join("bin")].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    command.env("PATH", path.unwrap());
    world.spawn(command).ends()
}

/// What the caller's own environment says, a tool does not hear.
#[test]
fn a_tool_gets_the_runs_own_kubeconfig_whatever_the_callers_environment_says() {
    let world = world(r#"cmd::run(["kubectl", "label", "ns", "default", "a=b"])"#, "");
    tool(
        &world,
        "kubectl",
        "echo \"$KUBECONFIG|$HELM_KUBECONTEXT|$HELM_KUBEAPISERVER|$KUBERC|$*\"; cat \"$KUBECONFIG\"",
    );
    let mut command = world.command("run p.rhai --context staging");
    let path = format!("{}:{}", world.home().join("bin").display(), std::env::var("PATH").unwrap());
    command.env("PATH", path);
    for (name, value) in [
        ("KUBECONFIG", "/caller"),
        ("HELM_KUBECONTEXT", "main"),
        ("HELM_KUBEAPISERVER", "https://main"),
        ("KUBERC", "on"),
    ] {
        command.env(name, value);
    }
    world.spawn(command).ends().exits(0);
    let ended = world.journal(&world.only()).of("child.ended");
    let said = ended[0]["stdout"].as_str().unwrap();
    let first = said.lines().next().unwrap();
    assert!(
        first.ends_with("|||off|--context staging label ns default a=b") && !first.starts_with("/caller"),
        "{first}"
    );
    assert!(said.contains("current-context") && !said.contains("main"), "{said}");
}

#[test]
fn a_node_of_another_cluster_and_a_host_of_another_context_are_refused_with_31() {
    let reboot = |node: &str| format!("cmd::run([\"talosctl\", \"-n\", \"{node}\", \"reboot\"])");
    let without = world(&reboot("sandbox-node-1"), "");
    tool(&without, "talosctl", "exit 0");
    go(&without, "staging").exits(11).says("context staging has no talosconfig").says("[contexts.staging] talosconfig");
    let talos = "context: lab\ncontexts:\n  lab: {endpoints: [192.0.2.10]}\n  other: {endpoints: [192.0.2.99]}\n";
    for (node, code) in [("sandbox-node-1", 0), ("192.0.2.10", 0), ("192.0.2.99", 31), ("10.9.9.9", 31)] {
        let world = world(&reboot(node), "talosconfig = \"talosconfig\"");
        world.file("talosconfig", talos);
        tool(&world, "talosctl", "echo \"$TALOSCONFIG\"");
        let ended = go(&world, "staging");
        ended.exits(code);
        assert_eq!(started(&world, "talosctl"), code == 0, "{node}");
        if code == 31 {
            ended.says(&format!("{node} is no node of context staging")).says("sandbox-node-1");
        }
    }
    let world = world("http::get(\"https://shop.main.example.com/\").status", "");
    go(&world, "staging").exits(31).says("shop.main.example.com belongs to context main");
}

const PROJECT: &str = "plan(\"Move\").problem(\"x\").outcome(\"y\").verify(\"it is listed\", || cmd::read([\"gcloud\", \"compute\", \"instances\", \"list\"]).status == 0)
    .contexts([\"lab\"]).current(\"a\").target(\"b\");
phase(\"One\").goal(\"moved\");
";

/// A context that is a GCP project: its number is its identity, its id is given to every command.
#[test]
fn a_context_that_is_a_project_is_held_to_it_and_has_no_cluster() {
    let make = |items: &str| {
        let world = World::new();
        world.file("runbook.toml", "[contexts.lab.target]\nproject = \"lab-1\"\n");
        world.file("p.rhai", format!("{PROJECT}{items}"));
        tool(
            &world,
            "gcloud",
            "case \"$*\" in *describe*) cat \"$HOME/number\" ;; *) echo \"$CLOUDSDK_CORE_PROJECT|$*\" ;; esac",
        );
        fs::write(world.home().join("number"), "1234567\n").unwrap();
        world
    };
    let step = "step(\"Stop\").change(|| cmd::run([\"gcloud\", \"compute\", \"instances\", \"stop\", \"a\"])).verify(\"x\", || cmd::read([\"gcloud\", \"compute\", \"instances\", \"list\"]).status == 0).irreversible(\"x\");\n";
    let world = make(step);
    go(&world, "lab").exits(0).says("project 1234567");
    let ended = world.journal(&world.only()).of("child.ended");
    let said = ended[0]["stdout"].as_str().unwrap();
    assert!(said.starts_with("lab-1|--project lab-1") && said.contains("instances stop a"), "{said}");
    let world = make("step(\"Look\").verify(\"x\", || k8s::exists(\"Namespace/default\")).within(\"0s\");\n");
    let ended = go(&world, "lab");
    ended.says("context lab is the GCP project lab-1 and has no cluster");
    assert_ne!(ended.code, 0);
    // without a project, gcloud would take the one of the account
    let world = world_without_project();
    go(&world, "staging")
        .exits(11)
        .says("context staging has no GCP project")
        .says("[contexts.staging.target] project");
    assert!(!started(&world, "gcloud"));
}

fn world_without_project() -> World {
    let world = world(r#"cmd::run(["gcloud", "compute", "instances", "stop", "a"])"#, "");
    tool(&world, "gcloud", "exit 0");
    world
}

/// A warning with the line to write, once for each host; what is this machine's own, declared or a sandbox's is none.
#[test]
fn a_host_that_a_context_does_not_declare_is_found_with_the_line_to_write() {
    let asks = |url: &str| format!("step(\"{url}\").verify(\"it answers\", || http::get(\"{url}\").status == 200);\n");
    let urls = [
        "https://status.example.org/a",
        "https://status.example.org/b",
        "https://shop.staging.example.com/",
        "http://localhost:8080/",
        "http://127.0.0.1/",
        "https://shop.main.example.com/",
    ];
    let world = World::with(&urls.map(asks).concat());
    world.file(
        "runbook.toml",
        "[contexts.staging]\nhosts = [\"*.staging.example.com\"]\n[contexts.main]\nhosts = [\"*.main.example.com\", \"status.example.org\", \"*.staging.example.com\"]\n",
    );
    let checked = world.run("check p.rhai");
    checked
        .exits(0)
        .says("shop.main.example.com belongs to context main; this run works on staging: the request is refused there")
        .says("[contexts.staging] hosts = [\"*.staging.example.com\", \"shop.main.example.com\"]");
    let found = checked.err.matches("warning[http-host]").count();
    assert_eq!(found, 2, "{}", checked.err);
    world.file("runbook.toml", "[contexts.staging]\nhosts = [\"*.staging.example.com\"]\n[contexts.main]\n");
    let checked = world.run("check p.rhai");
    checked
        .says("context staging does not declare the http host status.example.org")
        .says("if it belongs to this context, say so in runbook.toml: [contexts.staging] hosts = [\"*.staging.example.com\", \"status.example.org\"]");
    world.file("runbook.toml", crate::program::SANDBOXES);
    assert!(!world.run("check p.rhai").err.contains("http-host"));
    fs::remove_file(world.path("runbook.toml")).unwrap();
    assert!(
        !world.run("check p.rhai").err.contains("http-host"),
        "without contexts, there is nothing to declare it for"
    );
}
