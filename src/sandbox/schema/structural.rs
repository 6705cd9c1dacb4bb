//! Custom objects by the schema of their definition: defaults, pruning, and what is wrong with a value, in the words of a
//! server.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::{Map, Value};

use super::super::status::Cause;
use super::cel::broken_rules;
use super::{Schema, Sort, joined};

/// Fills in the defaults of a schema; a null where none may stand is as if it were not there.
pub(crate) fn default_into(schema: Schema<'_>, value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, below) in schema.fields() {
                if map.get(name).is_some_and(Value::is_null) && !below.flag("nullable") {
                    map.remove(name);
                }
                if !map.contains_key(name)
                    && let Some(default) = below.word("default")
                {
                    map.insert(name.clone(), default.clone());
                }
                if let Some(value) = map.get_mut(name) {
                    default_into(below, value);
                }
            }
            if let Some(free) = schema.free() {
                for (name, value) in map.iter_mut() {
                    if schema.declared(name).is_none() {
                        default_into(free, value);
                    }
                }
            }
        }
        Value::Array(items) => {
            if let Some(below) = schema.items() {
                for item in items {
                    default_into(below, item);
                }
            }
        }
        _ => {}
    }
}

/// Drops the fields that the schema does not have, and names them.
pub(crate) fn prune(schema: Schema<'_>, value: &mut Value, root: bool, path: &str, dropped: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            let open = schema.flag("x-kubernetes-preserve-unknown-fields");
            let resource = root || schema.flag("x-kubernetes-embedded-resource");
            let mut kept = Map::new();
            for (name, mut value) in std::mem::take(map) {
                let below = joined(path, &name);
                if resource && matches!(name.as_str(), "apiVersion" | "kind" | "metadata") {
                    kept.insert(name, value);
                } else if let Some(schema) = schema.field(&name) {
                    prune(schema, &mut value, false, &below, dropped);
                    kept.insert(name, value);
                } else if open || schema.word("additionalProperties") == Some(&Value::Bool(true)) {
                    kept.insert(name, value);
                } else {
                    dropped.push(below);
                }
            }
            *map = kept;
        }
        Value::Array(items) => {
            if let Some(below) = schema.items() {
                for (number, item) in items.iter_mut().enumerate() {
                    prune(below, item, false, &format!("{path}[{number}]"), dropped);
                }
            }
        }
        _ => {}
    }
}

/// All that is wrong with an object; `old` is what it was before an update.
pub(crate) fn misfits(schema: Schema<'_>, value: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut found = Vec::new();
    judge(schema, value, "", true, &mut found);
    let blocking = |cause: &Cause| {
        matches!(
            cause.reason,
            "FieldValueRequired"
                | "FieldValueTypeInvalid"
                | "FieldValueNotSupported"
                | "FieldValueTooLong"
                | "FieldValueTooMany"
        )
    };
    if !has_rules(schema, 0) {
        return found;
    }
    if found.iter().any(blocking) {
        found.push(Cause {
            reason: "FieldValueInvalid",
            field: "<nil>".to_owned(),
            message: "Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation".to_owned(),
        });
    } else {
        rules(schema, value, old, "", &mut found);
    }
    found
}

fn has_rules(schema: Schema<'_>, depth: usize) -> bool {
    depth < 64
        && (schema.word("x-kubernetes-validations").is_some()
            || schema.fields().any(|(_, below)| has_rules(below, depth + 1))
            || [schema.items(), schema.free()].into_iter().flatten().any(|below| has_rules(below, depth + 1)))
}

fn rules(schema: Schema<'_>, value: &Value, old: Option<&Value>, path: &str, found: &mut Vec<Cause>) {
    if let Some(list) = schema.word("x-kubernetes-validations").and_then(Value::as_array) {
        found.extend(broken_rules(list, path, value, old));
    }
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                if let Some(below) = schema.field(name) {
                    let old = old.and_then(|old| old.get(name));
                    rules(below, value, old, &joined(path, name), found);
                }
            }
        }
        Value::Array(items) => {
            let Some(below) = schema.items() else { return };
            let keys: Vec<&str> = keys_of(schema).collect();
            for (number, item) in items.iter().enumerate() {
                let same = |other: &&Value| !keys.is_empty() && keys.iter().all(|key| other.get(key) == item.get(key));
                let old = old.and_then(Value::as_array).and_then(|items| items.iter().find(same));
                rules(below, item, old, &format!("{path}[{number}]"), found);
            }
        }
        _ => {}
    }
}

