use jiff::Timestamp;
use serde_json::Value;

use crate::object::path::{at, int, text};

/// One entry of `status.conditions`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Condition<'a> {
    pub kind: &'a str,
    pub status: &'a str,
    pub reason: &'a str,
    pub message: &'a str,
    pub observed_generation: Option<i64>,
    since: Option<&'a str>,
}

impl Condition<'_> {
    /// Whether it is `True`.
    pub(super) fn holds(&self) -> bool {
        self.status == "True"
    }

    /// Whether it is `False`, and not just unknown.
    pub(super) fn fails(&self) -> bool {
        self.status == "False"
    }

    /// Whether it speaks of this generation; one that names none does.
    pub(super) fn is_of(&self, generation: Option<i64>) -> bool {
        self.observed_generation.is_none() || self.observed_generation == generation
    }

    pub(super) fn since(&self) -> Option<Timestamp> {
        self.since.and_then(|since| since.parse().ok())
    }

    pub(super) fn reason_or_type(&self) -> String {
        if self.reason.is_empty() { self.kind.to_owned() } else { self.reason.to_owned() }
    }

    pub(super) fn message_or_status(&self) -> String {
        if self.message.is_empty() { format!("{} is {}", self.kind, self.status) } else { self.message.to_owned() }
    }
}

/// The condition of this type.
pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<Condition<'a>> {
    condition_in(at(object, "status.conditions"), kind)
}

/// The condition of this type in a list of them.
pub(super) fn condition_in<'a>(conditions: Option<&'a Value>, kind: &str) -> Option<Condition<'a>> {
    let found = conditions?.as_array()?.iter().find(|condition| text(condition, "type") == Some(kind))?;
    let part = |path| text(found, path).unwrap_or_default();
    Some(Condition {
        kind: part("type"),
        status: part("status"),
        reason: part("reason"),
        message: part("message"),
        observed_generation: int(found, "observedGeneration").filter(|generation| *generation > 0),
        since: text(found, "lastTransitionTime"),
    })
}
