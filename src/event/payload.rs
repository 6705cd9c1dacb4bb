use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::{Digest, ExitCode, GateId, Observation, Place, RunId, Span, StepId, Touch, Verdict};

/// What was asked for when a run was started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Parameters that were given.
    #[serde(default)]
    pub params: BTreeMap<String, Value>,
    /// Why staging is skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_staging: Option<String>,
    /// The step at which it stops as at a gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Objects of the sandbox that were told not to become ready, as on the command line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
    /// What is done about a failure.
    #[serde(default, skip_serializing_if = "OnFailure::is_default")]
    pub on_failure: OnFailure,
}

/// What is done when something did not go as expected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// Nothing further changes.
    #[default]
    Stop,
    /// The run is taken back, up to the first thing that may not be taken back by itself.
    Undo,
    /// The step's `.repair` is tried, once.
    Repair,
}

impl OnFailure {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Which of a step's closures an effect belongs to: each numbers its own from 1, and none takes another's place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The change.
    #[default]
    Change,
    /// The repair.
    Repair,
    /// The way back, declared or automatic.
    Undo,
}

impl Part {
    /// Whether it is the change: what a line says where it does not say.
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    pub(super) fn is_change(&self) -> bool {
        *self == Self::Change
    }
}

/// What an undo takes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Undoing {
    /// What the run changed.
    #[default]
    Changes,
    /// Its holds alone: temporary changes that are given back.
    Holds,
}

/// What a run takes as its proof of a staging run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Staged {
    /// The context requires none.
    #[default]
    NotRequired,
    /// This run verified the same bundle.
    By {
        /// The run.
        run: RunId,
        /// Its context.
        context: String,
        /// When it ended.
        at: Timestamp,
        /// What differs from it: values declared per context.
        #[serde(default)]
        differences: Vec<String>,
        /// What its outcome's verifies showed once more before this run began, where the context asks for a soak.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        again: Vec<VerifyResult>,
    },
    /// It was skipped.
    Skipped {
        /// With which words.
        reason: String,
    },
}

/// An object as it was before an effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Before {
    /// The object's reference.
    pub object: String,
    /// The object without status and managedFields; none where it did not exist.
    pub image: Option<Value>,
}

/// One effect, as it is journaled before it is sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sent {
    /// Its number within the step, from 1.
    pub seq: u32,
    /// The native, e.g. `k8s::apply`.
    pub native: String,
    /// The objects, URL or command.
    pub targets: Vec<String>,
    /// Digest of the input.
    pub input: Digest,
    /// Whether it may be sent again.
    pub idempotent: bool,
    /// What was there.
    #[serde(default)]
    pub before: Vec<Before>,
    /// When it was sent first: what a restart is stamped with, the second time too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Where in the script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Which of the step's closures it belongs to.
    #[serde(default, rename = "of", skip_serializing_if = "Part::is_change")]
    pub part: Part,
}

/// What became of one target of an effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Applied {
    /// The target.
    pub target: String,
    /// What became of it.
    pub outcome: Outcome,
    /// The server's message, where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The object as the server answered, without status and managedFields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// What became of one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the words say it")]
pub enum Outcome {
    Applied,
    Unchanged,
    Failed,
    NotTried,
}

/// What is stated by hand about a step whose outcome is uncertain, or that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stated {
    /// Its change counts as made: only its verifies run.
    Applied,
    /// Nothing of its change is there: it is made again from the top.
    NotApplied,
    /// It was made by hand: only its verifies run.
    ByHand,
}

impl Stated {
    /// The word as it is typed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::NotApplied => "not-applied",
            Self::ByHand => "by-hand",
        }
    }
}

/// How one verify came to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerifyResult {
    /// Its text.
    pub text: String,
    /// What it came to.
    pub verdict: Verdict,
    /// What was compared last.
    #[serde(default)]
    pub observations: Vec<Observation>,
    /// Why it is unknown or not yet, where no observation says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How often it was evaluated.
    pub evaluations: u32,
    /// How long it took.
    pub took: Span,
    /// How often it turned false while it had to stay true.
    #[serde(default)]
    pub flaps: u32,
    /// Whether it held before the change.
    #[serde(default)]
    pub held_before: bool,
}

