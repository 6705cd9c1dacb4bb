use std::{
    fs,
    io::{self, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::{
    event::{
        Bearing, Closed, Event, Failure, FailureKind, Holder, Lock, LockError, Message, Said, Settings, Store,
        StoreError,
    },
    model::{Digest, ExitCode, Place, RunId, Target},
    redact::{Scrubber, Secret},
};

mod disks;
mod events;
mod places;

fn run() -> RunId {
    RunId::new("deploy-app-7f3a2c")
}

fn opened(run: &RunId) -> Event {
    Event::Opened {
        run: run.clone(),
        playbook: "deploy-app.rhai".into(),
        origin: None,
        config: None,
        title: "Deploy".into(),
        target: Target { name: "staging".into(), tier: "staging".into(), sandbox: true },
        bundle: Digest::of("bundle"),
        started: "2026-01-05T08:00:00Z".parse().unwrap(),
        program: "0.1.0".into(),
        settings: Settings::default(),
        by: None,
    }
}

fn noted(text: &str) -> Event {
    Event::Noted { text: text.into(), step: None, via: "note".into() }
}

fn closed() -> Event {
    Event::Closed { how: Closed::Done, reason: None, exit: ExitCode::Done, exceptions: vec![] }
}

struct Fixture {
    dir: TempDir,
    store: FileStore,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = FileStore::new(dir.path(), Scrubber::new());
        Self { dir, store }
    }

    fn folder(&self) -> std::path::PathBuf {
        self.dir.path().join("runs").join(run().as_str())
    }

    fn journal(&self) -> std::path::PathBuf {
        self.folder().join(JOURNAL)
    }

    /// A run with these events after its first.
    fn with(events: &[Event]) -> Self {
        let new = Self::new();
        let mut log = new.store.create(&run(), b"{}").unwrap();
        log.append(&opened(&run())).unwrap();
        for event in events {
            log.append(event).unwrap();
        }
        log.sync().unwrap();
        new
    }

    fn lines(&self) -> Result<Vec<crate::event::Line>, StoreError> {
        let mut lines = vec![];
        self.store.read(&run(), 1, &mut |line| {
            lines.push(line);
            true
        })?;
        Ok(lines)
    }
}

/// Appends a line as another program would have written it, with a right hash.
fn forge(path: &Path, n: u64, change: impl Fn(String) -> String) {
    let text = fs::read_to_string(path).unwrap();
    let last = text.lines().last().map(|line| line[line.len() - 66..line.len() - 2].to_owned()).unwrap_or_default();
    let body = change(format!(
        "{{\"v\":\"1.0\",\"n\":{n},\"t\":\"2026-01-05T08:00:01Z\",\"k\":\"step.renamed\",\"p\":{{\"new\":[1, 2]}}"
    ));
    let hash = Digest::of(format!("{last}{body}"));
    let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
    writeln!(file, "{body},\"h\":\"{hash}\"}}").unwrap();
}

#[test]
fn a_line_stands_in_the_file_as_it_is_documented() {
    let fixture = Fixture::with(&[noted("hello")]);
    let text = fs::read_to_string(fixture.journal()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let first = lines[0].rfind(",\"h\":\"").unwrap();
    let hash = Digest::of(&lines[0][..first]);
    assert_eq!(lines[0][first..], format!(",\"h\":\"{hash}\"}}"));
    let second = lines[1].rfind(",\"h\":\"").unwrap();
    assert_eq!(lines[1][second..], format!(",\"h\":\"{}\"}}", Digest::of(format!("{hash}{}", &lines[1][..second]))));
    let keys = Members::keys(lines[1]);
    assert_eq!(keys, ["v", "n", "t", "k", "p", "h"]);
    let value: Value = serde_json::from_str(lines[1]).unwrap();
    assert_eq!((&value["v"], &value["n"], &value["k"]), (&json!("1.0"), &json!(2), &json!("note.added")));
    assert_eq!(value["p"]["text"], "hello");
}

/// The members of an object's text, in their order.
struct Members;
impl Members {
    fn keys(line: &str) -> Vec<&str> {
        let (mut depth, mut keys, mut at) = (0, vec![], 0);
        let bytes = line.as_bytes();
        while at < bytes.len() {
            match bytes[at] {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                b'"' => {
                    let end = at + 1 + line[at + 1..].find('"').unwrap();
                    if depth == 1 && bytes.get(end + 1) == Some(&b':') {
                        keys.push(&line[at + 1..end]);
                    }
                    at = end;
                }
                _ => {}
            }
            at += 1;
        }
        keys
    }
}

#[test]
fn what_was_written_is_read_and_folds_to_the_same_state() {
    let fixture = Fixture::with(&[noted("a"), closed(), noted("b")]);
    let lines = fixture.lines().unwrap();
    assert_eq!(lines.iter().map(|line| line.n).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(lines[2].event, Some(closed()));
    let text = fs::read_to_string(fixture.journal()).unwrap();
    assert_eq!(text.lines().collect::<Vec<_>>(), lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>());
    let mut folded = crate::event::RunState::default();
    for line in &lines {
        folded.take(line).unwrap();
    }
    assert_eq!(fixture.store.state(&run()).unwrap(), folded);
    assert!(folded.is_closed());
    assert_eq!(fixture.store.bundle(&run(), None).unwrap(), b"{}");
    let digest = crate::model::Digest::of("another");
    fixture.store.rebundle(&run(), &digest, b"[]").unwrap();
    assert_eq!(fixture.store.bundle(&run(), Some(&digest)).unwrap(), b"[]");
    assert_eq!(fixture.store.bundle(&run(), None).unwrap(), b"{}");
}

#[test]
fn reading_goes_on_from_any_line_and_stops_when_told() {
    let fixture = Fixture::with(&[noted("a"), noted("b"), noted("c")]);
    for from in 0..7 {
        let mut seen = vec![];
        fixture
            .store
            .read(&run(), from, &mut |line| {
                seen.push(line.n);
                seen.len() < 2
            })
            .unwrap();
        let expected: Vec<u64> = (from.max(1)..=4).take(2).collect();
        assert_eq!(seen, expected, "from {from}");
    }
}

#[test]
fn a_reader_that_follows_sees_each_new_line_once() {
    let fixture = Fixture::new();
    let mut log = fixture.store.create(&run(), b"{}").unwrap();
    let mut seen = vec![];
    for n in 1..20 {
        log.append(&if n == 1 { opened(&run()) } else { noted("x") }).unwrap();
        fixture
            .store
            .read(&run(), n, &mut |line| {
                seen.push(line.n);
                true
            })
            .unwrap();
    }
    assert_eq!(seen, (1..20).collect::<Vec<_>>());
}

#[test]
fn cut_at_every_byte_the_tail_is_dropped_and_kept_and_the_run_goes_on() {
    let whole = Fixture::with(&[noted("größer"), noted("last")]);
    let bytes = fs::read(whole.journal()).unwrap();
    let ends: Vec<usize> = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at).collect();
    for cut in 0..=bytes.len() {
        let fixture = Fixture::with(&[]);
        fs::write(fixture.journal(), &bytes[..cut]).unwrap();
        // a line counts without its line end too
        let proven = ends.iter().filter(|end| cut >= **end).count();
        assert_eq!(fixture.lines().unwrap().len(), proven, "cut at {cut}");
        let from = if proven == 0 { 0 } else { ends[proven - 1] + 1 };
        let mut reopened = fixture.store.open(&run()).unwrap();
        match &reopened.torn {
            Some(torn) => {
                assert_eq!((torn.line, torn.bytes), (proven as u64 + 1, (cut - from) as u64));
                let kept = fs::read(&torn.kept).unwrap();
                assert!(kept.windows(cut - from).any(|part| part == &bytes[from..cut]));
            }
            None => assert!(cut <= from, "cut at {cut}"),
        }
        reopened.log.append(&if proven == 0 { opened(&run()) } else { noted("on") }).unwrap();
        reopened.log.sync().unwrap();
        drop(reopened);
        assert_eq!(fixture.lines().unwrap().len(), proven + 1, "cut at {cut}");
    }
}

#[test]
fn each_byte_flipped_is_a_dropped_tail_or_a_refusal_that_names_the_line() {
    let whole = Fixture::with(&[noted("one"), noted("two")]);
    let bytes = fs::read(whole.journal()).unwrap();
    let last = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    let fixture = Fixture::with(&[]);
    for at in 0..bytes.len() {
        for flip in [0x01u8, 0x20, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            fs::write(fixture.journal(), &damaged).unwrap();
            let line = bytes[..at].split(|byte| *byte == b'\n').count() as u64;
            match fixture.lines() {
                Ok(lines) => {
                    assert!(at >= last, "byte {at} ^ {flip} was not seen");
                    assert!(lines.len() == 2, "byte {at} ^ {flip}: {} lines", lines.len());
                    assert_eq!(fixture.store.open(&run()).unwrap().torn.unwrap().line, 3);
                }
                Err(StoreError::Damaged { line: named, .. }) => {
                    assert_eq!(named, line, "byte {at} ^ {flip}");
                    assert!(fixture.store.open(&run()).is_err() && fixture.store.state(&run()).is_err());
                }
                Err(error) => panic!("byte {at} ^ {flip}: {error}"),
            }
        }
    }
}

#[test]
fn zeros_behind_the_last_line_are_a_torn_tail() {
    let fixture = Fixture::with(&[noted("a")]);
    let mut file = fs::OpenOptions::new().append(true).open(fixture.journal()).unwrap();
    file.write_all(&[0; 5000]).unwrap();
    assert_eq!(fixture.lines().unwrap().len(), 2);
    assert_eq!(fixture.store.open(&run()).unwrap().torn.unwrap().bytes, 5000);
    assert!(fixture.store.open(&run()).unwrap().torn.is_none());
}

#[test]
fn an_unknown_kind_is_kept_and_shown_and_one_that_must_be_understood_is_refused() {
    let fixture = Fixture::with(&[]);
    forge(&fixture.journal(), 2, |body| body);
    let lines = fixture.lines().unwrap();
    assert_eq!((lines[1].kind.as_str(), &lines[1].event), ("step.renamed", &None));
    assert!(lines[1].text.contains("[1, 2]"), "byte for byte");
    assert_eq!(lines[1].unknown(), Some(json!({"new": [1, 2]})));
    let mut reopened = fixture.store.open(&run()).unwrap();
    assert_eq!(reopened.state.unknown["step.renamed"], 1);
    reopened.log.append(&noted("on")).unwrap();
    drop(reopened);
    assert_eq!(fixture.lines().unwrap().len(), 3);

    forge(&fixture.journal(), 4, |body| body.replacen("\"k\"", "\"must\":true,\"k\"", 1));
    let error = fixture.lines().unwrap_err().to_string();
    assert!(error.contains(":4: `step.renamed` is not known") && error.contains("newer runbook"), "{error}");
}

#[test]
fn unknown_fields_of_a_newer_minor_version_are_read_over_and_nothing_is_appended_behind_them() {
    let fixture = Fixture::with(&[]);
    forge(&fixture.journal(), 2, |body| {
        body.replace("step.renamed", "note.added")
            .replace("{\"new\":[1, 2]}", "{\"text\":\"x\",\"via\":\"y\",\"more\":1},\"extra\":{}")
            .replace("1.0", "1.3")
    });
    assert_eq!(fixture.lines().unwrap()[1].event, Some(Event::Noted { text: "x".into(), step: None, via: "y".into() }));
    let error = fixture.store.open(&run()).unwrap_err().to_string();
    assert!(error.contains("version 1.3") && error.contains("not go on"), "{error}");
}

#[test]
fn a_newer_major_version_and_a_payload_of_another_shape_are_refused_by_line() {
    for (from, to, why) in [
        ("1.0", "2.0", "version 2.0"),
        ("1.0", "x", "is not a version"),
        ("\"n\":2", "\"n\":3", "says that it is line 3"),
        ("step.renamed", "note.added", "does not know"),
        ("\"t\":\"2026-01-05T08:00:01Z\"", "\"t\":\"yesterday\"", "not a line of a journal"),
        ("\"p\":{\"new\":[1, 2]}", "\"p\":{", "not a line of a journal"),
    ] {
        let fixture = Fixture::with(&[]);
        forge(&fixture.journal(), 2, |body| body.replace(from, to));
        match fixture.lines() {
            Err(StoreError::Damaged { line: 2, message, .. }) => assert!(message.contains(why), "{message}"),
            other => assert!(to == "\"p\":{" && other.is_ok(), "{to}: {other:?}"),
        }
    }
}

#[test]
fn events_that_cannot_follow_are_refused_by_line() {
    let fixture = Fixture::with(&[closed()]);
    let mut log = fixture.store.open(&run()).unwrap().log;
    log.append(&opened(&run())).unwrap();
    drop(log);
    let error = fixture.store.state(&run()).unwrap_err().to_string();
    assert!(error.contains(":3: `run.opened` cannot follow here"), "{error}");
}

#[test]
fn a_large_payload_stands_in_a_file_of_its_own_and_is_read_as_if_it_stood_in_the_line() {
    let large = noted(&"x".repeat(100_000));
    let fixture = Fixture::with(&[large.clone(), noted("small")]);
    let lines = fixture.lines().unwrap();
    assert_eq!(lines[1].event.as_ref(), Some(&large));
    assert!(lines[1].text.len() < 400, "{}", lines[1].text);
    let value: Value = serde_json::from_str(&lines[1].text).unwrap();
    let digest = Digest::from_hex(value["p"]["evidence"].as_str().unwrap());
    let payload = fixture.store.evidence(&run(), &digest).unwrap();
    assert_eq!(value["p"]["bytes"], payload.len());
    fs::write(fixture.folder().join(EVIDENCE).join(digest.as_str()), "other").unwrap();
    let error = fixture.lines().unwrap_err().to_string();
    assert!(error.contains(":2: ") && error.contains("digest"), "{error}");
    assert!(fixture.store.evidence(&run(), &Digest::from_hex("../../x")).is_err());
}

#[test]
fn one_process_writes_a_run_and_the_others_are_told_which() {
    let fixture = Fixture::with(&[]);
    assert!(!fixture.store.is_live(&run()));
    let opened = fixture.store.open(&run()).unwrap();
    assert!(fixture.store.is_live(&run()));
    match fixture.store.open(&run()).unwrap_err() {
        StoreError::Busy { pid, .. } => assert_eq!(pid, Some(std::process::id())),
        error => panic!("{error}"),
    }
    assert_eq!(fixture.lines().unwrap().len(), 1, "readers need no lock");
    drop(opened);
    assert!(!fixture.store.is_live(&run()));
    assert!(fixture.store.open(&run()).is_ok());
}

#[test]
fn a_run_whose_id_is_taken_is_not_made_twice() {
    let fixture = Fixture::with(&[]);
    match fixture.store.create(&run(), b"{}").map(drop).unwrap_err() {
        StoreError::Io { source, .. } => assert_eq!(source.kind(), io::ErrorKind::AlreadyExists),
        error => panic!("{error}"),
    }
    assert!(matches!(fixture.store.create(&RunId::new("../x"), b"").map(drop), Err(StoreError::NoRun { .. })));
}

#[test]
fn runs_are_found_by_a_unique_part_and_listed_with_the_latest_first() {
    let fixture = Fixture::new();
    assert_eq!(fixture.store.runs().unwrap().len(), 0);
    for (id, started) in [
        ("deploy-app-1a", "2026-01-01T00:00:00Z"),
        ("deploy-app-2b", "2026-01-03T00:00:00Z"),
        ("drain-3c", "2026-01-02T00:00:00Z"),
    ] {
        let run = RunId::new(id);
        let mut event = opened(&run);
        if let Event::Opened { started: at, .. } = &mut event {
            *at = started.parse().unwrap();
        }
        fixture.store.create(&run, b"{}").unwrap().append(&event).unwrap();
    }
    let runs: Vec<String> = fixture
        .store
        .runs()
        .unwrap()
        .into_iter()
        .map(|(run, state)| {
            assert_eq!(state.unwrap().run, Some(run.clone()));
            run.to_string()
        })
        .collect();
    assert_eq!(runs, ["deploy-app-2b", "drain-3c", "deploy-app-1a"]);
    assert_eq!(fixture.store.find("2b").unwrap().as_str(), "deploy-app-2b");
    assert_eq!(fixture.store.find("deploy-app-1a").unwrap().as_str(), "deploy-app-1a");
    assert!(matches!(fixture.store.find("deploy"), Err(StoreError::Several { runs, .. }) if runs.len() == 2));
    match fixture.store.find("drian-3c").unwrap_err() {
        StoreError::NoRun { nearest, .. } => assert_eq!(nearest[0], "drain-3c"),
        error => panic!("{error}"),
    }
    // one that is damaged is listed with its error
    let journal = fixture.dir.path().join("runs/drain-3c").join(JOURNAL);
    let text = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, format!("{text}garbage\n{text}")).unwrap();
    assert_eq!(fixture.store.runs().unwrap().iter().filter(|(_, state)| state.is_err()).count(), 1);
}

fn note(id: &str, text: &str) -> Message {
    let said = Said::Note { text: text.into(), step: None };
    Message { id: id.into(), at: "2026-01-05T08:00:00Z".parse().unwrap(), by: None, said }
}

#[test]
fn messages_wait_in_the_inbox_until_they_are_taken_and_strange_files_are_left_alone() {
    let fixture = Fixture::with(&[]);
    let mut log = fixture.store.open(&run()).unwrap().log;
    assert_eq!(log.inbox().unwrap(), []);
    fixture.store.post(&run(), &note("b", "second")).unwrap();
    fixture.store.post(&run(), &note("../a", "first")).unwrap();
    let inbox = fixture.folder().join(INBOX);
    fs::write(inbox.join("torn.json"), "{\"id\":\"x").unwrap();
    fs::write(inbox.join("README"), "hello").unwrap();
    fs::create_dir(inbox.join("dir.json")).unwrap();
    let ids: Vec<String> = log.inbox().unwrap().into_iter().map(|message| message.id).collect();
    assert_eq!(ids, ["../a", "b"]);
    log.taken(&ids[..1]).unwrap();
    log.taken(&ids[..1]).unwrap();
    assert_eq!(log.inbox().unwrap(), [note("b", "second")]);
    assert!(inbox.join("README").exists());
    assert!(matches!(fixture.store.post(&RunId::new("none"), &note("a", "x")), Err(StoreError::NoRun { .. })));
}

#[test]
fn messages_posted_beside_a_living_writer_do_not_break_its_chain() {
    let fixture = Fixture::with(&[]);
    let mut log = fixture.store.open(&run()).unwrap().log;
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = &fixture.store;
            scope.spawn(move || {
                for n in 0..25 {
                    store.post(&run(), &note(&format!("{thread}-{n}"), "x")).unwrap();
                }
            });
        }
        let mut taken = 0;
        while taken < 100 {
            let messages = log.inbox().unwrap();
            for message in &messages {
                log.append(&Event::Received { message: message.clone() }).unwrap();
            }
            log.sync().unwrap();
            log.taken(&messages.iter().map(|message| message.id.clone()).collect::<Vec<_>>()).unwrap();
            taken += messages.len();
        }
    });
    assert_eq!(log.inbox().unwrap(), []);
    assert_eq!(fixture.store.state(&run()).unwrap().taken.len(), 100);
}

