//! Taking a run back: in reverse, verified, journaled; what may not be taken back by itself stays and is named.

use rustix::process::Signal;

use crate::program::{GREET, TWO, World, config_map, normal};

/// Two steps; the second has a closure that takes a while to be seen through.
const THREE: &str = r#"step("First").change(|| k8s::apply("cm.yaml"))
    .verify("so", || k8s::exists("ConfigMap/default/hello")).within("5s");
step("Second").change(|| k8s::apply("second.yaml"))
    .verify("so", || k8s::exists("ConfigMap/default/second")).within("5s");
step("Third").change(|| k8s::apply("third.yaml"))
    .verify("so", || k8s::exists("ConfigMap/default/third")).within("5s");
"#;

fn there(world: &World, name: &str) -> bool {
    world.object("staging", &format!("/api/v1/namespaces/default/configmaps/{name}")).is_some()
}

fn data(world: &World, name: &str) -> serde_json::Value {
    world.object("staging", &format!("/api/v1/namespaces/default/configmaps/{name}")).unwrap()["data"].clone()
}

fn three() -> World {
    let world = World::with(THREE);
    world.file("third.yaml", config_map("third", "hello"));
    world
}

#[test]
fn a_run_that_is_done_is_taken_back_in_reverse_and_is_no_evidence_any_more() {
    let world = three();
    world.go().exits(0);
    let run = world.only();
    let said = world.run(&format!("undo {run} --reason 'it was for show'"));
    said.exits(0).says("taken back, 1 verified").says("undone: it was taken back");
    assert!(!there(&world, "hello") && !there(&world, "second") && !there(&world, "third"));
    let journal = world.journal(&run);
    let steps: Vec<_> = journal.of("undo.step.ended").iter().map(|p| p["step"].as_str().unwrap().to_owned()).collect();
    assert_eq!(steps, ["one/third", "one/second", "one/first"]);
    assert_eq!(journal.of("run.closed").last().unwrap()["how"], "undone");
    assert_eq!(journal.of("undo.started")[0]["reason"], "it was for show");
    world.run("runs").exits(0).prints("undone").prints("0/3");
    world.run(&format!("undo {run}")).exits(2).says("was taken back already");
    // it gave its place up
    world.go().exits(0);
}

#[test]
fn staging_that_was_taken_back_does_not_count() {
    let world = World::with(GREET);
    world.file(
        "runbook.toml",
        "[contexts.staging]\nsandbox = true\n[contexts.main]\nsandbox = true\nrequires = \"staging\"\n",
    );
    world.go().exits(0);
    world.run("run p.rhai --context main").exits(0);
    let staged =
        world.runs().into_iter().find(|run| world.journal(run).of("run.opened")[0]["target"]["name"] == "staging");
    world.run(&format!("undo {}", staged.unwrap())).exits(0);
    world.run("run p.rhai --context main").exits(13).says("verified on staging first");
}

#[test]
fn a_dry_run_says_what_goes_back_what_stays_and_why_and_sends_nothing() {
    let world = World::with(
        r#"step("Make it").change(|| k8s::apply("cm.yaml"))
    .verify("so", || k8s::exists("ConfigMap/default/hello")).within("5s");
step("Change it").change(|| k8s::apply("changed.yaml"))
    .verify("so", || k8s::get("ConfigMap/default/hello").data.greeting == "good day").within("5s");
step("By closure").change(|| k8s::apply("second.yaml")).undo(|| k8s::delete("ConfigMap/default/second"))
    .undone("it is gone", || !k8s::exists("ConfigMap/default/second"))
    .verify("so", || k8s::exists("ConfigMap/default/second")).within("5s");
step("For good").change(|| k8s::apply("third.yaml")).irreversible("it was read by then")
    .verify("so", || k8s::exists("ConfigMap/default/third")).within("5s");
step("There already").skip_if("it is there", || k8s::exists("Namespace/default")).change(|| k8s::apply("cm.yaml"))
    .verify("so", || k8s::exists("Namespace/default")).within("5s");
"#,
    );
    world.file("third.yaml", config_map("third", "hello"));
    world.file(
        "changed.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: hello, namespace: default}\ndata: {greeting: good day, tone: kind}\n",
    );
    world.go().exits(0);
    let run = world.only();
    let lines = world.journal(&run).lines.len();
    world.change(
        "staging",
        "ConfigMap",
        "hello",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: hello}, data: {tone: stern}}",
    );
    let said = world.run(&format!("undo {run} --dry-run"));
    said.exits(0).says_nothing();
    insta::assert_snapshot!("undo_dry_run", normal(&said.out));
    let json = world.run(&format!("undo {run} --dry-run -o json")).json();
    assert_eq!(json["steps"].as_array().unwrap().len(), 4, "{json:#}");
    assert_eq!(world.journal(&run).lines.len(), lines, "nothing is journaled");
    assert!(there(&world, "third") && there(&world, "second"));
}

