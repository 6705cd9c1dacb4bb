//! Stop-gates without a terminal: what opens them, what does not, and what is said then.

use std::process::Stdio;

use crate::{
    badserver::{BadServer, Does},
    program::{TWO, World, eventually},
};

const SECOND: &str = "/api/v1/namespaces/default/configmaps/second";

fn waiting(items: &str) -> (World, String) {
    let world = World::with(items);
    world.go().exits(20);
    let run = world.only();
    (world, run)
}

fn with_gate(methods: &str) -> String {
    TWO.replace("gate(\"Was anybody annoyed?\")", &format!("gate(\"Was anybody annoyed?\"){methods}"))
}

#[test]
fn a_gate_without_a_terminal_ends_with_20_and_says_what_to_type() {
    let world = World::with(TWO);
    let ended = world.go();
    let run = world.only();
    ended
        .exits(20)
        .says("gate \"Was anybody annoyed?\" waits for a decision")
        .says(&format!("runbook approve {run}"))
        .says(&format!("runbook resume {run}"))
        .says(&format!("runbook reject {run}"))
        .prints_nothing();
    assert!(world.object("staging", SECOND).is_none());
    world.run("runs").exits(0).prints(&run).prints("waiting").prints("1/2").prints("Was anybody annoyed?");
}

#[test]
fn nothing_that_is_piped_in_opens_a_gate() {
    for closed in [false, true] {
        let world = World::with(TWO);
        let mut command = world.command("run p.rhai --context staging");
        command.stdin(Stdio::piped());
        if closed {
            // as `runbook … <&-` does
            command = std::process::Command::new("sh");
            let binary = env!("CARGO_BIN_EXE_runbook");
            command.args(["-c", "exec \"$0\" run p.rhai --context staging <&-", binary]);
            command.current_dir(world.path("")).env_clear().envs(world.environment());
        }
        let mut live = world.spawn(command);
        if let Some(mut stdin) = live.stdin() {
            std::thread::spawn(move || {
                use std::io::Write as _;
                while stdin.write_all(b"y\ngo\nyes\n").is_ok() {}
            });
        }
        live.ends().exits(20).says("waits for a decision");
        assert!(world.object("staging", SECOND).is_none());
    }
}

#[test]
fn an_approval_opens_the_gate_at_the_next_resume_and_is_used_once() {
    let (world, run) = waiting(TWO);
    world.run(&format!("resume {run}")).exits(20);
    world.run(&format!("approve {run} --reason 'nobody was'")).exits(0).prints(&format!("runbook resume {run}"));
    world
        .run(&format!("resume {run}"))
        .exits(0)
        .says("go, through approve, at one/gate-was-anybody-annoyed: nobody was");
    assert!(world.object("staging", SECOND).is_some());
    world.run(&format!("resume {run}")).exits(2).says("is closed").says(&format!("runbook show {run}"));
    world.run(&format!("approve {run}")).exits(2).says("waits at no gate");
    let decided = world.journal(&run).of("gate.decided");
    let by_approve: Vec<_> = decided.iter().filter(|decided| decided["via"] == "approve").collect();
    assert_eq!(by_approve.len(), 1, "{decided:?}");
}

#[test]
fn an_approval_of_evidence_that_is_no_longer_there_does_not_count() {
    let (world, run) = waiting(&TWO.replace("greeting == \"hello\"", "greeting != \"\""));
    world.run(&format!("approve {run}")).exits(0);
    // the verify still holds, and compares another value than the one that was approved
    world.change("staging", "ConfigMap", "hello", &crate::program::config_map("hello", "surprise"));
    world.run(&format!("resume {run}")).exits(20).says("what was approved is not what is there now");
    assert!(world.object("staging", SECOND).is_none());
    // the fresh evidence can be approved
    world.run(&format!("approve {run}")).exits(0);
    world.run(&format!("resume {run}")).exits(0);
}

#[test]
fn an_expired_approval_ends_with_22_and_the_gate_waits_with_fresh_evidence() {
    let (world, run) = waiting(&with_gate(".expires(\"1s\")"));
    world.run(&format!("approve {run}")).exits(0);
    let inbox = world.state().join("runs").join(&run).join("inbox");
    let file = std::fs::read_dir(&inbox).unwrap().next().unwrap().unwrap().path();
    let message: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let expires: jiff::Timestamp = message["said"]["expires"].as_str().unwrap().parse().unwrap();
    eventually("the approval expires", || (jiff::Timestamp::now() > expires).then_some(()));
    world
        .run(&format!("resume {run}"))
        .exits(22)
        .says("the approval expired at")
        .says(&format!("runbook approve {run}"));
    assert!(world.object("staging", SECOND).is_none());
    world.run(&format!("resume {run}")).exits(20);
}

