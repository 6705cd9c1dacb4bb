//! Delete: preconditions, finalizers, what goes with an owner, collections, and the end of a namespace.

use std::sync::Arc;

use serde_json::{Value, json};

use super::kinds::CRD_RESOURCE;
use super::meta;
use super::request::{Call, Place, dry_run};
use super::selector::Selector;
use super::status::{self, ApiError};
use super::store::{Key, Store, Tx};

/// Namespaces that a server never lets go.
const KEPT_NAMESPACES: [&str; 3] = ["default", "kube-public", "kube-system"];

/// Kinds whose delete answers with the object instead of a `Status`.
const ANSWERED_WITH_OBJECT: [&str; 7] = [
    "persistentvolumeclaims",
    "persistentvolumes",
    "pods",
    "podtemplates",
    "resourcequotas",
    "serviceaccounts",
    "services",
];

/// `DeleteOptions`, from the body and the query.
#[derive(Debug, Default)]
struct Options {
    dry: bool,
    orphan: bool,
    uid: Option<String>,
    resource_version: Option<String>,
}

impl Options {
    fn of(call: &Call) -> Result<Self, ApiError> {
        let body: Value = if call.body.is_empty() { Value::Null } else { super::write::read_body(&call.body)? };
        let listed = body["dryRun"].as_array();
        let in_body = listed.into_iter().flatten().filter_map(Value::as_str);
        let dry = dry_run("DeleteOptions", call.query.all("dryRun").chain(in_body))?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let policy = body["propagationPolicy"].as_str().unwrap_or_else(|| call.query.text("propagationPolicy"));
        Ok(Self {
            dry,
            orphan: policy == "Orphan" || body["orphanDependents"] == true,
            uid: text(&body["preconditions"]["uid"]),
            resource_version: text(&body["preconditions"]["resourceVersion"]),
        })
    }

    fn check(&self, place: &Place, object: &Value) -> Result<(), ApiError> {
        let (uid, version) = (meta::uid(object), meta::resource_version(object));
        let why = if let Some(wanted) = self.uid.as_deref().filter(|wanted| *wanted != uid) {
            format!(
                "the UID in the precondition ({wanted}) does not match the UID in record ({uid}). The object might have been deleted and then recreated"
            )
        } else if let Some(wanted) = self.resource_version.as_deref().filter(|wanted| *wanted != version) {
            format!(
                "the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion in record ({version}). The object might have been modified"
            )
        } else {
            return Ok(());
        };
        Err(ApiError::delete_conflict(&place.kind, meta::name(object), &why))
    }
}

/// `DELETE` of one object.
pub(crate) fn delete(store: &Store, place: &Place, call: &Call, name: &str) -> Result<Arc<Value>, ApiError> {
    let options = Options::of(call)?;
    let resource = place.kind.resource();
    store.write(options.dry, |tx| {
        let key = place.key(name);
        let object = tx.get(&key).ok_or_else(|| ApiError::not_found(&place.kind, name))?;
        options.check(place, &object)?;
        if resource == "namespaces" {
            return end_namespace(tx, place, &key, &object);
        }
        if options.orphan {
            orphan(tx, meta::uid(&object));
        }
        match delete_one(tx, place, &key, &object) {
            Some(marked) => Ok(marked),
            None if ANSWERED_WITH_OBJECT.contains(&resource.as_str()) => Ok(object),
            None => Ok(Arc::new(status::deleted(&place.kind, name, meta::uid(&object)))),
        }
    })
}

/// `DELETE` of all that a selector matches; gives what was deleted.
pub(crate) fn delete_collection(store: &Store, place: &Place, call: &Call) -> Result<Vec<Arc<Value>>, ApiError> {
    let options = Options::of(call)?;
    let selector = Selector::parse(&place.kind, call.query.text("labelSelector"), call.query.text("fieldSelector"))?;
    store.write(options.dry, |tx| {
        let mut gone = Vec::new();
        for (key, object) in tx.list(&place.kind.resource(), place.namespace.as_deref()) {
            // An object may have gone with its owner a moment ago.
            if !selector.matches(&object) || tx.get(&key).is_none() {
                continue;
            }
            options.check(place, &object)?;
            delete_one(tx, place, &key, &object);
            gone.push(object);
        }
        Ok(gone)
    })
}

/// Marks or removes one object; the marked object when finalizers keep it.
fn delete_one(tx: &mut Tx<'_>, place: &Place, key: &Key, object: &Arc<Value>) -> Option<Arc<Value>> {
    if !meta::has_finalizers(object) {
        finish(tx, place, key);
        return None;
    }
    if meta::is_terminating(object) {
        return Some(Arc::clone(object));
    }
    Some(tx.put(key, marked(object)))
}

