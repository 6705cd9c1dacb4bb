//! Whole runs of playbooks, killed at any line of their journals.

use std::{
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use runbook::{
    event::{Closed, Life, StepStatus},
    model::{ExitCode, Verdict},
};
use serde_json::Value;

use crate::{
    kill::Kill,
    story::{Counts, Desk, each, unanswered},
    world::{self, World},
};

/// The playbooks of the repository.
fn playbooks() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks")
}

/// What a run of it, undisturbed, comes to.
struct End {
    lines: u64,
    facts: Facts,
    world: World,
}

/// What has to be the same in the end, wherever the run was killed.
#[derive(Debug, PartialEq)]
struct Facts {
    life: Life,
    exit: Option<ExitCode>,
    /// Each step: its status, which verifies held before its change, and whether they hold now.
    steps: Vec<(String, StepStatus, Vec<Verdict>, Vec<Verdict>)>,
    /// What each effect found there.
    before: Vec<(String, Option<Value>)>,
    outcome: Vec<Verdict>,
    exceptions: Vec<String>,
}

fn facts(desk: &Desk) -> Facts {
    let state = desk.state();
    let verdicts = |results: &[runbook::event::VerifyResult]| results.iter().map(|result| result.verdict).collect();
    let steps = state.steps.iter();
    let effects = state.steps.values().flat_map(|step| &step.effects);
    Facts {
        steps: steps.map(|(id, s)| (id.to_string(), s.status, s.before.clone(), verdicts(&s.verifies))).collect(),
        before: effects
            .flat_map(|effect| &effect.sent.before)
            .map(|before| (before.object.clone(), before.image.clone()))
            .collect(),
        outcome: verdicts(&state.outcome),
        life: state.life,
        exit: state.exit,
        exceptions: state.exceptions,
    }
}

fn undisturbed(playbook: &Path) -> End {
    let desk = Desk::new(playbook);
    assert!(desk.start(None).success());
    assert_eq!(desk.ended()["exit"], 0, "{}", desk.ended());
    let facts = facts(&desk);
    assert_eq!(facts.life, Life::Closed(Closed::Done));
    assert!(!facts.steps.is_empty() && facts.steps.iter().all(|(_, status, ..)| *status == StepStatus::Verified));
    End { lines: desk.state().lines, facts, world: world::read(&desk.state_folder()) }
}

/// Every place in a journal of so many lines.
fn everywhere(lines: u64, kills: &[fn(u64) -> Kill]) -> Vec<Kill> {
    (1..=lines).flat_map(|n| kills.iter().map(move |kill| kill(n))).collect()
}

/// Starts a run and kills it there. How often a verify is observed differs from run to run, so that one may be over
/// before it comes to its last lines: then false.
fn killed(desk: &Desk, kill: Kill, counts: &Counts) -> bool {
    let status = desk.start(Some(kill));
    if status.success() {
        assert!(desk.state().is_closed() && desk.state().lines <= kill.leaves(), "{kill:?} was passed over");
        return false;
    }
    assert_eq!(status.signal(), Some(9), "{kill:?}");
    counts.kills.fetch_add(1, Ordering::SeqCst);
    assert_eq!(desk.state().lines, kill.leaves(), "{kill:?}");
    true
}

/// Goes on until the run is closed, and compares what it came to.
fn comes_to(desk: &Desk, end: &End, kill: Kill, counts: &Counts) {
    let left = desk.lines();
    if !desk.state().is_closed() {
        assert!(desk.go_on(None).success(), "{kill:?}");
        counts.resumes.fetch_add(1, Ordering::SeqCst);
        assert_eq!(desk.ended()["exit"], 0, "{kill:?}: {}", desk.ended());
    }
    counts.count(&left, &desk.lines());
    assert_eq!(facts(desk), end.facts, "{kill:?}");
    let world = settled(desk, &end.world);
    assert!(world == end.world, "{kill:?}: {:#?}", world::differences(&world, &end.world));
}

/// The sandbox's world, once its controllers have done what they do: this, where it comes to be this.
fn settled(desk: &Desk, expected: &World) -> World {
    let late = Instant::now() + Duration::from_secs(5);
    loop {
        let world = world::read(&desk.state_folder());
        if world == *expected || Instant::now() > late {
            return world;
        }
    }
}

/// The deploy-app playbook, whose route has to stay accepted for less long: it is the one wait that costs time.
fn quick_deploy_app() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(&playbooks(), folder.path());
    let path = folder.path().join("deploy-app.rhai");
    let text = std::fs::read_to_string(&path).unwrap();
    let quick = text.replace("title: \"Publish the route\"", "title: \"Publish the route\", stays: \"200ms\"");
    assert_ne!(quick, text, "the playbook publishes its route");
    std::fs::write(path, quick).unwrap();
    folder
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if from.is_dir() {
            std::fs::create_dir(&to).unwrap();
            copy(&from, &to);
        } else {
            std::fs::copy(&from, &to).unwrap();
        }
    }
}

