//! `ExternalSecret`s: the target Secret appears, with stand-ins for values.

use serde_json::{Map, Value, json};

use super::super::meta;
use super::super::secrets;
use super::super::store::{Event, Key};
use super::Simulated;
use super::desk::Desk;

pub(super) struct ExternalSecrets;

const RESOURCE: &str = "externalsecrets.external-secrets.io";
const STORES: &str = "secretstores.external-secrets.io";
const CLUSTER_STORES: &str = "clustersecretstores.external-secrets.io";

/// Length of a stand-in for a value that was never seen, in bytes.
const LENGTH: usize = 24;

fn target(object: &Value) -> &str {
    object["spec"]["target"]["name"].as_str().unwrap_or_else(|| meta::name(object))
}

/// Why the store cannot serve this object; `None` when it can.
fn store_trouble(desk: &Desk<'_>, object: &Value) -> Option<String> {
    let reference = &object["spec"]["secretStoreRef"];
    let name = reference["name"].as_str().unwrap_or_default();
    let cluster = reference["kind"] == "ClusterSecretStore";
    let (kind, found) = if cluster {
        ("ClusterSecretStore", desk.get(CLUSTER_STORES, "", name))
    } else {
        ("SecretStore", desk.get(STORES, meta::namespace(object), name))
    };
    let Some(store) = found else {
        return Some(format!("could not get {kind} {name:?}: {kind}.external-secrets.io {name:?} not found"));
    };
    let conditions = store["status"]["conditions"].as_array();
    let not_ready = conditions.into_iter().flatten().any(|c| c["type"] == "Ready" && c["status"] == "False");
    not_ready.then(|| format!("{kind} {name:?} is not ready"))
}

/// The keys that the target Secret will have.
fn wanted_keys(object: &Value) -> Vec<String> {
    let spec = &object["spec"];
    let data = spec["data"].as_array().into_iter().flatten();
    let mut keys: Vec<String> = data.filter_map(|item| item["secretKey"].as_str()).map(str::to_owned).collect();
    if let Some(template) = spec["target"]["template"]["data"].as_object() {
        keys = template.keys().cloned().collect();
    }
    if keys.is_empty() && spec["dataFrom"].is_array() {
        keys = vec!["username".into(), "password".into()];
    }
    keys
}

impl Simulated for ExternalSecrets {
    fn resource(&self) -> &'static str {
        RESOURCE
    }

    fn manager(&self) -> &'static str {
        "externalsecrets.external-secrets.io"
    }

    fn settled(&self, desk: &Desk<'_>, object: &Value, fault: Option<&str>) -> Option<Value> {
        let failed = fault.map(str::to_owned).or_else(|| store_trouble(desk, object));
        let mut status = object["status"].as_object().cloned().unwrap_or_default();
        if let Some(message) = failed {
            let condition = meta::condition(object, "Ready", "False", "SecretSyncedError", &message);
            status.insert("conditions".into(), json!([condition]));
            return Some(Value::Object(status));
        }
        // Made here, so that Ready never comes before the Secret.
        desk.apply(&secret(object), self.manager());
        let condition = meta::condition(object, "Ready", "True", "SecretSynced", "secret synced");
        // as the operator has it: a new annotation, such as force-sync, makes it sync again
        let seen = json!([object["metadata"]["annotations"], object["metadata"]["labels"]]);
        let synced = format!("{}-{}", meta::generation(object), short_hash(&seen));
        if status.get("syncedResourceVersion") != Some(&Value::from(synced.as_str())) {
            status.insert("refreshTime".into(), meta::now().into());
            status.insert("syncedResourceVersion".into(), synced.into());
        }
        status.insert("binding".into(), json!({"name": target(object)}));
        status.insert("conditions".into(), json!([condition]));
        Some(Value::Object(status))
    }

    fn concerned(&self, desk: &Desk<'_>, event: &Event) -> Vec<Key> {
        if matches!(&*event.key.resource, STORES | CLUSTER_STORES) {
            return desk.keys(RESOURCE, None);
        }
        // A target Secret that was removed is made again.
        if event.removed && &*event.key.resource == "secrets" {
            return meta::owners(&event.new).filter_map(|owner| owned_by(desk, event, owner)).collect();
        }
        Vec::new()
    }
}

fn owned_by(desk: &Desk<'_>, event: &Event, owner: &str) -> Option<Key> {
    let objects = desk.list(RESOURCE, Some(&event.key.namespace));
    let object = objects.iter().find(|object| meta::uid(object) == owner)?;
    Some(Key::new(RESOURCE, &event.key.namespace, meta::name(object)))
}

fn secret(object: &Value) -> Value {
    let data: Map<String, Value> = wanted_keys(object)
        .into_iter()
        .map(|key| (key, secrets::encode(secrets::stand_in(LENGTH).as_bytes()).into()))
        .collect();
    let kind = object["spec"]["target"]["template"]["type"].as_str().unwrap_or("Opaque");
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": kind, "data": data,
        "metadata": {
            "name": target(object), "namespace": meta::namespace(object),
            "labels": {"reconcile.external-secrets.io/managed": "true"},
            "ownerReferences": [{
                "apiVersion": object["apiVersion"], "kind": "ExternalSecret", "name": meta::name(object), "uid": meta::uid(object),
                "controller": true, "blockOwnerDeletion": true,
            }],
        },
    })
}

/// A short fingerprint that changes with the value.
fn short_hash(value: &Value) -> String {
    let sum = value
        .to_string()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{sum:016x}")
}
