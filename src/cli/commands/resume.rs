use super::super::{
    commands::run::{Force, Watch},
    global::Global,
    prompt,
};
use crate::{
    model::{ExitCode, GateClass},
    runbook::Error,
};

/// Goes on with a run where its journal ends.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The run, by its id or any unique part of it.
    run: String,
    #[command(flatten)]
    force: Force,
    #[command(flatten)]
    watch: Watch,
}

impl Args {
    pub fn run(&self, global: &Global) -> Result<ExitCode, Error> {
        let terminal = prompt::Terminal::default();
        let runbook = global.builder().gates(GateClass::Human, terminal.clone()).build()?;
        terminal.notes_to(runbook.clone());
        let order = runbook.resume(&self.run)?;
        let mut earlier = vec![];
        runbook.show(&runbook.find(&self.run)?, 1, &mut |line| {
            earlier.push(line.clone());
            true
        })?;
        self.watch.run(self.force.on(order)?, global, &terminal, &earlier)
    }
}