#[test]
fn a_field_that_something_else_changed_since_stays_and_the_undo_is_incomplete() {
    let world = World::with(GREET);
    world.go().exits(0);
    world.playbook(
        "q",
        "step(\"Change\").change(|| k8s::apply(\"changed.yaml\")).verify(\"so\", || k8s::get(\"ConfigMap/default/hello\").data.tone == \"kind\").within(\"5s\");\n",
    );
    world.file(
        "changed.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: hello, namespace: default}\ndata: {greeting: good day, tone: kind}\n",
    );
    let known = world.runs();
    world.run("run q.rhai --context staging").exits(0);
    let run = world.runs().into_iter().find(|run| !known.contains(run)).unwrap();
    let tone = |tone: &str| {
        let text = format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: hello}}, data: {{tone: {tone}}}}}");
        world.change("staging", "ConfigMap", "hello", &text);
    };
    tone("stern");
    world
        .run(&format!("undo {run}"))
        .exits(41)
        .says("stays: ConfigMap/default/hello data.tone: it is \"stern\" now, and this run had made it \"kind\"")
        .says("undo incomplete");
    assert_eq!(data(&world, "hello"), serde_json::json!({ "greeting": "hello", "tone": "stern" }));
    world.run("runs").prints("stopped").prints(&format!("runbook undo {run}"));
    world.run(&format!("resume {run}")).exits(41).says("is being taken back");
    // what was in the way is gone: the next undo goes on, and sends again only what is left
    tone("kind");
    world.run(&format!("undo {run}")).exits(0);
    assert_eq!(data(&world, "hello"), serde_json::json!({ "greeting": "hello" }));
}

#[test]
fn an_undo_goes_no_further_back_than_it_is_asked_to_and_the_run_goes_on_from_there() {
    let world = three();
    world.go().exits(0);
    let run = world.only();
    world.run(&format!("undo {run} --to one/fourth")).exits(2).says("no such step").says("did you mean");
    world.run(&format!("undo {run} --to Second")).exits(0).says("what was done before it stands");
    assert!(there(&world, "hello") && !there(&world, "second") && !there(&world, "third"));
    world.run(&format!("resume {run}")).exits(0);
    assert!(there(&world, "second") && there(&world, "third"));
    let journal = world.journal(&run);
    assert_eq!(journal.of("step.verified").len(), 5, "two of three steps are made again");
    // and what it made the second time is taken back as well
    world.run(&format!("undo {run}")).exits(0);
    assert!(!there(&world, "hello") && !there(&world, "second") && !there(&world, "third"));
}

#[test]
fn a_gate_after_a_step_that_was_taken_back_is_asked_again() {
    let world = World::with(TWO);
    world.go().exits(20);
    let run = world.only();
    world.run(&format!("approve {run}")).exits(0);
    world.run(&format!("resume {run}")).exits(0);
    world.run(&format!("undo {run} --to Greet")).exits(0);
    assert!(!there(&world, "hello"));
    // everything was taken back: the run is closed
    world.run("runs").prints("undone");
}

