use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;

use crate::{model::Touch, object};

/// A rehearsal of change closures with no effect on anything: each native leaves a touch and answers a stand-in.
#[derive(Debug, Default)]
pub struct Trial {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    touches: Vec<Touch>,
    objects: BTreeMap<String, Value>,
}

impl Trial {
    /// Over an empty sandbox.
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves a touch.
    pub fn touch(&self, touch: Touch) {
        let mut seen = self.lock();
        if !seen.touches.contains(&touch) {
            seen.touches.push(touch);
        }
    }

    /// Keeps an object that a step would have made, for the reads of later ones.
    pub fn keep(&self, object: &Value) {
        let mut object = object.clone();
        if object["kind"] == "Secret"
            && let Some(Value::Object(texts)) = object.as_object_mut().and_then(|secret| secret.remove("stringData"))
        {
            // as a server answers it
            let encoded = |text: Value| text.as_str().map(|text| BASE64_STANDARD.encode(text)).into();
            let mut data = object["data"].as_object().cloned().unwrap_or_default();
            data.extend(texts.into_iter().map(|(key, text)| (key, encoded(text))));
            object["data"] = data.into();
        }
        self.lock().objects.insert(object::reference(&object).to_string(), object);
    }

    /// An object that an earlier step would have made.
    pub fn kept(&self, reference: &str) -> Option<Value> {
        self.lock().objects.get(reference).cloned()
    }

    /// Takes the touches since the last call.
    pub fn take_touches(&self) -> Vec<Touch> {
        std::mem::take(&mut self.lock().touches)
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