fn keys_of(schema: Schema<'_>) -> impl Iterator<Item = &str> {
    let keys = schema.word("x-kubernetes-list-map-keys").and_then(Value::as_array);
    keys.into_iter().flatten().filter_map(Value::as_str)
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn of_type(path: &str, expected: &str, shown: &str) -> Cause {
    Cause {
        reason: "FieldValueTypeInvalid",
        field: path.to_owned(),
        message: format!("Invalid value: {shown:?}: {path} in body must be of type {expected}: {shown:?}"),
    }
}

fn judge(schema: Schema<'_>, value: &Value, path: &str, root: bool, found: &mut Vec<Cause>) {
    if value.is_null() && schema.flag("nullable") {
        return;
    }
    let expected = match schema.sort() {
        Sort::IntOrString => "integer,string",
        _ => schema.text("type").unwrap_or_default(),
    };
    let actual = type_of(value);
    let whole = value.as_f64().is_some_and(|number| number.fract() == 0.0);
    let fits = expected.is_empty()
        || expected.split(',').any(|one| one == actual || (one == "number" && actual == "integer"))
        || (expected.contains("integer") && actual == "number" && whole);
    if !fits {
        found.push(of_type(path, expected, actual));
        return;
    }
    let mut wrong = |value: &Value, what: &str| {
        found.push(Cause::invalid(path, value, &format!("{path} in body {what}")));
    };
    match value {
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or_default();
            let bound = |word: &str| schema.word(word).filter(|bound| bound.is_number());
            if let Some(most) = bound("maximum") {
                let strict = schema.flag("exclusiveMaximum");
                let limit = most.as_f64().unwrap_or_default();
                if number > limit || (strict && number >= limit) {
                    wrong(value, &format!("should be less than {}{most}", if strict { "" } else { "or equal to " }));
                }
            }
            if let Some(least) = bound("minimum") {
                let strict = schema.flag("exclusiveMinimum");
                let limit = least.as_f64().unwrap_or_default();
                if number < limit || (strict && number <= limit) {
                    let or = if strict { "" } else { "or equal to " };
                    wrong(value, &format!("should be greater than {or}{least}"));
                }
            }
            if let Some(step) = bound("multipleOf") {
                let parts = number / step.as_f64().unwrap_or(1.0);
                if (parts - parts.round()).abs() > 1e-9 {
                    wrong(value, &format!("should be a multiple of {step}"));
                }
            }
        }
        Value::String(text) => found.extend(text_misfit(schema, text, path)),
        Value::Array(items) => array(schema, items, path, found),
        Value::Object(map) => object(schema, map, path, root, found),
        _ => {}
    }
    if let Some(allowed) = schema.word("enum").and_then(Value::as_array)
        && !allowed.contains(value)
    {
        let shown: Vec<String> = allowed.iter().map(Value::to_string).collect();
        found.push(Cause {
            reason: "FieldValueNotSupported",
            field: path.to_owned(),
            message: format!("Unsupported value: {value}: supported values: {}", shown.join(", ")),
        });
    }
    combined(schema, value, path, found);
}

/// `allOf`, `anyOf`, `oneOf`, `not`.
fn combined(schema: Schema<'_>, value: &Value, path: &str, found: &mut Vec<Cause>) {
    let list = |word: &str| schema.word(word).and_then(Value::as_array).into_iter().flatten().map(Schema::new);
    let holds = |schema: Schema<'_>| {
        let mut wrong = Vec::new();
        judge(schema, value, path, false, &mut wrong);
        wrong.is_empty()
    };
    let mut say = |what: &str| found.push(Cause::invalid(path, value, &format!("{path:?} {what}")));
    if list("anyOf").next().is_some() && !list("anyOf").any(holds) {
        say("must validate at least one schema (anyOf)");
    }
    if list("oneOf").next().is_some() {
        match list("oneOf").filter(|schema| holds(*schema)).count() {
            1 => {}
            0 => say("must validate one and only one schema (oneOf). Found none valid"),
            many => say(&format!("must validate one and only one schema (oneOf). Found {many} valid alternatives")),
        }
    }
    if schema.word("not").map(Schema::new).is_some_and(holds) {
        say("must not validate the schema (not)");
    }
    for part in list("allOf") {
        judge(part, value, path, false, found);
    }
}

fn text_misfit(schema: Schema<'_>, text: &str, path: &str) -> Option<Cause> {
    let value = Value::from(text);
    let letters = text.chars().count() as u64;
    if let Some(most) = schema.word("maxLength").and_then(Value::as_u64).filter(|most| letters > *most) {
        return Some(Cause {
            reason: "FieldValueTooLong",
            field: path.to_owned(),
            message: format!("Too long: may not be more than {most} bytes"),
        });
    }
    if let Some(least) = schema.word("minLength").and_then(Value::as_u64).filter(|least| letters < *least) {
        let what = format!("{path} in body should be at least {least} chars long");
        return Some(Cause::invalid(path, &value, &what));
    }
    if let Some(pattern) = schema.text("pattern")
        && Regex::new(pattern).is_ok_and(|pattern| !pattern.is_match(text))
    {
        return Some(Cause::invalid(path, &value, &format!("{path} in body should match '{pattern}'")));
    }
    let format = schema.text("format")?;
    (!has_format(format, text)).then(|| of_type(path, format, text))
}

