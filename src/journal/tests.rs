use std::{
    fs::{self, File},
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

use super::{
    disk::{Disk, OsDisk},
    *,
};
use crate::{
    event::{
        Bearing, Closed, Event, Failure, FailureKind, Holder, Lock, LockError, Message, Said, Settings, Store,
        StoreError,
    },
    model::{Digest, ExitCode, Place, RunId, Target},
    redact::{Scrubber, Secret},
};

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

// --- disks that fail ---------------------------------------------------------------------------------------------

/// Counts what is done, and lets everything fail from the n-th operation on.
struct Faulty {
    done: AtomicUsize,
    from: usize,
    error: io::ErrorKind,
    names: Mutex<Vec<&'static str>>,
}

impl Faulty {
    fn new(from: usize, error: io::ErrorKind) -> Arc<Self> {
        Arc::new(Self { done: AtomicUsize::new(0), from, error, names: Mutex::default() })
    }

    fn next(&self, name: &'static str) -> io::Result<()> {
        self.names.lock().unwrap().push(name);
        let n = self.done.fetch_add(1, Ordering::SeqCst);
        if n >= self.from { Err(self.error.into()) } else { Ok(()) }
    }

    fn count(&self, name: &str) -> usize {
        self.names.lock().unwrap().iter().filter(|known| **known == name).count()
    }
}

impl Disk for Faulty {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.next("create_dir")?;
        OsDisk.create_dir(path)
    }
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.next("write").inspect_err(|_| drop(OsDisk.write(path, &bytes[..bytes.len() / 2])))?;
        OsDisk.write(path, bytes)
    }
    fn append(&self, journal: &mut File, line: &[u8]) -> io::Result<()> {
        // a full disk takes a part of the line
        self.next("append").inspect_err(|_| drop(journal.write_all(&line[..line.len() / 2])))?;
        OsDisk.append(journal, line)
    }
    fn truncate(&self, journal: &File, length: u64) -> io::Result<()> {
        self.next("truncate")?;
        OsDisk.truncate(journal, length)
    }
    fn sync(&self, file: &File) -> io::Result<()> {
        self.next("sync")?;
        OsDisk.sync(file)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.next("sync_dir")?;
        OsDisk.sync_dir(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.next("rename")?;
        OsDisk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.next("remove")?;
        OsDisk.remove(path)
    }
}

fn effect() -> Event {
    let effect = crate::event::Sent {
        seq: 1,
        native: "k8s::apply".into(),
        targets: vec!["Namespace/x".into()],
        input: Digest::of("x"),
        idempotent: true,
        before: vec![],
        at: None,
        place: None,
        part: crate::event::Part::Change,
    };
    Event::Effect { step: crate::model::StepId::new("a/b"), effect }
}

#[test]
fn a_failing_disk_stops_the_log_for_good_and_loses_nothing_before_it() {
    use io::ErrorKind::{Other, PermissionDenied, ReadOnlyFilesystem, StorageFull};
    let mut stopped = 0;
    for error in [StorageFull, Other, ReadOnlyFilesystem, PermissionDenied] {
        for from in 0..40 {
            let fixture = Fixture::new();
            let disk = Faulty::new(from, error);
            let store = FileStore::new(fixture.dir.path(), Scrubber::new()).on_disk(disk.clone());
            let Ok(mut log) = store.create(&run(), b"{}") else {
                assert!(from < 6, "creating fails within its own operations");
                continue;
            };
            let mut durable = 0;
            let mut failed = false;
            let started = Event::StepStarted { step: crate::model::StepId::new("a/b"), attempt: 1 };
            for event in [opened(&run()), started, effect(), noted(&"x".repeat(50_000)), noted("b"), closed()] {
                match log.append(&event).and_then(|line| log.sync().map(|()| line)) {
                    Ok(line) => {
                        assert!(!failed, "a log that failed takes nothing more");
                        durable = line.n;
                    }
                    Err(error) => {
                        assert!(error.to_string().contains("journal.jsonl could not be written"), "{error}");
                        failed = true;
                        let before = disk.done.load(Ordering::SeqCst);
                        assert!(log.sync().is_err() && log.append(&noted("more")).is_err());
                        assert_eq!(disk.done.load(Ordering::SeqCst), before, "nothing is tried again");
                    }
                }
            }
            drop(log);
            stopped += usize::from(failed);
            let mut reopened = fixture.store.open(&run()).unwrap();
            assert!(reopened.state.lines >= durable, "{from}: {durable} lines were durable");
            let next = if reopened.state.run.is_none() { opened(&run()) } else { noted("on") };
            reopened.log.append(&next).unwrap();
            reopened.log.sync().unwrap();
        }
    }
    assert!(stopped > 40, "{stopped}");
}