#[test]
fn before_and_output_are_known_to_a_way_back_in_another_process() {
    let world = World::with(GREET);
    world.go().exits(0);
    world.playbook(
        "q",
        r#"step("Change").change(|| k8s::apply("changed.yaml"))
    .undo(|| {
        if output().name != "hello" { throw "the output is not known"; }
        k8s::apply(#{ apiVersion: "v1", kind: "ConfigMap", metadata: #{ name: "hello", namespace: "default" },
            data: #{ greeting: before("ConfigMap/default/hello").data.greeting } });
    })
    .undone("it says hello", || k8s::get("ConfigMap/default/hello").data.greeting == before("ConfigMap/default/hello").data.greeting)
    .verify("so", || k8s::get("ConfigMap/default/hello").data.greeting == "good day").within("5s");
"#,
    );
    world.file("changed.yaml", config_map("hello", "'good day'"));
    let known = world.runs();
    world.run("run q.rhai --context staging").exits(0);
    let run = world.runs().into_iter().find(|run| !known.contains(run)).unwrap();
    // the playbook itself is another one by now: the run's own copy counts
    world.playbook("q", GREET);
    world.run(&format!("undo {run}")).exits(0);
    assert_eq!(data(&world, "hello")["greeting"], "hello");
    let ended = &world.journal(&run).of("undo.step.ended")[0];
    assert_eq!(ended["verifies"][0]["text"], "it says hello");
}

#[test]
fn what_a_secret_held_before_is_not_put_back() {
    let world = World::with(
        r#"step("Change").change(|| k8s::apply("secret.yaml"))
    .undo(|| k8s::apply(before("Secret/default/token")))
    .verify("so", || k8s::exists("Secret/default/token")).within("5s");
"#,
    );
    let secret = |value: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: token, namespace: default}}\nstringData: {{k: {value}}}\n"
        )
    };
    world.file("secret.yaml", secret("first-value"));
    world.playbook("q", "step(\"Make\").change(|| k8s::apply(\"secret.yaml\")).irreversible(\"it is a test\").verify(\"so\", || k8s::exists(\"Secret/default/token\")).within(\"5s\");\n");
    world.run("run q.rhai --context staging").exits(0);
    let known = world.runs();
    world.file("secret.yaml", secret("second-value"));
    world.go().exits(0);
    let run = world.runs().into_iter().find(|run| !known.contains(run)).unwrap();
    world.run(&format!("undo {run}")).exits(41).says("held a secret's value before, and that is kept nowhere");
    let now = world.object("staging", "/api/v1/namespaces/default/secrets/token").unwrap();
    assert!(!now.to_string().contains("wqtzZWNyZXTCuw"), "what only stands for a secret is not written: {now}");
}

#[test]
fn an_undo_that_is_killed_goes_on_and_sends_nothing_twice() {
    // the undo of the second step waits until it is let go on
    let world = World::with(
        r#"step("First").change(|| k8s::apply("cm.yaml"))
    .verify("so", || k8s::exists("ConfigMap/default/hello")).within("5s");
step("Second").change(|| k8s::apply("second.yaml"))
    .undo(|| { cmd::run(["count"]); k8s::delete("ConfigMap/default/second") })
    .undone("it is let go on", || k8s::exists("ConfigMap/default/go")).within("1m")
    .verify("so", || k8s::exists("ConfigMap/default/second")).within("5s");
step("Third").change(|| k8s::apply("third.yaml"))
    .verify("so", || k8s::exists("ConfigMap/default/third")).within("5s");
"#,
    );
    world.file("third.yaml", config_map("third", "hello"));
    world.file(
        "runbook.toml",
        "[contexts.staging]\nsandbox = true\n[contexts.main]\nsandbox = true\n[tools.count]\nchange = [[]]\ncluster = \"none\"\n",
    );
    let bin = world.root().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let (count, script) = (world.root().join("count"), bin.join("count"));
    std::fs::write(&script, format!("#!/bin/sh\necho once >> {}\n", count.display())).unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = std::env::join_paths(
        std::iter::once(bin).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    );
    let path = path.unwrap();
    let start = |line: &str| {
        let mut command = world.command(line);
        command.env("PATH", &path);
        world.spawn(command)
    };
    start("run p.rhai --context staging").ends().exits(0);
    let run = world.only();
    let mut live = start(&format!("undo {run}"));
    live.waits_for("k8s::delete: applied ConfigMap/default/second");
    live.signal(Signal::KILL);
    live.ends().exits(137);
    assert!(there(&world, "hello") && !there(&world, "second") && !there(&world, "third"));
    world.run("runs").prints("died").prints(&format!("runbook undo {run}"));
    world.run(&format!("resume {run}")).exits(41).says(&format!("runbook undo {run}"));
    world.change(
        "staging",
        "ConfigMap",
        "go",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: go, namespace: default}, data: {go: 'yes'}}",
    );
    start(&format!("undo {run}")).ends().exits(0);
    assert!(!there(&world, "hello"));
    assert_eq!(std::fs::read_to_string(count).unwrap(), "once\n", "a command is not sent twice");
    let journal = world.journal(&run);
    let third = journal.of("undo.step.started").iter().filter(|p| p["step"] == "one/third").count();
    assert_eq!(third, 1, "what was taken back is not taken back again");
}

