use super::super::{
    commands::run::{Force, Watch},
    global::Global,
    prompt,
};
use crate::{
    event::Stated,
    model::{ExitCode, GateClass},
    runbook::{Error, ErrorKind},
};

/// Goes on with a run where its journal ends.
///
/// Says first what it skips, does again and asks, and looks once more at all that is done already.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The run, by its id or any unique part of it.
    run: String,
    /// The step that --outcome or --waive is about, by its id or title.
    #[arg(long, value_name = "STEP")]
    step: Option<String>,
    /// What became of a step that is uncertain or failed; its verifies decide whether it is so.
    #[arg(long, value_enum, value_name = "OUTCOME", requires = "step", requires = "reason")]
    outcome: Option<Outcome>,
    /// Lets one verify not hold, by its text; the context's gate class decides.
    #[arg(long, value_name = "VERIFY", requires = "reason")]
    waive: Option<String>,
    /// Why; it is kept with the run and listed at its end.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Goes on with the playbook as it is now, although the run was started with another version.
    #[arg(long)]
    accept_changes: bool,
    /// Goes on although the cluster is reached by another server or CA; the reason is kept.
    #[arg(long, value_name = "REASON")]
    accept_route: Option<String>,
    #[command(flatten)]
    force: Force,
    #[command(flatten)]
    watch: Watch,
}

/// What is stated about a step.
#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum Outcome {
    /// Its change is made: only its verifies run.
    Applied,
    /// Nothing of its change is there: it is made again from the top.
    NotApplied,
    /// It was made by hand: only its verifies run.
    ByHand,
}

impl Args {
    pub fn run(&self, global: &Global) -> Result<ExitCode, Error> {
        for (flag, given) in [("--reason", &self.reason), ("--accept-route", &self.accept_route)] {
            if given.as_ref().is_some_and(|reason| reason.trim().is_empty()) {
                return Err(Error::new(ErrorKind::Usage, format!("{flag} wants words, which are kept and shown")));
            }
        }
        if self.outcome.is_none() && self.waive.is_none() && (self.step.is_some() || self.reason.is_some()) {
            return Err(Error::new(ErrorKind::Usage, "--step and --reason go with --outcome or --waive")
                .hint("--outcome applied|not-applied|by-hand says what became of a step"));
        }
        let terminal = prompt::Terminal::default();
        let runbook = global.builder().gates(GateClass::Human, terminal.clone()).build()?;
        terminal.notes_to(runbook.clone());
        let mut view = self.watch.view(global);
        let mut order = runbook.resume_telling(&self.run, &mut |line| view.knows(line))?;
        if self.accept_changes {
            order = order.accept_changes();
        }
        let (reason, step) = (self.reason.as_deref().unwrap_or_default(), self.step.as_deref());
        if let (Some(outcome), Some(step)) = (self.outcome, step) {
            order = order.settle(step, outcome.into(), reason);
        }
        if let Some(verify) = &self.waive {
            order = order.waive(verify, step, reason);
        }
        if let Some(reason) = &self.accept_route {
            order = order.accept_route(reason);
        }
        self.watch.run(self.force.on(order)?, &terminal, view)
    }
}

impl From<Outcome> for Stated {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Applied => Self::Applied,
            Outcome::NotApplied => Self::NotApplied,
            Outcome::ByHand => Self::ByHand,
        }
    }
}
