//! Runs that are killed, and have to come to what an undisturbed run comes to.

use std::{
    collections::BTreeSet,
    os::unix::process::ExitStatusExt as _,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use runbook::{
    event::{Closed, Life, Line, Stated, StepStatus},
    model::{ExitCode, Verdict},
};
use serde_json::Value;

use crate::{
    apiserver::Cluster,
    kill::Kill,
    play::Play,
    story::{Counts, Desk, each, uncertain},
    world::{self, World},
};

/// What a run of it, undisturbed, comes to.
struct End {
    /// The kinds of its lines.
    kinds: Vec<String>,
    facts: Facts,
    world: World,
}

/// What has to be the same in the end, wherever the run was killed.
#[derive(Debug, PartialEq)]
struct Facts {
    life: Life,
    exit: Option<ExitCode>,
    /// Each step: its status, which verifies held before its change, and whether they hold now.
    steps: Vec<(String, StepStatus, Vec<Verdict>, Vec<Verdict>)>,
    /// What each effect found there.
    before: Vec<(String, Value)>,
    outcome: Vec<Verdict>,
    exceptions: Vec<String>,
}

impl Facts {
    /// What could not be seen before a change does not tell it from a run that saw it.
    fn like(mut self, other: &Self) -> Self {
        for (step, known) in self.steps.iter_mut().zip(&other.steps) {
            for (verdict, known) in step.2.iter_mut().zip(&known.2) {
                if *verdict == Verdict::Unknown {
                    *verdict = *known;
                }
            }
        }
        self
    }
}

fn facts(desk: &Desk) -> Facts {
    let state = desk.state();
    let ns = desk.play().namespace().unwrap_or("<none>").to_owned();
    let verdicts = |results: &[runbook::event::VerifyResult]| results.iter().map(|result| result.verdict).collect();
    let steps = state.steps.iter();
    let effects = state.steps.values().flat_map(|step| &step.effects);
    Facts {
        steps: steps.map(|(id, s)| (id.to_string(), s.status, s.before.clone(), verdicts(&s.verifies))).collect(),
        before: effects
            .flat_map(|effect| &effect.sent.before)
            .map(|before| {
                (before.object.replace(&ns, "<namespace>"), world::nameless(before.image.clone().into(), &ns))
            })
            .collect(),
        outcome: verdicts(&state.outcome),
        life: state.life,
        exit: state.exit,
        exceptions: state.exceptions,
    }
}

/// The kinds of lines before which something outside of the journal happened, or was told. A kill before any other line is a
/// kill after the one before it.
pub const TELLING: [&str; 9] = [
    "effect",
    "effected",
    "child.started",
    "child.ended",
    "gate.decided",
    "step.changed",
    "step.verified",
    "outcome.verified",
    "run.closed",
];

/// Every place in a journal of so many lines.
pub fn everywhere(lines: u64, kills: &[fn(u64) -> Kill]) -> Vec<Kill> {
    (1..=lines).flat_map(|n| kills.iter().map(move |kill| kill(n))).collect()
}

/// A playbook, and what it comes to undisturbed.
pub struct Matrix<'a> {
    make: Box<dyn Fn() -> Play + Sync + 'a>,
    cluster: Option<&'a Cluster>,
    end: End,
    pub counts: Counts,
}

impl<'a> Matrix<'a> {
    /// Plays it once, undisturbed.
    pub fn new(cluster: Option<&'a Cluster>, make: impl Fn() -> Play + Sync + 'a) -> Self {
        let desk = Desk::new(make());
        assert!(desk.start(None).success());
        assert_eq!(desk.ended()["exit"], 0, "{}", desk.ended());
        let facts = facts(&desk);
        assert_eq!(facts.life, Life::Closed(Closed::Done));
        assert!(!facts.steps.is_empty() && facts.steps.iter().all(|(_, status, ..)| *status == StepStatus::Verified));
        let world = desk.play().world(desk.folder(), cluster);
        assert!(!world.is_empty());
        let kinds = desk.lines().into_iter().map(|line| line.kind).collect();
        let end = End { kinds, facts, world };
        Self { make: Box::new(make), cluster, end, counts: Counts::default() }
    }

    /// How long its journal is.
    pub fn lines(&self) -> u64 {
        u64::try_from(self.end.kinds.len()).unwrap()
    }

    /// The numbers of its lines of these kinds.
    pub fn lines_of(&self, kinds: &[&str]) -> Vec<u64> {
        (1..).zip(&self.end.kinds).filter(|(_, kind)| kinds.contains(&kind.as_str())).map(|(n, _)| n).collect()
    }

    pub fn desk(&self) -> Desk {
        Desk::new((self.make)())
    }

    /// After each line, and before each one before which something happened.
    pub fn kill_everywhere(&self) {
        let mut kills = everywhere(self.lines(), &[Kill::After]);
        kills.extend(self.lines_of(&TELLING).into_iter().map(Kill::Before));
        each(&kills, |kill| self.kill(*kill));
    }

    /// Killed there, it comes to the same end, or to an end that is not known and stays so.
    pub fn kill(&self, kill: Kill) {
        let desk = self.desk();
        if self.is_killed(&desk, kill) {
            let left = desk.lines();
            self.goes_on(&desk, &left, &format!("{kill:?}"));
        }
    }

