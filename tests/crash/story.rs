//! What is left of a run that was killed, and what became of it.

use std::{
    io::Write as _,
    path::Path,
    process::{Child as Process, ExitStatus},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use runbook::{
    event::{Event, Line, Part, RunState, Store},
    journal::Disk,
    model::{RunId, StepId},
    run::Ended,
    runbook::Runbook,
};
use serde_json::{Value, json};

use crate::{
    child::{Child, on_disk, runbook, store},
    kill::Kill,
    play::Play,
};

/// How many children work at once: they wait most of the time.
const AT_ONCE: usize = 12;

/// What is done with a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Run,
    Undo,
}

/// A folder that one run is played in, by one process after the other.
pub struct Desk {
    folder: tempfile::TempDir,
    play: Play,
    deed: Deed,
    /// How many lines there were before the deed.
    before: usize,
}

impl Desk {
    pub fn new(play: Play) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), play, deed: Deed::Run, before: 0 }
    }

    /// The run is taken back from here on.
    pub fn into_undo(mut self) -> Self {
        (self.before, self.deed) = (self.lines().len(), Deed::Undo);
        self
    }

    /// The same with another folder.
    pub fn copy(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(self.folder(), folder.path());
        Self { folder, play: self.play.clone(), ..*self }
    }

    pub fn deed(&self) -> Deed {
        self.deed
    }

    pub fn start(&self, kill: Option<Kill>) -> ExitStatus {
        self.child("start").ends(kill)
    }

    /// Starts it and goes away.
    pub fn begin(&self) -> Process {
        self.child("start").begins()
    }

    /// Goes on; a run without any line cannot, and is started anew.
    pub fn go_on(&self, kill: Option<Kill>) -> ExitStatus {
        let task = if self.run().is_none() { "start" } else { "resume" };
        self.child(task).ends(kill)
    }

    fn child(&self, task: &str) -> Child {
        let task = if self.deed == Deed::Undo { "undo" } else { task };
        Child::new(task, self.folder.path()).playing(&self.play)
    }

    /// Whether what is done with the run has come to its end.
    pub fn is_over(&self) -> bool {
        let state = self.state();
        match self.deed {
            Deed::Run => state.is_closed(),
            Deed::Undo => !self.own(&self.lines()).is_empty() && state.undoing.is_none(),
        }
    }

    /// Those of the run's lines that were written by what is done with it.
    pub fn own<'a>(&self, lines: &'a [Line]) -> &'a [Line] {
        lines.get(self.before..).unwrap_or_default()
    }

    /// Reaches its API server through this one.
    #[must_use]
    pub fn through(mut self, url: &str) -> Self {
        let config = json!({
            "apiVersion": "v1", "kind": "Config",
            "clusters": [{ "name": "c", "cluster": { "server": url } }],
            "users": [{ "name": "u", "user": { "token": "a-token-of-tests" } }],
            "contexts": [{ "name": "staging", "context": { "cluster": "c", "user": "u" } }],
        });
        let path = self.folder.path().join("kubeconfig");
        std::fs::write(&path, config.to_string()).unwrap();
        self.play.kubeconfig = Some(path);
        self
    }

    /// Starts it in this process, and waits for its end.
    pub fn start_here(&self, disk: Arc<dyn Disk>) -> Arc<Ended> {
        let mut order = on_disk(self.folder(), &self.play, disk).load(&self.play.playbook).unwrap().run("staging");
        for (name, value) in &self.play.params {
            order = order.param(name, value.clone());
        }
        order.start().unwrap().wait()
    }

    /// Goes on in this process; a run without any line is started anew.
    pub fn go_on_here(&self, disk: Arc<dyn Disk>) -> Arc<Ended> {
        let Some(run) = self.run() else { return self.start_here(disk) };
        on_disk(self.folder(), &self.play, disk).resume(run.as_str()).unwrap().start().unwrap().wait()
    }

    /// The one run that has begun.
    pub fn run(&self) -> Option<RunId> {
        let runs = store(self.folder.path()).runs().unwrap();
        let begun: Vec<_> = runs.into_iter().filter(|(_, state)| state.as_ref().unwrap().lines > 0).collect();
        assert!(begun.len() < 2, "one run is played here");
        begun.into_iter().next().map(|(run, _)| run)
    }

    pub fn state(&self) -> RunState {
        self.run().map(|run| store(self.folder.path()).state(&run).unwrap()).unwrap_or_default()
    }

    /// All lines, each proven by the chain.
    pub fn lines(&self) -> Vec<Line> {
        let mut lines = vec![];
        if let Some(run) = self.run() {
            let read = store(self.folder.path()).read(&run, 1, &mut |line| {
                lines.push(line);
                true
            });
            read.unwrap();
        }
        lines
    }

    /// What the last process said that came to its end.
    pub fn ended(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.folder.path().join("ended.json")).unwrap()).unwrap()
    }

    /// A program that works in this process.
    pub fn runbook(&self) -> Runbook {
        runbook(self.folder.path(), &self.play)
    }

    pub fn play(&self) -> &Play {
        &self.play
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Does what a run would have done.
    pub fn add_by_hand(&self, word: &str) {
        let name = if self.play.path.is_some() { "added" } else { "tally" };
        let file = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join(name));
        writeln!(file.unwrap(), "{word}").unwrap();
    }

    /// What was done that may not be done twice: a word each.
    pub fn words(&self) -> Vec<String> {
        let files = ["tally", "added"].map(|name| std::fs::read_to_string(self.folder.path().join(name)));
        files.map(Result::unwrap_or_default).concat().lines().map(Into::into).collect()
    }
}

