use super::{Error, Order, Runbook, playbook::Playbook};
use crate::{
    event::{StepStatus, Undoing},
    model::UndoPlan,
    run::Ask,
};

impl Runbook {
    /// Takes a run back: in reverse, the failed or uncertain step first, a skipped one never. It is journaled like the run,
    /// and goes on where a process before ended. A run that is done or given up takes its place again for it.
    ///
    /// # Errors
    /// No such run, or a damaged journal. What cannot be taken back is what the undo came to: see [`Run::wait`].
    ///
    /// [`Run::wait`]: super::Run::wait
    pub fn undo(&self, run: &str) -> Result<Undo, Error> {
        Ok(Undo { order: Playbook::undo(&self.inner, &self.inner.store.find(run)?)? })
    }
}

/// A run that is about to be taken back.
#[derive(Debug)]
pub struct Undo {
    order: Order,
}

impl Undo {
    /// Takes back no further than to this step, by id or title: it is the last one.
    #[must_use]
    pub fn to(mut self, step: &str) -> Self {
        self.ask().to = Some(step.into());
        self
    }

    /// Gives back what is held, and nothing else.
    #[must_use]
    pub fn holds(mut self) -> Self {
        self.ask().what = Undoing::Holds;
        self
    }

    /// With which words; they are kept.
    #[must_use]
    pub fn reason(mut self, reason: &str) -> Self {
        self.ask().reason = Some(reason.into());
        self
    }

    /// What it would do, by how things are now: what goes back, what stays and why. Nothing is sent or journaled.
    ///
    /// # Errors
    /// A context that cannot be reached, another cluster, a step that is not there.
    pub fn dry_run(self) -> Result<UndoPlan, Error> {
        self.order.ways_back()
    }

    /// As an order: for views, and to be started.
    pub fn order(self) -> Order {
        self.order
    }

    fn ask(&mut self) -> &mut Ask {
        self.order.ask()
    }
}

/// Whether something about a step waits to be said done by hand: its change, or a way back that did not come to its end.
pub(super) fn waits_for_hands(step: &crate::event::StepState) -> bool {
    step.status == StepStatus::Manual || step.undo.as_ref().is_some_and(|undo| !undo.complete)
}
