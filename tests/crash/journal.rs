//! A journal alone, whose writer is killed at any line.

use std::{os::unix::process::ExitStatusExt as _, path::Path, sync::Arc};

use runbook::{
    event::{Closed, Event, RunState, Settings, Store},
    journal::FileStore,
    model::{Digest, ExitCode, RunId, StepId, Target},
    redact::Scrubber,
};

use crate::{
    child::Child,
    kill::{Kill, KillDisk},
};

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
pub fn go_on(state: &Path) {
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
    assert!(Child::new("journal", undisturbed.path()).ends(None).success());
    let expected = folded(undisturbed.path());
    assert!(expected.is_closed());
    let lines = u64::try_from(story().len()).unwrap();
    for n in 1..=lines {
        for kill in [Kill::Before(n), Kill::Within(n), Kill::After(n)] {
            let dir = tempfile::tempdir().unwrap();
            let status = Child::new("journal", dir.path()).ends(Some(kill));
            assert_eq!(status.signal(), Some(9), "{kill:?}");
            let left = FileStore::new(dir.path(), Scrubber::new()).state(&run()).unwrap();
            assert_eq!(Some(left.lines), kill.leaves(), "{kill:?}");
            assert!(!FileStore::new(dir.path(), Scrubber::new()).is_live(&run()), "its lock went with it");
            assert!(Child::new("journal", dir.path()).ends(None).success(), "{kill:?}");
            assert_eq!(folded(dir.path()), expected, "{kill:?}");
        }
    }
}