/// The formats that a server knows and that are easily told; any other holds.
fn has_format(format: &str, text: &str) -> bool {
    match format {
        "date-time" | "datetime" => text.parse::<jiff::Timestamp>().is_ok(),
        "date" => text.parse::<jiff::civil::Date>().is_ok() && text.len() == 10,
        "ipv4" => text.parse::<std::net::Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<std::net::Ipv6Addr>().is_ok(),
        "uri" => text.contains(':') && text.parse::<http::Uri>().is_ok(),
        "uuid" => text.len() == 36 && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'),
        "byte" => super::super::secrets::decode(text).is_some(),
        _ => true,
    }
}

fn array(schema: Schema<'_>, items: &[Value], path: &str, found: &mut Vec<Cause>) {
    let count = items.len() as u64;
    if let Some(least) = schema.word("minItems").and_then(Value::as_u64).filter(|least| count < *least) {
        let what = format!("{path} in body should have at least {least} items");
        found.push(Cause::invalid(path, &count.into(), &what));
    }
    if let Some(most) = schema.word("maxItems").and_then(Value::as_u64).filter(|most| count > *most) {
        found.push(too_many(path, count, most));
    }
    if let Some(below) = schema.items() {
        for (number, item) in items.iter().enumerate() {
            judge(below, item, &format!("{path}[{number}]"), false, found);
        }
    }
    let keys: Vec<&str> = keys_of(schema).collect();
    let told = match schema.text("x-kubernetes-list-type") {
        Some("set") => |item: &Value, _: &[&str]| Some(item.clone()),
        Some("map") => |item: &Value, keys: &[&str]| {
            let of = |key: &&str| item.get(*key).map(|value| ((*key).to_owned(), value.clone()));
            let found: Map<String, Value> = keys.iter().filter_map(of).collect();
            (found.len() == keys.len()).then_some(Value::Object(found))
        },
        _ => return,
    };
    let mut seen = BTreeSet::new();
    for (number, item) in items.iter().enumerate() {
        if let Some(key) = told(item, &keys).map(|key| key.to_string())
            && !seen.insert(key.clone())
        {
            found.push(Cause {
                reason: "FieldValueDuplicate",
                field: format!("{path}[{number}]"),
                message: format!("Duplicate value: {key}"),
            });
        }
    }
}

fn too_many(path: &str, count: u64, most: u64) -> Cause {
    Cause {
        reason: "FieldValueTooMany",
        field: path.to_owned(),
        message: format!("Too many: {count}: must have at most {most} items"),
    }
}

fn object(schema: Schema<'_>, map: &Map<String, Value>, path: &str, root: bool, found: &mut Vec<Cause>) {
    for name in schema.required() {
        if !map.contains_key(name) {
            found.push(Cause::required(&joined(path, name), ""));
        }
    }
    let count = map.len() as u64;
    if let Some(least) = schema.word("minProperties").and_then(Value::as_u64).filter(|least| count < *least) {
        let what = format!("{path} in body should have at least {least} properties");
        found.push(Cause::invalid(path, &count.into(), &what));
    }
    if let Some(most) = schema.word("maxProperties").and_then(Value::as_u64).filter(|most| count > *most) {
        found.push(too_many(path, count, most));
    }
    if schema.flag("x-kubernetes-embedded-resource") {
        for name in ["apiVersion", "kind"] {
            if map.get(name).and_then(Value::as_str).is_none_or(str::is_empty) {
                found.push(Cause::required(&joined(path, name), ""));
            }
        }
    }
    for (name, value) in map {
        if root && matches!(name.as_str(), "apiVersion" | "kind" | "metadata") {
            continue;
        }
        if let Some(below) = schema.field(name) {
            judge(below, value, &joined(path, name), false, found);
        }
    }
}

/// What makes the schema of a definition not structural: places without a type.
pub(crate) fn structural_errors(schema: &Value, path: &str, root: bool) -> Vec<Cause> {
    let mut found = Vec::new();
    untyped(schema, path, root, 0, &mut found);
    found
}

fn untyped(schema: &Value, path: &str, root: bool, depth: usize, found: &mut Vec<Cause>) {
    let free = ["x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields"];
    if schema["type"].as_str().is_none_or(str::is_empty) && !free.iter().any(|word| schema[*word] == true) {
        let what = if root {
            "must not be empty at the root"
        } else if path.rsplit('.').next() == Some("items") {
            "must not be empty for specified array items"
        } else {
            "must not be empty for specified object fields"
        };
        found.push(Cause::required(&format!("{path}.type"), what));
    }
    if depth > 64 {
        return;
    }
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        untyped(below, &format!("{path}.properties[{name}]"), false, depth + 1, found);
    }
    for word in ["items", "additionalProperties"] {
        if schema[word].is_object() {
            untyped(&schema[word], &format!("{path}.{word}"), false, depth + 1, found);
        }
    }
}
