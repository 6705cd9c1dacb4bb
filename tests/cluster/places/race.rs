//! Processes that race for one place.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Instant,
};

use runbook::event::LockError;

use super::machine::{Cut, Machine, reached, serve};
use crate::apiserver;

const FOLDER: &str = "RUNBOOK_TEST_RACE";
const CONTEXT: &str = "RUNBOOK_TEST_CONTEXT";
const ROUNDS: &str = "RUNBOOK_TEST_ROUNDS";

/// What a racing process does; an ordinary test run passes by.
#[test]
fn child() {
    let Ok(folder) = std::env::var(FOLDER).map(PathBuf::from) else { return };
    let rounds: usize = std::env::var(ROUNDS).unwrap().parse().unwrap();
    let context = std::env::var(CONTEXT).unwrap();
    let me = format!("run-{}", std::process::id());
    let machine = Machine::new(&me, &reached(&folder.join("kubeconfig"), &context));
    let _log = machine.begins(&me);
    let inside = folder.join("inside");
    let (mut had, mut refused) = (0, 0);
    while had < rounds {
        assert!(refused < 100_000, "never got it");
        let held = match machine.take("uid/race", &me) {
            Ok(held) => held,
            Err(LockError::Held { .. }) => {
                refused += 1;
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        // both inside at once would find the other's file
        fs::OpenOptions::new().write(true).create_new(true).open(&inside).expect("the other process is inside too");
        held.check().unwrap();
        fs::remove_file(&inside).unwrap();
        held.release().unwrap();
        had += 1;
    }
    fs::write(folder.join(format!("{me}.refused")), refused.to_string()).unwrap();
}

fn racing(folder: &Path, context: &str, rounds: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "places::race::child", "--nocapture"])
        .env(FOLDER, folder)
        .env(CONTEXT, context)
        .env(ROUNDS, rounds.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[track_caller]
fn race(folder: &Path, context: &str, rounds: usize) {
    let begun = Instant::now();
    let children = [racing(folder, context, rounds), racing(folder, context, rounds)];
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let ends = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let refused: Vec<usize> = ends
        .filter(|path| path.extension().is_some_and(|end| end == "refused"))
        .map(|path| fs::read_to_string(path).unwrap().parse().unwrap())
        .collect();
    assert_eq!(refused.len(), 2);
    println!(
        "held {} times by two processes, never by both; refused {refused:?} times; {:?}",
        2 * rounds,
        begun.elapsed()
    );
}

#[test]
fn of_two_processes_that_race_for_a_lease_both_never_have_it() {
    let (cut, dir) = (Cut::new(), tempfile::tempdir().unwrap());
    let _served = serve(&cut.sandbox, &dir.path().join("kubeconfig"));
    race(dir.path(), "it", 500);
}

#[test]
fn of_two_processes_that_race_for_a_lease_on_a_real_api_server_both_never_have_it() {
    let Some(clusters) = apiserver::shared() else { return };
    let dir = tempfile::tempdir().unwrap();
    fs::copy(clusters.staging().kubeconfig(), dir.path().join("kubeconfig")).unwrap();
    race(dir.path(), clusters.staging().name(), 25);
}
