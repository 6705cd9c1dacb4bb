use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Digest, Gate, GateId, Place, Step, StepId, Verify};

/// What sort of change a playbook is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "each name is the word of the language")]
pub enum Kind {
    #[default]
    Change,
    Maintenance,
    Mandated,
    Drill,
    Emergency,
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "change" => Self::Change,
            "maintenance" => Self::Maintenance,
            "mandated" => Self::Mandated,
            "drill" => Self::Drill,
            "emergency" => Self::Emergency,
            _ => {
                return Err(format!(
                    "`{text}` is not a kind of plan: write \"change\", \"maintenance\", \"mandated\", \"drill\" or \"emergency\""
                ));
            }
        })
    }
}

/// How sure an assumption is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// Verified.
    High,
    /// Inferred.
    Medium,
    /// Assumed.
    Low,
}

impl FromStr for Confidence {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "high" => Ok(Self::High),
            "medium" => Ok(Self::Medium),
            "low" => Ok(Self::Low),
            _ => Err(format!(
                "`{text}` is not a confidence: write \"high\" (verified), \"medium\" (inferred) or \"low\" (assumed)"
            )),
        }
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        })
    }
}

/// Something taken for true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assumption {
    /// What is assumed.
    pub text: String,
    /// How sure it is.
    pub confidence: Confidence,
    /// Whether a probe can ask the cluster.
    pub probe: bool,
    /// What follows if it is not so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact: Option<String>,
    /// Where it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Where it is declared.
    pub place: Place,
}

/// What could go wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Risk {
    /// What could go wrong.
    pub text: String,
    /// The contexts where.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<String>,
    /// The blast radius: object references.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub affects: Vec<String>,
    /// Why the blast radius is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_blast_radius: Option<String>,
    /// The way back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<String>,
    /// Where it is declared.
    pub place: Place,
}

/// What became of a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resolution {
    /// Nothing yet: the playbook is not ready.
    Open,
    /// It has this answer.
    Resolved(String),
    /// It is put off until then.
    Deferred(String),
}

/// Something that has to be known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The question.
    pub text: String,
    /// What became of it.
    pub resolution: Resolution,
    /// Where it is declared.
    pub place: Place,
}

/// Options that were weighed, and the one chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// What was to be decided.
    pub text: String,
    /// The options with their trade-offs.
    pub options: Vec<(String, String)>,
    /// The one chosen, and because of what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<(String, String)>,
    /// Where it is declared.
    pub place: Place,
}

/// Something that was looked up while the plan was declared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Discovery {
    /// Its name.
    pub name: String,
    /// Which one of that name, from 0.
    pub turn: usize,
    /// The context that it was asked of, where every context of the plan is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// The value that the plan was declared with.
    pub value: Value,
    /// Whether that value is the sample, not what a cluster answered.
    pub sample: bool,
    /// Why it could not be asked, where it was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// Where it is declared.
    pub place: Place,
}

impl Discovery {
    /// What its answer is known by: its name, its turn and the context where it is asked of each.
    pub fn key(&self) -> (String, usize, Option<String>) {
        (self.name.clone(), self.turn, self.context.clone())
    }
}

/// A parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// The value in use, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Where the value comes from: `-p`, `runbook.toml`, `per_context`, `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// The values that it may have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub one_of: Vec<Value>,
    /// Whether it is declared per context: then promotion does not ask for the same value.
    #[serde(default)]
    pub per_context: bool,
    /// Where it is declared.
    pub place: Place,
}

/// A secret parameter: its value is nowhere in a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretParam {
    /// Its name.
    pub name: String,
    /// Where it is read from, e.g. `env GRAFANA_TOKEN`.
    pub from: String,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Where it is declared.
    pub place: Place,
}

/// A step or a gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(clippy::large_enum_variant, reason = "steps are the rule, gates the exception")]
pub enum Item {
    /// A step.
    Step(Step),
    /// A gate.
    Gate(Gate),
}

/// Steps with one goal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// Its title.
    pub title: String,
    /// Its goal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal: Option<String>,
    /// Why it has no stop-gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_gate: Option<String>,
    /// Its steps and gates, in order.
    pub items: Vec<Item>,
    /// Where it is declared; none for the phase that steps before any `phase` belong to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

