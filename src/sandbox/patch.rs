//! The four patch formats, and the scale subresource.

use std::sync::Arc;

use serde_json::{Value, json};

use super::admit;
use super::apply::{self, Manager, Node, Operation};
use super::intake;
use super::meta;
use super::request::{Call, Place};
use super::status::{ApiError, Cause};
use super::store::{Store, Tx};
use super::strategic;
use super::write;

const JSON: &str = "application/json-patch+json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

/// `PATCH`; gives the object, and whether it was made by an apply.
pub(crate) fn patch(store: &Store, place: &Place, call: &Call, name: &str) -> Result<(Arc<Value>, bool), ApiError> {
    let dry = call.dry_run("PatchOptions")?;
    let sort = call.content_type.split(';').next().unwrap_or_default().trim();
    let known = [JSON, MERGE, STRATEGIC, APPLY].contains(&sort);
    if !known {
        return Err(ApiError::new(415, "UnsupportedMediaType", "415: Unsupported Media Type", Some(json!({}))));
    }
    if sort == STRATEGIC && place.kind.is_custom() {
        return Err(ApiError::unsupported_media_type(&[JSON, MERGE, APPLY]));
    }
    if sort == APPLY {
        return server_side_apply(store, place, call, name, dry);
    }
    intake::options_fit(call, "PatchOptions")?;
    if call.query.flag("force") {
        let cause = Cause {
            reason: "FieldValueForbidden",
            field: "force".into(),
            message: "Forbidden: may not be specified for non-apply patch".into(),
        };
        return Err(ApiError::invalid_as("meta.k8s.io", "PatchOptions", "", &[cause]));
    }
    // What is not there is missing, whatever the patch says.
    if store.get(&place.key(name)).is_none() {
        return Err(ApiError::not_found(&place.kind, name));
    }
    let body = write::read_body(&call.body)?;
    let manager = call.updater(place);
    store.write(dry, |tx| {
        let old = tx.get(&place.key(name)).ok_or_else(|| ApiError::not_found(&place.kind, name))?;
        let before = if place.subresource == "scale" { scale_of(place, &old) } else { in_version(place, &old) };
        let after = patched(place, sort, &before, &body)?;
        if place.subresource == "scale" {
            return Ok((set_scale(tx, place, &old, &after, &manager)?, false));
        }
        let mut after = after;
        let shown = || after.to_string();
        if after["kind"] != place.kind.kind.as_str() || after["apiVersion"] != place.api_version() {
            let why = format!(
                "no kind {} is registered for version {} in scheme \"pkg/runtime/scheme.go:111\"",
                after["kind"], after["apiVersion"]
            );
            return Err(intake::patch_invalid(&shown(), &why));
        }
        admit::type_fits(place, &mut after.clone())?;
        let (sent, kept) = (meta::uid(&after), meta::uid(&old));
        if sent != kept && !sent.is_empty() {
            let cause = Cause::invalid("metadata.uid", &sent.into(), "field is immutable");
            return Err(ApiError::invalid(&place.kind, name, &[cause.clone(), cause]));
        }
        let text = shown();
        after = intake::taken(place, call, after, Vec::new()).map_err(|why| {
            if sort == STRATEGIC {
                intake::patch_invalid(&strategic::shown(&body), &strategic::in_its_words(why))
            } else {
                intake::patch_invalid(&text, &why)
            }
        })?;
        Ok((write::update(tx, place, &old, after, Some(&manager))?, false))
    })
}

fn in_version(place: &Place, object: &Value) -> Value {
    let mut shown = object.clone();
    shown["apiVersion"] = place.api_version().into();
    shown
}

fn patched(place: &Place, sort: &str, before: &Value, body: &Value) -> Result<Value, ApiError> {
    let mut after = before.clone();
    match sort {
        JSON => {
            let refused = || {
                let message = "the server rejected our request due to an error in our request";
                ApiError::new(422, "Invalid", message, Some(json!({})))
            };
            let operations: json_patch::Patch = serde_json::from_value(body.clone()).map_err(|_| refused())?;
            json_patch::patch(&mut after, &operations).map_err(|_| refused())?;
        }
        _ if !body.is_object() => {
            let what = match body {
                Value::Array(_) => "array",
                Value::String(_) => "string",
                Value::Number(_) => "number",
                _ => "bool",
            };
            let decoding = if sort == MERGE { "error decoding patch: " } else { "" };
            return Err(ApiError::bad_request(format!(
                "{decoding}json: cannot unmarshal {what} into Go value of type map[string]interface {{}}"
            )));
        }
        STRATEGIC => {
            after = strategic::merge(Node::of(&place.kind, &place.version), &after, body)
                .map_err(|why| ApiError::new(500, "", why, None))?;
        }
        _ => json_patch::merge(&mut after, body),
    }
    Ok(after)
}

