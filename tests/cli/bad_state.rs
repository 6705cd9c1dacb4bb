//! A state folder that cannot be written: said with the folder and what to do, before anything changes.

use crate::{
    badserver::BadServer,
    program::{GREET, TWO, World},
};

#[test]
fn a_state_folder_that_cannot_be_made_is_named() {
    let world = World::with(GREET);
    // root writes everywhere but here
    world
        .run("run p.rhai --context staging --state-dir /proc/runbook")
        .exits(1)
        .says("/proc/runbook")
        .says("RUNBOOK_STATE_DIR");
    assert!(world.runs().is_empty());
}

#[test]
fn a_file_where_the_state_folder_should_be_is_named() {
    let world = World::with(GREET);
    world.file("../state", "in the way");
    for command in ["run p.rhai --context staging", "runs", "show x"] {
        world.run(command).exits(1).says("<root>/state").says("RUNBOOK_STATE_DIR");
    }
}

#[test]
fn runs_that_cannot_be_kept_change_nothing() {
    let world = World::with(GREET);
    world.file("../state/runs", "in the way");
    world
        .go()
        .exits(1)
        .says("no journal can be kept, so nothing is changed")
        .says("<root>/state/runs")
        .says("RUNBOOK_STATE_DIR");
    assert!(world.object("staging", "/api/v1/namespaces/default/configmaps/hello").is_none());
}

#[test]
fn locks_that_cannot_be_kept_change_nothing() {
    let world = World::with(GREET);
    world.file("../state/locks", "in the way");
    world.go().exits(1).says("<root>/state/locks").says("RUNBOOK_STATE_DIR");
    world.nothing_changed();
}

#[test]
fn a_journal_on_a_full_disk_stops_the_run_before_its_next_effect() {
    let world = World::with(TWO);
    world.go().exits(20);
    let run = world.only();
    world.run(&format!("approve {run}")).exits(0);
    let inbox = world.state().join("runs").join(&run).join("inbox");
    assert_eq!(std::fs::read_dir(&inbox).unwrap().count(), 1);
    let path = world.journal(&run).path().to_owned();
    let kept = std::fs::read(&path).unwrap();
    // what is written there gets "no space left on device"; what is read is no journal
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let ended = world.run(&format!("resume {run}"));
    assert_ne!(ended.code, 0, "{ended}");
    assert!(world.object("staging", "/api/v1/namespaces/default/configmaps/second").is_none());
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, kept).unwrap();
    world.run(&format!("resume {run}")).exits(0);
}

#[test]
fn files_that_may_not_grow_stop_the_run_before_its_next_effect_and_it_goes_on_once_they_may() {
    let counted = |server: &BadServer| server.count("PATCH");
    let (mut stopped, mut effects) = (0, vec![]);
    // in blocks of 512 bytes: from a journal that may have no line to one that has them all
    for blocks in (1..60).step_by(6) {
        let (world, server) = (World::with(TWO), BadServer::start());
        server.is_staging_of(&world);
        // the limit is the system's own: a write beyond it gets "file too large"
        let command = |line: &str| {
            let limited = world.command(line);
            let mut shell = std::process::Command::new("sh");
            let script = format!("ulimit -f {blocks}; trap '' XFSZ; exec \"$0\" \"$@\"");
            shell.args(["-c", &script]).arg(limited.get_program()).args(limited.get_args());
            shell.current_dir(world.path("")).env_clear().envs(world.environment()).stdin(std::process::Stdio::null());
            world.spawn(shell)
        };
        let ended = command("run p.rhai --context staging").ends();
        let sent = counted(&server);
        let Some(run) = world.runs().first().cloned() else {
            ended.exits(1).says("File too large").says("RUNBOOK_STATE_DIR");
            assert_eq!(sent, 0, "blocks {blocks}");
            continue;
        };
        if ended.code != 20 {
            stopped += 1;
            ended.exits(1).says("File too large").says("make room");
        }
        effects.push(sent);
        let begun = world.journal_of_whole_lines(&run);
        assert!(begun.matches("\"k\":\"effect\"").count() >= sent, "an effect that no line tells of: blocks {blocks}");
        if begun.is_empty() {
            world.run(&format!("abandon {run} --reason full")).exits(0);
            world.go().exits(20);
        } else if ended.code != 20 {
            world.run(&format!("resume {run}")).exits(20);
        }
        let run = world.runs().first().cloned().unwrap();
        world.run(&format!("approve {run}")).exits(0);
        world.run(&format!("resume {run}")).exits(0);
        assert!(server.object("/api/v1/namespaces/default/configmaps/second").is_some());
    }
    assert!(stopped > 1 && effects.contains(&0) && effects.contains(&1), "{stopped}, {effects:?}");
}

#[test]
fn an_incident_record_that_cannot_be_written_is_said_and_stops_nothing_else() {
    let world = World::with(
        "step(\"Greet\").change(|| k8s::apply(\"cm.yaml\")).verify(\"no\", || k8s::exists(\"ConfigMap/default/x\")).within(\"0s\");\n",
    );
    world.file("../state/incidents", "in the way");
    world.go().exits(10).says("the incident record could not be written").says("<root>/state/incidents");
    world.run("runs").exits(0).prints("stopped");
}

#[test]
fn a_bundle_that_is_gone_is_named() {
    let world = World::with(TWO);
    world.go().exits(20);
    let run = world.only();
    std::fs::remove_file(world.state().join("runs").join(&run).join("bundle.json")).unwrap();
    world.run(&format!("resume {run}")).exits(1).says(&run).says("bundle");
    world.run(&format!("show {run}")).exits(0);
}
