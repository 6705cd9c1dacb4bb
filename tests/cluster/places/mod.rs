//! Places in the cluster: a Lease per place, the head of each run's journal, what was verified.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code outside of test functions")]

mod machine;
mod race;

use std::time::Duration;

use runbook::{
    event::{Bearing, Closed, Event, Evidence as _, Held, Life, Lock as _, LockError, Store as _, Undoing},
    model::{ExitCode, RunId},
};

use crate::apiserver;
use machine::{Cut, Machine, goes_on, opened, real};

const TIME: Duration = Duration::from_secs(30);

#[track_caller]
fn eventually<T>(what: &str, found: impl FnMut() -> Option<T>) -> T {
    apiserver::eventually(TIME, found).unwrap_or_else(|| panic!("never: {what}"))
}

#[track_caller]
fn refused(taken: Result<Box<dyn Held>, LockError>) -> (String, Bearing) {
    match taken.map(drop).unwrap_err() {
        LockError::Held { holder, bearing } => (format!("{} at {}", holder.run, holder.place()), bearing),
        error => panic!("{error}"),
    }
}

#[track_caller]
fn lost(answer: Result<(), LockError>) -> String {
    match answer.unwrap_err() {
        LockError::Lost { message } => message,
        error => panic!("{error:?}"),
    }
}

/// A run keeps its place over all that it goes through, on a cluster whatever it is.
fn a_life(cluster: &runbook::cluster::Cluster, place: &str, [first, second]: [&str; 2]) {
    let [one, two] = ["one", "two"].map(|name| Machine::new(name, cluster).patient());
    let mut log = one.begins(first);
    let held = one.take(place, first).unwrap();
    held.check().unwrap();
    let pid = std::process::id();
    let log_of_two = two.begins(second);
    assert_eq!(refused(two.take(place, second)), (format!("{first} at kim@one, pid {pid}"), Bearing::Live));
    // from one change to the next
    for n in 0..3 {
        held.check().unwrap();
        held.claim(&goes_on(log.as_mut(), &format!("change {n}"))).unwrap();
    }
    // its process ends, and says that it waits
    let waits = Bearing::Waits("a gate".into());
    held.rest(&log.head(), &waits).unwrap();
    drop((held, log));
    assert_eq!(refused(two.take(place, second)).1, waits);
    // another process on the same machine goes on, at once
    let log = one.store.open(&RunId::new(first)).unwrap().log;
    let held = one.take(place, first).unwrap();
    held.claim(&log.head()).unwrap();
    assert_eq!(refused(two.take(place, second)).1, Bearing::Live);
    held.release().unwrap();
    let held = two.take(place, second).unwrap();
    held.claim(&log_of_two.head()).unwrap();
    assert_eq!(refused(one.take(place, first)).0, format!("{second} at kim@two, pid {pid}"));
    two.lock.free(&RunId::new(second)).unwrap();
    assert!(lost(held.check()).contains("given up from outside"), "its file is gone too");
    // no copy of a run that is closed goes on
    let over = two.take(place, second).map(drop).unwrap_err();
    assert!(matches!(&over, LockError::Over { further, .. } if further.starts_with("the one on two in")), "{over:?}");
    assert!(one.take(place, first).is_ok());
    one.lock.free(&RunId::new(first)).unwrap();
}

#[test]
fn a_run_keeps_its_place_across_machines_until_it_gives_it_up() {
    let cut = Cut::new();
    a_life(&cut.cluster(), "uid", ["a-1", "b-2"]);
    assert!(cut.names("leases").is_empty(), "no place stays held: {:?}", cut.names("leases"));
    assert_eq!(cut.names("configmaps"), ["run-a-1", "run-b-2"], "that they are closed is kept in mind");
}

#[test]
fn a_run_keeps_its_place_on_a_real_api_server() {
    let Some(clusters) = apiserver::shared() else { return };
    let run = clusters.staging().namespace("a-life");
    a_life(&real(clusters.staging()), &format!("uid/{run}"), [&format!("{run}-1"), &format!("{run}-2")]);
}

