//! Discovered values: a `discover` that failed while the context was bound.

use crate::{model::Finding, run::executor::Run};

impl Run {
    /// What could not be discovered, and so stands in the plan as its sample.
    pub(super) fn discoveries(&self) -> Vec<Finding> {
        self.plan
            .discoveries
            .iter()
            .filter_map(|discovery| {
                let why = discovery.failed.as_ref()?;
                let on = discovery.context.as_ref().map(|context| format!(" on {context}")).unwrap_or_default();
                let message = format!("\"{}\" could not be discovered{on}: {why}", discovery.name);
                Some(Finding::error("discovery", message).at(discovery.place.clone()))
            })
            .collect()
    }
}
