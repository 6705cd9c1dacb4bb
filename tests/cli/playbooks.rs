//! The playbooks that come with runbook, run as their first lines say.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use crate::{
    badserver::BadServer,
    program::{World, eventually},
};

/// A world with everything of the repository's folder `playbooks`.
pub fn world() -> World {
    let world = World::new();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks");
    let mut folders = vec![from.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&from).unwrap().to_str().unwrap();
                world.file(name, fs::read(&path).unwrap());
            }
        }
    }
    world
}

#[test]
fn rollout_image_rolls_a_workload_to_the_image_that_it_is_given() {
    let world = world();
    let run = "run rollout-image.rhai --context staging -p image=registry.k8s.io/pause:3.10";
    world.run(run).exits(0).says("the rollout is complete: holds");
    let journal = world.journal(&world.only());
    let patched = journal
        .of("effected")
        .into_iter()
        .find(|p| p["seq"] == 1 && p["step"].as_str().unwrap().contains("pause"))
        .unwrap();
    let after = &patched["results"][0]["after"]["spec"]["template"]["spec"]["containers"][0]["image"];
    assert_eq!(after, "registry.k8s.io/pause:3.10");
    // a container that it does not have is said before anything is changed
    world.run(&format!("{run} -p container=other")).exits(11).says("it has a container other");
}

#[test]
fn retire_secret_store_deletes_it_once_nothing_in_git_or_in_the_cluster_names_it() {
    let world = world();
    let run = "run retire-secret-store.rhai --context staging";
    world.run(run).exits(0);
    let journal = world.journal(&world.only());
    let discovered = |name: &str| {
        journal.of("discovery.answered").into_iter().find(|it| it["name"] == name).unwrap()["value"].clone()
    };
    assert_eq!(discovered("fields that name the old store, in any cluster"), serde_json::json!([]));
    assert_eq!(discovered("notes that speak of it"), serde_json::json!(["docs/stores.md:3"]));
    assert_eq!(discovered("secrets to write new ones after")[0], "ExternalSecret/web/login");
    assert!(
        discovered("what staging has and main has not")
            .as_array()
            .unwrap()
            .contains(&"HelmRelease/monitoring/grafana".into())
    );
    // one that still names it is found before anything is changed, with its line
    let secret = "retire-secret-store/gitops/kubernetes/main/apps/web/login.yaml";
    let text = fs::read_to_string(world.path(secret)).unwrap();
    world.file(secret, text.replace("name: onepassword-connect", "name: onepassword"));
    world
        .run(run)
        .exits(12)
        .says("assumed: nothing in Git names the old store")
        .says("login.yaml:10 spec.secretStoreRef");
}

#[test]
fn suspend_and_patch_changes_what_flux_keeps_while_it_is_suspended_and_gives_it_back() {
    let world = world();
    world.run("run suspend-and-patch.rhai --context staging").exits(0);
    let journal = world.journal(&world.only());
    let natives: Vec<_> =
        journal.of("effect").iter().map(|p| p["effect"]["targets"][0].as_str().unwrap().to_owned()).collect();
    assert!(natives.contains(&"ConfigMap/default/demo-settings".to_owned()), "{natives:?}");
    // given back: suspended, and resumed when the phase ended
    assert_eq!(natives.iter().filter(|target| *target == "Kustomization/flux-system/demo").count(), 3, "{natives:?}");
}

/// A node answers by an executable of the test's own: it notes what it was told, and the node comes back upgraded.
#[test]
fn upgrade_talos_node_cordons_drains_and_upgrades_one_node_after_the_other() {
    let server = BadServer::start();
    let world = world();
    server.is_staging_of(&world);
    let toml = fs::read_to_string(world.path("runbook.toml")).unwrap();
    world.file("runbook.toml", toml.replace("[contexts.staging]", "[contexts.staging]\ntalosconfig = \"talosconfig\""));
    world.file("talosconfig", "context: lab\ncontexts:\n  lab: {endpoints: [192.0.2.10]}\n");
    let bin = world.home().join("bin");
    fs::create_dir_all(&bin).unwrap();
    fs::write(
        bin.join("talosctl"),
        "#!/bin/sh\ncase \"$*\" in *version*|*--help*|options) exit 0;; esac\necho \"$*\" >> \"$HOME/told\"\n",
    )
    .unwrap();
    fs::set_permissions(bin.join("talosctl"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = world.command("run upgrade-talos-node.rhai --context staging -p version=v1.13.2");
    command.env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()));
    let live = world.spawn(command);
    eventually("talosctl is asked", || {
        fs::read_to_string(world.home().join("told")).ok().filter(|told| told.ends_with('\n'))
    });
    let body = r#"{"status":{"nodeInfo":{"osImage":"Talos (v1.13.2)"}}}"#;
    let address = server.url().replace("http://", "");
    let mut stream = TcpStream::connect(&address).unwrap();
    let request = format!(
        "PATCH /api/v1/nodes/sandbox-node-1/status HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/merge-patch+json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    live.ends().exits(0).says("sandbox-node-1-first/upgrade-sandbox-node-1  verified in");
    let told = fs::read_to_string(world.home().join("told")).unwrap();
    assert_eq!(told, "--context lab -n sandbox-node-1 upgrade --image ghcr.io/siderolabs/installer:v1.13.2\n");
    let node = server.object("/api/v1/nodes/sandbox-node-1").unwrap();
    assert!(node["spec"]["unschedulable"].is_null(), "the hold was given back: {node}");
}
