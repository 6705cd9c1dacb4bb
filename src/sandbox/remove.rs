//! Delete: preconditions, finalizers, what goes with an owner, collections, and the end of a namespace.

use std::sync::Arc;

use serde_json::{Value, json};

use super::kinds::CRD_RESOURCE;
use super::meta;
use super::request::{Call, Place, dry_run};
use super::selector::Selector;
use super::status::{self, ApiError, Cause};
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

/// The finalizer of an object that goes after what it owns.
const FOREGROUND: &str = "foregroundDeletion";
/// The finalizer of an object that leaves behind what it owns.
const ORPHAN: &str = "orphan";

/// `DeleteOptions`, from the body and the query.
#[derive(Debug, Default)]
struct Options {
    dry: bool,
    /// What becomes of what the object owns, as a finalizer.
    propagation: Option<&'static str>,
    grace: Option<i64>,
    uid: Option<String>,
    resource_version: Option<String>,
}

impl Options {
    fn of(call: &Call) -> Result<Self, ApiError> {
        let body = Self::body(call)?;
        let listed = body["dryRun"].as_array();
        let in_body = listed.into_iter().flatten().filter_map(Value::as_str);
        let dry = dry_run("DeleteOptions", call.query.all("dryRun").chain(in_body))?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let policy = body["propagationPolicy"].as_str().unwrap_or_else(|| call.query.text("propagationPolicy"));
        let refused = |reason, message| {
            let cause = Cause { reason, field: "propagationPolicy".into(), message };
            ApiError::invalid_as("meta.k8s.io", "DeleteOptions", "", &[cause])
        };
        let old_word = body["orphanDependents"].as_bool();
        if old_word.is_some() && !policy.is_empty() {
            let why = "orphanDependents and deletionPropagation cannot be both set";
            return Err(refused("FieldValueInvalid", format!("Invalid value: {policy:?}: {why}")));
        }
        let propagation = match policy {
            "Foreground" => Some(FOREGROUND),
            "Orphan" => Some(ORPHAN),
            "" if old_word == Some(true) => Some(ORPHAN),
            "" | "Background" => None,
            other => {
                let known = r#""Foreground", "Background", "Orphan", "nil""#;
                return Err(refused(
                    "FieldValueNotSupported",
                    format!("Unsupported value: {other:?}: supported values: {known}"),
                ));
            }
        };
        let grace = body["gracePeriodSeconds"].as_i64();
        Ok(Self {
            dry,
            propagation,
            grace: grace.or_else(|| call.query.text("gracePeriodSeconds").parse().ok()),
            uid: text(&body["preconditions"]["uid"]),
            resource_version: text(&body["preconditions"]["resourceVersion"]),
        })
    }

