use std::collections::BTreeSet;

use crate::{
    model::Finding,
    script::{Facts, Site, arguments},
};

/// Calls with a number of arguments that no function of the name takes.
pub(super) fn check(facts: &Facts, found: &mut Vec<Finding>) {
    for site in &facts.calls {
        let Some(counts) = counts(facts, site) else { continue };
        // for a method, the value before the dot is its first argument
        let receiver = usize::from(site.method);
        if counts.contains(&(site.arguments + receiver)) {
            continue;
        }
        let takes: Vec<usize> = counts.iter().filter_map(|count| count.checked_sub(receiver)).collect();
        if takes.is_empty() {
            continue;
        }
        let name = if site.module.is_empty() { site.name.clone() } else { format!("{}::{}", site.module, site.name) };
        found.push(
            Finding::error(
                "wrong-argument-count",
                format!("`{name}` takes {}, and is called with {}", either(&takes), arguments(site.arguments)),
            )
            .at(site.place.clone()),
        );
    }
}

fn counts<'f>(facts: &'f Facts, site: &Site) -> Option<&'f BTreeSet<usize>> {
    if site.module.is_empty() {
        if site.method && facts.keys.contains(&site.name) {
            return None;
        }
        return facts.names.plain(&site.name);
    }
    facts.functions_of(site)?.get(&site.name)
}

/// "1 argument", "1 or 2 arguments".
fn either(counts: &[usize]) -> String {
    match counts {
        [count] => arguments(*count),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(ToString::to_string).collect();
            format!("{} or {last} arguments", first.join(", "))
        }
        [] => arguments(0),
    }
}
