//! `SecretStore`s and `ClusterSecretStore`s: validated, without asking anybody.

use serde_json::{Value, json};

use super::super::meta;
use super::Simulated;
use super::desk::Desk;

#[derive(Debug, Clone, Copy)]
pub(super) struct Stores(&'static str);

pub(super) const STORES: Stores = Stores("secretstores.external-secrets.io");
pub(super) const CLUSTER_STORES: Stores = Stores("clustersecretstores.external-secrets.io");

impl Simulated for Stores {
    fn resource(&self) -> &'static str {
        self.0
    }

    fn manager(&self) -> &'static str {
        "external-secrets"
    }

    fn settled(&self, _desk: &Desk<'_>, store: &Value, fault: Option<&str>) -> Option<Value> {
        let condition = match fault {
            None => meta::condition(store, "Ready", "True", "Valid", "store validated"),
            Some(message) => meta::condition(store, "Ready", "False", "InvalidProviderConfig", message),
        };
        Some(json!({"capabilities": "ReadWrite", "conditions": [condition]}))
    }
}
