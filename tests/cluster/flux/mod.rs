//! `std/flux` and the tools around it against Flux's own controllers, with Git and a chart repository on loopback.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code outside of test functions")]

mod kept;
mod reasons;
mod sources;

use sources::Sources;

use crate::{
    apiserver::Cluster,
    run::world::{World, play},
};

/// The reason and message of an object's Ready condition.
fn ready(cluster: &Cluster, reference: &str) -> (String, String, String) {
    let object = cluster.get(reference).unwrap_or_else(|| panic!("{reference} is not there"));
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let ready = conditions.iter().find(|c| c["type"] == "Ready").unwrap_or_else(|| panic!("{object:#}"));
    let part = |name: &str| ready[name].as_str().unwrap_or_default().to_owned();
    (part("status"), part("reason"), part("message"))
}
