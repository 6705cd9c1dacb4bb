//! The playbook language: engine and limits, declarations, natives, observations, diagnostics. rhai only here.
//! `declare` runs a script and gives a plan with its closures; `evaluate` and `call` run one closure later.
//! A script declares; nothing has an effect until the runner calls a closure.

#![allow(clippy::needless_pass_by_value, reason = "the engine hands arguments over")]
#![allow(clippy::unnecessary_box_returns, reason = "the engine's errors are boxed")]

mod call;
mod closure;
mod declare;
mod declared;
mod digest;
pub mod draft;
mod engine;
mod error;
pub mod excerpt;
mod facts;
mod guard;
mod hints;
mod library;
mod names;
pub mod natives;
pub mod observe;
mod resolver;
mod secret;
mod sources;
pub mod stdlib;
pub(crate) mod suggest;
#[cfg(test)]
mod tests;
mod text;
mod usage;
mod value;
mod walk;

pub use call::{Before, Call, Mode, Outputs};
pub(crate) use declare::arguments;
pub use declare::{Answer, Discover};
pub use declared::{Declared, Secrets, Setting, declare};
pub use error::{ErrorKind, ScriptError};
pub(crate) use facts::path_in;
pub use facts::{Facts, Import, Site, Within};
pub use guard::{Cancelled, Printer};
pub use names::Names;
pub use sources::{SourceError, Sources, Texts};
