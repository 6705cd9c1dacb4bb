//! How maps and lists behave when they are merged: as a whole, or part by part. Built-in kinds by a table of field
//! names; custom kinds without a schema have granular maps and whole lists, metadata excepted.

use super::super::kinds::Kind;

/// How a list is merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Replaced as a whole.
    Atomic,
    /// A set of plain values.
    Set,
    /// Objects told apart by these keys.
    Keyed(&'static [&'static str]),
}

/// The merge rules of one kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lists {
    custom: bool,
    gateway: bool,
    services: bool,
}

impl Lists {
    pub fn of(kind: &Kind) -> Self {
        Self {
            custom: kind.is_custom(),
            gateway: kind.group == "gateway.networking.k8s.io",
            services: kind.resource() == "services",
        }
    }

    /// The rule for the list at a path of field names.
    pub fn list(self, path: &[&str]) -> Shape {
        if path.first() == Some(&"metadata") {
            return match path.get(1) {
                Some(&"finalizers") => Shape::Set,
                Some(&"ownerReferences") => Shape::Keyed(&["uid"]),
                _ => Shape::Atomic,
            };
        }
        let last = path.last().copied().unwrap_or_default();
        if self.custom {
            return match last {
                "conditions" if self.gateway => Shape::Keyed(&["type"]),
                "listeners" if self.gateway => Shape::Keyed(&["name"]),
                _ => Shape::Atomic,
            };
        }
        let parent = path.len().checked_sub(2).and_then(|place| path.get(place)).copied().unwrap_or_default();
        match (last, parent) {
            ("conditions" | "addresses", "status") => Shape::Keyed(&["type"]),
            (
                "containers"
                | "initContainers"
                | "ephemeralContainers"
                | "env"
                | "secrets"
                | "volumes"
                | "resourceClaims"
                | "webhooks",
                _,
            )
            | ("imagePullSecrets", "spec") => Shape::Keyed(&["name"]),
            ("ports", "containers" | "initContainers") => Shape::Keyed(&["containerPort", "protocol"]),
            ("ports", "spec") if self.services => Shape::Keyed(&["port", "protocol"]),
            ("volumeMounts", _) => Shape::Keyed(&["mountPath"]),
            ("volumeDevices", _) => Shape::Keyed(&["devicePath"]),
            ("hostAliases", _) => Shape::Keyed(&["ip"]),
            ("topologySpreadConstraints", _) => Shape::Keyed(&["topologyKey", "whenUnsatisfiable"]),
            _ => Shape::Atomic,
        }
    }

    /// Whether the map at a path is replaced as a whole.
    pub fn atomic_map(self, path: &[&str]) -> bool {
        if self.custom || path.first() == Some(&"metadata") {
            return false;
        }
        matches!(
            path.last().copied().unwrap_or_default(),
            "selector"
                | "nodeSelector"
                | "labelSelector"
                | "podSelector"
                | "namespaceSelector"
                | "objectSelector"
                | "roleRef"
                | "secretKeyRef"
                | "configMapKeyRef"
                | "fieldRef"
                | "resourceFieldRef"
                | "secretRef"
                | "involvedObject"
                | "claimRef"
                | "scaleTargetRef"
                | "targetRef"
        )
    }

    /// Whether the map at a path holds free keys: it then is a field of its own, beside its entries.
    pub fn is_open_map(self, path: &[&str]) -> bool {
        let last = path.last().copied().unwrap_or_default();
        if path.first() == Some(&"metadata") {
            return matches!(last, "labels" | "annotations");
        }
        if self.custom {
            return !path.is_empty();
        }
        matches!(
            last,
            "labels"
                | "annotations"
                | "matchLabels"
                | "data"
                | "binaryData"
                | "stringData"
                | "limits"
                | "requests"
                | "hard"
                | "capacity"
                | "allocatable"
                | "parameters"
                | "rollingUpdate"
                | "conversion"
        )
    }

    /// Whether nothing is known of the kind's own fields: its maps then count in an apply, too.
    pub fn is_schemaless(self) -> bool {
        self.custom
    }

    /// The value that a key of a list item has when it is left out.
    pub fn default_key(self, key: &str) -> Option<&'static str> {
        (!self.custom && key == "protocol").then_some("TCP")
    }
}

/// The key by which strategic merge patches tell the items of a list apart; lists of plain values that merge give `""`.
pub(crate) fn strategic_keys(lists: Lists, path: &[&str]) -> Option<&'static str> {
    match (lists.list(path), path.last().copied().unwrap_or_default()) {
        (Shape::Keyed(keys), _) => keys.first().copied(),
        (Shape::Set, _) => Some(""),
        (Shape::Atomic, "taints") => Some("key"),
        (Shape::Atomic, _) => None,
    }
}
