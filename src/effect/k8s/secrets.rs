use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;

use crate::{effect::Call, redact::Secret};

impl Call {
    /// Remembers the values of a Secret that was seen, so that nothing is written with them.
    pub(in crate::effect) fn learn(&self, object: &Value) {
        if object["kind"] != "Secret" {
            return;
        }
        let Some(door) = &self.door else { return };
        for text in object["data"].as_object().into_iter().flat_map(serde_json::Map::values).filter_map(Value::as_str) {
            door.parts.scrubber.learn(&Secret::new(text));
            if let Ok(bytes) = BASE64_STANDARD.decode(text) {
                door.parts.scrubber.learn_bytes(&bytes);
            }
        }
        for text in object["stringData"].as_object().into_iter().flat_map(serde_json::Map::values) {
            if let Some(text) = text.as_str() {
                door.parts.scrubber.learn(&Secret::new(text));
            }
        }
    }
}
