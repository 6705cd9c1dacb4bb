use super::super::{global::Global, say};
use crate::{model::ExitCode, runbook::Error};

/// Keeps something unexpected that was seen, with the run and its present step.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The run, by its id or any unique part of it.
    run: String,
    /// What was seen.
    text: String,
}

impl Args {
    pub fn run(&self, global: &Global) -> Result<ExitCode, Error> {
        let run = global.runbook()?.note(&self.run, &self.text)?;
        if global.json() {
            say::json(&serde_json::json!({ "run": run, "said": "note" }));
        } else {
            say::result(&format!("kept with run {run}\n"));
        }
        Ok(ExitCode::Done)
    }
}