    fn body(call: &Call) -> Result<Value, ApiError> {
        if call.body.is_empty() {
            return Ok(Value::Null);
        }
        let body = super::write::read_body(&call.body).map_err(|_| {
            ApiError::bad_request("couldn't get version/kind; json parse error: unexpected end of JSON input")
        })?;
        match body["kind"].as_str() {
            None | Some("" | "DeleteOptions") => Ok(body),
            Some(kind) => {
                let version = body["apiVersion"].as_str().unwrap_or_default();
                Err(ApiError::bad_request(format!(
                    "no kind {kind:?} is registered for version {version:?} in scheme \"pkg/runtime/scheme.go:111\""
                )))
            }
        }
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
        let kept = match options.propagation {
            Some(finalizer) if !meta::is_terminating(&object) => Arc::new(with_finalizer(&object, finalizer)),
            _ => Arc::clone(&object),
        };
        if resource == CRD_RESOURCE && !meta::has_finalizers(&kept) {
            return Ok(end_definition(tx, place, &key, &kept));
        }
        if resource == "pods" {
            return Ok(delete_pod(tx, place, &key, &kept, &options));
        }
        match delete_one(tx, place, &key, &kept) {
            Some(marked) => {
                if tx.collects() {
                    collect(tx, place, &key);
                }
                Ok(marked)
            }
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

/// A pod that runs somewhere gets time to end, where there are controllers that end it; any other goes at once.
fn delete_pod(tx: &mut Tx<'_>, place: &Place, key: &Key, pod: &Arc<Value>, options: &Options) -> Arc<Value> {
    let placed = pod["spec"]["nodeName"].as_str().is_some_and(|node| !node.is_empty());
    let spoken = pod["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap_or(30);
    let grace = if placed { options.grace.unwrap_or(spoken).max(0) } else { 0 };
    let mut ending = if meta::is_terminating(pod) { (**pod).clone() } else { marked(pod) };
    let metadata = meta::metadata_mut(&mut ending);
    metadata.insert("deletionGracePeriodSeconds".into(), grace.into());
    if grace > 0
        && let Ok(end) = jiff::Timestamp::now().checked_add(jiff::SignedDuration::from_secs(grace))
    {
        metadata.insert("deletionTimestamp".into(), format!("{end:.0}").into());
    }
    if meta::has_finalizers(&ending) || (grace > 0 && !tx.collects()) {
        return tx.put(key, ending);
    }
    finish(tx, place, key);
    Arc::new(ending)
}

/// A definition goes after the objects of its kind; the answer shows it on its way.
fn end_definition(tx: &mut Tx<'_>, place: &Place, key: &Key, object: &Value) -> Arc<Value> {
    let mut ending = with_finalizer(object, "customresourcecleanup.apiextensions.k8s.io");
    meta::metadata_mut(&mut ending).insert("deletionTimestamp".into(), meta::now().into());
    let condition = json!({
        "type": "Terminating", "status": "True", "lastTransitionTime": meta::now(), "reason": "InstanceDeletionPending",
        "message": "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
    });
    if let Some(list) = ending.pointer_mut("/status/conditions").and_then(Value::as_array_mut) {
        list.push(condition);
    }
    finish(tx, place, key);
    Arc::new(ending)
}

fn with_finalizer(object: &Value, finalizer: &str) -> Value {
    let mut kept = object.clone();
    match kept["metadata"]["finalizers"].as_array_mut() {
        Some(list) => list.push(finalizer.into()),
        None => kept["metadata"]["finalizers"] = json!([finalizer]),
    }
    kept
}

fn without_finalizer(object: &Value, finalizer: &str) -> Value {
    let mut left = object.clone();
    if let Some(list) = left.pointer_mut("/metadata/finalizers").and_then(Value::as_array_mut) {
        list.retain(|one| one != finalizer);
        if list.is_empty() {
            meta::metadata_mut(&mut left).remove("finalizers");
        }
    }
    left
}

fn waits_for(object: &Value, finalizer: &str) -> bool {
    meta::is_terminating(object)
        && object["metadata"]["finalizers"].as_array().is_some_and(|list| list.iter().any(|one| one == finalizer))
}

/// What the garbage collector does with an object that is on its way out: what it owns goes first, or is left behind.
fn collect(tx: &mut Tx<'_>, place: &Place, key: &Key) {
    let Some(mut object) = tx.get(key) else { return };
    let uid = meta::uid(&object).to_owned();
    if waits_for(&object, ORPHAN) {
        orphan(tx, &uid);
        object = tx.put(key, without_finalizer(&object, ORPHAN));
    }
    if waits_for(&object, FOREGROUND) {
        let registry = tx.registry();
        for dependent in dependents(tx, &uid) {
            if let (Some(found), Some(kind)) = (tx.get(&dependent), registry.by_resource(&dependent.resource)) {
                if meta::owners(&found).any(|owner| owner != uid) {
                    tx.put(&dependent, disowned(&found, &uid));
                } else {
                    delete_one(tx, &place_of(kind, &dependent), &dependent, &found);
                }
            }
        }
        if let Some(left) = tx.get(key).filter(|left| waits_for(left, FOREGROUND))
            && dependents(tx, &uid).is_empty()
        {
            object = tx.put(key, without_finalizer(&left, FOREGROUND));
        }
    }
    if !meta::has_finalizers(&object) && tx.get(key).is_some() {
        finish(tx, place, key);
    }
}

/// What still names an owner.
fn dependents(tx: &Tx<'_>, uid: &str) -> Vec<Key> {
    let names = |key: &Key| tx.get(key).is_some_and(|object| meta::owners(&object).any(|owner| owner == uid));
    tx.dependents(uid).into_iter().filter(names).collect()
}

/// The owners of an object that only wait for what they own.
fn waiting_owners(tx: &Tx<'_>, object: &Value) -> Vec<(Place, Key)> {
    let registry = tx.registry();
    let namespace = meta::namespace(object);
    let references = object["metadata"]["ownerReferences"].as_array();
    let mut found = Vec::new();
    for reference in references.into_iter().flatten() {
        let group = reference["apiVersion"].as_str().and_then(|v| v.split_once('/')).map_or("", |(group, _)| group);
        let Some(kind) = registry.of_group(group).find(|kind| reference["kind"] == kind.kind.as_str()) else {
            continue;
        };
        let name = reference["name"].as_str().unwrap_or_default();
        let key = Key::new(&kind.resource(), if kind.namespaced { namespace } else { "" }, name);
        let waits = tx
            .get(&key)
            .is_some_and(|owner| waits_for(&owner, FOREGROUND) && dependents(tx, meta::uid(&owner)).is_empty());
        if waits {
            found.push((place_of(kind, &key), key));
        }
    }
    found
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
        if !tx.collects() {
            continue;
        }
        for (place, key) in waiting_owners(tx, &object) {
            let Some(owner) = tx.get(&key) else { continue };
            let left = tx.put(&key, without_finalizer(&owner, FOREGROUND));
            if !meta::has_finalizers(&left) {
                waiting.push((place, key));
            }
        }
        let uid = meta::uid(&object).to_owned();
        for dependent in dependents(tx, &uid) {
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
    for dependent in dependents(tx, uid) {
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
