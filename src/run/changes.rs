//! A playbook that is not what its run was started with: which steps are new, moved, gone or changed, and what is done.

use super::{Stop, executor::Run, resume::Changed};
use crate::{
    event::{Event, RunState, StepStatus},
    model::{Plan, StepId},
};

impl Run {
    /// Journals that the run goes on with the plan that was declared now.
    pub(super) fn take_changes(&self, changed: &Changed) -> Result<(), Stop> {
        let mut changes = changed.files.clone();
        self.with_state(|state| {
            if let Some((then, _)) = &state.plan {
                changes.extend(differences(then, &self.plan, state));
            }
        });
        self.record(&Event::PlaybookChanged {
            bundle: self.door.bundle().digest(),
            plan: Box::new((*self.plan).clone()),
            digest: self.plan.digest(),
            changes,
        })?;
        Ok(())
    }
}

/// What is different about the steps, a line each.
fn differences(then: &Plan, now: &Plan, state: &RunState) -> Vec<String> {
    let mut out = vec![];
    for step in now.steps() {
        let status = state.step(&step.id).status;
        let kept = match status {
            StepStatus::Verified => "; it is done and keeps what it did",
            StepStatus::Changed => "; its change was made by the version before",
            StepStatus::Started | StepStatus::Failed | StepStatus::Manual => "; it had begun",
            StepStatus::Undone => "; it was taken back",
            StepStatus::Pending => "",
        };
        match then.step(&step.id) {
            None => out.push(format!("step {} is new", step.id)),
            Some(old) if old.digest != step.digest || old.verifies != step.verifies || old.doing != step.doing => {
                out.push(format!("step {} is changed{kept}", step.id));
            }
            Some(_) => {}
        }
    }
    for step in then.steps().filter(|step| now.step(&step.id).is_none()) {
        let left = match state.step(&step.id).status {
            StepStatus::Pending | StepStatus::Undone => "",
            StepStatus::Verified => "; what it did stays",
            _ => "; what it began stays, and nothing verifies it",
        };
        out.push(format!("step {} is gone{left}", step.id));
    }
    let common = |plan: &Plan, other: &Plan| -> Vec<StepId> {
        plan.steps().filter(|step| other.step(&step.id).is_some()).map(|step| step.id.clone()).collect()
    };
    let (before, after) = (common(then, now), common(now, then));
    let moved = before.iter().zip(&after).filter(|(before, after)| before != after).map(|(_, after)| after);
    out.extend(moved.map(|step| format!("step {step} has moved")));
    out
}
