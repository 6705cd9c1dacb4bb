//! `runbook` runs change procedures that people dare to run.
//!
//! **Rhai is pinned.** This crate depends on `rhai = "=1.27.0"`, because closures lose their environment in other ways in
//! other versions; a program that embeds both binds its own rhai to the same version.
//!
//! A *playbook* is a Rhai script that states a problem, assumptions, risks and small steps, each with a verify and a way
//! back. It is checked, planned and run against one named context at a time, stopping at every stop-gate; a journal
//! survives `kill -9`, and a blameless incident record is written when something does not go as expected.

pub mod bundle;
pub mod check;
pub mod cluster;
pub mod effect;
pub mod event;
pub mod http;
pub mod incident;
pub mod journal;
pub mod model;
pub mod object;
pub mod process;
pub mod redact;
pub mod report;
pub mod run;
pub mod runbook;
pub mod sandbox;
pub mod script;

#[cfg(feature = "cli")]
pub mod cli;
