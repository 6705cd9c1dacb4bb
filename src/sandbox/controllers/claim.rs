//! `PersistentVolumeClaim`s: bound to a volume made for them.

use serde_json::{Value, json};

use super::super::meta;
use super::desk::{Desk, MANAGER, key_of};
use super::{Simulated, Told};

pub(super) struct Claims;

pub(super) const RESOURCE: &str = "persistentvolumeclaims";
const VOLUMES: &str = "persistentvolumes";

impl Simulated for Claims {
    fn resource(&self) -> &'static str {
        RESOURCE
    }

    fn tend(&self, desk: &Desk<'_>, claim: &Value, told: &Told) {
        let given = claim["spec"]["volumeName"].as_str().filter(|name| !name.is_empty());
        if *told != Told::Settle || given.is_some() {
            return;
        }
        let name = format!("pvc-{}", meta::uid(claim));
        let spec = &claim["spec"];
        if desk.get(VOLUMES, "", &name).is_none() {
            let made = desk.create(json!({
                "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
                "spec": {
                    "accessModes": spec["accessModes"], "volumeMode": spec["volumeMode"].as_str().unwrap_or("Filesystem"),
                    "capacity": {"storage": spec["resources"]["requests"]["storage"]},
                    "persistentVolumeReclaimPolicy": "Delete",
                    "storageClassName": spec["storageClassName"].as_str().unwrap_or_default(),
                    "hostPath": {"path": format!("/var/lib/sandbox/{name}"), "type": ""},
                    "claimRef": {
                        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": meta::name(claim),
                        "namespace": meta::namespace(claim), "uid": meta::uid(claim),
                    },
                },
            }));
            if let Ok(volume) = made {
                desk.write_status(&key_of(VOLUMES, &volume), MANAGER, Some(json!({"phase": "Bound"})));
            }
        }
    }

    fn progress(&self, claim: &Value) -> Option<Value> {
        claim["status"]["phase"].is_null().then(|| json!({"phase": "Pending"}))
    }

    fn settled(&self, desk: &Desk<'_>, claim: &Value, fault: Option<&str>) -> Option<Value> {
        if let Some(message) = fault {
            // a claim's status has no place for a reason but a condition
            let condition = meta::condition(claim, "ProvisioningFailed", "True", "ProvisioningFailed", message);
            return Some(json!({"phase": "Pending", "conditions": [condition]}));
        }
        let given = claim["spec"]["volumeName"].as_str().filter(|name| !name.is_empty());
        let name = given.map_or_else(|| format!("pvc-{}", meta::uid(claim)), str::to_owned);
        let volume = desk.get(VOLUMES, "", &name)?;
        if given.is_none() && claim["status"]["phase"] == "Pending" {
            desk.change(&key_of(RESOURCE, claim), |claim| claim["spec"]["volumeName"] = name.into());
        }
        Some(
            json!({"phase": "Bound", "accessModes": claim["spec"]["accessModes"], "capacity": volume["spec"]["capacity"]}),
        )
    }
}
