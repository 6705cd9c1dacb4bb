use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::{
    Decision, Digest, ExitCode, Finding, GateCard, GateId, Identity, Left, Observation, Place, Plan, RunId, StepId,
    Target, UndoItem, UndoWay, Verdict,
};

use super::{
    Applied, Closed, Failure, Holder, Message, OnFailure, Part, Seen, Sent, Settings, Staged, Stated, Undoing,
    VerifyResult,
};

/// What can happen in a run. A journal line is its envelope, a record a view of it: there is no second format.
///
/// The name of a kind and the fields of its payload are the wire format. Fields are only ever added, with a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "k", content = "p")]
#[non_exhaustive]
pub enum Event {
    /// A run began to exist: its bundle stands beside the journal.
    #[serde(rename = "run.opened")]
    Opened {
        /// Its id.
        run: RunId,
        /// The playbook's bundle path.
        playbook: String,
        /// Where the playbook was read from, for comparing it on resume.
        #[serde(default)]
        origin: Option<String>,
        /// The `runbook.toml` in force.
        #[serde(default)]
        config: Option<String>,
        /// The plan's title, as declared offline.
        title: String,
        /// The context.
        target: Target,
        /// The bundle's digest: the playbook's hash.
        bundle: Digest,
        /// The run's start time, which `time::now()` says while declaring.
        started: Timestamp,
        /// The program's version.
        program: String,
        /// What was asked for on the command line.
        settings: Settings,
        /// The account that started it. Stays in the journal.
        #[serde(default)]
        by: Option<String>,
    },
    /// A `discover` was answered.
    #[serde(rename = "discovery.answered")]
    Discovered {
        /// Its name.
        name: String,
        /// Which one of that name, from 0.
        turn: usize,
        /// The context that was asked, where every one of the plan is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        context: Option<String>,
        /// The answer; the sample where it failed.
        value: Value,
        /// Why it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failed: Option<String>,
        /// Where it is declared.
        place: Place,
    },
    /// The context was bound and the script declared again.
    #[serde(rename = "run.bound")]
    Bound {
        /// The cluster that it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        identity: Option<Identity>,
        /// The bound plan.
        plan: Box<Plan>,
        /// Its digest.
        digest: Digest,
        /// What the run takes as its proof of a staging run.
        #[serde(default)]
        staged: Staged,
    },
    /// An assumption's probe was evaluated, or there is none.
    #[serde(rename = "assumption.probed")]
    Probed {
        /// Its index in the plan.
        index: usize,
        /// Its text.
        text: String,
        /// What the probe came to; none without a probe.
        verdict: Option<Verdict>,
        /// What was compared.
        #[serde(default)]
        observations: Vec<Observation>,
        /// The reality in words, where the probe found another.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reality: Option<String>,
    },
    /// Preflight ended; nothing has changed yet.
    #[serde(rename = "preflight.finished")]
    Preflight {
        /// All findings.
        findings: Vec<Finding>,
        /// What the trial over the context found that each step touches.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        trial: Vec<Seen>,
    },
    /// The run goes on in another process.
    #[serde(rename = "run.resumed")]
    Resumed {
        /// Steps that are done and skipped.
        skip: Vec<StepId>,
        /// Steps whose change begins or begins again.
        redo: Vec<StepId>,
        /// What has to be decided.
        ask: Vec<String>,
        /// The program's version.
        program: String,
        /// What is done about a failure from here on; none where it is as it was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        on_failure: Option<OnFailure>,
    },
    /// The run took its place by force.
    #[serde(rename = "lock.broken")]
    LockBroken {
        /// The run that had it.
        holder: Holder,
        /// With which words.
        reason: String,
    },
    /// A gate was reached, with its evidence.
    #[serde(rename = "gate.opened")]
    GateOpened {
        /// The evidence.
        card: Box<GateCard>,
        /// Its digest: what an approval is bound to.
        digest: Digest,
    },
    /// A gate was decided.
    #[serde(rename = "gate.decided")]
    GateDecided {
        /// Which.
        gate: GateId,
        /// The evidence's digest.
        digest: Digest,
        /// What.
        decision: Decision,
        /// Through what: `auto`, `terminal`, `approve`, a broker's name.
        via: String,
        /// The account. Stays in the journal.
        #[serde(default)]
        by: Option<String>,
    },
    /// Something that another process put into the inbox.
    #[serde(rename = "message.received")]
    Received {
        /// The message.
        message: Message,
    },
    /// A phase began.
    #[serde(rename = "phase.started")]
    PhaseStarted {
        /// Its index.
        index: usize,
        /// Its title.
        title: String,
    },
    /// A phase ended.
    #[serde(rename = "phase.ended")]
    PhaseEnded {
        /// Its index.
        index: usize,
        /// Its title.
        title: String,
    },
    /// A step began.
    #[serde(rename = "step.started")]
    StepStarted {
        /// Which.
        step: StepId,
        /// The attempt, from 1.
        attempt: u32,
    },
    /// A step's change is not made: what it would make exists already.
    #[serde(rename = "step.skipped")]
    StepSkipped {
        /// Which.
        step: StepId,
        /// The text of its `skip_if`.
        text: String,
        /// What was compared.
        observations: Vec<Observation>,
    },
    /// Which verifies held before the change: as evidence they count for nothing.
    #[serde(rename = "step.before")]
    StepBefore {
        /// Which.
        step: StepId,
        /// A verdict for each verify.
        verdicts: Vec<Verdict>,
    },
    /// An effect is about to be sent.
    #[serde(rename = "effect")]
    Effect {
        /// The step.
        step: StepId,
        /// What is sent.
        effect: Sent,
    },
    /// An effect was answered.
    #[serde(rename = "effected")]
    Effected {
        /// The step.
        step: StepId,
        /// The effect's number within the step's attempt at a change, from 1.
        seq: u32,
        /// Each object, in order.
        results: Vec<Applied>,
        /// What the native returned to the script.
        #[serde(default)]
        output: Value,
        /// Why it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        /// Which of the step's closures it belongs to.
        #[serde(default, rename = "of", skip_serializing_if = "Part::is_change")]
        part: Part,
    },
    /// A step's change ended.
    #[serde(rename = "step.changed")]
    StepChanged {
        /// Which.
        step: StepId,
        /// What its closure returned.
        #[serde(default)]
        output: Value,
    },
    /// A step waits for something to be done by hand.
    #[serde(rename = "step.manual")]
    StepManual {
        /// Which.
        step: StepId,
        /// The instructions.
        instructions: String,
    },
    /// What was asked for by hand was done.
    #[serde(rename = "step.done-by-hand")]
    StepDoneByHand {
        /// Which.
        step: StepId,
        /// With which words.
        #[serde(default)]
        reason: Option<String>,
    },
    /// A verify's verdict or compared values changed.
    #[serde(rename = "verify.observed")]
    Observed {
        /// The step's id; none for the outcome.
        step: Option<StepId>,
        /// Its index.
        verify: usize,
        /// Its text.
        text: String,
        /// What it came to.
        verdict: Verdict,
        /// What was compared.
        observations: Vec<Observation>,
        /// Why it is unknown or not yet, where no observation says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// All verifies of a step held: the step is done.
    #[serde(rename = "step.verified")]
    StepVerified {
        /// Which.
        step: StepId,
        /// A result for each verify.
        verifies: Vec<VerifyResult>,
    },
    /// A step did not get to its end.
    #[serde(rename = "step.failed")]
    StepFailed {
        /// Which.
        step: StepId,
        /// What happened.
        failure: Failure,
    },
    /// What became of a step was stated by hand, as it was uncertain or had failed.
    #[serde(rename = "step.settled")]
    StepSettled {
        /// Which.
        step: StepId,
        /// What was stated.
        outcome: Stated,
        /// With which words.
        reason: String,
        /// The account. Stays in the journal.
        #[serde(default)]
        by: Option<String>,
    },
    /// One verify does not have to hold any more.
    #[serde(rename = "verify.waived")]
    Waived {
        /// The step; none for the outcome.
        step: Option<StepId>,
        /// Its index.
        verify: usize,
        /// Its text.
        text: String,
        /// With which words.
        reason: String,
        /// The account. Stays in the journal.
        #[serde(default)]
        by: Option<String>,
    },
    /// A verify goes on waiting without a process: its time runs by the clock from here on.
    #[serde(rename = "verify.parked")]
    Parked {
        /// The step; none for the outcome.
        step: Option<StepId>,
        /// Its index.
        verify: usize,
        /// Its text.
        text: String,
        /// Since when it is waited for, by the API server's clock where there is one.
        since: Timestamp,
        /// Until when.
        until: Timestamp,
        /// Since when it holds, where it only has to stay true.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        held: Option<Timestamp>,
    },
    /// The run goes on with another version of its playbook.
    #[serde(rename = "playbook.changed")]
    PlaybookChanged {
        /// The new bundle's digest.
        bundle: Digest,
        /// The new plan, bound.
        plan: Box<Plan>,
        /// Its digest.
        digest: Digest,
        /// What is different, a line each: steps that are new, moved, vanished or changed, and what is still done.
        changes: Vec<String>,
    },
    /// The same cluster is reached by another server or CA, which was accepted.
    #[serde(rename = "route.accepted")]
    RouteAccepted {
        /// The way as it is now.
        identity: Identity,
        /// With which words.
        reason: String,
        /// The account. Stays in the journal.
        #[serde(default)]
        by: Option<String>,
    },
    /// A step that failed is about to be repaired: at most once.
    #[serde(rename = "repair.started")]
    RepairStarted {
        /// Which.
        step: StepId,
        /// The repair's text.
        text: String,
    },
    /// A repair ended; the step's verifies run again.
    #[serde(rename = "repair.ended")]
    RepairEnded {
        /// Which.
        step: StepId,
        /// Why it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Failure>,
    },
    /// A run is about to be taken back, or a process goes on with taking it back.
    #[serde(rename = "undo.started")]
    UndoStarted {
        /// What is taken back.
        what: Undoing,
        /// The last step that is taken back; none for all of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<StepId>,
        /// The steps that are still to be taken back, in this order.
        steps: Vec<StepId>,
        /// Whether the run does it by itself, because of its failure.
        #[serde(default)]
        on_failure: bool,
        /// With which words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// The program's version.
        program: String,
        /// The account. Stays in the journal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// A step is about to be taken back; a hold that ends is given back the same way.
    #[serde(rename = "undo.step.started")]
    UndoStepStarted {
        /// Which.
        step: StepId,
        /// How.
        way: UndoWay,
        /// Whether it is a hold that is given back: then its step stays done.
        #[serde(default)]
        hold: bool,
    },
    /// A step was taken back, or as much of it as could be.
    #[serde(rename = "undo.step.ended")]
    UndoStepEnded {
        /// Which.
        step: StepId,
        /// What went back.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        items: Vec<UndoItem>,
        /// What was seen afterwards.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        verifies: Vec<VerifyResult>,
        /// What stays.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        left: Vec<Left>,
        /// What happened, where it did not come to its end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Failure>,
        /// With which words it was said to be done by hand.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by_hand: Option<String>,
    },
    /// An undo came to its end; what stays is in the lines of its steps.
    #[serde(rename = "undo.ended")]
    UndoEnded {
        /// Whether everything that was to be taken back is.
        complete: bool,
    },
    /// The outcome's verifies held.
    #[serde(rename = "outcome.verified")]
    OutcomeVerified {
        /// A result for each.
        verifies: Vec<VerifyResult>,
    },
    /// The run cannot go on, where no one step says why.
    #[serde(rename = "run.failed")]
    Failed {
        /// What happened.
        failure: Failure,
    },
    /// What was collected about a failure.
    #[serde(rename = "evidence.collected")]
    Evidence {
        /// What it is about: an object reference or a command.
        about: String,
        /// What sort: `status`, `events`, `logs` ([`Event::LOGS`]), `output` ([`Event::OUTPUT`]).
        sort: String,
        /// Where it was taken from.
        source: String,
        /// The evidence, or why it could not be had.
        value: Value,
    },
    /// A child process was started.
    #[serde(rename = "child.started")]
    ChildStarted {
        /// The command line, scrubbed.
        command: Vec<String>,
        /// Its process id, which is also its group's.
        pid: u32,
        /// Its start time in clock ticks since boot (field 22 of `/proc/PID/stat`), where there is one.
        #[serde(default)]
        started: Option<u64>,
        /// The machine's boot id, where there is one.
        #[serde(default)]
        boot: Option<String>,
    },
    /// A child process ended.
    #[serde(rename = "child.ended")]
    ChildEnded {
        /// Its process id.
        pid: u32,
        /// Its exit status, or the signal's negative number.
        status: i32,
        /// The first and last of what it printed, scrubbed.
        #[serde(default)]
        stdout: String,
        /// The same of its stderr.
        #[serde(default)]
        stderr: String,
    },
    /// Something unexpected that was seen and kept.
    #[serde(rename = "note.added")]
    Noted {
        /// The words.
        text: String,
        /// The step during which it was seen.
        #[serde(default)]
        step: Option<StepId>,
        /// Through what: `note`, `gate`, `api` for a server's warning.
        via: String,
    },
    /// A signal or `cancel()` was taken: nothing new starts.
    #[serde(rename = "run.cancelled")]
    Cancelled {
        /// Which.
        reason: String,
    },
    /// The run waits: its process ends, its place is kept.
    #[serde(rename = "run.waiting")]
    Waiting {
        /// For what.
        reason: String,
        /// The gate, where it waits at one.
        #[serde(default)]
        gate: Option<GateId>,
        /// The step, where it waits in one.
        #[serde(default)]
        step: Option<StepId>,
        /// The code that the process exits with.
        exit: ExitCode,
    },
    /// The run stopped without being closed.
    #[serde(rename = "run.stopped")]
    Stopped {
        /// Why.
        reason: String,
        /// The code that the process exits with.
        exit: ExitCode,
    },
    /// An incident record was written.
    #[serde(rename = "incident.written")]
    IncidentWritten {
        /// Its path.
        path: String,
    },
    /// The run is closed: nothing more happens in it.
    #[serde(rename = "run.closed")]
    Closed {
        /// How.
        how: Closed,
        /// With which words.
        #[serde(default)]
        reason: Option<String>,
        /// The code that the process exits with.
        exit: ExitCode,
        /// Verifies that were waived and outcomes that were stated by hand.
        #[serde(default)]
        exceptions: Vec<String>,
    },
}

impl Event {
    /// The sort of evidence that is what a command answered: `{status, stdout, stderr}`.
    pub const OUTPUT: &'static str = "output";
    /// What stands as the stderr of a child that outlived its process, so that nobody saw how it ended.
    pub const UNSEEN_END: &'static str = "its end was not seen";
    /// The sort of evidence that is the end of what a pod logged.
    pub const LOGS: &'static str = "logs";
    /// What stands as evidence for the status of an object that has none.
    pub const NO_STATUS: &'static str = "it has no status";

    /// Whether it claims a result: then its line is durable before anyone is told.
    pub fn claims(&self) -> bool {
        // what a gate of class `auto` came to follows from its evidence, and is found again
        let decided = matches!(self, Self::GateDecided { via, .. } if via != "auto");
        decided
            || matches!(
                self,
                Self::StepVerified { .. }
                    | Self::StepFailed { .. }
                    | Self::RepairStarted { .. }
                    | Self::UndoStarted { .. }
                    | Self::UndoStepEnded { .. }
                    | Self::StepManual { .. }
                    | Self::StepDoneByHand { .. }
                    | Self::StepSettled { .. }
                    | Self::Waived { .. }
                    | Self::PlaybookChanged { .. }
                    | Self::RouteAccepted { .. }
                    | Self::Received { .. }
                    | Self::Failed { .. }
                    | Self::Waiting { .. }
                    | Self::Stopped { .. }
                    | Self::Closed { .. }
            )
    }

    /// The kind's name on the wire, e.g. `step.verified`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Opened { .. } => "run.opened",
            Self::Discovered { .. } => "discovery.answered",
            Self::Bound { .. } => "run.bound",
            Self::Probed { .. } => "assumption.probed",
            Self::Preflight { .. } => "preflight.finished",
            Self::Resumed { .. } => "run.resumed",
            Self::LockBroken { .. } => "lock.broken",
            Self::GateOpened { .. } => "gate.opened",
            Self::GateDecided { .. } => "gate.decided",
            Self::Received { .. } => "message.received",
            Self::PhaseStarted { .. } => "phase.started",
            Self::PhaseEnded { .. } => "phase.ended",
            Self::StepStarted { .. } => "step.started",
            Self::StepSkipped { .. } => "step.skipped",
            Self::StepBefore { .. } => "step.before",
            Self::Effect { .. } => "effect",
            Self::Effected { .. } => "effected",
            Self::StepChanged { .. } => "step.changed",
            Self::StepManual { .. } => "step.manual",
            Self::StepDoneByHand { .. } => "step.done-by-hand",
            Self::Observed { .. } => "verify.observed",
            Self::StepVerified { .. } => "step.verified",
            Self::StepFailed { .. } => "step.failed",
            Self::StepSettled { .. } => "step.settled",
            Self::Waived { .. } => "verify.waived",
            Self::Parked { .. } => "verify.parked",
            Self::PlaybookChanged { .. } => "playbook.changed",
            Self::RouteAccepted { .. } => "route.accepted",
            Self::RepairStarted { .. } => "repair.started",
            Self::RepairEnded { .. } => "repair.ended",
            Self::UndoStarted { .. } => "undo.started",
            Self::UndoStepStarted { .. } => "undo.step.started",
            Self::UndoStepEnded { .. } => "undo.step.ended",
            Self::UndoEnded { .. } => "undo.ended",
            Self::OutcomeVerified { .. } => "outcome.verified",
            Self::Failed { .. } => "run.failed",
            Self::Evidence { .. } => "evidence.collected",
            Self::ChildStarted { .. } => "child.started",
            Self::ChildEnded { .. } => "child.ended",
            Self::Noted { .. } => "note.added",
            Self::Cancelled { .. } => "run.cancelled",
            Self::Waiting { .. } => "run.waiting",
            Self::Stopped { .. } => "run.stopped",
            Self::IncidentWritten { .. } => "incident.written",
            Self::Closed { .. } => "run.closed",
        }
    }
}
