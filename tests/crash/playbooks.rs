//! The playbooks on sandboxes, killed at any line of their journals.

use std::{
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

use runbook::model::ExitCode;

use crate::{
    kill::Kill,
    matrix::{Matrix, everywhere},
    play::Play,
    story::{Desk, copy, each},
};

/// The playbooks of the repository.
fn playbooks() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks")
}

/// The deploy-app playbook, whose route has to stay accepted for less long: it is the one wait that costs time.
pub fn quick_deploy_app() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(&playbooks(), folder.path());
    let path = folder.path().join("deploy-app.rhai");
    let text = std::fs::read_to_string(&path).unwrap();
    let quick = text.replace("title: \"Publish the route\"", "title: \"Publish the route\", stays: \"200ms\"");
    assert_ne!(quick, text, "the playbook publishes its route");
    std::fs::write(path, quick).unwrap();
    folder
}

#[test]
fn deploy_app_killed_before_and_after_each_line_comes_to_the_same_end() {
    let folder = quick_deploy_app();
    let playbook = folder.path().join("deploy-app.rhai");
    let matrix = Matrix::new(None, || Play::of(&playbook));
    matrix.kill_everywhere();
    matrix.counts.say(&format!("deploy-app, {} lines", matrix.lines()));
}

#[test]
fn deploy_app_as_it_is_comes_to_the_same_end_after_a_kill_in_each_part() {
    let playbook = playbooks().join("deploy-app.rhai");
    let matrix = Matrix::new(None, || Play::of(&playbook));
    let n = matrix.lines();
    let kills = [
        Kill::After(2),
        Kill::Before(n / 3),
        Kill::After(n / 2),
        Kill::Within(n * 2 / 3),
        Kill::After(n - 4),
        Kill::Before(n),
    ];
    each(&kills, |kill| matrix.kill(*kill));
    matrix.counts.say("deploy-app as it is");
}

#[test]
fn deploy_app_whose_processes_are_all_killed_after_a_few_lines_comes_to_the_same_end() {
    let folder = quick_deploy_app();
    let playbook = folder.path().join("deploy-app.rhai");
    let matrix = Matrix::new(None, || Play::of(&playbook));
    // what a resume cuts off a journal is written as well, and counts as three lines
    each(&[Kill::After(7), Kill::Before(9), Kill::Within(12)], |kill| {
        let desk = matrix.desk();
        let mut left = vec![];
        for process in 0.. {
            let kinds = || desk.lines().into_iter().map(|line| line.kind).collect::<Vec<_>>();
            assert!(process < 40, "{kill:?}: no process comes further than the one before: {:?}", kinds());
            let status = desk.go_on(Some(*kill));
            matrix.counts.resumes.fetch_add(usize::from(process > 0), Ordering::SeqCst);
            matrix.counts.count(&left, &desk.lines());
            if status.success() {
                break;
            }
            matrix.counts.kills.fetch_add(1, Ordering::SeqCst);
            left = desk.lines();
        }
        matrix.comes_to_the_end(&desk, &left, &format!("{kill:?} each time"));
    });
    matrix.counts.say("deploy-app, killed again and again");
}

#[test]
fn an_effect_that_may_not_be_sent_twice_is_sent_at_most_once_wherever_the_run_is_killed() {
    let matrix = Matrix::new(None, || Play::named("append.rhai"));
    each(&everywhere(matrix.lines(), &[Kill::Before, Kill::Within, Kill::After]), |kill| matrix.kill(*kill));
    // after each effect's line, and before and within its answer's
    assert_eq!(matrix.counts.uncertain.load(Ordering::SeqCst), 3 * 3);
    matrix.counts.say(&format!("append, {} lines", matrix.lines()));
}

#[test]
fn a_run_that_is_killed_before_anything_that_it_writes_comes_to_the_same_end() {
    let matrix = Matrix::new(None, || Play::named("append.rhai"));
    // more than it writes: once one is passed over, all behind it are
    let kills: Vec<Kill> = (1..=matrix.lines() * 3).map(Kill::At).collect();
    each(&kills, |kill| matrix.kill(*kill));
    let kills = u64::try_from(matrix.counts.kills.load(Ordering::SeqCst)).unwrap();
    assert!(kills > matrix.lines() + 12, "{kills}: each line, and folders, files and syncs");
    matrix.counts.say("append, before each write of any sort");
}

#[test]
fn a_run_that_was_killed_before_its_first_line_cannot_go_on_and_is_gone_once_it_is_given_up() {
    let playbook = playbooks().join("hello.rhai");
    for kill in [Kill::Before(1), Kill::Within(1)] {
        let desk = Desk::new(Play::of(&playbook));
        assert_eq!(desk.start(Some(kill)).signal(), Some(9));
        let runbook = desk.runbook();
        let (run, state) = runbook.runs().unwrap().remove(0);
        assert_eq!(state.unwrap().lines, 0);
        let refused = runbook.resume(run.as_str()).unwrap_err();
        assert_eq!(refused.exit_code(), ExitCode::Usage);
        assert!(refused.to_string().contains("ended before its first line: nothing was changed"), "{refused}");
        assert!(runbook.abandon(run.as_str(), "it never began").unwrap().is_empty());
        assert!(runbook.runs().unwrap().is_empty(), "{kill:?}");
        assert!(desk.start(None).success());
        assert_eq!(desk.ended()["exit"], 0, "its place is free: {}", desk.ended());
    }
}
