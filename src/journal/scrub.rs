//! What the scrubber may replace in an event: all that comes from outside, and nothing that the fold needs to be as it is.

use serde_json::Value;

use crate::{event::Event, redact::Scrubber};

/// Under these stands what a cluster, a command or a script said: everything in it is scrubbed, keys and numbers too.
const OPEN: [&str; 8] = ["value", "output", "expected", "observed", "params", "image", "after", "one_of"];

/// Under these stand ids, digests and times: the program made them, or the playbook declared them in the open.
const FIXED: [&str; 32] = [
    "api_down", "at", "bundle", "ca", "digest", "expires", "file", "gate", "id", "input", "name", "native", "plan",
    "program", "redo", "run", "skip", "started", "stays", "step", "steps", "tier", "timeout", "took", "uid", "via",
    "within", "exit", "boot", "since", "until", "held",
];

/// Words of the format: alone, they are never a secret's value by more than chance, and without them a line is not read.
const WORDS: [&str; 88] = [
    "abandoned",
    "acknowledge",
    "alone",
    "annotate",
    "any",
    "applied",
    "apply",
    "approve",
    "auto",
    "automatic",
    "by",
    "by-hand",
    "cancelled",
    "change",
    "check",
    "closure",
    "commit",
    "cordon",
    "delete",
    "differences",
    "does-not-hold",
    "done",
    "drain",
    "drill",
    "emergency",
    "error",
    "exec",
    "expired",
    "failed",
    "go",
    "high",
    "holds",
    "human",
    "identity",
    "instructions",
    "internal",
    "interrupted",
    "irreversible",
    "job",
    "journal",
    "known",
    "label",
    "list",
    "locked",
    "low",
    "maintenance",
    "mandated",
    "manual",
    "medium",
    "module",
    "no-go",
    "not-applied",
    "not-now",
    "not-required",
    "not-tried",
    "not-yet",
    "note",
    "object",
    "open",
    "outcome-unknown",
    "patch",
    "phase",
    "polled",
    "post",
    "precheck",
    "preflight",
    "preflight-failed",
    "refused",
    "regression",
    "reject",
    "rejected",
    "restart",
    "run",
    "scale",
    "shown",
    "signed",
    "skipped",
    "step-failed",
    "terminated",
    "unchanged",
    "uncordon",
    "undo-incomplete",
    "undone",
    "unknown",
    "verify",
    "waiting",
    "warning",
    "write",
];

/// The event as it may be written; none where nothing had to be replaced. An error where what is left is no event.
pub(super) fn scrubbed(event: &Event, scrubber: &Scrubber) -> Result<Option<Event>, serde_json::Error> {
    if !scrubber.knows_any() {
        return Ok(None);
    }
    let mut event = serde_json::to_value(event)?;
    let replaced = event.get_mut("p").is_some_and(|payload| typed(payload, scrubber));
    if replaced { serde_json::from_value(event).map(Some) } else { Ok(None) }
}

/// Scrubs what may be; whether anything was replaced.
fn typed(value: &mut Value, scrubber: &Scrubber) -> bool {
    match value {
        Value::String(text) if WORDS.binary_search(&text.as_str()).is_err() => scrubber.scrub_value(value),
        Value::Array(items) => items.iter_mut().fold(false, |replaced, item| typed(item, scrubber) | replaced),
        Value::Object(map) => map.iter_mut().fold(false, |replaced, (key, value)| {
            // the parameters of a plan are declarations, those of a run or a gate are values
            let declared = key == "params" && value.is_array();
            let here = if OPEN.contains(&key.as_str()) && !declared {
                scrubber.scrub_value(value)
            } else {
                (!FIXED.contains(&key.as_str()) || value.is_object()) && typed(value, scrubber)
            };
            here | replaced
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_in_order() {
        assert!(WORDS.is_sorted());
    }
}