fn marked(object: &Value) -> Value {
    let mut marked = object.clone();
    let generation = meta::generation(object);
    let metadata = meta::metadata_mut(&mut marked);
    metadata.insert("deletionTimestamp".into(), meta::now().into());
    metadata.insert("deletionGracePeriodSeconds".into(), 0.into());
    if generation > 0 {
        metadata.insert("generation".into(), (generation + 1).into());
    }
    marked
}

/// Whether something other than `metadata.finalizers` keeps a terminating object: a namespace has contents to lose first.
pub(crate) fn is_held(object: &Value) -> bool {
    object["kind"] == "Namespace" && object["spec"]["finalizers"].as_array().is_some_and(|list| !list.is_empty())
}

/// Removes an object, and what goes with it: the instances of a definition, what it alone owned.
pub(crate) fn finish(tx: &mut Tx<'_>, place: &Place, key: &Key) {
    let registry = tx.registry();
    let mut waiting = vec![(place.clone(), key.clone())];
    while let Some((place, key)) = waiting.pop() {
        let Some(object) = tx.remove(&key) else {
            continue;
        };
        if place.kind.resource() == CRD_RESOURCE
            && let Some(kind) = registry.by_resource(&key.name)
        {
            for (instance, _) in tx.list(&kind.resource(), None) {
                waiting.push((place_of(kind, &instance), instance));
            }
        }
        let uid = meta::uid(&object).to_owned();
        for dependent in tx.dependents(&uid) {
            let Some(object) = tx.get(&dependent) else {
                continue;
            };
            let Some(kind) = registry.by_resource(&dependent.resource) else {
                continue;
            };
            if meta::owners(&object).any(|owner| owner != uid) {
                tx.put(&dependent, disowned(&object, &uid));
            } else if !meta::has_finalizers(&object) {
                waiting.push((place_of(kind, &dependent), dependent));
            } else if !meta::is_terminating(&object) {
                tx.put(&dependent, marked(&object));
            }
        }
    }
}

fn place_of(kind: &Arc<super::kinds::Kind>, key: &Key) -> Place {
    Place {
        kind: Arc::clone(kind),
        version: kind.stored.clone(),
        namespace: kind.namespaced.then(|| key.namespace.to_string()),
        name: Some(key.name.to_string()),
        subresource: String::new(),
    }
}

fn disowned(object: &Value, uid: &str) -> Value {
    let mut left = object.clone();
    if let Some(list) = left.pointer_mut("/metadata/ownerReferences").and_then(Value::as_array_mut) {
        list.retain(|reference| reference["uid"] != uid);
        if list.is_empty() {
            meta::metadata_mut(&mut left).remove("ownerReferences");
        }
    }
    left
}

fn orphan(tx: &mut Tx<'_>, uid: &str) {
    for dependent in tx.dependents(uid) {
        if let Some(object) = tx.get(&dependent) {
            tx.put(&dependent, disowned(&object, uid));
        }
    }
}

fn end_namespace(tx: &mut Tx<'_>, place: &Place, key: &Key, object: &Arc<Value>) -> Result<Arc<Value>, ApiError> {
    if KEPT_NAMESPACES.contains(&key.name.as_ref()) {
        return Err(ApiError::forbidden(&place.kind, &key.name, "this namespace may not be deleted", None));
    }
    if meta::is_terminating(object) {
        return Ok(Arc::clone(object));
    }
    let mut ending = (**object).clone();
    meta::metadata_mut(&mut ending).insert("deletionTimestamp".into(), meta::now().into());
    meta::set(&mut ending, "status.phase", json!("Terminating"));
    Ok(tx.put(key, ending))
}

/// Deletes everything in a terminating namespace, and the namespace once nothing is left in it.
pub(crate) fn empty_namespace(tx: &mut Tx<'_>, name: &str) {
    let registry = tx.registry();
    let mut left = false;
    for kind in registry.all().filter(|kind| kind.namespaced && !kind.create_only) {
        for (key, _) in tx.list(&kind.resource(), Some(name)) {
            let Some(object) = tx.get(&key) else { continue };
            if delete_one(tx, &place_of(kind, &key), &key, &object).is_some() {
                left = true;
            }
        }
    }
    let key = Key::new("namespaces", "", name);
    if !left && tx.get(&key).is_some_and(|namespace| !meta::has_finalizers(&namespace)) {
        tx.remove(&key);
    }
}
