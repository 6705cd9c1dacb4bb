//! Tests against real API servers. Where none can be had, each says so and ends (see `support/apiserver`).

#[path = "../support/apiserver/mod.rs"]
mod apiserver;
mod client;
mod places;
mod run;
mod servers;