impl Phase {
    /// Its steps, in order.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.items.iter().filter_map(|item| match item {
            Item::Step(step) => Some(step),
            Item::Gate(_) => None,
        })
    }

    /// Whether it ends with a gate.
    pub fn ends_with_gate(&self) -> bool {
        matches!(self.items.last(), Some(Item::Gate(_)))
    }
}

/// The eight sections: objective, context and constraints, current state, target state, phases and tasks, validation,
/// rollback, open questions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The title.
    pub title: String,
    /// Where it is declared; none where the script declares no plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// §1: the problem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// §1: the outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// What shows that the outcome is there.
    #[serde(default)]
    pub verifies: Vec<Verify>,
    /// §2: contexts or tiers, in the order of promotion.
    #[serde(default)]
    pub contexts: Vec<String>,
    /// §2: constraints.
    #[serde(default)]
    pub constraints: Vec<String>,
    /// §2: background.
    #[serde(default)]
    pub background: Vec<String>,
    /// §2: services involved.
    #[serde(default)]
    pub services: Vec<String>,
    /// §2: what it depends on.
    #[serde(default)]
    pub upstream: Vec<String>,
    /// §2: what depends on it.
    #[serde(default)]
    pub downstream: Vec<String>,
    /// §3: the current state.
    #[serde(default)]
    pub current: Vec<String>,
    /// §4: the target state.
    #[serde(default)]
    pub target: Vec<String>,
    /// §6: further validation.
    #[serde(default)]
    pub validation: Vec<String>,
    /// §7: the way back as a whole.
    #[serde(default)]
    pub rollback: Vec<String>,
    /// What sort of change it is.
    #[serde(default)]
    pub kind: Kind,
    /// Narrows the lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Parameters.
    #[serde(default)]
    pub params: Vec<Param>,
    /// Secret parameters.
    #[serde(default)]
    pub secrets: Vec<SecretParam>,
    /// What was looked up.
    #[serde(default)]
    pub discoveries: Vec<Discovery>,
    /// Assumptions.
    #[serde(default)]
    pub assumptions: Vec<Assumption>,
    /// Risks.
    #[serde(default)]
    pub risks: Vec<Risk>,
    /// §8: questions.
    #[serde(default)]
    pub questions: Vec<Question>,
    /// §8: decisions.
    #[serde(default)]
    pub decisions: Vec<Choice>,
    /// §5: phases.
    #[serde(default)]
    pub phases: Vec<Phase>,
}

impl Plan {
    /// All steps, in order.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.phases.iter().flat_map(Phase::steps)
    }

    /// The step with this id.
    pub fn step(&self, id: &StepId) -> Option<&Step> {
        self.steps().find(|step| step.id == *id)
    }

    /// The step with this id, to be added to.
    pub fn step_mut(&mut self, id: &StepId) -> Option<&mut Step> {
        self.phases.iter_mut().flat_map(|phase| &mut phase.items).find_map(|item| match item {
            Item::Step(step) if step.id == *id => Some(step),
            _ => None,
        })
    }

    /// What a bound plan's approvals and records refer to: everything that was declared, places left out so that a moved
    /// line is not another plan.
    pub fn digest(&self) -> Digest {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        drop_places(&mut value);
        Digest::of_json(&value)
    }

    /// Gives each phase but the last its stop-gate, where it declares none and does not say why not.
    #[must_use]
    pub fn with_stop_gates(mut self) -> Self {
        let last = self.phases.len().saturating_sub(1);
        let titles: Vec<String> = self.phases.iter().map(|phase| phase.title.clone()).collect();
        for (n, phase) in self.phases.iter_mut().enumerate() {
            if n < last && phase.no_gate.is_none() && !phase.ends_with_gate() {
                phase.items.push(Item::Gate(Gate {
                    id: GateId::closing(&phase.title),
                    question: format!("\"{}\" is done. Go on to \"{}\"?", phase.title, titles[n + 1]),
                    class: None,
                    shows: vec![],
                    expires: None,
                    place: None,
                }));
            }
        }
        self
    }
}

fn drop_places(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.remove("place");
            map.values_mut().for_each(drop_places);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_places),
        _ => {}
    }
}
