//! The built-in kinds, as a table.

use super::{Kind, Origin, Scale};

/// Has the status subresource.
const S: u8 = 1;
/// Counts its generation.
const G: u8 = 2;
/// Has the scale subresource.
const C: u8 = 4;
/// Can only be created, and is not kept.
const N: u8 = 8;
/// Can only be read.
const R: u8 = 32;
/// Lives in a namespace.
const NS: u8 = 16;

type Words = &'static [&'static str];
type Row = (&'static str, &'static str, &'static str, &'static str, Words, Words, u8, &'static [Sub]);
/// A subresource beside status and scale: name, kind, its group and version when they are not the resource's, verbs.
pub(super) type Sub = (&'static str, &'static str, &'static str, Words);

/// Group, versions (the preferred and stored one first), kind, plural, short names, categories, flags, subresources; groups in the order of a server's discovery.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("", "v1", "Binding", "bindings", &[], &[], N | NS, &[]),
    ("", "v1", "ComponentStatus", "componentstatuses", &["cs"], &[], R, &[]),
    ("", "v1", "ConfigMap", "configmaps", &["cm"], &[], NS, &[]),
    ("", "v1", "Endpoints", "endpoints", &["ep"], &[], NS, &[]),
    ("", "v1", "Event", "events", &["ev"], &[], NS, &[]),
    ("", "v1", "LimitRange", "limitranges", &["limits"], &[], NS, &[]),
    ("", "v1", "Namespace", "namespaces", &["ns"], &[], S, &[("finalize", "Namespace", "", &["update"])]),
    ("", "v1", "Node", "nodes", &["no"], &[], S, &[("proxy", "NodeProxyOptions", "", &["create", "delete", "get", "patch", "update"])]),
    ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", &["pvc"], &[], NS | S, &[]),
    ("", "v1", "PersistentVolume", "persistentvolumes", &["pv"], &[], S, &[]),
    ("", "v1", "Pod", "pods", &["po"], &["all"], NS | S | G, &[("attach", "PodAttachOptions", "", &["create", "get"]), ("binding", "Binding", "", &["create"]), ("ephemeralcontainers", "Pod", "", &["get", "patch", "update"]), ("eviction", "Eviction", "policy/v1", &["create"]), ("exec", "PodExecOptions", "", &["create", "get"]), ("log", "Pod", "", &["get"]), ("portforward", "PodPortForwardOptions", "", &["create", "get"]), ("proxy", "PodProxyOptions", "", &["create", "delete", "get", "patch", "update"]), ("resize", "Pod", "", &["get", "patch", "update"])]),
    ("", "v1", "PodTemplate", "podtemplates", &[], &[], NS, &[]),
    ("", "v1", "ReplicationController", "replicationcontrollers", &["rc"], &["all"], NS | S | G | C, &[]),
    ("", "v1", "ResourceQuota", "resourcequotas", &["quota"], &[], NS | S, &[]),
    ("", "v1", "Secret", "secrets", &[], &[], NS, &[]),
    ("", "v1", "ServiceAccount", "serviceaccounts", &["sa"], &[], NS, &[("token", "TokenRequest", "authentication.k8s.io/v1", &["create"])]),
    ("", "v1", "Service", "services", &["svc"], &["all"], NS | S, &[("proxy", "ServiceProxyOptions", "", &["create", "delete", "get", "patch", "update"])]),
    ("apiregistration.k8s.io", "v1", "APIService", "apiservices", &[], &["api-extensions"], S, &[]),
    ("apps", "v1", "ControllerRevision", "controllerrevisions", &[], &[], NS, &[]),
    ("apps", "v1", "DaemonSet", "daemonsets", &["ds"], &["all"], NS | S | G, &[]),
    ("apps", "v1", "Deployment", "deployments", &["deploy"], &["all"], NS | S | G | C, &[]),
    ("apps", "v1", "ReplicaSet", "replicasets", &["rs"], &["all"], NS | S | G | C, &[]),
    ("apps", "v1", "StatefulSet", "statefulsets", &["sts"], &["all"], NS | S | G | C, &[]),
    ("events.k8s.io", "v1", "Event", "events", &["ev"], &[], NS, &[]),
    ("authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews", &[], &[], N, &[]),
    ("authentication.k8s.io", "v1", "TokenReview", "tokenreviews", &[], &[], N, &[]),
    ("authorization.k8s.io", "v1", "LocalSubjectAccessReview", "localsubjectaccessreviews", &[], &[], N | NS, &[]),
    ("authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", &[], &[], N, &[]),
    ("authorization.k8s.io", "v1", "SelfSubjectRulesReview", "selfsubjectrulesreviews", &[], &[], N, &[]),
    ("authorization.k8s.io", "v1", "SubjectAccessReview", "subjectaccessreviews", &[], &[], N, &[]),
    ("autoscaling", "v2,v1", "HorizontalPodAutoscaler", "horizontalpodautoscalers", &["hpa"], &["all"], NS | S, &[]),
    ("batch", "v1", "CronJob", "cronjobs", &["cj"], &["all"], NS | S | G, &[]),
    ("batch", "v1", "Job", "jobs", &[], &["all"], NS | S | G, &[]),
    ("certificates.k8s.io", "v1", "CertificateSigningRequest", "certificatesigningrequests", &["csr"], &[], S, &[("approval", "CertificateSigningRequest", "", &["get", "patch", "update"])]),
    ("networking.k8s.io", "v1", "IngressClass", "ingressclasses", &[], &[], G, &[]),
    ("networking.k8s.io", "v1", "Ingress", "ingresses", &["ing"], &[], NS | S | G, &[]),
    ("networking.k8s.io", "v1", "IPAddress", "ipaddresses", &["ip"], &[], 0, &[]),
    ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", &["netpol"], &[], NS | G, &[]),
    ("networking.k8s.io", "v1", "ServiceCIDR", "servicecidrs", &[], &[], S, &[]),
    ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", &["pdb"], &[], NS | S | G, &[]),
    ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", &[], &[], 0, &[]),
    ("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", &[], &[], 0, &[]),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", &[], &[], NS, &[]),
    ("rbac.authorization.k8s.io", "v1", "Role", "roles", &[], &[], NS, &[]),
    ("storage.k8s.io", "v1", "CSIDriver", "csidrivers", &[], &[], 0, &[]),
    ("storage.k8s.io", "v1", "CSINode", "csinodes", &[], &[], 0, &[]),
    ("storage.k8s.io", "v1", "CSIStorageCapacity", "csistoragecapacities", &[], &[], NS, &[]),
    ("storage.k8s.io", "v1", "StorageClass", "storageclasses", &["sc"], &[], 0, &[]),
    ("storage.k8s.io", "v1", "VolumeAttachment", "volumeattachments", &[], &[], S, &[]),
    ("storage.k8s.io", "v1", "VolumeAttributesClass", "volumeattributesclasses", &["vac"], &[], 0, &[]),
    ("admissionregistration.k8s.io", "v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", &[], &["api-extensions"], G, &[]),
    ("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies", &[], &["api-extensions"], S | G, &[]),
    ("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", &[], &["api-extensions"], G, &[]),
    ("admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", &[], &["api-extensions"], G, &[]),
    ("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", &["crd", "crds"], &["api-extensions"], S | G, &[]),
    ("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", &["pc"], &[], G, &[]),
    ("coordination.k8s.io", "v1", "Lease", "leases", &[], &[], NS, &[]),
    ("node.k8s.io", "v1", "RuntimeClass", "runtimeclasses", &[], &[], 0, &[]),
    ("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", &[], &[], NS | G, &[]),
    ("resource.k8s.io", "v1", "DeviceClass", "deviceclasses", &[], &[], 0, &[]),
    ("resource.k8s.io", "v1", "ResourceClaim", "resourceclaims", &[], &[], NS | S, &[]),
    ("resource.k8s.io", "v1", "ResourceClaimTemplate", "resourceclaimtemplates", &[], &[], NS, &[]),
    ("resource.k8s.io", "v1", "ResourceSlice", "resourceslices", &[], &[], 0, &[]),
    ("flowcontrol.apiserver.k8s.io", "v1", "FlowSchema", "flowschemas", &[], &[], S | G, &[]),
    ("flowcontrol.apiserver.k8s.io", "v1", "PriorityLevelConfiguration", "prioritylevelconfigurations", &[], &[], S | G, &[]),
];

pub(super) fn kinds() -> impl Iterator<Item = Kind> {
    ROWS.iter().map(|&(group, versions, kind, plural, short_names, categories, flags, others)| {
        let owned = |list: &[&str]| list.iter().map(|&item| item.to_owned()).collect();
        Kind {
            group: group.to_owned(),
            kind: kind.to_owned(),
            list_kind: format!("{kind}List"),
            plural: plural.to_owned(),
            singular: kind.to_lowercase(),
            short_names: owned(short_names),
            categories: owned(categories),
            namespaced: flags & NS != 0,
            versions: versions.split(',').map(str::to_owned).collect(),
            stored: versions.split(',').next().unwrap_or_default().to_owned(),
            status: flags & S != 0,
            generation: flags & G != 0,
            scale: (flags & C != 0).then(|| Scale {
                spec_replicas: "spec.replicas".into(),
                status_replicas: "status.replicas".into(),
                selector: None,
            }),
            create_only: flags & N != 0,
            read_only: flags & R != 0,
            others,
            definition: None,
            origin: Origin::BuiltIn,
        }
    })
}
