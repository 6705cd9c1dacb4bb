//! What a controller may look at and change.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::apply::{self, Manager, Operation};
use super::super::meta;
use super::super::remove;
use super::super::request::Place;
use super::super::status::ApiError;
use super::super::store::{Key, Store};
use super::super::write;
use super::events;

pub(super) struct Desk<'a> {
    pub store: &'a Store,
}

/// The controller of the control plane's own kinds.
pub(super) const MANAGER: &str = "kube-controller-manager";

impl Desk<'_> {
    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.store.get(&Key::new(resource, namespace, name))
    }

    pub fn list(&self, resource: &str, namespace: Option<&str>) -> Vec<Arc<Value>> {
        self.store.list(resource, namespace).0
    }

    /// Keys of all objects of a kind, in one namespace or in all.
    pub fn keys(&self, resource: &str, namespace: Option<&str>) -> Vec<Key> {
        self.list(resource, namespace).iter().map(|object| key_of(resource, object)).collect()
    }

    /// The objects of a kind that this one controls and that are not on their way out, by name.
    pub fn owned(&self, resource: &str, owner: &Value) -> Vec<Arc<Value>> {
        let uid = meta::uid(owner);
        let is_controlled = |object: &Value| controller(object).is_some_and(|reference| reference["uid"] == uid);
        let mut owned: Vec<Arc<Value>> = self
            .store
            .dependents(uid)
            .into_iter()
            .filter(|key| *key.resource == *resource)
            .filter_map(|key| self.store.get(&key))
            .filter(|object| is_controlled(object) && !meta::is_terminating(object))
            .collect();
        owned.sort_by(|a, b| meta::name(a).cmp(meta::name(b)));
        owned
    }

    fn place(&self, resource: &str, namespace: &str, subresource: &str) -> Option<Place> {
        let kind = Arc::clone(self.store.registry().by_resource(resource)?);
        Some(Place {
            version: kind.stored.clone(),
            namespace: kind.namespaced.then(|| namespace.to_owned()),
            name: None,
            subresource: subresource.to_owned(),
            kind,
        })
    }

    /// Writes a status. An object that is gone, or a disk that is full, is met again at the next look.
    pub fn write_status(&self, key: &Key, manager: &str, status: Option<Value>) {
        let (Some(status), Some(place)) = (status, self.place(&key.resource, &key.namespace, "status")) else {
            return;
        };
        let component = manager;
        let manager = by(manager, &place, Operation::Update);
        let result = self.store.write(false, |tx| {
            let Some(old) = tx.get(key).filter(|old| old["status"] != status) else {
                return Ok(None);
            };
            let mut new = (*old).clone();
            new["status"] = status;
            let new = write::update(tx, &place, &old, new, Some(&manager))?;
            Ok(Some((old, new)))
        });
        match result {
            Ok(Some((old, new))) => events::tell_change(self, component, &old, &new),
            Ok(None) => {}
            Err(error) => report(key, Err(error)),
        }
    }

    /// Changes an object, if it is still there.
    pub fn change(&self, key: &Key, change: impl FnOnce(&mut Value)) {
        let Some(place) = self.place(&key.resource, &key.namespace, "") else {
            return;
        };
        let manager = by(MANAGER, &place, Operation::Update);
        let result = self.store.write(false, |tx| {
            let Some(old) = tx.get(key) else {
                return Ok(());
            };
            let mut new = (*old).clone();
            change(&mut new);
            if new == *old {
                return Ok(());
            }
            write::update(tx, &place, &old, new, Some(&manager)).map(|_| ())
        });
        report(key, result);
    }

    /// Makes a new object.
    ///
    /// # Errors
    /// What the API says against it, such as a quota that is used up.
    pub fn create(&self, object: Value) -> Result<Arc<Value>, String> {
        let place = self.place_of(&object).ok_or_else(|| format!("{} is not served", object["kind"]))?;
        let manager = by(MANAGER, &place, Operation::Update);
        let made = self.store.write(false, |tx| write::insert(tx, &place, object, Some(&manager)));
        made.map_err(|error| error.body()["message"].as_str().unwrap_or_default().to_owned())
    }

    /// Makes an object be as given; what others set in it stays.
    pub fn apply(&self, config: &Value, manager: &str) {
        let Some(place) = self.place_of(config) else {
            return;
        };
        let manager = by(manager, &place, Operation::Apply);
        let key = place.key(meta::name(config));
        let result = self.store.write(false, |tx| {
            let old = tx.get(&key);
            let live = old.as_deref().cloned().unwrap_or_else(|| json!({}));
            let new = apply::applied(&place.kind, &live, config, &manager, true)?;
            match &old {
                Some(old) => write::update(tx, &place, old, new, None),
                None => write::insert(tx, &place, new, None),
            }
            .map(|_| ())
        });
        report(&key, result);
    }

    /// Makes an object whose one field of interest is as given; one that has it so is left as it is.
    pub fn keep(&self, wanted: Value, field: &str) {
        let Some(place) = self.place_of(&wanted) else {
            return;
        };
        let key = place.key(meta::name(&wanted));
        match self.store.get(&key) {
            Some(old) if old.get(field) == wanted.get(field) => {}
            Some(_) => self.change(&key, |object| match wanted.get(field) {
                Some(value) => object[field] = value.clone(),
                None => {
                    meta::map_mut(object).remove(field);
                }
            }),
            None => {
                if let Err(why) = self.create(wanted) {
                    tracing::debug!(why, "no {key}");
                }
            }
        }
    }

    /// Removes an object, and what it alone owns.
    pub fn remove(&self, key: &Key) {
        let Some(place) = self.place(&key.resource, &key.namespace, "") else {
            return;
        };
        let result = self.store.write(false, |tx| {
            if tx.get(key).is_some() {
                remove::finish(tx, &place, key);
            }
            Ok(())
        });
        report(key, result);
    }

    fn place_of(&self, object: &Value) -> Option<Place> {
        let registry = self.store.registry();
        let kind = registry.all().find(|kind| {
            object["kind"] == kind.kind.as_str() && object["apiVersion"] == kind.api_version(&kind.stored)
        })?;
        self.place(&kind.resource(), meta::namespace(object), "")
    }
}

