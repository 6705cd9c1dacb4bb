//! The program itself, from its command line to its exit code, against real API servers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code outside of test functions")]

mod behind;
mod blast;
mod deploy_app;
mod doctor;
mod folders;
mod https;
mod identity;
mod inside;
mod killed;
mod kopia;
mod kubectl;
mod latency;
mod locks;
mod natives;
mod outage;
mod permission;
mod preflight;
mod secrets;
mod undo;
mod undo_locks;
mod users;
mod watches;
mod ways;
mod web;
pub mod world;

use world::{World, eventually, play};
