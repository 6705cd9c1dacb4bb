//! How each declaration is written: what a person sees after a wrong argument.

/// Receiver (empty for a function), name, and how it is written.
const USAGES: &[(&str, &str, &str)] = &[
    ("", "plan", "plan(\"title\")"),
    ("", "param", "param(\"name\", #{ default: …, about: \"…\" })"),
    ("", "secret", "secret(\"name\", #{ env: \"VARIABLE\" })"),
    ("", "files", "files(\"manifests/**\")"),
    ("", "discover", "discover(\"name\", sample, || …)"),
    ("", "on_all", "discover(\"name\", sample, || …).on_all()"),
    ("", "assume", "assume(\"text\", \"high\" | \"medium\" | \"low\", || probe)"),
    ("", "risk", "risk(\"what could go wrong\")"),
    ("", "question", "question(\"text\")"),
    ("", "decision", "decision(\"what is to be decided\")"),
    ("", "phase", "phase(\"title\")"),
    ("", "gate", "gate(\"question\")"),
    ("", "step", "step(\"title\")"),
    ("", "before", "before(\"Kind/namespace/name\")"),
    ("plan", "verify", ".verify(\"text\", || …)"),
    ("plan", "within", ".within(\"2m\")"),
    ("plan", "stays", ".stays(\"10s\")"),
    ("plan", "contexts", ".contexts([\"staging\", \"main\"])"),
    ("plan", "label", ".label(\"key\", \"value\")"),
    ("plan", "kind", ".kind(\"change\")"),
    ("phase", "goal", ".goal(\"text\")"),
    ("phase", "no_gate", ".no_gate(\"reason\")"),
    ("gate", "class", ".class(\"human\")"),
    ("gate", "show", ".show(\"text\", || …)"),
    ("gate", "expires", ".expires(\"1h\")"),
    ("question", "resolved", ".resolved(\"answer\")"),
    ("question", "deferred", ".deferred(\"until\")"),
    ("decision", "option", ".option(\"text\", \"trade-off\")"),
    ("decision", "chosen", ".chosen(\"text\", \"because\")"),
    ("assumption", "impact", ".impact(\"text\")"),
    ("assumption", "source", ".source(\"text\")"),
    ("risk", "on", ".on([\"staging\", \"main\"])"),
    ("risk", "affects", ".affects([\"Namespace/monitoring\"])"),
    ("risk", "unknown_blast_radius", ".unknown_blast_radius(\"why\")"),
    ("risk", "rollback", ".rollback(\"text\")"),
    ("step", "change", ".change(|| …)"),
    ("step", "manual", ".manual(\"instructions\")"),
    ("step", "verify", ".verify(\"text\", || …)"),
    ("step", "precheck", ".precheck(\"text\", || …)"),
    ("step", "skip_if", ".skip_if(\"text\", || …)"),
    ("step", "undone", ".undone(\"text\", || …)"),
    ("step", "undo", ".undo(|| …) or .undo(\"instructions\")"),
    ("step", "irreversible", ".irreversible(\"reason\")"),
    ("step", "until", ".until(\"phase\") or .until(\"run\")"),
    ("step", "repair", ".repair(\"text\", || …)"),
    ("step", "idempotent", ".idempotent()"),
    ("step", "within", ".within(\"2m\")"),
    ("step", "stays", ".stays(\"10s\")"),
    ("step", "parks", ".parks()"),
    ("step", "timeout", ".timeout(\"10m\")"),
    ("step", "api_down", ".api_down(\"10m\")"),
    ("step", "touches", ".touches([\"Kind/namespace/name\"])"),
    ("step", "note", ".note(\"text\")"),
];

/// What `plan(…)` and the others take besides what is listed: one text.
const PLAN_TEXTS: [&str; 13] = [
    "problem",
    "outcome",
    "scope",
    "constraint",
    "background",
    "service",
    "upstream",
    "downstream",
    "current",
    "target",
    "validation",
    "rollback",
    "parks",
];

/// The handles that have methods.
pub(crate) const RECEIVERS: [&str; 8] = ["plan", "phase", "gate", "question", "decision", "assumption", "risk", "step"];

/// How a function or method is written; `receiver` is empty for a function.
pub(crate) fn usage(receiver: &str, name: &str) -> Option<String> {
    if let Some((.., usage)) = USAGES.iter().find(|(on, known, _)| *on == receiver && *known == name) {
        return Some((*usage).into());
    }
    (receiver == "plan" && PLAN_TEXTS.contains(&name)).then(|| match name {
        "parks" => ".parks()".into(),
        name => format!(".{name}(\"text\")"),
    })
}

/// The methods of a handle.
pub(crate) fn methods(receiver: &str) -> Vec<&'static str> {
    let mut names: Vec<&str> =
        USAGES.iter().filter(|(on, ..)| !on.is_empty() && *on == receiver).map(|(_, name, _)| *name).collect();
    if receiver == "plan" {
        names.extend(PLAN_TEXTS);
    }
    names
}
