//! Namespaces: a service account at the start, and at the end everything in them goes first.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::meta;
use super::super::remove;
use super::super::store::{Event, Key};
use super::desk::{Desk, MANAGER, report};
use super::{Controller, Told};

pub(super) struct Namespaces;

impl Controller for Namespaces {
    fn resource(&self) -> &'static str {
        "namespaces"
    }

    fn concerned(&self, desk: &Desk<'_>, event: &Event) -> Vec<Key> {
        // The last object with a finalizer has gone: the namespace can follow.
        let namespace = desk.get("namespaces", "", &event.key.namespace).filter(|_| event.removed);
        let ending = namespace.filter(|namespace| meta::is_terminating(namespace));
        ending.map(|namespace| Key::new("namespaces", "", meta::name(&namespace))).into_iter().collect()
    }

    fn look(&self, desk: &Desk<'_>, key: &Key, object: &Arc<Value>, told: &Told) -> bool {
        if meta::is_terminating(object) {
            return match told {
                Told::Settle => true,
                Told::Stall => false,
                Told::Fail(message) => {
                    let kind = "NamespaceDeletionContentFailure";
                    let condition = meta::condition(object, kind, "True", "ContentDeletionFailed", message);
                    let status = json!({"phase": "Terminating", "conditions": [condition]});
                    desk.write_status(key, MANAGER, Some(status));
                    false
                }
            };
        }
        if desk.get("serviceaccounts", &key.name, "default").is_none() {
            let account = json!({
                "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": &*key.name},
            });
            desk.apply(&account, MANAGER);
        }
        false
    }

    fn act(&self, desk: &Desk<'_>, key: &Key, object: &Arc<Value>, _told: &Told) {
        if meta::is_terminating(object) {
            report(
                key,
                desk.store.write(false, |tx| {
                    remove::empty_namespace(tx, &key.name);
                    Ok(())
                }),
            );
        }
    }
}
