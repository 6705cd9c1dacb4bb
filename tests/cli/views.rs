//! One run, three views and a replay: all of the same lines.

use crate::program::{GREET, TWO, World, normal};

const RUN: &str = "run p.rhai --context staging";

#[test]
fn show_prints_what_the_live_run_printed() {
    for items in [GREET, TWO, &GREET.replace("== \"hello\"", "== \"goodbye\"").replace("5s", "300ms")] {
        let world = World::with(items);
        let live = world.go();
        let shown = world.run(&format!("show {}", world.only()));
        shown.exits(0);
        assert_eq!(normal(&shown.out), normal(&live.err));
    }
}

#[test]
fn json_lines_are_the_journal() {
    let world = World::with(TWO);
    let ended = world.run(&format!("{RUN} -o json"));
    ended.exits(20);
    let run = world.only();
    assert_eq!(ended.json_lines().len(), world.journal(&run).lines.len());
    let lines = world.journal(&run).lines.join("\n").replace(&world.root().display().to_string(), "<root>");
    assert_eq!(ended.out.trim_end(), lines, "byte for byte");
    let shown = world.run(&format!("show {run} -o json"));
    shown.exits(0);
    assert_eq!(shown.out, ended.out);
}

#[test]
fn progress_goes_to_stderr_in_the_form_that_was_asked_for() {
    let world = World::with(GREET);
    world.run(&format!("{RUN} --progress quiet")).exits(0).prints_nothing().says_nothing();
    world.run(&format!("{RUN} --progress plain")).exits(0).prints_nothing().says("staging  one/greet  verified");
    let json = world.run(&format!("{RUN} --progress json"));
    json.exits(0).prints_nothing();
    for line in json.err.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["v"], "1.0");
    }
    // what fails is said even where nothing else is
    let world = World::with(&GREET.replace("== \"hello\"", "== \"goodbye\"").replace("5s", "0s"));
    world.run(&format!("{RUN} --progress quiet")).exits(10).says("it says hello");
}

#[test]
fn nothing_is_coloured_without_a_terminal_or_where_no_color_is_set() {
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "xterm-256color")] {
        let world = World::with("step(\"Greet\".verify(|| true);\n");
        let mut command = world.command("check p.rhai");
        command.env(name, value);
        let ended = world.spawn(command).ends();
        ended.exits(13);
        assert!(!ended.err.contains('\u{1b}') && !ended.out.contains('\u{1b}'), "{ended}");
    }
    let world = World::with("step(\"Greet\".verify(|| true);\n");
    let mut command = world.command("check p.rhai");
    command.env("CLICOLOR_FORCE", "1");
    let forced = world.spawn(command).ends();
    assert!(forced.err.contains('\u{1b}'), "{forced}");
    let mut command = world.command("check p.rhai");
    command.env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1");
    let ended = world.spawn(command).ends();
    assert!(!ended.err.contains('\u{1b}'), "{ended}");
}

#[test]
fn every_line_carries_the_context() {
    let world = World::with(TWO);
    let ended = world.go();
    for line in ended.err.lines() {
        assert!(line.split_whitespace().nth(1) == Some("staging"), "{line}");
    }
    ended.says("no real cluster is touched");
}

#[test]
fn what_people_read_programs_read_as_json() {
    let world = World::with(TWO);
    let check = world.run("check p.rhai -o json");
    check.exits(0);
    assert_eq!(check.json()["ready"], true);
    let plan = world.run("plan p.rhai --context staging -o json");
    assert_eq!(plan.exits(0).json()["plan"]["title"], "Say hello");
    world.run("plan p.rhai").exits(0).prints("# Say hello").prints("nobody was greeted").prints("Greet again");
    world.go().exits(20);
    let run = world.only();
    let runs = world.run("runs -o json");
    assert_eq!(runs.exits(0).json()[0]["run"], run.as_str());
    let note = world.run(&format!("note {run} -o json words"));
    assert_eq!(note.exits(0).json()["run"], run.as_str());
    let approve = world.run(&format!("approve {run} -o json"));
    assert_eq!(approve.exits(0).json()["said"], "approve");
    let abandon = world.run(&format!("abandon {run} --reason over -o json"));
    assert_eq!(abandon.exits(0).json()["left"][0], "one/greet");
}

#[test]
fn the_version_and_help_are_results() {
    let world = World::new();
    world.run("--version").exits(0).prints("runbook ").says_nothing();
    world.run("run --help").exits(0).prints("--context <NAME>").prints("--skip-staging").says_nothing();
}
