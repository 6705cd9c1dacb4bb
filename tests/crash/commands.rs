//! The playbook whose commands are counted, killed at any line of its journal.

use std::sync::atomic::Ordering;

use crate::{kill::Kill, matrix::Matrix, play::Play, story::each};

#[test]
fn a_command_that_may_not_run_twice_runs_at_most_once_wherever_the_run_is_killed() {
    let matrix = Matrix::new(None, Play::counter);
    let lines = matrix.lines();
    matrix.kill_everywhere();
    // of three commands: after the effect's line, around those of the child's start and end, and before the answer's
    assert_eq!(matrix.counts.uncertain.load(Ordering::SeqCst), 3 * 6);
    let twice: Vec<(Kill, Kill)> = (3..=lines)
        .step_by(6)
        .flat_map(|first| [1, 7].map(|second| (Kill::After(first), Kill::Before(second + first % 4))))
        .collect();
    each(&twice, |(first, second)| matrix.kill_twice(*first, *second));
    matrix.counts.say(&format!("commands, {lines} lines"));
}