#[test]
fn a_lease_that_is_not_renewed_says_that_nobody_works_on_its_run_and_gives_it_to_no_other() {
    let cut = Cut::new();
    let (one, two) = (Machine::new("one", &cut.cluster()), Machine::new("two", &cut.cluster()));
    drop(one.begins("a-1"));
    let held = one.take("uid", "a-1").unwrap();
    let copy = one.copied_to("copy", &cut.cluster());
    // while it is renewed, for longer than it counts, somebody works on it: not even a copy of the run may have it
    let begun = std::time::Instant::now();
    while begun.elapsed() < Duration::from_millis(2500) {
        assert_eq!(refused(copy.take("uid", "a-1")).1, Bearing::Live);
        std::thread::sleep(Duration::from_millis(100));
    }
    drop(held);
    drop(two.begins("b-2"));
    eventually("it is over", || matches!(refused(two.take("uid", "b-2")).1, Bearing::Dead(Some(_))).then_some(()));
    // the run itself goes on from its copy, on another machine
    let held = copy.take("uid", "a-1").unwrap();
    held.check().unwrap();
    assert_eq!(refused(two.take("uid", "b-2")).1, Bearing::Live);
}

#[test]
fn a_lease_that_is_deleted_by_hand_stops_its_run_until_it_has_the_place_again() {
    let cut = Cut::new();
    let one = Machine::new("one", &cut.cluster());
    let log = one.begins("a-1");
    let held = one.take("uid", "a-1").unwrap();
    let [lease] = &cut.names("leases")[..] else { panic!("{:?}", cut.names("leases")) };
    cut.delete("leases", lease);
    let why = eventually("it is noticed", || held.check().err());
    assert!(why.to_string().contains(&format!("Lease/runbook-system/{lease} was deleted")), "{why}");
    assert!(cut.names("leases").is_empty(), "what was deleted by hand is not put back behind its back");
    one.take("uid", "a-1").unwrap().claim(&log.head()).unwrap();

    // and so does what says how far it is
    let held = one.take("uid", "a-1").unwrap();
    held.claim(&log.head()).unwrap();
    cut.delete("configmaps", "run-a-1");
    assert!(lost(held.claim(&log.head())).contains("ConfigMap/runbook-system/run-a-1 was deleted"));
}

#[test]
fn a_place_that_is_taken_by_force_stops_its_run_at_once_and_says_by_whom_and_why() {
    let cut = Cut::new();
    let (one, two) = (Machine::new("one", &cut.cluster()), Machine::new("two", &cut.cluster()));
    let mut log = one.begins("a-1");
    let held = one.take("uid", "a-1").unwrap();
    held.claim(&log.head()).unwrap();
    drop(two.begins("b-2"));
    let (by_force, broken) = two.seize("uid", "b-2", "the site is down");
    assert_eq!(broken, ["a-1"]);
    // its Lease was renewed this very second: the next swap stops it all the same
    let why = lost(held.claim(&goes_on(log.as_mut(), "an effect")));
    assert!(
        why.starts_with("run b-2 (kim@two, pid ") && why.ends_with("took its place by force: \"the site is down\""),
        "{why}"
    );
    let why = eventually("the renewal notices", || held.check().err()).to_string();
    assert!(why.contains("by force: \"the site is down\""), "{why}");
    drop(held);
    assert_eq!(refused(one.take("uid", "a-1")).1, Bearing::Live);
    by_force.check().unwrap();
    by_force.release().unwrap();
    // it has its place again only by taking it
    let held = one.take("uid", "a-1").unwrap();
    held.claim(&log.head()).unwrap();
    held.check().unwrap();
}

#[test]
fn a_run_that_changed_nothing_yet_is_stopped_by_force_too() {
    let cut = Cut::new();
    let (one, two) = (Machine::new("one", &cut.cluster()), Machine::new("two", &cut.cluster()));
    let log = one.begins("a-1");
    let held = one.take("uid/dns", "a-1").unwrap();
    drop(two.begins("b-2"));
    let (_by_force, broken) = two.seize("uid", "b-2", "now");
    assert_eq!(broken, ["a-1"], "a part of the place is in the way too");
    assert!(lost(held.claim(&log.head())).contains("took its place by force: \"now\""));
    assert_eq!(refused(one.take("uid/dns", "a-1")).0, format!("b-2 at kim@two, pid {}", std::process::id()));
}

