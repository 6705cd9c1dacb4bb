use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    event::{Failure, Outcome, Staged, VerifyResult},
    model::{Confidence, Decision, Digest, ExitCode, GateCard, RunId, StepId, Verdict},
};

/// The version of the sidecar's schema. Fields are only ever added.
pub const SCHEMA: u32 = 1;

/// An incident record. Roles stand in it, no identities: those stay in the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The stem of its files' names.
    pub id: String,
    /// `captured`, until people review it.
    pub status: String,
    /// What was seen, as a sentence; never what led to it.
    pub symptom: String,
    /// Nothing failed: something was noticed, or a gate was answered with a no-go.
    pub near_miss: bool,
    /// The same for the same symptom at the same step of the same kinds of object.
    pub fingerprint: Digest,
    /// The run.
    pub run: RunId,
    /// The playbook's bundle path.
    pub playbook: String,
    /// The plan's title.
    pub title: String,
    /// The bundle's digest.
    pub bundle: Option<Digest>,
    /// The bound plan's digest.
    pub plan: Option<Digest>,
    /// The context's name.
    pub context: String,
    /// Its tier.
    pub tier: String,
    /// Whether it is the embedded sandbox.
    pub sandbox: bool,
    /// The cluster's UID and version.
    pub cluster: Option<String>,
    /// The run's proof of a staging run.
    pub staged: Staged,
    /// When the run was started.
    pub started: Timestamp,
    /// When the symptom was journaled.
    pub detected: Option<Timestamp>,
    /// When the last line was journaled.
    pub ended: Option<Timestamp>,
    /// The step that did not get to its end.
    pub step: Option<StepId>,
    /// What happened there.
    pub failure: Option<Failure>,
    /// The code of the last process that ended.
    pub exit: Option<ExitCode>,
    /// All steps of the plan, in order.
    pub steps: Vec<StepEntry>,
    /// The last verify that passed before the symptom.
    pub last_passing: Option<Passed>,
    /// What happened, in order of time.
    pub timeline: Vec<Moment>,
    /// Assumption, confidence, reality, impact.
    pub assumptions: Vec<AssumptionEntry>,
    /// The gates that were reached: what was shown and what was chosen.
    pub gates: Vec<GateEntry>,
    /// What the record could see of what was not known.
    pub gaps: Vec<String>,
    /// What the run had changed.
    pub changed: Vec<Changed>,
    /// The objects that the failed step touches, or all that were changed.
    pub resources: Vec<String>,
    /// What was collected about the symptom.
    pub evidence: Vec<EvidenceEntry>,
    /// Drafts for checks; suggestions of a machine.
    pub suggestions: Vec<String>,
    /// What went well, as far as it was seen.
    pub went_well: Vec<String>,
    /// What passed although it was close.
    pub lucky: Vec<String>,
    /// Questions for people: at most seven, none of which has to be answered.
    pub questions: Vec<Prompt>,
    /// Kinds of journal lines that this program does not know, with how many of each.
    pub unknown: BTreeMap<String, u64>,
}

/// A step as it stood.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepEntry {
    /// Its id.
    pub id: StepId,
    /// Its title.
    pub title: String,
    /// `verified`, `not verified`, `not reached`.
    pub state: String,
    /// The text of its `skip_if`, where its change was not made.
    pub skipped: Option<String>,
    /// Its verifies' results.
    pub verifies: Vec<VerifyResult>,
}

/// A verify that passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// The step.
    pub step: StepId,
    /// The verify's text.
    pub verify: String,
    /// When.
    pub at: Timestamp,
}

/// Something at a time, with where it is known from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// Where it is known from: `journal line 7`, `event of Pod/a/b`.
    pub source: String,
    /// What.
    pub text: String,
}

/// An assumption against what was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssumptionEntry {
    /// What was assumed.
    pub text: String,
    /// How sure it was.
    pub confidence: Confidence,
    /// Where it came from.
    pub source: Option<String>,
    /// Whether there is a probe.
    pub probe: bool,
    /// What the probe came to.
    pub verdict: Option<Verdict>,
    /// What the probe saw; nothing without one: reality is only ever filled in by a probe.
    pub reality: Option<String>,
    /// What follows where it is not so, as it was stated.
    pub impact: Option<String>,
}

/// A gate as it was shown and decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateEntry {
    /// When its evidence was shown last.
    pub shown: Timestamp,
    /// The evidence.
    pub card: GateCard,
    /// The evidence's digest.
    pub digest: Digest,
    /// The choice; none while it waits.
    pub decision: Option<Decision>,
    /// Through what it was decided: `terminal`, `approve`.
    pub via: Option<String>,
    /// Notes that were kept before and are not on the card.
    pub not_shown: Vec<String>,
}

/// What a step's effects came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Changed {
    /// The step.
    pub step: StepId,
    /// The native.
    pub native: String,
    /// Each target and what became of it; none where the outcome is uncertain.
    pub targets: Vec<(String, Option<Outcome>)>,
    /// The declared way back, in words.
    pub way_back: String,
}

/// Something that was collected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvidenceEntry {
    /// When.
    pub at: Timestamp,
    /// What it is about.
    pub about: String,
    /// `events`, `conditions`, `logs`, `diff`.
    pub sort: String,
    /// Where it was taken from.
    pub source: String,
    /// Whether it could be had.
    pub captured: bool,
    /// The evidence, or what was answered in its place.
    pub value: Value,
    /// The value's digest.
    pub sha256: Digest,
}

/// The sections, in the order in which learning goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "each name is the section's")]
pub enum Section {
    WhatHappened,
    Perspectives,
    Gaps,
    Remediation,
    Prevention,
}

/// A question for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// Where it is asked.
    pub section: Section,
    /// The question: what or how.
    pub text: String,
}
