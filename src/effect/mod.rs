//! The one door from scripts to the world: every native goes through it.
//! Checks the mode (declare, read, change), the deadline and the cancel; records what a verify read and what a step touched.
//! An effect is journaled before it is sent and after it was answered; on resume it is replayed from the journal.

mod bundled;
mod call;
mod cmd;
mod door;
mod error;
mod hanging;
mod held;
mod hosts;
mod k8s;
mod last_words;
mod ledger;
mod lookout;
mod mode;
mod module;
mod naming;
mod outlast;
mod output;
mod repo;
mod tools;
mod trial;
mod watching;
mod way_back;
mod web;

pub use crate::{
    cluster::{PatchKind, Patched, Permission, Resource, Selector, Survey, Wish, Woken},
    event::Cancel,
    sandbox::{Misfit, misfits},
};
pub use call::{Call, Commanded, Look, Trouble};
pub use cmd::{CommandAnswer, CommandInput, Left, end_child, end_unnoted};
pub use door::{Door, DoorParts};
pub use error::{EffectError, Sort};
pub use held::Elsewhere;
pub use hosts::HostRule;
pub use k8s::{Allowed, ChangeOptions, DrainOptions, DryRun, ExecInput, LogsOf, Manifests, Readiness, Source};
pub use ledger::{Ledger, Standing};
pub use lookout::{Lookout, Tried, Unserved};
pub use mode::Mode;
pub use module::{Function, Module};
pub use output::{OUTPUT, kept, too_large};
pub use repo::RepoPlace;
pub use trial::{Trial, Wanted, Wanting};
pub use watching::Watching;
pub use way_back::{BackAgain, WayBack, made};
pub use web::{Asked, HttpInput, HttpReply};
