use crate::{model::Finding, script::Facts};

/// Assignments to captured variables: the closure runs later, with a copy, and what it assigns is lost.
pub(super) fn check(facts: &Facts, found: &mut Vec<Finding>) {
    for within in &facts.lost_assignments {
        found.push(
            Finding::error(
                "lost-assignment",
                format!("`{}` is captured by {}; what is assigned to it there is lost", within.what, within.closure),
            )
            .at(within.place.clone())
            .help("return the value from the change, and read it later as `output()` or as the step's `.output`"),
        );
    }
}
