//! The custom kinds that the sandbox brings: names and versions only, no schemas.

use serde_json::{Value, json};

/// Group, kind, plural, short names, served versions (the first is stored), namespaced.
type Row = (&'static str, &'static str, &'static str, &'static [&'static str], &'static [&'static str], bool);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("source.toolkit.fluxcd.io", "GitRepository", "gitrepositories", &["gitrepo"], &["v1"], true),
    ("source.toolkit.fluxcd.io", "HelmRepository", "helmrepositories", &["helmrepo"], &["v1"], true),
    ("source.toolkit.fluxcd.io", "OCIRepository", "ocirepositories", &["ocirepo"], &["v1"], true),
    ("source.toolkit.fluxcd.io", "HelmChart", "helmcharts", &["hc"], &["v1"], true),
    ("source.toolkit.fluxcd.io", "Bucket", "buckets", &[], &["v1"], true),
    ("kustomize.toolkit.fluxcd.io", "Kustomization", "kustomizations", &["ks"], &["v1"], true),
    ("helm.toolkit.fluxcd.io", "HelmRelease", "helmreleases", &["hr"], &["v2"], true),
    ("external-secrets.io", "ExternalSecret", "externalsecrets", &["es"], &["v1", "v1beta1"], true),
    ("external-secrets.io", "SecretStore", "secretstores", &["ss"], &["v1", "v1beta1"], true),
    ("external-secrets.io", "ClusterSecretStore", "clustersecretstores", &["css"], &["v1", "v1beta1"], false),
    ("gateway.networking.k8s.io", "GatewayClass", "gatewayclasses", &["gc"], &["v1"], false),
    ("gateway.networking.k8s.io", "Gateway", "gateways", &["gtw"], &["v1"], true),
    ("gateway.networking.k8s.io", "HTTPRoute", "httproutes", &[], &["v1"], true),
    ("gateway.networking.k8s.io", "GRPCRoute", "grpcroutes", &[], &["v1"], true),
];

/// The definitions as objects, ready to be created.
pub(crate) fn brought_definitions() -> impl Iterator<Item = Value> {
    ROWS.iter().map(|&(group, kind, plural, short_names, versions, namespaced)| {
        let versions: Vec<Value> = versions
            .iter()
            .enumerate()
            .map(|(place, version)| {
                json!({
                    "name": version, "served": true, "storage": place == 0, "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
                })
            })
            .collect();
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.{group}")},
            "spec": {
                "group": group, "scope": if namespaced { "Namespaced" } else { "Cluster" }, "versions": versions,
                "names": {"kind": kind, "listKind": format!("{kind}List"), "plural": plural,
                          "singular": kind.to_lowercase(), "shortNames": short_names},
            },
        })
    })
}
