use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Applied, Bearing, Closed, Event, Failure, Holder, Line, Message, Parked, RepairState, Said, Sent, Settings, Staged,
    Stated, UndoState, UndoingState, VerifyResult,
};
use crate::model::{
    Decision, Digest, ExitCode, GateCard, GateId, Identity, Observation, Place, Plan, RunId, StepId, Target, Verdict,
};

/// A line that cannot follow the ones before it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("line {line}: `{kind}` cannot follow here: {why}")]
pub struct FoldError {
    /// The line, from 1.
    pub line: u64,
    /// Its kind.
    pub kind: String,
    /// Why not.
    pub why: String,
}

/// Where a run is in its life.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Life {
    /// A process works on it, or worked on it and died: only its lock tells.
    #[default]
    Running,
    /// At a gate, for a manual step, for a parked verify.
    Waiting,
    /// It failed or was interrupted; it can be resumed, undone or abandoned.
    Stopped,
    /// Nothing more happens in it.
    Closed(Closed),
}

/// Where a step is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StepStatus {
    /// Not reached.
    #[default]
    Pending,
    /// Started; its change has not ended.
    Started,
    /// Waits for something done by hand.
    Manual,
    /// Its change ended, was skipped or was made by hand; its verifies have not held yet.
    Changed,
    /// Done: its verifies held.
    Verified,
    /// It did not get to its end.
    Failed,
    /// It was taken back; begun again, it starts from nothing.
    Undone,
}

/// An effect and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct EffectState {
    /// As it was journaled before it was sent.
    pub sent: Sent,
    /// What became of each target; none while it is uncertain.
    pub results: Option<Vec<Applied>>,
    /// What the native returned.
    pub output: Value,
    /// Why it failed.
    pub error: Option<String>,
}

/// What is known about a step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepState {
    /// Where it is.
    pub status: StepStatus,
    /// How often it was started.
    pub attempts: u32,
    /// When it was started last.
    pub started: Option<Timestamp>,
    /// When it ended last.
    pub ended: Option<Timestamp>,
    /// Its effects so far, in order.
    pub effects: Vec<EffectState>,
    /// Whether its change was skipped, and by which text.
    pub skipped: Option<String>,
    /// Whether it was done by hand.
    pub by_hand: bool,
    /// What was stated by hand about its change.
    pub settled: Option<Stated>,
    /// What its change returned.
    pub output: Option<Value>,
    /// Which verifies held before the change.
    pub before: Vec<Verdict>,
    /// Its verifies' results.
    pub verifies: Vec<VerifyResult>,
    /// What happened, where it did not get to its end.
    pub failure: Option<Failure>,
    /// Its repair, once it was begun.
    pub repair: Option<RepairState>,
    /// Its way back, once it was begun.
    pub undo: Option<UndoState>,
}

impl StepState {
    /// Whether an effect was sent of which no answer is known.
    pub fn is_uncertain(&self) -> bool {
        self.changes().any(|effect| effect.results.is_none())
    }
}

/// What is known about a gate.
#[derive(Clone, Debug, PartialEq)]
pub struct GateState {
    /// Its evidence as it was opened last.
    pub card: GateCard,
    /// The evidence's digest.
    pub digest: Digest,
    /// The last decision.
    pub decision: Option<Decision>,
    /// Through what it was decided.
    pub via: Option<String>,
    /// When it was opened last.
    pub opened: Timestamp,
}

impl GateState {
    /// Whether it was passed.
    pub fn is_open(&self) -> bool {
        matches!(self.decision, Some(Decision::Go { .. }))
    }
}

/// An assumption and what its probe found.
#[derive(Clone, Debug, PartialEq)]
pub struct Assumed {
    /// What the probe came to; none without a probe.
    pub verdict: Option<Verdict>,
    /// What was compared.
    pub observations: Vec<Observation>,
    /// The reality in words.
    pub reality: Option<String>,
}

