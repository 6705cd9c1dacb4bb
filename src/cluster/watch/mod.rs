//! The read set of one verify: each read is a LIST, and from the moment that somebody waits a WATCH from that list's
//! resourceVersion, so that nothing falls between them, absent objects included.

mod follow;
mod state;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Cluster, ClusterError, Patience, Resource, Selector,
    read::{JSON, METADATA},
};
use crate::{event::Cancel, model::ObjectRef};
use state::{Entry, Key, Phase, State, Wanted, slim};

/// Changes that come within this time wake the waiter once.
const GATHER: Duration = Duration::from_millis(5);
/// More single objects than this, of one kind and namespace, share one watch.
const SINGLE: usize = 8;

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// Something that was read changed, or a read that failed is due again.
    Changed,
    /// The time is over.
    Deadline,
    /// The end was asked for.
    Cancelled,
}

/// What one verify reads, kept up to date while it waits.
///
/// ```text
/// loop { begin(); evaluate with get() and list(); end(); if it holds and in_sync() { break } wait(until, cancel); }
/// ```
///
/// The first read of a thing asks the server, later ones answer from what its watch brought. An error of a read has its own
/// time to be tried again, at which `wait` returns.
pub struct Watches {
    cluster: Cluster,
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the waiter: there is something new to evaluate.
    fn bump(&self, state: &mut State) {
        state.changes += 1;
        state.first_change.get_or_insert_with(Instant::now);
        self.changed.notify_all();
    }
}

impl Watches {
    /// An empty read set.
    pub fn new(cluster: &Cluster) -> Self {
        let shared = Shared { state: Mutex::default(), changed: Condvar::new() };
        Self { cluster: cluster.clone(), shared: Arc::new(shared) }
    }

    /// Starts an evaluation: what is not read until [`Watches::end`] is not watched any more after it.
    pub fn begin(&self) {
        let mut state = self.shared.lock();
        state.begin();
        self.start(&mut state);
    }

    /// Ends an evaluation.
    pub fn end(&self) {
        self.shared.lock().end();
    }

    /// Forgets everything, so that the next reads ask the server: for the first evaluation after a change.
    pub fn fresh(&self) {
        self.shared.lock().forget();
    }

    /// Lets the next reads ask the server once more: for the last evaluation of `stays`.
    pub fn relist(&self) {
        self.fresh();
    }

    /// The object, without its managedFields; none where it does not exist.
    ///
    /// # Errors
    /// What the server said to the first read, or to the watch since: `NotServed`, `Forbidden`, `Unreachable` …
    pub fn get(&self, reference: &ObjectRef, patience: &Patience) -> Result<Option<Arc<Value>>, ClusterError> {
        let resource = self.resolve(&dotted(&reference.kind, reference.group.as_deref()), patience, |patience| {
            self.cluster.resolve(reference, patience)
        })?;
        let namespace = reference.namespace.clone().filter(|_| resource.namespaced);
        let name = &reference.name;
        let whole = Key::new(&resource, namespace.clone(), Selector::default());
        let fields = Some(format!("metadata.name={name}"));
        let single = Key::new(&resource, namespace.clone(), Selector { labels: None, fields });
        let place = (namespace.clone().unwrap_or_default(), name.clone());
        let (key, share) = {
            let mut state = self.shared.lock();
            for key in [&whole, &single] {
                if let Some(answer) = state.read_one(key, &place) {
                    return answer;
                }
            }
            let share = state.entries.contains_key(&whole) || state.singles(&whole) >= SINGLE;
            (if share { whole.clone() } else { single }, share)
        };
        self.ask(&key, &resource, JSON, !share, patience)?;
        let mut state = self.shared.lock();
        if share {
            state.drop_singles(&whole);
        }
        state.read_one(&key, &place).unwrap_or(Ok(None))
    }

    /// The objects of a kind, in one namespace or in all, by namespace and name, without their managedFields.
    ///
    /// # Errors
    /// As [`Watches::get`].
    pub fn list(
        &self,
        kind: &str,
        namespace: Option<&str>,
        selector: &Selector,
        patience: &Patience,
    ) -> Result<Vec<Arc<Value>>, ClusterError> {
        let resource = self.resolve(kind, patience, |patience| self.cluster.resolve_kind(kind, patience))?;
        let namespace = namespace.filter(|_| resource.namespaced).map(ToOwned::to_owned);
        let key = Key::new(&resource, namespace, selector.clone());
        if let Some(answer) = self.shared.lock().read_all(&key) {
            return answer;
        }
        self.ask(&key, &resource, JSON, false, patience)?;
        self.shared.lock().read_all(&key).unwrap_or_else(|| Ok(vec![]))
    }

