//! What is collected about a failure, and the record that is made of it.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::json;

use super::executor::Run;
use crate::{
    effect::{Call, LogsOf},
    event::{Event, LogError},
    object::{
        self,
        readiness::{self, State},
    },
};

/// How long all of it may take: a person waits for the first words about a failure.
const COLLECT: Duration = Duration::from_secs(10);
/// How many objects are looked at.
const OBJECTS: usize = 8;
/// How many of a workload's pods that are not ready are looked at.
const PODS: usize = 3;
/// So much of a container's log is kept: its last lines.
const LOGGED: u32 = 20;

impl Run {
    /// Status and events of what the failed step touched, and of its pods that are not ready, with the last that those logged.
    /// What cannot be had is said to be so.
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
        let mut call = self.reading(None).until(Instant::now() + COLLECT);
        // the run may be cancelled by now; evidence is still worth these seconds
        call.cancel = crate::event::Cancel::new();
        let mut pods: Vec<String> = vec![];
        for object in objects {
            let status = match call.k8s_get("k8s::get", &object) {
                Ok(Some(found)) if found["status"].is_null() => json!(Event::NO_STATUS),
                Ok(Some(found)) => found["status"].clone(),
                Ok(None) => json!("it does not exist"),
                Err(error) => json!({ "error": error.message }),
            };
            let kept = self.keep(&object, "status", status).and_then(|()| self.keep_events(&call, &object));
            if kept.is_err() {
                return;
            }
            let own = pods_that_fail(&call, &object, self.now()).into_iter();
            pods.extend(
                own.filter(|pod| *pod != object).take(PODS).filter(|pod| !pods.contains(pod)).collect::<Vec<_>>(),
            );
        }
        for pod in pods {
            if self.keep_pod(&call, &pod).is_err() {
                return;
            }
        }
    }

    /// How far a pod is, in words, its events, and the last that it logged.
    fn keep_pod(&self, call: &Call, pod: &str) -> Result<(), LogError> {
        if let Ok(status) = call.k8s_status(pod) {
            let words = format!("{}: {}: {}", status.status.word(), status.reason, status.message);
            self.keep(pod, "status", json!(words))?;
        }
        self.keep_events(call, pod)?;
        let wanted = |previous| LogsOf { tail: Some(LOGGED), previous, ..LogsOf::default() };
        // a container that was just started again has not logged why
        let logged = |previous| call.k8s_logs(pod, &wanted(previous)).ok().filter(|log| !log.trim().is_empty());
        match logged(false).or_else(|| logged(true)) {
            Some(log) => self.keep(pod, Event::LOGS, json!(log)),
            None => Ok(()),
        }
    }

    fn keep_events(&self, call: &Call, object: &str) -> Result<(), LogError> {
        let events = match call.k8s_events(object) {
            Ok(events) => json!(events.iter().rev().take(5).map(brief).collect::<Vec<_>>()),
            Err(error) => json!({ "error": error.message }),
        };
        self.keep(object, "events", events)
    }

    fn keep(&self, about: &str, sort: &str, value: serde_json::Value) -> Result<(), LogError> {
        self.append(&Event::Evidence { about: about.into(), sort: sort.into(), source: "the API server".into(), value })
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

/// The pods of an object that are not ready, those that have failed first; none where it has no pods.
fn pods_that_fail(call: &Call, object: &str, now: Timestamp) -> Vec<String> {
    let pods = call.k8s_pods_of(object).unwrap_or_default();
    let far = pods.iter().map(|pod| (readiness::status(pod, now).status, object::reference(pod).to_string()));
    let mut failing: Vec<(State, String)> = far.filter(|(state, _)| *state != State::Current).collect();
    failing.sort_by_key(|(state, _)| *state != State::Failed);
    failing.into_iter().map(|(_, pod)| pod).collect()
}

fn brief(event: &serde_json::Value) -> serde_json::Value {
    json!({
        "type": event["type"],
        "reason": event["reason"],
        "message": event.get("message").or_else(|| event.get("note")),
        "at": event.get("lastTimestamp").filter(|t| !t.is_null()).or_else(|| event.get("eventTime")),
    })
}
