use jiff::tz::TimeZone;

use super::super::{global::Global, say, view};
use crate::{
    model::{ExitCode, RunId},
    report::Commands,
    runbook::{Error, Runbook},
};

/// Replays a run through the same views as a live one.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The run, by its id or any unique part of it.
    run: String,
    /// All that its commands printed, instead.
    #[arg(long)]
    commands: bool,
}

impl Args {
    pub fn run(&self, global: &Global) -> Result<ExitCode, Error> {
        let runbook = global.runbook()?;
        let run = runbook.find(&self.run)?;
        if self.commands {
            return commands(&runbook, &run, global.json());
        }
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

fn commands(runbook: &Runbook, run: &RunId, json: bool) -> Result<ExitCode, Error> {
    let mut commands = Commands::default();
    runbook.show(run, 1, &mut |line| {
        commands.line(line);
        true
    })?;
    if json {
        say::json(&commands.printed());
    } else {
        say::result(&commands.text(&TimeZone::system()));
    }
    Ok(ExitCode::Done)
}
