//! The objects, the one counter of resourceVersions, and the ring of past events that watches read from.
//!
//! All changes go through a [`Tx`]: it sees its own writes, and is kept as a whole, on disk first, or not at all.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::watch;

use super::SandboxError;
use super::disk::{Disk, Loaded};
use super::fault::{self, Faults};
use super::kinds::{CRD_RESOURCE, Kind, Registry};
use super::meta;
use super::status::ApiError;
use crate::model::FaultHow;

/// How many events of the past a watch can start from.
const RING: usize = 8192;

/// The place of one object: `deployments.apps`, namespace (empty when cluster-scoped), name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub resource: Arc<str>,
    pub namespace: Arc<str>,
    pub name: Arc<str>,
}

impl Key {
    pub fn new(resource: &str, namespace: &str, name: &str) -> Self {
        Self { resource: resource.into(), namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{}/{}", self.resource, self.name)
        } else {
            write!(f, "{}/{}/{}", self.resource, self.namespace, self.name)
        }
    }
}

/// One change, as watches see it.
#[derive(Debug)]
pub(crate) struct Event {
    pub key: Key,
    pub version: u64,
    /// The object before; `None` when it was made by this change.
    pub old: Option<Arc<Value>>,
    /// The object after; of a removed one its last state, at the version of the removal.
    pub new: Arc<Value>,
    pub removed: bool,
}

type Objects = BTreeMap<Arc<str>, BTreeMap<(Arc<str>, Arc<str>), Arc<Value>>>;

struct State {
    objects: Objects,
    registry: Arc<Registry>,
    version: u64,
    ring: VecDeque<Arc<Event>>,
    /// Events up to this version are forgotten.
    forgotten: u64,
    /// From an owner's UID to what names it in `ownerReferences`.
    dependents: HashMap<String, BTreeSet<Key>>,
    disk: Option<Disk>,
    /// Whether what an object owned goes with it.
    collects: bool,
    faults: Arc<Faults>,
}

impl Drop for State {
    fn drop(&mut self) {
        let Some(disk) = self.disk.take() else { return };
        let namespace = self.get(&Key::new("namespaces", "", "kube-system"));
        disk.close(namespace.as_deref().map(meta::uid));
    }
}

/// The store. Watches wait for [`Store::subscribe`] and then read with [`Store::since`].
pub(crate) struct Store {
    state: Mutex<State>,
    latest: watch::Sender<u64>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("version", &*self.latest.borrow()).finish_non_exhaustive()
    }
}

impl Store {
    /// A store of what was on disk, or an empty one.
    pub fn new(disk: Option<Disk>, loaded: Option<Loaded>) -> Self {
        let Loaded { objects: rows, version } = loaded.unwrap_or(Loaded { objects: Vec::new(), version: 0 });
        let mut state = State {
            objects: Objects::new(),
            registry: Arc::default(),
            version,
            ring: VecDeque::new(),
            forgotten: version,
            dependents: HashMap::new(),
            disk,
            collects: true,
            faults: Arc::new(Faults::new(Vec::new())),
        };
        for (key, object) in rows {
            state.place(&key, Arc::new(object));
        }
        state.refresh_registry();
        let (latest, _) = watch::channel(version);
        Self { state: Mutex::new(state), latest }
    }

    /// Leaves objects alone whose owner has gone, as a server without controllers does.
    pub fn without_collector(self) -> Self {
        self.lock().collects = false;
        self
    }