#[test]
fn no_secret_reaches_a_file_and_the_fold_stays_what_it_is() {
    let scrubber = Scrubber::new();
    let dir = tempfile::tempdir().unwrap();
    let store = FileStore::new(dir.path(), scrubber.clone());
    for value in ["hunter22", "verify", "staging", "does-not-hold", "2026", "ab", "123456"] {
        scrubber.learn(&Secret::new(value));
    }
    let mut log = store.create(&run(), b"{\"text\":\"hunter22\"}").unwrap();
    log.append(&opened(&run())).unwrap();
    let mut failure = Failure::new(FailureKind::Verify, "the token hunter22 did not work");
    failure.place = Some(Place::new("a.rhai", 123_456, 1));
    let line = log.append(&Event::Failed { failure }).unwrap();
    assert!(!format!("{line:?}").contains("hunter22"), "views get what the journal holds");
    let place = Place::new("a.rhai", 1, 1);
    let value = json!({"hunter22": 123_456, "pin": "ab", "large": format!("{}hunter22", "x".repeat(40_000))});
    log.append(&Event::Discovered { name: "n".into(), turn: 0, context: None, value, failed: None, place }).unwrap();
    log.sync().unwrap();
    store.post(&run(), &note("a", "it was hunter22")).unwrap();
    drop(log);
    let mut files = vec![];
    walk(dir.path(), &mut files);
    assert!(files.len() >= 5, "{files:?}");
    for path in files {
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        assert!(!text.contains("hunter22"), "{}: {text}", path.display());
    }
    let state = store.state(&run()).unwrap();
    assert_eq!(state.target.unwrap().tier, "staging");
    assert_eq!(state.failure.unwrap().kind, FailureKind::Verify);
    let (value, _) = &state.discovered[&("n".to_owned(), 0, None)];
    assert_eq!((&value["«secret»"], &value["pin"]), (&json!("«secret»"), &json!("«secret»")));
}

fn walk(folder: &Path, out: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, out) } else { out.push(path) }
    }
}