#[test]
fn a_copy_that_is_behind_is_refused_and_shows_both_heads() {
    let cut = Cut::new();
    let one = Machine::new("one", &cut.cluster());
    let mut log = one.begins("a-1");
    let held = one.take("uid", "a-1").unwrap();
    held.claim(&goes_on(log.as_mut(), "before the copy")).unwrap();
    let (behind, aside) = (one.copied_to("two", &cut.cluster()), one.copied_to("three", &cut.cluster()));
    let at = log.head();
    held.claim(&goes_on(log.as_mut(), "after the copy")).unwrap();
    let known = log.head();
    held.rest(&known, &Bearing::Stopped("it failed".into())).unwrap();
    drop((held, log));
    let error = behind.take("uid", "a-1").map(drop).unwrap_err();
    assert!(matches!(&error, LockError::Behind { own, known: far, .. } if *own == at && *far == known), "{error:?}");
    for part in [
        at.to_string(),
        known.to_string(),
        format!("the one on one in {}", one.dir.path().canonicalize().unwrap().display()),
    ] {
        assert!(error.to_string().contains(&part), "{part}: {error}");
    }
    // a copy that went on by itself is as long and another one
    let mut log = aside.store.open(&RunId::new("a-1")).unwrap().log;
    goes_on(log.as_mut(), "something else");
    goes_on(log.as_mut(), "and more");
    let error = aside.take("uid", "a-1").map(drop).unwrap_err();
    assert!(
        matches!(&error, LockError::Forked { own, known: far, .. } if own.n == far.n && *far == known),
        "{error:?}"
    );
    // neither has taken the place from the one that is furthest
    assert!(one.take("uid", "a-1").is_ok());
}

#[test]
fn of_two_processes_that_go_on_with_copies_of_a_run_the_first_to_change_something_stops_the_other() {
    let cut = Cut::new();
    let one = Machine::new("one", &cut.cluster());
    let mut log = one.begins("a-1");
    let held = one.take("uid", "a-1").unwrap();
    held.claim(&log.head()).unwrap();
    held.rest(&log.head(), &Bearing::Waits("a gate".into())).unwrap();
    let two = one.copied_to("two", &cut.cluster());
    let mut copied = two.store.open(&RunId::new("a-1")).unwrap().log;
    let second = two.take("uid", "a-1").unwrap();
    second.claim(&goes_on(copied.as_mut(), "on two")).unwrap();
    // the first process believes that it holds the place still; its next change does not happen
    let error = held.claim(&goes_on(log.as_mut(), "on one")).unwrap_err();
    assert!(matches!(error, LockError::Forked { .. }), "{error}");
    second.check().unwrap();
}

#[test]
fn a_place_and_its_parts_are_not_held_by_two_runs() {
    let cut = Cut::new();
    let (one, two) = (Machine::new("one", &cut.cluster()), Machine::new("two", &cut.cluster()));
    let _logs = [one.begins("a-1"), one.begins("a-2"), two.begins("b-1")];
    let dns = one.take("uid/dns", "a-1").unwrap();
    let _web = one.take("uid/web", "a-2").unwrap();
    assert!(refused(two.take("uid", "b-1")).0.starts_with("a-"));
    assert_eq!(cut.names("leases").len(), 2, "what was refused leaves nothing");
    assert!(refused(two.take("uid/dns/zone", "b-1")).0.starts_with("a-1"));
    dns.release().unwrap();
    assert!(two.take("uid/dns/zone", "b-1").is_ok());
}

#[test]
fn while_nobody_answers_a_place_counts_until_its_lease_is_over() {
    let cut = Cut::new();
    let one = Machine::new("one", &cut.cluster());
    let log = one.begins("a-1");
    let held = one.take("uid", "a-1").unwrap();
    cut.goes_away(true);
    held.check().unwrap();
    let error = eventually("the Lease is over", || held.check().err());
    assert!(matches!(&error, LockError::Unreachable { message } if message.contains("it is away")), "{error}");
    assert!(matches!(held.claim(&log.head()), Err(LockError::Unreachable { .. })));
    // nobody else has it: it is renewed as soon as somebody answers
    cut.goes_away(false);
    eventually("it is renewed", || held.check().ok());
    held.claim(&log.head()).unwrap();
}

