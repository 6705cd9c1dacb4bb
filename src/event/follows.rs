//! What may follow what in a run's journal: asked before a line is written, and again of each line that is read.

use super::{Event, FoldError, GateState, Life, Part, RunState, StepState, StepStatus, Undoing};
use crate::model::{GateId, StepId};

impl RunState {
    /// Whether the event may stand in the next line.
    ///
    /// # Errors
    /// Why it cannot follow the lines so far.
    pub fn may_follow(&self, event: &Event) -> Result<(), FoldError> {
        self.follows(event).map_err(|why| FoldError { line: self.lines + 1, kind: event.kind().into(), why })
    }

    fn follows(&self, event: &Event) -> Result<(), String> {
        match (self.run.is_none(), matches!(event, Event::Opened { .. })) {
            (true, false) => return Err("a run begins with `run.opened`".into()),
            (false, true) => return Err("the run was opened before".into()),
            _ => {}
        }
        let always = matches!(event, Event::Noted { .. } | Event::Received { .. } | Event::IncidentWritten { .. });
        if self.is_closed() && !always && !self.reopens(event) {
            return Err("the run is closed".into());
        }
        match event {
            Event::GateDecided { gate, .. } => self.opened(gate).map(drop),
            Event::StepStarted { step, .. } if self.is_done(step) => Err(format!("step {step} is done")),
            Event::StepSettled { step, .. } => match self.started(step)?.status {
                StepStatus::Verified => Err(format!("step {step} is done")),
                _ => Ok(()),
            },
            Event::StepSkipped { step, .. }
            | Event::StepBefore { step, .. }
            | Event::StepChanged { step, .. }
            | Event::StepManual { step, .. }
            | Event::StepDoneByHand { step, .. }
            | Event::StepVerified { step, .. }
            | Event::StepFailed { step, .. }
            | Event::UndoStepStarted { step, .. } => self.started(step).map(drop),
            Event::Effect { step, effect } => self.started(step)?.has_begun(effect.part),
            Event::Effected { step, seq, part, .. } => {
                let state = self.started(step)?;
                state.has_begun(*part)?;
                let sent = state.effects_of(*part).iter().any(|effect| effect.sent.seq == *seq);
                if sent { Ok(()) } else { Err(format!("effect {seq} of step {step} was not sent")) }
            }
            Event::UndoStepEnded { step, .. } if self.started(step)?.undo.is_none() => {
                Err(format!("step {step} is not being taken back"))
            }
            Event::RepairStarted { step, .. } => match &self.started(step)?.repair {
                // one that has not ended goes on in another process
                Some(repair) if repair.ended => Err(format!("step {step} was repaired before")),
                _ => Ok(()),
            },
            Event::RepairEnded { step, .. } if self.started(step)?.repair.is_none() => {
                Err(format!("the repair of step {step} was not begun"))
            }
            _ => Ok(()),
        }
    }

    /// Whether the line may follow in a run that is closed: what is done or given up may still be taken back.
    fn reopens(&self, event: &Event) -> bool {
        let closed = matches!(self.life, Life::Closed(super::Closed::Done | super::Closed::Abandoned));
        closed && matches!(event, Event::UndoStarted { what: Undoing::Changes, .. })
    }

    fn started(&self, id: &StepId) -> Result<&StepState, String> {
        match self.steps.get(id) {
            Some(state) if state.attempts > 0 => Ok(state),
            _ => Err(format!("step {id} was not started")),
        }
    }

    fn opened(&self, id: &GateId) -> Result<&GateState, String> {
        self.gates.get(id).ok_or_else(|| format!("gate {id} was not opened"))
    }
}

impl StepState {
    fn has_begun(&self, part: Part) -> Result<(), String> {
        match part {
            Part::Repair if self.repair.is_none() => Err("its repair was not begun".into()),
            Part::Undo if self.undo.is_none() => Err("its way back was not begun".into()),
            _ => Ok(()),
        }
    }
}
