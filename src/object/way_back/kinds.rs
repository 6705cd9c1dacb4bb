//! What is never taken back without a declaration.

use serde_json::Value;

use crate::object::{head, path::at};

/// Kinds whose change or removal loses something that an image of the object does not hold.
const NEVER: [(&str, &str); 6] = [
    ("PersistentVolumeClaim", "its volume's data does not come back"),
    ("PersistentVolume", "its data does not come back"),
    ("VolumeSnapshot", "a snapshot does not come back"),
    ("VolumeSnapshotContent", "a snapshot does not come back"),
    ("Job", "what it did is done"),
    ("Pod", "what it did is done"),
];

const SECRET: &str = "what its values were is not kept";

/// Whether an applied object has an automatic way back, as far as its manifest tells; why not, where it has none.
///
/// # Errors
/// The reason, in words that fit behind the object's name.
pub fn automatic(object: &Value) -> Result<(), &'static str> {
    never(object)?;
    torn_down(object)?;
    // whether there is one already is not known from the manifest
    if is_secret(object) { Err(SECRET) } else { Ok(()) }
}

/// Whether a changed object's fields may be put back.
///
/// # Errors
/// The reason, in words that fit behind the object's name.
pub fn restorable(object: &Value) -> Result<(), &'static str> {
    never(object)?;
    if is_secret(object) { Err(SECRET) } else { Ok(()) }
}

/// Whether an object that was made may be deleted again; `object` is as it is now, with its finalizers.
///
/// # Errors
/// The reason, in words that fit behind the object's name.
pub fn deletable(object: &Value) -> Result<(), String> {
    never(object)?;
    torn_down(object)?;
    let finalizers = at(object, "metadata.finalizers").and_then(Value::as_array);
    let foreign = finalizers.into_iter().flatten().filter_map(Value::as_str).find(|name| !is_harmless(name, object));
    match foreign {
        Some(name) => Err(format!("its finalizer {name} tears down what it stands for")),
        None => Ok(()),
    }
}

fn never(object: &Value) -> Result<(), &'static str> {
    let kind = head(object).kind();
    NEVER.iter().find(|(never, _)| *never == kind).map_or(Ok(()), |(_, why)| Err(*why))
}

fn torn_down(object: &Value) -> Result<(), &'static str> {
    let head = head(object);
    match head.kind() {
        "HelmRelease" => Err("its finalizer uninstalls the release"),
        // only Flux's Kustomization has a finalizer, and it removes things only where it prunes
        "Kustomization"
            if head.group().ends_with("toolkit.fluxcd.io") && at(object, "spec.prune") != Some(&Value::Bool(false)) =>
        {
            Err("its finalizer may prune what it applied")
        }
        _ => Ok(()),
    }
}

/// Kubernetes' own finalizers wait; a Flux source's clears its artifacts.
fn is_harmless(finalizer: &str, object: &Value) -> bool {
    let domain = finalizer.split('/').next().unwrap_or_default();
    let own = !finalizer.contains('/') && !finalizer.contains('.');
    own || domain == "kubernetes.io"
        || domain.ends_with(".kubernetes.io")
        || domain.ends_with(".k8s.io")
        || domain == "finalizers.fluxcd.io"
            && (head(object).group() == "source.toolkit.fluxcd.io" || head(object).kind() == "Kustomization")
}

fn is_secret(object: &Value) -> bool {
    head(object).kind() == "Secret" && head(object).group().is_empty()
}

/// Whether effects of a native can be taken back from the images that were kept; why not, where they cannot.
///
/// # Errors
/// The reason, as a sentence of its own.
pub fn native(native: &str) -> Result<(), &'static str> {
    Err(match native {
        "k8s::apply" | "k8s::patch" | "k8s::scale" | "k8s::cordon" | "k8s::uncordon" | "k8s::label"
        | "k8s::annotate" => return Ok(()),
        "k8s::delete" => "a deleted object does not come back by itself",
        "k8s::restart" => "a restart is done: the pods that ran are gone",
        "k8s::drain" => "pods that were evicted do not come back to where they were",
        "k8s::exec" => "what was run in a container is done",
        "k8s::job" => "what a job did is done",
        _ if native.starts_with("cmd::") => "a command has no automatic way back",
        _ if native.starts_with("http::") => "a request that was answered cannot be called back",
        _ if native.starts_with("git::") || native.starts_with("file::") || native.starts_with("repo::") => {
            "a file or commit has no automatic way back"
        }
        _ => "a program's own native has no automatic way back unless it declares one",
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(group: &str, kind: &str) -> Value {
        json!({ "apiVersion": group, "kind": kind, "metadata": { "name": "x" } })
    }

    #[test]
    fn what_holds_data_or_is_torn_down_by_a_finalizer_has_no_automatic_way_back() {
        for (kind, group, has) in [
            ("ConfigMap", "v1", true),
            ("Namespace", "v1", true),
            ("Secret", "v1", false),
            ("PersistentVolumeClaim", "v1", false),
            ("HelmRelease", "helm.toolkit.fluxcd.io/v2", false),
            ("Kustomization", "kustomize.toolkit.fluxcd.io/v1", false),
            ("Kustomization", "kustomize.config.k8s.io/v1beta1", true),
        ] {
            assert_eq!(automatic(&object(group, kind)).is_ok(), has, "{group} {kind}");
        }
    }

    #[test]
    fn a_secret_that_was_made_is_deleted_and_one_that_was_changed_is_not_put_back() {
        let secret = object("v1", "Secret");
        assert!(deletable(&secret).is_ok());
        assert_eq!(restorable(&secret), Err(SECRET));
    }

    #[test]
    fn a_kustomization_that_does_not_prune_is_deleted() {
        let mut it = object("kustomize.toolkit.fluxcd.io/v1", "Kustomization");
        it["metadata"]["finalizers"] = json!(["finalizers.fluxcd.io"]);
        assert!(deletable(&it).is_err());
        it["spec"] = json!({ "prune": false });
        assert_eq!(deletable(&it), Ok(()));
    }

    #[test]
    fn a_foreign_finalizer_is_named_and_kubernetes_own_waits() {
        let mut it = object("database.example.org/v1", "Bucket");
        for (finalizer, harmless) in [
            ("foregroundDeletion", true),
            ("kubernetes.io/pvc-protection", true),
            ("service.kubernetes.io/load-balancer-cleanup", true),
            ("finalizer.managedresource.crossplane.io", false),
            ("example.org/cleanup", false),
        ] {
            it["metadata"]["finalizers"] = json!([finalizer]);
            assert_eq!(deletable(&it).is_ok(), harmless, "{finalizer}");
        }
        assert!(deletable(&it).unwrap_err().contains("example.org/cleanup"));
    }

    #[test]
    fn what_has_happened_has_no_automatic_way_back() {
        for it in
            ["k8s::restart", "k8s::drain", "k8s::delete", "k8s::exec", "cmd::run", "http::post", "billing::charge"]
        {
            assert!(native(it).is_err(), "{it}");
        }
        for it in ["k8s::apply", "k8s::scale", "k8s::cordon", "k8s::label", "k8s::annotate"] {
            assert!(native(it).is_ok(), "{it}");
        }
    }
}
