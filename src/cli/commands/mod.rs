//! One verb a file.

mod abandon;
mod approve;
mod check;
mod completions;
mod doctor;
mod done;
mod impact;
mod man;
mod new;
mod note;
mod plan;
mod reject;
mod resume;
mod run;
mod runs;
mod sandbox;
mod show;
mod undo;

use clap::{Parser, Subcommand};

use super::global::Global;
use crate::{model::ExitCode, runbook::Error};

/// Every verb that there is; what suggests a command suggests one of these.
pub const VERBS: &[&str] = &[
    "new",
    "check",
    "plan",
    "run",
    "resume",
    "approve",
    "reject",
    "done",
    "undo",
    "abandon",
    "note",
    "runs",
    "show",
    "impact",
    "doctor",
    "sandbox",
    "completions",
    "man",
];

/// Runs change procedures that people dare to run.
#[derive(Parser, Debug)]
#[command(name = "runbook", version, max_term_width = 100, after_help = AFTER)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

const AFTER: &str = "\
Exit codes:
   0 done               10 a verify did not hold  20 waiting           31 another context
   1 internal error     11 a step failed          21 gate rejected     40 outcome unknown
   2 usage              12 preflight failed       22 approval expired  41 undo incomplete
   3 differences found  13 playbook refused       30 locked            130, 143 signals";

#[derive(Subcommand, Debug)]
enum Verb {
    New(new::Args),
    Check(check::Args),
    Plan(plan::Args),
    Run(run::Args),
    Resume(resume::Args),
    Approve(approve::Args),
    Reject(reject::Args),
    Done(done::Args),
    Undo(undo::Args),
    Abandon(abandon::Args),
    Note(note::Args),
    Runs(runs::Args),
    Show(show::Args),
    Impact(impact::Args),
    Doctor(doctor::Args),
    Sandbox(sandbox::Args),
    Completions(completions::Args),
    Man(man::Args),
}

impl Cli {
    /// Runs the verb.
    pub fn run(&self) -> Result<ExitCode, Error> {
        let global = &self.global;
        match &self.verb {
            Verb::New(args) => args.run(global),
            Verb::Check(args) => args.run(global),
            Verb::Plan(args) => args.run(global),
            Verb::Run(args) => args.run(global),
            Verb::Resume(args) => args.run(global),
            Verb::Approve(args) => args.run(global),
            Verb::Reject(args) => args.run(global),
            Verb::Done(args) => args.run(global),
            Verb::Undo(args) => args.run(global),
            Verb::Abandon(args) => args.run(global),
            Verb::Note(args) => args.run(global),
            Verb::Runs(runs::Args {}) => runs::run(global),
            Verb::Show(args) => args.run(global),
            Verb::Impact(args) => args.run(global),
            Verb::Doctor(args) => args.run(global),
            Verb::Sandbox(args) => args.run(global),
            Verb::Completions(args) => Ok(args.run()),
            Verb::Man(man::Args {}) => man::run(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn every_verb_is_in_the_list_that_suggestions_come_from() {
        let known: Vec<String> = Cli::command().get_subcommands().map(|verb| verb.get_name().to_string()).collect();
        assert_eq!(known, VERBS);
    }

    #[test]
    fn the_arguments_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }
}
