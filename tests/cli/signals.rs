//! Ctrl-C, SIGTERM and a closed terminal: nothing new starts, the journal is kept, a resume goes on.

use rustix::process::Signal;

use crate::program::{World, config_map, eventually};

const WAITS: &str = "step(\"Wait\").change(|| k8s::apply(\"second.yaml\"))\n    .verify(\"it comes\", || k8s::exists(\"ConfigMap/default/hello\")).within(\"5m\");\n";

#[test]
fn a_signal_during_a_wait_ends_the_process_and_a_resume_finishes_the_run() {
    for (signal, name, code) in
        [(Signal::INT, "SIGINT", 130), (Signal::TERM, "SIGTERM", 143), (Signal::HUP, "SIGHUP", 130)]
    {
        let world = World::with(WAITS);
        let mut live = world.start("run p.rhai --context staging");
        live.waits_for("it comes: ");
        let run = world.only();
        live.signal(signal);
        live.ends()
            .exits(code)
            .says(&format!("cancelled by {name}: nothing new was started"))
            .says(&format!("runbook resume {run}"));
        assert_eq!(world.journal(&run).of("run.cancelled")[0]["reason"], name);
        world.everything_is_journaled("staging");
        world.change("staging", "ConfigMap", "hello", &config_map("hello", "hello"));
        world.run(&format!("resume {run}")).exits(0);
        assert_eq!(world.journal(&run).of("effect").len(), 1, "the change was not sent again");
    }
}

#[test]
fn a_run_that_was_killed_goes_on_where_its_journal_ends() {
    let world = World::with(WAITS);
    let mut live = world.start("run p.rhai --context staging");
    live.waits_for("it comes: ");
    let run = world.only();
    live.signal(Signal::KILL);
    live.ends().exits(137);
    world.run("runs").exits(0).prints(&run);
    world.change("staging", "ConfigMap", "hello", &config_map("hello", "hello"));
    world.run(&format!("resume {run}")).exits(0);
    assert_eq!(world.journal(&run).of("effect").len(), 1, "the change was not sent again");
}

#[test]
fn ctrl_c_in_a_command_ends_the_command() {
    let world = World::with(
        "step(\"Sleep\").change(|| cmd::run([\"sleep\", \"600\"])).undo(\"nothing\")\n    .verify(\"so\", || k8s::exists(\"Namespace/default\"));\n",
    );
    world.file(
        "runbook.toml",
        "[contexts.staging]\nsandbox = true\n[tools.sleep]\nread = []\nchange = [[\"*\"]]\ncluster = \"none\"\n",
    );
    let live = world.start("run p.rhai --context staging");
    let child = child(&world);
    live.signal(Signal::INT);
    live.ends().exits(130);
    assert!(!lives(child), "the command was ended");
}

/// The command that a run's journal says was started.
fn child(world: &World) -> i32 {
    eventually("the command runs", || {
        let run = world.runs().pop()?;
        let text = std::fs::read_to_string(world.state().join("runs").join(run).join("journal.jsonl")).ok()?;
        let line = text.lines().find(|line| line.contains("\"k\":\"child.started\""))?;
        serde_json::from_str::<serde_json::Value>(line).ok()?["p"]["pid"].as_i64()?.try_into().ok()
    })
}

