//! A run goes on: from its folder alone, with what it says before, and with what is said along with it.

use std::fs;

use serde_json::json;

use crate::badserver::{BadServer, point};
use crate::program::{GREET, PLAN, TWO, World, config_map, eventually};

const HELLO: &str = "/api/v1/namespaces/default/configmaps/hello";
const SECOND: &str = "/api/v1/namespaces/default/configmaps/second";

/// A step whose verify never holds, and one after it.
const STUCK: &str = r#"step("Greet").change(|| k8s::apply("cm.yaml"))
    .verify("it says hello", || k8s::get("ConfigMap/default/hello").data.greeting == "hello").within("5s");
step("Greet again").change(|| k8s::apply("second.yaml"))
    .verify("it is blue", || k8s::get("ConfigMap/default/second").data.colour == "blue").within("1s");
step("Be polite").verify("the namespace is there", || k8s::exists("Namespace/default"));
"#;

fn stuck() -> (World, String) {
    let world = World::with(STUCK);
    world.go().exits(10);
    let run = world.only();
    (world, run)
}

/// A command with an effect that is counted: a line in a file, after which it waits for a file to go away.
const COUNTED: &str = r#"step("Count").change(|| cmd::run(["count", FILE])).undo("take the line out")
    .verify("it was counted", || k8s::exists("Namespace/default")).within("1s");
"#;

/// A world whose tool `count` adds a line to `counted`, and stays until `stay` is gone.
fn counting() -> World {
    let world = World::new();
    let tool = "#!/bin/sh\necho line >> \"$1\"\nwhile [ -e \"$1.stay\" ]; do sleep 0.05; done\n";
    world.file("../bin/count", tool);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(world.path("../bin/count"), mode).unwrap();
    world.file(
        "runbook.toml",
        "[contexts.staging]\nsandbox = true\n[tools.count]\nread = []\nchange = [[\"*\"]]\ncluster = \"none\"\n",
    );
    let file = format!("{:?}", world.path("counted").display().to_string());
    world.playbook("p", &COUNTED.replace("FILE", &file));
    world
}

fn counted(world: &World) -> usize {
    fs::read_to_string(world.path("counted")).map_or(0, |text| text.lines().count())
}

fn with_tools(world: &World, line: &str) -> std::process::Command {
    let mut command = world.command(line);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", world.path("../bin").display()));
    command
}

/// A run that was killed while its command worked, which is ended too: what became of the effect is not known.
fn uncertain() -> (World, String) {
    let world = counting();
    world.file("counted.stay", "");
    let live = world.spawn(with_tools(&world, "run p.rhai --context staging"));
    eventually("the line is written", || (counted(&world) == 1).then_some(()));
    let run = world.only();
    live.signal(rustix::process::Signal::KILL);
    live.ends().exits(137);
    world.file("gone", "");
    (world, run)
}

fn resume(world: &World, rest: &str) -> crate::program::Outcome {
    let run = world.only();
    world.spawn(with_tools(world, &format!("resume {run} {rest}"))).ends()
}

#[test]
fn a_run_goes_on_from_its_folder_alone_on_another_machine() {
    let world = World::with(TWO);
    world.go().exits(20);
    let run = world.only();
    world.run(&format!("approve {run}")).exits(0);
    // another machine: another home, another state folder, no playbook, no manifests, no runbook.toml
    let elsewhere = World::new();
    for file in ["runbook.toml", "cm.yaml", "second.yaml"] {
        fs::remove_file(elsewhere.path(file)).unwrap();
    }
    let copied = std::process::Command::new("cp").arg("-r").args([world.state(), elsewhere.state()]).status().unwrap();
    assert!(copied.success());
    fs::remove_dir_all(world.path("")).unwrap();
    fs::remove_dir_all(world.state()).unwrap();
    elsewhere.run("runs").exits(0).prints(&run).prints("1/2");
    elsewhere.run(&format!("resume {run}")).exits(0).says("goes on; 1 step done before");
    assert!(elsewhere.object("staging", SECOND).is_some());
    assert_eq!(elsewhere.journal(&run).of("effect").len(), 2, "the first change was not made again");
}

