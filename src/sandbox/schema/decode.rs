//! Reading what a client sends as an object of a built-in kind: types are checked, unknown fields named and dropped, what
//! a server always writes is written.

use serde_json::{Map, Value, json};

use super::{Schema, Sort, joined};
use crate::object::quantity;

/// The object as a server keeps it, and the unknown fields that were dropped; or the words for a value of a wrong type.
pub(crate) fn decode(schema: Schema<'_>, kind: &str, value: Value) -> Result<(Value, Vec<String>), String> {
    let mut reader = Reader { unknown: Vec::new() };
    let place = Place { structure: kind, names: String::new(), path: String::new() };
    let read = reader.read(schema, value, &place)?;
    Ok((read.unwrap_or_else(|| json!({})), reader.unknown))
}

/// Where a value is, in the two ways that messages name it.
struct Place<'a> {
    /// The innermost structure around it.
    structure: &'a str,
    /// The names of the fields on the way.
    names: String,
    /// The same with places in lists.
    path: String,
}

struct Reader {
    unknown: Vec<String>,
}

impl Reader {
    /// The value as it is kept; `None` when it is as if it were not there.
    fn read(&mut self, schema: Schema<'_>, value: Value, at: &Place<'_>) -> Result<Option<Value>, String> {
        let sort = schema.sort();
        if value.is_null() {
            return Ok(None);
        }
        match (sort, value) {
            (Sort::Struct, Value::Object(map)) => self.structure(schema, map, at).map(Some),
            (Sort::Map, Value::Object(map)) => self.map(schema, map, at).map(Some),
            (Sort::Array, Value::Array(items)) => {
                let Some(below) = schema.items() else {
                    return Ok(Some(Value::Array(items)));
                };
                let mut kept = Vec::with_capacity(items.len());
                for (number, item) in items.into_iter().enumerate() {
                    let place = Place {
                        structure: at.structure,
                        names: at.names.clone(),
                        path: format!("{}[{number}]", at.path),
                    };
                    let null = item.is_null();
                    if let Some(item) = self.read(below, item, &place)? {
                        kept.push(item);
                    } else if null {
                        kept.push(nothing(below));
                    }
                }
                Ok(Some(Value::Array(kept)))
            }
            (Sort::Time, Value::String(text)) => time(text).map(Some),
            (Sort::Bytes, Value::String(text)) => {
                let legal = |(place, byte): (usize, u8)| {
                    (!byte.is_ascii_alphanumeric() && !b"+/=\r\n".contains(&byte)).then_some(place)
                };
                match text.bytes().enumerate().find_map(legal) {
                    Some(place) => Err(format!("illegal base64 data at input byte {place}")),
                    None if text.len() % 4 != 0 => {
                        Err(format!("illegal base64 data at input byte {}", text.len() / 4 * 4))
                    }
                    None => Ok(Some(Value::String(text))),
                }
            }
            (Sort::Quantity, value @ (Value::String(_) | Value::Number(_))) => {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let kept = quantity::canonical(&text).ok_or_else(|| {
                    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
                        .to_owned()
                })?;
                Ok(Some(kept.into()))
            }
            (Sort::Text, value @ Value::String(_))
            | (Sort::Flag, value @ Value::Bool(_))
            | (Sort::Number, value @ Value::Number(_))
            | (Sort::IntOrString, value @ (Value::String(_) | Value::Number(_)))
            | (Sort::Any, value) => Ok(Some(value)),
            (Sort::Integer, Value::Number(number)) => {
                let whole = number.as_i64().or_else(|| {
                    #[allow(clippy::cast_possible_truncation)] // of a whole number within the range of f64's integers
                    number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 9e15).map(|n| n as i64)
                });
                let fits = |n: &i64| schema.text("format") != Some("int32") || i32::try_from(*n).is_ok();
                match whole.filter(fits) {
                    Some(number) => Ok(Some(number.into())),
                    None => Err(mismatch(&format!("number {number}"), schema, at)),
                }
            }
            (_, value) => Err(mismatch(word_of(&value), schema, at)),
        }
    }

    fn structure(&mut self, schema: Schema<'_>, map: Map<String, Value>, at: &Place<'_>) -> Result<Value, String> {
        let structure = schema.name().map_or(at.structure, short);
        let mut kept = Map::new();
        for (name, value) in map {
            let path = joined(&at.path, &name);
            let Some(below) = schema.declared(&name) else {
                self.unknown.push(path);
                continue;
            };
            let place = Place { structure, names: joined(&at.names, &name), path };
            if let Some(value) = self.read(below, value, &place)? {
                let needed = schema.requires(&name);
                let empty = match below.sort() {
                    Sort::Map => value.as_object().is_some_and(Map::is_empty),
                    Sort::Array => value.as_array().is_some_and(Vec::is_empty),
                    _ => false,
                };
                if needed || !empty {
                    kept.insert(name, value);
                }
            }
        }
        for (name, below) in schema.fields() {
            if !kept.contains_key(name)
                && let Some(value) = always(below)
            {
                kept.insert(name.clone(), value);
            }
        }
        Ok(Value::Object(kept))
    }

    fn map(&mut self, schema: Schema<'_>, map: Map<String, Value>, at: &Place<'_>) -> Result<Value, String> {
        let Some(below) = schema.free() else {
            return Ok(Value::Object(map));
        };
        let mut kept = Map::new();
        for (name, value) in map {
            let place = Place { structure: at.structure, names: at.names.clone(), path: joined(&at.path, &name) };
            let null = value.is_null();
            if let Some(value) = self.read(below, value, &place)? {
                kept.insert(name, value);
            } else if null {
                kept.insert(name, nothing(below));
            }
        }
        Ok(Value::Object(kept))
    }
}