#[test]
fn a_run_without_effects_needs_one_sync_a_result_and_two_folders_and_its_bundle_only_before_an_effect() {
    let fixture = Fixture::new();
    fs::create_dir(fixture.dir.path().join("runs")).unwrap();
    let disk = Faulty::new(usize::MAX, io::ErrorKind::Other);
    let store = FileStore::new(fixture.dir.path(), Scrubber::new()).on_disk(disk.clone());
    let mut log = store.create(&run(), b"{}").unwrap();
    let syncs = || (disk.count("sync"), disk.count("sync_dir"));
    log.append(&opened(&run())).unwrap();
    assert_eq!(syncs(), (0, 0));
    log.sync().unwrap();
    assert_eq!(syncs(), (1, 2));
    log.sync().unwrap();
    assert_eq!(syncs(), (1, 2), "nothing pending costs nothing");
    log.append(&noted("a")).unwrap();
    log.append(&noted("b")).unwrap();
    log.sync().unwrap();
    assert_eq!(syncs(), (2, 2));
    log.append(&effect()).unwrap();
    log.sync().unwrap();
    assert_eq!(syncs(), (4, 2), "the bundle too, once");
    log.append(&effect()).unwrap();
    log.sync().unwrap();
    assert_eq!(syncs(), (5, 2));
}

#[test]
fn a_state_folder_that_cannot_be_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("state"), "a file").unwrap();
    let store = FileStore::new(dir.path().join("state"), Scrubber::new());
    let error = store.create(&run(), b"{}").map(drop).unwrap_err().to_string();
    assert!(error.contains("state/runs/deploy-app-7f3a2c"), "{error}");
}

// --- places ------------------------------------------------------------------------------------------------------

fn holder(run: &str) -> Holder {
    Holder {
        run: RunId::new(run),
        context: "main".into(),
        since: Timestamp::UNIX_EPOCH,
        pid: 1,
        host: "here".into(),
        account: None,
        folder: None,
        broke: None,
    }
}

#[test]
fn a_place_is_held_by_a_run_until_it_is_closed_released_or_gone() {
    let fixture = Fixture::with(&[]);
    let lock = FileLock::new(fixture.dir.path());
    let first = holder(run().as_str());
    let held = lock.take("uid/scope", &first).unwrap();
    held.check().unwrap();
    // the process ends, the run waits: its place stays
    drop(held);
    match lock.take("uid/scope", &holder("other")).map(drop).unwrap_err() {
        LockError::Held { holder, bearing } => {
            assert_eq!(holder.run, run());
            assert!(matches!(bearing, Bearing::Dead(Some(_))), "its process ended without a word: {bearing}");
        }
        error => panic!("{error}"),
    }
    let log = fixture.store.open(&run()).unwrap().log;
    assert!(matches!(lock.take("uid/scope", &holder("other")), Err(LockError::Held { bearing: Bearing::Live, .. })));
    drop(log);
    assert!(lock.take("uid/other", &holder("other")).is_ok(), "another place is free");
    lock.take("uid/scope", &first).unwrap().release().unwrap();
    fs::create_dir_all(fixture.dir.path().join("runs/other")).unwrap();
    let held = lock.take("uid/scope", &holder("other")).unwrap();
    assert!(matches!(lock.take("uid/scope", &first), Err(LockError::Held { .. })), "other has not begun to write");
    fs::remove_dir(fixture.dir.path().join("runs/other")).unwrap();
    let again = lock.take("uid/scope", &first).unwrap();
    assert!(matches!(held.check(), Err(LockError::Held { holder, .. }) if holder.run == run()));
    held.release().unwrap();
    again.check().unwrap();
    lock.free(&run()).unwrap();
    assert!(again.check().unwrap_err().to_string().contains("given up from outside"));
}

#[test]
fn a_place_that_is_taken_by_force_says_so_to_the_run_that_had_it_and_to_those_that_had_a_part() {
    let fixture = Fixture::with(&[]);
    let lock = FileLock::new(fixture.dir.path());
    let held = lock.take("uid/dns", &holder(run().as_str())).unwrap();
    fs::create_dir_all(fixture.dir.path().join("runs/other")).unwrap();
    assert!(matches!(lock.take("uid", &holder("other")), Err(LockError::Held { holder, .. }) if holder.run == run()));
    let by = Holder { broke: Some("it burns".into()), ..holder("other") };
    let (by_force, broken) = lock.seize("uid", &by).unwrap();
    assert_eq!(broken, [holder(run().as_str())]);
    let why = held.check().unwrap_err().to_string();
    assert_eq!(why, "run other (here, pid 1) took its place by force: \"it burns\"");
    assert!(lock.take("uid/dns", &holder(run().as_str())).is_err());
    by_force.check().unwrap();
    by_force.release().unwrap();
    lock.take("uid/dns", &holder(run().as_str())).unwrap().check().unwrap();
}

#[test]
fn a_closed_run_holds_nothing_and_a_damaged_one_keeps_its_place() {
    let fixture = Fixture::with(&[]);
    let lock = FileLock::new(fixture.dir.path());
    drop(lock.take("uid", &holder(run().as_str())).unwrap());
    let text = fs::read_to_string(fixture.journal()).unwrap();
    fs::write(fixture.journal(), format!("garbage\n{text}")).unwrap();
    assert!(lock.take("uid", &holder("other")).is_err());
    fs::write(fixture.journal(), text).unwrap();
    fixture.store.open(&run()).unwrap().log.append(&closed()).unwrap();
    assert!(lock.take("uid", &holder("other")).is_ok());
}

