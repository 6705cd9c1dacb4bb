//! The blameless incident record: a pure function of a run's journal. Build, render, questions.
//! It says what was seen, expected and known, and how; never who. What the machine writes are facts with their source:
//! never a cause, a lesson or a story. What is not known says *not captured*. Nothing in it has to be filled in.
//! `record` are its values and the sidecar's schema, `build` folds a journal's lines into them, `timeline` says a line in
//! neutral words, `gaps` and `questions` choose what to look at, `render` is the Markdown.

mod build;
mod gaps;
mod name;
mod questions;
mod record;
mod render;
mod timeline;

pub use build::{Recorder, build, due};
pub use name::file_stem;
pub use record::{
    AssumptionEntry, Changed, EvidenceEntry, GateEntry, Incident, Moment, Passed, Prompt, SCHEMA, Section, StepEntry,
};
pub use render::render;

/// The record's two files: the Markdown and, with the same stem, the JSON sidecar with all of the evidence. Writing them, and
/// not over a record that people have added to, is the caller's.
pub fn files(incident: &Incident) -> [(String, Vec<u8>); 2] {
    let mut json = serde_json::to_vec_pretty(incident).unwrap_or_default();
    json.push(b'\n');
    [(format!("{}.md", incident.id), render(incident).into_bytes()), (format!("{}.json", incident.id), json)]
}

#[cfg(test)]
mod tests;