#[test]
fn it_says_what_is_skipped_done_again_and_asked_before_it_does_anything() {
    let (world, run) = stuck();
    let ended = world.run(&format!("resume {run} -o json --progress quiet"));
    let _ = ended.exits(10);
    let lines = ended.json_lines();
    let at = |kind: &str| lines.iter().position(|line| line["k"] == kind).unwrap();
    let resumed = &lines[at("run.resumed")]["p"];
    assert_eq!(resumed["skip"], json!(["one/greet"]));
    // its change was made: only its verify is waited for again
    assert_eq!(resumed["redo"], json!([]));
    assert!(at("run.resumed") < at("step.started"), "it says so before");

    let (world, _) = uncertain();
    let ended = resume(&world, "-o json --progress quiet");
    let _ = ended.exits(40);
    let lines = ended.json_lines();
    let resumed = lines.iter().find(|line| line["k"] == "run.resumed").unwrap();
    assert_eq!(resumed["p"]["ask"], json!(["what became of step one/count: its effect may not be sent twice"]));
    assert_eq!(counted(&world), 1);
}

#[test]
fn what_is_discovered_differently_now_is_shown_and_the_journals_value_is_used() {
    let world = World::with(
        "let found = discover(\"greetings\", [\"a\"], || k8s::list(\"ConfigMap\", \"default\").map(|c| c.metadata.name));\n",
    );
    let text = fs::read_to_string(world.path("p.rhai")).unwrap();
    world.file(
        "p.rhai",
        format!("{text}{}", TWO.replace("gate(", "step(`Saw ${found.len()}`).verify(\"so\", || true);\ngate(")),
    );
    world.go().exits(20);
    let run = world.only();
    let before = world.journal(&run).of("discovery.answered")[0]["value"].clone();
    world.change("staging", "ConfigMap", "late", &config_map("late", "hello"));
    world
        .run(&format!("resume {run}"))
        .exits(20)
        .says("\"greetings\" is")
        .says("\"late\"")
        .says(&format!("; the journal's {before} is used"));
    assert_eq!(world.journal(&run).of("discovery.answered").len(), 1);
}

#[test]
fn a_finished_step_that_does_not_hold_any_more_stops_the_resume() {
    let (world, run) = stuck();
    world.change("staging", "ConfigMap", "hello", &config_map("hello", "goodbye"));
    world
        .run(&format!("resume {run}"))
        .exits(10)
        .says("\"it says hello\" of step one/greet was true and is not any more");
    // it can be waived like any other
    world
        .run(&format!("resume {run} --waive 'it says hello' --reason 'goodbye is meant'"))
        .exits(10)
        .says("verify \"it says hello\" is waived: goodbye is meant")
        .says("it is blue");
}

#[test]
fn a_waived_verify_lets_the_run_end_done_with_exceptions_and_proves_nothing_to_others() {
    let (world, run) = stuck();
    world.run(&format!("resume {run} --waive 'it is blue'")).exits(2);
    world
        .run(&format!("resume {run} --waive 'it is bleu' --reason x"))
        .exits(2)
        .says("did you mean --waive \"it is blue\"?");
    world
        .run(&format!("resume {run} --waive 'it is blue' --reason 'red will do'"))
        .exits(0)
        .says("verify \"it is blue\" of step one/greet-again: waived (red will do)")
        .says(", 1 of 1 verify waived");
    let journal = world.journal(&run);
    assert_eq!(journal.of("effect").len(), 2, "the change was not made again");
    let closed = &journal.of("run.closed")[0];
    assert_eq!(closed["exceptions"].as_array().unwrap().len(), 1, "{closed}");
    let verified = journal.of("step.verified");
    let waived = &verified.iter().find(|step| step["step"] == "one/greet-again").unwrap()["verifies"][0];
    assert_eq!((&waived["verdict"], &waived["reason"]), (&json!("not-yet"), &json!("waived: red will do")));

    world.file(
        "runbook.toml",
        "[contexts.staging]\nsandbox = true\n[contexts.main]\nsandbox = true\nrequires = \"staging\"\n",
    );
    world.run("run p.rhai --context main").exits(13).says("ended with exceptions");
}

