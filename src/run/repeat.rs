//! What a resume repeats, read-only, before it goes on: identity, assumptions, discoveries, verifies of finished steps.

use std::time::Instant;

use super::{Stop, executor::Run, gate::regression};
use crate::{
    event::{Event, FailureKind, StepStatus},
    model::{Body, Doing, Item, Verdict},
};

impl Run {
    /// Repeats what can be repeated without changing anything; says what is skipped, done again and asked.
    pub fn repeat(&mut self) -> Result<(), Stop> {
        let journaled = self.with_state(|state| state.plan.clone());
        self.declare_bound()?;
        if let Some((_, digest)) = journaled {
            let now = self.plan.digest();
            if now != digest {
                let message = format!(
                    "the bundle declares another plan than the one that was bound (digest {}, journaled {})",
                    now.short(),
                    digest.short()
                );
                return Err(Self::refused(FailureKind::Unknown, message));
            }
        }
        if self.with_state(|state| state.preflight.is_none()) {
            // its process ended before everything was asked that can be asked before the first change
            self.preflight()?;
        }
        let event = self.what_next();
        self.append(&event)?;
        self.end_children()?;
        self.recorder().absorb()?;
        for (index, assumption) in self.plan.assumptions.iter().enumerate().filter(|(_, a)| a.probe) {
            let look = self.look(&Body::Assumption(index), None, None, Instant::now())?;
            let before = self.with_state(|state| state.assumed.get(&index).and_then(|assumed| assumed.verdict));
            if before == Some(Verdict::Holds) && look.verdict == Verdict::DoesNotHold {
                let text = format!("the assumption \"{}\" held when the run began and does not now", assumption.text);
                self.append(&Event::Noted { text, step: None, via: "resume".into() })?;
            }
        }
        let facts = self.verifies_again()?;
        match regression(&facts) {
            Some(failure) => Err(Stop::Failed { failure: Box::new(failure), step: None }),
            None => Ok(()),
        }
    }

    fn what_next(&self) -> Event {
        let state = self.state();
        let (mut skip, mut redo, mut ask) = (vec![], vec![], vec![]);
        for item in self.plan.phases.iter().flat_map(|phase| &phase.items) {
            match item {
                Item::Step(step) => match state.step(&step.id).status {
                    StepStatus::Verified => skip.push(step.id.clone()),
                    StepStatus::Manual => ask.push(format!("\"{}\" is to be done by hand", step.title)),
                    StepStatus::Started | StepStatus::Failed | StepStatus::Undone if step.doing == Doing::Change => {
                        redo.push(step.id.clone());
                    }
                    _ => {}
                },
                Item::Gate(gate) if state.at_gate.as_ref() == Some(&gate.id) => ask.push(gate.question.clone()),
                Item::Gate(_) => {}
            }
        }
        Event::Resumed { skip, redo, ask, program: env!("CARGO_PKG_VERSION").into(), on_failure: None }
    }

    /// A child that outlived its process still changes things: it is ended before anything is looked at.
    fn end_children(&self) -> Result<(), Stop> {
        let children = self.with_state(|state| state.children.clone());
        for (pid, (started, boot, command)) in children {
            let ended = crate::effect::end_child(pid, started, boot);
            let text = if ended { "it was still running and was ended" } else { "it was gone" };
            self.append(&Event::Noted {
                text: format!("`{}` (process {pid}) was left by the process before: {text}", command.join(" ")),
                step: None,
                via: "resume".into(),
            })?;
            self.append(&Event::ChildEnded {
                pid,
                status: -1,
                stdout: String::new(),
                stderr: "its end was not seen".into(),
            })?;
        }
        Ok(())
    }
}