    /// The same, with the process that goes on killed as well.
    pub fn kill_twice(&self, first: Kill, second: Kill) {
        let desk = self.desk();
        if !self.is_killed(&desk, first) {
            return;
        }
        let left = desk.lines();
        self.counts.resumes.fetch_add(1, Ordering::SeqCst);
        if desk.go_on(Some(second)).signal() == Some(9) {
            self.counts.kills.fetch_add(1, Ordering::SeqCst);
        }
        self.counts.count(&left, &desk.lines());
        let left = desk.lines();
        self.goes_on(&desk, &left, &format!("{first:?}, then {second:?}"));
    }

    /// After a kill: to the same end, or to one that is not known and stays so.
    pub fn goes_on(&self, desk: &Desk, left: &[Line], kill: &str) {
        if uncertain(left) {
            self.stays_unknown(desk, left, kill);
        } else {
            self.comes_to_the_end(desk, left, kill);
        }
    }

    /// Starts a run and kills it there. How often a verify is observed differs from run to run, so that one may be over
    /// before it comes to its last lines: then false.
    pub fn is_killed(&self, desk: &Desk, kill: Kill) -> bool {
        let status = desk.start(Some(kill));
        if status.success() {
            assert!(desk.state().is_closed(), "{kill:?}: {}", desk.ended());
            assert!(kill.leaves().is_none_or(|leaves| desk.state().lines <= leaves), "{kill:?} was passed over");
            return false;
        }
        assert_eq!(status.signal(), Some(9), "{kill:?}");
        self.counts.kills.fetch_add(1, Ordering::SeqCst);
        if let Some(leaves) = kill.leaves() {
            assert_eq!(desk.state().lines, leaves, "{kill:?}");
        }
        true
    }

    /// Goes on until the run is closed, and compares what it came to.
    pub fn comes_to_the_end(&self, desk: &Desk, left: &[Line], kill: &str) {
        if !desk.state().is_closed() {
            assert!(desk.go_on(None).success(), "{kill}");
            self.counts.resumes.fetch_add(1, Ordering::SeqCst);
            assert_eq!(desk.ended()["exit"], 0, "{kill}: {}", desk.ended());
        }
        self.counts.count(left, &desk.lines());
        self.count_words(desk);
        assert_eq!(facts(desk).like(&self.end.facts), self.end.facts, "{kill}");
        let world = self.settled(desk);
        assert!(world == self.end.world, "{kill}: {:#?}", world::differences(&world, &self.end.world));
    }

    /// What was sent and may not be sent twice has no answer: asking again does not make it known.
    fn stays_unknown(&self, desk: &Desk, left: &[Line], kill: &str) {
        self.counts.uncertain.fetch_add(1, Ordering::SeqCst);
        let mut done = None;
        for _ in 0..2 {
            assert!(desk.go_on(None).success());
            self.counts.resumes.fetch_add(1, Ordering::SeqCst);
            let ended = desk.ended();
            assert_eq!(ended["exit"], ExitCode::Unknown.code(), "{kill}: {ended}");
            let message = ended["message"].as_str().unwrap();
            assert!(message.contains("may not be sent twice"), "{message}");
            assert_eq!(desk.state().life, Life::Stopped);
            let words = desk.words();
            assert_eq!(*done.get_or_insert_with(|| words.clone()), words, "{kill}: nothing is done by asking");
        }
        self.counts.count(left, &desk.lines());
        self.count_words(desk);
        if desk.play().namespace().is_none() {
            self.is_settled(desk, kill);
        }
    }

    /// Who looks at what is there can say it, and the run comes to its end with nothing done twice.
    fn is_settled(&self, desk: &Desk, kill: &str) {
        let state = desk.state();
        let (step, _) = state.steps.iter().find(|(_, step)| step.is_uncertain()).expect("a step is uncertain");
        // steps of these playbooks say in their titles which words they add
        let wanted: &[&str] = if step.as_str().ends_with("two") || step.as_str().contains("two-words") {
            &["two", "three"]
        } else {
            &["one"]
        };
        let words = desk.words();
        let missing: Vec<&&str> = wanted.iter().filter(|word| !words.iter().any(|known| known == **word)).collect();
        let outcome = match missing.len() {
            0 => Stated::Applied,
            n if n == wanted.len() => Stated::NotApplied,
            _ => {
                for word in &missing {
                    desk.add_by_hand(word);
                }
                Stated::ByHand
            }
        };
        let run = desk.run().unwrap();
        let order = desk.runbook().resume(run.as_str()).unwrap();
        let ended = order.settle(step.as_str(), outcome, "it was looked at").start().unwrap().wait();
        self.counts.resumes.fetch_add(1, Ordering::SeqCst);
        assert_eq!(ended.exit, ExitCode::Done, "{kill}, stated {outcome:?}: {ended:?}");
        assert_eq!(desk.state().exceptions.len(), 1, "{kill}");
        let mut words = desk.words();
        words.sort();
        assert_eq!(words, ["one", "three", "two"], "{kill}, stated {outcome:?}");
    }

    /// A word stands for an effect that may not happen twice.
    fn count_words(&self, desk: &Desk) {
        let words = desk.words();
        let different: BTreeSet<&String> = words.iter().collect();
        self.counts.duplicates.fetch_add(words.len() - different.len(), Ordering::SeqCst);
    }

    /// What there is, once controllers have done what they do: what is expected, where it comes to be that.
    fn settled(&self, desk: &Desk) -> World {
        let late = Instant::now() + Duration::from_secs(5);
        loop {
            let world = desk.play().world(desk.folder(), self.cluster);
            if world == self.end.world || Instant::now() > late {
                return world;
            }
        }
    }
}
