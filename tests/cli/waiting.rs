//! What waits without a process: parked verifies, whose time runs by the clock; and who is told.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::program::{TWO, World, config_map, eventually};

/// A change, and a verify about something that comes from elsewhere.
fn waits_for_second(methods: &str) -> World {
    World::with(&format!(
        "step(\"Greet\").change(|| k8s::apply(\"cm.yaml\"))\n    .verify(\"an answer comes\", || k8s::exists(\"ConfigMap/default/second\")){methods};\n"
    ))
}

fn until(world: &World, run: &str) -> Timestamp {
    let parked = world.journal(run).of("verify.parked");
    parked.last().unwrap()["until"].as_str().unwrap().parse().unwrap()
}

fn is_over(time: Timestamp) {
    eventually("the time is over", || (Timestamp::now() > time).then_some(()));
}

fn results(world: &World, run: &str) -> Value {
    world.journal(run).of("step.verified")[0]["verifies"][0].clone()
}

#[test]
fn a_verify_that_parks_lets_the_process_end_and_a_resume_looks_again() {
    let world = waits_for_second(".within(\"1h\").parks()");
    let ended = world.go();
    let run = world.only();
    ended
        .exits(20)
        .says("waiting for \"an answer comes\" of step \"Greet\" to come true, since")
        .says(", until")
        .says(&format!("runbook resume {run}"));
    world.run("runs").exits(0).prints("waiting").prints("an answer comes");
    let first = until(&world, &run);
    world.run(&format!("resume {run}")).exits(20);
    assert_eq!(world.journal(&run).of("verify.parked").len(), 1, "its time goes on, it does not begin again");
    assert_eq!(until(&world, &run), first);
    world.change("staging", "ConfigMap", "second", &config_map("second", "hello"));
    world.run(&format!("resume {run}")).exits(0);
    assert_eq!(world.journal(&run).of("effect").len(), 1);
    assert_eq!(results(&world, &run)["reason"], Value::Null);
}

#[test]
fn a_parked_verify_whose_time_is_over_by_the_clock_fails_at_the_next_look() {
    let world = waits_for_second(".within(\"4s\").parks()");
    world.go().exits(20);
    let run = world.only();
    is_over(until(&world, &run));
    world.run(&format!("resume {run}")).exits(10).says("did not hold within 4s");
    // the next attempt has its whole time again
    world.change("staging", "ConfigMap", "second", &config_map("second", "hello"));
    world.run(&format!("resume {run}")).exits(0);
}

#[test]
fn that_it_stayed_true_while_nobody_looked_is_said_to_be_sampled() {
    let world = waits_for_second(".within(\"1h\").stays(\"4s\").parks()");
    // it is there at once, so that it only has to stay
    world.file("cm.yaml", format!("{}---\n{}", config_map("hello", "hello"), config_map("second", "hello")));
    world.go().exits(20).says("\"an answer comes\" of step \"Greet\" to stay true, since");
    let run = world.only();
    is_over(until(&world, &run));
    world.run(&format!("resume {run}")).exits(0);
    let result = results(&world, &run);
    assert_eq!(result["verdict"], "holds");
    assert!(result["reason"].as_str().unwrap().starts_with("sampled: "), "{result}");
}

#[test]
fn where_nobody_is_there_a_long_wait_parks_by_itself() {
    let world = waits_for_second(".within(\"16m\")");
    world.go().exits(20).says("waiting for \"an answer comes\"");
}

#[test]
fn until_names_a_step_that_is_there_also_on_resume() {
    let world = World::with(TWO);
    world.go().exits(20);
    let run = world.only();
    world.run(&format!("resume {run} --until two/great-again")).exits(2).says("did you mean two/greet-again?");
}

fn notify(world: &World, on: &str, run: &str) {
    world.file("runbook.toml", format!("[contexts.staging]\nsandbox = true\n[notify]\non = [{on}]\nrun = [{run}]\n"));
}

#[test]
fn who_is_to_be_told_gets_the_event_as_json_and_no_more_of_the_environment_than_a_command_does() {
    let world = World::with(TWO);
    notify(&world, "\"waiting\", \"failed\"", "\"sh\", \"-c\", \"cat > told; env > told.env\"");
    let mut command = world.command("run p.rhai --context staging");
    command.env("A_TOKEN_OF_SOMEBODY", "sesame");
    world.spawn(command).ends().exits(20);
    let run = world.only();
    let told: Value = serde_json::from_slice(&std::fs::read(world.path("told")).unwrap()).unwrap();
    assert_eq!((&told["on"], &told["run"], &told["exit"]), (&json!("waiting"), &json!(run), &json!(20)));
    assert_eq!((&told["context"], &told["event"]["k"]), (&json!("staging"), &json!("run.waiting")));
    let env = std::fs::read_to_string(world.path("told.env")).unwrap();
    assert!(env.contains("PATH=") && !env.contains("sesame"), "{env}");

    world.change("staging", "ConfigMap", "hello", &config_map("hello", "goodbye"));
    world.run(&format!("resume {run}")).exits(10);
    let told: Value = serde_json::from_slice(&std::fs::read(world.path("told")).unwrap()).unwrap();
    assert_eq!((&told["on"], &told["event"]["k"]), (&json!("failed"), &json!("run.stopped")));
}

#[test]
fn that_an_approval_expired_is_told_where_it_is_asked_for() {
    let world = World::with(&TWO.replace("annoyed?\")", "annoyed?\").expires(\"1s\")"));
    notify(&world, "\"expired\"", "\"sh\", \"-c\", \"cat >> told\"");
    world.go().exits(20);
    let run = world.only();
    assert!(!world.path("told").exists(), "that it waits is not asked for");
    world.run(&format!("approve {run}")).exits(0);
    let soon = Timestamp::now() + jiff::SignedDuration::from_millis(1100);
    is_over(soon);
    world.run(&format!("resume {run}")).exits(22);
    let told: Value = serde_json::from_slice(&std::fs::read(world.path("told")).unwrap()).unwrap();
    assert_eq!((&told["on"], &told["exit"]), (&json!("expired"), &json!(22)));
}

#[test]
fn who_takes_longer_than_ten_seconds_to_be_told_is_not_waited_for() {
    let world = World::with(TWO);
    notify(&world, "\"waiting\"", "\"sh\", \"-c\", \"echo $$ > told; exec sleep 600\"");
    let began = std::time::Instant::now();
    world.go().exits(20).says("nobody was told that the run is waiting").says("it took longer than 10 s");
    assert!(began.elapsed() >= std::time::Duration::from_secs(10));
    let pid = std::fs::read_to_string(world.path("told")).unwrap();
    assert!(!std::path::Path::new("/proc").join(pid.trim()).exists(), "it was ended");
}

#[test]
fn that_nobody_could_be_told_is_noted_and_stops_nothing() {
    let world = World::with(TWO);
    notify(&world, "\"waiting\"", "\"sh\", \"-c\", \"echo no such channel >&2; exit 3\"");
    world.go().exits(20).says("nobody was told that the run is waiting").says("ended with status 3: no such channel");
    let run = world.only();
    notify(&world, "\"waiting\"", "\"no-such-command-anywhere\"");
    world.run(&format!("resume {run}")).exits(20).says("`no-such-command-anywhere` was not found in PATH");
    notify(&world, "\"failed\"", "\"no-such-command-anywhere\"");
    world.run(&format!("resume {run}")).exits(20);
    assert_eq!(world.journal(&run).of("note.added").len(), 2, "a failure is told, and it did not fail");
}
