//! The migration from restic to kopia, on a sandbox that is as the cluster was when it was planned.

use std::process::Command;

use serde_json::Value;

use crate::{
    migration,
    playbooks::world as everything,
    program::{Outcome, World, normal},
};

const PLAYBOOK: &str = "migrate-volsync-kopia.rhai";

/// A world with the playbooks, the sandbox as it was, and the tools.
fn world() -> World {
    let world = everything();
    let files = "migrate-volsync-kopia/crds.yaml migrate-volsync-kopia/as-it-was.yaml";
    world.run(&format!("sandbox load --context staging {files}")).exits(0);
    world
}

fn with_tools(world: &World, line: &str) -> Command {
    let mut command = world.command(line);
    command.env("PATH", migration::tools(&world.home().join("bin")));
    command
}

fn run(world: &World, line: &str) -> Outcome {
    world.spawn(with_tools(world, line)).ends()
}

/// Whatever a playbook could have changed or made, without what controllers write.
fn everything_there(world: &World) -> Vec<(String, Value)> {
    let lists = [
        "api/v1/namespaces",
        "api/v1/secrets",
        "api/v1/pods",
        "apis/batch/v1/jobs",
        "apis/external-secrets.io/v1/externalsecrets",
        "apis/helm.toolkit.fluxcd.io/v2/helmreleases",
        "apis/source.toolkit.fluxcd.io/v1/ocirepositories",
        "apis/volsync.backube/v1alpha1/replicationsources",
    ];
    let objects = lists.iter().flat_map(|list| {
        let found = world.object("staging", &format!("/{list}")).unwrap();
        let items = found["items"].as_array().unwrap().clone();
        items.into_iter().map(move |item| (format!("{list}/{}", item["metadata"]["name"]), item))
    });
    let objects = objects.map(|(name, object)| {
        let managers = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
        assert!(managers.iter().all(|entry| entry["manager"] != "runbook"), "{name} was written: {managers:?}");
        let mut spec = object["spec"].clone();
        if let Some(spec) = spec.as_object_mut().filter(|_| name.starts_with("api/v1/pods")) {
            // a pod may not have had its place yet
            spec.remove("nodeName");
        }
        (name, spec)
    });
    objects.collect()
}

#[test]
fn preflight_finds_all_seven_wrong_assumptions_at_once_and_changes_nothing() {
    let world = world();
    run(&world, &format!("check {PLAYBOOK}")).exits(0);
    let before = everything_there(&world);
    let outcome = run(&world, &format!("run {PLAYBOOK} --context staging"));
    outcome.exits(12).says("nothing was changed");
    let journal = world.journal(&world.only());
    migration::are_found(&journal.of("preflight.finished")[0]);
    assert!(journal.of("effect").is_empty());
    assert_eq!(everything_there(&world), before);

    let lines = outcome.err.lines().skip_while(|line| !line.contains("preflight  error")).collect::<Vec<_>>();
    let assumed = lines.iter().take_while(|line| !line.contains("  run  failed"));
    let shown: Vec<&str> = assumed.map(|line| line.split_once("staging  ").map_or(*line, |(_, text)| text)).collect();
    let upto = shown.iter().rposition(|line| line.contains("source: the guide")).unwrap();
    insta::assert_snapshot!("kopia_preflight", normal(&shown[..=upto].join("\n")));
}

#[test]
fn with_the_seven_corrected_the_same_playbook_runs_to_its_verified_end() {
    let world = world();
    let playbook = std::fs::read_to_string(world.path(PLAYBOOK)).unwrap();
    world.file(PLAYBOOK, migration::corrected(&playbook));
    run(&world, &format!("run {PLAYBOOK} --context staging"))
        .exits(20)
        .says("Does the kopia server show the repository");
    let id = world.only();
    for (code, words) in [(20, "\"immich first\" is done"), (0, "its outcome was verified")] {
        run(&world, &format!("approve {id}")).exits(0);
        run(&world, &format!("resume {id}")).exits(code).says(words);
    }
    let source = |name: &str| {
        let path = format!("/apis/volsync.backube/v1alpha1/namespaces/media/replicationsources/{name}");
        world.object("staging", &path).unwrap()
    };
    for app in ["immich", "paperless"] {
        assert_eq!(source(app)["spec"]["paused"], true);
        let kopia = source(&format!("{app}-kopia"));
        assert_eq!(kopia["status"]["latestMoverStatus"]["result"], "Successful", "{kopia}");
        // the manual trigger was a hold, and the schedule is in force again
        assert!(
            kopia["spec"]["trigger"]["manual"].is_null() && kopia["spec"]["trigger"]["schedule"].is_string(),
            "{kopia}"
        );
    }
    // and it can be taken back, up to the repository, which is no machine's to delete
    run(&world, &format!("undo {id}")).exits(41);
    assert!(source("immich")["spec"]["paused"].is_null());
    let gone = "/apis/volsync.backube/v1alpha1/namespaces/media/replicationsources/immich-kopia";
    assert!(world.object("staging", gone).is_none());
}

#[test]
fn one_correction_leaves_the_other_six() {
    let world = world();
    let playbook = std::fs::read_to_string(world.path(PLAYBOOK)).unwrap();
    world.file(PLAYBOOK, playbook.replace("const STORE = \"onepassword\";", "const STORE = \"onepassword-connect\";"));
    run(&world, &format!("run {PLAYBOOK} --context staging")).exits(12);
    let preflight = world.journal(&world.only()).of("preflight.finished").remove(0);
    let found = preflight["findings"].as_array().unwrap().iter().filter(|finding| finding["rule"] == "assumption");
    assert_eq!(found.count(), 6);
}
