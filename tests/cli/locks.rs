//! One run that changes per cluster: a run that is not closed keeps its place.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use runbook::{
    event::{Held, Holder, Lock, LockError},
    model::{ExitCode, RunId},
    runbook::Runbook,
};

use crate::program::{GREET, TWO, World};

/// A verify that nothing makes true.
const NEVER: &str =
    "step(\"Wait\").verify(\"it comes\", || k8s::exists(\"ConfigMap/default/hello\")).within(\"5m\");\n";

#[test]
fn a_second_run_on_the_same_cluster_is_refused_and_told_which_waits() {
    let world = World::with(TWO);
    world.go().exits(20);
    let first = world.only();
    world.playbook("q", GREET);
    world
        .run("run q.rhai --context staging")
        .exits(30)
        .says(&format!("run {first} has its place on staging since 20"))
        .says("it waits: gate \"Was anybody annoyed?\" waits for a decision; nothing was changed")
        .says(&format!("runbook resume {first}"))
        .says(&format!("runbook abandon {first} --reason"));
    assert_eq!(world.runs(), [first]);
    // another cluster is another place
    world.run("run q.rhai --context main").exits(0);
}

#[test]
fn an_abandoned_run_gives_its_place_up_and_says_what_it_leaves() {
    let world = World::with(TWO);
    world.go().exits(20);
    let first = world.only();
    world.run(&format!("abandon {first}")).exits(2).says("--reason");
    world
        .run(&format!("abandon {first} --reason 'the window is over'"))
        .exits(0)
        .prints("what these steps changed stays")
        .prints("one/greet");
    world.run(&format!("show {first}")).exits(0).prints("the window is over");
    world.run(&format!("abandon {first} --reason again")).exits(2).says("is closed");
    world.go().exits(20);
    assert_eq!(world.runs().len(), 2);
}

#[test]
fn a_run_that_is_being_run_is_not_taken_over() {
    let world = World::with(NEVER);
    let mut live = world.start("run p.rhai --context staging");
    live.waits_for("it comes: ");
    let run = world.only();
    world
        .run(&format!("abandon {run} --reason x"))
        .exits(30)
        .says(&run)
        .says(&format!("pid {}", live.pid().as_raw_nonzero()));
    world.run("runs").exits(0).prints("running");
    live.signal(rustix::process::Signal::INT);
    live.ends().exits(130);
    world.run(&format!("abandon {run} --reason x")).exits(0).prints("it changed nothing");
}

#[test]
fn a_holder_whose_process_was_killed_is_said_to_be_gone_and_its_run_goes_on() {
    let world = World::with(NEVER);
    let mut live = world.start("run p.rhai --context staging");
    live.waits_for("it comes: ");
    let (first, pid) = (world.only(), live.pid().as_raw_nonzero());
    live.signal(rustix::process::Signal::KILL);
    live.ends().exits(137);
    world.playbook("q", GREET);
    world
        .run("run q.rhai --context staging")
        .exits(30)
        .says(&format!("run {first} has its place on staging since 20"))
        .says(&format!("pid {pid}): its process is gone: nothing was heard of it since 20"))
        .says(&format!("runbook resume {first}"))
        .says(&format!("runbook abandon {first} --reason"))
        .says("--break-lock");
    assert_eq!(world.only(), first);
    let mut live = world.start(&format!("resume {first}"));
    live.waits_for("it comes: ");
    live.signal(rustix::process::Signal::INT);
    live.ends().exits(130);
    world.run("run q.rhai --context staging").exits(30).says("it stopped: cancelled by SIGINT");
}

#[test]
fn a_place_is_taken_by_force_only_with_words_that_are_kept_and_shown() {
    let world = World::with(TWO);
    world.go().exits(20);
    let first = world.only();
    world.playbook("q", GREET);
    world.run("run q.rhai --context staging --break-lock ' '").exits(2).says("--break-lock wants a reason");
    assert_eq!(world.only(), first);
    let taken = format!("the place was taken from run {first} by force: the pager says so");
    // the start gate does not open by itself: it has to be seen
    world.run("run q.rhai --context staging --break-lock 'the pager says so'").exits(20).says(&taken);
    let runs = world.runs();
    let second = runs.iter().find(|run| **run != first).unwrap();
    let broken = &world.journal(second).of("lock.broken")[0];
    assert_eq!((&broken["holder"]["run"], &broken["reason"]), (&first.as_str().into(), &"the pager says so".into()));
    world.run(&format!("show {second}")).exits(0).prints(&format!("taken by force from run {first} ("));

    // the first cannot go on before it has its place again
    world.run(&format!("approve {first}")).exits(0);
    world
        .run(&format!("resume {first}"))
        .exits(30)
        .says(&format!("run {second} has its place on staging"))
        .says("nothing was changed");
    world.run(&format!("approve {second}")).exits(0);
    world.run(&format!("resume {second}")).exits(0);
    world.run(&format!("resume {first}")).exits(0);

    // and a run that goes on may take its place back by force as well
    world.go().exits(20);
    let third = world.runs().into_iter().find(|run| *run != first && run != second).unwrap();
    world.run("run q.rhai --context staging --break-lock again").exits(20);
    world.run(&format!("resume {third}")).exits(30);
    world.run(&format!("resume {third} --break-lock 'this one first'")).exits(20);
    assert_eq!(world.journal(&third).of("lock.broken")[0]["reason"], "this one first");
}

