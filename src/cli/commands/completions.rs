use clap_complete::Shell;

use super::super::{command, global::Global, say};
use crate::{model::ExitCode, runbook::Error};

/// Writes a completion script for a shell.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Which shell.
    shell: Shell,
}

impl Args {
    pub fn run(&self, _: &Global) -> Result<ExitCode, Error> {
        let mut script = vec![];
        clap_complete::generate(self.shell, &mut command(), "runbook", &mut script);
        say::result(&String::from_utf8_lossy(&script));
        Ok(ExitCode::Done)
    }
}
