//! Which objects can be taken back by themselves: made ones deleted by uid, changed fields put back.

use serde_json::Value;

use super::head;

/// Kinds whose change or removal loses something that an image of the object does not hold.
const NEVER: [(&str, &str); 9] = [
    ("PersistentVolumeClaim", "its volume's data does not come back"),
    ("PersistentVolume", "its data does not come back"),
    ("VolumeSnapshot", "a snapshot does not come back"),
    ("VolumeSnapshotContent", "a snapshot does not come back"),
    ("Secret", "what its values were is not kept"),
    ("HelmRelease", "its finalizer uninstalls the release"),
    ("Kustomization", "its finalizer may prune what it applied"),
    ("Job", "what it did is done"),
    ("Pod", "what it did is done"),
];

/// Whether an applied object has an automatic way back; why not, where it has none.
///
/// # Errors
/// The reason, in words that fit behind the object's name.
pub fn automatic(object: &Value) -> Result<(), &'static str> {
    let head = head(object);
    match NEVER.iter().find(|(kind, _)| *kind == head.kind()) {
        // only Flux's Kustomization has a finalizer
        Some(("Kustomization", _)) if !head.group().ends_with("toolkit.fluxcd.io") => Ok(()),
        Some((_, why)) => Err(why),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
            let object = json!({ "apiVersion": group, "kind": kind, "metadata": { "name": "x" } });
            assert_eq!(automatic(&object).is_ok(), has, "{group} {kind}");
        }
    }
}
