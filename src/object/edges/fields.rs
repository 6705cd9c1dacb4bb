use serde_json::{Map, Value};

use super::{Bond, LabelSelector, Link, Reach};
use crate::{
    model::ObjectRef,
    object::{
        head,
        path::{at, text},
        split_api_version,
    },
};

/// Fields whose text is the name of an object, and of which kind.
const NAMES: &[(&str, &str)] = &[
    ("secretName", "Secret"),
    ("existingSecret", "Secret"),
    ("existingSecretName", "Secret"),
    ("claimName", "PersistentVolumeClaim"),
    ("existingClaim", "PersistentVolumeClaim"),
    ("sourcePVC", "PersistentVolumeClaim"),
    ("serviceAccountName", "ServiceAccount"),
    ("storageClassName", "StorageClass"),
    ("volumeSnapshotClassName", "VolumeSnapshotClass"),
    ("persistentVolumeClaimName", "PersistentVolumeClaim"),
    ("ingressClassName", "IngressClass"),
    ("gatewayClassName", "GatewayClass"),
    ("priorityClassName", "PriorityClass"),
    ("runtimeClassName", "RuntimeClass"),
    ("serviceName", "Service"),
    ("nodeName", "Node"),
    ("volumeName", "PersistentVolume"),
];

/// Fields whose map, or list of maps, names an object in `name`, and which kind it is unless the map says so.
const REFERENCES: &[(&str, &str)] = &[
    ("secretRef", "Secret"),
    ("certSecretRef", "Secret"),
    ("proxySecretRef", "Secret"),
    ("secretKeyRef", "Secret"),
    ("certificateRefs", "Secret"),
    ("imagePullSecrets", "Secret"),
    ("secrets", "Secret"),
    ("secret", "Secret"),
    ("configMapRef", "ConfigMap"),
    ("configMapKeyRef", "ConfigMap"),
    ("configMap", "ConfigMap"),
    ("serviceAccountRef", "ServiceAccount"),
    ("secretStoreRef", "SecretStore"),
    ("storeRef", "SecretStore"),
    ("issuerRef", "Issuer"),
    ("parentRefs", "Gateway"),
    ("backendRefs", "Service"),
    ("backendRef", "Service"),
    ("service", "Service"),
    ("providerRef", "Provider"),
    ("imageRepositoryRef", "ImageRepository"),
];

/// Lists whose maps name objects, each with its kind.
const LISTS: &[&str] =
    &["valuesFrom", "substituteFrom", "healthChecks", "subjects", "eventSources", "resources", "sources"];

/// What a name refers to that lives in no namespace, whatever the referring object's namespace is.
const CLUSTER_SCOPED: &[&str] = &[
    "StorageClass",
    "VolumeSnapshotClass",
    "IngressClass",
    "GatewayClass",
    "PriorityClass",
    "RuntimeClass",
    "Node",
    "PersistentVolume",
    "Namespace",
    "CustomResourceDefinition",
];

/// The groups that an API server brings along.
const BUILT_IN: &[&str] = &[
    "",
    "apps",
    "autoscaling",
    "batch",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "storage.k8s.io",
];

/// Whether an object of this kind, which has a namespace, names nothing in another one. Of kinds that nobody foresaw that is
/// not known.
pub fn stays_in_its_namespace(group: &str, kind: &str) -> bool {
    // a subject may be of any namespace, and so may the source of a volume
    BUILT_IN.contains(&group) && !matches!(kind, "RoleBinding" | "PersistentVolumeClaim")
}

/// Everything that an object names, in the order of its fields.
pub fn links(object: &Value) -> Vec<Link> {
    let mut reader = Reader { kind: head(object).kind(), namespace: head(object).namespace(), links: vec![] };
    reader.metadata(object);
    if let Some(fields) = object.as_object() {
        for (key, value) in fields.iter().filter(|(key, _)| !matches!(key.as_str(), "metadata" | "status" | "kind")) {
            reader.field(key, value, key);
        }
    }
    reader.kinds_own(object);
    reader.links
}

