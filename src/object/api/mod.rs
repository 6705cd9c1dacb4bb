//! What is known of built-in Kubernetes APIs without asking a server: which versions are gone or going and what to write
//! instead, and which are alpha or beta and how they are switched on. Tables only; what a server serves, it says itself.

mod early;
mod outdated;

pub use early::{Early, all_early, early, versions};
pub use outdated::{Outdated, outdated};

/// The minor version of Kubernetes in a server's words: `v1.35.0+k3s1` → 35.
pub fn minor(version: &str) -> Option<u32> {
    let mut parts = version.trim_start_matches('v').split('.');
    let (major, minor) = (parts.next()?, parts.next()?);
    let digits = minor.find(|c: char| !c.is_ascii_digit()).map_or(minor, |end| &minor[..end]);
    (major == "1").then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minor_version_is_read_from_what_servers_say() {
        for (version, expected) in
            [("v1.35.0+sandbox", Some(35)), ("1.32", Some(32)), ("v1.33+", Some(33)), ("v2.0", None), ("x", None)]
        {
            assert_eq!(minor(version), expected, "{version}");
        }
    }

    #[test]
    fn a_version_that_is_gone_names_what_to_write() {
        let words = |version: &str, kind: &str, minor| outdated(version, kind).map(|it| it.words(version, kind, minor));
        assert_eq!(
            words("policy/v1beta1", "PodDisruptionBudget", None).unwrap(),
            "policy/v1beta1 PodDisruptionBudget is served no more since Kubernetes 1.25"
        );
        assert_eq!(words("v1", "Endpoints", Some(35)).unwrap(), "v1 Endpoints is deprecated since Kubernetes 1.33");
        assert_eq!(words("v1", "Endpoints", Some(32)), Some("v1 Endpoints is deprecated since Kubernetes 1.33".into()));
        assert_eq!(
            words("flowcontrol.apiserver.k8s.io/v1beta3", "FlowSchema", Some(30)).unwrap(),
            "flowcontrol.apiserver.k8s.io/v1beta3 FlowSchema is deprecated, and served no more from Kubernetes 1.32 on"
        );
        assert_eq!(outdated("batch/v1beta1", "CronJob").unwrap().instead, Some("batch/v1"));
        assert_eq!(outdated("policy/v1beta1", "PodSecurityPolicy").unwrap().instead, None);
        assert!(outdated("apps/v1", "Deployment").is_none());
        assert!(outdated("v1", "ConfigMap").is_none());
    }

    #[test]
    fn an_early_version_names_its_gate_and_the_versions_that_serve_others() {
        let found = early("admissionregistration.k8s.io/v1alpha1", "MutatingAdmissionPolicy").unwrap();
        assert_eq!((found.stage(), found.gate, found.since), ("alpha", "MutatingAdmissionPolicy", 32));
        assert_eq!(found.versions(), "v1alpha1 from 1.32 on, v1beta1 from 1.34 on, v1 from 1.36 on");
        assert_eq!(
            found.switched_on(),
            "--feature-gates=MutatingAdmissionPolicy=true --runtime-config=admissionregistration.k8s.io/v1alpha1=true"
        );
        assert!(early("apps/v1", "Deployment").is_none());
        assert!(early("gateway.networking.k8s.io/v1beta1", "Gateway").is_none(), "not a built-in one");
    }
}
