//! The modules that come with runbook, importable as `std/<name>`.

/// Name and text of each, sorted by name.
const MODULES: &[(&str, &str)] =
    &[("flux", include_str!("../../stdlib/flux.rhai")), ("rollout", include_str!("../../stdlib/rollout.rhai"))];

/// The text of `std/<name>`.
pub fn text(name: &str) -> Option<&'static str> {
    MODULES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The names of all modules, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    MODULES.iter().map(|(name, _)| *name)
}