#[test]
fn a_way_back_that_fails_stops_the_undo_and_the_next_one_goes_on_with_it() {
    let world = World::with(
        r#"step("First").change(|| k8s::apply("cm.yaml"))
    .verify("so", || k8s::exists("ConfigMap/default/hello")).within("5s");
step("Second").change(|| k8s::apply("second.yaml"))
    .undo(|| k8s::delete("ConfigMap/default/second"))
    .undone("the all-clear is there", || k8s::exists("ConfigMap/default/clear")).within("300ms")
    .verify("so", || k8s::exists("ConfigMap/default/second")).within("5s");
"#,
    );
    world.go().exits(0);
    let run = world.only();
    world
        .run(&format!("undo {run}"))
        .exits(41)
        .says("undone \"the all-clear is there\" of step \"Second\" did not hold")
        .says("to try again what stays:");
    assert!(there(&world, "hello"), "the steps before it are not touched");
    world.change(
        "staging",
        "ConfigMap",
        "clear",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: clear}, data: {}}",
    );
    world.run(&format!("undo {run}")).exits(0);
    assert!(!there(&world, "hello"));
}

#[test]
fn what_is_never_taken_back_by_itself_may_be_said_to_be_done_by_hand() {
    let world = World::with(
        r#"step("First").change(|| k8s::apply("cm.yaml")).undo("delete the ConfigMap hello")
    .undone("it is gone", || !k8s::exists("ConfigMap/default/hello")).within("300ms")
    .verify("so", || k8s::exists("ConfigMap/default/hello")).within("5s");
"#,
    );
    world.go().exits(0);
    let run = world.only();
    world
        .run(&format!("undo {run}"))
        .exits(20)
        .says("delete the ConfigMap hello")
        .says(&format!("runbook done {run} one/first"));
    world.run("runs").prints("waiting").prints(&format!("runbook done {run} one/first --reason"));
    world.run(&format!("done {run} first --reason 'it is gone'")).exits(0).prints(&format!("runbook undo {run}"));
    // it is looked at, whatever was said
    let said = world.run(&format!("undo {run}"));
    said.exits(41).says("it is gone").says(&format!("say so first: runbook done {run} one/first --reason"));
    world.playbook("q", "step(\"Take away\").change(|| k8s::delete(\"ConfigMap/default/hello\")).irreversible(\"so\").verify(\"so\", || !k8s::exists(\"ConfigMap/default/hello\")).within(\"5s\");\n");
    world.run(&format!("done {run} first --reason 'now it is'")).exits(0);
    world.run(&format!("abandon {run} --reason 'to make room'")).exits(0);
    world.run("run q.rhai --context staging").exits(0);
    world.run(&format!("undo {run}")).exits(0).says("taken back by hand: now it is");
}

#[test]
fn a_failed_run_takes_itself_back_where_it_was_asked_to() {
    let never = "step(\"Never\").change(|| k8s::apply(\"second.yaml\")).verify(\"never\", || k8s::exists(\"ConfigMap/default/nothing\")).within(\"300ms\");\n";
    let world = World::with(&format!("{GREET}{never}"));
    world
        .run("run p.rhai --context staging --on-failure undo")
        .exits(10)
        .says("by itself, because of the failure")
        .says("undone: it was taken back");
    assert!(!there(&world, "hello") && !there(&world, "second"));
    let journal = world.journal(&world.only());
    assert_eq!(journal.of("run.opened")[0]["settings"]["on_failure"], "undo");
    assert_eq!(journal.of("run.closed")[0]["how"], "undone");
    assert_eq!(world.records("md").len(), 1);
    // without being asked it only stops
    world.go().exits(10);
    assert!(there(&world, "hello") && there(&world, "second"));
}

