use crate::object::split_api_version;

/// A built-in API version that a server serves only when it is told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Early {
    /// The API group.
    pub group: &'static str,
    /// The version.
    pub version: &'static str,
    /// The first minor version of Kubernetes that can serve it.
    pub since: u32,
    /// The feature gate.
    pub gate: &'static str,
    all: &'static [(&'static str, u32)],
}

impl Early {
    /// `alpha` or `beta`.
    pub fn stage(&self) -> &'static str {
        if self.version.contains("alpha") { "alpha" } else { "beta" }
    }

    /// The flags of kube-apiserver that switch it on.
    pub fn switched_on(&self) -> String {
        format!("--feature-gates={}=true --runtime-config={}/{}=true", self.gate, self.group, self.version)
    }

    /// Which versions of Kubernetes have which version of it.
    pub fn versions(&self) -> String {
        let all = self.all.iter().map(|(version, since)| format!("{version} from 1.{since} on"));
        all.collect::<Vec<_>>().join(", ")
    }
}

/// Group, kinds, gate, each version with the first minor version of Kubernetes that has it.
type Row = (&'static str, &'static [&'static str], &'static str, &'static [(&'static str, u32)]);

/// From the Kubernetes project's list of feature gates and the milestones of their enhancement proposals:
/// <https://kubernetes.io/docs/reference/command-line-tools-reference/feature-gates/>, <https://www.kubernetes.dev/resources/keps/>.
const EARLY: &[Row] = &[
    (
        "admissionregistration.k8s.io",
        &["MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"],
        "MutatingAdmissionPolicy",
        &[("v1alpha1", 32), ("v1beta1", 34), ("v1", 36)],
    ),
    (
        "admissionregistration.k8s.io",
        &["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"],
        "ValidatingAdmissionPolicy",
        &[("v1alpha1", 26), ("v1beta1", 28), ("v1", 30)],
    ),
    (
        "storage.k8s.io",
        &["VolumeAttributesClass"],
        "VolumeAttributesClass",
        &[("v1alpha1", 29), ("v1beta1", 31), ("v1", 34)],
    ),
    (
        "resource.k8s.io",
        &["DeviceClass", "ResourceClaim", "ResourceClaimTemplate", "ResourceSlice"],
        "DynamicResourceAllocation",
        &[("v1alpha3", 31), ("v1beta1", 32), ("v1beta2", 33), ("v1", 34)],
    ),
    (
        "networking.k8s.io",
        &["IPAddress", "ServiceCIDR"],
        "MultiCIDRServiceAllocator",
        &[("v1alpha1", 27), ("v1beta1", 31), ("v1", 33)],
    ),
    ("certificates.k8s.io", &["ClusterTrustBundle"], "ClusterTrustBundle", &[("v1alpha1", 27), ("v1beta1", 33)]),
    ("certificates.k8s.io", &["PodCertificateRequest"], "PodCertificateRequest", &[("v1alpha1", 34), ("v1beta1", 35)]),
    (
        "coordination.k8s.io",
        &["LeaseCandidate"],
        "CoordinatedLeaderElection",
        &[("v1alpha1", 31), ("v1alpha2", 32), ("v1beta1", 33)],
    ),
    (
        "storagemigration.k8s.io",
        &["StorageVersionMigration"],
        "StorageVersionMigrator",
        &[("v1alpha1", 30), ("v1beta1", 35)],
    ),
    ("internal.apiserver.k8s.io", &["StorageVersion"], "StorageVersionAPI", &[("v1alpha1", 20)]),
    ("scheduling.k8s.io", &["Workload"], "GenericWorkload", &[("v1alpha1", 35)]),
];

/// What is known of a built-in alpha or beta version; none for any other.
pub fn early(api_version: &str, kind: &str) -> Option<Early> {
    let (group, version) = split_api_version(api_version);
    if !(version.contains("alpha") || version.contains("beta")) {
        return None;
    }
    let (group, _, gate, all) = EARLY.iter().find(|row| row.0 == group && row.1.contains(&kind))?;
    let (version, since) = all.iter().find(|(known, _)| *known == version)?;
    Some(Early { group, version, since: *since, gate, all })
}

/// The alpha and beta versions of the built-in kinds of this name, the earliest first.
pub fn all_early(kind: &str) -> Vec<Early> {
    let rows = EARLY.iter().filter(|row| row.1.contains(&kind));
    let all = rows.flat_map(|(group, _, _, all)| all.iter().map(move |(version, _)| format!("{group}/{version}")));
    all.filter_map(|api_version| early(&api_version, kind)).collect()
}

/// The versions of a built-in kind that began as alpha or beta, where it is one.
pub fn versions(group: &str, kind: &str) -> Option<Early> {
    let (group, _, gate, all) = EARLY.iter().find(|row| row.0 == group && row.1.contains(&kind))?;
    let (version, since) = all.last()?;
    Some(Early { group, version, since: *since, gate, all })
}
