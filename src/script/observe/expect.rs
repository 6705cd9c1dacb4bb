//! `expect(value, #{…})` compares partially and names every path that differs; `absent(object, "spec.suspend")` asserts
//! that a path does not exist.

use std::any::TypeId;
use std::fmt::Write as _;

use rhai::{Dynamic, Engine, EvalAltResult, ImmutableString, Map, NativeCallContext};

use super::compare::{Trouble, eq};
use super::explain::place;
use super::missing::{missing_of, outside, push_key};
use super::object::Obj;
use super::record::{self, Extra, Outcome};
use super::value::{hidden, holds_secret, shown, type_words};
use crate::model::{Observation, Place};

pub(super) fn register(engine: &mut Engine) {
    let (any, map, text) = (TypeId::of::<Dynamic>(), TypeId::of::<Map>(), TypeId::of::<ImmutableString>());
    engine.register_raw_fn("expect", [any, map], |ctx, args| expect(&ctx, args[0], args[1]));
    engine.register_raw_fn("absent", [any, text], |ctx, args| absent(&ctx, args[0], args[1]));
}

struct Differences<'c> {
    place: Option<Place>,
    compared: usize,
    found: Vec<Observation>,
    ctx: &'c NativeCallContext<'c>,
}

fn expect(ctx: &NativeCallContext, value: &Dynamic, wanted: &Dynamic) -> Result<bool, Box<EvalAltResult>> {
    let mut differences = Differences {
        place: Some(place(ctx.call_source().unwrap_or(""), ctx.call_position())),
        compared: 0,
        found: Vec::new(),
        ctx,
    };
    differences.compare(&mut String::new(), &value.flatten_clone(), &wanted.flatten_clone())?;
    let Differences { compared, found, .. } = differences;
    let differs = found.iter().any(|o| o.holds == Some(false));
    let outcome = match found.iter().find(|o| o.holds.is_none()) {
        _ if differs => Outcome::Known(false),
        None => Outcome::Known(true),
        Some(miss) => Outcome::Missing(miss.reason.clone().unwrap_or_default()),
    };
    if let (Outcome::Missing(text), false) = (&outcome, record::is_recording()) {
        return Err(EvalAltResult::ErrorRuntime(text.as_str().into(), ctx.call_position()).into());
    }
    let holds = outcome == Outcome::Known(true);
    let paths: Vec<_> = found.iter().map(|o| o.expression.as_str()).collect();
    let reason = match paths.as_slice() {
        [] => format!("all {compared} paths are as expected"),
        paths => format!("{} of {compared} paths are not as expected: {}", paths.len(), paths.join(", ")),
    };
    let from = record::with(|r| r.records.len()).unwrap_or(0);
    let extra = Extra { reason: Some(reason), ready: found, elements: Vec::new() };
    Ok(record::group(ctx, "expect", outcome, from, extra).unwrap_or(holds))
}

impl Differences<'_> {
    /// Objects are compared by the wanted fields alone. Of a list, each wanted element is looked for, in any order.
    fn compare(&mut self, path: &mut String, value: &Dynamic, wanted: &Dynamic) -> Result<(), Box<EvalAltResult>> {
        if let Ok(fields) = wanted.as_map_ref()
            && let Some(get) = getter(value)
        {
            let length = path.len();
            for (key, wanted) in fields.iter() {
                push_key(path, key);
                self.compare(path, &get(key), wanted)?;
                path.truncate(length);
            }
            return Ok(());
        }
        if let (Ok(wanted), Ok(values)) = (wanted.as_array_ref(), value.as_array_ref()) {
            let length = path.len();
            for (i, wanted) in wanted.iter().enumerate() {
                let mut nearest: Option<Self> = None;
                for value in values.iter() {
                    let mut own = Self { place: self.place.clone(), compared: 0, found: Vec::new(), ctx: self.ctx };
                    own.compare(&mut format!("{path}[{i}]"), value, wanted)?;
                    if nearest.as_ref().is_none_or(|nearest| own.found.len() < nearest.found.len()) {
                        nearest = Some(own);
                    }
                }
                let _ = write!(path, "[{i}]");
                match nearest {
                    Some(nearest) if nearest.compared != nearest.found.len() || nearest.found.is_empty() => {
                        self.compared += nearest.compared;
                        self.found.extend(nearest.found);
                    }
                    _ => {
                        self.compared += 1;
                        let secret = holds_secret(wanted) || values.iter().any(holds_secret);
                        let wanted = if secret { hidden(wanted) } else { wanted.clone() };
                        self.differ(path, None, &wanted, Some(false), Some("no element is like this".into()));
                    }
                }
                path.truncate(length);
            }
            return Ok(());
        }
        self.compared += 1;
        match eq(value, wanted) {
            Ok(true) => (),
            Ok(false) if holds_secret(value) || holds_secret(wanted) => {
                let (value, wanted) = (hidden(value), hidden(wanted));
                self.differ(path, Some(&value), &wanted, Some(false), Some("different".into()));
            }
            Ok(false) => self.differ(path, Some(value), wanted, Some(false), None),
            Err(Trouble::Missing(what)) => self.differ(path, None, wanted, None, Some(what.text())),
            Err(Trouble::Mixed(text)) => {
                let text = if path.is_empty() { text } else { format!("`{path}`: {text}") };
                record::note_mixed(self.ctx, &text);
                return Err(EvalAltResult::ErrorRuntime(text.into(), self.ctx.call_position()).into());
            }
        }
        Ok(())
    }

    fn differ(
        &mut self,
        path: &str,
        observed: Option<&Dynamic>,
        expected: &Dynamic,
        holds: Option<bool>,
        reason: Option<String>,
    ) {
        self.found.push(Observation {
            place: self.place.clone(),
            expression: if path.is_empty() { "the value".into() } else { path.into() },
            operator: "==".into(),
            expected: Some(shown(expected)),
            observed: observed.map(shown),
            holds,
            reason,
            inner: Vec::new(),
        });
    }
}

type Getter<'v> = Box<dyn Fn(&str) -> Dynamic + 'v>;

/// How to read the fields of an object or a map.
fn getter(value: &Dynamic) -> Option<Getter<'_>> {
    if let Some(object) = value.read_lock::<Obj>() {
        return Some(Box::new(move |key| object.field(key)));
    }
    let map = value.as_map_ref().ok()?;
    Some(Box::new(move |key| map.get(key).cloned().unwrap_or(Dynamic::UNIT)))
}

fn absent(ctx: &NativeCallContext, value: &Dynamic, path: &Dynamic) -> Result<bool, Box<EvalAltResult>> {
    let value = value.flatten_clone();
    let path = path.to_string();
    if let Some(what) = missing_of(&value) {
        let text = what.text();
        if !record::is_recording() {
            return Err(outside(&what, ctx.call_position()));
        }
        return Ok(record::record_native(ctx, "absent", None, Some(text)));
    }
    let mut at = value;
    for key in path.split('.').filter(|key| !key.is_empty()) {
        if at.is_unit() {
            break;
        }
        let next = getter(&at).map(|get| get(key));
        at = next.ok_or_else(|| {
            let kind = type_words(&at);
            let text =
                format!("`absent` follows fields of objects; `{key}` of `{path}` is below a value of type {kind}");
            EvalAltResult::ErrorRuntime(text.into(), ctx.call_position())
        })?;
    }
    let holds = at.is_unit();
    let reason = (!holds).then(|| format!("`{path}` is {}", shown(&at)));
    Ok(record::record_native(ctx, "absent", Some(holds), reason))
}
