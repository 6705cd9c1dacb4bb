use super::super::{global::Global, view};
use crate::{model::ExitCode, runbook::Error};

/// Replays a run through the same views as a live one.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The run, by its id or any unique part of it.
    run: String,
}

impl Args {
    pub fn run(&self, global: &Global) -> Result<ExitCode, Error> {
        let runbook = global.runbook()?;
        let run = runbook.find(&self.run)?;
        let mut sink = view::replay(std::io::stdout(), global.json());
        let shown = runbook.show(&run, 1, &mut |line| {
            sink.line(line);
            true
        });
        sink.end();
        shown?;
        Ok(ExitCode::Done)
    }
}
