use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Digest, GateId, Identity, Observation, Place, RunId, Span, Target, Touch, Verdict};

/// What it takes to open a gate; each class is stricter than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum GateClass {
    /// Passes by itself if every verify before it holds and nothing needs acknowledgement.
    Auto,
    /// `approve` from any process.
    #[default]
    Any,
    /// A phrase typed on a terminal.
    Human,
    /// A signed approval.
    Signed,
}

impl GateClass {
    /// The class as it is written in playbooks and `runbook.toml`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Any => "any",
            Self::Human => "human",
            Self::Signed => "signed",
        }
    }
}

impl fmt::Display for GateClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for GateClass {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Auto, Self::Any, Self::Human, Self::Signed]
            .into_iter()
            .find(|class| class.word() == text)
            .ok_or_else(|| format!("`{text}` is not a gate class: write \"auto\", \"any\", \"human\" or \"signed\""))
    }
}

/// Something that a gate shows, computed when it is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Show {
    /// What it is.
    pub text: String,
    /// Where it is declared.
    pub place: Place,
}

/// A stop for a go/no-go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// Its id.
    pub id: GateId,
    /// The question that is decided.
    pub question: String,
    /// Its own class; the context's may be stricter.
    pub class: Option<GateClass>,
    /// What it shows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shows: Vec<Show>,
    /// How long an approval counts; an hour where unsaid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Span>,
    /// Where it is declared; none for the stop-gate that a phase gets by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// One thing that a gate's decision rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "fact")]
pub enum Fact {
    /// A verify, evaluated again at this gate.
    Verify {
        /// The step's id, or `outcome`.
        step: String,
        /// Its text.
        text: String,
        /// What it came to.
        verdict: Verdict,
        /// What was compared.
        observations: Vec<Observation>,
        /// Whether it held before the change: then it is evidence of nothing.
        held_before: bool,
        /// How often it turned false while it had to stay true.
        flaps: u32,
    },
    /// What `.show` computed.
    Shown {
        /// Its text.
        text: String,
        /// Its value.
        value: Value,
    },
    /// Something that must be acknowledged: an unknown blast radius, a low confidence without a probe, a skipped staging run.
    Acknowledge {
        /// What.
        text: String,
    },
    /// Something worth knowing that needs no acknowledgement: a risk, an assumption and its reality, a note, a lesson.
    Known {
        /// What.
        text: String,
    },
}

/// The evidence that a gate is decided on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateCard {
    /// The run.
    pub run: RunId,
    /// The gate.
    pub gate: GateId,
    /// The question.
    pub question: String,
    /// The class in force: the stricter of the gate's and the context's.
    pub class: GateClass,
    /// The context.
    pub target: Target,
    /// The cluster's identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// The bound plan's digest.
    pub plan: Digest,
    /// Parameters in use; secrets are absent.
    #[serde(default)]
    pub params: std::collections::BTreeMap<String, Value>,
    /// What the decision rests on.
    pub facts: Vec<Fact>,
    /// What the steps up to the next gate will touch.
    #[serde(default)]
    pub touches: Vec<Touch>,
    /// The titles of the steps up to the next gate.
    #[serde(default)]
    pub next: Vec<String>,
    /// How long an approval counts.
    pub expires: Span,
    /// An earlier rejection of this gate, with its reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<String>,
}

impl GateCard {
    /// What an approval is bound to: facts, not renderings. No times, events, resourceVersions or logs enter it.
    pub fn digest(&self) -> Digest {
        let facts: Vec<Value> = self.facts.iter().filter_map(digested).collect();
        Digest::of_json(&(
            &self.run,
            &self.gate,
            self.class,
            &self.plan,
            &self.params,
            self.identity.as_ref().map(|identity| &identity.uid),
            facts,
            &self.touches,
        ))
    }

    /// Whether something on it must be acknowledged, so that it cannot pass by itself.
    pub fn needs_acknowledgement(&self) -> bool {
        self.facts.iter().any(|fact| matches!(fact, Fact::Acknowledge { .. }))
    }

    /// Whether every verify on it holds.
    pub fn all_hold(&self) -> bool {
        self.facts.iter().all(|fact| !matches!(fact, Fact::Verify { verdict, .. } if !verdict.holds()))
    }
}

/// A fact as it enters the digest: a shown value may be an event or a log line, so only its text counts.
fn digested(fact: &Fact) -> Option<Value> {
    match fact {
        Fact::Verify { step, text, verdict, observations, .. } => {
            let compared: Vec<_> =
                observations.iter().map(|o| (&o.expression, &o.expected, &o.observed, o.holds)).collect();
            serde_json::to_value((step, text, verdict, compared)).ok()
        }
        Fact::Shown { text, .. } => Some(Value::String(text.clone())),
        Fact::Acknowledge { .. } => serde_json::to_value(fact).ok(),
        Fact::Known { .. } => None,
    }
}

/// What was decided at a gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "decision")]
pub enum Decision {
    /// Go on.
    Go {
        /// With which words.
        reason: Option<String>,
    },
    /// Do not go on.
    NoGo {
        /// With which words.
        reason: Option<String>,
    },
    /// Nobody decided: the run waits.
    NotNow,
}
