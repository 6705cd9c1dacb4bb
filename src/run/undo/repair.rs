//! A step's repair: tried at most once, only where the run was asked for it; then the verifies again.

use super::super::{Stop, executor::Run};
use crate::{
    event::{Event, Failure, FailureKind, OnFailure, Part},
    model::Step,
};

impl Run {
    /// Whether a repair of this step was begun by a process that did not see its end.
    pub fn is_being_repaired(&self, step: &Step) -> bool {
        self.with_state(|state| {
            let begun = state.step(&step.id).repair.is_some_and(|repair| !repair.ended);
            begun && state.settings.on_failure == OnFailure::Repair
        })
    }

    /// Whether this failure is one that the step's repair is tried for.
    pub fn may_repair(&self, step: &Step, failure: &Failure) -> bool {
        let wanted = self.with_state(|state| {
            state.settings.on_failure == OnFailure::Repair && state.step(&step.id).repair.is_none()
        });
        wanted && step.repair.is_some() && matches!(failure.kind, FailureKind::Verify | FailureKind::Change)
    }

    /// Repairs a step, and verifies it again.
    pub fn repair(&mut self, step: &Step) -> Result<(), Stop> {
        let text = step.repair.clone().unwrap_or_default();
        self.record(&Event::RepairStarted { step: step.id.clone(), text })?;
        let repaired = self.perform(step, Part::Repair);
        let failure = match repaired {
            Ok(_) => None,
            Err(Stop::Failed { failure, .. }) => Some(failure),
            // it goes on when the run does
            Err(stop) => return Err(stop),
        };
        self.append(&Event::RepairEnded { step: step.id.clone(), failure: failure.as_deref().cloned() })?;
        if let Some(failure) = failure {
            return Err(Stop::Failed { failure, step: Some(step.id.clone()) });
        }
        let before = self.with_state(|state| state.step(&step.id).before);
        self.verify(step, &before)
    }
}
