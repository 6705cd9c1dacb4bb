use std::path::PathBuf;

use super::super::{global::Global, say};
use crate::{
    model::{ExitCode, Severity, text},
    runbook::Error,
};

/// Finds what is wrong with a playbook, all of it at once, without a cluster.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The playbook, a .rhai file.
    playbook: PathBuf,
}

impl Args {
    /// Exits with 13 where the playbook would be refused.
    pub fn run(&self, global: &Global) -> Result<ExitCode, Error> {
        let playbook = global.runbook()?.load(&self.playbook)?;
        let findings = playbook.findings();
        let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
        if global.json() {
            say::json(&serde_json::json!({
                "playbook": self.playbook,
                "digest": playbook.digest(),
                "ready": errors == 0,
                "findings": findings,
            }));
        } else {
            say::findings(&findings, &playbook);
            let plan = playbook.plan();
            let steps = plan.steps().count();
            say::result(&match errors {
                0 => format!(
                    "{}: ready, {} in {}\n",
                    self.playbook.display(),
                    text::count(steps, "step"),
                    text::count(plan.phases.len(), "phase")
                ),
                1 => format!("{}: not ready: 1 finding\n", self.playbook.display()),
                n => format!("{}: not ready: {n} findings\n", self.playbook.display()),
            });
        }
        Ok(if errors == 0 { ExitCode::Done } else { ExitCode::Refused })
    }
}
