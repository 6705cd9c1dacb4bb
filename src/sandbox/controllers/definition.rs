//! `CustomResourceDefinition`s: established when they are written; what a fault takes from them, and gives back.

use serde_json::Value;

use super::super::kinds::{CRD_RESOURCE, established, installing};
use super::Simulated;
use super::desk::Desk;

pub(super) struct Definitions;

impl Simulated for Definitions {
    fn resource(&self) -> &'static str {
        CRD_RESOURCE
    }

    fn manager(&self) -> &'static str {
        "kube-apiserver"
    }

    fn progress(&self, definition: &Value) -> Option<Value> {
        Some(installing(definition))
    }

    fn settled(&self, _desk: &Desk<'_>, definition: &Value, fault: Option<&str>) -> Option<Value> {
        Some(established(definition, fault))
    }
}
