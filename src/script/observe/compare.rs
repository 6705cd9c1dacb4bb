//! The comparison operators and their relatives: they record both sides, refuse mixed types, and wait for what is missing.

use std::any::TypeId;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use rhai::{Array, Blob, Dynamic, Engine, EvalAltResult, ImmutableString, Map, NativeCallContext};

use super::missing::{Missing, missing_of, outside};
use super::object::Obj;
use super::record::{self, Outcome};
use super::value::{hidden, holds_secret, type_words};
use crate::redact::{REPLACEMENT, Secret};

/// Why there is no answer.
pub(super) enum Trouble {
    Missing(Arc<Missing>),
    /// The types do not go together; in words.
    Mixed(String),
}

type Answer = Result<bool, Trouble>;
type Compare = fn(&Dynamic, &Dynamic) -> Answer;

/// The comparisons, by the name they are called by and the one they are shown under.
const OPERATORS: [(&str, &str, Compare); 9] = [
    ("==", "==", |a, b| eq(a, b)),
    ("!=", "!=", |a, b| eq(a, b).map(|equal| !equal)),
    ("<", "<", |a, b| Ok(order(a, b)? == Ordering::Less)),
    ("<=", "<=", |a, b| Ok(order(a, b)? != Ordering::Greater)),
    (">", ">", |a, b| Ok(order(a, b)? == Ordering::Greater)),
    (">=", ">=", |a, b| Ok(order(a, b)? != Ordering::Less)),
    ("contains", "in", |a, b| contains(a, b)),
    ("starts_with", "starts_with", |a, b| {
        Ok(affix("starts_with", a, b)?.0.starts_with(&affix("starts_with", a, b)?.1))
    }),
    ("ends_with", "ends_with", |a, b| Ok(affix("ends_with", a, b)?.0.ends_with(&affix("ends_with", a, b)?.1))),
];

/// Whether a call of this name records, so that the walk looks for its record.
pub(super) fn records(name: &str) -> bool {
    OPERATORS.iter().any(|(operator, ..)| *operator == name) || matches!(name, "any" | "some" | "all")
}

pub(super) fn register(engine: &mut Engine) {
    let any = TypeId::of::<Dynamic>();
    let (int, float, char) = (TypeId::of::<i64>(), TypeId::of::<f64>(), TypeId::of::<char>());
    let (list, map, blob) = (TypeId::of::<Array>(), TypeId::of::<Map>(), TypeId::of::<Blob>());
    let text = TypeId::of::<ImmutableString>();
    let (range, closed) = (TypeId::of::<Range<i64>>(), TypeId::of::<RangeInclusive<i64>>());
    // The exact overloads of the standard packages come before wildcards, so they are named here once more.
    let compared = [
        [any, any],
        [int, float],
        [float, int],
        [list, list],
        [map, map],
        [text, char],
        [char, text],
        [blob, blob],
        [range, range],
        [closed, closed],
    ];
    let contained =
        [[any, any], [list, any], [map, text], [text, text], [text, char], [range, int], [closed, int], [blob, int]];
    let affixed = [[any, any], [text, text], [text, char]];
    for (name, shown, answer) in OPERATORS {
        let types: &[[TypeId; 2]] = match name {
            "contains" => &contained,
            "starts_with" | "ends_with" => &affixed,
            _ => &compared,
        };
        let shown: Arc<str> = shown.into();
        for types in types {
            let shown = shown.clone();
            engine.register_raw_fn(name, types, move |ctx, args| compare(&ctx, &shown, answer, args[0], args[1]));
        }
    }
}

fn compare(
    ctx: &NativeCallContext,
    operator: &Arc<str>,
    answer: Compare,
    left: &Dynamic,
    right: &Dynamic,
) -> Result<bool, Box<EvalAltResult>> {
    let (left, right) = (flat(left), flat(right));
    let outcome = match answer(&left, &right) {
        Ok(bool) => Outcome::Known(bool),
        Err(Trouble::Missing(what)) if !record::is_recording() => return Err(outside(&what, ctx.call_position())),
        Err(Trouble::Missing(what)) => Outcome::Missing(what.text()),
        Err(Trouble::Mixed(text)) => {
            record::note_mixed(ctx, &text);
            return Err(EvalAltResult::ErrorRuntime(text.into(), ctx.call_position()).into());
        }
    };
    let known = outcome == Outcome::Known(true);
    let secret = record::is_recording() && (holds_secret(&left) || holds_secret(&right));
    let reason = secret.then(|| without_values(operator, &outcome)).flatten();
    // `in` comes as contains(list, item) and is shown as it is read.
    let sides = || {
        let (left, right) =
            if secret { (hidden(&left), hidden(&right)) } else { (left.into_owned(), right.into_owned()) };
        Some(if **operator == *"in" { (right, left) } else { (left, right) })
    };
    Ok(record::comparison(ctx, operator, outcome, reason, sides).unwrap_or(known))
}

