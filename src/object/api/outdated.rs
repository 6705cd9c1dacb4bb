use crate::object::split_api_version;

/// A built-in API version that is gone, or will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outdated {
    /// The minor version of Kubernetes that it is deprecated since, where that is what there is to say.
    pub deprecated: Option<u32>,
    /// The first minor version of Kubernetes that does not serve it; none where no end is planned.
    pub gone: Option<u32>,
    /// The apiVersion to write instead; none where there is none.
    pub instead: Option<&'static str>,
    /// What there is instead, where that is another kind or no API.
    pub hint: Option<&'static str>,
}

impl Outdated {
    /// In words, for a server of this minor version, or for none.
    pub fn words(&self, api_version: &str, kind: &str, minor: Option<u32>) -> String {
        let what = format!("{api_version} {kind}");
        match (self.gone, self.deprecated) {
            (Some(gone), _) if minor.is_some_and(|minor| minor < gone) => {
                format!("{what} is deprecated, and served no more from Kubernetes 1.{gone} on")
            }
            (Some(gone), _) => format!("{what} is served no more since Kubernetes 1.{gone}"),
            (None, Some(since)) => format!("{what} is deprecated since Kubernetes 1.{since}"),
            (None, None) => format!("{what} is deprecated"),
        }
    }

    /// The line to write.
    pub fn help(&self, kind: &str) -> String {
        match (self.instead, self.hint) {
            (Some(instead), None) => format!("write apiVersion: {instead}"),
            (Some(instead), Some(hint)) => format!("write apiVersion: {instead} ({hint})"),
            (None, Some(hint)) => hint.into(),
            (None, None) => format!("there is nothing in place of {kind}"),
        }
    }
}

/// Group, version, kinds (none: all), the first minor version without it, what to write instead.
type Row = (&'static str, &'static str, &'static [&'static str], u32, &'static str);

/// From the Kubernetes project's guide to deprecated APIs: <https://kubernetes.io/docs/reference/using-api/deprecation-guide/>.
const GONE: &[Row] = &[
    ("extensions", "v1beta1", &["NetworkPolicy"], 16, "networking.k8s.io/v1"),
    ("extensions", "v1beta1", &["DaemonSet", "Deployment", "ReplicaSet"], 16, "apps/v1"),
    ("extensions", "v1beta1", &["Ingress"], 22, "networking.k8s.io/v1"),
    ("apps", "v1beta1", &[], 16, "apps/v1"),
    ("apps", "v1beta2", &[], 16, "apps/v1"),
    ("admissionregistration.k8s.io", "v1beta1", WEBHOOKS, 22, "admissionregistration.k8s.io/v1"),
    ("apiextensions.k8s.io", "v1beta1", &[], 22, "apiextensions.k8s.io/v1"),
    ("apiregistration.k8s.io", "v1beta1", &[], 22, "apiregistration.k8s.io/v1"),
    ("authentication.k8s.io", "v1beta1", &["TokenReview"], 22, "authentication.k8s.io/v1"),
    ("authorization.k8s.io", "v1beta1", &[], 22, "authorization.k8s.io/v1"),
    ("certificates.k8s.io", "v1beta1", &["CertificateSigningRequest"], 22, "certificates.k8s.io/v1"),
    ("coordination.k8s.io", "v1beta1", &["Lease"], 22, "coordination.k8s.io/v1"),
    ("networking.k8s.io", "v1beta1", &["Ingress", "IngressClass"], 22, "networking.k8s.io/v1"),
    ("rbac.authorization.k8s.io", "v1alpha1", &[], 22, "rbac.authorization.k8s.io/v1"),
    ("rbac.authorization.k8s.io", "v1beta1", &[], 22, "rbac.authorization.k8s.io/v1"),
    ("scheduling.k8s.io", "v1beta1", &["PriorityClass"], 22, "scheduling.k8s.io/v1"),
    (
        "storage.k8s.io",
        "v1beta1",
        &["CSIDriver", "CSINode", "StorageClass", "VolumeAttachment"],
        22,
        "storage.k8s.io/v1",
    ),
    ("batch", "v1beta1", &["CronJob"], 25, "batch/v1"),
    ("discovery.k8s.io", "v1beta1", &["EndpointSlice"], 25, "discovery.k8s.io/v1"),
    ("events.k8s.io", "v1beta1", &["Event"], 25, "events.k8s.io/v1"),
    ("autoscaling", "v2beta1", &["HorizontalPodAutoscaler"], 25, "autoscaling/v2"),
    ("policy", "v1beta1", &["PodDisruptionBudget"], 25, "policy/v1"),
    ("policy", "v1beta1", &["PodSecurityPolicy"], 25, ""),
    ("node.k8s.io", "v1beta1", &["RuntimeClass"], 25, "node.k8s.io/v1"),
    ("flowcontrol.apiserver.k8s.io", "v1beta1", &[], 26, "flowcontrol.apiserver.k8s.io/v1"),
    ("autoscaling", "v2beta2", &["HorizontalPodAutoscaler"], 26, "autoscaling/v2"),
    ("storage.k8s.io", "v1beta1", &["CSIStorageCapacity"], 27, "storage.k8s.io/v1"),
    ("flowcontrol.apiserver.k8s.io", "v1beta2", &[], 29, "flowcontrol.apiserver.k8s.io/v1"),
    ("flowcontrol.apiserver.k8s.io", "v1beta3", &[], 32, "flowcontrol.apiserver.k8s.io/v1"),
];

const WEBHOOKS: &[&str] = &["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// What is known of a built-in API version that is gone or going; none for any other.
pub fn outdated(api_version: &str, kind: &str) -> Option<Outdated> {
    match (api_version, kind) {
        // still served, and no end is planned
        ("v1", "Endpoints") => {
            let hint = Some("write an EndpointSlice, discovery.k8s.io/v1");
            return Some(Outdated { deprecated: Some(33), gone: None, instead: None, hint });
        }
        ("v1", "ComponentStatus") => {
            let hint = Some("ask the components themselves: kubectl get --raw /readyz?verbose");
            return Some(Outdated { deprecated: Some(19), gone: None, instead: None, hint });
        }
        _ => {}
    }
    let (group, version) = split_api_version(api_version);
    let row =
        GONE.iter().find(|row| row.0 == group && row.1 == version && (row.2.is_empty() || row.2.contains(&kind)))?;
    let instead = Some(row.4).filter(|instead| !instead.is_empty());
    let hint = (kind == "PodSecurityPolicy")
        .then_some("label the namespaces for Pod Security Admission: pod-security.kubernetes.io/enforce");
    Some(Outdated { deprecated: None, gone: Some(row.3), instead, hint })
}
