//! What was verified on a cluster, kept on that cluster: so that a run on the next one may begin from any machine.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Reach,
    api::{Api, Kind, NAMESPACE, RUN, Written, legal},
};
use crate::{
    cluster::Patience,
    event::{Event, Evidence, Line, LockError, RunState},
    model::RunId,
    object::path::text,
};

/// The label that names the playbook.
const PLAYBOOK: &str = "runbook/verified";
const EVENTS: &str = "events";
/// So many are kept of one playbook.
const MOST: usize = 20;

/// What runs have verified on a cluster.
#[derive(Clone)]
pub struct ClusterEvidence {
    reach: Reach,
}

impl ClusterEvidence {
    /// What is kept on this cluster.
    pub fn new(reach: Reach) -> Self {
        Self { reach }
    }

    fn api(&self) -> Result<Api, LockError> {
        Ok(Api { cluster: (self.reach)()?, patience: Patience::of(super::PATIENCE) })
    }
}

impl Evidence for ClusterEvidence {
    fn keep(&self, run: &RunId, events: &[(Timestamp, Event)]) -> Result<(), LockError> {
        let api = self.api()?;
        let playbook = events.iter().find_map(|(_, event)| match event {
            Event::Opened { playbook, .. } => Some(legal(playbook)),
            _ => None,
        });
        let playbook = playbook.unwrap_or_else(|| "unknown".into());
        let id = legal(run.as_str());
        let mut map = Kind::ConfigMap.object(&name(run), &[(RUN, &id), (PLAYBOOK, &playbook)]);
        map["data"] = json!({ "run": run, EVENTS: json!(events).to_string() });
        write(&api, map)?;
        let mut kept = api.list(Kind::ConfigMap, Some(&format!("{PLAYBOOK}={playbook}")))?;
        kept.sort_by_cached_key(|map| std::cmp::Reverse(made(map)));
        kept.iter().skip(MOST).try_for_each(|old| api.delete(Kind::ConfigMap, old))
    }

    fn runs(&self) -> Result<Vec<(RunId, RunState)>, LockError> {
        let mut maps = self.api()?.list(Kind::ConfigMap, Some(PLAYBOOK))?;
        maps.sort_by_cached_key(|map| std::cmp::Reverse(made(map)));
        Ok(maps.iter().filter_map(read).collect())
    }
}

/// Writes it, in place of one that is there.
fn write(api: &Api, mut map: Value) -> Result<(), LockError> {
    let name = text(&map, "metadata.name").unwrap_or_default().to_owned();
    for _ in 0..super::TRIES {
        let known = api.get(Kind::ConfigMap, &name)?;
        let written = match &known {
            Some(known) => {
                map["metadata"]["resourceVersion"] = known["metadata"]["resourceVersion"].clone();
                api.replace(Kind::ConfigMap, &map)?
            }
            None => api.create(Kind::ConfigMap, &map)?,
        };
        match written {
            Written::Done(_) => return Ok(()),
            Written::Conflict => {}
            Written::Gone => drop(map["metadata"].as_object_mut().and_then(|meta| meta.remove("resourceVersion"))),
        }
    }
    let message = format!("ConfigMap/{NAMESPACE}/{name} changes all the time; try again");
    Err(LockError::Unreachable { message })
}

/// The name of the `ConfigMap` that says what a run verified.
fn name(run: &RunId) -> String {
    format!("verified-{}", legal(run.as_str()))
}

fn made(map: &Value) -> String {
    text(map, "metadata.creationTimestamp").unwrap_or_default().to_owned()
}

/// What the events in a `ConfigMap` fold to; one that was not written by runbook is no evidence.
fn read(map: &Value) -> Option<(RunId, RunState)> {
    let run = RunId::new(map["data"]["run"].as_str()?);
    let events: Vec<(Timestamp, Event)> = serde_json::from_str(map["data"][EVENTS].as_str()?).ok()?;
    let mut state = RunState::default();
    for (n, (t, event)) in (1..).zip(events) {
        let kind = event.kind().to_owned();
        let line = Line { n, t, kind, event: Some(event), text: String::new() };
        if let Err(error) = state.take(&line) {
            let name = text(map, "metadata.name").unwrap_or_default();
            tracing::warn!(%error, "ConfigMap/{NAMESPACE}/{name} is no evidence");
            return None;
        }
    }
    Some((run, state))
}
