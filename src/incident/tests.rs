use super::*;
use crate::{
    event::{Event, Failure, FailureKind, Line, Staged},
    model::{Decision, ExitCode, Plan, Verdict},
    report::fixture::{self, Story},
};

fn record(story: &Story) -> Incident {
    build(&story.lines).unwrap()
}

#[test]
fn a_failed_run_has_its_record() {
    insta::assert_snapshot!("failed", render(&record(&fixture::failed())));
}

#[test]
fn the_sidecar_reads_back_and_holds_all_of_the_evidence() {
    let incident = record(&fixture::failed());
    let [(markdown, text), (json, sidecar)] = files(&incident);
    assert_eq!(markdown.strip_suffix(".md"), json.strip_suffix(".json"));
    assert!(String::from_utf8(text).unwrap().starts_with("---\nid: "));
    assert_eq!(serde_json::from_slice::<Incident>(&sidecar).unwrap(), incident);
    assert_eq!((incident.schema, incident.evidence.len(), incident.evidence[1].captured), (SCHEMA, 2, false));
}

#[test]
fn no_identity_is_in_the_record() {
    for (_, bytes) in files(&record(&fixture::done())) {
        assert!(!String::from_utf8(bytes).unwrap().contains("mallory"));
    }
}

#[test]
fn a_record_stays_about_its_failure_when_the_run_goes_on() {
    let (before, after) = (record(&fixture::failed()), record(&fixture::done()));
    assert_eq!((&before.id, &before.symptom, &before.fingerprint), (&after.id, &after.symptom, &after.fingerprint));
    assert!(render(&after).contains("Observed after the symptom:\n\n- "), "{}", render(&after));
    assert_eq!(after.last_passing, before.last_passing);
}

#[test]
fn events_of_the_server_begin_the_timeline_before_the_run() {
    let mut story = fixture::failed();
    let value =
        serde_json::json!([{"lastTimestamp": "2025-12-14T02:00:00Z", "reason": "Evicted", "message": "low on memory"}]);
    story.then(
        1,
        Event::Evidence { about: "Pod/a/b".into(), sort: "events".into(), source: "the API server".into(), value },
    );
    let first = &record(&story).timeline[0];
    assert_eq!((first.source.as_str(), first.text.as_str()), ("event of Pod/a/b", "Evicted low on memory"));
}

#[test]
fn reality_is_filled_in_by_a_probe_only() {
    let incident = record(&fixture::failed());
    let reality: Vec<_> = incident.assumptions.iter().map(|assumed| assumed.reality.as_deref()).collect();
    assert_eq!(reality, [Some("as assumed"), None]);
    assert!(render(&incident).contains("| *not captured* |"));
}

#[test]
fn a_run_that_died_and_a_no_go_have_a_record_too() {
    let mut died = fixture::failed();
    let started = died.lines.iter().position(|line| line.kind == "step.before").unwrap();
    died.lines.truncate(started);
    let incident = record(&died);
    assert!(incident.symptom.starts_with("the run's process ended without a last line"), "{}", incident.symptom);

    let mut refused = fixture::waiting();
    refused
        .then(
            1,
            Event::GateDecided {
                gate: fixture::gate(),
                digest: fixture::card().digest(),
                decision: Decision::NoGo { reason: Some("the old vault still answers".into()) },
                via: "reject".into(),
                by: None,
            },
        )
        .then(
            1,
            Event::Waiting {
                reason: "rejected".into(),
                gate: Some(fixture::gate()),
                step: None,
                exit: ExitCode::Rejected,
            },
        );
    let incident = record(&refused);
    assert!(incident.near_miss && incident.symptom.starts_with("no-go at the gate"), "{}", incident.symptom);
    let mut recorder = Recorder::default();
    refused.lines.iter().for_each(|line| recorder.take(line));
    assert!(due(recorder.state()));
}

#[test]
fn without_a_first_line_there_is_no_record_and_an_odd_line_is_named() {
    assert_eq!(build(&fixture::failed().lines[1..]), None);
    let mut story = fixture::waiting();
    story.then(1, fixture::opened());
    assert!(record(&story).gaps.iter().any(|gap| gap.contains("the run was opened before")));
}

/// Patterns of blame and counterfactuals, as words between spaces. `you` is spoken to, never accused.
const BLAME: [&str; 44] = [
    "who",
    "whom",
    "whose",
    "why",
    "should",
    "shouldn't",
    "ought",
    "could",
    "supposed",
    "if only",
    "wish",
    "but for",
    "failed to",
    "failure to",
    "didn't",
    "did not check",
    "did not read",
    "did not test",
    "never checked",
    "neglected",
    "forgot",
    "overlooked",
    "missed",
    "ignored",
    "fault",
    "blame",
    "human error",
    "operator error",
    "user error",
    "root cause",
    "caused by",
    "because",
    "mistake",
    "careless",
    "careful",
    "negligent",
    "lazy",
    "reckless",
    "obviously",
    "clearly",
    "simply",
    "easy",
    "unacceptable",
    "botched",
];

