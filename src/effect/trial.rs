use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::{
    cluster::PatchKind,
    model::{ObjectRef, Place, Touch},
    object,
};

/// A rehearsal of change closures with no effect on anything: each native leaves a touch and answers a stand-in. Over an
/// empty sandbox, reads find only what earlier closures would have made; over a context, also what is there.
#[derive(Debug, Default)]
pub struct Trial {
    over_context: bool,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    touches: Vec<Touch>,
    wanted: Vec<Wanted>,
    /// What closures would have made of objects; none: deleted.
    objects: BTreeMap<String, Option<Value>>,
}

/// One change that a closure asks for, as preflight looks at it.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// The native.
    pub native: String,
    /// The object, as it was named.
    pub object: ObjectRef,
    /// What is to become of it.
    pub change: Wanting,
    /// The bundle file that it comes from.
    pub file: Option<String>,
    /// Where the native is called.
    pub place: Option<Place>,
    /// Why it is changed although a controller keeps it.
    pub despite_owner: Option<String>,
    /// The field manager whose fields are adopted.
    pub take_over: Option<String>,
}

/// What is to become of an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanting {
    /// It is as this manifest says.
    Applied(Value),
    /// It is there, and these fields (a merge patch) are so.
    Fields {
        /// The fields.
        fields: Value,
        /// What is sent, and how it is read.
        patch: (PatchKind, Value),
        /// The subresource that it is sent to.
        subresource: Option<&'static str>,
    },
    /// It is gone.
    Deleted,
    /// Something is done in it or with it: `exec`, `drain`.
    Acted,
}

impl Wanted {
    /// A change that a native asks for.
    pub(super) fn new(native: &str, object: ObjectRef, change: Wanting, place: Option<Place>) -> Self {
        let native = native.into();
        Self { native, object, change, file: None, place, despite_owner: None, take_over: None }
    }
}

impl Trial {
    /// Over an empty sandbox.
    pub fn new() -> Self {
        Self::default()
    }

    /// Over the context: reads see what is there.
    pub fn over_context() -> Self {
        Self { over_context: true, ..Self::default() }
    }

    /// Whether reads see what is there.
    pub fn sees_context(&self) -> bool {
        self.over_context
    }

    /// Leaves a touch.
    pub fn touch(&self, touch: Touch) {
        let mut seen = self.lock();
        if !seen.touches.contains(&touch) {
            seen.touches.push(touch);
        }
    }

    /// Hands on a change as it would be made.
    pub(super) fn want(&self, wanted: Wanted) {
        let mut seen = self.lock();
        if self.over_context {
            let key = wanted.object.clone().in_group(None).to_string();
            match &wanted.change {
                Wanting::Deleted => drop(seen.objects.insert(key, None)),
                Wanting::Fields { fields, .. } => {
                    let known = seen.objects.entry(key).or_insert_with(|| Some(json!({})));
                    object::merge(known.get_or_insert_with(|| json!({})), fields);
                }
                Wanting::Applied(_) | Wanting::Acted => {}
            }
        }
        if !seen.wanted.contains(&wanted) {
            seen.wanted.push(wanted);
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
        self.lock().objects.insert(object::reference(&object).to_string(), Some(object));
    }

    /// An object that an earlier step would have made.
    pub fn kept(&self, reference: &str) -> Option<Value> {
        self.lock().objects.get(reference).cloned().flatten()
    }

    /// An object as earlier steps would have left it, where it is there as `live` now.
    pub(super) fn as_left(&self, reference: &str, live: Option<&Value>) -> Option<Value> {
        match (self.lock().objects.get(reference), live) {
            (None, live) => live.cloned(),
            (Some(None), _) => None,
            (Some(Some(made)), None) => made.get("kind").is_some().then(|| made.clone()),
            (Some(Some(made)), Some(live)) => {
                let mut live = live.clone();
                object::merge(&mut live, made);
                Some(live)
            }
        }
    }

    /// The objects of a kind that earlier steps would have made in a namespace, or anywhere.
    pub(super) fn made(&self, kind: &str, namespace: Option<&str>) -> Vec<Value> {
        let seen = self.lock();
        let made = seen.objects.values().flatten().filter(|object| {
            let head = object::head(object);
            head.kind() == kind && (namespace.is_none() || head.namespace() == namespace)
        });
        made.cloned().collect()
    }

    /// Takes the touches since the last call.
    pub fn take_touches(&self) -> Vec<Touch> {
        std::mem::take(&mut self.lock().touches)
    }

    /// Takes the changes asked for since the last call.
    pub fn take_wanted(&self) -> Vec<Wanted> {
        std::mem::take(&mut self.lock().wanted)
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(data: &Value) -> Value {
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a", "namespace": "n" }, "data": data })
    }

    #[test]
    fn a_trial_over_a_context_sees_what_is_there_as_earlier_steps_would_have_left_it() {
        let trial = Trial::over_context();
        let live = map(&json!({ "a": "1", "b": "1" }));
        let left = |trial: &Trial| trial.as_left("ConfigMap/n/a", Some(&live));
        assert_eq!(left(&trial), Some(live.clone()));
        trial.keep(&map(&json!({ "a": "2" })));
        assert_eq!(left(&trial).unwrap()["data"], json!({ "a": "2", "b": "1" }));
        let reference: ObjectRef = "ConfigMap/n/a".parse().unwrap();
        let fields = json!({ "data": { "b": null } });
        let change = Wanting::Fields { fields: fields.clone(), patch: (PatchKind::Merge, fields), subresource: None };
        trial.want(Wanted::new("k8s::patch", reference.clone(), change, None));
        assert_eq!(trial.made("ConfigMap", Some("n")).len(), 1);
        trial.want(Wanted::new("k8s::delete", reference, Wanting::Deleted, None));
        assert_eq!(left(&trial), None);
        assert_eq!(trial.take_wanted().len(), 2);
    }

    #[test]
    fn fields_of_an_object_that_is_not_there_make_no_object() {
        let trial = Trial::over_context();
        let fields = json!({ "spec": { "replicas": 2 } });
        let change = Wanting::Fields { fields: fields.clone(), patch: (PatchKind::Merge, fields), subresource: None };
        trial.want(Wanted::new("k8s::patch", "Deployment/n/a".parse().unwrap(), change, None));
        assert_eq!(trial.as_left("Deployment/n/a", None), None);
    }
}
