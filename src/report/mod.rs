//! Views of events: plan, terminal, plain, JSON lines, the table of runs. A live run and a replay go through the same
//! ones: a view is told of lines, keeps the little it needs, and takes every time but a heartbeat's from the lines.
//! Nothing that a script or server said reaches a terminal with its control characters.
//! `plan` renders the eight-section document, `html` makes a page of it, `picture` draws what it touches; `follow` is what views keep; `words` says a line in words, `trouble` what went wrong; `gate`,
//! `ending` are the blocks that views share.

mod commands;
mod diagnosis;
mod ending;
mod follow;
mod gate;
mod html;
mod impact;
mod json;
mod picture;
mod plain;
mod plan;
mod progress;
mod table;
mod trouble;
mod undo;
mod words;

#[cfg(feature = "cli")]
mod terminal;

#[cfg(test)]
pub(crate) mod fixture;

pub use commands::{Commands, Printed};
pub use diagnosis::diagnosis;
pub use ending::Verbs;
pub use gate::card as gate_card;
pub use html::html;
pub use impact::{impact_dot, impact_tree};
pub use json::Json;
pub use picture::{Edge, EdgeSort, Node, NodeSort, Picture};
pub use plain::Plain;
pub use plan::{
    Declared, Document, OpenFrom, OpenQuestion, PlanChange, PlanChanged, Section, changes_markdown, markdown,
    open_questions, plan_changes,
};
pub use progress::Progress;
pub use table::{Row, row, runs};
#[cfg(feature = "cli")]
pub use terminal::{Suspend, Terminal, colors};
pub use undo::ways_back;
