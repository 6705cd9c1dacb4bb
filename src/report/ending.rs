//! The last words of a process: how it ended, what its exit code means, where the record is, what to type next.

use std::fmt::Write as _;

use super::follow::{Counts, Follow, How, Undo};
use crate::{
    event::{Closed, FailureKind, OnFailure, Undoing},
    model::{
        Decision, GateClass, StepId,
        text::{count, elapsed, one_line, shell_word},
    },
};

/// The commands that this program has: only those are ever suggested.
#[derive(Clone, Copy, Debug)]
pub struct Verbs(&'static [&'static str]);

impl Verbs {
    /// Every command that views suggest.
    pub const ALL: Self =
        Self(&["run", "approve", "reject", "resume", "abandon", "done", "undo", "note", "runs", "show"]);

    /// These commands.
    pub const fn new(verbs: &'static [&'static str]) -> Self {
        Self(verbs)
    }

    /// Whether there is such a command.
    pub fn has(self, verb: &str) -> bool {
        self.0.contains(&verb)
    }
}

/// One thing to do next: in words, and as the command to paste.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    pub why: String,
    pub command: String,
}

/// How a run was closed, in words.
pub fn closed(how: Closed) -> &'static str {
    match how {
        Closed::Done => "done: its outcome was verified",
        Closed::Undone => "undone: it was taken back",
        Closed::Abandoned => "abandoned",
    }
}

/// The block: `(what, words)` per line. Failures stand above it in full, where they happened; [`next`] below it.
pub fn block(follow: &Follow) -> Vec<(&'static str, String)> {
    let mut out = vec![("outcome", outcome(follow))];
    match &follow.undoing {
        // what was verified is what is being taken back
        Some(Undo { what: Undoing::Changes, steps, .. }) => {
            out.push(("undo", format!("{} of {} taken back", follow.undone.len(), count(*steps, "step"))));
        }
        Some(Undo { what: Undoing::Holds, steps: holds, .. }) => {
            out.push(("steps", steps(follow)));
            out.push(("undo", format!("{} of {} given back", follow.undone.len(), count(*holds, "hold"))));
        }
        None => out.push(("steps", steps(follow))),
    }
    out.extend(follow.left.iter().map(|left| ("stays", one_line(&left.to_string()))));
    let held =
        follow.held.iter().filter(|_| !matches!(follow.ended.as_ref().map(|ended| ended.how), Some(How::Closed(_))));
    out.extend(held.map(|step| {
        let title = follow.step(step).map_or_else(|| step.to_string(), |step| step.title.clone());
        ("held", format!("{} ({step})", one_line(&title)))
    }));
    if follow.flaps > 0 {
        out.push(("flaps", format!("{} while a verify had to stay true: a near miss", follow.flaps)));
    }
    if follow.notes > 0 {
        out.push(("notes", format!("{} kept", count(follow.notes, "note"))));
    }
    out.extend(follow.exceptions.iter().map(|exception| ("exception", one_line(exception))));
    out.extend(follow.incident.iter().map(|path| ("record", one_line(path))));
    if let Some(ended) = &follow.ended {
        out.push(("exit", ended.exit.to_string()));
    }
    out
}

fn outcome(follow: &Follow) -> String {
    let time = follow.started.zip(follow.last).map(|(from, to)| elapsed(super::follow::between(from, to)));
    let after = time.map(|time| format!(" after {time}")).unwrap_or_default();
    let Some(ended) = &follow.ended else {
        return "its journal tells of no end: a process works on it, or worked on it and died".into();
    };
    let reason = ended.reason.as_ref().map(|reason| format!(": {}", one_line(reason))).unwrap_or_default();
    if let Some(found) = not_begun(follow) {
        return format!("not begun{after}: preflight found {}; nothing was changed", found.words());
    }
    match ended.how {
        How::Waiting => format!("waiting{after}{reason}"),
        How::Stopped => format!("stopped{after}{reason}"),
        How::Closed(how) => format!("{}{after}{reason}", closed(how)),
    }
}

/// What preflight found of a run that was closed because of it: all of that stands above.
fn not_begun(follow: &Follow) -> Option<Counts> {
    let closed = follow.ended.as_ref().is_some_and(|ended| ended.how == How::Closed(Closed::Abandoned));
    let refused = follow.failures.iter().any(|(_, failure)| failure.kind == FailureKind::Preflight);
    follow.found.filter(|found| closed && refused && found.errors > 0)
}

fn steps(follow: &Follow) -> String {
    let failed: Vec<&StepId> = follow.failures.iter().filter_map(|(step, _)| step.as_ref()).collect();
    let mut text = match follow.total() {
        Some(total) => format!("{} of {} verified", follow.done.len(), count(total, "step")),
        None => format!("{} verified", count(follow.done.len(), "step")),
    };
    if follow.skipped > 0 {
        let _ = write!(text, " ({} without a change)", follow.skipped);
    }
    if !failed.is_empty() {
        let _ = write!(text, ", {} failed", failed.len());
    }
    let rest = follow.total().unwrap_or(0).saturating_sub(follow.done.len() + failed.len());
    if rest > 0 {
        let _ = write!(text, ", {rest} not reached");
    }
    text
}