/// What is told of a comparison with a secret: nothing but that the two are the same or different.
fn without_values(operator: &str, outcome: &Outcome) -> Option<String> {
    let Outcome::Known(answer) = outcome else { return None };
    Some(match (operator, answer) {
        ("==", true) | ("!=", false) => "the same".into(),
        ("==", false) | ("!=", true) => "different".into(),
        _ => "a secret's value is not shown".into(),
    })
}

fn flat(value: &Dynamic) -> Cow<'_, Dynamic> {
    if value.is_shared() { Cow::Owned(value.flatten_clone()) } else { Cow::Borrowed(value) }
}

/// The first of two values that is missing.
fn miss(a: &Dynamic, b: &Dynamic) -> Result<(), Trouble> {
    match missing_of(a).or_else(|| missing_of(b)) {
        Some(what) => Err(Trouble::Missing(what)),
        None => Ok(()),
    }
}

/// Deep equality. A missing value is equal to a literal `()` and comparable with nothing else.
pub(super) fn eq(a: &Dynamic, b: &Dynamic) -> Answer {
    if let (Ok(x), Ok(y)) = (a.as_immutable_string_ref(), b.as_immutable_string_ref()) {
        return Ok(*x == *y);
    }
    if let (Ok(x), Ok(y)) = (a.as_int(), b.as_int()) {
        return Ok(x == y);
    }
    if a.is_shared() || b.is_shared() {
        return eq(&flat(a), &flat(b));
    }
    if a.is_unit() || b.is_unit() {
        let literal = |v: &Dynamic| v.is_unit() && missing_of(v).is_none();
        if !literal(a) && !literal(b) {
            miss(a, b)?;
        }
        return Ok(a.is_unit() && b.is_unit());
    }
    if let (Some(x), Some(y)) = (number(a), number(b)) {
        // Written out, as two equal numbers are meant, not two near ones.
        return Ok(x.partial_cmp(&y) == Some(Ordering::Equal));
    }
    if let (Ok(x), Ok(y)) = (a.as_bool(), b.as_bool()) {
        return Ok(x == y);
    }
    if let (Some(x), Some(y)) = (text(a)?, text(b)?) {
        return Ok(x == y);
    }
    if let (Ok(x), Ok(y)) = (a.as_array_ref(), b.as_array_ref()) {
        return if x.len() == y.len() { all(x.iter().zip(y.iter())) } else { Ok(false) };
    }
    if let (Ok(x), Ok(y)) = (a.as_map_ref(), b.as_map_ref()) {
        return same_fields(x.len(), x.iter().map(|(k, v)| (k.as_str(), v.clone())), &y);
    }
    if let (Some(x), Ok(y)) = (a.read_lock::<Obj>(), b.as_map_ref()) {
        return same_fields(x.len(), x.fields(), &y);
    }
    if let (Ok(x), Some(y)) = (a.as_map_ref(), b.read_lock::<Obj>()) {
        return same_fields(y.len(), y.fields(), &x);
    }
    if let (Some(x), Some(y)) = (a.read_lock::<Obj>(), b.read_lock::<Obj>()) {
        let y: Map = y.fields().map(|(k, v)| (k.into(), v)).collect();
        return same_fields(x.len(), x.fields(), &y);
    }
    if let (Ok(x), Ok(y)) = (a.as_blob_ref(), b.as_blob_ref()) {
        return Ok(*x == *y);
    }
    if let (Some(x), Some(y)) = (a.read_lock::<Range<i64>>(), b.read_lock::<Range<i64>>()) {
        return Ok(*x == *y);
    }
    if let (Some(x), Some(y)) = (a.read_lock::<RangeInclusive<i64>>(), b.read_lock::<RangeInclusive<i64>>()) {
        return Ok(*x == *y);
    }
    Err(Trouble::Mixed(mixed("compare", "with", a, b)))
}

fn all<'a>(mut pairs: impl Iterator<Item = (&'a Dynamic, &'a Dynamic)>) -> Answer {
    pairs.try_fold(true, |equal, (x, y)| Ok(eq(x, y)? && equal))
}

fn same_fields<'a>(count: usize, fields: impl Iterator<Item = (&'a str, Dynamic)>, other: &Map) -> Answer {
    if count != other.len() {
        return Ok(false);
    }
    let mut equal = true;
    for (key, value) in fields {
        match other.get(key) {
            Some(theirs) => equal &= eq(&value, theirs)?,
            None => return Ok(false),
        }
    }
    Ok(equal)
}

