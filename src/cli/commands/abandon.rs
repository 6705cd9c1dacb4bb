use super::super::{global::Global, say};
use crate::{model::ExitCode, runbook::Error};

/// Gives a run up: it keeps its place no more, and what it changed stays.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The run, by its id or any unique part of it.
    run: String,
    /// Why; it is kept with the run.
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

impl Args {
    pub fn run(&self, global: &Global) -> Result<ExitCode, Error> {
        let runbook = global.runbook()?;
        let run = runbook.find(&self.run)?;
        let unreadable = runbook.state(&run).err();
        let left = runbook.abandon(&self.run, &self.reason)?;
        if global.json() {
            say::json(&serde_json::json!({ "run": run, "abandoned": true, "left": left }));
        } else if let Some(error) = unreadable {
            say::result(&format!(
                "run {run} is given up; its journal cannot be read, so look for yourself at what it changed:\n  {error}\n"
            ));
        } else if left.is_empty() {
            say::result(&format!("run {run} is given up; it changed nothing\n"));
        } else {
            let steps = left.iter().map(|step| format!("  {step}\n")).collect::<Vec<_>>().concat();
            say::result(&format!("run {run} is given up; what these steps changed stays:\n{steps}"));
        }
        Ok(ExitCode::Done)
    }
}
