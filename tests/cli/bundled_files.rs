//! A file that a command's arguments name belongs to the bundle, or the command is not started.

use std::os::unix::fs::PermissionsExt as _;

use crate::program::{Outcome, World};

const TOML: &str =
    "[contexts.staging]\nsandbox = true\ntalosconfig = \"talosconfig\"\n[contexts.main]\nsandbox = true\n";
const TALOSCONFIG: &str = "context: t\ncontexts:\n  t:\n    endpoints: [10.0.0.1]\n    nodes: []\n";

/// A world in which `talosctl` writes down what it was started with.
fn world(items: &str) -> World {
    let world = World::with(items);
    world.file("runbook.toml", TOML);
    world.file("talosconfig", TALOSCONFIG);
    let tool = world.path("../bin/talosctl");
    world.file("../bin/talosctl", "#!/bin/sh\ncase \"$*\" in *version*|*--help*|options) exit 0;; esac\necho \"$TALOSCONFIG $*\" >> \"$TMPDIR/asked\"\n");
    std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
    world
}

fn go(world: &World) -> Outcome {
    let mut command = world.command("run p.rhai --context staging");
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", world.path("../bin").display()));
    world.spawn(command).ends()
}

fn asked(world: &World) -> String {
    std::fs::read_to_string(world.root().join("asked")).unwrap_or_default()
}

#[test]
fn a_file_that_an_argument_names_literally_is_in_the_bundle() {
    let world = world(
        "step(\"Patch\").irreversible(\"it is machine configuration\").change(|| cmd::run([\"talosctl\", \"-n\", \"10.0.0.1\", \"patch\", \"mc\", \"-p\", \"@patch.yaml\"])).verify(\"so\", || true);\n",
    );
    world.file("patch.yaml", "machine: {}\n");
    go(&world).exits(0);
    assert!(asked(&world).contains("patch mc -p @patch.yaml"), "{}", asked(&world));
    let bundle = world.journal(&world.only()).of("run.opened").remove(0);
    // its text is part of what the run is: another text is another bundle
    world.file("patch.yaml", "machine: {type: worker}\n");
    let known = world.runs();
    let _ = go(&world);
    let later = world.runs().into_iter().find(|run| !known.contains(run)).unwrap();
    assert_ne!(bundle["bundle"], world.journal(&later).of("run.opened")[0]["bundle"]);
    assert!(bundle["bundle"].is_string(), "{bundle}");
}

#[test]
fn a_command_reads_no_file_that_the_bundle_does_not_hold() {
    let step = "const PATCH = \"@\" + \"patch.yaml\";\nstep(\"Patch\").irreversible(\"it is machine configuration\").change(|| cmd::run([\"talosctl\", \"-n\", \"10.0.0.1\", \"patch\", \"mc\", \"-p\", PATCH])).verify(\"so\", || true);\n";
    let world = world(step);
    world.file("patch.yaml", "machine: {}\n");
    let refused = go(&world);
    refused.says("reads @patch.yaml, which is not in the bundle").says("files(\"patch.yaml\")");
    assert_ne!(refused.code, 0);
    assert_eq!(asked(&world), "");
    world.playbook("p", &format!("files(\"patch.yaml\");\n{step}"));
    for run in world.runs() {
        let _ = world.run(&format!("abandon {run} --reason again"));
    }
    go(&world).exits(0);
    assert!(asked(&world).contains("patch mc -p @patch.yaml"), "{}", asked(&world));
}