#[test]
fn where_the_context_asks_for_a_person_a_waiver_does_too() {
    let (world, run) = stuck();
    world.file("runbook.toml", "[contexts.staging]\nsandbox = true\ngate = \"human\"\n");
    world
        .run(&format!("resume {run} --waive 'it is blue' --reason 'red will do'"))
        .exits(20)
        .says("Waive the verify \"it is blue\" of step one/greet-again?")
        .says("red will do")
        .says("class human");
    assert!(world.journal(&run).of("verify.waived").is_empty());
    world.run(&format!("resume {run}")).exits(10).says("it is blue");
}

#[test]
fn a_step_stated_as_applied_is_not_made_again_and_its_verifies_decide() {
    let (world, run) = uncertain();
    resume(&world, "")
        .exits(40)
        .says("its answer is not known")
        .says(&format!("runbook resume {run} --step one/count --outcome applied|not-applied|by-hand --reason"));
    resume(&world, "--step one/count --outcome applied").exits(2);
    resume(&world, "--step one/cuont --outcome applied --reason x").exits(2).says("did you mean one/count?");
    resume(&world, "--step one/count --outcome applied --reason 'the line is there'")
        .exits(0)
        .says("step one/count: stated as applied (the line is there)");
    assert_eq!(counted(&world), 1);
    let settled = &world.journal(&run).of("step.settled")[0];
    assert_eq!((&settled["outcome"], &settled["reason"]), (&json!("applied"), &json!("the line is there")));
}

#[test]
fn a_step_stated_as_not_applied_is_made_again_from_the_top() {
    let (world, _) = uncertain();
    fs::remove_file(world.path("counted")).unwrap();
    fs::remove_file(world.path("counted.stay")).unwrap();
    resume(&world, "--step Count --outcome not-applied --reason 'I took it out'")
        .exits(0)
        .says("stated as not-applied");
    assert_eq!(counted(&world), 1);
}

#[test]
fn a_step_made_by_hand_is_only_verified() {
    let (world, run) = stuck();
    world.run(&format!("resume {run} --step one/greet --outcome by-hand --reason x")).exits(2).says("is done");
    world
        .run(&format!("resume {run} --step one/be-polite --outcome by-hand --reason x"))
        .exits(2)
        .says("has not begun");
    let blue = config_map("second", "hello").replace("greeting: hello", "colour: blue");
    world.change("staging", "ConfigMap", "second", &blue);
    world
        .run(&format!("resume {run} --step one/greet-again --outcome by-hand --reason 'painted it'"))
        .exits(0)
        .says("step one/greet-again: stated as by-hand (painted it)");
    assert_eq!(world.journal(&run).of("effect").len(), 2);
}

#[test]
fn a_changed_playbook_is_refused_with_its_diff_and_goes_on_once_it_is_accepted() {
    let (world, run) = stuck();
    let fixed =
        STUCK.replace("\"blue\"", "\"Red\"").replace(".data.colour", ".data.greeting").replace("\"Red\"", "\"hello\"");
    let fixed = format!("{fixed}step(\"Bow\").verify(\"so\", || k8s::exists(\"ConfigMap/default/hello\"));\n");
    world.playbook("p", &fixed);
    world
        .run(&format!("resume {run}"))
        .exits(13)
        .says("is not what run")
        .says("-    .verify(\"it is blue\"")
        .says("ConfigMap/default/second")
        .says(&format!("runbook resume {run} --accept-changes"));
    assert!(world.journal(&run).of("run.resumed").is_empty());
    let ended = world.run(&format!("resume {run} --accept-changes"));
    assert_eq!(
        ended.err.matches("  outcome  ").count(),
        2,
        "how it ended is said once, after it was verified: {ended}"
    );
    ended
        .exits(0)
        .says("step one/greet-again is changed; its change was made by the version before")
        .says("step one/bow is new")
        .says("the playbook was changed on the way");
    let journal = world.journal(&run);
    assert_eq!(journal.of("effect").len(), 2, "done steps keep what they did");
    let changed = &journal.of("playbook.changed")[0];
    assert!(changed["changes"].to_string().contains("p.rhai: changed"), "{changed}");
}

