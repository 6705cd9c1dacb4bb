//! Commands: argv rules per tool, environment, the private kubeconfig, process groups, streams. duct only here.
//! A command without a rule is refused; what a rule knows is read, dry-runnable, change or refused. A child gets an
//! allow-list of the environment and a kubeconfig with one context, leads a process group of its own, and is ended with
//! a grace period at its deadline or when the run is cancelled.

mod environment;
mod group;
mod kubeconfig;
mod output;
mod private;
pub mod rules;
mod run;

pub use environment::{Environment, Reachable, absolute, is_reserved};
pub use group::{Started, boot_id, of_effect};
pub use kubeconfig::PrivateKubeconfig;
pub use output::plain;
pub use private::{PrivateFiles, sweep};
pub use run::{Command, Ended, Finished, Hooks, OnCancel, RunError, Stream, Wake, run};
