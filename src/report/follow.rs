//! The little that a view keeps of the lines it was told of: bounded by the plan's size, never by the journal's length.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    event::{Closed, Event, Failure, Line, Part, Settings, Undoing, VerifyResult},
    model::{
        Decision, Doing, ExitCode, Finding, GateCard, GateId, Left, Observation, Plan, RunId, Severity, Span, StepId,
        Target, UndoWay, Verdict,
        text::{count, cut, one_line},
    },
};

/// What a verify came to last.
#[derive(Clone, Debug)]
pub struct Seen {
    pub text: String,
    pub verdict: Verdict,
    pub brief: String,
    pub at: Timestamp,
    /// How long it has to stay true.
    #[cfg_attr(not(feature = "cli"), allow(dead_code, reason = "only the live region of a terminal shows it"))]
    pub stays: Option<Span>,
}

/// The step that runs.
#[derive(Clone, Debug)]
pub struct Running {
    pub step: StepId,
    pub started: Timestamp,
    /// What it does now, e.g. `k8s::apply Namespace/x`.
    pub doing: String,
    /// The native of each effect that was sent and not answered.
    pub sent: BTreeMap<u32, String>,
    pub seen: BTreeMap<usize, Seen>,
    pub flaps: u32,
    /// The text of a change that was not made.
    pub skipped: Option<String>,
}

impl Running {
    fn of(step: &StepId, doing: &str, started: Timestamp) -> Self {
        Self {
            step: step.clone(),
            started,
            doing: doing.into(),
            sent: BTreeMap::new(),
            seen: BTreeMap::new(),
            flaps: 0,
            skipped: None,
        }
    }
}

/// A gate that was reached and not passed.
#[derive(Clone, Debug)]
pub struct AtGate {
    pub card: GateCard,
    pub decision: Option<Decision>,
}

/// How the process ended.
#[derive(Clone, Debug)]
pub struct Ended {
    pub how: How,
    pub reason: Option<String>,
    pub exit: ExitCode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Waiting,
    Stopped,
    Closed(Closed),
}

/// A run as its views follow it.
#[derive(Debug, Default)]
pub struct Follow {
    pub run: Option<RunId>,
    pub target: Option<Target>,
    pub title: String,
    pub plan: Option<Box<Plan>>,
    pub started: Option<Timestamp>,
    pub last: Option<Timestamp>,
    pub phase: Option<(usize, String)>,
    pub done: BTreeSet<StepId>,
    pub skipped: usize,
    pub running: Option<Running>,
    pub manual: Option<StepId>,
    /// Failures of steps (none: of the run) that nothing has overcome yet.
    pub failures: Vec<(Option<StepId>, Failure)>,
    pub gate: Option<AtGate>,
    pub flaps: u32,
    pub notes: usize,
    pub ended: Option<Ended>,
    pub exceptions: Vec<String>,
    /// The undo that began, until the run goes on.
    pub undoing: Option<Undo>,
    /// Those that are taken back.
    pub undone: BTreeSet<StepId>,
    /// What stays of them.
    pub left: Vec<Left>,
    /// Holds that nothing has given back yet.
    pub held: Vec<StepId>,
    pub incident: Option<String>,
    /// The commands of children that run.
    pub children: BTreeMap<u32, String>,
    /// Where the playbook was read from, and what else the run was asked for.
    pub asked: (String, Settings),
    /// What this process's preflight found.
    pub found: Option<Counts>,
    /// An effect of this step failed, and nothing has told of it yet.
    pub missed: Option<(StepId, String)>,
}

/// How many findings there are of each severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub errors: usize,
    pub warnings: usize,
    pub notes: usize,
}

impl Counts {
    pub fn of(findings: &[Finding]) -> Self {
        let of = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
        Self { errors: of(Severity::Error), warnings: of(Severity::Warning), notes: of(Severity::Note) }
    }

