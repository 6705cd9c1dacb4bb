//! Between JSON and script values, and how much of a value is shown.

use rhai::{Array, Dynamic, FnPtr, ImmutableString, Map};
use serde_json::Value;

use super::missing::missing_of;
use super::object::Obj;
use crate::object::secret::hides;
use crate::redact::Secret;

/// The tag of a list that a native gave: `all` over an empty one of these says nothing.
pub(super) const LIST: i32 = 1;

/// Why a secret is not handed on as plain data.
const SECRET: &str = "a Secret cannot stand in plain data: pass it where a Secret is taken";

/// How much of a value is shown, in bytes of its JSON.
const SHOWN: usize = 2048;

/// A value that was read, for a script: objects become [`Obj`], null a `()` that remembers `label`.
pub fn to_dynamic(value: Value, label: &str) -> Dynamic {
    Obj::new(value, label).dynamic()
}

/// The list that a native gives: `all` over it, if it is empty, says nothing.
pub fn list(items: impl IntoIterator<Item = Dynamic>) -> Dynamic {
    let mut list = Dynamic::from_array(items.into_iter().collect());
    list.set_tag(LIST);
    list
}

/// A string, number or bool; hidden, it is a secret: the text of it.
pub(super) fn scalar(value: &Value, hidden: bool) -> Dynamic {
    match value {
        Value::String(text) if hidden => Dynamic::from(Secret::new(text.as_str())),
        Value::Bool(_) | Value::Number(_) if hidden => Dynamic::from(Secret::new(value.to_string())),
        Value::Bool(bool) => (*bool).into(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(int), _) => int.into(),
            (None, Some(float)) => float.into(),
            (None, None) => number.to_string().into(),
        },
        Value::String(text) => text.as_str().into(),
        _ => Dynamic::UNIT,
    }
}

/// Plain maps and lists all the way down, which a script may change; values of Secrets are secrets, hidden ones all.
pub fn plain(value: &Value, hidden: bool) -> Dynamic {
    match value {
        Value::Object(fields) => {
            let below = |key: &str, child: &Value| plain(child, hidden || hides(value, key).is_some());
            let map: Map = fields.iter().map(|(key, child)| (key.as_str().into(), below(key, child))).collect();
            Dynamic::from_map(map)
        }
        Value::Array(items) => Dynamic::from_array(items.iter().map(|item| plain(item, hidden)).collect()),
        value => scalar(value, hidden),
    }
}

/// A script value as JSON, for an effect or the journal.
///
/// # Errors
/// In words, for what has no JSON form: a Secret, a closure, a missing field, infinity, a range, a timestamp.
pub fn from_dynamic(value: &Dynamic) -> Result<Value, String> {
    if value.is_shared() {
        return from_dynamic(&value.flatten_clone());
    }
    if let Some(what) = missing_of(value) {
        return Err(format!("{}: give it a default with `?? …`", what.text()));
    }
    if value.is_unit() {
        return Ok(Value::Null);
    }
    if let Ok(bool) = value.as_bool() {
        return Ok(bool.into());
    }
    if let Ok(int) = value.as_int() {
        return Ok(int.into());
    }
    if let Ok(float) = value.as_float() {
        let number = serde_json::Number::from_f64(float);
        return number.map(Value::Number).ok_or_else(|| format!("the number {float} has no JSON form"));
    }
    if let Ok(text) = value.as_immutable_string_ref() {
        return Ok(text.as_str().into());
    }
    if let Ok(char) = value.as_char() {
        return Ok(char.to_string().into());
    }
    if let Ok(items) = value.as_array_ref() {
        return items.iter().map(from_dynamic).collect();
    }
    if let Ok(map) = value.as_map_ref() {
        let fields = map.iter().map(|(key, value)| match from_dynamic(value) {
            Ok(value) => Ok((key.to_string(), value)),
            Err(error) => Err(format!("{error} (in `{key}`)")),
        });
        return fields.collect::<Result<serde_json::Map<_, _>, _>>().map(Value::Object);
    }
    if let Some(object) = value.read_lock::<Obj>() {
        return match object.first_secret() {
            None => Ok(object.value().clone()),
            Some(path) if path.is_empty() => Err(SECRET.into()),
            Some(path) => Err(format!("{SECRET} (in `{path}`)")),
        };
    }
    Err(match type_words(value).as_str() {
        "Secret" => SECRET.into(),
        "closure" => "a closure cannot stand in data: call it, or give its result".into(),
        other => format!("a value of type {other} has no JSON form"),
    })
}

