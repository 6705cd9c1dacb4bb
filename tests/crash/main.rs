//! Runs that are ended by SIGKILL before and after each line of their journal, and go on afterwards.
//!
//! A child is this test binary again, asked for the one test `child`: only it reads the variables that say where to end.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code outside of test functions")]

mod child;
mod journal;
mod kill;
mod playbooks;
mod story;
mod world;

/// What a child does; an ordinary test run passes by.
#[test]
fn child() {
    child::work();
}
