//! Findings about a plan without a cluster: one rule a file, all findings at once.
//! A rule looks at what is declared (the plan) or at what is written (the script's facts) and says what to write instead.
//! What the script itself reports while it is declared is not repeated here.

mod arguments;
mod assignments;
mod contexts;
mod files;
mod functions;
mod idea;
mod imports;
mod manifests;
mod off;
mod other_cluster;
mod readiness;
mod shadowing;
mod verifies;

#[cfg(test)]
mod tests;

pub use manifests::{apis, manifests};
pub use other_cluster::other_cluster;
pub use readiness::readiness;

use crate::{model::Finding, script::Declared};

/// Everything that the rules find, in the order of the script's lines. The trial has filled the steps' touches before:
/// they say where a way back is automatic.
pub fn check(declared: &Declared) -> Vec<Finding> {
    let facts = declared.facts();
    let mut found = vec![];
    functions::check(facts, &mut found);
    arguments::check(facts, &mut found);
    off::check(facts, &mut found);
    imports::check(facts, &mut found);
    files::check(facts, &mut found);
    assignments::check(facts, &mut found);
    verifies::check(facts, &mut found);
    shadowing::check(facts, &mut found);
    // one place, one finding: declaring may have met it already
    found.retain(|finding: &Finding| {
        finding.place.is_none() || !declared.findings.iter().any(|known| known.place == finding.place)
    });
    contexts::check(&declared.plan, &mut found);
    // half a plan misses what the other half declares
    if declared.complete {
        idea::check(&declared.plan, &mut found);
        found.extend(readiness(&declared.plan));
    }
    found.sort_by(|a, b| a.place.cmp(&b.place));
    found
}
