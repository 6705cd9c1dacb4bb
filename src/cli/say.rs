//! What people read when a command ends: the thing, the place, what to type.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use super::global;
use crate::{
    model::{self, Finding, Severity},
    runbook::{Ended, Error, Playbook},
};

/// Writes a result to stdout. A reader that went away is no error.
pub fn result(text: &str) {
    let _ = io::stdout().lock().write_all(text.as_bytes()).and_then(|()| io::stdout().lock().flush());
}

/// Writes a line for people to stderr.
pub fn tell(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A value as pretty JSON on stdout.
pub fn json(value: &impl serde::Serialize) {
    if let Ok(text) = serde_json::to_string_pretty(value) {
        result(&format!("{text}\n"));
    }
}

/// What clap says: help and version are results, everything else is usage.
pub fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(model::ExitCode::Usage.code()) } else { ExitCode::SUCCESS }
}

/// An error of the library, with what to type next.
pub fn failed(error: &Error) -> ExitCode {
    let label = if error.exit_code() == model::ExitCode::Internal { "internal error" } else { "error" };
    tell(&format!("{label}: {error}"));
    for finding in error.findings() {
        tell(&plain(finding));
    }
    for hint in error.hints() {
        tell(&format!("  help: {hint}"));
    }
    ExitCode::from(error.exit_code().code())
}

/// How a run's process ended, where no view has said it: it was refused before the run began to exist.
pub fn ended(ended: &Ended, playbook: &Playbook) {
    findings(&ended.findings, playbook);
    tell(&format!("error: {}", ended.message));
    for help in &ended.help {
        tell(&format!("  help: {help}"));
    }
}

/// Findings with the lines of the script that they are about.
pub fn findings(findings: &[Finding], playbook: &Playbook) {
    let colors = global::colors(global::stderr_is_terminal());
    for finding in findings {
        tell(playbook.explain(finding, colors).trim_end());
        tell("");
    }
}

/// A finding of a file that there is no playbook for.
fn plain(finding: &Finding) -> String {
    let word = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let place = finding.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
    let help = finding.help.iter().map(|help| format!("\n  help: {help}")).collect::<Vec<_>>().concat();
    format!("{place}{word}: {}{help}", finding.message)
}
