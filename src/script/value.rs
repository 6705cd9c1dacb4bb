//! Values on their way in and out: scripts have the engine's, everything else has JSON.

use std::fmt::Write as _;

use rhai::{Array, Dynamic, FnPtr, ImmutableString, Map};
use serde_json::{Number, Value};

use super::{
    observe::{self, Obj, missing_of},
    secret::Secret,
};
use crate::redact::REPLACEMENT;

/// What becomes of secrets on their way out.
#[derive(Clone, Copy, PartialEq)]
enum Secrets {
    /// None may leave.
    Refused,
    /// None may leave but as a part of an object that was read: there something else stands for it.
    OfObjects,
    /// Something else stands for each.
    Replaced,
    /// They are opened.
    Opened,
}

/// A value as JSON. An error says what in it cannot leave the script, and where in the value it stands.
pub(super) fn to_json(value: &Dynamic) -> Result<Value, String> {
    at(value, Secrets::Refused, &mut String::new())
}

/// A value as JSON to be shown: in an object that was read, something else stands for each secret.
pub(super) fn to_be_shown(value: &Dynamic) -> Result<Value, String> {
    at(value, Secrets::OfObjects, &mut String::new())
}

/// A value as JSON to be kept: something else stands for each secret.
pub(super) fn to_be_kept(value: &Dynamic) -> Result<Value, String> {
    at(value, Secrets::Replaced, &mut String::new())
}

/// A value as JSON with its secrets opened: for what is sent, never for what is written.
pub(super) fn opened(value: &Dynamic) -> Result<Value, String> {
    at(value, Secrets::Opened, &mut String::new())
}

const SECRET: &str = "a secret cannot leave the script";

fn at(value: &Dynamic, secrets: Secrets, path: &mut String) -> Result<Value, String> {
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
        return match (secrets, object.first_secret()) {
            (Secrets::Refused, Some(below)) => refused(&format!("{path}.{below}"), SECRET),
            (Secrets::OfObjects | Secrets::Replaced, Some(_)) => Ok(object.without_secrets()),
            _ => Ok(object.value().clone()),
        };
    }
    if let Some(secret) = value.read_lock::<Secret>() {
        return match secrets {
            Secrets::Refused | Secrets::OfObjects => refused(path, SECRET),
            Secrets::Replaced => Ok(REPLACEMENT.into()),
            Secrets::Opened => Ok(secret.expose().into()),
        };
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
            list.push(at(item, secrets, path)?);
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
            map.insert(key.to_string(), at(entry, secrets, path)?);
            path.truncate(length);
        }
        return Ok(Value::Object(map));
    }
    if value.is::<FnPtr>() {
        return refused(path, "a closure is not a value");
    }
    refused(path, &format!("{} is not a plain value", super::error::typed(value.type_name())))
}

/// What the journal or a file gave, for a script: maps and lists that it may change. What stands for a secret is one again,
/// and whoever opens or compares it is told that it was not kept.
pub(super) fn from_json(value: &Value) -> Dynamic {
    let mut plain = observe::plain(value, false);
    if crate::redact::was_secret(value) {
        close(&mut plain);
    }
    plain
}

fn close(value: &mut Dynamic) {
    let held =
        value.read_lock::<ImmutableString>().filter(|text| text.contains(REPLACEMENT)).map(|text| text.to_string());
    if let Some(text) = held {
        *value = Dynamic::from(Secret::new(text));
    } else if let Some(mut items) = value.write_lock::<Array>() {
        items.iter_mut().for_each(close);
    } else if let Some(mut entries) = value.write_lock::<Map>() {
        entries.values_mut().for_each(close);
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
