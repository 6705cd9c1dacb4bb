use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::Value;
use tokio::task::AbortHandle;

use crate::cluster::{ClusterError, Resource, Selector};

/// How soon a kind is looked for again after a definition changed: discovery lags behind it.
const AFTER_DEFINITION: Duration = Duration::from_millis(100);
/// How long after such a change.
const DEFINITION_SETTLES: Duration = Duration::from_secs(3);

/// What one list and watch stand for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    api_version: String,
    plural: String,
    pub namespace: Option<String>,
    pub selector: Selector,
}

impl Key {
    pub(super) fn new(resource: &Resource, namespace: Option<String>, selector: Selector) -> Self {
        Self { api_version: resource.api_version(), plural: resource.plural.clone(), namespace, selector }
    }

    fn same_place(&self, other: &Self) -> bool {
        (&self.api_version, &self.plural, &self.namespace) == (&other.api_version, &other.plural, &other.namespace)
    }
}

/// Namespace and name.
pub(super) type Place = (String, String);
pub(super) type Items = BTreeMap<Place, Arc<Value>>;

/// How far an entry is.
#[derive(Debug)]
pub(super) enum Phase {
    /// Listed in this evaluation; not watched yet.
    Listed,
    /// A watch is being opened, or it is listed again.
    Connecting,
    /// Watched.
    Live,
    /// May not be watched: listed again and again.
    Polling,
    /// The watch broke, and listing again failed.
    Broken(ClusterError),
}

/// Which objects of a list are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    All,
    Only(BTreeSet<Place>),
}

impl Wanted {
    pub(super) fn has(&self, place: &Place) -> bool {
        match self {
            Self::All => true,
            Self::Only(places) => places.contains(place),
        }
    }
}

/// One list and its watch.
pub(super) struct Entry {
    pub resource: Arc<Resource>,
    pub accept: &'static str,
    pub items: Items,
    pub version: String,
    pub wanted: Wanted,
    pub phase: Phase,
    pub task: Option<AbortHandle>,
    /// The follower that may write here; a later one takes its place.
    pub id: u64,
    single: bool,
    /// The evaluation that read it last.
    epoch: u64,
    /// What of it this evaluation read: these objects, or all.
    places: BTreeSet<Place>,
    whole: bool,
}

impl Entry {
    pub(super) fn listed(
        resource: Arc<Resource>,
        items: Items,
        version: String,
        accept: &'static str,
        single: bool,
    ) -> Self {
        Self {
            resource,
            accept,
            items,
            version,
            wanted: Wanted::All,
            phase: Phase::Listed,
            task: None,
            id: 0,
            single,
            epoch: 0,
            places: BTreeSet::new(),
            whole: false,
        }
    }

    fn stop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }

    /// What cannot be read any more for another reason than an unreachable server.
    fn error(&self) -> Option<ClusterError> {
        match &self.phase {
            Phase::Broken(error) if !error.is_unreachable() => Some(error.clone()),
            _ => None,
        }
    }
}

/// The read set.
#[derive(Default)]
pub(super) struct State {
    pub entries: BTreeMap<Key, Entry>,
    epoch: u64,
    ids: u64,
    /// How many changes there were.
    pub changes: u64,
    /// When the first change came that no evaluation has seen.
    pub first_change: Option<Instant>,
    /// When a failed read is due again.
    pub retry: Option<Instant>,
    failed_now: bool,
    failures: u32,
    pub unreachable_since: Option<Timestamp>,
    pub wants_sync: bool,
    pub notes: Vec<String>,
    /// Kinds that were not served, and when that was asked.
    unserved: BTreeMap<String, (Instant, ClusterError)>,
    /// The entry of the definitions, while a kind is unserved.
    pub definitions: Option<Key>,
    pub definition_changed: Option<Instant>,
}

impl State {
    pub(super) fn begin(&mut self) {
        self.epoch += 1;
        self.first_change = None;
        self.failed_now = false;
        self.wants_sync = false;
        for entry in self.entries.values_mut() {
            entry.places.clear();
            entry.whole = false;
        }
    }

    pub(super) fn end(&mut self) {
        if !self.failed_now {
            self.failures = 0;
            self.retry = None;
            self.unserved.clear();
        }
        let epoch = self.epoch;
        self.entries.retain(|_, entry| {
            if entry.epoch < epoch {
                entry.stop();
                return false;
            }
            if !entry.whole && !entry.single {
                let places = std::mem::take(&mut entry.places);
                entry.items.retain(|place, _| places.contains(place));
                entry.wanted = Wanted::Only(places);
            }
            true
        });
    }

    pub(super) fn forget(&mut self) {
        for entry in self.entries.values_mut() {
            entry.stop();
        }
        let (epoch, ids, notes) = (self.epoch, self.ids, std::mem::take(&mut self.notes));
        *self = Self { epoch, ids, notes, unreachable_since: self.unreachable_since, ..Self::default() };
    }

    pub(super) fn insert(&mut self, key: Key, mut entry: Entry) {
        // unlike any before, so that a follower of an entry that was replaced finds that it is not its own
        self.ids += 1_000_000;
        entry.id = self.ids;
        entry.epoch = self.epoch;
        if let Some(before) = self.entries.get_mut(&key) {
            before.stop();
            if before.epoch == self.epoch {
                entry.places = std::mem::take(&mut before.places);
                entry.whole = before.whole;
            }
        }
        self.entries.insert(key, entry);
    }

