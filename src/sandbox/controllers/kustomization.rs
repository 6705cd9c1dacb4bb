//! Flux `Kustomization`s: they apply what their source has, after what they depend on. What a repository holds is not
//! known here: the revision moves, and no objects appear.

use serde_json::{Value, json};

use super::super::meta;
use super::super::store::{Event, Key};
use super::desk::{Desk, observed};
use super::{Simulated, flux};

pub(super) struct Kustomizations;

const RESOURCE: &str = "kustomizations.kustomize.toolkit.fluxcd.io";
const KEPT: [&str; 3] = ["lastAppliedRevision", "lastAttemptedRevision", "inventory"];

impl Simulated for Kustomizations {
    fn resource(&self) -> &'static str {
        RESOURCE
    }

    fn manager(&self) -> &'static str {
        "kustomize-controller"
    }

    fn suspended(&self, object: &Value) -> bool {
        flux::is_suspended(object)
    }

    fn progress(&self, object: &Value) -> Option<Value> {
        let message = "Reconciliation in progress";
        (!flux::is_ready(object)).then(|| flux::reconciling(object, message, &KEPT))
    }

    fn settled(&self, desk: &Desk<'_>, object: &Value, fault: Option<&str>) -> Option<Value> {
        let (source, named) = flux::source(desk, object, &object["spec"]["sourceRef"]);
        let Some(source) = source else {
            let message = format!("Source artifact not found, retrying in 30s: {named} does not exist");
            return Some(flux::failed(object, "ArtifactFailed", &message, &KEPT));
        };
        let Some(revision) = source["status"]["artifact"]["revision"].as_str() else {
            return Some(flux::failed(object, "ArtifactFailed", "Source artifact not found, retrying in 30s", &KEPT));
        };
        if let Some(why) = flux::unready_dependency(desk, object, RESOURCE) {
            return Some(flux::failed(object, "DependencyNotReady", &why, &KEPT));
        }
        let mut status = if let Some(message) = fault {
            let reason = if message.starts_with("health check") { "HealthCheckFailed" } else { "ReconciliationFailed" };
            flux::failed(object, reason, message, &KEPT)
        } else {
            let message = format!("Applied revision: {revision}");
            json!({
                "observedGeneration": meta::generation(object), "lastAppliedRevision": revision,
                "inventory": {"entries": []},
                "conditions": [observed(object, "Ready", "True", "ReconciliationSucceeded", &message)],
            })
        };
        status["lastAttemptedRevision"] = revision.into();
        flux::handled(object, &mut status);
        Some(status)
    }

    fn concerned(&self, desk: &Desk<'_>, event: &Event) -> Vec<Key> {
        flux::naming(desk, event, RESOURCE, "/spec/sourceRef")
    }
}
