use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Place;

/// What one evaluation of an assertion came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is true.
    Holds,
    /// It is false.
    DoesNotHold,
    /// Something that it compares does not exist yet.
    NotYet,
    /// It could not be seen: the API server, a host or a command did not answer.
    Unknown,
}

impl Verdict {
    /// Whether the assertion is true.
    pub fn holds(self) -> bool {
        self == Self::Holds
    }

    /// The verdict in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::DoesNotHold => "does not hold",
            Self::NotYet => "not yet",
            Self::Unknown => "unknown",
        }
    }
}

/// A compared value as it was seen, with its place in the script.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// Where the comparison stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// The expression as it is written.
    pub expression: String,
    /// The operator (`==`, `in`, …), or the native that answered a bool.
    pub operator: String,
    /// The expected side: the literal or frozen one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Value>,
    /// The side that was seen; absent where a field is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Value>,
    /// True, false, or neither where something is missing or could not be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<bool>,
    /// Why, in words: the first missing path, a controller's message, `2 of 5 did not: node-b …`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What was compared inside it (the closures of `all`, `filter`, …).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inner: Vec<Observation>,
}

/// Something that an evaluation read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Read {
    /// One object, watched.
    Object(String),
    /// A list: kind, namespace, selector; watched.
    List(String),
    /// Something that cannot be watched: an http URL, a command, logs.
    Polled(String),
}

/// One evaluation of an assertion: its verdict and what it is based on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// What it came to.
    pub verdict: Verdict,
    /// What was compared, in the order of the expression's tree.
    pub observations: Vec<Observation>,
    /// What was read.
    pub reads: Vec<Read>,
    /// Why it is unknown or not yet, where no observation says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
