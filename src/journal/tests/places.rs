//! Places: one run that changes per cluster.

use super::*;

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
        .args(["--exact", "journal::tests::places::child", "--nocapture"])
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
