//! The Kubernetes natives, a file for each way to look or to change: reads go through the verify's watches where there are
//! any, effects through the ledger.

mod apply;
mod ask;
mod change;
mod delete;
mod diff;
mod drain;
mod exec;
mod images;
mod job;
mod kept;
mod manifest;
mod options;
mod read;
mod secrets;

use super::{EffectError, Sort};
use crate::{
    cluster::{ClusterError, Selector},
    model::ObjectRef,
};

pub use apply::DryRun;
pub use ask::{Allowed, LogsOf};
pub use exec::ExecInput;
pub use manifest::{Manifests, Source};
pub use options::{ChangeOptions, DrainOptions};
pub use read::Readiness;

fn parse(reference: &str) -> Result<ObjectRef, EffectError> {
    reference.parse().map_err(|error: crate::model::RefError| EffectError::new(Sort::Argument, error.to_string()))
}

fn selected(selector: &Selector) -> String {
    let parts = [&selector.labels, &selector.fields].into_iter().flatten().map(String::as_str).collect::<Vec<_>>();
    if parts.is_empty() { String::new() } else { format!(" where {}", parts.join(",")) }
}

fn uncertain(native: &str, target: &str, error: &EffectError) -> EffectError {
    EffectError::new(
        if error.sort == Sort::Cancelled { Sort::Cancelled } else { Sort::Uncertain },
        format!("{native} {target} was sent and its answer is not known: {error}"),
    )
}

impl From<ClusterError> for EffectError {
    fn from(error: ClusterError) -> Self {
        let sort = match &error {
            ClusterError::Unreachable { .. } => Sort::Unreachable,
            ClusterError::Cancelled { .. } => Sort::Cancelled,
            ClusterError::Deadline { .. } => Sort::Deadline,
            ClusterError::Conflict { .. } | ClusterError::Invalid { .. } | ClusterError::Rejected { .. } => {
                Sort::Failed
            }
            _ => Sort::Hard,
        };
        let help = error.help();
        Self { sort, message: error.to_string(), help }
    }
}
