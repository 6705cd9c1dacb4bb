//! What a resume repeats, read-only, before it goes on: identity, assumptions, discoveries, verifies of finished steps.

use std::time::Instant;

use super::{Stop, executor::Run, gate::regression, resume::find_verify};
use crate::{
    effect::{self, Left},
    event::{Event, Failure, FailureKind, Part, StepState, StepStatus},
    model::{Body, Doing, Finding, GateClass, Item, Severity, Verdict},
};

impl Run {
    /// Repeats what can be repeated without changing anything; says what is skipped, done again and asked.
    pub fn repeat(&mut self) -> Result<(), Stop> {
        self.end_children()?;
        let journaled = self.with_state(|state| state.plan.as_ref().map(|(_, digest)| digest.clone()));
        self.declare_bound(true)?;
        if let Some(changed) = self.resumption.changed.clone() {
            self.take_changes(&changed)?;
        } else if let Some(digest) = journaled {
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
        self.settle()?;
        let event = self.what_next();
        self.append(&event)?;
        self.recorder().absorb()?;
        let refused = |finding: &Finding| finding.severity == Severity::Error;
        if self.with_state(|state| state.preflight.as_ref().is_none_or(|found| found.iter().any(refused))) {
            // its process ended before everything was asked that can be asked before the first change, or the playbook
            // is another one since; or what was found then may be mended now
            self.preflight()?;
        }
        for (index, assumption) in self.plan.assumptions.iter().enumerate().filter(|(_, a)| a.probe) {
            let look = self.look(&Body::Assumption(index), None, None, Instant::now())?;
            let before = self.with_state(|state| state.assumed.get(&index).and_then(|assumed| assumed.verdict));
            if before == Some(Verdict::Holds) && look.verdict == Verdict::DoesNotHold {
                let text = format!("the assumption \"{}\" held when the run began and does not now", assumption.text);
                self.append(&Event::Noted { text, step: None, via: "resume".into() })?;
            }
        }
        self.waive()?;
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
                    // what became of such an effect is not found out by sending it again
                    _ if step.doing == Doing::Change && !step.idempotent && in_doubt(&state.step(&step.id)) => {
                        ask.push(format!("what became of step {}: its effect may not be sent twice", step.id));
                    }
                    StepStatus::Started | StepStatus::Failed | StepStatus::Undone if step.doing == Doing::Change => {
                        redo.push(step.id.clone());
                    }
                    _ => {}
                },
                Item::Gate(gate) if state.at_gate.as_ref() == Some(&gate.id) => ask.push(gate.question.clone()),
                Item::Gate(_) => {}
            }
        }
        Event::Resumed { skip, redo, ask, program: env!("CARGO_PKG_VERSION").into(), on_failure: Some(self.on_failure) }
    }

    /// Lets one verify not hold, where it was asked for and is decided so: at the context's gate class.
    fn waive(&self) -> Result<(), Stop> {
        let Some(waive) = self.resumption.waive.clone() else { return Ok(()) };
        let found = self.with_state(|state| find_verify(state, &self.plan, &waive));
        let Ok((step, verify, text)) = found else { return Ok(()) };
        if self.lowest > GateClass::Any {
            self.waiver_gate(step.as_ref(), verify, &text, &waive.reason)?;
        }
        self.record(&Event::Waived { step, verify, text, reason: waive.reason, by: self.by.clone() })?;
        Ok(())
    }

    /// A child that outlived its process still changes things: it is ended before anything is looked at.
    pub(super) fn end_children(&self) -> Result<(), Stop> {
        let state = self.state();
        for (pid, (started, boot, command)) in state.children {
            let left = effect::end_child(pid, started, boot);
            self.was_left(pid, &command.join(" "), left)?;
            self.append(&Event::ChildEnded {
                pid,
                status: -1,
                stdout: String::new(),
                stderr: Event::UNSEEN_END.into(),
            })?;
        }
        // one whose process ended between starting it and noting that is known by the effect that has no answer
        let Some(run) = &state.run else { return Ok(()) };
        for (step, known) in &state.steps {
            let all = [Part::Change, Part::Repair, Part::Undo].into_iter().flat_map(|part| known.effects_of(part));
            let sent = all.filter(|effect| effect.results.is_none()).map(|effect| &effect.sent);
            for sent in sent.filter(|sent| sent.native == "cmd::run") {
                for (pid, left) in effect::end_unnoted(run, step, sent.part, sent.seq) {
                    self.was_left(pid, &sent.targets.join(" "), left)?;
                }
            }
        }
        Ok(())
    }

    fn was_left(&self, pid: u32, command: &str, left: Left) -> Result<(), Stop> {
        let what = match left {
            Left::Gone => "it was gone",
            Left::Ended => "it was still running and was ended",
            Left::Remains => "it is still running and does not end",
        };
        let text = format!("`{command}` (process {pid}) was left by the process before: {what}");
        self.append(&Event::Noted { text: text.clone(), step: None, via: "resume".into() })?;
        if left != Left::Remains {
            return Ok(());
        }
        let mut failure = Failure::new(FailureKind::Unknown, text);
        failure.help.push(format!("look at it with `ps -o stat,wchan -p {pid}`, and resume once it is gone"));
        Err(Stop::Failed { failure: Box::new(failure), step: None })
    }
}

/// Whether an effect was sent whose answer is not known and that may not be sent again.
fn in_doubt(state: &StepState) -> bool {
    state.status != StepStatus::Changed
        && state.effects.iter().any(|effect| effect.results.is_none() && !effect.sent.idempotent)
}
