use std::fmt;

use serde::{Deserialize, Serialize};

use super::{RunId, StepId};

/// Something that a way back does not bring back, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// The object, with its field where it is about one; the native or the step where there is no object.
    pub what: String,
    /// Why it stays.
    pub why: String,
}

impl Left {
    /// What stays, and why.
    pub fn new(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.into() }
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

/// How a step is taken back, once it is known what it did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum UndoWay {
    /// From the images that were kept of what it changed.
    Automatic,
    /// By its `.undo` closure.
    Closure,
    /// By hand, following these instructions.
    ByHand(String),
    /// Not at all, for this reason.
    None(String),
}

/// One effect's target on its way back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoItem {
    /// The object or native.
    pub what: String,
    /// What is done, e.g. `is deleted`, `spec.replicas: 5 → 3`; nothing where it is as it was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub back: Vec<String>,
    /// What stays.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<Left>,
}

/// One step of an undo, before it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoStep {
    /// The step.
    pub step: StepId,
    /// Its title.
    pub title: String,
    /// How.
    pub way: UndoWay,
    /// What goes back and what stays, where the way is automatic.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<UndoItem>,
    /// The texts of what is verified afterwards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verified: Vec<String>,
}

impl UndoStep {
    /// Everything of it that stays.
    pub fn left(&self) -> Vec<Left> {
        let mut left: Vec<Left> = self.items.iter().flat_map(|item| item.left.clone()).collect();
        if let UndoWay::None(why) = &self.way {
            left.push(Left::new(format!("step \"{}\"", self.title), why));
        }
        left
    }
}

/// What an undo will do, in its order. Nothing of it has happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoPlan {
    /// The run.
    pub run: RunId,
    /// The plan's title.
    pub title: String,
    /// The context's name.
    pub context: String,
    /// The last step that is taken back; none for all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<StepId>,
    /// Whether only what is held is given back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub holds: bool,
    /// The steps, the first one first.
    pub steps: Vec<UndoStep>,
    /// Steps that changed nothing by themselves: their change was skipped, as what it makes existed already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<StepId>,
}

impl UndoPlan {
    /// Everything that stays, with its step.
    pub fn left(&self) -> Vec<(StepId, Left)> {
        self.steps.iter().flat_map(|step| step.left().into_iter().map(|left| (step.step.clone(), left))).collect()
    }
}