/// The command that starts a run of this playbook again, as it was asked for.
fn again(follow: &Follow) -> String {
    let (playbook, settings) = &follow.asked;
    let context = follow.target.as_ref().map_or("", |target| target.name.as_str());
    let mut command = format!("runbook run {} --context {}", shell_word(playbook), shell_word(context));
    let mut add = |flag: &str, value: &str| {
        let _ = write!(command, " {flag} {}", shell_word(value));
    };
    for (name, value) in &settings.params {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        add("-p", &format!("{name}={value}"));
    }
    settings.skip_staging.iter().for_each(|reason| add("--skip-staging", reason));
    settings.until.iter().for_each(|step| add("--until", step));
    settings.faults.iter().for_each(|fault| add("--fault", fault));
    match settings.on_failure {
        OnFailure::Stop => {}
        OnFailure::Undo => add("--on-failure", "undo"),
        OnFailure::Repair => add("--on-failure", "repair"),
    }
    command
}

/// What can be typed next, as far as those commands exist.
pub fn next(follow: &Follow, verbs: Verbs) -> Vec<Next> {
    let Some(run) = &follow.run else { return vec![] };
    let mut out = Vec::new();
    let mut add = |verb: &str, why: &str, command: String| {
        if verbs.has(verb) {
            out.push(Next { why: why.into(), command });
        }
    };
    let how = follow.ended.as_ref().map(|ended| ended.how);
    let incomplete = follow.undo_is_incomplete();
    let holds = follow.undoing.as_ref().is_some_and(|undo| undo.what == Undoing::Holds);
    let go_on = match &follow.undoing {
        Some(_) => format!("runbook undo {run}{}", if holds { " --holds" } else { "" }),
        None => format!("runbook resume {run}"),
    };
    let done = |step: &StepId| format!("runbook done {run} {step} --reason \"…\"");
    match how {
        Some(How::Closed(_)) => {
            if not_begun(follow).is_some() {
                add("run", "once that is mended:", again(follow));
            }
        }
        Some(How::Waiting) => {
            if let Some(step) = &follow.manual {
                add("done", "once it is done by hand:", done(step));
                add(if follow.undoing.is_some() { "undo" } else { "resume" }, "then:", go_on.clone());
            } else if let Some(gate) = follow.waits_at() {
                let rejected = matches!(gate.decision, Some(Decision::NoGo { .. }));
                // a stricter gate's card says whom to ask; nothing that opens it is printed
                if gate.card.class <= GateClass::Any {
                    let why = if rejected { "to open it all the same:" } else { "to open the gate:" };
                    add("approve", why, format!("runbook approve {run}"));
                    add("resume", "then, to go on:", format!("runbook resume {run}"));
                }
                if !rejected {
                    add("reject", "not to go on:", format!("runbook reject {run} --reason \"…\""));
                }
            } else {
                add("resume", "to look again and go on:", format!("runbook resume {run}"));
            }
        }
        Some(How::Stopped) | None if incomplete => {
            let stuck = follow.undoing.as_ref().and_then(|undo| undo.stuck.as_ref());
            if let Some(step) = stuck.filter(|_| how.is_some()) {
                add("undo", "to try again what stays:", go_on.clone());
                add("done", "if it is taken back by hand, say so first:", done(step));
            } else {
                add("undo", "to go on taking it back:", go_on.clone());
            }
        }
        Some(How::Stopped) | None => {
            let in_doubt = follow.failures.iter().find(|(_, failure)| failure.kind == FailureKind::Unknown);
            // a verify that could not be seen may be seen by now; of an effect it has to be said
            let only_said = in_doubt.is_some_and(|(step, failure)| step.is_some() && failure.verifies.is_empty());
            if let Some(step) = in_doubt.and_then(|(step, _)| step.as_ref()) {
                let outcome = "--outcome applied|not-applied|by-hand --reason \"…\"";
                add("resume", "to say what became of it:", format!("runbook resume {run} --step {step} {outcome}"));
            }
            if !only_said {
                add("resume", "to go on from there:", format!("runbook resume {run}"));
            }
        }
    }
    if !matches!(how, Some(How::Closed(_))) {
        if !(follow.held.is_empty() || incomplete && holds) {
            add("undo", "to give back what is held:", format!("runbook undo {run} --holds"));
        }
        if !incomplete || holds {
            add("undo", "to take it back:", format!("runbook undo {run}"));
        }
        add("abandon", "to give it up:", format!("runbook abandon {run} --reason \"…\""));
    }
    add("show", "to see all of it again:", format!("runbook show {run}"));
    if how == Some(How::Closed(Closed::Done)) {
        add("note", "to keep what was surprising:", format!("runbook note {run} \"…\""));
    }
    out
}
