use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Event, Head, Line, Log, LogError, Message, RunState, Sink};

/// The one place that writes to a run's log: appends, folds, and tells the views.
pub struct Recorder {
    log: Box<dyn Log>,
    state: RunState,
    sinks: Vec<Box<dyn Sink>>,
    told: Box<dyn Fn(u64) + Send>,
    /// Lines that claim a result and are not durable yet.
    held: Vec<Line>,
}

impl Recorder {
    /// Records into `log`, of which `state` is the fold so far. `told` gets the number of each line that views may see.
    pub fn new(log: Box<dyn Log>, state: RunState, sinks: Vec<Box<dyn Sink>>, told: Box<dyn Fn(u64) + Send>) -> Self {
        Self { log, state, sinks, told, held: vec![] }
    }

    /// What the lines so far fold to.
    pub fn state(&self) -> &RunState {
        &self.state
    }

    /// How far the journal is.
    pub fn head(&self) -> Head {
        self.log.head()
    }

    /// Writes an event. One that claims a result is made durable with it.
    pub fn record(&mut self, event: &Event) -> Result<(), LogError> {
        self.append(event)?;
        if event.claims() { self.sync() } else { Ok(()) }
    }

    /// Writes an event that is durable when this returns.
    pub fn commit(&mut self, event: &Event) -> Result<(), LogError> {
        self.append(event)?;
        self.sync()
    }

    /// Writes an event that becomes durable with the next one that does. One that cannot follow is not written: no reader
    /// would go beyond it.
    pub fn append(&mut self, event: &Event) -> Result<(), LogError> {
        let line = self.written(event)?;
        self.took(line);
        Ok(())
    }

    fn written(&mut self, event: &Event) -> Result<Line, LogError> {
        if let Err(error) = self.state.may_follow(event) {
            let run = self.state.run.as_ref().map(ToString::to_string).unwrap_or_default();
            let source = std::io::Error::new(std::io::ErrorKind::InvalidInput, error);
            return Err(LogError { path: format!("of run {run}"), source });
        }
        self.log.append(event)
    }

    /// Writes what an effect was answered, and gives what the journal holds of it: without secrets.
    pub fn append_answer(&mut self, event: &Event) -> Result<serde_json::Value, LogError> {
        let line = self.written(event)?;
        let output = match &line.event {
            Some(Event::Effected { output, .. }) => output.clone(),
            _ => serde_json::Value::Null,
        };
        self.took(line);
        Ok(output)
    }

    fn took(&mut self, line: Line) {
        if let Err(error) = self.state.take(&line) {
            // what was asked about is what was written, but for secrets
            debug_assert!(false, "{error}");
            tracing::error!(%error, "a line that cannot follow was written");
        }
        if line.event.as_ref().is_some_and(Event::claims) || !self.held.is_empty() {
            self.held.push(line);
        } else {
            self.tell(&line);
        }
    }

    /// Makes all lines durable, then tells the views of those that waited for it.
    pub fn sync(&mut self) -> Result<(), LogError> {
        self.log.sync()?;
        for line in std::mem::take(&mut self.held) {
            self.tell(&line);
        }
        Ok(())
    }

    /// Journals what other processes have said since the last call; returns how much was new.
    pub fn absorb(&mut self) -> Result<usize, LogError> {
        let (messages, known): (Vec<Message>, Vec<Message>) =
            self.log.inbox()?.into_iter().partition(|message| !self.state.taken.contains(&message.id));
        for message in &messages {
            self.append(&Event::Received { message: message.clone() })?;
        }
        if !messages.is_empty() {
            self.sync()?;
        }
        let ids: Vec<String> = messages.iter().chain(&known).map(|message| message.id.clone()).collect();
        if !ids.is_empty() {
            self.log.taken(&ids)?;
        }
        Ok(messages.len())
    }

    /// Tells the views that the process is about to end.
    pub fn end(&mut self) {
        for sink in &mut self.sinks {
            let _ = catch_unwind(AssertUnwindSafe(|| sink.end()));
        }
    }

    fn tell(&mut self, line: &Line) {
        // a view that panics is not asked again; the run goes on
        self.sinks.retain_mut(|sink| catch_unwind(AssertUnwindSafe(|| sink.line(line))).is_ok());
        (self.told)(line.n);
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder")
            .field("run", &self.state.run)
            .field("lines", &self.state.lines)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{
        event::Settings,
        model::{Digest, RunId, StepId, Target},
    };

    /// A log that keeps its lines where the test sees them.
    #[derive(Clone, Default)]
    struct Kept(std::sync::Arc<std::sync::Mutex<Vec<String>>>);

    impl Log for Kept {
        fn append(&mut self, event: &Event) -> Result<Line, LogError> {
            let mut lines = self.0.lock().unwrap();
            lines.push(event.kind().into());
            let n = lines.len() as u64;
            let (t, kind) = (Timestamp::UNIX_EPOCH, event.kind().into());
            Ok(Line { n, t, kind, event: Some(event.clone()), text: String::new() })
        }

        fn head(&self) -> Head {
            Head::default()
        }

        fn sync(&mut self) -> Result<(), LogError> {
            Ok(())
        }

        fn inbox(&mut self) -> Result<Vec<Message>, LogError> {
            Ok(vec![])
        }

        fn taken(&mut self, _: &[String]) -> Result<(), LogError> {
            Ok(())
        }
    }

    fn opened() -> Event {
        Event::Opened {
            run: RunId::new("a-000000"),
            playbook: "a.rhai".into(),
            origin: None,
            config: None,
            title: "A".into(),
            target: Target { name: "staging".into(), tier: "staging".into(), sandbox: true },
            bundle: Digest::of("a"),
            started: Timestamp::UNIX_EPOCH,
            program: "0".into(),
            settings: Settings::default(),
            by: None,
        }
    }

    #[test]
    fn what_cannot_follow_is_not_written() {
        let log = Kept::default();
        let mut recorder = Recorder::new(Box::new(log.clone()), RunState::default(), vec![], Box::new(|_| {}));
        let step = StepId::of("one", "deploy");
        let verified = Event::StepVerified { step: step.clone(), verifies: vec![] };
        assert!(recorder.append(&verified).is_err(), "no run was opened");
        recorder.append(&opened()).unwrap();
        let error = recorder.commit(&verified).unwrap_err().to_string();
        assert!(
            error.contains("line 2: `step.verified` cannot follow here: step one/deploy was not started"),
            "{error}"
        );
        assert!(recorder.append(&opened()).is_err());
        // the run can go on
        recorder.append(&Event::StepStarted { step: step.clone(), attempt: 1 }).unwrap();
        let answered = Event::Effected {
            step,
            seq: 1,
            results: vec![],
            output: serde_json::Value::Null,
            error: None,
            part: super::super::Part::Change,
        };
        assert!(recorder.append_answer(&answered).is_err(), "it was not sent");
        recorder.commit(&verified).unwrap();
        assert_eq!(*log.0.lock().unwrap(), ["run.opened", "step.started", "step.verified"]);
    }
}
