//! Runs that are ended by SIGKILL before and after each line of their journal, and go on afterwards.
//!
//! A child is this test binary again, asked for the one test `child`: only it reads the variables that say where to end.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code outside of test functions")]

mod kill;

use std::{
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Command, ExitStatus, Stdio},
    sync::Arc,
};

use kill::{Kill, KillDisk, VARIABLE};
use runbook::{
    event::{Closed, Event, RunState, Settings, Store},
    journal::FileStore,
    model::{Digest, ExitCode, RunId, StepId, Target},
    redact::Scrubber,
};

/// The folder of state that a child works in.
const STATE: &str = "RUNBOOK_TEST_STATE";

/// What a child is asked to do.
const TASK: &str = "RUNBOOK_TEST_TASK";

/// Starts this binary again with a task, and waits for its end.
fn child_with(task: &str, state: &Path, kill: Option<Kill>) -> ExitStatus {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--nocapture"]).env(TASK, task).env(STATE, state);
    if let Some(kill) = kill {
        command.env(VARIABLE, kill.text());
    }
    command.stdout(Stdio::null()).stderr(Stdio::inherit()).status().unwrap()
}

/// What a child does; an ordinary test run passes by.
#[test]
fn child() {
    let (Ok(task), Ok(state)) = (std::env::var(TASK), std::env::var(STATE)) else { return };
    match task.as_str() {
        "journal" => go_on(Path::new(&state)),
        other => panic!("no task is called {other}"),
    }
}

fn run() -> RunId {
    RunId::new("crash-000000")
}

/// All that happens in the run, in order.
fn story() -> Vec<Event> {
    let opened = Event::Opened {
        run: run(),
        playbook: "crash.rhai".into(),
        origin: None,
        config: None,
        title: "Crash".into(),
        target: Target { name: "staging".into(), tier: "staging".into(), sandbox: true },
        bundle: Digest::of("bundle"),
        started: "2026-01-05T08:00:00Z".parse().unwrap(),
        program: "0.1.0".into(),
        settings: Settings::default(),
        by: None,
    };
    let mut out = vec![opened];
    for n in 0..3 {
        let step = StepId::of("phase", &format!("step {n}"));
        out.push(Event::StepStarted { step: step.clone(), attempt: 1 });
        // one payload that stands in a file of its own
        let output = if n == 1 { "x".repeat(40_000) } else { "x".into() };
        out.push(Event::StepChanged { step: step.clone(), output: output.into() });
        out.push(Event::StepVerified { step, verifies: vec![] });
    }
    out.push(Event::Closed { how: Closed::Done, reason: None, exit: ExitCode::Done, exceptions: vec![] });
    out
}

/// Begins the run, or goes on with it where its journal ends.
fn go_on(state: &Path) {
    let store = FileStore::new(state, Scrubber::new()).on_disk(Arc::new(KillDisk::from_env()));
    let (mut log, lines) = match store.open(&run()) {
        Ok(opened) => (opened.log, opened.state.lines),
        Err(_) => (store.create(&run(), b"{}").unwrap(), 0),
    };
    for event in &story()[usize::try_from(lines).unwrap()..] {
        log.append(event).unwrap();
        if event.claims() {
            log.sync().unwrap();
        }
    }
}

fn folded(state: &Path) -> RunState {
    let mut folded = FileStore::new(state, Scrubber::new()).state(&run()).unwrap();
    // when it happened differs from run to run; what happened does not
    folded.updated = None;
    for step in folded.steps.values_mut() {
        (step.started, step.ended) = (None, None);
    }
    folded
}

#[test]
fn a_journal_whose_writer_is_killed_at_any_line_loses_none_and_ends_the_same() {
    let undisturbed = tempfile::tempdir().unwrap();
    assert!(child_with("journal", undisturbed.path(), None).success());
    let expected = folded(undisturbed.path());
    assert!(expected.is_closed());
    let lines = u64::try_from(story().len()).unwrap();
    for n in 1..=lines {
        for kill in [Kill::Before(n), Kill::After(n)] {
            let dir = tempfile::tempdir().unwrap();
            let status = child_with("journal", dir.path(), Some(kill));
            assert_eq!(status.signal(), Some(9), "{kill:?}");
            let left = FileStore::new(dir.path(), Scrubber::new()).state(&run()).unwrap();
            assert_eq!(left.lines, if kill == Kill::Before(n) { n - 1 } else { n }, "{kill:?}");
            assert!(!FileStore::new(dir.path(), Scrubber::new()).is_live(&run()), "its lock went with it");
            assert!(child_with("journal", dir.path(), None).success(), "{kill:?}");
            assert_eq!(folded(dir.path()), expected, "{kill:?}");
        }
    }
}