/// The type of a value as people call it.
pub(super) fn type_words(value: &Dynamic) -> String {
    if value.is::<Obj>() || value.is_map() {
        "object".into()
    } else if value.is_unit() {
        "()".into()
    } else if value.is_bool() {
        "bool".into()
    } else if value.is_int() {
        "integer".into()
    } else if value.is_float() {
        "float".into()
    } else if value.is::<ImmutableString>() {
        "string".into()
    } else if value.is_char() {
        "character".into()
    } else if value.is::<Array>() {
        "list".into()
    } else if value.is::<FnPtr>() {
        "closure".into()
    } else {
        let name = value.type_name();
        let bare = name.split('<').next().unwrap_or(name);
        bare.rsplit("::").next().unwrap_or(bare).into()
    }
}

/// Whether a value is a secret or holds one.
pub fn holds_secret(value: &Dynamic) -> bool {
    if value.is_shared() {
        return holds_secret(&value.flatten_clone());
    }
    if let Some(object) = value.read_lock::<Obj>() {
        return object.first_secret().is_some();
    }
    if let Ok(items) = value.as_array_ref() {
        return items.iter().any(holds_secret);
    }
    if let Ok(map) = value.as_map_ref() {
        return map.values().any(holds_secret);
    }
    value.is::<Secret>()
}

/// What is shown of a value that is compared with a secret: the shape of it and the types in it.
pub(super) fn hidden(value: &Dynamic) -> Dynamic {
    if let Ok(items) = value.as_array_ref() {
        return Dynamic::from_array(items.iter().map(hidden).collect());
    }
    if let Ok(map) = value.as_map_ref() {
        return Dynamic::from_map(map.iter().map(|(key, value)| (key.clone(), hidden(value))).collect());
    }
    if value.is_unit() || value.is::<Obj>() || value.is::<Secret>() {
        return value.clone();
    }
    format!("({})", type_words(value)).into()
}

/// A script value as it is shown in an observation: cut after 2 KiB, with a remark. What has no JSON form shows its type.
pub fn shown(value: &Dynamic) -> Value {
    show(value, &mut SHOWN.clone())
}

/// A JSON value as it is shown in an observation: cut after 2 KiB, with a remark.
pub fn shown_json(value: &Value) -> Value {
    show_json(value, false, &mut SHOWN.clone())
}

fn show(value: &Dynamic, left: &mut usize) -> Value {
    if value.is_shared() {
        return show(&value.flatten_clone(), left);
    }
    if let Some(object) = value.read_lock::<Obj>() {
        return show_json(object.value(), object.is_hidden(), left);
    }
    if let Ok(items) = value.as_array_ref() {
        return show_list(items.len(), items.iter(), left, show);
    }
    if let Ok(map) = value.as_map_ref() {
        return show_fields(map.len(), map.iter().map(|(key, value)| (key.as_str(), value)), left, show);
    }
    if missing_of(value).is_some() {
        return Value::Null;
    }
    match from_dynamic(value) {
        Ok(value) => show_json(&value, false, left),
        Err(_) => format!("({})", type_words(value)).into(),
    }
}

fn show_json(value: &Value, hidden: bool, left: &mut usize) -> Value {
    match value {
        Value::Array(items) => show_list(items.len(), items.iter(), left, |item, left| show_json(item, hidden, left)),
        Value::Object(fields) => {
            let entries =
                fields.iter().map(|(key, child)| (key.as_str(), (child, hidden || hides(value, key).is_some())));
            show_fields(fields.len(), entries, left, |(child, hidden), left| show_json(child, hidden, left))
        }
        Value::Null => Value::Null,
        _ if hidden => "(Secret)".into(),
        Value::String(text) => {
            if text.len() <= *left {
                *left -= text.len();
                return value.clone();
            }
            let end = text.floor_char_boundary(*left);
            *left = 0;
            format!("{}… (cut: {} bytes)", &text[..end], text.len()).into()
        }
        value => {
            *left = left.saturating_sub(8);
            value.clone()
        }
    }
}

fn show_list<T>(
    count: usize,
    items: impl Iterator<Item = T>,
    left: &mut usize,
    show: impl Fn(T, &mut usize) -> Value,
) -> Value {
    let mut shown = Vec::new();
    for (i, item) in items.enumerate() {
        if *left == 0 {
            shown.push(format!("… ({} more)", count - i).into());
            break;
        }
        *left = left.saturating_sub(2);
        shown.push(show(item, left));
    }
    Value::Array(shown)
}

fn show_fields<'a, T>(
    count: usize,
    fields: impl Iterator<Item = (&'a str, T)>,
    left: &mut usize,
    show: impl Fn(T, &mut usize) -> Value,
) -> Value {
    let mut shown = serde_json::Map::new();
    for (i, (key, value)) in fields.enumerate() {
        if *left == 0 {
            shown.insert("…".into(), format!("{} more", count - i).into());
            break;
        }
        *left = left.saturating_sub(key.len() + 4);
        shown.insert(key.into(), show(value, left));
    }
    Value::Object(shown)
}
