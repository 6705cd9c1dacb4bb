//! The arguments that `std/talos` gives, with the real talosctl: taken as far as the connection to a node that is not there.

use std::{net::TcpListener, path::PathBuf};

use super::{assets, or_not_run, program};
use crate::{
    apiserver,
    run::world::{Outcome, World, play},
};

#[test]
fn talosctl_has_every_flag_that_std_talos_and_the_rules_give_it() {
    let Some(talosctl) = program("talosctl") else { return };
    let mut expected = vec![
        (
            vec!["apply-config"],
            vec!["--file", "--dry-run", "--mode", "--nodes", "--endpoints", "--insecure", "--config-patch"],
        ),
        (vec!["upgrade"], vec!["--image", "--nodes"]),
        (vec!["version"], vec!["--client", "--nodes", "--insecure"]),
        (vec!["rotate-ca"], vec!["--dry-run"]),
        (vec!["upgrade-k8s"], vec!["--dry-run"]),
        (vec!["patch"], vec!["--dry-run", "--mode", "--patch-file"]),
        (vec!["logs"], vec!["--follow"]),
        (vec!["get"], vec!["--watch", "--insecure", "--cluster", "--context", "--talosconfig", "--siderov1-keys-dir"]),
    ];
    // what std/talos itself writes down is among them
    let source = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/stdlib/talos.rhai")).unwrap();
    for call in source.split("[\"talosctl\"").skip(1) {
        let argv: Vec<&str> = call.split(']').next().unwrap().split(',').map(str::trim).collect();
        let words = argv.iter().filter_map(|word| word.strip_prefix('"')?.strip_suffix('"'));
        let (flags, plain): (Vec<&str>, Vec<&str>) = words.partition(|word| word.starts_with('-'));
        assert_eq!(plain.len(), 1, "{argv:?}");
        expected.push((plain, flags.into_iter().filter(|flag| flag.starts_with("--")).collect()));
    }
    assert!(expected.len() > 9, "std/talos gives arguments");
    for (words, flags) in expected {
        let has = talosctl.flags(&[&words[..], &["--help"]].concat());
        for flag in flags {
            assert!(has.contains(flag), "talosctl {} has no {flag}: {has:?}", words.join(" "));
        }
    }
}

/// A world whose context has one node, at an address where nothing listens.
fn world(cluster: &apiserver::Cluster, talosctl: &std::path::Path) -> (World, String) {
    let node = cluster.namespace("talos");
    cluster.apply(&format!("{{apiVersion: v1, kind: Node, metadata: {{name: {node}}}}}"));
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut world = World::new("[contexts.staging]\ntalosconfig = \"talosconfig\"\n", &[("staging", cluster)]);
    world.programs(talosctl);
    world.file("talosconfig", &format!("context: lab\ncontexts:\n  lab: {{endpoints: [\"{closed}\"]}}\n"));
    world.file("p/machine.yaml", "{version: v1alpha1, machine: {type: worker}}\n");
    (world, node)
}

/// How the run ended, and all that its journal has.
fn run(world: &World, argv: &str) -> (Outcome, String) {
    let step = format!(
        "files(\"p/**\");\nstep(\"Ask\").change(|| cmd::run({argv})).timeout(\"1m\").verify(\"x\", || true).irreversible(\"x\");"
    );
    world.file("p.rhai", &play("\"staging\"", "true", &step));
    let known = world.runs();
    let outcome = world.run("run p.rhai --context staging");
    let run = world.new_run(&known);
    world.run(&format!("abandon {run} --reason tried")).exits(0);
    (outcome, format!("{:?}", world.journal(&run).0))
}

#[test]
fn talosctl_takes_our_arguments_up_to_the_connection_and_a_node_with_a_port_is_none_of_ours() {
    let Some(folder) = or_not_run::<PathBuf>(assets::talos()) else { return };
    let Some(clusters) = apiserver::shared() else { return };
    let cluster = clusters.staging();
    let (world, node) = world(cluster, &folder);
    for argv in [
        "[\"talosctl\", \"-n\", \"NODE\", \"apply-config\", \"--file\", \"p/machine.yaml\", \"--mode\", \"auto\"]",
        "[\"talosctl\", \"-n\", \"NODE\", \"apply-config\", \"--file\", \"p/machine.yaml\", \"--dry-run\"]",
        "[\"talosctl\", \"-n\", \"NODE\", \"upgrade\", \"--image\", \"ghcr.io/siderolabs/installer:v1.13.2\"]",
        "[\"talosctl\", \"-n\", \"NODE\", \"reboot\"]",
    ] {
        let (outcome, journal) = run(&world, &argv.replace("NODE", &node));
        outcome.exits(11);
        assert!(journal.contains("connection refused") && !journal.contains("Usage:"), "{argv}: {journal}");
    }
    // talosctl hands a port on to the endpoint, where no node has such a name: it is refused before it is started
    let with_port = format!("[\"talosctl\", \"-n\", \"{node}:50000\", \"reboot\"]");
    let (outcome, _) = run(&world, &with_port);
    outcome.exits(31).says(&format!("{node}:50000 is no node of context staging"));
    cluster.client().delete(&format!("Node/{node}"));
}
