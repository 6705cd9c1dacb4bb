use serde_json::{Value, json};

use super::head;

/// An object as it is kept before and after an effect: without status and managedFields; a Secret without its values.
pub fn image(object: &Value) -> Value {
    into_image(object.clone())
}

/// As [`image`], of an object that is not needed any more.
pub fn into_image(object: Value) -> Value {
    let mut image = object;
    let secret = head(&image).kind() == "Secret";
    if let Some(map) = image.as_object_mut() {
        map.remove("status");
        if secret {
            for field in ["data", "stringData"] {
                if let Some(values) = map.get_mut(field).and_then(Value::as_object_mut) {
                    values.values_mut().for_each(|value| *value = json!(super::way_back::HELD_SECRET));
                }
            }
        }
    }
    if let Some(meta) = image.get_mut("metadata").and_then(Value::as_object_mut) {
        meta.remove("managedFields");
        if secret {
            // kubectl's client-side apply keeps the whole object here
            if let Some(notes) = meta.get_mut("annotations").and_then(Value::as_object_mut) {
                notes.remove("kubectl.kubernetes.io/last-applied-configuration");
            }
        }
    }
    image
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_holds_no_value_of_a_secret() {
        let object = json!({
            "apiVersion": "v1", "kind": "Secret", "status": {},
            "metadata": { "name": "x", "managedFields": [1], "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": "{\"data\":{\"k\":\"aHVudGVyMg==\"}}" } },
            "data": { "k": "aHVudGVyMg==" }, "stringData": { "l": "hunter2" },
        });
        let text = image(&object).to_string();
        assert!(!text.contains("aHVudGVyMg") && !text.contains("hunter2"), "{text}");
        assert!(text.contains("\"k\"") && !text.contains("managedFields") && !text.contains("status"), "{text}");
    }
}
