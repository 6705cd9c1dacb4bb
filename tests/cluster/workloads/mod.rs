//! Against real controllers: what Kubernetes itself says of an object is what a user reads.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code outside of test functions")]

mod rollout;
mod rows;

use crate::run::world::{World, play};
