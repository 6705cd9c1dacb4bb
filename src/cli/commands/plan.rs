use std::path::PathBuf;

use super::super::{commands::run::Params, global::Global, say};
use crate::{
    model::ExitCode,
    report,
    runbook::{Error, ErrorKind},
};

/// Writes the plan as a document: the eight sections, from the playbook alone.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The playbook, a .rhai file.
    playbook: PathBuf,
    /// The context to declare it for; without it, the first that it names.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    #[command(flatten)]
    params: Params,
}

impl Args {
    /// Exits with 13 where the playbook would be refused; the document is written all the same.
    pub fn run(&self, global: &Global) -> Result<ExitCode, Error> {
        let playbook = global.runbook()?.load(&self.playbook)?;
        let params = self.params.read()?;
        if let Some(context) = &self.context {
            let known = [playbook.contexts(), playbook.plan().contexts].concat();
            if !known.contains(context) {
                let near = known
                    .iter()
                    .max_by(|a, b| strsim::jaro_winkler(a, context).total_cmp(&strsim::jaro_winkler(b, context)));
                let message = format!("context `{context}` is named neither by runbook.toml nor by the playbook");
                let error = Error::new(ErrorKind::Context, message);
                return Err(match near {
                    Some(near) => error.hint(format!("did you mean --context {near}?")),
                    None => error,
                });
            }
        }
        let (plan, findings) = match &self.context {
            Some(context) => playbook.plan_for(context, params),
            None if params.is_empty() => (playbook.plan(), playbook.findings()),
            None => {
                let first = playbook.plan().contexts.first().cloned().unwrap_or_default();
                playbook.plan_for(&first, params)
            }
        };
        if global.json() {
            say::json(&serde_json::json!({ "plan": plan, "digest": plan.digest(), "findings": findings }));
        } else {
            say::result(&report::markdown(&plan, &findings, self.context.as_deref()));
            say::findings(&findings, &playbook);
        }
        let refused = findings.iter().any(|finding| finding.severity == crate::model::Severity::Error);
        Ok(if refused { ExitCode::Refused } else { ExitCode::Done })
    }
}
