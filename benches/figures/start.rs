//! Starting: the program that only says its version, and one that runs a playbook which has nothing to do.

use std::{fs, path::Path, process::Command, time::Duration};

use super::{
    bare, folder,
    process::{run, runbook, syncs, wall},
    table::{Figure, Table, median},
};

const ROUNDS: usize = 41;

/// `--version` beside spawning `true`.
pub fn version(table: &mut Table) {
    let folder = folder();
    let (mut floor, mut own) = (vec![], vec![]);
    for _ in 0..ROUNDS * 3 {
        floor.push(wall(&mut Command::new("true")));
        own.push(wall(&mut runbook(folder.path(), &["--version"])));
    }
    let (floor, own) = (median(&mut floor), median(&mut own));
    table.row(
        "start: --version",
        Figure::Time(own),
        Some(Figure::Time(floor)),
        Some(Figure::Time(floor + Duration::from_millis(1))),
        "medians of processes started in turn; floor: `true`; bar: 1 ms more",
    );
}

/// Writes what a playbook on a sandbox needs.
pub fn lay_down(folder: &Path, playbook: &str, text: &str) {
    fs::write(folder.join("runbook.toml"), "[contexts.staging]\nsandbox = true\n").expect("there is room");
    fs::write(folder.join(playbook), text).expect("there is room");
}

const NO_OP: &str = r#"
plan("Nothing to do").problem("a run has a cost of its own").outcome("nothing was done").contexts(["staging"])
    .current("nothing").target("nothing");
phase("Nothing").goal("nothing is done");
step("Do nothing").verify("one is one", || 1 == 1);
"#;

/// A playbook of one step without effects on a sandbox, the whole process.
pub fn no_op(table: &mut Table) {
    let folder = folder();
    lay_down(folder.path(), "no-op.rhai", NO_OP);
    let command = || run(folder.path(), "no-op.rhai");
    // the first run makes the state folder and the sandbox
    let first = wall(&mut command());
    let count = syncs(&command(), folder.path());
    let (mut floor, mut own, mut sync, mut name) = (vec![], vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        floor.push(wall(&mut Command::new("true")));
        own.push(wall(&mut command()));
        sync.push(bare::one_sync(folder.path()));
        name.push(bare::one_folder_sync(folder.path()));
    }
    let (spawn, own) = (median(&mut floor), median(&mut own));
    let (sync, name) = (median(&mut sync), median(&mut name));
    let each = sync.max(name);
    let floor = spawn + each * count.unwrap_or_default();
    table.row(
        "no-op playbook",
        Figure::Time(own),
        Some(Figure::Time(floor)),
        Some(Figure::Time(spawn + Duration::from_millis(4) + (each * count.unwrap_or_default()).mul_f64(1.2))),
        format!(
            "medians, the whole process; floor: `true` ({}) and as many syncs of {} (append 300 bytes) or {} (folder), \
             whichever is longer; bar: `true` + 4 ms + 1.2 x these syncs; the very first run took {}",
            Figure::Time(spawn),
            Figure::Time(sync),
            Figure::Time(name),
            Figure::Time(first)
        ),
    );
    if let Some(count) = count {
        table.row(
            "no-op playbook: syncs",
            Figure::Count(f64::from(count)),
            None,
            Some(Figure::Count(4.0)),
            "fsync and fdatasync of the process, counted by strace",
        );
    } else {
        eprintln!("no strace here: the syncs of the no-op playbook are not counted and count as none");
    }
}
