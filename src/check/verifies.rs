use crate::{model::Finding, script::Facts};

/// What hides from a verify what it compares.
pub(super) fn check(facts: &Facts, found: &mut Vec<Finding>) {
    for within in &facts.in_verifies {
        let (message, help) = match within.what.as_str() {
            "try" => (
                format!("`try` has no place in {}: it would hide what is missing", within.closure),
                "compare directly: what is not there yet is waited for; `?? default` gives a default",
            ),
            "switch" => (
                format!("`switch` has no place in {}: it compares unseen", within.closure),
                "write `if … else …`, or comparisons with `&&` and `||`",
            ),
            _ => (
                format!("`{}` has no place in {}: it hides that something is missing", within.what, within.closure),
                "leave it out, or give a default that means something: `?? 0`",
            ),
        };
        found.push(Finding::error("hidden-in-verify", message).at(within.place.clone()).help(help));
    }
}
