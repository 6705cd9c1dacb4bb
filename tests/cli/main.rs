//! The real binary: what it exits with, what it says, what it leaves in the journal and on the cluster.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code outside of test functions")]

#[path = "../support/badserver.rs"]
mod badserver;
#[path = "../support/browser.rs"]
mod browser;
#[path = "../support/migration.rs"]
mod migration;
#[path = "../support/not_run.rs"]
mod not_run;
#[path = "../support/program/mod.rs"]
mod program;

mod all_contexts;
mod assumptions;
mod bad_arguments;
mod bad_journals;
mod bad_playbooks;
mod bad_servers;
mod bad_state;
mod bundled_files;
mod canaries;
mod failures;
mod gates;
mod idea;
mod impact;
mod isolation;
mod kopia;
mod locks;
mod natives;
mod new;
mod notes;
mod plan;
mod playbooks;
mod preflight;
mod readme;
mod repository;
mod resume;
mod sandbox;
mod secret_values;
mod secrets;
mod signals;
mod staging;
mod terminal;
mod undo;
mod views;
mod waiting;
