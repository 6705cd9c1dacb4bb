use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// This id, as it was written down.
            pub fn new(id: impl Into<String>) -> Self {
                Self(id.into())
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

id! {
    /// One run: `<playbook>-<six hex digits>`, e.g. `deploy-app-7f3a2c`. Commands take any unique part of it.
    RunId
}
id! {
    /// One step: `phase/title` as a slug, unique in the plan, e.g. `prerequisites/create-namespace`.
    StepId
}
id! {
    /// One gate: `phase/gate-…` as a slug; `start` is the start gate.
    GateId
}

impl StepId {
    /// The id of a step with this title in this phase.
    pub fn of(phase: &str, title: &str) -> Self {
        Self(format!("{}/{}", slug(phase), slug(title)))
    }
}

impl GateId {
    /// The gate before the first change.
    pub fn start() -> Self {
        Self("start".into())
    }

    /// The gate that asks this question in this phase.
    pub fn of(phase: &str, question: &str) -> Self {
        Self(format!("{}/gate-{}", slug(phase), slug(question)))
    }

    /// The stop-gate that closes a phase which declares none of its own.
    pub fn closing(phase: &str) -> Self {
        Self(format!("{}/gate", slug(phase)))
    }
}

/// One closure of a playbook, by what it is for. Journal and runner speak of closures by this, never by position.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Body {
    /// A step's change.
    Change(StepId),
    /// A step's n-th precheck.
    Precheck(StepId, usize),
    /// A step's `skip_if`.
    SkipIf(StepId),
    /// A step's n-th verify.
    Verify(StepId, usize),
    /// A step's undo.
    Undo(StepId),
    /// A step's n-th `undone`.
    Undone(StepId, usize),
    /// A step's repair.
    Repair(StepId),
    /// What a gate shows, n-th.
    Show(GateId, usize),
    /// The probe of the plan's n-th assumption.
    Assumption(usize),
    /// The n-th verify of the plan's outcome.
    Outcome(usize),
    /// The plan's n-th discovery.
    Discovery(usize),
}

/// Lower-case words joined by `-`: letters and digits of any script stay, everything else separates.
pub fn slug(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_alphanumeric() {
            out.extend(c.to_lowercase());
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    while out.ends_with('-') {
        out.pop();
    }
    if out.is_empty() { "untitled".into() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_keeps_words_of_any_script() {
        assert_eq!(slug("Create namespace!"), "create-namespace");
        assert_eq!(slug("  Größe: 3 → 5 "), "größe-3-5");
        assert_eq!(slug("…"), "untitled");
    }
}