/// What a racing process does; an ordinary test run passes by.
#[test]
fn child() {
    let Ok(root) = std::env::var("RUNBOOK_TEST_RACE") else { return };
    let rounds: usize = std::env::var("RUNBOOK_TEST_ROUNDS").unwrap().parse().unwrap();
    let me = format!("run-{}", std::process::id());
    fs::create_dir_all(Path::new(&root).join("runs").join(&me)).unwrap();
    let lock = FileLock::new(&root);
    let inside = Path::new(&root).join("inside");
    let (mut had, mut tries) = (0, 0);
    while had < rounds {
        tries += 1;
        assert!(tries < 10_000_000, "never got it");
        let Ok(held) = lock.take("uid", &holder(&me)) else {
            std::thread::yield_now();
            continue;
        };
        // both inside at once would find the other's file
        fs::OpenOptions::new().write(true).create_new(true).open(&inside).expect("the other process is inside too");
        held.check().unwrap();
        fs::remove_file(&inside).unwrap();
        held.release().unwrap();
        had += 1;
    }
}

fn racing(root: &Path, rounds: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "journal::tests::child", "--nocapture"])
        .env("RUNBOOK_TEST_RACE", root)
        .env("RUNBOOK_TEST_ROUNDS", rounds.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn of_two_processes_that_race_for_a_place_both_never_have_it() {
    let dir = tempfile::tempdir().unwrap();
    let begun = std::time::Instant::now();
    let children = [racing(dir.path(), 500), racing(dir.path(), 500)];
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    println!("held 1000 times by two processes, never by both: {:?}", begun.elapsed());
}

// --- any events --------------------------------------------------------------------------------------------------

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("\\PC{0,6}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_event() -> impl Strategy<Value = Event> {
    let text = "[\\PC\n\r\t\u{0}\"\\\\]{0,60}";
    prop_oneof![
        text.prop_map(|text| noted(&text)),
        (text, any::<usize>(), any_value()).prop_map(|(name, turn, value)| Event::Discovered {
            name,
            turn,
            context: None,
            value,
            failed: None,
            place: Place::new("a", 1, 1),
        }),
        (text, text).prop_map(|(reason, help)| {
            let mut failure = Failure::new(FailureKind::Change, reason);
            failure.help.push(help);
            Event::Failed { failure }
        }),
        (proptest::collection::vec(text, 0..4), any::<u32>(), proptest::option::of(any::<u64>()))
            .prop_map(|(command, pid, started)| Event::ChildStarted { command, pid, started, boot: None }),
        (text, any::<u32>(), any::<i32>()).prop_map(|(stdout, pid, status)| Event::ChildEnded {
            pid,
            status,
            stdout,
            stderr: String::new()
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_events_are_read_as_they_were_written(events in proptest::collection::vec(any_event(), 0..12)) {
        let fixture = Fixture::with(&events);
        let read: Vec<Event> = fixture.lines().unwrap().into_iter().skip(1).map(|line| line.event.unwrap()).collect();
        prop_assert_eq!(read, events);
        drop(fixture.store.open(&run()).unwrap());
    }

    #[test]
    fn no_journal_panics_a_reader(bytes in proptest::collection::vec(any::<u8>(), 0..400), text in "[{}\":,vntkph0-9.\n]{0,200}") {
        let fixture = Fixture::with(&[]);
        let mut whole = fs::read(fixture.journal()).unwrap();
        whole.extend_from_slice(&bytes);
        fs::write(fixture.journal(), &whole).unwrap();
        let _ = fixture.lines();
        fs::write(fixture.journal(), text).unwrap();
        let _ = fixture.lines();
    }
}

#[test]
fn a_long_journal_folds_quickly() {
    let observed = || Event::Observed {
        step: Some(crate::model::StepId::new("prerequisites/create-namespace")),
        verify: 0,
        text: "the namespace is Active".into(),
        verdict: crate::model::Verdict::NotYet,
        observations: vec![],
        reason: Some("Namespace/monitoring does not exist yet".into()),
    };
    let fixture = Fixture::new();
    let mut log = fixture.store.create(&run(), b"{}").unwrap();
    log.append(&opened(&run())).unwrap();
    let lines = if cfg!(debug_assertions) { 2_000 } else { 100_000 };
    for _ in 0..lines {
        log.append(&observed()).unwrap();
    }
    drop(log);
    let bytes = fs::metadata(fixture.journal()).unwrap().len();
    let started = std::time::Instant::now();
    assert_eq!(fixture.store.state(&run()).unwrap().lines, lines + 1);
    let took = started.elapsed();
    eprintln!("{lines} lines of {} bytes folded in {took:?}", bytes / lines);
    if !cfg!(debug_assertions) {
        assert!(took.as_millis() < 1_000, "{took:?}: the bar is 200 ms on a quiet machine");
    }
}