    /// Waits until something that was read changed, or a failed read is due again; changes within 5 ms count as one.
    /// Watches are opened here, so that an evaluation that holds at once costs none.
    pub fn wait(&self, until: Instant, cancel: &Cancel) -> Woken {
        let shared = self.shared.clone();
        let _guard = cancel.on_cancel(move || {
            // under the lock, so that it cannot fall between the check and the wait
            let _state = shared.lock();
            shared.changed.notify_all();
        });
        let mut state = self.shared.lock();
        self.start(&mut state);
        loop {
            if cancel.is_cancelled() {
                return Woken::Cancelled;
            }
            let now = Instant::now();
            let gathered = state.first_change.map(|first| first + GATHER);
            if gathered.is_some_and(|gathered| gathered <= now) {
                return Woken::Changed;
            }
            if until <= now {
                return if gathered.is_some() { Woken::Changed } else { Woken::Deadline };
            }
            if state.retry.is_some_and(|retry| retry <= now) {
                state.retry = None;
                return Woken::Changed;
            }
            let next = [Some(until), state.retry, gathered].into_iter().flatten().min().unwrap_or(until);
            let left = next.saturating_duration_since(now);
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether everything that the evaluation read is as the server has it; only then a pass counts. Where it is not, `wait`
    /// returns once it is.
    pub fn in_sync(&self) -> bool {
        let mut state = self.shared.lock();
        let in_sync = state.in_sync();
        state.wants_sync |= !in_sync;
        in_sync
    }

    /// Since when the server cannot be reached; none while it can.
    pub fn unreachable_since(&self) -> Option<Timestamp> {
        self.shared.lock().unreachable_since
    }

    /// What is worth telling, each once: a kind that may not be watched and is polled.
    pub fn take_notes(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.lock().notes)
    }

    /// How many watches are open or being opened.
    pub fn watching(&self) -> usize {
        self.shared.lock().entries.values().filter(|entry| entry.task.is_some()).count()
    }

    fn resolve(
        &self,
        kind: &str,
        patience: &Patience,
        ask: impl Fn(&Patience) -> Result<Arc<Resource>, ClusterError>,
    ) -> Result<Arc<Resource>, ClusterError> {
        if let Some(error) = self.shared.lock().known_unserved(kind) {
            return Err(error);
        }
        let error = match ask(patience) {
            Ok(resource) => return Ok(resource),
            Err(error) => error,
        };
        if matches!(error, ClusterError::NotServed { .. }) {
            self.watch_definitions(patience);
        }
        let mut state = self.shared.lock();
        state.failed(Some(kind), &error);
        Err(error)
    }

    /// While a kind is unserved, its definition is waited for.
    fn watch_definitions(&self, patience: &Patience) {
        let Ok(resource) = self.cluster.resolve_kind("CustomResourceDefinition.apiextensions.k8s.io", patience) else {
            return;
        };
        let key = Key::new(&resource, None, Selector::default());
        let known = self.shared.lock().read_all(&key).is_some();
        if !known && self.ask(&key, &resource, METADATA, false, patience).is_ok() {
            let mut state = self.shared.lock();
            let _ = state.read_all(&key);
            state.definitions = Some(key);
        }
    }

    /// Lists what the key stands for, and keeps it.
    fn ask(
        &self,
        key: &Key,
        resource: &Arc<Resource>,
        accept: &'static str,
        single: bool,
        patience: &Patience,
    ) -> Result<(), ClusterError> {
        let (inner, listed, task_key) = (self.cluster.inner.clone(), resource.clone(), key.clone());
        let what = format!("list {}", resource.kind);
        let answer = self
            .cluster
            .wait(patience, &what, async move { follow::list(&inner, &listed, &task_key, accept, &Wanted::All).await });
        let mut state = self.shared.lock();
        match answer {
            Ok((items, version)) => {
                state.reached();
                state.insert(key.clone(), Entry::listed(resource.clone(), items, version, accept, single));
                Ok(())
            }
            Err(error) => {
                state.failed(None, &error);
                Err(error)
            }
        }
    }

    /// Opens the watches of what was listed and is not watched yet.
    fn start(&self, state: &mut State) {
        let handle = self.cluster.inner.handle.clone();
        for (key, entry) in &mut state.entries {
            if matches!(entry.phase, Phase::Listed) {
                entry.phase = Phase::Connecting;
                entry.id += 1;
                let follower = follow::Follower {
                    inner: self.cluster.inner.clone(),
                    shared: self.shared.clone(),
                    key: key.clone(),
                    resource: entry.resource.clone(),
                    accept: entry.accept,
                    id: entry.id,
                };
                let version = entry.version.clone();
                entry.task = Some(handle.spawn(follower.run(version)).abort_handle());
            }
        }
    }
}

impl Drop for Watches {
    fn drop(&mut self) {
        self.shared.lock().forget();
    }
}

fn dotted(kind: &str, group: Option<&str>) -> String {
    group.map_or_else(|| kind.to_owned(), |group| format!("{kind}.{group}"))
}

/// An object as it is kept: who owns which field is long, and no verify reads it.
fn kept(mut object: Value) -> Arc<Value> {
    slim(&mut object);
    Arc::new(object)
}