fn server_side_apply(
    store: &Store,
    place: &Place,
    call: &Call,
    name: &str,
    dry: bool,
) -> Result<(Arc<Value>, bool), ApiError> {
    let mut config = write::read_body(&call.body)?;
    let manager = call.query.text("fieldManager");
    if manager.is_empty() {
        let cause = Cause::required("fieldManager", "is required for apply patch");
        return Err(ApiError::invalid_as("meta.k8s.io", "PatchOptions", "", &[cause]));
    }
    if place.subresource == "scale" {
        return Err(ApiError::unsupported_media_type(&[JSON, MERGE]));
    }
    let manager = Manager {
        operation: Operation::Apply,
        name: manager.to_owned(),
        subresource: place.subresource.clone(),
        api_version: place.api_version(),
    };
    if !place.kind.is_custom() {
        let (sent, kind) =
            (config["apiVersion"].as_str().unwrap_or_default(), config["kind"].as_str().unwrap_or_default());
        let untyped = sent.is_empty() || kind.is_empty();
        if untyped || sent == place.api_version() && kind != place.kind.kind {
            let (group, version) = sent.split_once('/').unwrap_or(("", sent));
            return Err(ApiError::bad_request(format!("invalid object type: {group}/{version}, Kind={kind}")));
        }
    }
    admit::type_fits(place, &mut config)?;
    intake::typed(place, &config)?;
    admit::address_fits(place, &mut config)?;
    if config["metadata"]["managedFields"].as_array().is_some_and(|list| !list.is_empty()) {
        return Err(ApiError::bad_request("metadata.managedFields must be nil"));
    }
    intake::addressed(place, &mut config);
    let force = call.query.flag("force");
    store.write(dry, |tx| {
        let Some(old) = tx.get(&place.key(name)) else {
            if !place.subresource.is_empty() {
                return Err(ApiError::not_found(&place.kind, name));
            }
            let uid = meta::uid(&config);
            if !uid.is_empty() {
                let why =
                    format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
                return Err(ApiError::conflict(&place.kind, name, &why));
            }
            let new = apply::applied(&place.kind, &json!({}), &config, &manager, force)?;
            let mut new = intake::settled(place, new)?;
            meta::metadata_mut(&mut new).remove("resourceVersion");
            intake::blank_status(place, &mut new);
            return Ok((write::insert(tx, place, new, None)?, true));
        };
        let new = apply::applied(&place.kind, &old, &config, &manager, force)?;
        let new = intake::settled(place, new)?;
        Ok((write::update(tx, place, &old, new, None)?, false))
    })
}

/// The `Scale` of an object.
pub(crate) fn scale_of(place: &Place, object: &Value) -> Value {
    let mut scale = json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {}, "spec": {}, "status": {}});
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        meta::carry(object, &mut scale, field);
    }
    let Some(paths) = &place.kind.scale else {
        return scale;
    };
    let number = |path: &str| meta::at(object, path).and_then(Value::as_i64).unwrap_or_default();
    let wanted = number(&paths.spec_replicas);
    if wanted != 0 {
        scale["spec"]["replicas"] = wanted.into();
    }
    scale["status"]["replicas"] = number(&paths.status_replicas).into();
    let selector = match &paths.selector {
        Some(path) => meta::at(object, path).and_then(Value::as_str).map(str::to_owned),
        None => object["spec"]["selector"]["matchLabels"].as_object().map(|labels| {
            let pairs: Vec<String> =
                labels.iter().map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default())).collect();
            pairs.join(",")
        }),
    };
    if let Some(selector) = selector {
        scale["status"]["selector"] = selector.into();
    }
    scale
}

/// `PUT` of a `Scale`.
pub(crate) fn put_scale(store: &Store, place: &Place, call: &Call, name: &str) -> Result<Arc<Value>, ApiError> {
    let dry = call.dry_run("UpdateOptions")?;
    let scale = write::read_body(&call.body)?;
    let manager = call.updater(place);
    store.write(dry, |tx| {
        let old = tx.get(&place.key(name)).ok_or_else(|| ApiError::not_found(&place.kind, name))?;
        set_scale(tx, place, &old, &scale, &manager)
    })
}

fn set_scale(
    tx: &mut Tx<'_>,
    place: &Place,
    old: &Arc<Value>,
    scale: &Value,
    manager: &Manager,
) -> Result<Arc<Value>, ApiError> {
    let name = meta::name(old);
    let replicas = match &scale["spec"]["replicas"] {
        Value::Null => 0,
        Value::Number(number) if number.as_i64().is_some_and(|n| n >= 0) => number.as_i64().unwrap_or_default(),
        other => {
            let cause = Cause::invalid("spec.replicas", other, "must be greater than or equal to 0");
            return Err(ApiError::invalid_as("autoscaling", "Scale", name, &[cause]));
        }
    };
    let version = meta::resource_version(scale);
    if !version.is_empty() && version != meta::resource_version(old) {
        return Err(ApiError::modified(&place.kind, name));
    }
    let Some(paths) = &place.kind.scale else {
        return Err(ApiError::NoSuchPath);
    };
    let mut new = (**old).clone();
    meta::set(&mut new, &paths.spec_replicas, replicas.into());
    let whole = Place { subresource: String::new(), ..place.clone() };
    let kept = write::update(tx, &whole, old, new, Some(manager))?;
    Ok(Arc::new(scale_of(place, &kept)))
}
