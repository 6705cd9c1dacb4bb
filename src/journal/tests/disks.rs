//! Disks that fail.

use super::*;

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

    fn count(&self, name: &str) -> usize {
        self.names.lock().unwrap().iter().filter(|known| **known == name).count()
    }
}

impl Hindered for Faulty {
    fn next(&self, name: &'static str) -> io::Result<()> {
        self.names.lock().unwrap().push(name);
        let n = self.done.fetch_add(1, Ordering::SeqCst);
        if n >= self.from { Err(self.error.into()) } else { Ok(()) }
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
