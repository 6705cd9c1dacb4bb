use super::super::{global::Global, say};
use crate::{model::ExitCode, runbook::Error};

/// Opens the gate that a run waits at, on the evidence that it shows.
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
        let run = runbook.approve(&self.run, self.reason.as_deref())?;
        if global.json() {
            say::json(&serde_json::json!({ "run": run, "said": "approve" }));
        } else if runbook.is_live(&run) {
            say::result(&format!("approved: run {run} goes on\n"));
        } else {
            say::result(&format!("approved; go on with: runbook resume {run}\n"));
        }
        Ok(ExitCode::Done)
    }
}
