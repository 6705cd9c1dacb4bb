use serde::{Deserialize, Serialize};

use crate::model::Body;

/// What a closure, or the script itself, may do right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The script is being declared: pure natives only.
    Declare,
    /// `discover`, `assume`, `precheck`, `verify`, `skip_if`, `show`, `undone`: nothing may change.
    Read,
    /// `change`, `undo`, `repair`.
    Change,
}

impl Mode {
    /// The mode that a closure runs in.
    pub fn of(body: &Body) -> Self {
        match body {
            Body::Change(_) | Body::Undo(_) | Body::Repair(_) => Self::Change,
            _ => Self::Read,
        }
    }

    /// Where the caller is, in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Declare => "while the plan is being declared",
            Self::Read => "in a closure that only reads",
            Self::Change => "in a change",
        }
    }
}
