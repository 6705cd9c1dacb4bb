//! How far each run's journal is, in a `ConfigMap` per run that is compared and swapped before each change.

use std::sync::Arc;

use serde_json::{Value, json};

use super::api::{Api, Kind, NAMESPACE, RUN, Written, legal};
use crate::{
    event::{Head, Holder, LockError, Store},
    model::RunId,
};

const HEAD: &str = "head";
const HOLDER: &str = "holder";
const BROKEN: &str = "broken";
/// The label of runs that are closed, and where that was.
const CLOSED: &str = "runbook/closed";
/// So many closed runs are kept in mind, for copies of them that do not know.
const MOST: usize = 100;

/// What is known of a run's `ConfigMap`.
pub(super) enum Known {
    /// It was not there.
    Absent,
    /// It was there, written by an earlier process.
    Found(Value),
    /// This process wrote it.
    Own(Value),
}

/// The journal of the run that holds a place, as other machines see it.
pub(super) struct Journal {
    pub(super) store: Arc<dyn Store>,
    pub(super) known: Known,
    pub(super) holder: Holder,
}

impl Known {
    /// Reads it; refused where this state folder's copy of the run is not the one that has gone furthest.
    pub(super) fn read(api: &Api, store: &dyn Store, run: &RunId) -> Result<Self, LockError> {
        let Some(map) = api.get(Kind::ConfigMap, &name(run))? else { return Ok(Self::Absent) };
        // a copy that knows of the end may take back what the run changed
        let knows = store.state(run).is_ok_and(|state| state.is_closed());
        if map["metadata"]["labels"][CLOSED].is_string() && !knows {
            let further = read::<Holder>(&map, HOLDER).map_or_else(|| "another copy".into(), |by| copy_of(&by));
            return Err(LockError::Over { run: run.clone(), further });
        }
        goes_on(store, run, &map)?;
        Ok(Self::Found(map))
    }
}

/// The name of a run's `ConfigMap`.
fn name(run: &RunId) -> String {
    format!("run-{}", legal(run.as_str()))
}

/// Stops a run whose place is taken by force: its next swap fails, and it reads there by whom.
pub(super) fn break_off(api: &Api, run: &RunId, by: &Holder) -> Result<(), LockError> {
    write(api, run, &|map| map["data"][BROKEN] = json!(by).to_string().into())
}

/// Changes a run's `ConfigMap`, whatever it is and whether it is there.
fn write(api: &Api, run: &RunId, change: &dyn Fn(&mut Value)) -> Result<(), LockError> {
    for _ in 0..super::TRIES {
        let there = api.get(Kind::ConfigMap, &name(run))?;
        let is_new = there.is_none();
        let mut map = there.unwrap_or_else(|| empty(run));
        change(&mut map);
        let written = if is_new { api.create(Kind::ConfigMap, &map)? } else { api.replace(Kind::ConfigMap, &map)? };
        if let Written::Done(_) = written {
            return Ok(());
        }
    }
    let message = format!("ConfigMap/{NAMESPACE}/{} changes all the time; try again", name(run));
    Err(LockError::Unreachable { message })
}

/// Keeps in mind that a run is closed, so that no copy of it goes on.
pub(super) fn close(api: &Api, run: &RunId) -> Result<(), LockError> {
    write(api, run, &|map| map["metadata"]["labels"][CLOSED] = "true".into())?;
    let mut closed = api.list(Kind::ConfigMap, Some(CLOSED))?;
    closed.sort_by_cached_key(|map| std::cmp::Reverse(map["metadata"]["creationTimestamp"].to_string()));
    closed.iter().skip(MOST).try_for_each(|map| api.delete(Kind::ConfigMap, map))
}

fn empty(run: &RunId) -> Value {
    Kind::ConfigMap.object(&name(run), &[(RUN, &legal(run.as_str()))])
}

fn read<T: serde::de::DeserializeOwned>(map: &Value, key: &str) -> Option<T> {
    serde_json::from_str(map["data"][key].as_str()?).ok()
}

impl Journal {
    /// Writes how far the journal is, where nobody else has written since.
    pub(super) fn claim(&mut self, api: &Api, head: &Head) -> Result<(), LockError> {
        // once more where an answer of this process's own was not heard
        for _ in 0..3 {
            let mut map = match &self.known {
                Known::Absent => empty(&self.holder.run),
                Known::Found(map) => {
                    goes_on(self.store.as_ref(), &self.holder.run, map)?;
                    map.clone()
                }
                Known::Own(map) => map.clone(),
            };
            if let Some(labels) = map["metadata"]["labels"].as_object_mut() {
                labels.remove(CLOSED);
            }
            map["data"] = json!({ HEAD: json!(head).to_string(), HOLDER: json!(self.holder).to_string() });
            let written = match self.known {
                Known::Absent => api.create(Kind::ConfigMap, &map)?,
                _ => api.replace(Kind::ConfigMap, &map)?,
            };
            match written {
                Written::Done(map) => {
                    self.known = Known::Own(map);
                    return Ok(());
                }
                Written::Gone => return Err(self.gone()),
                Written::Conflict => {}
            }
            let map = api.get(Kind::ConfigMap, &name(&self.holder.run))?.ok_or_else(|| self.gone())?;
            if let Some(by) = read::<Holder>(&map, BROKEN) {
                return Err(LockError::forced(&by));
            }
            if read::<Holder>(&map, HOLDER).as_ref() != Some(&self.holder) {
                goes_on(self.store.as_ref(), &self.holder.run, &map)?;
                let by = read::<Holder>(&map, HOLDER).map_or_else(|| "another process".into(), |by| by.place());
                let message = format!("{by} goes on with run {} now", self.holder.run);
                return Err(LockError::Lost { message });
            }
            self.known = Known::Found(map);
        }
        let message = format!("ConfigMap/{NAMESPACE}/{} changes all the time; try again", name(&self.holder.run));
        Err(LockError::Unreachable { message })
    }

    fn gone(&self) -> LockError {
        let name = name(&self.holder.run);
        LockError::Lost {
            message: format!("ConfigMap/{NAMESPACE}/{name} was deleted: how far the run is was kept there"),
        }
    }
}

/// Whether this state folder's journal goes on where the one ends that was written from last.
fn goes_on(store: &dyn Store, run: &RunId, map: &Value) -> Result<(), LockError> {
    let Some(known) = read::<Head>(map, HEAD) else { return Ok(()) };
    let further = || read::<Holder>(map, HOLDER).map_or_else(|| "another copy".into(), |by: Holder| copy_of(&by));
    let last = |from: u64, only: bool| {
        let mut head = Head::default();
        let read = store.read(run, from, &mut |line| {
            head = Head { n: line.n, hash: line.hash().unwrap_or_default().to_owned() };
            !only
        });
        read.map(|()| head).map_err(|error| LockError::Refused { message: error.to_string(), help: vec![] })
    };
    let own = last(known.n, true)?;
    if own == known {
        return Ok(());
    }
    let run = run.clone();
    if own.n == known.n {
        return Err(LockError::Forked { run, own, known, further: further() });
    }
    Err(LockError::Behind { run, own: last(1, false)?, known, further: further() })
}

/// Where the other copy is.
fn copy_of(by: &Holder) -> String {
    let folder = by.folder.as_ref().map(|folder| format!(" in {}", folder.path)).unwrap_or_default();
    format!("the one on {}{folder}", if by.host.is_empty() { "another machine" } else { &by.host })
}