    /// `2 errors, 1 note`.
    pub fn words(self) -> String {
        let parts = [(self.errors, "error"), (self.warnings, "warning"), (self.notes, "note")];
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| count(*n, word)).collect::<Vec<_>>().join(", ")
    }
}

/// An undo, as far as it has come.
#[derive(Debug)]
pub struct Undo {
    pub what: Undoing,
    /// How many steps it was to take back.
    pub steps: usize,
    /// The first step that is not taken back although it was tried.
    pub stuck: Option<StepId>,
}

impl Follow {
    /// Whether an undo began that has not taken back all that it was to.
    pub fn undo_is_incomplete(&self) -> bool {
        self.undoing.as_ref().is_some_and(|undo| self.undone.len() < undo.steps)
    }

    /// The context's name; `-` before the first line.
    pub fn context(&self) -> String {
        self.target.as_ref().map_or_else(|| "-".into(), |target| one_line(&target.name))
    }

    /// How many steps the plan has; none before it is bound.
    pub fn total(&self) -> Option<usize> {
        self.plan.as_ref().map(|plan| plan.steps().count())
    }

    /// The plan's step.
    pub fn step(&self, id: &StepId) -> Option<&crate::model::Step> {
        self.plan.as_ref().and_then(|plan| plan.step(id))
    }

    /// How long the running step has run.
    pub fn since(&self, now: Timestamp) -> Duration {
        self.running.as_ref().map_or(Duration::ZERO, |running| between(running.started, now))
    }

    /// The gate's decision is still to be made.
    pub fn waits_at(&self) -> Option<&AtGate> {
        self.gate.as_ref()
    }

    /// Whether a line is more than what is said on the way into a run that goes on: after it an end is to be told.
    pub fn owes_an_end(line: &Line) -> bool {
        !matches!(
            line.event,
            Some(
                Event::Noted { .. }
                    | Event::Received { .. }
                    | Event::Discovered { .. }
                    | Event::ChildEnded { .. }
                    | Event::LockBroken { .. }
                    | Event::RouteAccepted { .. }
                    | Event::PlaybookChanged { .. }
                    | Event::StepSettled { .. }
            )
        )
    }

    /// Whether this comes after an effect that failed and is not its failure: its script went on all the same.
    pub fn goes_on_with(&self, event: &Event) -> bool {
        let beside = matches!(
            event,
            Event::ChildEnded { .. } | Event::Noted { .. } | Event::Evidence { .. } | Event::Received { .. }
        );
        self.missed.is_some() && !beside && !is_a_failure(event)
    }

    /// Whether this line begins another chapter after the end of a process, whose last words are due before it.
    pub fn begins_anew(&self, line: &Line) -> bool {
        let begins = matches!(
            line.event,
            Some(
                Event::Resumed { .. }
                    | Event::UndoStarted { .. }
                    | Event::Waiting { .. }
                    | Event::Stopped { .. }
                    | Event::Closed { .. }
            )
        );
        begins && self.ended.is_some() || matches!(line.event, Some(Event::Resumed { .. }))
    }

