//! Flux sources: an artifact appears, with a revision.

use serde_json::{Value, json};

use super::super::meta;
use super::desk::{Desk, observed};
use super::{Simulated, flux};
use crate::model::Digest;

/// One kind of source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source {
    pub kind: &'static str,
    pub resource: &'static str,
    reason: &'static str,
}

pub(super) const ALL: [Source; 5] = [
    Source {
        kind: "GitRepository",
        resource: "gitrepositories.source.toolkit.fluxcd.io",
        reason: "GitOperationFailed",
    },
    Source {
        kind: "OCIRepository",
        resource: "ocirepositories.source.toolkit.fluxcd.io",
        reason: "OCIArtifactPullFailed",
    },
    Source { kind: "HelmRepository", resource: "helmrepositories.source.toolkit.fluxcd.io", reason: "Failed" },
    Source { kind: "HelmChart", resource: "helmcharts.source.toolkit.fluxcd.io", reason: "ChartPullFailed" },
    Source { kind: "Bucket", resource: "buckets.source.toolkit.fluxcd.io", reason: "BucketOperationFailed" },
];

/// Forty hex digits that stay the same while the spec does.
fn commit(object: &Value) -> String {
    let text = format!("{}/{} {}", meta::namespace(object), meta::name(object), object["spec"]);
    Digest::of(&text).as_str().chars().take(40).collect()
}

impl Source {
    fn revision(self, object: &Value) -> String {
        let spec = &object["spec"];
        let sum = commit(object);
        let reference = &spec["ref"];
        let named = |fields: &[&str]| fields.iter().find_map(|field| reference[*field].as_str()).map(str::to_owned);
        match self.kind {
            "GitRepository" => match reference["commit"].as_str() {
                Some(commit) => format!("sha1:{commit}"),
                None => {
                    format!("{}@sha1:{sum}", named(&["name", "tag", "semver", "branch"]).unwrap_or("master".into()))
                }
            },
            "OCIRepository" => {
                format!("{}@sha256:{sum}{}", named(&["tag", "semver"]).unwrap_or("latest".into()), &sum[..24])
            }
            "HelmChart" => spec["version"].as_str().filter(|v| !v.starts_with('*')).unwrap_or("1.0.0").to_owned(),
            _ => format!("sha256:{sum}{}", &sum[..24]),
        }
    }
}

impl Simulated for Source {
    fn resource(&self) -> &'static str {
        self.resource
    }

    fn manager(&self) -> &'static str {
        "source-controller"
    }

    fn suspended(&self, object: &Value) -> bool {
        // a HelmRepository of type oci only says where charts are
        flux::is_suspended(object) || self.kind == "HelmRepository" && object["spec"]["type"] == "oci"
    }

    fn progress(&self, object: &Value) -> Option<Value> {
        (!flux::is_ready(object)).then(|| flux::reconciling(object, "building artifact", &["artifact"]))
    }

    fn settled(&self, _desk: &Desk<'_>, object: &Value, fault: Option<&str>) -> Option<Value> {
        if let Some(message) = fault {
            return Some(flux::failed(object, self.reason, message, &["artifact"]));
        }
        let revision = self.revision(object);
        let old = &object["status"]["artifact"];
        let sum = commit(object);
        let file = if self.kind == "HelmRepository" { "index.yaml" } else { "artifact.tar.gz" };
        let path = format!("{}/{}/{}/{file}", self.kind.to_lowercase(), meta::namespace(object), meta::name(object));
        let since = if old["revision"] == revision { old["lastUpdateTime"].clone() } else { meta::now().into() };
        let message = match self.kind {
            "HelmChart" => format!(
                "pulled {:?} chart with version '{revision}'",
                object["spec"]["chart"].as_str().unwrap_or_default()
            ),
            "HelmRepository" => format!("stored artifact: revision '{revision}'"),
            _ => format!("stored artifact for revision '{revision}'"),
        };
        let reason = if self.kind == "HelmChart" { "ChartPullSucceeded" } else { "Succeeded" };
        let url = format!("http://source-controller.flux-system.svc.cluster.local./{path}");
        let mut status = json!({
            "observedGeneration": meta::generation(object),
            "artifact": {
                "revision": revision, "digest": format!("sha256:{sum}{}", &sum[..24]), "lastUpdateTime": since,
                "path": path, "url": url, "size": 4096,
            },
            "conditions": [
                observed(object, "Ready", "True", reason, &message),
                observed(object, "ArtifactInStorage", "True", reason, &message),
            ],
        });
        flux::handled(object, &mut status);
        Some(status)
    }
}
