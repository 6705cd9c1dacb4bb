use std::env;

use super::super::{global::Global, say};
use crate::{
    event::Cancel,
    model::{ExitCode, ObjectRef},
    report,
    runbook::{Direction, Error, ErrorKind},
};

/// Shows what depends on objects of a cluster, or what they need, with the fields that show why.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Object references: Kind/namespace/name, or Kind/name.
    #[arg(required = true, value_name = "REF")]
    objects: Vec<ObjectRef>,
    /// The context, as runbook.toml names it.
    #[arg(long, value_name = "NAME")]
    context: String,
    /// What they need, instead of what depends on them.
    #[arg(long)]
    needs: bool,
    /// A graph for Graphviz, instead of a tree.
    #[arg(long)]
    dot: bool,
}

impl Args {
    /// Changes nothing; exits with 12 where the cluster cannot be looked at.
    pub fn run(&self, global: &Global) -> Result<ExitCode, Error> {
        let folder = env::current_dir()
            .map_err(|error| Error::new(ErrorKind::Usage, format!("the working directory cannot be read: {error}")))?;
        let direction = if self.needs { Direction::Needs } else { Direction::Dependents };
        let context = global.runbook()?.context(&self.context, folder)?;
        let reach = context.impact(&self.objects, direction, &Cancel::new())?;
        if global.json() {
            say::json(&serde_json::json!({
                "context": self.context, "objects": reach.objects, "unseen": reach.unseen,
                "direction": reach.impact.direction, "reached": reach.impact.reached,
            }));
        } else if self.dot {
            say::result(&report::impact_dot(&reach.impact));
        } else {
            say::result(&report::impact_tree(&reach.impact));
        }
        for (kind, why) in &reach.unseen {
            say::tell(&format!("warning: {kind} was not looked at: {why}"));
        }
        Ok(ExitCode::Done)
    }
}