    /// Takes the next line.
    pub fn take(&mut self, line: &Line) {
        self.last = Some(line.t);
        let Some(event) = &line.event else { return };
        if self.goes_on_with(event) || is_a_failure(event) {
            self.missed = None;
        }
        match event {
            Event::Opened { run, title, target, started, playbook, origin, settings, .. } => {
                self.asked = (origin.as_ref().unwrap_or(playbook).clone(), settings.clone());
                self.run = Some(run.clone());
                self.title.clone_from(title);
                self.target = Some(target.clone());
                self.started = Some(*started);
            }
            Event::Bound { plan, .. } | Event::PlaybookChanged { plan, .. } => {
                self.title.clone_from(&plan.title);
                self.plan = Some(plan.clone());
            }
            Event::Preflight { findings, .. } => self.found = Some(Counts::of(findings)),
            Event::Resumed { .. } => {
                self.found = None;
                self.ended = None;
                self.incident = None;
                self.gate = None;
                self.manual = None;
                self.running = None;
                self.failures.clear();
                self.children.clear();
                self.undoing = None;
                self.left.clear();
            }
            Event::UndoStarted { what, on_failure, steps, .. } => {
                self.ended = None;
                self.incident = None;
                self.manual = None;
                self.running = None;
                if !on_failure {
                    self.failures.clear();
                }
                self.undoing = Some(Undo { what: *what, steps: steps.len(), stuck: None });
                self.undone.clear();
                self.left.clear();
            }
            Event::GateOpened { card, .. } => {
                self.running = None;
                self.gate = Some(AtGate { card: (**card).clone(), decision: None });
            }
            Event::GateDecided { gate, decision, .. } => self.decided(gate, decision),
            Event::PhaseStarted { index, title } => self.phase = Some((*index, title.clone())),
            Event::Noted { .. } => self.notes += 1,
            Event::ChildStarted { pid, command, .. } => {
                let command = one_line(&command.join(" "));
                if let Some(running) = &mut self.running {
                    running.doing = format!("runs {}", cut(&command, 120));
                }
                self.children.insert(*pid, command);
            }
            Event::ChildEnded { pid, .. } => drop(self.children.remove(pid)),
            Event::Failed { failure } => self.failures.push((None, failure.clone())),
            Event::Waiting { reason, exit, .. } => self.end(How::Waiting, Some(reason), *exit),
            Event::Stopped { reason, exit } => self.end(How::Stopped, Some(reason), *exit),
            Event::Closed { how, reason, exit, exceptions } => {
                self.exceptions.clone_from(exceptions);
                self.end(How::Closed(*how), reason.as_ref(), *exit);
            }
            Event::IncidentWritten { path } => self.incident = Some(path.clone()),
            _ => self.step_event(event, line.t),
        }
    }

