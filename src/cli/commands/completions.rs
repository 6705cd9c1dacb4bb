use clap_complete::Shell;

use super::super::{command, say};
use crate::model::ExitCode;

/// Writes a completion script for a shell.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Which shell.
    shell: Shell,
}

impl Args {
    pub fn run(&self) -> ExitCode {
        let mut script = vec![];
        clap_complete::generate(self.shell, &mut command(), "runbook", &mut script);
        say::result(&String::from_utf8_lossy(&script));
        ExitCode::Done
    }
}
