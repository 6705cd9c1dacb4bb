//! Runs that are taken back, killed at any line that this writes; and runs that are killed and then taken back.

use std::sync::atomic::Ordering;

use crate::{
    apiserver,
    kill::Kill,
    matrix::{Matrix, everywhere},
    play::Play,
    playbooks::quick_deploy_app,
    story::each,
};

/// One kill and, in the process that goes on, another.
fn twice(lines: u64, step: usize) -> Vec<(Kill, Kill)> {
    let firsts = (1..=lines).step_by(step);
    firsts.flat_map(|first| [1, 4].map(|second| (Kill::After(first), Kill::Before(second + first % 5)))).collect()
}

#[test]
fn deploy_app_whose_undo_is_killed_anywhere_is_taken_back_all_the_same() {
    let folder = quick_deploy_app();
    let playbook = folder.path().join("deploy-app.rhai");
    let matrix = Matrix::of_undo(None, || Play::of(&playbook));
    matrix.kill_everywhere();
    each(&twice(matrix.lines(), 8), |(first, second)| matrix.kill_twice(*first, *second));
    matrix.counts.say(&format!("undo of deploy-app, {} lines", matrix.lines()));
}

#[test]
fn a_way_back_that_may_not_be_sent_twice_is_sent_at_most_once_wherever_the_undo_is_killed() {
    let matrix = Matrix::of_undo(None, Play::there_and_back);
    matrix.kill_everywhere();
    // of three commands: after the effect's line, around those of the child's start and end, and before the answer's
    assert_eq!(matrix.counts.uncertain.load(Ordering::SeqCst), 3 * 6);
    let lines = matrix.lines();
    each(&[Kill::Within(1), Kill::Within(lines / 2), Kill::Within(lines - 1)], |kill| matrix.kill(*kill));
    each(&twice(lines, 8), |(first, second)| matrix.kill_twice(*first, *second));
    matrix.counts.say(&format!("undo of commands and objects, {lines} lines"));
}

#[test]
fn an_undo_that_is_killed_goes_no_further_back_than_the_first_process_was_asked_to() {
    let matrix = Matrix::of_undo(None, || Play::there_and_back().back_to("Make two"));
    each(&everywhere(matrix.lines(), &[Kill::After]), |kill| matrix.kill(*kill));
    matrix.counts.say(&format!("undo to a step, {} lines", matrix.lines()));
}

#[test]
fn a_run_that_was_killed_anywhere_is_taken_back_and_leaves_nothing() {
    let folder = quick_deploy_app();
    let playbook = folder.path().join("deploy-app.rhai");
    let make = || Play::of(&playbook);
    let (matrix, undone) = (Matrix::new(None, make), Matrix::of_undo(None, make));
    let mut kills: Vec<(Kill, Option<Kill>)> =
        matrix.lines_of(&["effect", "effected", "step.verified"]).into_iter().map(|n| (Kill::After(n), None)).collect();
    // and the undo as well
    kills.extend((2..=matrix.lines()).step_by(9).map(|n| (Kill::After(n), Some(Kill::After(1 + n % 7)))));
    each(&kills, |(kill, then)| matrix.kill_and_take_back(*kill, *then, &undone));
    assert!(matrix.counts.uncertain.load(Ordering::SeqCst) > 4, "steps were uncertain");
    matrix.counts.say("killed, and taken back");
}

#[test]
fn objects_of_a_real_api_server_are_as_before_wherever_the_run_or_its_undo_is_killed() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let undone = Matrix::of_undo(Some(server), || Play::objects(server));
    // what was sent and not answered yet
    let mut kills: Vec<Kill> = undone.lines_of(&["effected"]).into_iter().map(Kill::Before).collect();
    kills.extend([Kill::After(1), Kill::After(undone.lines() / 2), Kill::Before(undone.lines())]);
    each(&kills, |kill| undone.kill(*kill));
    undone.counts.say(&format!("undo on a real API server, {} lines", undone.lines()));
    let matrix = Matrix::new(Some(server), || Play::objects(server));
    let kills: Vec<Kill> = matrix.lines_of(&["effect"]).into_iter().step_by(2).map(Kill::After).collect();
    each(&kills, |kill| matrix.kill_and_take_back(*kill, Some(Kill::After(4)), &undone));
    matrix.counts.say("killed, and taken back, on a real API server");
}