#[test]
fn a_rejection_ends_with_21_and_the_next_question_shows_it() {
    let (world, run) = waiting(TWO);
    world.run(&format!("reject {run} --reason 'the dashboard is red'")).exits(0).prints("runbook abandon");
    world.run(&format!("resume {run}")).exits(21).says("was rejected: the dashboard is red");
    assert!(world.object("staging", SECOND).is_none());
    world.run(&format!("resume {run}")).exits(20).says("the dashboard is red");
    world.run(&format!("approve {run}")).exits(0);
    world.run(&format!("resume {run}")).exits(0);
    assert!(world.object("staging", SECOND).is_some());
}

#[test]
fn a_gate_of_class_human_is_not_opened_by_approve() {
    let world = World::with(&with_gate(".class(\"human\")"));
    let ended = world.go();
    let run = world.only();
    ended.exits(20).says("class human").says_not(&format!("runbook approve {run}"));
    world.run(&format!("approve {run}")).exits(13).says("class human").says("`approve` does not open it");
    world.run(&format!("resume {run}")).exits(20);
    assert!(world.object("staging", SECOND).is_none());
    // it can be rejected from everywhere
    world.run(&format!("reject {run}")).exits(0);
    world.run(&format!("resume {run}")).exits(21);
}

#[test]
fn a_gate_of_class_auto_opens_by_itself_and_is_journaled() {
    let world = World::with(&with_gate(".class(\"auto\")"));
    world.go().exits(0).says("go, through auto, at one/gate-was-anybody-annoyed");
    let decided = world.journal(&world.only()).of("gate.decided");
    assert!(decided.iter().any(|d| d["via"] == "auto" && d["gate"] == "one/gate-was-anybody-annoyed"), "{decided:?}");
}

#[test]
fn a_verify_that_was_true_and_is_not_any_more_stops_the_next_gate() {
    let (world, run) = waiting(TWO);
    world.run(&format!("approve {run}")).exits(0);
    world.change("staging", "ConfigMap", "hello", &crate::program::config_map("hello", "goodbye"));
    world
        .run(&format!("resume {run}"))
        .exits(10)
        .says("was true and is not any more")
        .says("expected \"hello\"")
        .says("observed \"goodbye\"");
    assert!(world.object("staging", SECOND).is_none());
}

#[test]
fn a_live_run_that_waits_is_answered_from_another_process() {
    let (world, run) = waiting(TWO);
    world.run(&format!("approve {run}")).exits(0);
    world.run(&format!("abandon {run} --reason 'not today'")).exits(0).prints("one/greet");
    world.run(&format!("resume {run}")).exits(2).says("is closed");
}

#[test]
fn until_stops_after_a_step_as_at_a_gate() {
    let world = World::with(TWO);
    world.run("run p.rhai --context staging --until one/greet").exits(20).says("asked to stop");
    let run = world.only();
    world.run(&format!("resume {run}")).exits(20).says("Was anybody annoyed?");
}

#[test]
fn a_manual_step_waits_for_done_and_is_verified() {
    let world = World::with(
        "step(\"Press the button\").manual(\"press the red one\").undo(\"press it again\")\n    .verify(\"it says hello\", || k8s::get(\"ConfigMap/default/hello\").data.greeting == \"hello\").within(\"1s\");\n",
    );
    let ended = world.go();
    let run = world.only();
    ended.exits(20).says("press the red one").says(&format!("runbook done {run} one/press-the-button"));
    world.run(&format!("done {run} one/other")).exits(2).says("it waits for one/press-the-button");
    world.run(&format!("resume {run}")).exits(20);
    world
        .run(&format!("done {run} press-the-button --reason pressed"))
        .exits(0)
        .prints(&format!("runbook resume {run}"));
    // nobody pressed it: said is not seen
    world.run(&format!("resume {run}")).exits(10).says("it says hello");
    world.change("staging", "ConfigMap", "hello", &crate::program::config_map("hello", "hello"));
    world.run(&format!("resume {run}")).exits(0);
    assert_eq!(world.journal(&run).of("step.done-by-hand")[0]["reason"], "pressed");
}

#[test]
fn whether_an_approval_has_expired_is_decided_by_the_servers_clock() {
    let server = BadServer::start();
    let world = World::with(TWO);
    server.is_staging_of(&world);
    world.go().exits(20);
    let run = world.only();
    // good for an hour, and to the server it is two hours later by now
    world.run(&format!("approve {run}")).exits(0);
    server.when("", "", Does::Dated(jiff::SignedDuration::from_hours(2)));
    world.run(&format!("resume {run}")).exits(22).says("the approval expired at");
    assert!(server.object(SECOND).is_none());
    server.heals();
    world.run(&format!("approve {run}")).exits(0);
    world.run(&format!("resume {run}")).exits(0);
    assert!(server.object(SECOND).is_some());
}