fn order(a: &Dynamic, b: &Dynamic) -> Result<Ordering, Trouble> {
    if let (Ok(x), Ok(y)) = (a.as_int(), b.as_int()) {
        return Ok(x.cmp(&y));
    }
    miss(a, b)?;
    if let (Some(x), Some(y)) = (number(a), number(b)) {
        return x
            .partial_cmp(&y)
            .ok_or_else(|| Trouble::Mixed("a value that is not a number (NaN) has no order".into()));
    }
    if let (Some(x), Some(y)) = (letters(a), letters(b)) {
        return Ok(x.cmp(&y));
    }
    if a.is::<Secret>() || b.is::<Secret>() {
        return Err(Trouble::Mixed("a secret has no order: it is the same as another or not".into()));
    }
    Err(Trouble::Mixed(mixed("order", "and", a, b)))
}

/// Whether `item` is in `container`: an element, a key, a part of a text, a number of a range.
fn contains(container: &Dynamic, item: &Dynamic) -> Answer {
    miss(container, &Dynamic::TRUE)?;
    if let Ok(list) = container.as_array_ref() {
        let mut trouble = None;
        for element in list.iter() {
            match eq(element, item) {
                Ok(true) => return Ok(true),
                Ok(false) => (),
                Err(error) => trouble = trouble.or(Some(error)),
            }
        }
        miss(item, item)?;
        return trouble.map_or(Ok(false), Err);
    }
    miss(item, item)?;
    let part = text(item)?;
    if let (Ok(map), Some(key)) = (container.as_map_ref(), &part) {
        return Ok(map.contains_key(&**key));
    }
    if let (Some(object), Some(key)) = (container.read_lock::<Obj>(), &part) {
        return Ok(object.has(key));
    }
    if let (Some(text), Some(part)) = (text(container)?, part) {
        return Ok(text.contains(&*part));
    }
    if let Ok(int) = item.as_int() {
        if let Some(range) = container.read_lock::<Range<i64>>() {
            return Ok(range.contains(&int));
        }
        if let Some(range) = container.read_lock::<RangeInclusive<i64>>() {
            return Ok(range.contains(&int));
        }
        if let Ok(blob) = container.as_blob_ref() {
            return Ok(u8::try_from(int).is_ok_and(|byte| blob.contains(&byte)));
        }
    }
    Err(Trouble::Mixed(format!("cannot look for {} in {}", a_type(item), a_type(container))))
}

fn affix(name: &str, whole: &Dynamic, part: &Dynamic) -> Result<(String, String), Trouble> {
    miss(whole, part)?;
    match (text(whole)?, text(part)?) {
        (Some(whole), Some(part)) => Ok((whole.into_owned(), part.into_owned())),
        _ => Err(Trouble::Mixed(format!("`{name}` asks texts, not {} and {}", a_type(whole), a_type(part)))),
    }
}

/// A text, a character, or what a secret hides, to be compared; an error where a secret's value was not kept.
fn text(value: &Dynamic) -> Result<Option<Cow<'static, str>>, Trouble> {
    let Some(secret) = value.read_lock::<Secret>() else { return Ok(letters(value)) };
    if secret.expose().contains(REPLACEMENT) {
        return Err(Trouble::Mixed(
            "the value of this secret was not kept: read it where it comes from, with k8s::get or secret(…)".into(),
        ));
    }
    Ok(Some(secret.expose().to_owned().into()))
}

fn number(value: &Dynamic) -> Option<f64> {
    // Beyond 2^53 an integer loses its last digits against a float; two integers never come here.
    #[expect(clippy::cast_precision_loss)]
    value.as_float().ok().or_else(|| value.as_int().ok().map(|int| int as f64))
}

fn letters(value: &Dynamic) -> Option<Cow<'static, str>> {
    if let Ok(text) = value.as_immutable_string_ref() {
        return Some(text.to_string().into());
    }
    value.as_char().ok().map(|char| char.to_string().into())
}

fn a_type(value: &Dynamic) -> String {
    let words = type_words(value);
    let article = if words.starts_with(['i', 'o']) { "an" } else { "a" };
    let shown = match words.as_str() {
        "integer" | "float" | "bool" => format!(" ({value})"),
        "string" if value.to_string().chars().count() <= 40 => format!(" ({:?})", value.to_string()),
        "()" => return "`()`".into(),
        _ => String::new(),
    };
    format!("{article} {words}{shown}")
}

fn mixed(verb: &str, with: &str, a: &Dynamic, b: &Dynamic) -> String {
    let advice = match (a.is_string(), b.is_string()) {
        (true, false) if number(b).is_some() => ": write `parse_int(…)` around the string",
        (false, true) if number(a).is_some() => ": write `parse_int(…)` around the string",
        _ if a.is::<Secret>() || b.is::<Secret>() => ": a secret is compared with a text or another secret",
        _ => "",
    };
    format!("cannot {verb} {} {with} {}{advice}", a_type(a), a_type(b))
}
