use super::super::{global::Global, say};
use crate::{model::ExitCode, runbook::Error};

/// Keeps the gate that a run waits at shut.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The run, by its id or any unique part of it.
    run: String,
    /// With which words.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Args {
    pub fn run(&self, global: &Global) -> Result<ExitCode, Error> {
        let runbook = global.runbook()?;
        let run = runbook.reject(&self.run, self.reason.as_deref())?;
        if global.json() {
            say::json(&serde_json::json!({ "run": run, "said": "reject" }));
        } else {
            say::result(&format!(
                "rejected; nothing more changes in run {run}\n  give it up: runbook abandon {run} --reason \"…\"\n  ask again:  runbook resume {run}\n"
            ));
        }
        Ok(ExitCode::Done)
    }
}