    /// Heeds these faults where a write decides what becomes of an object.
    pub fn heeding(self, faults: Arc<Faults>) -> Self {
        self.lock().faults = faults;
        self
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A transaction changes the state only in its last, panic-free part: a poisoned lock guards whole state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.lock().registry)
    }

    pub fn get(&self, key: &Key) -> Option<Arc<Value>> {
        self.lock().get(key)
    }

    /// The objects of a kind, in one namespace or in all (`None`), with the version of the list.
    pub fn list(&self, resource: &str, namespace: Option<&str>) -> (Vec<Arc<Value>>, u64) {
        let state = self.lock();
        (state.list(resource, namespace), state.version)
    }

    /// Keys of the objects that name this UID as an owner.
    pub fn dependents(&self, uid: &str) -> Vec<Key> {
        self.lock().dependents.get(uid).into_iter().flatten().cloned().collect()
    }

    /// Removes everything; gives how many objects there were.
    pub fn clear(&self) -> Result<usize, ApiError> {
        self.write(false, |tx| {
            let keys: Vec<Key> = tx
                .state
                .objects
                .iter()
                .flat_map(|(resource, objects)| {
                    objects.keys().map(|(namespace, name)| Key {
                        resource: Arc::clone(resource),
                        namespace: Arc::clone(namespace),
                        name: Arc::clone(name),
                    })
                })
                .collect();
            for key in &keys {
                tx.remove(key);
            }
            Ok(keys.len())
        })
    }

    /// Wakes up at every change.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.latest.subscribe()
    }

    /// The events after a version and the version reached; the oldest version still known when that is too far back.
    pub fn since(&self, version: u64) -> Result<(Vec<Arc<Event>>, u64), u64> {
        let state = self.lock();
        if version < state.forgotten {
            return Err(state.forgotten);
        }
        let from = state.ring.partition_point(|event| event.version <= version);
        Ok((state.ring.range(from..).cloned().collect(), state.version.max(version)))
    }

    /// Runs a change. What `work` wrote is kept when it succeeds and `dry` is false.
    pub fn write<T>(&self, dry: bool, work: impl FnOnce(&mut Tx<'_>) -> Result<T, ApiError>) -> Result<T, ApiError> {
        let mut state = self.lock();
        let mut tx = Tx { state: &state, overlay: HashMap::new(), changes: Vec::new(), dry };
        let result = work(&mut tx)?;
        let changes = tx.changes;
        if dry || changes.is_empty() {
            return Ok(result);
        }
        let version = state.version + changes.len() as u64;
        if let Some(disk) = &state.disk {
            let rows = changes.iter().map(|event| (&event.key, (!event.removed).then_some(&*event.new)));
            disk.write(rows, version).map_err(|e: SandboxError| ApiError::internal(e))?;
        }
        state.keep(changes, version);
        drop(state);
        self.latest.send_replace(version);
        Ok(result)
    }
}

impl State {
    fn get(&self, key: &Key) -> Option<Arc<Value>> {
        self.objects.get(&key.resource)?.get(&(Arc::clone(&key.namespace), Arc::clone(&key.name))).cloned()
    }

    fn list(&self, resource: &str, namespace: Option<&str>) -> Vec<Arc<Value>> {
        let Some(objects) = self.objects.get(resource) else {
            return Vec::new();
        };
        match namespace {
            None => objects.values().cloned().collect(),
            Some(namespace) => {
                let namespace: Arc<str> = namespace.into();
                let first = (Arc::clone(&namespace), Arc::from(""));
                objects
                    .range(first..)
                    .take_while(|((ns, _), _)| *ns == namespace)
                    .map(|(_, object)| Arc::clone(object))
                    .collect()
            }
        }
    }

    fn place(&mut self, key: &Key, object: Arc<Value>) {
        for owner in meta::owners(&object) {
            self.dependents.entry(owner.to_owned()).or_default().insert(key.clone());
        }
        let objects = self.objects.entry(Arc::clone(&key.resource)).or_default();
        objects.insert((Arc::clone(&key.namespace), Arc::clone(&key.name)), object);
    }

    fn unplace(&mut self, key: &Key) {
        let Some(objects) = self.objects.get_mut(&key.resource) else {
            return;
        };
        let Some(object) = objects.remove(&(Arc::clone(&key.namespace), Arc::clone(&key.name))) else {
            return;
        };
        for owner in meta::owners(&object) {
            if let Some(keys) = self.dependents.get_mut(owner) {
                keys.remove(key);
                if keys.is_empty() {
                    self.dependents.remove(owner);
                }
            }
        }
    }

    fn keep(&mut self, changes: Vec<Event>, version: u64) {
        let definitions_changed = changes.iter().any(|event| event.key.resource.as_ref() == CRD_RESOURCE);
        for event in changes {
            self.unplace(&event.key);
            if !event.removed {
                self.place(&event.key, Arc::clone(&event.new));
            }
            if self.ring.len() == RING
                && let Some(oldest) = self.ring.pop_front()
            {
                self.forgotten = oldest.version;
            }
            self.ring.push_back(Arc::new(event));
        }
        self.version = version;
        if definitions_changed {
            self.refresh_registry();
        }
    }

    fn refresh_registry(&mut self) {
        let definitions = self.list(CRD_RESOURCE, None);
        self.registry = Arc::new(Registry::new(definitions.into_iter()));
    }
}

/// A set of changes in the making.
pub(crate) struct Tx<'a> {
    state: &'a State,
    overlay: HashMap<Key, Option<Arc<Value>>>,
    changes: Vec<Event>,
    dry: bool,
}