#[test]
fn a_run_that_takes_itself_back_stops_at_the_first_thing_it_may_not() {
    let world = World::with(
        r#"step("First").change(|| k8s::apply("cm.yaml"))
    .verify("so", || k8s::exists("ConfigMap/default/hello")).within("5s");
step("For good").change(|| k8s::apply("second.yaml")).irreversible("people read it")
    .verify("so", || k8s::exists("ConfigMap/default/second")).within("5s");
step("Never").change(|| k8s::apply("third.yaml")).verify("never", || k8s::exists("ConfigMap/default/nothing")).within("300ms");
"#,
    );
    world.file("third.yaml", config_map("third", "hello"));
    world.run("run p.rhai --context staging --on-failure undo").exits(41).says("it is irreversible: people read it");
    assert!(there(&world, "hello") && there(&world, "second") && !there(&world, "third"));
    // a person may go on with the rest
    world.run(&format!("undo {}", world.only())).exits(41);
    assert!(!there(&world, "hello") && there(&world, "second"));
}

#[test]
fn a_step_is_repaired_once_where_it_was_asked_for_and_the_next_gate_shows_it() {
    let items = r#"step("Greet").change(|| k8s::apply("cm.yaml")).repair("say good day", || k8s::apply("good.yaml"))
    .verify("it says good day", || k8s::get("ConfigMap/default/hello").data.greeting == "good day").within("300ms");
gate("Is it polite?");
phase("Two").goal("it says hello twice");
step("Greet again").change(|| k8s::apply("second.yaml"))
    .verify("so", || k8s::exists("ConfigMap/default/second")).within("5s");
"#;
    let world = World::with(items);
    world.file("good.yaml", config_map("hello", "'good day'"));
    world.go().exits(10);
    let run = world.only();
    world
        .run(&format!("resume {run} --on-failure repair"))
        .exits(20)
        .says("repairs: say good day")
        .says("was repaired by \"say good day\"");
    let journal = world.journal(&run);
    assert_eq!(journal.of("repair.started").len(), 1);
    assert_eq!(journal.of("effect").iter().filter(|p| p["effect"]["of"] == "repair").count(), 1);
    // what the repair changed goes back as well
    world.run(&format!("undo {run}")).exits(0);
    assert!(!there(&world, "hello"));
}

#[test]
fn a_repair_that_does_not_help_is_not_tried_again() {
    let world = World::with(
        "step(\"Greet\").change(|| k8s::apply(\"cm.yaml\")).repair(\"once more\", || k8s::apply(\"cm.yaml\")).verify(\"never\", || k8s::exists(\"ConfigMap/default/nothing\")).within(\"300ms\");\n",
    );
    world.run("run p.rhai --context staging --on-failure repair").exits(10);
    let run = world.only();
    world.run(&format!("resume {run}")).exits(10);
    assert_eq!(world.journal(&run).of("repair.started").len(), 1);
}

const HELD: &str = r#"step("Hold").change(|| k8s::apply("cm.yaml")).until("run")
    .verify("so", || k8s::exists("ConfigMap/default/hello")).within("5s");
step("Hold shortly").change(|| k8s::apply("third.yaml")).until("phase")
    .verify("so", || k8s::exists("ConfigMap/default/third")).within("5s");
gate("Go on?");
phase("Two").goal("it says hello twice");
step("Greet again").change(|| k8s::apply("second.yaml"))
    .verify("so", || k8s::exists("ConfigMap/default/second")).within("5s");
"#;

#[test]
fn a_hold_is_given_back_when_what_it_is_for_has_ended_well() {
    let world = World::with(HELD);
    world.file("third.yaml", config_map("third", "hello"));
    let said = world.go();
    let run = world.only();
    said.exits(20)
        .says("held until the run ends: Hold")
        .says("held until the phase ends: Hold shortly")
        .says(&format!("runbook undo {run} --holds"));
    world.run("runs").prints("held: one/hold, one/hold-shortly").prints(&format!("runbook undo {run} --holds"));
    world.run(&format!("approve {run}")).exits(0);
    world.run(&format!("resume {run}")).exits(0).says("one/hold-shortly");
    assert!(!there(&world, "hello") && !there(&world, "third") && there(&world, "second"));
    let journal = world.journal(&run);
    let back: Vec<_> = journal.of("undo.step.started").iter().map(|p| (p["step"].clone(), p["hold"].clone())).collect();
    assert_eq!(back, [("one/hold-shortly".into(), true.into()), ("one/hold".into(), true.into())]);
    assert_eq!(journal.of("run.closed")[0]["how"], "done");
    // what was given back is not taken back again
    world.run(&format!("undo {run}")).exits(0);
    assert_eq!(world.journal(&run).of("undo.started")[0]["steps"], serde_json::json!(["two/greet-again"]));
}

