//! A disk that is full, broken or read-only from any write on, or for one: the run stops before its next effect, says so, and
//! goes on once there is room.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use runbook::{
    journal::{Hindered, OsDisk},
    model::ExitCode,
};

use crate::{
    play::Play,
    story::{Desk, each, lost, uncertain},
};

/// The numbers of the system's errors.
const ERRORS: [(i32, &str); 3] = [(28, "No space left"), (5, "Input/output error"), (30, "Read-only file system")];

/// Lets the n-th write of any sort fail, and those behind it for as long as it is told.
struct Failing {
    from: u64,
    times: u64,
    error: i32,
    done: AtomicU64,
    failed: OnceLock<(&'static str, Vec<String>)>,
    tally: PathBuf,
}

impl Hindered for Failing {
    fn next(&self, name: &'static str) -> io::Result<()> {
        let n = self.done.fetch_add(1, Ordering::SeqCst) + 1;
        if n < self.from || n - self.from >= self.times {
            return Ok(());
        }
        self.failed.get_or_init(|| (name, words(&self.tally)));
        Err(io::Error::from_raw_os_error(self.error))
    }
}

fn words(tally: &Path) -> Vec<String> {
    std::fs::read_to_string(tally).unwrap_or_default().lines().map(Into::into).collect()
}

/// A disk of this desk that fails so.
fn failing(desk: &Desk, from: u64, times: u64, error: i32) -> Arc<Failing> {
    Arc::new(Failing {
        from,
        times,
        error,
        done: AtomicU64::new(0),
        failed: OnceLock::new(),
        tally: desk.folder().join("tally"),
    })
}

#[test]
fn a_disk_that_fails_at_any_write_stops_the_run_before_its_next_effect_and_it_goes_on_with_room() {
    let new = || Desk::new(Play::named("append.rhai"));
    let desk = new();
    let calm = failing(&desk, u64::MAX, 0, 0);
    assert_eq!(desk.start_here(calm.clone()).exit, ExitCode::Done);
    let writes = calm.done.load(Ordering::SeqCst);
    assert!(writes > 50, "{writes}");
    let (stopped, unknown) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let cases: Vec<(u64, u64)> = (1..=writes).flat_map(|from| [(from, u64::MAX), (from, 1)]).collect();
    each(&cases, |&(from, times)| {
        let (error, text) = ERRORS[usize::try_from(from + times % 2).unwrap() % ERRORS.len()];
        let desk = new();
        let disk = failing(&desk, from, times, error);
        let ended = desk.start_here(disk.clone());
        let (name, before) = disk.failed.get().expect("it came to this write");
        let case = format!("{name} {from} of {writes}, {times} times, {text}: {ended:?}");
        let left = desk.lines();
        assert_eq!(desk.words(), *before, "an effect after the disk failed: {case}");
        let sent = left.iter().filter(|line| line.kind == "effect").count();
        assert!(before.len() <= sent, "an effect that no line tells of: {case}");
        if ended.exit == ExitCode::Done {
            // all was done by then, and journaled: a place could not be given up, and is free as its run is closed
            assert!(desk.state().is_closed() && desk.words().len() == 3, "{case}");
            return;
        }
        stopped.fetch_add(1, Ordering::SeqCst);
        assert_eq!(ended.exit, ExitCode::Internal, "{case}");
        assert!(ended.message.contains(text) && ended.message.contains(&*desk.folder().to_string_lossy()), "{case}");
        assert!(ended.message.contains("nothing is changed") || ended.message.contains("nothing more"), "{case}");
        let failed = ended.failure.iter().flat_map(|failure| &failure.help);
        assert!(ended.help.iter().chain(failed).any(|help| help.contains("make room")), "{case}");
        if desk.state().is_closed() {
            return; // only that its last line is durable was not known
        }
        let ended = desk.go_on_here(Arc::new(OsDisk));
        assert_eq!(lost(&left, &desk.lines()), 0, "{case}");
        if uncertain(&left) {
            unknown.fetch_add(1, Ordering::SeqCst);
            assert_eq!((ended.exit, &desk.words()), (ExitCode::Unknown, before), "{case}: {ended:?}");
        } else {
            assert_eq!(ended.exit, ExitCode::Done, "{case}: {ended:?}");
            assert_eq!(desk.words(), ["one", "two", "three"], "{case}");
        }
    });
    println!("writes {writes}, stopped {stopped:?}, of these uncertain {unknown:?}");
    assert!(stopped.into_inner() > 90);
}

#[test]
fn a_disk_that_fails_while_a_run_goes_on_stops_it_again_and_loses_nothing() {
    let new = || {
        let desk = Desk::new(Play::named("append.rhai"));
        // in the middle, with half a line at its end
        let ended = desk.start_here(failing(&desk, 30, u64::MAX, 28));
        assert_eq!(ended.exit, ExitCode::Internal, "{ended:?}");
        desk
    };
    let desk = new();
    let calm = failing(&desk, u64::MAX, 0, 0);
    let expected = desk.go_on_here(calm.clone()).exit;
    let writes = calm.done.load(Ordering::SeqCst);
    let cases: Vec<u64> = (1..=writes).collect();
    each(&cases, |&from| {
        let desk = new();
        let left = desk.lines();
        let (error, text) = ERRORS[usize::try_from(from).unwrap() % ERRORS.len()];
        let disk = failing(&desk, from, u64::MAX, error);
        let ended = desk.go_on_here(disk.clone());
        let (name, before) = disk.failed.get().expect("it came to this write");
        let case = format!("{name} {from} of {writes}, {text}: {ended:?}");
        assert_eq!(desk.words(), *before, "an effect after the disk failed: {case}");
        assert_eq!(lost(&left, &desk.lines()), 0, "{case}");
        if ended.exit == expected {
            assert!(desk.state().is_closed(), "{case}");
        } else {
            assert_eq!(ended.exit, ExitCode::Internal, "{case}");
            assert!(ended.message.contains(text), "{case}");
            let failed = ended.failure.iter().flat_map(|failure| &failure.help);
            assert!(ended.help.iter().chain(failed).any(|help| help.contains("make room")), "{case}");
        }
        let left = desk.lines();
        if !desk.state().is_closed() {
            let ended = desk.go_on_here(Arc::new(OsDisk));
            let known = if uncertain(&left) { ExitCode::Unknown } else { ExitCode::Done };
            assert_eq!(ended.exit, known, "{case}: {ended:?}");
        }
        assert_eq!(lost(&left, &desk.lines()), 0, "{case}");
    });
    println!("writes of a resume {writes}");
}