    fn step_event(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::StepStarted { step, .. } => {
                self.failures.retain(|(failed, _)| failed.as_ref() != Some(step));
                let doing = match self.step(step).map(|step| &step.doing) {
                    Some(Doing::Check) => "checks",
                    _ => "starts",
                };
                self.running = Some(Running::of(step, doing, at));
            }
            Event::StepSkipped { text, .. } => {
                self.skipped += 1;
                self.doing(format!("change skipped: {}", one_line(text)));
                if let Some(running) = &mut self.running {
                    running.skipped = Some(one_line(text));
                }
            }
            Event::Effect { effect, step } => {
                let hold = self.step(step).is_some_and(|step| step.until.is_some());
                if hold && effect.part != Part::Undo && !self.held.contains(step) {
                    self.held.push(step.clone());
                }
                let target = effect.targets.first().map(|target| one_line(target)).unwrap_or_default();
                let more = effect.targets.len().saturating_sub(1);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                self.doing(format!("{} {target}{more}", effect.native));
                if let Some(running) = &mut self.running {
                    running.sent.insert(effect.seq, effect.native.clone());
                }
            }
            Event::Effected { step, seq, error, .. } => {
                self.missed = error.as_ref().map(|error| (step.clone(), error.clone()));
                if let Some(running) = &mut self.running {
                    running.sent.remove(seq);
                }
            }
            Event::RepairStarted { text, .. } => self.doing(format!("repairs: {}", one_line(text))),
            Event::RepairEnded { .. } => self.doing("verifies again".into()),
            Event::StepChanged { .. } | Event::StepDoneByHand { .. } => {
                self.manual = None;
                self.doing("verifies".into());
            }
            Event::StepManual { step, .. } => {
                self.manual = Some(step.clone());
                self.doing("waits for something done by hand".into());
            }
            Event::Observed { step, verify, text, verdict, observations, reason } => {
                let stays = step.as_ref().and_then(|step| self.step(step));
                let stays = stays.and_then(|step| step.verifies.get(*verify)).and_then(|verify| verify.stays);
                let Some(running) = self.running.as_mut().filter(|running| Some(&running.step) == step.as_ref()) else {
                    return;
                };
                let brief = brief(*verdict, observations, reason.as_deref());
                let seen = Seen { text: one_line(text), verdict: *verdict, brief, at, stays };
                if running
                    .seen
                    .insert(*verify, seen)
                    .is_some_and(|old| old.verdict.holds() && !verdict.holds() && *verdict != Verdict::Unknown)
                {
                    running.flaps += 1;
                }
            }
            Event::StepVerified { step, verifies } => {
                self.flaps += flaps(verifies);
                self.done.insert(step.clone());
                self.running = None;
                self.manual = None;
            }
            Event::StepFailed { step, failure } => {
                self.failures.retain(|(failed, _)| failed.as_ref() != Some(step));
                self.failures.push((Some(step.clone()), failure.clone()));
                self.running = None;
            }
            _ => self.undo_event(event, at),
        }
    }

    fn undo_event(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::UndoStepStarted { step, hold, way } => {
                self.failures.retain(|(failed, _)| failed.as_ref() != Some(step) || self.undoing.is_some());
                let doing = if *hold { "is given back" } else { "is taken back" };
                self.running = Some(Running::of(step, doing, at));
                self.manual = matches!(way, UndoWay::ByHand(_)).then(|| step.clone());
            }
            Event::UndoStepEnded { step, left, failure, .. } => {
                self.running = None;
                self.manual = None;
                self.left.extend(left.iter().cloned());
                if let Some(undo) = &mut self.undoing {
                    let back = failure.is_none() && left.is_empty();
                    if !back {
                        undo.stuck.get_or_insert_with(|| step.clone());
                    } else if undo.what == Undoing::Changes {
                        self.done.remove(step);
                    }
                }
                match failure {
                    Some(failure) => self.failures.push((Some(step.clone()), failure.clone())),
                    None if left.is_empty() => {
                        self.held.retain(|held| held != step);
                        self.undone.insert(step.clone());
                    }
                    None => {}
                }
            }
            _ => {}
        }
    }

    fn doing(&mut self, words: String) {
        if let Some(running) = &mut self.running {
            running.doing = words;
        }
    }

    fn decided(&mut self, id: &GateId, decision: &Decision) {
        if matches!(decision, Decision::Go { .. }) {
            self.gate = None;
        } else if let Some(gate) = self.gate.as_mut().filter(|gate| gate.card.gate == *id) {
            gate.decision = Some(decision.clone());
        }
    }

    fn end(&mut self, how: How, reason: Option<&String>, exit: ExitCode) {
        self.running = None;
        self.ended = Some(Ended { how, reason: reason.cloned(), exit });
    }
}

fn is_a_failure(event: &Event) -> bool {
    matches!(
        event,
        Event::StepFailed { .. }
            | Event::Failed { .. }
            | Event::Cancelled { .. }
            | Event::RepairEnded { failure: Some(_), .. }
            | Event::UndoStepEnded { failure: Some(_), .. }
    )
}

/// How long from one time to another; nothing where the clock went back.
pub fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

/// How often the verifies turned false while they had to stay true.
pub fn flaps(verifies: &[VerifyResult]) -> u32 {
    verifies.iter().map(|verify| verify.flaps).sum()
}

/// What decided a verdict, on one line: the first compared value that does not hold, else the last one.
pub fn brief(verdict: Verdict, observations: &[Observation], reason: Option<&str>) -> String {
    let telling = if verdict.holds() { None } else { observations.iter().find(|seen| seen.holds != Some(true)) };
    match (telling.or(observations.last()), reason) {
        (Some(seen), _) => cut(&seen.brief(), 400),
        (None, Some(reason)) => cut(&one_line(reason), 400),
        (None, None) => String::new(),
    }
}