struct Reader<'a> {
    kind: &'a str,
    namespace: Option<&'a str>,
    links: Vec<Link>,
}

impl Reader<'_> {
    /// What names an object from outside its spec: its owners, its namespace, what keeps it.
    fn metadata(&mut self, object: &Value) {
        for (n, owner) in
            at(object, "metadata.ownerReferences").and_then(Value::as_array).into_iter().flatten().enumerate()
        {
            self.reference(owner, "", &format!("metadata.ownerReferences[{n}]"));
        }
        if let Some(namespace) = self.namespace {
            self.one(ObjectRef::new("Namespace", None, namespace), "metadata.namespace");
        }
        let labels = &object["metadata"]["labels"];
        for (prefix, kind, group) in [
            ("kustomize.toolkit.fluxcd.io", "Kustomization", "kustomize.toolkit.fluxcd.io"),
            ("helm.toolkit.fluxcd.io", "HelmRelease", "helm.toolkit.fluxcd.io"),
        ] {
            let label = |name: &str| labels.get(format!("{prefix}/{name}")).and_then(Value::as_str);
            if let (Some(name), Some(namespace)) = (label("name"), label("namespace")) {
                let keeper = ObjectRef::new(kind, Some(namespace), name).in_group(Some(group));
                self.one(keeper, &format!("metadata.labels[{prefix}/name]"));
            }
        }
    }

    fn field(&mut self, key: &str, value: &Value, path: &str) {
        match value {
            Value::String(name) => {
                if let Some((_, kind)) = NAMES.iter().find(|(field, _)| *field == key)
                    && !self.is_made(key, path)
                {
                    self.named(kind, name, path);
                }
            }
            Value::Object(map) if !self.map(key, map, value, path) => self.fields(map, path),
            Value::Array(items) => {
                for (n, item) in items.iter().enumerate() {
                    self.field(key, item, &format!("{path}[{n}]"));
                }
            }
            _ => {}
        }
    }

    fn fields(&mut self, map: &Map<String, Value>, path: &str) {
        for (key, value) in map {
            // most fields are scalars that name nothing
            if value.is_string() && !NAMES.iter().any(|(field, _)| field == key) {
                continue;
            }
            self.field(key, value, &format!("{path}.{key}"));
        }
    }

    /// Reads a map that names an object; says whether it was one.
    fn map(&mut self, key: &str, map: &Map<String, Value>, value: &Value, path: &str) -> bool {
        if !map.get("name").is_some_and(Value::is_string) {
            return false;
        }
        let has_kind = map.get("kind").is_some_and(Value::is_string);
        if key == "dependsOn" {
            let kind = self.kind.to_owned();
            self.reference(value, &kind, path);
        } else if let Some((_, kind)) = REFERENCES.iter().find(|(field, _)| *field == key) {
            self.reference(value, kind, path);
        } else if has_kind && (key.ends_with("Ref") || key.ends_with("Refs") || LISTS.contains(&key)) {
            self.reference(value, "", path);
        } else if key.ends_with("SecretRef") || key.ends_with("SecretKeyRef") {
            self.reference(value, "Secret", path);
        } else {
            return false;
        }
        true
    }

    fn reference(&mut self, reference: &Value, kind: &str, path: &str) {
        let text = |key: &str| reference.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let (Some(kind), Some(name)) = (text("kind").or(Some(kind)).filter(|kind| !kind.is_empty()), text("name"))
        else {
            return;
        };
        let group =
            text("apiVersion").map(|version| split_api_version(version).0).or(text("apiGroup")).or(text("group"));
        let namespace = text("namespace").or(self.namespace).filter(|_| !is_cluster_scoped(kind));
        self.one(ObjectRef::new(kind, namespace, name).in_group(group), path);
    }

    fn named(&mut self, kind: &str, name: &str, path: &str) {
        if !name.is_empty() {
            let namespace = self.namespace.filter(|_| !is_cluster_scoped(kind));
            self.one(ObjectRef::new(kind, namespace, name), path);
        }
    }

    fn one(&mut self, to: ObjectRef, by: &str) {
        if matches!(to.kind.as_str(), "User" | "Group") {
            return; // names of people and roles, not of objects
        }
        self.links.push(Link { to: Reach::One(to), by: by.into(), bond: Bond::Needs });
    }

    fn makes(&mut self, kind: &str, name: &str, by: &str) {
        let to = Reach::One(ObjectRef::new(kind, self.namespace, name));
        self.links.push(Link { to, by: by.into(), bond: Bond::Makes });
    }

    /// A Secret that the object writes is not one that it needs.
    fn is_made(&self, key: &str, path: &str) -> bool {
        self.kind == "Certificate" && key == "secretName" && path == "spec.secretName"
    }

    /// What only one kind means by its fields.
    fn kinds_own(&mut self, object: &Value) {
        let namespace = self.namespace.map(ToOwned::to_owned);
        let mut selects = |field: &str, services: bool, namespace: Option<String>| {
            let Some(selector) = at(object, field) else { return };
            let labels = LabelSelector::read(selector);
            let to = if services { Reach::Services { namespace, labels } } else { Reach::Pods { namespace, labels } };
            self.links.push(Link { to, by: field.into(), bond: Bond::Needs });
        };
        match self.kind {
            // without a selector its endpoints are somebody else's
            "Service" if object["spec"]["selector"].as_object().is_some_and(|selector| !selector.is_empty()) => {
                selects("spec.selector", false, namespace);
            }
            "PodDisruptionBudget" => selects("spec.selector", false, namespace),
            "NetworkPolicy" => selects("spec.podSelector", false, namespace),
            "PodMonitor" => selects("spec.selector", false, monitored(object, namespace)),
            "ServiceMonitor" => selects("spec.selector", true, monitored(object, namespace)),
            "EndpointSlice" => {
                if let Some(service) = object["metadata"]["labels"]["kubernetes.io/service-name"].as_str() {
                    self.named("Service", service, "metadata.labels[kubernetes.io/service-name]");
                }
            }
            "ExternalSecret" => {
                let name = text(object, "spec.target.name").unwrap_or_else(|| head(object).name());
                self.makes("Secret", name, "spec.target");
            }
            "Certificate" => {
                if let Some(name) = text(object, "spec.secretName") {
                    self.makes("Secret", name, "spec.secretName");
                }
            }
            "SealedSecret" => self.makes("Secret", head(object).name(), "spec.template"),
            "ReplicationSource" | "ReplicationDestination" => {
                // movers of VolSync: https://volsync.readthedocs.io
                for mover in ["restic", "kopia", "rclone", "rsyncTLS"] {
                    for field in ["repository", "rcloneConfig", "keySecret"] {
                        let path = format!("spec.{mover}.{field}");
                        if let Some(name) = text(object, &path) {
                            self.named("Secret", name, &path);
                        }
                    }
                }
            }
            "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => self.guards(object),
            _ => {}
        }
    }

    /// What an admission webhook stands in front of: where its policy is to fail, those kinds need it.
    fn guards(&mut self, object: &Value) {
        for (n, webhook) in object["webhooks"].as_array().into_iter().flatten().enumerate() {
            if webhook["failurePolicy"] == "Ignore" {
                continue;
            }
            for resource in webhook["rules"]
                .as_array()
                .into_iter()
                .flatten()
                .flat_map(|rule| rule["resources"].as_array().into_iter().flatten().filter_map(Value::as_str))
            {
                let to = Reach::One(ObjectRef::new(resource.split('/').next().unwrap_or(resource), None, "*"));
                self.links.push(Link { to, by: format!("webhooks[{n}].rules"), bond: Bond::Makes });
            }
        }
    }
}

pub(in crate::object) fn is_cluster_scoped(kind: &str) -> bool {
    kind.starts_with("Cluster") || CLUSTER_SCOPED.contains(&kind)
}

/// Where a monitor looks: its own namespace unless it says all.
fn monitored(object: &Value, own: Option<String>) -> Option<String> {
    let selector = &object["spec"]["namespaceSelector"];
    if selector["any"] == true {
        return None;
    }
    selector["matchNames"][0].as_str().map(ToOwned::to_owned).or(own)
}
