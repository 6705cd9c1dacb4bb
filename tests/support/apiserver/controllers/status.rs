//! What each controller writes into an object's status: pure functions of the object.

use serde_json::{Map, Value, json};

/// The status of an object whose controller succeeded, or gave up with `failure`.
pub fn of(kind: &str, object: &Value, failure: Option<&str>) -> Value {
    match kind {
        "ExternalSecret" => external_secret(object, failure),
        "HTTPRoute" => route(object, failure),
        "ReplicationSource" => replication(object, failure),
        _ => flux(kind, object, failure),
    }
}

/// Whether a status says something else, times aside.
pub fn differs(is: &Value, wanted: &Value) -> bool {
    fn timeless(v: &Value) -> Value {
        match v {
            Value::Object(m) => {
                let kept = m
                    .iter()
                    .filter(|(k, _)| !["lastTransitionTime", "refreshTime", "lastSyncTime"].contains(&k.as_str()));
                kept.map(|(k, v)| (k.clone(), timeless(v))).collect::<Map<_, _>>().into()
            }
            Value::Array(a) => a.iter().map(timeless).collect(),
            _ => v.clone(),
        }
    }
    // Fields that the server or another controller added do not count.
    let keys = wanted.as_object().into_iter().flatten();
    keys.into_iter().any(|(k, v)| timeless(&is[k]) != timeless(v))
}

/// The Secret that an `ExternalSecret` asks for, with a value for each key.
pub fn target_secret(object: &Value) -> Value {
    let meta = &object["metadata"];
    let keys = object["spec"]["data"].as_array().into_iter().flatten().filter_map(|d| d["secretKey"].as_str());
    let data: Map<_, _> = keys.map(|k| (k.to_owned(), json!(format!("value-of-{k}")))).collect();
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": object["spec"]["target"]["name"].as_str().or(meta["name"].as_str()),
            "namespace": meta["namespace"],
            "ownerReferences": [{
                "apiVersion": object["apiVersion"], "kind": "ExternalSecret", "name": meta["name"], "uid": meta["uid"],
                "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "stringData": data,
    })
}

fn flux(kind: &str, object: &Value, failure: Option<&str>) -> Value {
    let generation = &object["metadata"]["generation"];
    let (done, failed, message) = match kind {
        "HelmRelease" => ("InstallSucceeded", "InstallFailed", "Helm install succeeded"),
        "Kustomization" => ("ReconciliationSucceeded", "ReconciliationFailed", "Applied revision"),
        _ => ("Succeeded", "FetchFailed", "stored artifact"),
    };
    let mut conditions = vec![match failure {
        None => condition("Ready", "True", done, message, generation),
        Some(why) => condition("Ready", "False", failed, why, generation),
    }];
    if let (Some(why), "HelmRelease") = (failure, kind) {
        conditions.push(condition("Stalled", "True", "RetriesExceeded", why, generation));
    }
    let mut status = json!({"observedGeneration": generation, "conditions": conditions});
    let requested = &object["metadata"]["annotations"]["reconcile.fluxcd.io/requestedAt"];
    if requested.is_string() {
        status["lastHandledReconcileAt"] = requested.clone();
    }
    status
}

fn external_secret(object: &Value, failure: Option<&str>) -> Value {
    // This kind's conditions have no observedGeneration; the generation is in the synced version.
    let ready = |status, reason, message: &str| {
        json!([timed(&json!({"type": "Ready", "status": status, "reason": reason, "message": message}))])
    };
    let Some(why) = failure else {
        let spec = object["spec"].to_string();
        let hash =
            spec.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        return json!({
            "conditions": ready("True", "SecretSynced", "secret synced"),
            "refreshTime": now(),
            "syncedResourceVersion": format!("{}-{hash:016x}", object["metadata"]["generation"]),
            "binding": {"name": target_secret(object)["metadata"]["name"]},
        });
    };
    json!({"conditions": ready("False", "SecretSyncedError", why)})
}

fn route(object: &Value, failure: Option<&str>) -> Value {
    let generation = &object["metadata"]["generation"];
    let accepted = match failure {
        None => condition("Accepted", "True", "Accepted", "Route was valid", generation),
        Some(why) => condition("Accepted", "False", "NotAllowedByListeners", why, generation),
    };
    let resolved = condition("ResolvedRefs", "True", "ResolvedRefs", "All references resolved", generation);
    let parent = |p: &Value| {
        json!({
            "parentRef": p, "controllerName": "gateway.example.com/controller", "conditions": [accepted, resolved],
        })
    };
    json!({"parents": object["spec"]["parentRefs"].as_array().into_iter().flatten().map(parent).collect::<Vec<_>>()})
}

/// A backup that is asked for by hand is done at once.
fn replication(object: &Value, failure: Option<&str>) -> Value {
    let manual = &object["spec"]["trigger"]["manual"];
    let condition =
        condition("Synchronizing", "False", "WaitingForSchedule", "waiting", &object["metadata"]["generation"]);
    let mut status = json!({ "conditions": [condition] });
    if manual.is_string() {
        status["latestMoverStatus"] = match failure {
            None => json!({ "result": "Successful", "logs": "snapshot saved" }),
            Some(why) => json!({ "result": "Failed", "logs": why }),
        };
        if failure.is_none() {
            status["lastManualSync"] = manual.clone();
            status["lastSyncTime"] = json!(now());
        }
    }
    status
}

fn condition(kind: &str, status: &str, reason: &str, message: &str, generation: &Value) -> Value {
    timed(&json!({
        "type": kind, "status": status, "reason": reason, "message": message, "observedGeneration": generation,
    }))
}

fn timed(condition: &Value) -> Value {
    let mut timed = condition.clone();
    timed["lastTransitionTime"] = json!(now());
    timed
}

fn now() -> String {
    // The API takes whole seconds.
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
