use super::super::{
    commands::run::{Force, Watch},
    global::Global,
    prompt, say,
};
use crate::{
    model::{ExitCode, GateClass},
    report::{self, Progress},
    runbook::{Error, ErrorKind},
};

/// Takes back what a run changed: in reverse, each way back verified. What may not be taken back by itself is left and named.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The run, by its id or any unique part of it.
    run: String,
    /// The last step that is taken back, by id or title; without it all of them are.
    #[arg(long, value_name = "STEP")]
    to: Option<String>,
    /// Says what would be taken back, what would stay and why; changes nothing.
    #[arg(long)]
    dry_run: bool,
    /// Gives back what is held (suspended, cordoned, silenced) and nothing else.
    #[arg(long, conflicts_with = "to")]
    holds: bool,
    /// Why; it is kept with the run.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Goes on although the cluster is reached by another server or CA; the reason is kept.
    #[arg(long, value_name = "REASON")]
    accept_route: Option<String>,
    #[command(flatten)]
    force: Force,
    /// How progress is shown: auto, plain, tty, json, quiet.
    #[arg(long, value_name = "KIND", default_value = "auto")]
    progress: Progress,
}

impl Args {
    pub fn run(&self, global: &Global) -> Result<ExitCode, Error> {
        let terminal = prompt::Terminal::default();
        let runbook = global.builder().gates(GateClass::Human, terminal.clone()).build()?;
        let mut undo = runbook.undo(&self.run)?;
        if let Some(step) = &self.to {
            undo = undo.to(step);
        }
        if self.holds {
            undo = undo.holds();
        }
        if let Some(reason) = &self.reason {
            if reason.trim().is_empty() {
                return Err(Error::new(ErrorKind::Usage, "--reason wants words: they are kept with the run"));
            }
            undo = undo.reason(reason);
        }
        if self.accept_route.as_ref().is_some_and(|reason| reason.trim().is_empty()) {
            return Err(Error::new(ErrorKind::Usage, "--accept-route wants words: they are kept with the run"));
        }
        if self.dry_run {
            let plan = undo.dry_run()?;
            if global.json() {
                say::json(&plan);
            } else {
                say::result(&report::ways_back(&plan));
            }
            return Ok(ExitCode::Done);
        }
        terminal.notes_to(runbook.clone());
        let watch = Watch::shown(self.progress);
        let mut view = watch.view(global);
        runbook.show(&runbook.find(&self.run)?, 1, &mut |line| {
            view.knows(line);
            true
        })?;
        let mut order = undo.order();
        if let Some(reason) = &self.accept_route {
            order = order.accept_route(reason);
        }
        watch.run(self.force.on(order)?, &terminal, view)
    }
}
