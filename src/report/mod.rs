//! Views of events: plan, terminal, plain, JSON lines, the table of runs. A live run and a replay go through the same
//! ones: a view is told of lines, keeps the little it needs, and takes every time but a heartbeat's from the lines.
//! Nothing that a script or server said reaches a terminal with its control characters.
//! `plan` renders the eight-section document; `follow` is what views keep; `words` says a line in words; `gate`,
//! `ending` are the blocks that views share.

mod ending;
mod follow;
mod gate;
mod impact;
mod json;
mod plain;
mod plan;
mod progress;
mod table;
mod undo;
mod words;

#[cfg(feature = "cli")]
mod terminal;

#[cfg(test)]
pub(crate) mod fixture;

pub use ending::Verbs;
pub use gate::card as gate_card;
pub use impact::{impact_dot, impact_tree};
pub use json::Json;
pub use plain::Plain;
pub use plan::{markdown, missing};
pub use progress::Progress;
pub use table::{Row, row, runs};
#[cfg(feature = "cli")]
pub use terminal::{Suspend, Terminal, colors};
pub use undo::ways_back;