#[test]
fn deploy_app_killed_before_and_after_each_line_comes_to_the_same_end() {
    let folder = quick_deploy_app();
    let playbook = folder.path().join("deploy-app.rhai");
    let end = undisturbed(&playbook);
    let counts = Counts::default();
    each(&everywhere(end.lines, &[Kill::Before, Kill::After]), |kill| {
        let desk = Desk::new(&playbook);
        if killed(&desk, *kill, &counts) {
            comes_to(&desk, &end, *kill, &counts);
        }
    });
    counts.say(&format!("deploy-app, {} lines", end.lines));
}

#[test]
fn deploy_app_as_it_is_comes_to_the_same_end_after_a_kill_in_each_part() {
    let playbook = playbooks().join("deploy-app.rhai");
    let end = undisturbed(&playbook);
    let counts = Counts::default();
    let n = end.lines;
    let kills = [
        Kill::After(2),
        Kill::Before(n / 3),
        Kill::After(n / 2),
        Kill::Within(n * 2 / 3),
        Kill::After(n - 4),
        Kill::Before(n),
    ];
    each(&kills, |kill| {
        let desk = Desk::new(&playbook);
        if killed(&desk, *kill, &counts) {
            comes_to(&desk, &end, *kill, &counts);
        }
    });
    counts.say("deploy-app as it is");
}

#[test]
fn deploy_app_whose_processes_are_all_killed_after_a_few_lines_comes_to_the_same_end() {
    let folder = quick_deploy_app();
    let playbook = folder.path().join("deploy-app.rhai");
    let end = undisturbed(&playbook);
    let counts = Counts::default();
    // what a resume cuts off a journal is written as well, and counts as three lines
    each(&[Kill::After(7), Kill::Before(9), Kill::Within(12)], |kill| {
        let desk = Desk::new(&playbook);
        let mut left = vec![];
        for process in 0.. {
            let kinds = || desk.lines().into_iter().map(|line| line.kind).collect::<Vec<_>>();
            assert!(process < 40, "{kill:?}: no process comes further than the one before: {:?}", kinds());
            let status = desk.go_on(Some(*kill));
            counts.resumes.fetch_add(usize::from(process > 0), Ordering::SeqCst);
            counts.count(&left, &desk.lines());
            if status.success() {
                break;
            }
            counts.kills.fetch_add(1, Ordering::SeqCst);
            left = desk.lines();
        }
        comes_to(&desk, &end, *kill, &counts);
    });
    counts.say("deploy-app, killed again and again");
}

#[test]
fn an_effect_that_may_not_be_sent_twice_is_sent_at_most_once_wherever_the_run_is_killed() {
    let playbook = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crash/playbooks/append.rhai");
    let end = undisturbed(&playbook);
    let counts = Counts::default();
    let words = ["one", "two", "three"];
    let uncertain = std::sync::atomic::AtomicUsize::new(0);
    each(&everywhere(end.lines, &[Kill::Before, Kill::Within, Kill::After]), |kill| {
        let desk = Desk::new(&playbook);
        if !killed(&desk, *kill, &counts) {
            return;
        }
        let left = desk.lines();
        if !unanswered(&left) {
            comes_to(&desk, &end, *kill, &counts);
            assert_eq!(desk.tally(), words, "{kill:?}");
            return;
        }
        uncertain.fetch_add(1, Ordering::SeqCst);
        let done = desk.tally();
        // asking again does not make it known
        for _ in 0..2 {
            assert!(desk.go_on(None).success());
            counts.resumes.fetch_add(1, Ordering::SeqCst);
            let ended = desk.ended();
            assert_eq!(ended["exit"], ExitCode::Unknown.code(), "{kill:?}: {ended}");
            let message = ended["message"].as_str().unwrap();
            assert!(message.contains("tally::append") && message.contains("may not be sent twice"), "{message}");
            assert_eq!(desk.tally(), done, "{kill:?}");
            assert_eq!(desk.state().life, Life::Stopped);
        }
        counts.count(&left, &desk.lines());
    });
    let uncertain = uncertain.into_inner();
    // after the effect's line, and before and within its answer's
    assert_eq!(uncertain, 3 * words.len());
    counts.say(&format!("append, {} lines, {uncertain} times uncertain", end.lines));
}

#[test]
fn a_run_that_was_killed_before_its_first_line_cannot_go_on_and_is_gone_once_it_is_given_up() {
    let playbook = playbooks().join("hello.rhai");
    for kill in [Kill::Before(1), Kill::Within(1)] {
        let desk = Desk::new(&playbook);
        assert_eq!(desk.start(Some(kill)).signal(), Some(9));
        let runbook = desk.runbook();
        let (run, state) = runbook.runs().unwrap().remove(0);
        assert_eq!(state.unwrap().lines, 0);
        let refused = runbook.resume(run.as_str()).unwrap_err();
        assert_eq!(refused.exit_code(), ExitCode::Usage);
        assert!(refused.to_string().contains("ended before its first line: nothing was changed"), "{refused}");
        assert!(runbook.abandon(run.as_str(), "it never began").unwrap().is_empty());
        assert!(runbook.runs().unwrap().is_empty(), "{kill:?}");
        assert!(desk.start(None).success());
        assert_eq!(desk.ended()["exit"], 0, "its place is free: {}", desk.ended());
    }
}
