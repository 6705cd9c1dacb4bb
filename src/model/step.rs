use serde::{Deserialize, Serialize};

use super::{Digest, Place, Span, StepId, Touch};

/// A read-only assertion with its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What it asserts.
    pub text: String,
    /// Where it is declared.
    pub place: Place,
    /// How long it may take to come true.
    pub within: Span,
}

/// An assertion that must come true within a time, and stay true if asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verify {
    /// What it asserts.
    pub text: String,
    /// Where it is declared.
    pub place: Place,
    /// How long it may take to come true.
    pub within: Span,
    /// How long it must stay true after that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stays: Option<Span>,
    /// Whether the process may end while it waits.
    #[serde(default)]
    pub parks: bool,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Doing {
    /// Runs a closure that changes something.
    Change,
    /// Asks for something to be done by hand, with these instructions.
    Manual(String),
    /// Changes nothing.
    Check,
}

/// How a step is taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WayBack {
    /// Nothing is declared: the automatic way back, where there is one.
    Automatic,
    /// A closure undoes it.
    Closure,
    /// Instructions to follow by hand.
    Instructions(String),
    /// There is none, for this reason.
    Irreversible(String),
}

/// How long a temporary change lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hold {
    /// Given back when the phase ends well.
    Phase,
    /// Given back when the run ends well.
    Run,
}

/// One small change, what verifies it, how it is undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// `phase/title` as a slug.
    pub id: StepId,
    /// Its title.
    pub title: String,
    /// Where it is declared.
    pub place: Place,
    /// What it does.
    pub doing: Doing,
    /// Asserted before the change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prechecks: Vec<Check>,
    /// Where true, the change is not made: it exists already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_if: Option<Check>,
    /// Asserted after the change.
    pub verifies: Vec<Verify>,
    /// How it is taken back.
    pub way_back: WayBack,
    /// Asserted after the way back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undone: Vec<Check>,
    /// Makes it a hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Hold>,
    /// The text of its repair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repair: Option<String>,
    /// Said to be safe to repeat.
    #[serde(default)]
    pub idempotent: bool,
    /// Bounds the change.
    pub timeout: Span,
    /// Says that it takes the API server away for up to this long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_down: Option<Span>,
    /// What it touches besides what the trial finds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub touches: Vec<String>,
    /// Remarks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Digest of its source, frozen captures and named files.
    pub digest: Digest,
    /// What the trial found that it touches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trial: Vec<Touch>,
    /// Why the trial could not see all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partly_known: Option<String>,
}