/// The record's text without what stands in it as quoted or as code.
fn own_words(text: &str) -> String {
    let mut fence = None;
    let mut out = String::new();
    for line in text.lines() {
        let ticks = line.len() - line.trim_start_matches('`').len();
        if ticks >= 3 && fence.is_none_or(|open| open == ticks) {
            fence = if fence.is_some() { None } else { Some(ticks) };
        } else if fence.is_none() {
            out.push_str(&line.to_lowercase());
            out.push('\n');
        }
    }
    out
}

fn blamed(text: &str) -> Option<&'static str> {
    let words: String =
        own_words(text).chars().map(|c| if c.is_alphanumeric() || c == '\'' { c } else { ' ' }).collect();
    let words = format!(" {} ", words.split_whitespace().collect::<Vec<_>>().join(" "));
    BLAME.into_iter().find(|pattern| words.contains(&format!(" {pattern} ")))
}

const KINDS: [FailureKind; 11] = [
    FailureKind::Precheck,
    FailureKind::Change,
    FailureKind::Verify,
    FailureKind::Regression,
    FailureKind::Unknown,
    FailureKind::Identity,
    FailureKind::Preflight,
    FailureKind::Lock,
    FailureKind::Journal,
    FailureKind::Cancelled,
    FailureKind::Internal,
];

#[test]
fn the_list_of_patterns_finds_blame() {
    assert_eq!(blamed("Why didn't you look?"), Some("why"));
    assert_eq!(blamed("what was seen"), None);
}

#[test]
fn no_record_speaks_of_fault_and_each_asks_at_most_seven_what_or_how_questions() {
    let stages = [
        Staged::NotRequired,
        Staged::Skipped { reason: "the gateway exists on main only".into() },
        Staged::By {
            run: fixture::run(),
            context: "staging".into(),
            at: "2025-12-13T00:00:00Z".parse().unwrap(),
            differences: vec!["host".into()],
            again: vec![],
        },
    ];
    let mut seen = 0;
    for kind in KINDS {
        for staged in &stages {
            for length in [3, 8, 14, 25, 40, usize::MAX] {
                let mut story = fixture::done();
                story.lines.truncate(length);
                let closed = story.lines.last().is_some_and(|line| line.kind == "run.closed");
                if let Some(Event::Bound { staged: bound, .. }) = &mut story.lines[2].event {
                    bound.clone_from(staged);
                }
                if !closed {
                    let failure = Failure { kind, message: "the object is not there".into(), ..fixture::failure() };
                    story
                        .then(5, Event::Failed { failure })
                        .then(5, Event::Stopped { reason: "it came to a stop".into(), exit: kind.exit() });
                }
                let incident = record(&story);
                let text = render(&incident);
                assert_eq!(blamed(&text), None, "{kind:?}\n{text}");
                assert!((1..=7).contains(&incident.questions.len()));
                for prompt in &incident.questions {
                    assert!(prompt.text.starts_with("What ") || prompt.text.starts_with("How "), "{}", prompt.text);
                    assert!(prompt.text.ends_with('?'), "{}", prompt.text);
                }
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 198);
}

#[test]
fn whatever_was_said_the_record_stays_valid() {
    let nasty = "a | b\n```\n# c <b>\u{1b}[2J -->";
    let mut story = fixture::failed();
    for line in &mut story.lines {
        match &mut line.event {
            Some(Event::StepFailed { failure, .. }) => {
                failure.message = nasty.into();
                failure.excerpt = Some(nasty.into());
                failure.verifies[0].text = nasty.into();
            }
            Some(Event::Bound { plan, .. }) => {
                let Plan { assumptions, title, .. } = &mut **plan;
                assumptions[0].text = nasty.into();
                *title = nasty.into();
            }
            Some(Event::Noted { text, .. }) => *text = nasty.into(),
            Some(Event::Probed { verdict, reality, .. }) => {
                *verdict = Some(Verdict::DoesNotHold);
                *reality = Some(nasty.into());
            }
            _ => {}
        }
    }
    let text = render(&record(&story));
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text}");
    assert_eq!(own_words(&text).lines().filter(|line| line.starts_with("# ")).count(), 1, "{text}");
    let marks = |mark: &str| text.lines().filter(|line| line.starts_with(&format!("<!-- runbook:{mark} "))).count();
    assert_eq!((marks("begin"), marks("end")), (8, 8), "{text}");
}

#[test]
fn a_long_run_has_a_record_of_bounded_length() {
    let mut story = fixture::waiting();
    for n in 0..5_000 {
        story.then(1, Event::Noted { text: format!("note {n}"), step: None, via: "note".into() });
    }
    let incident = record(&story);
    assert!(incident.timeline.len() <= 2_001);
    assert!(incident.timeline.last().unwrap().text == "note: note 4999");
    assert!(render(&incident).lines().count() < 300);
}

#[allow(dead_code, reason = "says that the recorder is a view")]
fn a_recorder_is_a_view(recorder: &mut Recorder, line: &Line) {
    crate::event::Sink::line(recorder, line);
}
