//! Pod templates: their fingerprints, and the Pods that are made from them.

use serde_json::{Value, json};

use super::super::meta;
use super::desk::controlled_by;

/// The label by which a Deployment tells its `ReplicaSet`s apart.
pub(super) const HASH: &str = "pod-template-hash";

/// A short fingerprint of a value, in letters that make up no words.
pub(super) fn fingerprint(value: &Value) -> String {
    const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    let text = value.to_string();
    let mut sum = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (0..9)
        .map(|_| {
            let digit = usize::try_from(sum % 27).unwrap_or_default();
            sum /= 27;
            char::from(ALPHABET[digit])
        })
        .collect()
}

/// Whether two templates make the same Pods: the label that is added to one of them does not count.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    let map = |template: &Value, field: &str| {
        let mut map = template["metadata"][field].as_object().cloned().unwrap_or_default();
        map.remove(HASH);
        map
    };
    let bare = |template: &Value| (template["spec"].clone(), map(template, "labels"), map(template, "annotations"));
    a == b || bare(a) == bare(b)
}

/// The number under `spec.replicas`, which is 1 where unsaid.
pub(super) fn replicas(object: &Value) -> i64 {
    object["spec"]["replicas"].as_i64().unwrap_or(1)
}

/// A count out of an object's status.
pub(super) fn count(object: &Value, field: &str) -> i64 {
    object["status"][field].as_i64().unwrap_or_default()
}

/// A Pod of a workload, named in full or by the beginning of its name (which then ends in `-`).
pub(super) fn pod(owner: &Value, template: &Value, name: &str) -> Value {
    let mut metadata = template["metadata"].clone();
    let map = meta::map_mut(&mut metadata);
    map.remove("creationTimestamp");
    map.insert(if name.ends_with('-') { "generateName" } else { "name" }.into(), name.into());
    map.insert("namespace".into(), meta::namespace(owner).into());
    map.insert("ownerReferences".into(), controlled_by(owner));
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
}

/// Sets a label of a Pod that is about to be made.
pub(super) fn label(pod: &mut Value, name: &str, value: &str) {
    meta::map_mut(&mut pod["metadata"]["labels"]).insert(name.to_owned(), value.into());
}

/// Adds those counts that are not zero, which a server leaves out.
pub(super) fn with_counts(mut status: Value, counts: &[(&str, i64)]) -> Value {
    for (field, count) in counts.iter().filter(|(_, count)| *count != 0) {
        status[*field] = (*count).into();
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_label_makes_no_other_template() {
        let plain = json!({"metadata": {"labels": {"app": "a"}}, "spec": {"x": 1}});
        let mut labelled = plain.clone();
        labelled["metadata"]["labels"][HASH] = "bcd".into();
        assert!(same(&plain, &labelled));
        assert!(same(&json!({"spec": {}}), &json!({"metadata": {"labels": {HASH: "x"}}, "spec": {}})));
        labelled["spec"]["x"] = 2.into();
        assert!(!same(&plain, &labelled));
        assert_ne!(fingerprint(&plain), fingerprint(&labelled));
    }
}
