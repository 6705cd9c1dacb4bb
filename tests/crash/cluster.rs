//! The playbook about objects of a real API server, killed at any line of its journal; each run in a fresh namespace.

use crate::{apiserver, kill::Kill, matrix::Matrix, play::Play, story::each};

#[test]
fn objects_of_a_real_api_server_come_to_the_same_end_wherever_the_run_is_killed() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let matrix = Matrix::new(Some(server), || Play::objects(server));
    let lines = matrix.lines();
    matrix.kill_everywhere();
    // and the process that goes on as well: early, in what it repeats, and in what it does
    let twice: Vec<(Kill, Kill)> = (3..=lines)
        .step_by(6)
        .flat_map(|first| [1, 6].map(|second| (Kill::After(first), Kill::After(second + first % 3))))
        .collect();
    each(&twice, |(first, second)| matrix.kill_twice(*first, *second));
    matrix.counts.say(&format!("objects on a real API server, {lines} lines"));
}
