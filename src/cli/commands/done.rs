use super::super::{global::Global, say};
use crate::{model::ExitCode, runbook::Error};

/// Says that what a manual step asks for is done; its verifies decide whether it is.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The run, by its id or any unique part of it.
    run: String,
    /// The step, by its id or title's slug.
    step: String,
    /// With which words.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Args {
    pub fn run(&self, global: &Global) -> Result<ExitCode, Error> {
        let runbook = global.runbook()?;
        let run = runbook.done(&self.run, &self.step, self.reason.as_deref())?;
        if global.json() {
            say::json(&serde_json::json!({ "run": run, "said": "done", "step": self.step }));
        } else if runbook.is_live(&run) {
            say::result(&format!("kept: run {run} goes on with its verifies\n"));
        } else {
            let verb = if runbook.state(&run)?.undoing.is_some() { "undo" } else { "resume" };
            say::result(&format!("kept; go on with: runbook {verb} {run}\n"));
        }
        Ok(ExitCode::Done)
    }
}