#[test]
fn a_run_that_knows_that_it_is_closed_may_have_its_place_again_to_be_taken_back() {
    let cut = Cut::new();
    let (one, two) = (Machine::new("one", &cut.cluster()), Machine::new("two", &cut.cluster()));
    let mut log = one.begins("a-1");
    let copy = one.copied_to("copy", &cut.cluster());
    let held = one.take("uid", "a-1").unwrap();
    log.append(&Event::Closed { how: Closed::Done, reason: None, exit: ExitCode::Done, exceptions: vec![] }).unwrap();
    held.claim(&log.head()).unwrap();
    one.lock.free(&RunId::new("a-1")).unwrap();
    assert!(matches!(copy.take("uid", "a-1"), Err(LockError::Over { .. })));
    let held = one.take("uid", "a-1").unwrap();
    held.claim(&log.head()).unwrap();
    // while its process lives it has the place, closed or not
    drop(two.begins("b-2"));
    assert_eq!(refused(two.take("uid", "b-2")).1, Bearing::Live);
    // and what it does from here on is seen by its copies
    assert!(matches!(copy.take("uid", "a-1"), Err(LockError::Held { .. } | LockError::Behind { .. })));
}

#[test]
fn a_change_costs_one_swap_while_the_lease_is_fresh() {
    let cut = Cut::new();
    let one = Machine::new("one", &cut.cluster());
    let mut log = one.begins("a-1");
    let held = one.take("uid", "a-1").unwrap();
    held.claim(&log.head()).unwrap();
    let heads: Vec<_> = (0..20).map(|n| goes_on(log.as_mut(), &format!("change {n}"))).collect();
    // a renewal in the background may fall between any two: most changes see none
    let asked: Vec<u32> = heads
        .iter()
        .map(|head| {
            let before = cut.asked();
            held.check().unwrap();
            held.claim(head).unwrap();
            cut.asked() - before
        })
        .collect();
    assert!(asked.iter().filter(|asked| **asked == 1).count() >= 15, "{asked:?}");
    println!("requests of 20 changes, renewals included: {asked:?}");
}

#[test]
fn what_was_verified_is_seen_from_another_machine() {
    let cut = Cut::new();
    let (one, two) = (Machine::new("one", &cut.cluster()), Machine::new("two", &cut.cluster()));
    assert!(two.evidence.runs().unwrap().is_empty());
    let closed = Event::Closed { how: Closed::Done, reason: None, exit: ExitCode::Done, exceptions: vec![] };
    for n in 0..25 {
        let run = format!("a-{n}");
        let at = jiff::Timestamp::now();
        one.evidence.keep(&RunId::new(&run), &[(at, opened(&run)), (at, closed.clone())]).unwrap();
    }
    let runs = two.evidence.runs().unwrap();
    assert!((20..=21).contains(&runs.len()), "the latest are kept: {}", runs.len());
    let (id, state) = runs.iter().find(|(id, _)| id.as_str() == "a-24").unwrap();
    assert_eq!((state.run.as_ref(), &state.life), (Some(id), &Life::Closed(Closed::Done)));
    // one that is taken back is kept as that, in place of what it was; and once more where it is verified again
    let undo = Event::UndoStarted {
        what: Undoing::Changes,
        to: None,
        steps: vec![],
        on_failure: false,
        reason: None,
        program: String::new(),
        by: None,
    };
    let at = jiff::Timestamp::now();
    let events = [(at, opened("a-24")), (at, closed.clone()), (at, undo), (at, closed)];
    for (upto, undoing) in [(3, true), (4, false)] {
        one.evidence.keep(&RunId::new("a-24"), &events[..upto]).unwrap();
        let runs = two.evidence.runs().unwrap();
        let (_, state) = runs.iter().find(|(id, _)| id.as_str() == "a-24").unwrap();
        assert_eq!((state.undoing.is_some(), state.is_closed()), (undoing, !undoing));
    }
}
