use crate::{model::Finding, script::Facts};

/// Functions whose name would take over an operator.
pub(super) fn check(facts: &Facts, found: &mut Vec<Finding>) {
    for (name, place) in &facts.functions {
        if name == "contains" {
            found.push(
                Finding::error("takes-over-in", "a function `contains` takes over the operator `in`")
                    .at(place.clone())
                    .help("give it another name, e.g. `holds`"),
            );
        }
    }
}
