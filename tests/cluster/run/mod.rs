//! The program itself, from its command line to its exit code, against real API servers.

mod deploy_app;
mod https;
mod identity;
mod killed;
mod kubectl;
mod latency;
mod outage;
mod permission;
mod world;

use world::{World, eventually, play};