#[test]
fn a_run_of_the_whole_cluster_and_one_of_a_part_of_it_are_in_each_others_way() {
    let world = World::with(TWO);
    let scoped = |name: &str, scope: &str| {
        let plan = crate::program::PLAN.replace(".contexts(", &format!(".scope(\"{scope}\").contexts("));
        world.file(&format!("{name}.rhai"), format!("{plan}{TWO}"));
        world.run(&format!("run {name}.rhai --context staging"))
    };
    scoped("dns", "dns").exits(20);
    let dns = world.only();
    scoped("web", "web").exits(20);
    scoped("again", "dns").exits(30).says(&dns);
    world.go().exits(30).says("has its place on staging");
    assert_eq!(world.runs().len(), 2);
}

/// What a talking process does; an ordinary test run passes by.
#[test]
fn child() {
    let Ok(state) = std::env::var("RUNBOOK_TEST_STATE") else { return };
    let run = std::env::var("RUNBOOK_TEST_RUN").unwrap();
    let runbook = Runbook::builder().store(state).build().unwrap();
    match std::env::var("RUNBOOK_TEST_SAYS").unwrap().as_str() {
        "note" => {
            for n in 0..100 {
                runbook.note(&run, &format!("{}-{n}", std::process::id())).unwrap();
            }
        }
        "approve" => drop(runbook.approve(&run, None).unwrap()),
        _ => drop(runbook.done(&run, "by-hand", None).unwrap()),
    }
}

fn says(what: &str, run: &str, state: &Path) -> Vec<Child> {
    let talking = |_| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "locks::child"])
            .env("RUNBOOK_TEST_STATE", state)
            .env("RUNBOOK_TEST_RUN", run)
            .env("RUNBOOK_TEST_SAYS", what)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    (0..3).map(talking).collect()
}

#[track_caller]
fn all_said(talking: Vec<Child>) {
    for child in talking {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn what_many_processes_say_beside_a_live_run_is_journaled_once_and_never_breaks_its_chain() {
    let mut items = String::new();
    for n in 0..40 {
        items += &format!(
            "step(\"Step {n}\").change(|| k8s::apply(\"cm.yaml\")).verify(\"there {n}\", || k8s::exists(\"ConfigMap/default/hello\")).stays(\"50ms\");\n"
        );
    }
    items += "gate(\"Go on?\");\nphase(\"Two\").goal(\"by hand\");\nstep(\"By hand\").manual(\"do it\").irreversible(\"it is done\").verify(\"there\", || k8s::exists(\"ConfigMap/default/hello\"));\n";
    let world = World::with(&items);
    let mut live = world.start("run p.rhai --context staging");
    live.waits_for("one/step-0");
    let (run, state) = (world.only(), world.state());
    all_said(says("note", &run, &state));
    live.ends().exits(20);
    let beside = world.journal(&run).of("message.received").len();
    all_said(says("approve", &run, &state));
    world.run(&format!("resume {run}")).exits(20);
    all_said(says("done", &run, &state));
    world.run(&format!("resume {run}")).exits(0);
    // a run that is closed has no process to come for what is said to it
    world.run(&format!("note {run} 'all was well'")).exits(0);
    // reading it proves each line and all before it
    let messages = world.journal(&run).of("message.received");
    let ids: std::collections::BTreeSet<String> = messages.iter().map(|m| m["message"]["id"].to_string()).collect();
    let texts: std::collections::BTreeSet<String> =
        messages.iter().filter_map(|m| m["message"]["said"]["text"].as_str().map(Into::into)).collect();
    assert_eq!((messages.len(), ids.len(), texts.len()), (307, 307, 301));
    assert!(beside > 0, "some were taken while it ran");
    let left = std::fs::read_dir(state.join("runs").join(&run).join("inbox")).unwrap().count();
    assert_eq!(left, 0);
    println!("307 messages of 10 processes: {beside} taken beside the live run, the others when it went on");
}

/// A place that nobody can say is held for the first few times that it is asked for.
struct Away(Arc<AtomicU32>);

impl Lock for Away {
    fn take(&self, _: &str, _: &Holder) -> Result<Box<dyn Held>, LockError> {
        Ok(Box::new(Self(self.0.clone())))
    }

    fn seize(&self, place: &str, holder: &Holder) -> Result<(Box<dyn Held>, Vec<Holder>), LockError> {
        self.take(place, holder).map(|held| (held, vec![]))
    }

    fn free(&self, _: &RunId) -> Result<(), LockError> {
        Ok(())
    }
}

impl Held for Away {
    fn check(&self) -> Result<(), LockError> {
        let left = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.map_or(Ok(()), |_| Err(LockError::Unreachable { message: "nobody answers".into() }))
    }

    fn release(self: Box<Self>) -> Result<(), LockError> {
        Ok(())
    }
}

#[test]
fn a_place_that_cannot_be_asked_for_is_waited_for_as_long_as_the_step_says_and_else_ends_the_run() {
    let run = |more: &str| {
        let world = World::with(&format!("{}{more};\n", GREET.trim_end().trim_end_matches(';')));
        let away = Arc::new(AtomicU32::new(2));
        let runbook = Runbook::builder().store(world.state()).lock(Arc::new(Away(away.clone()))).build().unwrap();
        let ended = runbook.load(world.path("p.rhai")).unwrap().run("staging").start().unwrap().wait();
        let sent = world.journal(ended.run.as_ref().unwrap().as_str()).of("effect").len();
        (ended.exit, ended.message.clone(), sent, away.load(Ordering::SeqCst))
    };
    let (exit, _, sent, left) = run(".api_down(\"1m\")");
    assert_eq!((exit, sent, left), (ExitCode::Done, 1, 0));
    let (exit, message, sent, left) = run("");
    assert_eq!((exit, sent, left), (ExitCode::Locked, 0, 1), "{message}");
    assert!(message.contains("it is not known whether the run still has its place: nobody answers"), "{message}");
}
