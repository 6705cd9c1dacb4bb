//! Create and update: the common road of everything that writes an object.

use std::sync::Arc;

use serde_json::Value;

use super::admit;
use super::apply::{self, Manager, Operation};
use super::defaults;
use super::intake;
use super::kinds::CRD_RESOURCE;
use super::limits;
use super::meta;
use super::quota;
use super::remove;
use super::request::{Call, Place};
use super::status::{ApiError, Cause};
use super::store::{Store, Tx};
use super::validate;
use crate::object::yaml;

/// `POST` of an object.
pub(crate) fn create(store: &Store, place: &Place, call: &Call) -> Result<Arc<Value>, ApiError> {
    intake::options_fit(call, "CreateOptions")?;
    let object = parsed(place, call)?;
    let dry = call.dry_run("CreateOptions")?;
    let manager = call.updater(place);
    let mut object = object;
    intake::blank_status(place, &mut object);
    store.write(dry, |tx| insert(tx, place, object, Some(&manager)))
}

/// `PUT` of an object or its status.
pub(crate) fn replace(store: &Store, place: &Place, call: &Call, name: &str) -> Result<Arc<Value>, ApiError> {
    intake::options_fit(call, "UpdateOptions")?;
    let mut object = parsed(place, call)?;
    let dry = call.dry_run("UpdateOptions")?;
    let manager = call.updater(place);
    admit::address_fits(place, &mut object)?;
    store.write(dry, |tx| {
        let old = tx.get(&place.key(name)).ok_or_else(|| ApiError::not_found(&place.kind, name))?;
        if place.kind.is_custom() && meta::resource_version(&object).is_empty() {
            let cause = Cause::invalid("metadata.resourceVersion", &0.into(), "must be specified for an update");
            return Err(ApiError::invalid_as(&place.kind.group, &place.kind.plural, name, &[cause]));
        }
        update(tx, place, &old, object, Some(&manager))
    })
}

/// The body as an object of the path's type, in the version that is stored.
pub(crate) fn parsed(place: &Place, call: &Call) -> Result<Value, ApiError> {
    let sort = call.content_type.split(';').next().unwrap_or_default().trim();
    if !matches!(sort, "" | "application/json" | "application/yaml") {
        let accepted = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
        let count = if place.kind.is_custom() { 2 } else { 3 };
        return Err(ApiError::unsupported_media_type(&accepted[..count]));
    }
    let mut object = read_object(place, &call.body)?;
    admit::type_fits(place, &mut object)?;
    let (kind, version) = (&place.kind.kind, &place.version);
    let refused =
        |why| ApiError::bad_request(format!("{kind} in version {version:?} cannot be handled as a {kind}: {why}"));
    intake::taken(place, call, object, intake::doubled(&call.body)).map_err(refused)
}

/// As [`read_body`], in the words of a server that looks for an object.
fn read_object(place: &Place, body: &[u8]) -> Result<Value, ApiError> {
    let unrecognized = |why: &str, shown: &str| {
        let kind = &place.kind.kind;
        ApiError::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse error: {why} ({shown})"
        ))
    };
    let text = String::from_utf8_lossy(body);
    match read_body(body) {
        Ok(Value::Null) if !body.is_empty() => Ok(Value::Object(serde_json::Map::new())),
        Ok(value) => Ok(value),
        Err(_) if body.is_empty() => Err(unrecognized("unexpected end of JSON input", "<empty>")),
        Err(_) if text.trim_start().starts_with('{') => Err(unrecognized("unexpected end of JSON input", &text)),
        Err(error) => Err(error),
    }
}

/// A body that is JSON, or YAML, of which JSON is a part.
pub(crate) fn read_body(body: &[u8]) -> Result<Value, ApiError> {
    let json = match serde_json::from_slice(body) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let text = std::str::from_utf8(body).map_err(|e| ApiError::bad_request(format!("the body is not text: {e}")))?;
    match yaml::documents(text, "body").as_deref() {
        Ok([document]) if document.value.is_object() => Ok(document.value.clone()),
        _ => Err(ApiError::bad_request(format!("the body could not be read as JSON or YAML: {json}"))),
    }
}

