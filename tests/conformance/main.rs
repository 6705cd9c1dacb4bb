//! The same requests to the sandbox and to a real kube-apiserver, and how much of what they answer agrees.
//!
//! `requests/<area>.txt` hold the requests (their form is told in `script`); a request agrees when status code, content
//! type and body are the same, minus times, UIDs, resourceVersions and addresses. Differences that stay are marked where
//! they are, with the reason. `RUNBOOK_CONFORMANCE=<area>` shows the whole answers of that area's differences.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code outside of test functions")]

#[path = "../support/apiserver/mod.rs"]
mod apiserver;
mod compare;
mod dry;
mod fuzz;
mod kinds;
mod kubectl;
mod loading;
mod memory;
#[path = "../support/not_run.rs"]
mod not_run;
mod run;
mod script;
mod sides;

/// An area, its requests, and the share in percent that must agree: missing namespaces and definitions, conflicts of
/// server-side apply, dry run and delete agree in all.
const AREAS: &[(&str, &str, f64)] = &[
    ("apply", include_str!("requests/apply.txt"), 99.0),
    ("conflicts", include_str!("requests/conflicts.txt"), 100.0),
    ("crds", include_str!("requests/crds.txt"), 96.0),
    ("crud", include_str!("requests/crud.txt"), 95.0),
    ("defaults", include_str!("requests/defaults.txt"), 100.0),
    ("delete", include_str!("requests/delete.txt"), 100.0),
    ("discovery", include_str!("requests/discovery.txt"), 100.0),
    ("dry-run", include_str!("requests/dry-run.txt"), 100.0),
    ("errors", include_str!("requests/errors.txt"), 93.0),
    ("lists", include_str!("requests/lists.txt"), 99.0),
    ("missing", include_str!("requests/missing.txt"), 100.0),
    ("patch", include_str!("requests/patch.txt"), 99.0),
    ("proxy", include_str!("requests/proxy.txt"), 100.0),
    ("quotas", include_str!("requests/quotas.txt"), 98.0),
    ("validation", include_str!("requests/validation.txt"), 100.0),
    ("watch", include_str!("requests/watch.txt"), 95.0),
];

/// The share of all requests in percent that must agree.
const OVERALL: f64 = 97.0;

#[test]
fn the_sandbox_answers_as_a_real_api_server_does() {
    let Some(clusters) = apiserver::shared() else { return };
    let report = run::all(AREAS, &clusters);
    println!("{}", report.table());
    report.hold(AREAS, OVERALL);
}
