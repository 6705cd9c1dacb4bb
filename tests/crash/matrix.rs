//! Runs that are killed, and undos of runs, and have to come to what an undisturbed one comes to.

use std::{
    collections::BTreeSet,
    os::unix::process::ExitStatusExt as _,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use runbook::{
    event::{Closed, Event, Life, Line, Part, Stated, StepState, StepStatus},
    model::{ExitCode, Verdict},
};
use serde_json::Value;

use crate::{
    apiserver::Cluster,
    kill::Kill,
    play::Play,
    story::{Counts, Deed, Desk, each, uncertain},
    world::{self, World},
};

/// What a run of it, or what is done with one, undisturbed, comes to.
struct End {
    /// The kinds of its lines.
    kinds: Vec<String>,
    facts: Facts,
    world: World,
    /// What was done that may not be done twice, sorted.
    words: Vec<String>,
}

/// What has to be the same in the end, wherever the run was killed.
#[derive(Debug, PartialEq)]
struct Facts {
    life: Life,
    exit: Option<ExitCode>,
    /// Each step: its status, which verifies held before its change, and whether they hold now.
    steps: Vec<(String, StepStatus, Vec<Verdict>, Vec<Verdict>)>,
    /// Each step's way back: whether it is at its end, and how much stays.
    back: Vec<(String, bool, usize)>,
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
    let back = state.steps.iter().filter_map(|(id, step)| Some((id.to_string(), step.undo.as_ref()?)));
    Facts {
        back: back.map(|(id, undo)| (id, undo.complete, undo.left.len())).collect(),
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
pub const TELLING: [&str; 11] = [
    "effect",
    "effected",
    "child.started",
    "child.ended",
    "gate.decided",
    "step.changed",
    "step.verified",
    "outcome.verified",
    "undo.step.ended",
    "run.stopped",
    "run.closed",
];

fn sorted(mut words: Vec<String>) -> Vec<String> {
    words.sort();
    words
}

/// Every place in a journal of so many lines.
pub fn everywhere(lines: u64, kills: &[fn(u64) -> Kill]) -> Vec<Kill> {
    (1..=lines).flat_map(|n| kills.iter().map(move |kill| kill(n))).collect()
}

/// A playbook, and what it comes to undisturbed.
pub struct Matrix<'a> {
    make: Box<dyn Fn() -> Desk + Sync + 'a>,
    cluster: Option<&'a Cluster>,
    end: End,
    pub counts: Counts,
}

impl<'a> Matrix<'a> {
    /// Plays it once, undisturbed.
    pub fn new(cluster: Option<&'a Cluster>, make: impl Fn() -> Play + Sync + 'a) -> Self {
        let matrix = Self::of(cluster, move || Desk::new(make()));
        let facts = &matrix.end.facts;
        assert_eq!(facts.life, Life::Closed(Closed::Done));
        assert!(!facts.steps.is_empty() && facts.steps.iter().all(|(_, status, ..)| *status == StepStatus::Verified));
        matrix
    }

    /// Of a run of it that is done: takes it back once, undisturbed. On a sandbox one run serves for all; where it has
    /// children that are told by the run's name, each has its own.
    pub fn of_undo(cluster: Option<&'a Cluster>, make: impl Fn() -> Play + Sync + 'a) -> Self {
        let done = move || {
            let desk = Desk::new(make());
            assert!(desk.start(None).success());
            assert_eq!(desk.state().life, Life::Closed(Closed::Done), "{}", desk.ended());
            desk.into_undo()
        };
        let first = done();
        let matrix = if cluster.is_none() && first.play().path.is_none() {
            Self::of(cluster, move || first.copy())
        } else {
            Self::of(cluster, done)
        };
        let facts = &matrix.end.facts;
        assert!(facts.back.iter().all(|(_, complete, left)| *complete && *left == 0), "{:?}", facts.back);
        matrix
    }

    fn of(cluster: Option<&'a Cluster>, make: impl Fn() -> Desk + Sync + 'a) -> Self {
        let desk = make();
        assert!(desk.start(None).success());
        assert_eq!(desk.ended()["exit"], 0, "{}", desk.ended());
        let world = desk.play().world(desk.folder(), cluster);
        assert!(!world.is_empty());
        let kinds = desk.own(&desk.lines()).iter().map(|line| line.kind.clone()).collect();
        let end = End { kinds, facts: facts(&desk), world, words: sorted(desk.words()) };
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
        (self.make)()
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
        if uncertain(desk.own(left)) {
            self.stays_unknown(desk, left, kill);
        } else {
            self.comes_to_the_end(desk, left, kill);
        }
    }

    /// Starts a run and kills it there. How often a verify is observed differs from run to run, so that one may be over
    /// before it comes to its last lines: then false.
    pub fn is_killed(&self, desk: &Desk, kill: Kill) -> bool {
        let own = || u64::try_from(desk.own(&desk.lines()).len()).unwrap();
        let status = desk.start(Some(kill));
        if status.success() {
            assert!(desk.is_over(), "{kill:?}: {}", desk.ended());
            assert!(kill.leaves().is_none_or(|leaves| own() <= leaves), "{kill:?} was passed over");
            return false;
        }
        assert_eq!(status.signal(), Some(9), "{kill:?}");
        self.counts.kills.fetch_add(1, Ordering::SeqCst);
        if let Some(leaves) = kill.leaves() {
            assert_eq!(own(), leaves, "{kill:?}");
        }
        true
    }

    /// Goes on until it is over, and compares what it came to.
    pub fn comes_to_the_end(&self, desk: &Desk, left: &[Line], kill: &str) {
        if !desk.is_over() {
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

    /// A run that is killed there and taken back is nowhere any more: what there is, is what `undone` says. The step that is
    /// not certain goes first.
    pub fn kill_and_take_back(&self, kill: Kill, then: Option<Kill>, undone: &Matrix) {
        let desk = self.desk();
        if !self.is_killed(&desk, kill) || desk.run().is_none() {
            return;
        }
        let kill = format!("{kill:?}, then taken back, {then:?}");
        let state = desk.state();
        let doubtful = state.steps.iter().find(|(_, step)| step.is_uncertain()).map(|(id, _)| id.to_string());
        let desk = desk.into_undo();
        let mut left = desk.lines();
        if then.is_some() && desk.start(then).signal() == Some(9) {
            self.counts.kills.fetch_add(1, Ordering::SeqCst);
            self.counts.count(&left, &desk.lines());
            left = desk.lines();
        }
        if !desk.is_over() {
            self.counts.resumes.fetch_add(1, Ordering::SeqCst);
            assert!(desk.go_on(None).success(), "{kill}");
            assert_eq!(desk.ended()["exit"], 0, "{kill}: {}", desk.ended());
        }
        self.counts.count(&left, &desk.lines());
        let state = desk.state();
        assert_eq!(state.life, Life::Closed(Closed::Undone), "{kill}");
        let lines = desk.lines();
        let first = desk.own(&lines).iter().find_map(|line| match line.event.as_ref() {
            Some(Event::UndoStarted { steps, .. }) => steps.first().map(ToString::to_string),
            _ => None,
        });
        assert!(doubtful.is_none() || first == doubtful, "{kill}: {first:?} goes before {doubtful:?}");
        self.counts.uncertain.fetch_add(usize::from(doubtful.is_some()), Ordering::SeqCst);
        let world = undone.settled(&desk);
        assert!(world == undone.end.world, "{kill}: {:#?}", world::differences(&world, &undone.end.world));
    }

    /// What was sent and may not be sent twice has no answer: asking again does not make it known.
    fn stays_unknown(&self, desk: &Desk, left: &[Line], kill: &str) {
        self.counts.uncertain.fetch_add(1, Ordering::SeqCst);
        let unknown = if desk.deed() == Deed::Undo { ExitCode::UndoIncomplete } else { ExitCode::Unknown };
        let mut done = None;
        for _ in 0..2 {
            assert!(desk.go_on(None).success());
            self.counts.resumes.fetch_add(1, Ordering::SeqCst);
            let ended = desk.ended();
            assert_eq!(ended["exit"], unknown.code(), "{kill}: {ended}");
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
        let in_doubt = |step: &StepState| match desk.deed() {
            Deed::Run => step.is_uncertain(),
            Deed::Undo => step.effects_of(Part::Undo).iter().any(|effect| effect.results.is_none()),
        };
        let (step, _) = state.steps.iter().find(|(_, step)| in_doubt(step)).expect("a step is uncertain");
        // steps of these playbooks say in their titles which words they add
        let two = step.as_str().ends_with("two") || step.as_str().contains("two-words");
        let wanted: &[&str] = match (desk.deed(), two) {
            (Deed::Run, true) => &["two", "three"],
            (Deed::Run, false) => &["one"],
            (Deed::Undo, true) => &["two-back", "three-back"],
            (Deed::Undo, false) => &["one-back"],
        };
        let words = desk.words();
        let missing: Vec<&&str> = wanted.iter().filter(|word| !words.iter().any(|known| known == **word)).collect();
        let outcome = match (missing.len(), desk.deed()) {
            (0, Deed::Run) => Stated::Applied,
            (n, Deed::Run) if n == wanted.len() => Stated::NotApplied,
            _ => Stated::ByHand,
        };
        if outcome == Stated::ByHand {
            for word in &missing {
                desk.add_by_hand(word);
            }
        }
        let (run, runbook, why) = (desk.run().unwrap(), desk.runbook(), "it was looked at");
        let order = match desk.deed() {
            Deed::Run => runbook.resume(run.as_str()).unwrap().settle(step.as_str(), outcome, why),
            Deed::Undo => {
                runbook.done(run.as_str(), step.as_str(), Some(why)).unwrap();
                runbook.undo(run.as_str()).unwrap().order()
            }
        };
        let ended = order.start().unwrap().wait();
        self.counts.resumes.fetch_add(1, Ordering::SeqCst);
        assert_eq!(ended.exit, ExitCode::Done, "{kill}, stated {outcome:?}: {ended:?}");
        let state = desk.state();
        assert_eq!(state.life, self.end.facts.life, "{kill}");
        assert_eq!(state.exceptions.len(), usize::from(desk.deed() == Deed::Run), "{kill}");
        assert_eq!(sorted(desk.words()), self.end.words, "{kill}, stated {outcome:?}");
        let world = desk.play().world(desk.folder(), self.cluster);
        let differ = world::differences(&world, &self.end.world);
        let other_order = |(name, ..): &(&str, _, _)| ["added", "tally"].contains(name);
        assert!(differ.iter().all(other_order), "{kill}, stated {outcome:?}: {differ:#?}");
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
