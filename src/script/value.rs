//! Values on their way in and out: scripts have the engine's, everything else has JSON.

use std::fmt::Write as _;

use rhai::{Array, Dynamic, FnPtr, ImmutableString, Map};
use serde_json::{Number, Value};

use super::{
    observe::{Obj, missing_of},
    secret::Secret,
};

/// A value as JSON. An error says what in it cannot leave the script, and where in the value it stands.
pub(super) fn to_json(value: &Dynamic) -> Result<Value, String> {
    at(value, &mut String::new())
}

fn at(value: &Dynamic, path: &mut String) -> Result<Value, String> {
    let refused = |path: &str, why: &str| {
        Err(if path.is_empty() { why.to_string() } else { format!("{why}, at `{}`", path.trim_start_matches('.')) })
    };
    if let Some(missing) = missing_of(value) {
        return refused(path, &format!("{}: give it a default with `?? …`", missing.text()));
    }
    if value.is_unit() {
        return Ok(Value::Null);
    }
    if let Some(object) = value.read_lock::<Obj>() {
        return Ok(object.value().clone());
    }
    if let Ok(value) = value.as_bool() {
        return Ok(value.into());
    }
    if let Ok(value) = value.as_int() {
        return Ok(value.into());
    }
    if let Ok(value) = value.as_float() {
        return match Number::from_f64(value) {
            Some(number) => Ok(Value::Number(number)),
            None => refused(path, "it is not a finite number"),
        };
    }
    if let Ok(value) = value.as_char() {
        return Ok(value.to_string().into());
    }
    if let Some(value) = value.read_lock::<ImmutableString>() {
        return Ok(value.as_str().into());
    }
    if let Some(items) = value.read_lock::<Array>() {
        let length = path.len();
        let mut list = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let _ = write!(path, "[{index}]");
            list.push(at(item, path)?);
            path.truncate(length);
        }
        return Ok(Value::Array(list));
    }
    if let Some(entries) = value.read_lock::<Map>() {
        let length = path.len();
        let mut map = serde_json::Map::new();
        for (key, entry) in entries.iter() {
            path.push('.');
            path.push_str(key);
            map.insert(key.to_string(), at(entry, path)?);
            path.truncate(length);
        }
        return Ok(Value::Object(map));
    }
    if value.is::<Secret>() {
        return refused(path, "a secret cannot leave the script");
    }
    if value.is::<FnPtr>() {
        return refused(path, "a closure is not a value");
    }
    refused(path, &format!("{} is not a plain value", super::error::typed(value.type_name())))
}

/// A plain value for a script: maps and arrays that it may change.
pub(super) fn from_json(value: &Value) -> Dynamic {
    match value {
        Value::Null => Dynamic::UNIT,
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => number.into(),
            (None, Some(number)) => number.into(),
            (None, None) => number.to_string().into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => Dynamic::from_array(items.iter().map(from_json).collect()),
        Value::Object(entries) => {
            Dynamic::from_map(entries.iter().map(|(key, value)| (key.as_str().into(), from_json(value))).collect())
        }
    }
}

/// Keeps a value as it is now: closures share their variables, and a loop's variable would end as its last value.
pub(super) fn freeze(value: &mut Dynamic) {
    let mut frozen = std::mem::take(value).flatten_clone();
    if let Some(mut pointer) = frozen.write_lock::<FnPtr>() {
        pointer.iter_curry_mut().for_each(freeze);
    } else if let Some(mut items) = frozen.write_lock::<Array>() {
        items.iter_mut().for_each(freeze);
    } else if let Some(mut entries) = frozen.write_lock::<Map>() {
        entries.values_mut().for_each(freeze);
    }
    *value = frozen;
}