/// Adds a new object. `manager` is `None` when ownership is recorded already.
pub(crate) fn insert(
    tx: &mut Tx<'_>,
    place: &Place,
    mut object: Value,
    manager: Option<&Manager>,
) -> Result<Arc<Value>, ApiError> {
    let kind = &place.kind;
    admit::address_fits(place, &mut object)?;
    let given = meta::name(&object).to_owned();
    let prefix = meta::field(&object, "generateName").to_owned();
    admit::namespace_takes(tx, place, &given)?;
    let name = if !given.is_empty() {
        given
    } else if prefix.is_empty() {
        let cause = Cause::required("metadata.name", "name or generateName is required");
        return Err(ApiError::invalid(kind, "", &[cause]));
    } else {
        // Twenty-seven to the fifth possible names: eight tries are plenty.
        let mut tries = (0..8).map(|_| format!("{prefix}{}", meta::suffix()));
        let free = tries.find(|name| tx.get(&place.key(name)).is_none());
        free.ok_or_else(|| ApiError::already_exists(kind, &prefix))?
    };
    admit::name_is_legal(kind, &name)?;
    let key = place.key(&name);
    match tx.get(&key) {
        Some(old) if meta::is_terminating(&old) => return Err(ApiError::being_deleted(kind, &name)),
        Some(_) => return Err(ApiError::already_exists(kind, &name)),
        None => {}
    }
    if !meta::resource_version(&object).is_empty() {
        return Err(ApiError::new(500, "", "resourceVersion should not be set on objects to be created", None));
    }
    if kind.status
        && !is_blank(&object["status"])
        && let Some(map) = object.as_object_mut()
    {
        map.remove("status");
    }
    object["apiVersion"] = kind.api_version(&kind.stored).into();
    let metadata = meta::metadata_mut(&mut object);
    for field in ["selfLink", "deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion"] {
        metadata.remove(field);
    }
    if metadata.get("labels").is_some_and(Value::is_null) {
        metadata.remove("labels");
    }
    metadata.insert("name".into(), name.into());
    metadata.insert("uid".into(), meta::new_uid().into());
    metadata.insert("creationTimestamp".into(), meta::now().into());
    if kind.generation {
        metadata.insert("generation".into(), 1.into());
    }
    defaults::fill(kind, &mut object);
    if let Some(manager) = manager {
        apply::recorded(kind, &Value::Null, &mut object, manager);
    }
    admit::definition(tx, kind, &mut object)?;
    if kind.resource() == CRD_RESOURCE && object["metadata"]["managedFields"].is_array() {
        let mut before = object.clone();
        let stored = object["status"]["storedVersions"].clone();
        before["status"] = serde_json::json!({"conditions": [], "storedVersions": stored, "acceptedNames": {}});
        let server = Manager {
            operation: Operation::Update,
            name: "kube-apiserver".into(),
            subresource: "status".into(),
            api_version: place.api_version(),
        };
        apply::recorded(kind, &before, &mut object, &server);
    }
    if kind.resource() == "pods" {
        admit::account_exists(tx, place, &object)?;
        limits::fill(tx, place, &mut object);
    }
    defaults::decide(kind, &mut object);
    judged(place, &object, None)?;
    room_for(tx, place, &object, None)?;
    Ok(tx.put(&key, object))
}

/// Changes an object to `new`. `manager` is `None` when ownership is recorded already.
pub(crate) fn update(
    tx: &mut Tx<'_>,
    place: &Place,
    old: &Arc<Value>,
    mut new: Value,
    manager: Option<&Manager>,
) -> Result<Arc<Value>, ApiError> {
    let kind = &place.kind;
    let name = meta::name(old).to_owned();
    let key = place.key(&name);
    check_preconditions(place, old, &new)?;
    if meta::namespace(&new) != meta::namespace(old) {
        let why = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(ApiError::bad_request(why));
    }
    if meta::name(&new) != name {
        return Err(ApiError::bad_request(format!(
            "the name of the object ({}) does not match the name on the URL ({name})",
            meta::name(&new)
        )));
    }
    separate(place, old, &mut new);
    new["apiVersion"] = old["apiVersion"].clone();
    new["kind"] = old["kind"].clone();
    for field in [
        "uid",
        "creationTimestamp",
        "resourceVersion",
        "generation",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generateName",
    ] {
        meta::carry(old, &mut new, field);
    }
    if place.subresource.is_empty() {
        defaults::fill(kind, &mut new);
        admit::unchangeable(kind, old, &new)?;
        admit::no_new_finalizers(kind, old, &new)?;
        if kind.generation && spec_differs(place, old, &new) {
            let next = meta::generation(old) + 1;
            meta::metadata_mut(&mut new).insert("generation".into(), next.into());
        }
    }
    if let Some(manager) = manager {
        apply::recorded(kind, old, &mut new, manager);
    }
    if place.subresource.is_empty() {
        admit::definition(tx, kind, &mut new)?;
        defaults::decide(kind, &mut new);
    }
    judged(place, &new, Some(old))?;
    if place.subresource.is_empty() {
        room_for(tx, place, &new, Some(old))?;
    }
    if apply::same_but_times(old, &new) {
        return Ok(Arc::clone(old));
    }
    if meta::is_terminating(&new) && !meta::has_finalizers(&new) && !remove::is_held(&new) {
        // The last finalizer is gone, and the object with it: nobody sees it once more without one.
        remove::finish(tx, place, &key);
        return Ok(Arc::new(new));
    }
    Ok(tx.put(&key, new))
}

