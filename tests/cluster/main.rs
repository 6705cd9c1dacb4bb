//! Tests against real API servers. Where none can be had, each says so and ends (see `support/apiserver`).

#[path = "../support/apiserver/mod.rs"]
mod apiserver;
#[path = "../support/badserver.rs"]
mod badserver;
mod client;
mod flux;
#[path = "../support/migration.rs"]
mod migration;
#[path = "../support/not_run.rs"]
mod not_run;
mod places;
#[path = "../support/program/mod.rs"]
#[allow(unused_imports, reason = "each test binary uses its own part of this")]
mod program;
mod run;
mod servers;
mod tools;
mod workloads;
mod yaml;
