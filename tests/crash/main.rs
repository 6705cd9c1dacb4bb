//! Runs that are ended by SIGKILL before and after each line of their journal, and go on afterwards.
//!
//! A child is this test binary again, asked for the one test `child`: only it reads the variables that say where to end.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code outside of test functions")]

#[path = "../support/apiserver/mod.rs"]
#[allow(unused_imports, reason = "each test binary uses its own part of this")]
mod apiserver;
#[path = "../support/not_run.rs"]
mod not_run;

#[path = "../support/program/mod.rs"]
#[allow(unused_imports, reason = "each test binary uses its own part of this")]
mod program;

#[path = "../support/badserver.rs"]
mod badserver;

mod bytes;
mod child;
mod children;
mod cluster;
mod commands;
mod disks;
mod journal;
mod kill;
mod matrix;
mod play;
mod playbooks;
mod servers;
mod story;
mod undos;
mod world;

/// What a child does; an ordinary test run passes by.
#[test]
fn child() {
    child::work();
}