/// What the lines of a run fold to. Resume, `runs` and the incident record start from this.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunState {
    /// Its id.
    pub run: Option<RunId>,
    /// The playbook's bundle path.
    pub playbook: String,
    /// Where the playbook was read from.
    pub origin: Option<String>,
    /// The `runbook.toml` in force.
    pub config: Option<String>,
    /// The plan's title.
    pub title: String,
    /// The context.
    pub target: Option<Target>,
    /// The bundle's digest.
    pub bundle: Option<Digest>,
    /// When it was started.
    pub started: Option<Timestamp>,
    /// The account that started it.
    pub by: Option<String>,
    /// What was asked for.
    pub settings: Settings,
    /// The cluster that it is.
    pub identity: Option<Identity>,
    /// The bound plan, with its digest.
    pub plan: Option<(Box<Plan>, Digest)>,
    /// Its proof of a staging run.
    pub staged: Staged,
    /// From whom the place was taken by force, and with which words.
    pub broken: Vec<(Holder, String)>,
    /// Answers of `discover` by name, turn and, where every context of the plan is asked, context.
    pub discovered: BTreeMap<(String, usize, Option<String>), (Value, Option<String>)>,
    /// What became of the assumptions, by index.
    pub assumed: BTreeMap<usize, Assumed>,
    /// What preflight found, once it ended.
    pub preflight: Option<Vec<crate::model::Finding>>,
    /// The steps.
    pub steps: BTreeMap<StepId, StepState>,
    /// The step that runs, waits or failed.
    pub current: Option<StepId>,
    /// The gates that were reached.
    pub gates: BTreeMap<GateId, GateState>,
    /// The gate that waits for a decision.
    pub at_gate: Option<GateId>,
    /// Approvals and rejections that no decision has used yet.
    pub unused: Vec<Message>,
    /// Ids of the messages that were taken.
    pub taken: BTreeSet<String>,
    /// Notes: when, during which step, the words.
    pub notes: Vec<(Timestamp, Option<StepId>, String)>,
    /// Results of the outcome's verifies.
    pub outcome: Vec<VerifyResult>,
    /// The undo that was begun and has not come to its end.
    pub undoing: Option<UndoingState>,
    /// The last failure.
    pub failure: Option<Failure>,
    /// Children that were started and did not end: process id, start time, boot id, command.
    pub children: BTreeMap<u32, (Option<u64>, Option<String>, Vec<String>)>,
    /// Where it is in its life.
    pub life: Life,
    /// Why it waits, stopped or was closed.
    pub reason: Option<String>,
    /// The code of the last process that ended.
    pub exit: Option<ExitCode>,
    /// Waived verifies and outcomes stated by hand.
    pub exceptions: Vec<String>,
    /// Verifies that do not have to hold: the step (none: the outcome) and the text.
    pub waived: BTreeMap<(Option<StepId>, String), String>,
    /// Verifies that are waited for without a process: the step (none: the outcome) and the index.
    pub parked: BTreeMap<(Option<StepId>, usize), Parked>,
    /// Whether it goes on with another version of its playbook than it was started with.
    pub changed: bool,
    /// What is different in that version, until its start gate is decided.
    pub changes: Vec<String>,
    /// The incident record.
    pub incident: Option<String>,
    /// The number of the last line.
    pub lines: u64,
    /// When the last line was written.
    pub updated: Option<Timestamp>,
    /// Kinds that this program does not know, with how many lines of each.
    pub unknown: BTreeMap<String, u64>,
}

impl RunState {
    /// The state of a step; the default one where it was not reached.
    pub fn step(&self, id: &StepId) -> StepState {
        self.steps.get(id).cloned().unwrap_or_default()
    }

    /// Whether the step is done.
    pub fn is_done(&self, id: &StepId) -> bool {
        self.steps.get(id).is_some_and(|step| step.status == StepStatus::Verified)
    }

    /// Whether any effect was sent.
    pub fn has_effects(&self) -> bool {
        self.steps.values().any(|step| !step.effects.is_empty() || step.by_hand)
    }

    /// How a run without a living process is, for whoever wants its place; none where it is closed and has none.
    pub fn bearing(&self) -> Option<Bearing> {
        let why = self.reason.clone().unwrap_or_default();
        match self.life {
            Life::Running => Some(Bearing::Dead(self.updated)),
            Life::Waiting => Some(Bearing::Waits(why)),
            Life::Stopped => Some(Bearing::Stopped(why)),
            Life::Closed(_) => None,
        }
    }

    /// Whether it is closed.
    pub fn is_closed(&self) -> bool {
        matches!(self.life, Life::Closed(_))
    }

