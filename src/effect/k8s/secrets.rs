use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::{
    effect::Call,
    object::secret::{Form, each_secret, says_openly},
    redact::Secret,
};

impl Call {
    /// Remembers the values of the Secrets in what was seen, so that nothing is written with them.
    pub(in crate::effect) fn learn(&self, seen: &Value) {
        let Some(door) = &self.door else { return };
        each_secret(seen, |text, form, secret| {
            let decoded = if form == Form::Base64 { BASE64_STANDARD.decode(text).ok() } else { None };
            // its name or namespace as a value would blank every line about it
            if says_openly(secret, decoded.as_deref().unwrap_or(text.as_bytes()).trim_ascii()) {
                return;
            }
            door.parts.scrubber.learn(&Secret::new(text));
            if let Some(bytes) = decoded {
                door.parts.scrubber.learn_bytes(&bytes);
            }
        });
    }

    /// Remembers the values in a change of a Secret: fields to merge, or the operations of a JSON patch.
    pub(super) fn learn_change(&self, wanted: &Value, input: &Value) {
        if wanted.is_object() {
            let mut wanted = wanted.clone();
            wanted["kind"] = "Secret".into();
            self.learn(&wanted);
        }
        for operation in input[0].as_array().into_iter().flatten() {
            let path = operation["path"].as_str().unwrap_or_default();
            if let Some(field) =
                ["data", "stringData"].into_iter().find(|field| path.trim_start_matches('/').starts_with(field))
            {
                self.learn(&json!({ "kind": "Secret", field: { "value": operation["value"] } }));
            }
        }
    }

    /// Remembers a secret that is opened, so that nothing is written with it.
    pub fn learn_secret(&self, secret: &Secret) {
        if let Some(door) = &self.door {
            door.parts.scrubber.learn(secret);
        }
    }
}
