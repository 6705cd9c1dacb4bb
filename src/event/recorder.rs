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

    /// Writes an event that becomes durable with the next one that does.
    pub fn append(&mut self, event: &Event) -> Result<(), LogError> {
        let line = self.log.append(event)?;
        self.took(line);
        Ok(())
    }

    /// Writes what an effect was answered, and gives what the journal holds of it: without secrets.
    pub fn append_answer(&mut self, event: &Event) -> Result<serde_json::Value, LogError> {
        let line = self.log.append(event)?;
        let output = match &line.event {
            Some(Event::Effected { output, .. }) => output.clone(),
            _ => serde_json::Value::Null,
        };
        self.took(line);
        Ok(output)
    }

    fn took(&mut self, line: Line) {
        if let Err(error) = self.state.take(&line) {
            // the runner never writes what cannot follow; a reader would refuse the journal from here on
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
