use serde_json::Value;

use crate::{
    effect::{Call, EffectError, Sort},
    object,
};

/// What `apply` and `dry_run` take: a file or folder of the bundle, YAML text, or a map.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A bundle path, or YAML text where it has line breaks.
    Text(String),
    /// One object, or several in an array.
    Value(Value),
}

/// The objects of a source, each with the bundle file that it comes from.
pub(super) fn objects(call: &Call, native: &str, source: &Source) -> Result<Vec<(Value, Option<String>)>, EffectError> {
    let argument = |message: String| EffectError::new(Sort::Argument, message);
    let parsed = |file: Option<&str>, text: &str| {
        object::yaml::objects(text, file.unwrap_or("YAML text"))
            .map(|objects| objects.into_iter().map(|o| (o, file.map(Into::into))).collect::<Vec<_>>())
            .map_err(|error| argument(error.to_string()))
    };
    let objects = match source {
        Source::Value(Value::Array(items)) => items.iter().map(|item| (item.clone(), None)).collect(),
        Source::Value(value) => vec![(value.clone(), None)],
        Source::Text(text) if text.contains('\n') => parsed(None, text)?,
        Source::Text(path) => {
            let bundle = call.door(native)?.bundle();
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
                all.extend(parsed(Some(file), text)?);
            }
            all
        }
    };
    if objects.is_empty() {
        return Err(argument(format!("`{native}` was given nothing to apply")));
    }
    for (value, file) in &objects {
        let what = file.as_deref().unwrap_or("what is applied");
        object::yaml::complete(value, what).map_err(argument)?;
        Call::refuse_stand_in(native, what, value)?;
        call.learn(value);
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