    /// One object as it is known; none where the server has to be asked.
    pub(super) fn read_one(&mut self, key: &Key, place: &Place) -> Option<Result<Option<Arc<Value>>, ClusterError>> {
        let epoch = self.epoch;
        let entry = self.entries.get_mut(key).filter(|entry| entry.wanted.has(place))?;
        entry.epoch = epoch;
        entry.places.insert(place.clone());
        let answer = entry.error().map_or_else(|| Ok(entry.items.get(place).cloned()), Err);
        Some(self.noted(answer))
    }

    /// All objects as they are known; none where the server has to be asked.
    pub(super) fn read_all(&mut self, key: &Key) -> Option<Result<Vec<Arc<Value>>, ClusterError>> {
        let epoch = self.epoch;
        let entry = self.entries.get_mut(key).filter(|entry| entry.wanted == Wanted::All)?;
        entry.epoch = epoch;
        entry.whole = true;
        let answer = entry.error().map_or_else(|| Ok(entry.items.values().cloned().collect()), Err);
        Some(self.noted(answer))
    }

    fn noted<T>(&mut self, answer: Result<T, ClusterError>) -> Result<T, ClusterError> {
        if let Err(error) = &answer {
            self.failed(None, error);
        }
        answer
    }

    /// How many objects of this kind and namespace have a watch of their own.
    pub(super) fn singles(&self, whole: &Key) -> usize {
        self.entries.iter().filter(|(key, entry)| entry.single && key.same_place(whole)).count()
    }

    /// Ends those, now that one watch stands for all.
    pub(super) fn drop_singles(&mut self, whole: &Key) {
        let mut places = BTreeSet::new();
        let epoch = self.epoch;
        self.entries.retain(|key, entry| {
            let drop = entry.single && key.same_place(whole);
            if drop {
                entry.stop();
                if entry.epoch == epoch {
                    places.append(&mut entry.places);
                }
            }
            !drop
        });
        // what they were read for is still read
        if let Some(entry) = self.entries.get_mut(whole) {
            entry.places.append(&mut places);
        }
    }

    pub(super) fn in_sync(&self) -> bool {
        let read = self.entries.values().filter(|entry| entry.epoch == self.epoch);
        let mut settled = read.map(|entry| matches!(entry.phase, Phase::Listed | Phase::Live | Phase::Polling));
        settled.all(|settled| settled)
    }

    /// The server answered.
    pub(super) fn reached(&mut self) {
        self.unreachable_since = None;
    }

    /// The server did not answer.
    pub(super) fn lost(&mut self, error: &ClusterError) {
        if error.is_unreachable() {
            self.unreachable_since.get_or_insert_with(Timestamp::now);
        } else {
            self.unreachable_since = None;
        }
    }

    /// A read failed: it is due again after a time that grows from failed evaluation to failed evaluation.
    pub(super) fn failed(&mut self, kind: Option<&str>, error: &ClusterError) {
        self.lost(error);
        if !self.failed_now {
            self.failed_now = true;
            self.failures += 1;
        }
        let grown = |first: u64, most: u64| {
            let doubled = first.saturating_mul(1 << self.failures.saturating_sub(1).min(16));
            Duration::from_millis(doubled.min(most))
        };
        let mut delay = if error.is_unreachable() { grown(50, 2_000) } else { grown(250, 5_000) };
        if let (Some(kind), ClusterError::NotServed { .. }) = (kind, error) {
            self.unserved.insert(kind.to_owned(), (Instant::now(), error.clone()));
            if self.definition_settles() {
                delay = AFTER_DEFINITION;
            } else if self.definitions.is_some() {
                // its definition is watched: that will be the first to know
                delay = Duration::from_secs(5);
            }
        }
        let due = Instant::now() + delay;
        self.retry = Some(self.retry.map_or(due, |retry| retry.min(due)));
    }

    fn definition_settles(&self) -> bool {
        self.definition_changed.is_some_and(|at| at.elapsed() < DEFINITION_SETTLES)
    }

    /// The answer of a moment ago, so that a kind that is not there costs no discovery in each evaluation.
    pub(super) fn known_unserved(&mut self, kind: &str) -> Option<ClusterError> {
        let slow = self.definitions.is_some() && !self.definition_settles();
        let fresh = if slow { Duration::from_secs(2) } else { AFTER_DEFINITION / 2 };
        let (_, error) = self.unserved.get(kind).filter(|(at, _)| at.elapsed() < fresh)?;
        let error = error.clone();
        if let Some(entry) = self.definitions.as_ref().and_then(|key| self.entries.get_mut(key)) {
            entry.epoch = self.epoch;
            entry.whole = true;
        }
        self.failed_again(&error);
        Some(error)
    }

    fn failed_again(&mut self, error: &ClusterError) {
        self.failed_now = true;
        if self.retry.is_none() {
            self.failed(None, error);
        }
    }

    /// The definitions changed: what was not served may be now.
    pub(super) fn definition_event(&mut self) {
        self.definition_changed = Some(Instant::now());
        self.unserved.clear();
    }
}

/// Takes away who owns which field.
pub(super) fn slim(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
}