fn by(name: &str, place: &Place, operation: Operation) -> Manager {
    Manager {
        operation,
        name: name.to_owned(),
        subresource: place.subresource.clone(),
        api_version: place.api_version(),
    }
}

pub(super) fn key_of(resource: &str, object: &Value) -> Key {
    Key::new(resource, meta::namespace(object), meta::name(object))
}

/// The reference to what controls an object.
pub(super) fn controller(object: &Value) -> Option<&Value> {
    let references = object["metadata"]["ownerReferences"].as_array()?;
    references.iter().find(|reference| reference["controller"] == true)
}

/// A reference to an object as the controller of another.
pub(super) fn controlled_by(owner: &Value) -> Value {
    json!([{
        "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": meta::name(owner), "uid": meta::uid(owner),
        "controller": true, "blockOwnerDeletion": true,
    }])
}

/// Says in the log what a controller could not write.
pub(super) fn report(key: &Key, result: Result<(), ApiError>) {
    if let Err(error) = result {
        tracing::debug!(%key, status = %error.body(), "a sandbox controller could not write");
    }
}

/// The status of a condition, or the empty string.
pub(super) fn condition_status<'a>(object: &'a Value, kind: &str) -> &'a str {
    let conditions = object["status"]["conditions"].as_array();
    let found = conditions.into_iter().flatten().find(|condition| condition["type"] == kind);
    found.and_then(|condition| condition["status"].as_str()).unwrap_or_default()
}

/// A condition with the generation that it was seen at.
pub(super) fn observed(object: &Value, kind: &str, status: &str, reason: &str, message: &str) -> Value {
    let mut condition = meta::condition(object, kind, status, reason, message);
    condition["observedGeneration"] = meta::generation(object).into();
    condition
}
