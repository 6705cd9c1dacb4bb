//! Temporary changes: given back, verified, when what they are for has ended well; named wherever a run stops before that.

use super::super::{Stop, executor::Run};
use crate::{
    event::{Failure, FailureKind, RunState},
    model::{Fact, Hold, Left, Phase, Step, StepId},
};

impl Run {
    /// Gives back what a phase has held; what the run holds, where there is no phase.
    pub fn give_back(&mut self, phase: Option<&Phase>) -> Result<(), Stop> {
        let mine = |step: &&&Step| match phase {
            Some(phase) => step.until == Some(Hold::Phase) && phase.steps().any(|own| own.id == step.id),
            None => true,
        };
        let held: Vec<StepId> =
            self.with_state(|state| state.held().iter().filter(mine).map(|step| step.id.clone()).collect::<Vec<_>>());
        for id in held.into_iter().rev() {
            self.go_on()?;
            let left = self.step_back(&id, true, false)?;
            if !left.is_empty() {
                let words = left.iter().map(Left::to_string).collect::<Vec<_>>().join("; ");
                let message = format!("the hold of step {id} was not given back: {words}");
                let failure = Failure::new(FailureKind::Undo, message);
                return Err(Stop::Failed { failure: Box::new(failure), step: None });
            }
        }
        Ok(())
    }

    /// What a gate shows of holds and repairs so far.
    pub fn held_and_repaired(&self) -> Vec<Fact> {
        self.with_state(|state: &RunState| {
            let held = state.held().into_iter().map(|step| format!("held until the {}: {}", until(step), step.title));
            let repaired = state.steps.iter().filter_map(|(id, step)| {
                let repair = step.repair.as_ref()?;
                let after = repair.after.as_ref().map(|after| format!(", after: {after}")).unwrap_or_default();
                Some(format!("step {id} was repaired by \"{}\"{after}", repair.text))
            });
            held.chain(repaired).map(|text| Fact::Known { text }).collect()
        })
    }
}

fn until(step: &Step) -> &'static str {
    match step.until {
        Some(Hold::Phase) => "phase ends",
        _ => "run ends",
    }
}
