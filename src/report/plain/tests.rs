use std::sync::{Arc, Mutex};

use super::*;
use crate::{
    event::Event,
    report::fixture::{self, Story},
};

/// What was printed, readable while the view lives.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn view(paper: &Paper) -> Plain<Paper> {
    Plain::new(paper.clone(), TimeZone::UTC, Verbs::ALL)
}

fn printed(story: &Story) -> String {
    let paper = Paper::default();
    let mut view = view(&paper);
    story.lines.iter().for_each(|line| view.line(line));
    view.end();
    paper.text()
}

#[test]
fn a_run_is_told_line_by_line() {
    insta::assert_snapshot!("plain_done", printed(&fixture::done()));
}

#[test]
fn every_line_carries_time_and_context() {
    for line in printed(&fixture::done()).lines() {
        let (time, rest) = line.split_once(' ').unwrap();
        assert!(time.len() == 8 && rest.starts_with("staging  "), "{line}");
    }
}

#[test]
fn a_replay_prints_what_the_processes_printed_but_what_was_to_be_typed_then() {
    let story = fixture::done();
    let (waited, failed) = (fixture::waiting().lines.len(), fixture::failed().lines.len());
    let paper = Paper::default();
    // three processes, each of which sees only its own lines and takes the earlier ones unseen
    for part in [0..waited, waited..failed, failed..story.lines.len()] {
        let mut view = view(&paper);
        if part.start > 0 {
            view.day = Some("2025-12-14".parse().unwrap());
        }
        story.lines[..part.start].iter().for_each(|line| view.catch_up(line));
        story.lines[part].iter().for_each(|line| view.line(line));
        view.end();
    }
    let (live, replayed) = (paper.text(), printed(&story));
    let last = replayed.lines().last().map(|line| &line[..8]).unwrap();
    let still = |line: &&str| !line.contains("staging  next  ") || line.starts_with(last);
    assert_eq!(live.lines().filter(still).collect::<Vec<_>>(), replayed.lines().collect::<Vec<_>>());
}

#[test]
fn a_failure_is_told_in_full_where_it_happens_and_once() {
    let text = printed(&fixture::failed());
    for words in [
        "observed  \"False\"",
        "expected  \"True\"",
        "the gateway says NotAllowedByListeners",
        "help: look at",
        "deploy-app.rhai:62:5",
        "incidents/2025-12-14",
        "did not get to its end",
    ] {
        assert_eq!(text.matches(words).count(), 1, "{words}\n{text}");
    }
    assert!(text.contains("exit  10 (a verify did not hold)"), "{text}");
    assert!(text.contains("runbook resume deploy-app-7f3a2c"), "{text}");
}

#[test]
fn what_preflight_finds_is_told_once_and_ends_with_the_command_that_tries_again() {
    use crate::{
        event::{Closed, Failure, FailureKind},
        model::{ExitCode, Finding},
    };
    let mut story = fixture::waiting();
    let bound = story.lines.iter().position(|line| line.kind == "run.bound").unwrap();
    story.lines.truncate(bound + 1);
    let findings = vec![
        Finding::note("exists", "it is there"),
        Finding::error("tool", "`flux` is not on PATH").help("install it"),
        Finding::warning("unchecked", "not all could be checked: why\nthis\nand that"),
    ];
    let message = "preflight found: `flux` is not on PATH; nothing was changed".to_owned();
    let failure = Failure::new(FailureKind::Preflight, message.clone());
    let exit = ExitCode::PreflightFailed;
    story
        .then(1, Event::Preflight { findings, trial: vec![] })
        .then(1, Event::Failed { failure })
        .then(1, Event::Closed { how: Closed::Abandoned, reason: Some(message), exit, exceptions: vec![] })
        .then(1, Event::IncidentWritten { path: "incidents/a.md".into() });
    let text = printed(&story);
    let told = text.split_once("preflight  1 error, 1 warning, 1 note\n").unwrap().1;
    let mut told: Vec<&str> = told.lines().map(|line| line.split_once(" staging  ").unwrap().1).collect();
    let outcome = told.remove(6);
    assert!(outcome.starts_with("outcome  not begun after "), "{text}");
    assert!(outcome.ends_with("s: preflight found 1 error, 1 warning, 1 note; nothing was changed"), "{text}");
    assert_eq!(
        told,
        [
            "preflight  error: `flux` is not on PATH",
            "preflight      help: install it",
            "preflight  warning: not all could be checked: why",
            "preflight      this",
            "preflight      and that",
            "preflight  note: it is there",
            "steps  0 of 4 steps verified, 4 not reached",
            "record  incidents/a.md",
            "exit  12 (preflight failed)",
            "next  once that is mended:           runbook run deploy-app.rhai --context staging",
            "next  to see all of it again:        runbook show deploy-app-7f3a2c",
        ],
        "{text}"
    );
}

