use std::sync::{Arc, Mutex};

use super::*;
use crate::report::fixture::{self, Story};

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
fn a_failure_is_told_in_full_at_once_and_again_at_the_end() {
    let text = printed(&fixture::failed());
    for words in
        ["observed  \"False\"", "expected  \"True\"", "the gateway says NotAllowedByListeners", "help: look at"]
    {
        assert_eq!(text.matches(words).count(), 2, "{words}\n{text}");
    }
    assert!(text.contains("exit  10 (a verify did not hold)"), "{text}");
    assert!(text.contains("runbook resume deploy-app-7f3a2c"), "{text}");
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
