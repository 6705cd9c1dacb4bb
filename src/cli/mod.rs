//! The command line on the public API of `runbook`: arguments, prompts, signals, exit codes; `commands/<verb>`.
//! stdout is the result, stderr is for people. Environment, terminal, working directory and signals belong to it alone.

mod ask;
mod commands;
mod global;
mod prompt;
mod say;
mod signals;
mod view;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};

pub use commands::VERBS;

/// Runs the program: arguments in, exit code out.
pub fn main() -> ExitCode {
    // answered before anything else is set up
    if std::env::args_os().nth(1).is_some_and(|first| first == "--version") && std::env::args_os().len() == 2 {
        say::result(&format!("runbook {}\n", env!("CARGO_PKG_VERSION")));
        return ExitCode::SUCCESS;
    }
    let matches = match command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return say::usage(&error),
    };
    let cli = match commands::Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return say::usage(&error),
    };
    match cli.run() {
        Ok(code) => ExitCode::from(code.code()),
        Err(error) => say::failed(&error),
    }
}

/// The command line as clap knows it: for completions and the manual page.
fn command() -> clap::Command {
    commands::Cli::command()
}