/// A folder with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if from.is_dir() {
            std::fs::create_dir(&to).unwrap();
            copy(&from, &to);
        } else {
            std::fs::copy(&from, &to).unwrap();
        }
    }
}

/// How many lines of a killed process are not where they were.
pub fn lost(left: &[Line], all: &[Line]) -> usize {
    left.iter().enumerate().filter(|(n, line)| all.get(*n).is_none_or(|kept| kept.text != line.text)).count()
}

/// How many effects were sent again that were answered before, or that may not be sent twice.
pub fn duplicates(lines: &[Line]) -> usize {
    let mut final_ones: Vec<(StepId, Part, u32)> = vec![];
    let mut count = 0;
    for line in lines {
        match line.event.as_ref().unwrap() {
            Event::Effect { step, effect } => {
                let id = (step.clone(), effect.part, effect.seq);
                count += usize::from(final_ones.contains(&id));
                if !effect.idempotent {
                    final_ones.push(id);
                }
            }
            Event::Effected { step, seq, part, error: None, .. } => {
                final_ones.push((step.clone(), *part, *seq));
            }
            _ => {}
        }
    }
    count
}

/// Whether the effect that was sent last has no answer and may not be sent again.
pub fn uncertain(lines: &[Line]) -> bool {
    let last = lines.iter().rev().find_map(|line| line.event.as_ref().filter(|_| line.kind.starts_with("effect")));
    matches!(last, Some(Event::Effect { effect, .. }) if !effect.idempotent)
}

/// What a test counted.
#[derive(Default)]
pub struct Counts {
    pub kills: AtomicUsize,
    pub resumes: AtomicUsize,
    pub duplicates: AtomicUsize,
    pub lost: AtomicUsize,
    pub uncertain: AtomicUsize,
}

/// What all tests of this binary counted.
static ALL: Counts = Counts {
    kills: AtomicUsize::new(0),
    resumes: AtomicUsize::new(0),
    duplicates: AtomicUsize::new(0),
    lost: AtomicUsize::new(0),
    uncertain: AtomicUsize::new(0),
};

impl Counts {
    pub fn count(&self, left: &[Line], all: &[Line]) {
        self.duplicates.fetch_add(duplicates(all), Ordering::SeqCst);
        self.lost.fetch_add(lost(left, all), Ordering::SeqCst);
    }

    /// Says what was counted, after all of it was done.
    pub fn say(&self, what: &str) {
        println!("{what}: {self}");
        let of = |count: &AtomicUsize| count.load(Ordering::SeqCst);
        let pairs = [
            (&ALL.kills, &self.kills),
            (&ALL.resumes, &self.resumes),
            (&ALL.duplicates, &self.duplicates),
            (&ALL.lost, &self.lost),
            (&ALL.uncertain, &self.uncertain),
        ];
        for (all, here) in pairs {
            all.fetch_add(of(here), Ordering::SeqCst);
        }
        println!("all so far: {ALL}");
        assert_eq!((of(&self.duplicates), of(&self.lost)), (0, 0), "{what}");
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let of = |count: &AtomicUsize| count.load(Ordering::SeqCst);
        let Self { kills, resumes, duplicates, lost, uncertain } = self;
        write!(
            f,
            "kills {}, resumes {}, duplicates {}, lost {}, uncertain (exit 40) {}",
            of(kills),
            of(resumes),
            of(duplicates),
            of(lost),
            of(uncertain)
        )
    }
}

/// Does something for each of these, several at once.
pub fn each<T: Sync>(all: &[T], act: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(all.len()) {
            scope.spawn(|| {
                while let Some(one) = all.get(next.fetch_add(1, Ordering::SeqCst)) {
                    act(one);
                }
            });
        }
    });
}
