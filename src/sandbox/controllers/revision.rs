//! `ControllerRevision`s: the past templates of `StatefulSet`s and `DaemonSet`s, for `rollout history` and `rollout undo`.

use serde_json::{Value, json};

use super::super::meta;
use super::desk::{Desk, controlled_by, key_of};
use super::template;

const RESOURCE: &str = "controllerrevisions.apps";

/// The label by which Pods say which template they are made from.
pub(super) const HASH: &str = "controller-revision-hash";

/// The hash of the present template; its revision is recorded as the latest.
pub(super) fn current(desk: &Desk<'_>, owner: &Value) -> String {
    let mut kept = owner["spec"]["template"].clone();
    let hash = template::fingerprint(&kept);
    let name = format!("{}-{hash}", meta::name(owner));
    let revisions = desk.owned(RESOURCE, owner);
    let latest = revisions.iter().filter_map(|revision| revision["revision"].as_i64()).max().unwrap_or_default();
    match revisions.iter().find(|revision| meta::name(revision) == name) {
        Some(found) if found["revision"] == latest => {}
        Some(found) => desk.change(&key_of(RESOURCE, found), |revision| revision["revision"] = (latest + 1).into()),
        None => {
            meta::map_mut(&mut kept).insert("$patch".into(), "replace".into());
            let mut labels = owner["spec"]["selector"]["matchLabels"].clone();
            meta::map_mut(&mut labels).insert(HASH.into(), hash.clone().into());
            let made = desk.create(json!({
                "apiVersion": "apps/v1", "kind": "ControllerRevision", "revision": latest + 1,
                "data": {"spec": {"template": kept}},
                "metadata": {
                    "name": name, "namespace": meta::namespace(owner), "labels": labels,
                    "ownerReferences": controlled_by(owner),
                },
            }));
            if let Err(why) = made {
                tracing::debug!(why, "no ControllerRevision {name}");
            }
        }
    }
    hash
}

/// Whether a Pod is made from the template with this hash.
pub(super) fn is_of(pod: &Value, hash: &str) -> bool {
    pod["metadata"]["labels"][HASH].as_str().is_some_and(|label| label == hash || label.ends_with(&format!("-{hash}")))
}
