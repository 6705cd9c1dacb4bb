use crate::{model::Finding, script::Facts};

/// What the language leaves out, and what to write instead.
const OFF: [(&str, &str); 3] = [
    ("timestamp", "write `time::now()`"),
    ("sleep", "write a verify with `.within(\"2m\")`: it waits until something is so"),
    ("exit", "write `return` in a closure, or `throw \"why\"` to fail"),
];

/// Functions of the engine that playbooks do not have.
pub(super) fn check(facts: &Facts, found: &mut Vec<Finding>) {
    for site in facts.calls.iter().filter(|site| site.module.is_empty() && !site.method) {
        if facts.functions.iter().any(|(name, _)| *name == site.name) {
            continue;
        }
        if let Some((name, instead)) = OFF.iter().find(|(name, _)| *name == site.name) {
            found.push(
                Finding::error("not-in-the-language", format!("`{name}` is not part of the playbook language"))
                    .at(site.place.clone())
                    .help(*instead),
            );
        }
    }
}