    /// Takes the next line. Refuses one that cannot follow.
    ///
    /// # Errors
    /// As [`RunState::may_follow`]; nothing is changed then.
    pub fn take(&mut self, line: &Line) -> Result<(), FoldError> {
        if let Some(event) = &line.event {
            self.may_follow(event).map_err(|error| FoldError { line: line.n, ..error })?;
            self.event(event, line.t);
        } else {
            *self.unknown.entry(line.kind.clone()).or_default() += 1;
        }
        self.lines = line.n;
        self.updated = Some(line.t);
        Ok(())
    }

    /// Takes an event that may follow.
    fn event(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::Opened { run, playbook, origin, config, title, target, bundle, started, settings, by, .. } => {
                self.run = Some(run.clone());
                self.playbook.clone_from(playbook);
                self.origin.clone_from(origin);
                self.config.clone_from(config);
                self.title.clone_from(title);
                self.target = Some(target.clone());
                self.bundle = Some(bundle.clone());
                self.started = Some(*started);
                self.settings = settings.clone();
                self.by.clone_from(by);
            }
            Event::Discovered { name, turn, context, value, failed, .. } => {
                self.discovered.insert((name.clone(), *turn, context.clone()), (value.clone(), failed.clone()));
            }
            Event::Bound { identity, plan, digest, staged } => {
                self.identity.clone_from(identity);
                self.title.clone_from(&plan.title);
                self.plan = Some((plan.clone(), digest.clone()));
                self.staged = staged.clone();
            }
            Event::Probed { index, verdict, observations, reality, .. } => {
                let assumed =
                    Assumed { verdict: *verdict, observations: observations.clone(), reality: reality.clone() };
                self.assumed.insert(*index, assumed);
            }
            Event::Preflight { findings, .. } => self.preflight = Some(findings.clone()),
            Event::Resumed { on_failure, .. } => {
                self.goes_on(*on_failure);
                // the gate is opened anew when it is reached
                self.at_gate = None;
            }
            Event::LockBroken { holder, reason } => self.broken.push((holder.clone(), reason.clone())),
            Event::GateOpened { card, digest } => {
                let gate =
                    GateState { card: (**card).clone(), digest: digest.clone(), decision: None, via: None, opened: at };
                self.at_gate = Some(card.gate.clone());
                self.gates.insert(card.gate.clone(), gate);
            }
            Event::GateDecided { gate, decision, via, .. } => self.decided(gate, decision, via),
            Event::Received { message } => self.received(message, at),
            Event::Noted { text, step, .. } => self.notes.push((at, step.clone(), text.clone())),
            Event::OutcomeVerified { verifies } => {
                self.outcome.clone_from(verifies);
                self.unpark(None);
            }
            Event::Failed { failure } => {
                self.failure = Some(failure.clone());
                self.unpark(None);
            }
            Event::StepSettled { .. }
            | Event::Waived { .. }
            | Event::Parked { .. }
            | Event::PlaybookChanged { .. }
            | Event::RouteAccepted { .. } => self.stated(event),
            Event::ChildStarted { command, pid, started, boot } => {
                self.children.insert(*pid, (*started, boot.clone(), command.clone()));
            }
            Event::ChildEnded { pid, .. } => drop(self.children.remove(pid)),
            Event::Waiting { reason, exit, .. } => self.ended(Life::Waiting, Some(reason.clone()), *exit),
            Event::Stopped { reason, exit } => self.ended(Life::Stopped, Some(reason.clone()), *exit),
            Event::Closed { how, reason, exit, exceptions } => {
                self.ended(Life::Closed(*how), reason.clone(), *exit);
                self.undoing = None;
                self.exceptions.clone_from(exceptions);
            }
            Event::IncidentWritten { path } => self.incident = Some(path.clone()),
            Event::PhaseStarted { .. }
            | Event::PhaseEnded { .. }
            | Event::Observed { .. }
            | Event::Evidence { .. }
            | Event::Cancelled { .. } => {}
            Event::UndoStarted { .. }
            | Event::UndoStepStarted { .. }
            | Event::UndoStepEnded { .. }
            | Event::UndoEnded { .. }
            | Event::RepairStarted { .. }
            | Event::RepairEnded { .. } => drop(self.undo_event(event)),
            _ => drop(self.step_event(event, at)),
        }
    }

    /// None where the step is not known, which its event could not follow then.
    fn step_event(&mut self, event: &Event, at: Timestamp) -> Option<()> {
        match event {
            Event::StepStarted { step, attempt } => {
                let state = self.steps.entry(step.clone()).or_default();
                if state.status == StepStatus::Undone {
                    *state = StepState::default();
                }
                // what an earlier attempt changed stays known until the change begins again
                if state.status != StepStatus::Changed {
                    state.status = StepStatus::Started;
                }
                state.attempts = *attempt;
                state.started = Some(at);
                state.failure = None;
                self.current = Some(step.clone());
            }
            Event::StepSkipped { step, text, .. } => {
                let state = self.steps.get_mut(step)?;
                state.skipped = Some(text.clone());
                state.status = StepStatus::Changed;
            }
            Event::StepBefore { step, verdicts } => self.steps.get_mut(step)?.before.clone_from(verdicts),
            Event::Effect { step, effect } => {
                let effects = self.steps.get_mut(step)?.effects_mut(effect.part)?;
                // an effect that is sent again after a crash takes the place of its uncertain self
                effects.retain(|known| known.sent.seq < effect.seq);
                let sent = effect.clone();
                effects.push(EffectState { sent, results: None, output: Value::Null, error: None });
            }
            Event::Effected { step, seq, results, output, error, part } => {
                let effects = self.steps.get_mut(step)?.effects_mut(*part)?;
                let effect = effects.iter_mut().find(|effect| effect.sent.seq == *seq)?;
                effect.results = Some(results.clone());
                effect.output = output.clone();
                effect.error.clone_from(error);
            }
            Event::StepChanged { step, output } => {
                let state = self.steps.get_mut(step)?;
                state.output = Some(output.clone());
                state.status = StepStatus::Changed;
            }
            Event::StepManual { step, .. } => self.steps.get_mut(step)?.status = StepStatus::Manual,
            Event::StepDoneByHand { step, .. } => {
                self.used(step);
                let state = self.steps.get_mut(step)?;
                state.by_hand = true;
                state.status = StepStatus::Changed;
                // used once, as an approval is
                self.unused.retain(|message| !matches!(&message.said, Said::Done { step: done, .. } if done == step));
            }
            Event::StepVerified { step, verifies } => {
                let state = self.steps.get_mut(step)?;
                state.verifies.clone_from(verifies);
                state.status = StepStatus::Verified;
                state.ended = Some(at);
                state.failure = None;
                self.failure = None;
                self.current = None;
                self.unpark(Some(step));
            }
            Event::StepFailed { step, failure } => {
                let state = self.steps.get_mut(step)?;
                state.verifies.clone_from(&failure.verifies);
                state.failure = Some(failure.clone());
                state.ended = Some(at);
                // a step that changed stays changed: only its verifies run again
                if state.status != StepStatus::Changed {
                    state.status = StepStatus::Failed;
                }
                self.failure = Some(failure.clone());
                self.current = Some(step.clone());
                self.unpark(Some(step));
            }
            _ => {}
        }
        Some(())
    }

    fn decided(&mut self, id: &GateId, decision: &Decision, via: &str) {
        let Some(gate) = self.gates.get_mut(id) else { return };
        gate.decision = Some(decision.clone());
        gate.via = Some(via.into());
        // an approval is used once, also where it turned out not to count
        self.unused.retain(|message| match &message.said {
            Said::Approve { gate, .. } | Said::Reject { gate, .. } => gate != id,
            _ => true,
        });
        if gate.is_open() {
            self.at_gate = None;
            if *id == GateId::start() {
                self.changes.clear();
            }
        }
    }

    fn received(&mut self, message: &Message, at: Timestamp) {
        if !self.taken.insert(message.id.clone()) {
            return;
        }
        match &message.said {
            Said::Note { text, step } => self.notes.push((at, step.clone(), text.clone())),
            _ => self.unused.push(message.clone()),
        }
    }

    fn ended(&mut self, life: Life, reason: Option<String>, exit: ExitCode) {
        self.life = life;
        self.reason = reason;
        self.exit = Some(exit);
        self.undo_is_over();
    }

    /// Where in the script the run stands, where it failed.
    pub fn failed_at(&self) -> Option<&Place> {
        self.failure.as_ref().and_then(|failure| failure.place.as_ref())
    }
}