/// Refuses what the namespace's limits and quotas have no room for.
fn room_for(tx: &mut Tx<'_>, place: &Place, new: &Value, old: Option<&Value>) -> Result<(), ApiError> {
    match place.kind.resource().as_str() {
        "pods" if old.is_none() => limits::admit(tx, place, new)?,
        "persistentvolumeclaims" => limits::admit(tx, place, new)?,
        _ => {}
    }
    quota::admit(tx, place, new, old)
}

/// Whether a status says nothing: that of an object that was just made.
fn is_blank(status: &Value) -> bool {
    match status {
        Value::Object(map) => map.values().all(is_blank),
        Value::Null => true,
        other => *other == 0 || *other == "",
    }
}

/// Refuses an object that is not as its kind has to be.
fn judged(place: &Place, new: &Value, old: Option<&Value>) -> Result<(), ApiError> {
    let mut causes = intake::custom_misfits(place, new, old);
    causes.extend(validate::metadata(new));
    if place.subresource.is_empty() {
        causes.extend(validate::misfits(&place.kind, new));
    }
    if causes.is_empty() { Ok(()) } else { Err(ApiError::invalid(&place.kind, meta::name(new), &causes)) }
}

fn check_preconditions(place: &Place, old: &Value, new: &Value) -> Result<(), ApiError> {
    let name = meta::name(old);
    let (sent, kept) = (meta::uid(new), meta::uid(old));
    if !sent.is_empty() && sent != kept {
        let mut path = format!(
            "/registry/{}",
            if place.kind.is_custom() { format!("{}/", place.kind.group) } else { String::new() }
        );
        for part in [Some(place.kind.plural.as_str()), place.namespace.as_deref(), Some(name)].into_iter().flatten() {
            path = format!("{}/{part}", path.trim_end_matches('/'));
        }
        let why = format!(
            "StorageError: invalid object, Code: 4, Key: {path}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {sent}, UID in object meta: {kept}"
        );
        return Err(ApiError::conflict(&place.kind, name, &why));
    }
    let sent = meta::resource_version(new);
    if !sent.is_empty() && sent != "0" && sent != meta::resource_version(old) {
        return Err(ApiError::modified(&place.kind, name));
    }
    Ok(())
}

/// Keeps the status out of writes to the object, and all but the status out of writes to the status.
fn separate(place: &Place, old: &Value, new: &mut Value) {
    if !place.kind.status {
        return;
    }
    if place.subresource == "status" {
        let status = new.get("status").cloned();
        let managed = new["metadata"].get("managedFields").cloned();
        let version = new["metadata"].get("resourceVersion").cloned();
        let mut whole = old.clone();
        let map = meta::map_mut(&mut whole);
        match status {
            Some(status) => map.insert("status".into(), status),
            None => map.remove("status"),
        };
        for (field, value) in [("managedFields", managed), ("resourceVersion", version)] {
            if let Some(value) = value {
                meta::metadata_mut(&mut whole).insert(field.into(), value);
            }
        }
        *new = whole;
    } else {
        let map = meta::map_mut(new);
        match old.get("status") {
            Some(status) => map.insert("status".into(), status.clone()),
            None => map.remove("status"),
        };
    }
}

/// Whether anything that counts as desired state differs.
fn spec_differs(place: &Place, old: &Value, new: &Value) -> bool {
    let desired = |object: &Value| {
        let mut map = object.as_object().cloned().unwrap_or_default();
        let metadata = map.remove("metadata").unwrap_or_default();
        if place.kind.resource() == "deployments.apps" {
            // Of this kind a server counts the annotations, too.
            map.insert("annotations".into(), metadata["annotations"].clone());
        }
        if place.kind.status {
            map.remove("status");
        }
        map
    };
    desired(old) != desired(new)
}
