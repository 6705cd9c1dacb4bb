use serde_json::json;

use super::{Stop, executor::Run, start::Ended};
use crate::{
    event::{Closed, Event, Failure, FailureKind},
    model::ExitCode,
};

impl Run {
    /// Writes how the process ended, and the incident record where something did not go as expected.
    pub fn conclude(self, result: Result<(), Stop>) -> Ended {
        let ended = match result {
            Ok(()) => self.closes(),
            Err(Stop::Waiting { reason, gate, step, exit }) => {
                let event = Event::Waiting { reason: reason.clone(), gate, step, exit };
                let ended = self.ends(&event, exit, reason);
                if ended.exit == exit {
                    self.tell(if exit == ExitCode::Expired { "expired" } else { "waiting" }, &event, &ended);
                }
                ended
            }
            Err(Stop::Cancelled) => {
                let reason = self.cancel.reason().unwrap_or("cancelled");
                let exit = if reason == "SIGTERM" { ExitCode::Terminated } else { ExitCode::Interrupted };
                let said = self.append(&Event::Cancelled { reason: reason.into() });
                let words = format!("cancelled by {reason}: nothing new was started");
                match said {
                    Ok(()) => self.ends(&Event::Stopped { reason: words.clone(), exit }, exit, words),
                    Err(error) => self.lost(&error),
                }
            }
            Err(Stop::Failed { failure, step }) => self.failed_end(*failure, step.is_some()),
            Err(Stop::Journal(error)) => self.lost(&error),
        };
        self.leave();
        self.recorder().end();
        ended
    }

    fn closes(&self) -> Ended {
        // what was said beside its last step belongs into it
        if let Err(error) = self.recorder().absorb() {
            return self.lost(&error);
        }
        let exceptions = self.with_state(|state| state.exceptions.clone());
        let event = Event::Closed { how: Closed::Done, reason: None, exit: ExitCode::Done, exceptions };
        let words = self.plan.outcome.clone().map_or_else(|| "done".to_string(), |outcome| format!("done: {outcome}"));
        let ended = self.ends(&event, ExitCode::Done, words);
        if ended.exit == ExitCode::Done
            && let Err(why) = self.keep_evidence()
        {
            self.noted(format!(
                "that it was verified could not be kept on the cluster, so it counts on this machine alone: {why}"
            ));
        }
        ended
    }

    fn failed_end(&self, failure: Failure, has_line: bool) -> Ended {
        let exit = failure.kind.exit();
        // a resumed run may be refused as well, and has changed things before
        let nothing_changed =
            failure.kind == FailureKind::Preflight && !self.with_state(crate::event::RunState::has_effects);
        if !has_line && let Err(error) = self.record(&Event::Failed { failure: failure.clone() }) {
            return self.lost(&error);
        }
        if !nothing_changed {
            self.collect_evidence();
        }
        let event = if nothing_changed {
            // it holds no place: there is nothing to come back to
            Event::Closed { how: Closed::Abandoned, reason: Some(failure.gist()), exit, exceptions: vec![] }
        } else {
            Event::Stopped { reason: failure.gist(), exit }
        };
        let mut ended = self.ends(&event, exit, failure.message.clone());
        ended.incident = self.write_incident();
        self.tell("failed", &event, &ended);
        ended.failure = Some(failure);
        ended
    }

    pub(super) fn ends(&self, event: &Event, exit: ExitCode, message: String) -> Ended {
        if let Err(error) = self.record(event) {
            return self.lost(&error);
        }
        Ended { run: self.with_state(|state| state.run.clone()), ..Ended::new(exit, message) }
    }

    /// Tells somebody outside, where `[notify]` asks for it. That it did not work is noted, and stops nothing.
    pub(super) fn tell(&self, word: &str, event: &Event, ended: &Ended) {
        let (Some(notify), Some(run)) = (&self.notify, &ended.run) else { return };
        let Ok(line) = serde_json::to_value(event) else { return };
        let told = notify(
            word,
            &json!({
                "on": word,
                "run": run,
                "context": self.target.name,
                "title": self.plan.title,
                "message": ended.message,
                "exit": ended.exit.code(),
                "incident": ended.incident,
                "event": line,
                "next": format!("runbook show {run}"),
            }),
        );
        if let Err(why) = told {
            let text = format!("nobody was told that the run is {word}: {why}");
            if let Err(error) = self.record(&Event::Noted { text, step: None, via: "notify".into() }) {
                tracing::warn!(%error, "the note about it could not be kept");
            }
        }
    }

    /// The journal is gone: the folder says what it last said, and nothing more is done.
    fn lost(&self, error: &crate::event::LogError) -> Ended {
        let mut ended = Ended::new(ExitCode::Internal, format!("{error}; nothing more was changed"));
        ended.run = self.with_state(|state| state.run.clone());
        ended.help.push("make room or make the folder writable, then go on: what is journaled is kept".into());
        ended
    }

    /// What was verified is about to be taken back: it is no evidence any more, on no machine.
    pub(super) fn withdraw_evidence(&self) {
        if let Err(why) = self.keep_evidence() {
            self.noted(format!("that it was verified still counts for runs of other machines: {why}"));
        }
    }

    fn noted(&self, text: String) {
        let _ = self.record(&Event::Noted { text, step: None, via: "evidence".into() });
    }

    /// Keeps what was verified, and what became of it, where runs of other machines see it.
    fn keep_evidence(&self) -> Result<(), String> {
        let Some((evidence, run)) = self.evidence.as_ref().zip(self.with_state(|state| state.run.clone())) else {
            return Ok(());
        };
        let mut events = vec![];
        let read = self.crew.store.read(&run, 1, &mut |line| {
            match line.event {
                // who started it stays in the journal
                Some(Event::Opened { run, playbook, title, target, bundle, started, program, settings, .. }) => {
                    let (origin, config, by) = (None, None, None);
                    let opened = Event::Opened {
                        run,
                        playbook,
                        origin,
                        config,
                        title,
                        target,
                        bundle,
                        started,
                        program,
                        settings,
                        by,
                    };
                    events.push((line.t, opened));
                }
                Some(
                    event @ (Event::Bound { .. }
                    | Event::PlaybookChanged { .. }
                    | Event::UndoStarted { .. }
                    | Event::Closed { .. }),
                ) => {
                    events.push((line.t, event));
                }
                _ => {}
            }
            true
        });
        read.map_err(|error| error.to_string())?;
        evidence.keep(&run, &events).map_err(|error| error.to_string())
    }
}
