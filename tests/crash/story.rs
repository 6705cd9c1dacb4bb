//! What is left of a run that was killed, and what became of it.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::atomic::{AtomicUsize, Ordering},
};

use runbook::{
    event::{Event, Line, RunState, Store},
    model::{RunId, StepId},
    runbook::Runbook,
};
use serde_json::Value;

use crate::{
    child::{Child, runbook, store},
    kill::Kill,
};

/// How many children work at once: they wait most of the time.
const AT_ONCE: usize = 12;

/// A folder that one run is played in, by one process after the other.
pub struct Desk {
    folder: tempfile::TempDir,
    playbook: PathBuf,
}

impl Desk {
    pub fn new(playbook: &Path) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), playbook: playbook.to_owned() }
    }

    pub fn start(&self, kill: Option<Kill>) -> ExitStatus {
        Child::new("start", self.folder.path()).playing(&self.playbook).ends(kill)
    }

    /// Goes on; a run without any line cannot, and is started anew.
    pub fn go_on(&self, kill: Option<Kill>) -> ExitStatus {
        if self.run().is_none() {
            return self.start(kill);
        }
        Child::new("resume", self.folder.path()).ends(kill)
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
        runbook(self.folder.path())
    }

    pub fn state_folder(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// What `tally::append` did.
    pub fn tally(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.path().join("tally")).unwrap_or_default();
        text.lines().map(Into::into).collect()
    }
}

/// How many lines of a killed process are not where they were.
pub fn lost(left: &[Line], all: &[Line]) -> usize {
    left.iter().enumerate().filter(|(n, line)| all.get(*n).is_none_or(|kept| kept.text != line.text)).count()
}

/// How many effects were sent again that were answered before, or that may not be sent twice.
pub fn duplicates(lines: &[Line]) -> usize {
    let mut final_ones: BTreeSet<(StepId, u32)> = BTreeSet::new();
    let mut count = 0;
    for line in lines {
        match line.event.as_ref().unwrap() {
            Event::Effect { step, effect } => {
                let id = (step.clone(), effect.seq);
                count += usize::from(final_ones.contains(&id));
                if !effect.idempotent {
                    final_ones.insert(id);
                }
            }
            Event::Effected { step, seq, error: None, .. } => drop(final_ones.insert((step.clone(), *seq))),
            _ => {}
        }
    }
    count
}

/// The effect that was sent last and has no answer.
pub fn unanswered(lines: &[Line]) -> bool {
    let effects = lines.iter().filter(|line| line.kind == "effect" || line.kind == "effected");
    effects.max_by_key(|line| line.n).is_some_and(|line| line.kind == "effect")
}

/// What a test counted.
#[derive(Default)]
pub struct Counts {
    pub kills: AtomicUsize,
    pub resumes: AtomicUsize,
    pub duplicates: AtomicUsize,
    pub lost: AtomicUsize,
}

impl Counts {
    pub fn count(&self, left: &[Line], all: &[Line]) {
        self.duplicates.fetch_add(duplicates(all), Ordering::SeqCst);
        self.lost.fetch_add(lost(left, all), Ordering::SeqCst);
    }

    /// Says what was counted, after all of it was done.
    pub fn say(&self, what: &str) {
        let of = |count: &AtomicUsize| count.load(Ordering::SeqCst);
        let (kills, resumes) = (of(&self.kills), of(&self.resumes));
        let (duplicates, lost) = (of(&self.duplicates), of(&self.lost));
        println!("{what}: kills {kills}, resumes {resumes}, duplicates {duplicates}, lost {lost}");
        assert_eq!((duplicates, lost), (0, 0), "{what}");
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
