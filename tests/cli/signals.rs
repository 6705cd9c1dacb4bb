//! Ctrl-C, SIGTERM and a closed terminal: nothing new starts, the journal is kept, a resume goes on.

use rustix::process::Signal;

use crate::program::{World, config_map};

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
    let child = crate::program::eventually("the command runs", || {
        let run = world.runs().pop()?;
        let text = std::fs::read_to_string(world.state().join("runs").join(run).join("journal.jsonl")).ok()?;
        let line = text.lines().find(|line| line.contains("\"k\":\"child.started\""))?;
        serde_json::from_str::<serde_json::Value>(line).ok()?["p"]["pid"].as_i64()
    });
    live.signal(Signal::INT);
    live.ends().exits(130);
    assert!(!std::path::Path::new(&format!("/proc/{child}")).exists(), "the command was ended");
}