impl Tx<'_> {
    pub fn get(&self, key: &Key) -> Option<Arc<Value>> {
        match self.overlay.get(key) {
            Some(object) => object.clone(),
            None => self.state.get(key),
        }
    }

    /// The objects of a kind as they are now, this transaction's changes included.
    pub fn list(&self, resource: &str, namespace: Option<&str>) -> Vec<(Key, Arc<Value>)> {
        let mut found: BTreeMap<Key, Arc<Value>> = BTreeMap::new();
        for object in self.state.list(resource, namespace) {
            found.insert(Key::new(resource, meta::namespace(&object), meta::name(&object)), object);
        }
        for (key, object) in &self.overlay {
            if key.resource.as_ref() == resource && namespace.is_none_or(|ns| key.namespace.as_ref() == ns) {
                match object {
                    Some(object) => found.insert(key.clone(), Arc::clone(object)),
                    None => found.remove(key),
                };
            }
        }
        found.into_iter().collect()
    }

    /// Keys of the objects that name this UID as an owner.
    pub fn dependents(&self, uid: &str) -> Vec<Key> {
        self.state.dependents.get(uid).into_iter().flatten().cloned().collect()
    }

    pub fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.state.registry)
    }

    /// What a fault makes of an object.
    pub fn fault(&self, kind: &Kind, namespace: &str, name: &str) -> Option<FaultHow> {
        fault::of(&self.state.faults.now(), kind, namespace, name).cloned()
    }

    /// Whether what an object owned goes with it.
    pub fn collects(&self) -> bool {
        self.state.collects
    }

    /// Writes an object under a new resourceVersion; a dry one keeps the version it had.
    pub fn put(&mut self, key: &Key, mut object: Value) -> Arc<Value> {
        let old = self.get(key);
        let version = self.next_version();
        let shown = match &old {
            _ if !self.dry => Some(version.to_string()),
            Some(old) => Some(meta::resource_version(old).to_owned()),
            None => None,
        };
        let metadata = meta::metadata_mut(&mut object);
        match shown {
            Some(shown) => metadata.insert("resourceVersion".into(), shown.into()),
            None => metadata.remove("resourceVersion"),
        };
        let new = Arc::new(object);
        self.overlay.insert(key.clone(), Some(Arc::clone(&new)));
        self.changes.push(Event { key: key.clone(), version, old, new: Arc::clone(&new), removed: false });
        new
    }

    /// Removes an object, and gives its last state.
    pub fn remove(&mut self, key: &Key) -> Option<Arc<Value>> {
        let old = self.get(key)?;
        let version = self.next_version();
        let mut last = (*old).clone();
        meta::metadata_mut(&mut last).insert("resourceVersion".into(), version.to_string().into());
        self.overlay.insert(key.clone(), None);
        let new = Arc::new(last);
        self.changes.push(Event { key: key.clone(), version, old: Some(Arc::clone(&old)), new, removed: true });
        Some(old)
    }

    fn next_version(&self) -> u64 {
        self.state.version + self.changes.len() as u64 + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn put(store: &Store, name: &str, dry: bool) -> Result<Arc<Value>, ApiError> {
        let key = Key::new("configmaps", "default", name);
        store.write(dry, |tx| Ok(tx.put(&key, json!({"metadata": {"name": name, "namespace": "default"}}))))
    }

    #[test]
    fn a_failed_transaction_leaves_nothing_behind() {
        let store = Store::new(None, None);
        let key = Key::new("configmaps", "default", "a");
        let result: Result<(), ApiError> = store.write(false, |tx| {
            tx.put(&key, json!({"metadata": {"name": "a"}}));
            assert!(tx.get(&key).is_some(), "a transaction sees its own writes");
            Err(ApiError::bad_request("no"))
        });
        assert!(result.is_err());
        assert!(store.get(&key).is_none());
        assert_eq!(store.since(0).map(|(events, version)| (events.len(), version)), Ok((0, 0)));
    }

    #[test]
    fn a_dry_transaction_answers_without_a_version_and_keeps_nothing() {
        let store = Store::new(None, None);
        let shown = put(&store, "a", true).expect("answered");
        assert!(shown["metadata"]["resourceVersion"].is_null());
        assert_eq!(store.list("configmaps", None).0.len(), 0);
    }

    #[test]
    fn versions_count_all_writes_and_forgotten_ones_are_refused() {
        let store = Store::new(None, None);
        for n in 0..RING + 3 {
            put(&store, &format!("n{n}"), false).expect("kept");
        }
        assert_eq!(store.since(2).err(), Some(3), "the three oldest events are gone");
        let (events, version) = store.since(3).expect("still known");
        assert_eq!((events.len(), version), (RING, RING as u64 + 3));
    }

    #[test]
    fn a_list_of_one_namespace_has_only_that_namespace() {
        let store = Store::new(None, None);
        for ns in ["a", "ab", "b"] {
            let key = Key::new("configmaps", ns, "x");
            store
                .write(false, |tx| Ok(tx.put(&key, json!({"metadata": {"name": "x", "namespace": ns}}))))
                .expect("kept");
        }
        assert_eq!(store.list("configmaps", Some("a")).0.len(), 1);
        assert_eq!(store.list("configmaps", None).0.len(), 3);
    }
}
