//! The playbook whose commands are counted, killed at any line of its journal.

use std::sync::atomic::Ordering;

use crate::{
    kill::Kill,
    matrix::{Matrix, everywhere},
    play::Play,
    story::each,
};

#[test]
fn a_command_that_may_not_run_twice_runs_at_most_once_wherever_the_run_is_killed() {
    let matrix = Matrix::new(None, Play::counter);
    let lines = matrix.lines();
    each(&everywhere(lines, &[Kill::Before, Kill::Within, Kill::After]), |kill| matrix.kill(*kill));
    // of three commands: behind the effect's line, around that of the child's start and end, before and within the answer's
    assert_eq!(matrix.counts.uncertain.load(Ordering::SeqCst), 3 * 9);
    let twice: Vec<(Kill, Kill)> = (3..=lines)
        .step_by(4)
        .flat_map(|first| [1, 5, 9].map(|second| (Kill::After(first), Kill::Before(second + first % 4))))
        .collect();
    each(&twice, |(first, second)| matrix.kill_twice(*first, *second));
    matrix.counts.say(&format!("commands, {lines} lines"));
}