#[test]
fn the_accepted_playbook_is_the_runs_own_from_then_on() {
    let world = World::with(TWO);
    world.go().exits(20);
    let run = world.only();
    world.playbook("p", &TWO.replace("it says hello again", "it says hello once more"));
    world.run(&format!("resume {run} --accept-changes")).exits(20).says("step two/greet-again is changed");
    // the original is gone; the run's copy is the version that was accepted
    fs::remove_file(world.path("p.rhai")).unwrap();
    world.run(&format!("approve {run}")).exits(0);
    world.run(&format!("resume {run}")).exits(0);
    let verified = world.journal(&run).of("step.verified");
    assert_eq!(verified[1]["verifies"][0]["text"], "it says hello once more");
    assert_eq!(world.journal(&run).of("gate.decided").len(), 3, "two start gates, one stop-gate");
}

#[test]
fn steps_that_are_gone_or_moved_are_named() {
    let world = World::with(TWO);
    world.go().exits(20);
    let run = world.only();
    let other = TWO.replace("step(\"Greet\")", "step(\"Greet politely\")");
    world.playbook("p", &other);
    world
        .run(&format!("resume {run} --accept-changes"))
        .exits(20)
        .says("step one/greet is gone; what it did stays")
        .says("step one/greet-politely is new");
}

#[test]
fn another_playbook_is_refused_however_much_is_accepted() {
    let (world, run) = stuck();
    world.file("p.rhai", format!("{}{GREET}", PLAN.replace("Say hello", "Say goodbye")));
    world
        .run(&format!("resume {run} --accept-changes"))
        .exits(13)
        .says("this is another playbook")
        .says("\"Say goodbye\"");
    // and so is one for other contexts
    world.file("p.rhai", format!("{}{STUCK}", PLAN.replace("\"staging\", ", "")));
    world.run(&format!("resume {run} --accept-changes")).exits(31).says("is not for context staging");
    assert!(world.journal(&run).of("playbook.changed").is_empty());
}

#[test]
fn what_changed_after_the_staging_run_is_acknowledged_before_it_goes_on() {
    let world = World::with(TWO);
    world.file(
        "runbook.toml",
        "[contexts.staging]\nsandbox = true\n[contexts.main]\nsandbox = true\nrequires = \"staging\"\n",
    );
    world.go().exits(20);
    let staged = world.only();
    world.run(&format!("approve {staged}")).exits(0);
    world.run(&format!("resume {staged}")).exits(0);
    world.run("run p.rhai --context main").exits(20);
    let run = world.runs().into_iter().find(|run| *run != staged).unwrap();
    world.run(&format!("approve {run}")).exits(0);
    world.playbook("p", &TWO.replace("it says hello again", "it says hello once more"));
    world
        .run(&format!("resume {run} --accept-changes"))
        .exits(20)
        .says("Go on with \"Say hello\" on main as it is now?")
        .says("step two/greet-again is changed (not verified by the staging run)");
    assert!(world.object("main", SECOND).is_none());
    assert!(world.object("main", HELLO).is_some());
}

/// A run that waits, whose cluster has another address by now: this verb stops once, does nothing, and wants a reason.
fn reached_another_way(server: &BadServer, verb: &str) -> (World, String) {
    let world = World::with(TWO);
    server.is_staging_of(&world);
    world.go().exits(20);
    let run = world.only();
    point(&world, &server.url().replace("127.0.0.1", "localhost"));
    let lines = world.journal(&run).lines.len();
    world
        .run(&format!("{verb} {run}"))
        .exits(31)
        .says("is the cluster that it was, and is reached another way: its server is http://localhost")
        .says(&format!("runbook {verb} {run} --accept-route"));
    assert_eq!(world.journal(&run).lines.len(), lines, "nothing was done");
    world.run(&format!("{verb} {run} --accept-route ' '")).exits(2);
    (world, run)
}

#[test]
fn the_same_cluster_reached_another_way_stops_once() {
    let server = BadServer::start();
    let (world, run) = reached_another_way(&server, "resume");
    world.run(&format!("resume {run} --accept-route 'it has a name now'")).exits(20).says("it has a name now");
    world.run(&format!("resume {run}")).exits(20);
    assert_eq!(world.journal(&run).of("route.accepted").len(), 1);
}

#[test]
fn an_undo_of_the_same_cluster_reached_another_way_stops_once_too() {
    let server = BadServer::start();
    let (world, run) = reached_another_way(&server, "undo");
    world.run(&format!("undo {run} --accept-route 'it has a name now'")).exits(0).says("it has a name now");
    assert_eq!(world.journal(&run).of("route.accepted").len(), 1);
}
