use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::Value;

use crate::{
    effect::{Call, EffectError, Sort},
    object,
};

/// One object that is to be applied.
#[derive(Clone, Debug)]
pub(super) struct Manifest {
    pub object: Arc<Value>,
    /// The bundle file that it comes from.
    pub file: Option<Arc<str>>,
}

/// What the manifests of one bundle hold, each file read once: a trial and the change that follows it read the same.
#[derive(Clone, Debug, Default)]
pub struct Manifests(Arc<Mutex<HashMap<String, Vec<Manifest>>>>);

impl Manifests {
    /// The objects of a file of the bundle.
    fn of(&self, file: &str, text: &str) -> Result<Vec<Manifest>, EffectError> {
        if let Some(known) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(file) {
            return Ok(known.clone());
        }
        let read = parsed(Some(file), text)?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(file.into(), read.clone());
        Ok(read)
    }
}

fn parsed(file: Option<&str>, text: &str) -> Result<Vec<Manifest>, EffectError> {
    let objects = object::yaml::objects(text, file.unwrap_or("YAML text"))
        .map_err(|error| EffectError::new(Sort::Argument, error.to_string()))?;
    let file: Option<Arc<str>> = file.map(Arc::from);
    Ok(objects.into_iter().map(|object| Manifest { object: Arc::new(object), file: file.clone() }).collect())
}

/// What `apply` and `dry_run` take: a file or folder of the bundle, YAML text, or a map.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A bundle path, or YAML text where it has line breaks.
    Text(String),
    /// One object, or several in an array.
    Value(Value),
}

/// The objects of a source, each with the bundle file that it comes from.
pub(super) fn objects(call: &Call, native: &str, source: &Source) -> Result<Vec<Manifest>, EffectError> {
    let argument = |message: String| EffectError::new(Sort::Argument, message);
    let given = |object: &Value| Manifest { object: Arc::new(object.clone()), file: None };
    let objects = match source {
        Source::Value(Value::Array(items)) => items.iter().map(given).collect(),
        Source::Value(value) => vec![given(value)],
        Source::Text(text) if text.contains('\n') => parsed(None, text)?,
        Source::Text(path) => {
            let door = call.door(native)?;
            let bundle = door.bundle();
            let mut all = vec![];
            let mut files: Vec<&str> = bundle.below(path).filter(|file| is_manifest(file)).collect();
            if files.is_empty() {
                files.push(path);
            }
            for file in files {
                let text = bundle.text(file).map_err(|error| {
                    let finding = error.finding(None);
                    EffectError { sort: Sort::Refused, message: finding.message, help: finding.help }
                })?;
                all.extend(door.parts.manifests.of(file, text)?);
            }
            all
        }
    };
    if objects.is_empty() {
        return Err(argument(format!("`{native}` was given nothing to apply")));
    }
    for Manifest { object, file } in &objects {
        let what = file.as_deref().unwrap_or("what is applied");
        object::yaml::complete(object, what).map_err(argument)?;
        Call::refuse_stand_in(native, what, object)?;
        call.learn(object);
    }
    Ok(objects)
}

/// Whether a text is the path of a manifest rather than a reference: `ConfigMap/apps/values.yaml` is an object's name too.
pub(super) fn is_named_by(call: &Call, text: &str) -> bool {
    let like_a_kind = text.starts_with(|c: char| c.is_ascii_uppercase());
    is_manifest(text) && (!like_a_kind || call.door("k8s").is_ok_and(|door| door.bundle().text(text).is_ok()))
}

fn is_manifest(path: &str) -> bool {
    let ending = path.rsplit('.').next().unwrap_or_default();
    ["yaml", "yml", "json"].contains(&ending)
}
