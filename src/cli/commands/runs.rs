use jiff::tz::TimeZone;

use super::super::{global::Global, say, view};
use crate::{model::ExitCode, report, runbook::Error};

/// Lists all runs, the latest first: where each one is, and what to type next.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(global: &Global) -> Result<ExitCode, Error> {
    let runbook = global.runbook()?;
    let rows: Vec<report::Row> = runbook
        .runs()?
        .iter()
        .map(|(run, state)| {
            let state = state.as_ref().map_err(ToString::to_string);
            report::row(run, state, runbook.is_live(run), view::SUGGESTED)
        })
        .collect();
    if global.json() {
        say::json(&rows);
    } else if rows.is_empty() {
        say::tell("no runs yet: runbook run PLAYBOOK --context NAME");
    } else {
        let width = console::Term::stdout().size_checked().map_or(120, |(_, width)| usize::from(width));
        say::result(&report::runs(&rows, &TimeZone::system(), width));
    }
    Ok(ExitCode::Done)
}