#[test]
fn of_an_effect_in_doubt_it_is_to_be_said_what_became_of_it_and_a_verify_may_just_be_looked_at_again() {
    use crate::{
        event::{Failure, FailureKind},
        model::{ExitCode, StepId},
    };
    let told = |seen: bool| {
        let mut story = fixture::failed();
        let failing = story.lines.iter().position(|line| line.kind == "step.failed").unwrap();
        let Some(Event::StepFailed { failure: shown, .. }) = story.lines[failing].event.clone() else { panic!() };
        story.lines.truncate(failing);
        let verifies = if seen { shown.verifies } else { vec![] };
        let failure = Failure { verifies, ..Failure::new(FailureKind::Unknown, "it is not known") };
        let step = StepId::of("Rollout", "Publish the route");
        let stopped = Event::Stopped { reason: "it is not known".into(), exit: ExitCode::Unknown };
        story.then(1, Event::StepFailed { step, failure }).then(1, stopped);
        printed(&story)
    };
    for seen in [true, false] {
        let text = told(seen);
        assert!(text.contains("--step rollout/publish-the-route --outcome applied|not-applied|by-hand"), "{text}");
        assert_eq!(text.contains("to go on from there:"), seen, "{text}");
    }
}

#[test]
fn an_effect_that_failed_is_told_with_its_steps_failure_or_else_by_itself() {
    use crate::{
        event::{Applied, Failure, FailureKind, Outcome},
        model::StepId,
    };
    let step = StepId::of("Rollout", "Publish the route");
    let error = "apply ConfigMap/a/b: not permitted: no";
    let effected = || Event::Effected {
        step: step.clone(),
        seq: 1,
        results: vec![Applied {
            target: "ConfigMap/a/b".into(),
            outcome: Outcome::Failed,
            message: Some(error.into()),
            after: None,
        }],
        output: serde_json::Value::Null,
        error: Some(error.into()),
        part: crate::event::Part::Change,
    };
    let failed = || Event::StepFailed { step: step.clone(), failure: Failure::new(FailureKind::Change, error) };
    let told = |last: Event| {
        let mut story = fixture::waiting();
        story.then(1, Event::StepStarted { step: step.clone(), attempt: 1 }).then(1, effected()).then(1, last);
        printed(&story)
    };
    let text = told(failed());
    assert_eq!(text.matches(error).count(), 1, "{text}");
    let text = told(Event::StepChanged { step: step.clone(), output: serde_json::Value::Null });
    assert!(text.contains(&format!("its script went on after this: {error}")), "{text}");
    assert_eq!(text.matches(error).count(), 1, "{text}");
}

#[test]
fn only_commands_that_exist_are_suggested() {
    let paper = Paper::default();
    let mut view = Plain::new(paper.clone(), TimeZone::UTC, Verbs::new(&["show"]));
    fixture::failed().lines.iter().for_each(|line| view.line(line));
    view.end();
    let text = paper.text();
    assert!(text.contains("runbook show deploy-app-7f3a2c"), "{text}");
    assert!(
        !["resume", "undo", "abandon", "approve"].iter().any(|verb| text.contains(&format!("runbook {verb}"))),
        "{text}"
    );
}

#[test]
fn a_heartbeat_names_step_time_and_what_each_verify_saw() {
    let (paper, story) = (Paper::default(), fixture::failed());
    let mut view = view(&paper);
    let failing = story.lines.iter().position(|line| line.kind == "step.failed").unwrap();
    story.lines[..failing].iter().for_each(|line| view.line(line));
    let (before, last) = (paper.text(), story.lines[failing - 1].t);
    view.tick(last + jiff::SignedDuration::from_secs(29));
    assert_eq!(paper.text(), before);
    let now = last + jiff::SignedDuration::from_secs(30);
    view.tick(now);
    view.tick(now);
    let told = paper.text()[before.len()..].to_string();
    insta::assert_snapshot!("plain_heartbeat", told);
}

#[test]
fn a_line_of_an_unknown_kind_is_shown_as_such() {
    let mut story = fixture::waiting();
    let text = r#"{"v":"1.1","n":99,"t":"2025-12-14T03:13:00Z","k":"moon.phase","p":{"full":true},"h":""}"#;
    let t = "2025-12-14T03:13:00Z".parse().unwrap();
    story.lines.push(Line { n: 99, t, kind: "moon.phase".into(), event: None, text: text.into() });
    assert!(printed(&story).contains("a line of kind `moon.phase`, unknown here: {\"full\":true}"));
}

#[test]
fn what_a_server_says_never_reaches_the_terminal_raw() {
    let nasty = "\u{1b}]0;main\u{7}\u{1b}[2Jx\ny\u{9b}31m";
    let mut story = fixture::waiting();
    let failure = crate::event::Failure {
        excerpt: Some(nasty.into()),
        help: vec![nasty.into()],
        ..crate::event::Failure::new(crate::event::FailureKind::Change, nasty)
    };
    story
        .then(1, Event::Noted { text: nasty.into(), step: None, via: nasty.into() })
        .then(1, Event::PhaseStarted { index: 7, title: nasty.into() })
        .then(1, Event::Failed { failure })
        .then(1, Event::Stopped { reason: nasty.into(), exit: crate::model::ExitCode::StepFailed });
    let text = printed(&story);
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text}");
    assert!(text.lines().all(|line| line.contains(" staging  ")), "{text}");
}
