//! What a step costs by itself, beside a bare loop that appends and syncs the very bytes that the run journaled.

use std::{
    fs,
    path::Path,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use runbook::{
    effect::Module,
    event::{Line, Sink},
    journal::{Disk, FileLock, FileStore, OsDisk},
    model::ExitCode,
    redact::Scrubber,
    runbook::Runbook,
};

use super::{
    bare, folder,
    process::{run, wall, wall_and_peak},
    start::lay_down,
    table::{Figure, Table, median},
};

const STEPS: u32 = 1_000;
const ROUNDS: usize = 5;

fn playbook(steps: u32, change: &str) -> String {
    format!(
        r#"
plan("Many steps").problem("steps have a cost of their own").outcome("all steps are done").contexts(["staging"])
    .current("nothing").target("nothing");
phase("Steps").goal("all are done");
for n in 0..{steps} {{
    step(`Step ${{n}}`){change}.verify("one is one", || 1 == 1);
}}
"#
    )
}

pub fn rows(table: &mut Table) {
    own_cost(table, "no effects", "", 1);
    own_cost(table, "one idempotent effect", ".change(|| counter::add(1)).irreversible(\"it is counted\")", 2);
    whole(table);
}

/// The system's disk, with a count of its syncs.
#[derive(Default)]
struct Counting {
    syncs: AtomicU64,
}

impl Disk for Counting {
    fn create_dir(&self, path: &Path) -> std::io::Result<()> {
        OsDisk.create_dir(path)
    }
    fn write(&self, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
        OsDisk.write(path, bytes)
    }
    fn append(&self, journal: &mut fs::File, line: &[u8]) -> std::io::Result<()> {
        OsDisk.append(journal, line)
    }
    fn truncate(&self, journal: &fs::File, length: u64) -> std::io::Result<()> {
        OsDisk.truncate(journal, length)
    }
    fn sync(&self, file: &fs::File) -> std::io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        OsDisk.sync(file)
    }
    fn sync_dir(&self, path: &Path) -> std::io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        OsDisk.sync_dir(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        OsDisk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> std::io::Result<()> {
        OsDisk.remove(path)
    }
}

/// Keeps the lines of steps with the time at which a view was told of them, and how many syncs there were by then.
struct Kept {
    lines: Arc<Mutex<Vec<Told>>>,
    disk: Arc<Counting>,
}

struct Told {
    at: Instant,
    syncs: u64,
    kind: String,
    text: String,
}

impl Sink for Kept {
    fn line(&mut self, line: &Line) {
        if line.kind.starts_with("step.") || line.kind.starts_with("effect") {
            let syncs = self.disk.syncs.load(Ordering::Relaxed);
            let told = Told { at: Instant::now(), syncs, kind: line.kind.clone(), text: line.text.clone() };
            self.lines.lock().expect("nothing panics with it").push(told);
        }
    }
}

/// Runs the steps through the library; from the first step's first line to the last one's last.
fn run_steps(folder: &Path) -> Vec<Told> {
    let disk = Arc::new(Counting::default());
    let state = folder.join("state");
    let _ = fs::remove_dir_all(&state);
    let runbook = Runbook::builder()
        .store(&state)
        .runs_in(Arc::new(FileStore::new(&state, Scrubber::new()).on_disk(disk.clone())))
        .lock(Arc::new(FileLock::new(&state).on_disk(disk.clone())))
        .module(Module::new("counter").change("add", |arguments, _| Ok(arguments[0].clone())).idempotent())
        .build()
        .expect("it is complete");
    let lines = Arc::new(Mutex::new(vec![]));
    let order = runbook.load(folder.join("steps.rhai")).expect("it is there").run("staging");
    let run = order.sink(Box::new(Kept { lines: lines.clone(), disk })).start().expect("it starts");
    let ended = run.wait();
    assert_eq!(ended.exit, ExitCode::Done, "{} {:?}", ended.message, ended.findings);
    std::mem::take(&mut *lines.lock().expect("nothing panics with it"))
}

fn own_cost(table: &mut Table, name: &str, change: &str, syncs_wanted: u32) {
    let folder = folder();
    lay_down(folder.path(), "steps.rhai", &playbook(STEPS, change));
    let (mut own, mut floor, mut syncs) = (vec![], vec![], 0);
    for _ in 0..ROUNDS {
        let lines = run_steps(folder.path());
        let (first, last) = (lines.first().expect("there are steps"), lines.last().expect("there are steps"));
        own.push((last.at - first.at) / STEPS);
        // the first step's sync makes the run's folder durable as well
        let second = lines.iter().position(|line| line.kind == "step.verified").map_or(0, |at| lines[at].syncs);
        syncs = last.syncs - second;
        let mut groups = vec![vec![]];
        for line in &lines {
            let group = groups.last_mut().expect("there is one");
            group.extend_from_slice(line.text.as_bytes());
            group.push(b'\n');
            if matches!(line.kind.as_str(), "effect" | "step.verified") {
                groups.push(vec![]);
            }
        }
        groups.pop();
        assert_eq!(groups.len(), (STEPS * syncs_wanted) as usize, "a sync for each");
        floor.push(bare::append_and_sync(folder.path(), &groups) / STEPS);
    }
    let (own, floor) = (median(&mut own), median(&mut floor));
    table.row(
        format!("step, {name}"),
        Figure::Time(own),
        Some(Figure::Time(floor)),
        Some(Figure::Time(floor.mul_f64(1.5) + Duration::from_micros(50))),
        format!("median of {ROUNDS} runs of {STEPS} steps; floor: a loop that appends and syncs the same lines; bar: 1.5 x that + 50 µs"),
    );
    #[allow(clippy::cast_precision_loss, reason = "a small count")]
    table.row(
        format!("step, {name}: syncs"),
        Figure::Count(syncs as f64 / f64::from(STEPS - 1)),
        None,
        Some(Figure::Count(f64::from(syncs_wanted))),
        "counted by the journal's disk, without the first step's, which makes the run's folder durable",
    );
}

/// Whole processes beside the shell, which keeps no record of anything.
fn whole(table: &mut Table) {
    let folder = folder();
    for steps in [100, STEPS] {
        let (file, script) = (format!("{steps}.rhai"), format!("{steps}.sh"));
        lay_down(folder.path(), &file, &playbook(steps, ""));
        fs::write(folder.path().join(&script), "/bin/true\n".repeat(steps as usize)).expect("there is room");
        let (mut own, mut shell, mut most) = (vec![], vec![], 0.0_f64);
        for _ in 0..3 {
            shell.push(wall(Command::new("sh").arg("-e").arg(folder.path().join(&script))));
            own.push(wall(&mut run(folder.path(), &file)));
            most = most.max(wall_and_peak(&mut run(folder.path(), &file)).1.unwrap_or_default());
        }
        table.row(
            format!("{steps} steps, the process"),
            Figure::Time(median(&mut own)),
            Some(Figure::Time(median(&mut shell))),
            None,
            format!("medians of 3; floor: `sh -e` that starts `true` {steps} times and keeps nothing"),
        );
        if steps == STEPS {
            table.row(
                format!("{steps} steps, memory"),
                Figure::Mebibytes(most),
                None,
                Some(Figure::Mebibytes(80.0 * 1e6 / f64::from(1 << 20))),
                "the highest VmHWM that /proc told, looked at every millisecond; bar: 80 MB",
            );
        }
    }
}