#[test]
fn holds_are_given_back_alone_and_the_run_waits_where_it_waited() {
    let world = World::with(HELD);
    world.file("third.yaml", config_map("third", "hello"));
    world.go().exits(20);
    let run = world.only();
    world.run(&format!("undo {run} --holds")).exits(0).says("takes back 2 holds");
    assert!(!there(&world, "hello") && !there(&world, "third"));
    world.run("runs").prints("waiting").prints("gate: Go on?");
    world.run(&format!("undo {run} --holds")).exits(2).says("holds nothing");
    // the evidence is another one than it was: the gate is asked on what is there now
    world.run(&format!("resume {run}")).exits(20);
    world.run(&format!("approve {run}")).exits(0);
    world.run(&format!("resume {run}")).exits(0);
    assert!(there(&world, "second"));
}

#[test]
fn holds_that_are_given_back_in_the_middle_of_an_undo_do_not_let_the_run_go_on() {
    let world = World::with(
        r#"step("Hold").change(|| k8s::apply("cm.yaml")).until("run")
    .verify("so", || k8s::exists("ConfigMap/default/hello")).within("5s");
step("Second").change(|| k8s::apply("second.yaml"))
    .undone("the all-clear is there", || k8s::exists("ConfigMap/default/clear")).within("300ms")
    .verify("so", || k8s::exists("ConfigMap/default/second")).within("5s");
gate("Go on?");
phase("Two").goal("it says hello");
step("Look").verify("so", || k8s::exists("ConfigMap/default/hello")).within("5s");
"#,
    );
    world.go().exits(20);
    let run = world.only();
    world.run(&format!("undo {run}")).exits(41).says(&format!("runbook undo {run} --holds"));
    world.run(&format!("undo {run} --holds")).exits(0).says("1 of 1 hold given back");
    assert!(!there(&world, "hello"));
    world.run("runs").prints("stopped").prints(&format!("runbook undo {run}"));
    world.run(&format!("resume {run}")).exits(41).says("is being taken back");
    let clear = "{apiVersion: v1, kind: ConfigMap, metadata: {name: clear}, data: {}}";
    world.change("staging", "ConfigMap", "clear", clear);
    world.run(&format!("undo {run}")).exits(0);
    world.run("runs").prints("undone");
}

#[test]
fn the_command_that_a_dry_run_ends_with_does_what_was_shown() {
    let world = World::with(HELD);
    world.file("third.yaml", config_map("third", "hello"));
    world.go().exits(20);
    let run = world.only();
    let holds = world.run(&format!("undo {run} --holds --dry-run"));
    holds.exits(0).prints("2 holds, nothing has been sent").prints(&format!("runbook undo {run} --holds\n"));
    let one = world.run(&format!("undo {run} --to 'Hold shortly' --dry-run"));
    one.exits(0)
        .prints("1 step back to one/hold-shortly")
        .prints(&format!("runbook undo {run} --to one/hold-shortly\n"));
    let said = world.run(&format!("undo {run} --to 'Greet again' --dry-run"));
    said.exits(2).says("that step has changed nothing");
    assert!(there(&world, "hello") && there(&world, "third"));
}

#[test]
fn a_command_of_a_way_back_says_that_it_is_one() {
    let world = World::with(
        "step(\"Move\").change(|| cmd::run([\"printenv\", \"RUNBOOK_EFFECT\"])).verify(\"so\", || true)
    .undo(|| cmd::run([\"printenv\", \"RUNBOOK_EFFECT\"])).undone(\"back\", || true);\n",
    );
    world.file(
        "runbook.toml",
        "[contexts.staging]\nsandbox = true\n[contexts.main]\nsandbox = true\n[tools.printenv]\nread = []\nchange = [[\"*\"]]\n",
    );
    world.go().exits(0);
    world.run(&format!("undo {}", world.only())).exits(0);
    let ended = world.journal(&world.only()).of("child.ended");
    let said: Vec<&str> = ended.iter().map(|ended| ended["stdout"].as_str().unwrap().trim()).collect();
    assert_eq!(said, ["one/move/1", "one/move/undo/1"]);
}