/// Whether the process is there, and no zombie that nobody has waited for.
fn lives(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

/// A step whose command does what this shell script says.
fn commands(script: &str) -> World {
    let world = World::with(
        "step(\"Work\").change(|| cmd::run([\"work\"])).undo(\"nothing\")\n    .verify(\"so\", || k8s::exists(\"Namespace/default\"));\n",
    );
    world.file("../bin/work", format!("#!/bin/sh\n{script}\n"));
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(world.path("../bin/work"), mode).unwrap();
    world.file(
        "runbook.toml",
        "[contexts.staging]\nsandbox = true\n[tools.work]\nread = []\nchange = [[]]\ncluster = \"none\"\n",
    );
    world
}

fn start(world: &World, line: &str) -> crate::program::Live {
    let mut command = world.command(line);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", world.path("../bin").display()));
    world.spawn(command)
}

#[test]
fn a_command_that_does_not_want_to_end_has_its_grace_and_is_killed() {
    let world = commands("trap '' TERM; sleep 600 & while :; do wait; done");
    let live = start(&world, "run p.rhai --context staging");
    let child = child(&world);
    live.signal(Signal::TERM);
    live.ends().exits(143).says("cancelled by SIGTERM");
    assert!(!lives(child), "it was killed");
    let run = world.only();
    // it was started, and what it did is not known: it is not started again by itself
    start(&world, &format!("resume {run}")).ends().exits(40).says("may not be sent twice");
}

#[test]
fn the_second_ctrl_c_ends_at_once_and_a_resume_ends_what_was_left() {
    let world = commands("trap '' TERM; sleep 600 & while :; do wait; done");
    let mut live = start(&world, "run p.rhai --context staging");
    let child = child(&world);
    live.signal(Signal::INT);
    live.waits_for("SIGINT: nothing new is started; once more ends at once");
    live.signal(Signal::INT);
    live.ends().exits(130).says("SIGINT: ended at once");
    assert!(lives(child), "there was no time for its grace");
    let run = world.only();
    world.run("runs").exits(0).prints("died").prints(&format!("runbook resume {run}"));
    start(&world, &format!("resume {run}"))
        .ends()
        .exits(40)
        .says("was left by the process before: it was still running and was ended");
    assert!(!lives(child));
}

#[test]
fn a_command_that_outlives_its_killed_parent_is_ended_by_the_resume() {
    let world = commands("sleep 600");
    let live = start(&world, "run p.rhai --context staging");
    let child = child(&world);
    live.signal(Signal::KILL);
    live.ends().exits(137);
    assert!(lives(child), "it leads a group of its own");
    let run = world.only();
    let ended =
        start(&world, &format!("resume {run} --step one/work --outcome applied --reason 'it had done it'")).ends();
    ended.exits(0).says("it was still running and was ended");
    assert!(!lives(child));
    assert_eq!(world.journal(&run).of("child.ended").len(), 1);
}

#[test]
fn a_stopped_process_lets_no_deadline_pass() {
    // true only after the verify's time is over by any clock; what was not looked at is looked at again
    let late = jiff::Timestamp::now() + std::time::Duration::from_secs(7);
    let world =
        World::with(&format!("step(\"Wait\").verify(\"it is late\", || time::now() > \"{late}\").within(\"4s\");\n"));
    let mut live = world.start("run p.rhai --context staging");
    live.waits_for("it is late: ");
    live.signal(Signal::STOP);
    let stopped = std::time::Instant::now();
    eventually("the verify's time is over", || (stopped.elapsed().as_millis() > 5500).then_some(()));
    live.signal(Signal::CONT);
    live.ends().exits(0);
}

#[test]
fn a_terminal_that_is_closed_loses_nothing() {
    let world = World::with(WAITS);
    let Some(terminal) = crate::terminal::Terminal::open(&world) else { return };
    terminal.types(&format!("exec '{}' run p.rhai --context staging", env!("CARGO_BIN_EXE_runbook")));
    terminal.shows("it comes");
    let run = world.only();
    drop(terminal);
    let end = eventually("the run has stopped", || {
        let text = std::fs::read_to_string(world.state().join("runs").join(&run).join("journal.jsonl")).ok()?;
        text.contains("\"k\":\"run.stopped\"").then_some(text)
    });
    assert!(end.contains("cancelled by SIGHUP"), "{end}");
    world.change("staging", "ConfigMap", "hello", &config_map("hello", "hello"));
    eventually("its process has ended", || {
        let ended = world.run(&format!("resume {run}"));
        (ended.code != 30).then(|| ended.exits(0).code)
    });
    assert_eq!(world.journal(&run).of("effect").len(), 1);
}

#[test]
fn ctrl_c_on_a_terminal_reaches_the_run_and_not_its_command() {
    let world = commands("trap 'echo told >> ../int' INT; trap 'exit 1' TERM; sleep 600 & wait");
    let Some(terminal) = crate::terminal::Terminal::open(&world) else { return };
    let path = world.path("../bin").display().to_string();
    terminal.types(&format!(
        "PATH={path}:$PATH '{}' run p.rhai --context staging; echo ended with $?",
        env!("CARGO_BIN_EXE_runbook")
    ));
    let child = child(&world);
    terminal.presses("C-c");
    terminal.shows("ended with 130");
    assert!(!lives(child));
    assert!(!world.path("../int").exists(), "only the run is in the terminal's foreground");
}
