//! Secret values: the form in which they are kept. On disk only stand-ins of equal length, never what a user sent.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// kubectl keeps a copy of the whole manifest here, values included.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

pub(crate) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Text of the given length that is plainly no secret.
pub(crate) fn stand_in(length: usize) -> String {
    "stand-in-".chars().cycle().take(length).collect()
}

fn stand_in_for(encoded: &str) -> String {
    match STANDARD.decode(encoded) {
        Ok(bytes) => encode(stand_in(bytes.len()).as_bytes()),
        Err(_) => stand_in(encoded.len()),
    }
}

/// A copy of the Secret whose values are stand-ins of the same length.
pub(crate) fn with_stand_ins(secret: &Value) -> Value {
    let mut kept = secret.clone();
    if let Some(data) = kept.get_mut("data").and_then(Value::as_object_mut) {
        for value in data.values_mut() {
            *value = value.as_str().map_or(Value::Null, |text| Value::String(stand_in_for(text)));
        }
    }
    // Never stored by a server, so nothing readable is lost.
    if let Some(map) = kept.as_object_mut() {
        map.remove("stringData");
    }
    if let Some(annotations) = kept.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.remove(LAST_APPLIED);
    }
    kept
}

/// Moves `stringData` into `data`, as a server does on every write.
pub(crate) fn fold_string_data(secret: &mut Value) {
    let Some(Value::Object(texts)) = secret.as_object_mut().and_then(|map| map.remove("stringData")) else {
        return;
    };
    let data = super::meta::map_mut(&mut secret["data"]);
    for (key, text) in texts {
        if let Some(text) = text.as_str() {
            data.insert(key, Value::String(encode(text.as_bytes())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_stand_in_has_the_length_of_the_value_and_none_of_it() {
        let secret = json!({
            "metadata": {"annotations": {LAST_APPLIED: "canary-in-annotation", "kept": "yes"}},
            "data": {"password": encode(b"canary-7"), "odd": "not base64!"},
        });
        let kept = with_stand_ins(&secret);
        let text = kept.to_string();
        assert!(!text.contains("canary") && !text.contains(&encode(b"canary-7")), "{text}");
        let password = STANDARD.decode(kept["data"]["password"].as_str().expect("text")).expect("base64");
        assert_eq!(password, b"stand-in");
        assert_eq!(kept["metadata"]["annotations"]["kept"], "yes");
    }

    #[test]
    fn string_data_ends_up_encoded_in_data() {
        let mut secret = json!({"stringData": {"a": "hello"}});
        fold_string_data(&mut secret);
        assert_eq!(secret, json!({"data": {"a": "aGVsbG8="}}));
    }
}
