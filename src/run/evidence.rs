//! What is collected about a failure, and the record that is made of it.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use serde_json::json;

use super::executor::Run;
use crate::event::Event;

/// How long all of it may take: a person waits for the first words about a failure.
const COLLECT: Duration = Duration::from_secs(10);
/// How many objects are looked at.
const OBJECTS: usize = 8;

impl Run {
    /// Conditions and events of what the failed step touched. What cannot be had is said to be so.
    pub fn collect_evidence(&self) {
        let state = self.state();
        let Some(step) = state.current.as_ref().and_then(|id| state.steps.get(id)) else { return };
        let mut objects: Vec<String> = step
            .effects
            .iter()
            .filter(|effect| effect.sent.native.starts_with("k8s::"))
            .flat_map(|effect| effect.sent.targets.clone())
            .collect();
        objects.dedup();
        objects.truncate(OBJECTS);
        for object in objects {
            // the run may be cancelled by now; evidence is still worth these seconds
            let mut call = self.reading(None).until(Instant::now() + COLLECT);
            call.cancel = crate::event::Cancel::new();
            let status = match call.k8s_get("k8s::get", &object) {
                Ok(Some(found)) if found["status"].is_null() => json!(Event::NO_STATUS),
                Ok(Some(found)) => found["status"].clone(),
                Ok(None) => json!("it does not exist"),
                Err(error) => json!({ "error": error.message }),
            };
            let events = match call.k8s_events(&object) {
                Ok(events) => json!(events.iter().rev().take(5).map(brief).collect::<Vec<_>>()),
                Err(error) => json!({ "error": error.message }),
            };
            for (sort, value) in [("status", status), ("events", events)] {
                let event = Event::Evidence {
                    about: object.clone(),
                    sort: sort.into(),
                    source: "the API server".into(),
                    value,
                };
                if self.append(&event).is_err() {
                    return;
                }
            }
        }
    }

    /// Writes the incident record. That it could not be written changes nothing about the run.
    pub fn write_incident(&self) -> Option<PathBuf> {
        let run = self.with_state(|state| state.run.clone())?;
        let path = match (self.crew.write_incident)(&run) {
            Ok(path) => path,
            Err(message) => {
                let text = format!("the incident record could not be written: {message}");
                let _ = self.append(&Event::Noted { text, step: None, via: "record".into() });
                return None;
            }
        };
        let _ = self.record(&Event::IncidentWritten { path: path.display().to_string() });
        Some(path)
    }
}

fn brief(event: &serde_json::Value) -> serde_json::Value {
    json!({
        "type": event["type"],
        "reason": event["reason"],
        "message": event.get("message").or_else(|| event.get("note")),
        "at": event.get("lastTimestamp").filter(|t| !t.is_null()).or_else(|| event.get("eventTime")),
    })
}
