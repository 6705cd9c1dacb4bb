use serde::{Deserialize, Serialize};

use super::{Place, StepId};

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Shown; stops nothing.
    Note,
    /// A question asked once; stops nothing.
    Warning,
    /// The playbook is refused until it is gone.
    Error,
}

/// One thing that check, preflight or a lint found: what, where, what was expected, what to type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The rule's name in kebab-case, e.g. `unknown-function`.
    pub rule: String,
    /// How much it weighs.
    pub severity: Severity,
    /// What was found, as a lowercase fragment that names the thing.
    pub message: String,
    /// Where in the bundle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Further places that belong to it, each with its words, e.g. the first of two steps with one id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<(Place, String)>,
    /// The step that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepId>,
    /// What to do about it: the nearest real name, the line to write, the command to type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub help: Vec<String>,
}

impl Finding {
    /// An error found by `rule`.
    pub fn error(rule: &str, message: impl Into<String>) -> Self {
        Self::new(rule, Severity::Error, message)
    }

    /// A warning found by `rule`.
    pub fn warning(rule: &str, message: impl Into<String>) -> Self {
        Self::new(rule, Severity::Warning, message)
    }

    /// A note made by `rule`.
    pub fn note(rule: &str, message: impl Into<String>) -> Self {
        Self::new(rule, Severity::Note, message)
    }

    fn new(rule: &str, severity: Severity, message: impl Into<String>) -> Self {
        Self {
            rule: rule.into(),
            severity,
            message: message.into(),
            place: None,
            related: vec![],
            step: None,
            help: vec![],
        }
    }

    /// Says where it was found.
    #[must_use]
    pub fn at(mut self, place: impl Into<Option<Place>>) -> Self {
        self.place = place.into();
        self
    }

    /// Adds a place that belongs to it.
    #[must_use]
    pub fn with_related(mut self, place: Place, words: impl Into<String>) -> Self {
        self.related.push((place, words.into()));
        self
    }

    /// Says which step it is about.
    #[must_use]
    pub fn of_step(mut self, step: &StepId) -> Self {
        self.step = Some(step.clone());
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }
}
