//! Small readers and writers of object metadata, and the values a server makes up: times, UIDs, generated names.

use serde_json::{Map, Value, json};

/// The text under `metadata.<field>`, or the empty string.
pub(crate) fn field<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

pub(crate) fn name(object: &Value) -> &str {
    field(object, "name")
}

pub(crate) fn namespace(object: &Value) -> &str {
    field(object, "namespace")
}

pub(crate) fn uid(object: &Value) -> &str {
    field(object, "uid")
}

pub(crate) fn resource_version(object: &Value) -> &str {
    field(object, "resourceVersion")
}

/// `metadata.generation`, 0 when the kind does not count it.
pub(crate) fn generation(object: &Value) -> i64 {
    object["metadata"]["generation"].as_i64().unwrap_or_default()
}

pub(crate) fn is_terminating(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

/// Whether finalizers keep the object from being removed.
pub(crate) fn has_finalizers(object: &Value) -> bool {
    object["metadata"]["finalizers"].as_array().is_some_and(|list| !list.is_empty())
}

/// The object's map of `metadata`, made when it is missing.
pub(crate) fn metadata_mut(object: &mut Value) -> &mut Map<String, Value> {
    map_mut(&mut object["metadata"])
}

/// The value as a map; anything else is replaced by an empty one.
pub(crate) fn map_mut(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().expect("a map was just put there")
}

/// Copies `metadata.<field>` of one object to another; an absent field is removed.
pub(crate) fn carry(from: &Value, to: &mut Value, field: &str) {
    let value = from["metadata"].get(field).cloned();
    let metadata = metadata_mut(to);
    match value {
        Some(value) => metadata.insert(field.to_owned(), value),
        None => metadata.remove(field),
    };
}

/// UIDs of the owners that the object names.
pub(crate) fn owners(object: &Value) -> impl Iterator<Item = &str> {
    let references = object["metadata"]["ownerReferences"].as_array();
    references.into_iter().flatten().filter_map(|reference| reference["uid"].as_str())
}

/// The present moment in whole seconds, as Kubernetes writes times.
pub(crate) fn now() -> String {
    format!("{:.0}", jiff::Timestamp::now())
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if getrandom::fill(&mut bytes).is_err() {
        // Without a source of randomness a clock still gives distinct names within one process.
        let clock = jiff::Timestamp::now().as_nanosecond().to_le_bytes();
        for (byte, tick) in bytes.iter_mut().zip(clock.iter().cycle()) {
            *byte = *tick;
        }
    }
    bytes
}

/// A new random UID (version 4).
pub(crate) fn new_uid() -> String {
    let mut bytes: [u8; 16] = random();
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let mut hex = format!("{:032x}", u128::from_be_bytes(bytes));
    for dash in [20, 16, 12, 8] {
        hex.insert(dash, '-');
    }
    hex
}

/// Five letters and digits, as appended to a `generateName`.
pub(crate) fn suffix() -> String {
    // No vowels and no digits that look like letters: nothing readable comes out by chance.
    const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    random::<5>().iter().map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()])).collect()
}

/// The value at a dotted path such as `spec.replicas`.
pub(crate) fn at<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(object, |value, step| value.get(step))
}

/// Sets the value at a dotted path, making maps on the way.
pub(crate) fn set(object: &mut Value, path: &str, value: Value) {
    let mut place = object;
    for step in path.split('.') {
        place = map_mut(place).entry(step).or_insert(Value::Null);
    }
    *place = value;
}

/// A condition as controllers write it; the transition time is kept when the status is what it was.
pub(crate) fn condition(object: &Value, kind: &str, status: &str, reason: &str, message: &str) -> Value {
    let before = object["status"]["conditions"].as_array().into_iter().flatten().find(|c| c["type"] == kind);
    let since = before
        .filter(|c| c["status"] == status)
        .and_then(|c| c["lastTransitionTime"].as_str())
        .map_or_else(now, str::to_owned);
    json!({"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": since})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_has_the_form_of_a_random_uuid() {
        let uid = new_uid();
        let parts: Vec<usize> = uid.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!(uid.as_bytes()[14], b'4');
        assert_ne!(uid, new_uid());
    }

    #[test]
    fn times_are_whole_seconds_in_utc() {
        let text = now();
        assert_eq!(text.len(), "2026-01-01T00:00:00Z".len(), "{text}");
        assert!(text.ends_with('Z'));
    }

    #[test]
    fn setting_a_path_makes_the_maps_on_the_way() {
        let mut object = json!({"spec": 1});
        set(&mut object, "spec.replicas", json!(3));
        assert_eq!(at(&object, "spec.replicas"), Some(&json!(3)));
    }
}