/// What sort of failure ended a step or a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// A precheck did not hold; nothing was changed by this step.
    Precheck,
    /// The change failed.
    Change,
    /// A verify did not hold in its time.
    Verify,
    /// A verify of a finished step or the outcome, true before, is false now.
    Regression,
    /// It is not known what became of an effect, or whether a verify holds.
    Unknown,
    /// It is not the cluster that it was, or a host of another context.
    Identity,
    /// An assumption or another finding of preflight.
    Preflight,
    /// The run's place was lost: nothing is changed before it has it again.
    Lock,
    /// The run's journal was lost.
    Journal,
    /// A step or hold could not be taken back, or not all of it.
    Undo,
    /// It was cancelled.
    Cancelled,
    /// An error inside runbook itself.
    Internal,
}

impl FailureKind {
    /// The code that a run ended by this failure exits with.
    pub fn exit(self) -> ExitCode {
        match self {
            Self::Verify | Self::Regression => ExitCode::VerifyFailed,
            Self::Precheck | Self::Change => ExitCode::StepFailed,
            Self::Unknown => ExitCode::Unknown,
            Self::Identity => ExitCode::WrongContext,
            Self::Preflight => ExitCode::PreflightFailed,
            Self::Lock => ExitCode::Locked,
            Self::Journal | Self::Internal => ExitCode::Internal,
            Self::Undo => ExitCode::UndoIncomplete,
            Self::Cancelled => ExitCode::Interrupted,
        }
    }
}

/// What happened where a step or run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// What sort.
    pub kind: FailureKind,
    /// What happened, in words.
    pub message: String,
    /// Where in the script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// The script around that place, rendered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
    /// The verifies of the step as they stood.
    #[serde(default)]
    pub verifies: Vec<VerifyResult>,
    /// What to do about it.
    #[serde(default)]
    pub help: Vec<String>,
}

impl Failure {
    /// A failure of this sort.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), place: None, excerpt: None, verifies: vec![], help: vec![] }
    }
}

/// How a run was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Closed {
    /// Its outcome was verified.
    Done,
    /// It was taken back.
    Undone,
    /// It was given up: by `abandon`, or because nothing had changed yet.
    Abandoned,
}

/// Something that another process says to a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Its own id, so that it is never taken twice.
    pub id: String,
    /// When it was written.
    pub at: Timestamp,
    /// The account. Stays in the journal.
    #[serde(default)]
    pub by: Option<String>,
    /// What is said.
    pub said: Said,
}

/// What another process says to a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "say")]
#[non_exhaustive]
pub enum Said {
    /// Open this gate, on this evidence.
    Approve {
        /// The gate.
        gate: GateId,
        /// The evidence that was seen.
        digest: Digest,
        /// Until when it counts.
        expires: Timestamp,
        /// With which words.
        reason: Option<String>,
    },
    /// Do not open this gate.
    Reject {
        /// The gate.
        gate: GateId,
        /// The evidence that was seen.
        digest: Digest,
        /// With which words.
        reason: Option<String>,
    },
    /// What was asked for by hand is done.
    Done {
        /// The step.
        step: StepId,
        /// With which words.
        reason: Option<String>,
    },
    /// Something unexpected was seen.
    Note {
        /// The words.
        text: String,
        /// During which step.
        step: Option<StepId>,
    },
}

impl Said {
    /// The words that a person chose.
    pub fn words_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Approve { reason, .. } | Self::Reject { reason, .. } | Self::Done { reason, .. } => reason.as_mut(),
            Self::Note { text, .. } => Some(text),
        }
    }
}

/// What the trial over the context found of one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Which.
    pub step: StepId,
    /// What it touches.
    pub touches: Vec<Touch>,
    /// Why not all of it could be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partly_known: Option<String>,
}