/// What a server writes for a field that nobody set: structures that are always there, and real defaults.
fn always(schema: Schema<'_>) -> Option<Value> {
    let default = schema.word("default")?;
    match default {
        Value::Object(map) if map.is_empty() => {
            let mut whole = Map::new();
            for (field, below) in schema.fields() {
                if let Some(value) = always(below) {
                    whole.insert(field.clone(), value);
                }
            }
            Some(Value::Object(whole))
        }
        other => Some(other.clone()),
    }
}

/// The status of a new object.
pub(crate) fn blank_status(schema: Schema<'_>) -> Option<Value> {
    always(schema.declared("status")?)
}

fn nothing(schema: Schema<'_>) -> Value {
    match schema.sort() {
        Sort::Text | Sort::Bytes => "".into(),
        Sort::Integer | Sort::Number => 0.into(),
        Sort::Struct | Sort::Map => json!({}),
        _ => Value::Null,
    }
}

fn time(text: String) -> Result<Value, String> {
    if text.parse::<jiff::Timestamp>().is_ok() {
        return Ok(Value::String(text));
    }
    let form = "2006-01-02T15:04:05Z07:00";
    Err(format!("parsing time {text:?} as {form:?}: cannot parse {text:?} as \"2006\""))
}

fn word_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn mismatch(found: &str, schema: Schema<'_>, at: &Place<'_>) -> String {
    let (structure, names) = (at.structure, &at.names);
    format!("json: cannot unmarshal {found} into Go struct field {structure}.{names} of type {}", type_of(schema))
}

/// `io.k8s.api.core.v1.Container` without all before the last dot.
fn short(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// The type as the server's messages name it.
fn type_of(schema: Schema<'_>) -> String {
    let below = |schema: Option<Schema<'_>>| schema.map_or_else(|| "interface {}".to_owned(), type_of);
    match schema.sort() {
        Sort::Array => format!("[]{}", below(schema.items())),
        Sort::Map => format!("map[string]{}", below(schema.free())),
        Sort::Text => "string".to_owned(),
        Sort::Integer => schema.text("format").unwrap_or("int").to_owned(),
        Sort::Number => "float64".to_owned(),
        Sort::Flag => "bool".to_owned(),
        Sort::Bytes => "[]uint8".to_owned(),
        Sort::IntOrString => "int32".to_owned(),
        _ => match schema.name() {
            Some(name) => {
                let mut parts = name.rsplit('.');
                let (kind, version) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
                format!("{version}.{kind}")
            }
            None => "interface {}".to_owned(),
        },
    }
}
