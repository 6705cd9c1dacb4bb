//! `all`, `any`, `some`, `filter` and `map` over lists: they say which elements did not, judge an element whose fields are
//! missing, and keep in mind that a list came from a cluster.

use std::any::TypeId;
use std::fmt::Write as _;

use rhai::{Array, Dynamic, Engine, EvalAltResult, FnPtr, INT, Map, NativeCallContext};

use super::missing::{missing_of, outside};
use super::object::Obj;
use super::record::{self, Extra, Outcome};
use super::value::{LIST, type_words};

/// So many elements are named in a summary, and shown with what was compared.
const NAMED: usize = 5;

pub(super) fn register(engine: &mut Engine) {
    let (any, list, closure) = (TypeId::of::<Dynamic>(), TypeId::of::<Array>(), TypeId::of::<FnPtr>());
    let options = TypeId::of::<Map>();
    for receiver in [list, any] {
        for name in ["all", "any", "some"] {
            engine.register_raw_fn(name, [receiver, closure], move |ctx, args| quantify(&ctx, name, args));
        }
        engine.register_raw_fn("all", [receiver, closure, options], |ctx, args| quantify(&ctx, "all", args));
    }
    engine.register_raw_fn("filter", [list, closure], |ctx, args| filter(&ctx, args));
    engine.register_raw_fn("map", [list, closure], |ctx, args| map(&ctx, args));
}

/// What the closure said of one element: yes, no, or not yet.
struct Judged {
    yes: Option<bool>,
    from: usize,
    to: usize,
}

fn quantify(
    ctx: &NativeCallContext,
    name: &'static str,
    args: &mut [&mut Dynamic],
) -> Result<bool, Box<EvalAltResult>> {
    let recording = record::is_recording();
    if let Some(what) = missing_of(args[0]) {
        let text = Outcome::Missing(what.text());
        return record::comparison(ctx, &name.into(), text, None, || None)
            .ok_or_else(|| outside(&what, ctx.call_position()));
    }
    let allow_empty = args.get(2).map_or(Ok(false), |options| allow_empty(ctx, options))?;
    let (items, closure) = items_and_closure(ctx, name, args)?;
    let start = records();
    if items.is_empty() && name == "all" && recording && !allow_empty && args[0].tag() == LIST {
        let text = "the list is empty, so `all` says nothing: add `#{ allow_empty: true }` if that is fine";
        let extra = Extra { reason: Some(text.into()), ..Extra::default() };
        return Ok(record::group(ctx, name, Outcome::Missing(text.into()), start, extra).unwrap_or(true));
    }
    // `all` goes on after the first no, so that every element that did not is named.
    let wanted = name == "all";
    let mut judged = Vec::with_capacity(items.len());
    let mut reason = None;
    for (i, item) in items.iter().enumerate() {
        let one = judge(ctx, name, &closure, item, i, &mut reason)?;
        let decided = one.yes == Some(!wanted);
        judged.push(one);
        if decided && (!wanted || !recording) {
            break;
        }
    }
    let answer = match (judged.iter().any(|j| j.yes == Some(!wanted)), judged.iter().any(|j| j.yes.is_none())) {
        (true, _) => Some(!wanted),
        (false, true) => None,
        (false, false) => Some(wanted),
    };
    if !recording {
        return Ok(answer == Some(true));
    }
    let summary = match (answer, wanted) {
        (Some(true), false) => judged.iter().rposition(|j| j.yes == Some(true)).map(|i| name_of(&items[i], i) + " did"),
        _ => Some(summary(&items, &judged)),
    };
    let reason = match (summary, reason.filter(|_| answer.is_none())) {
        (Some(summary), Some(reason)) => Some(format!("{summary}: {reason}")),
        (summary, _) => summary,
    };
    let outcome = answer.map_or_else(|| Outcome::Missing(reason.clone().unwrap_or_default()), Outcome::Known);
    let shown = judged.iter().zip(&items).filter(|(j, _)| (j.yes == Some(true)) == (answer == Some(true)));
    let extra = Extra { reason, ready: Vec::new(), elements: elements(shown) };
    Ok(record::group(ctx, name, outcome, start, extra).unwrap_or(answer == Some(true)))
}

fn filter(ctx: &NativeCallContext, args: &mut [&mut Dynamic]) -> Result<Dynamic, Box<EvalAltResult>> {
    let (items, closure) = items_and_closure(ctx, "filter", args)?;
    let start = records();
    let mut judged = Vec::with_capacity(items.len());
    for (i, item) in items.iter().enumerate() {
        let from = records();
        let yes = ask(ctx, "filter", &closure, item, i)?;
        if let Err(what) = &yes
            && !record::loose_miss(what.clone())
        {
            return Err(not_bool(ctx, "filter", "()"));
        }
        judged.push(Judged { yes: Some(yes == Ok(true)), from, to: records() });
    }
    if record::is_recording() {
        let reason = judged.iter().any(|j| j.yes == Some(false)).then(|| summary(&items, &judged));
        let shown = judged.iter().zip(&items).filter(|(j, _)| j.yes == Some(false));
        let extra = Extra { reason, ready: Vec::new(), elements: elements(shown) };
        record::group(ctx, "filter", Outcome::Group, start, extra);
    }
    let kept = items.into_iter().zip(&judged).filter(|(_, j)| j.yes == Some(true)).map(|(item, _)| item).collect();
    Ok(list_like(args[0], kept))
}

fn map(ctx: &NativeCallContext, args: &mut [&mut Dynamic]) -> Result<Dynamic, Box<EvalAltResult>> {
    let (items, closure) = items_and_closure(ctx, "map", args)?;
    let mapped = items.iter().enumerate().map(|(i, item)| call(ctx, "map", &closure, item, i));
    let mapped = mapped.collect::<Result<Array, _>>()?;
    Ok(list_like(args[0], mapped))
}

/// A list that is as much from the cluster as `list` is.
fn list_like(list: &Dynamic, items: Array) -> Dynamic {
    let mut new = Dynamic::from_array(items);
    new.set_tag(if list.tag() == LIST { LIST } else { 0 });
    new
}

fn items_and_closure(
    ctx: &NativeCallContext,
    name: &str,
    args: &mut [&mut Dynamic],
) -> Result<(Array, FnPtr), Box<EvalAltResult>> {
    let items = args[0].flatten_clone();
    let kind = type_words(&items);
    let closure = args[1].flatten_clone().try_cast::<FnPtr>();
    match (items.try_cast::<Array>(), closure) {
        (Some(items), Some(closure)) => Ok((items, closure)),
        _ => Err(error(ctx, format!("`{name}` asks the elements of a list; this is of type {kind}"))),
    }
}

fn allow_empty(ctx: &NativeCallContext, options: &Dynamic) -> Result<bool, Box<EvalAltResult>> {
    let options = options.flatten_clone().try_cast::<Map>().unwrap_or_default();
    if let Some(other) = options.keys().find(|key| *key != "allow_empty") {
        return Err(error(ctx, format!("`all` has no option `{other}`: its one option is `allow_empty`")));
    }
    let value = options.get("allow_empty").map_or(Ok(false), Dynamic::as_bool);
    value.map_err(|kind| error(ctx, format!("`allow_empty` is true or false, not of type {kind}")))
}

fn records() -> usize {
    record::with(|r| r.records.len()).unwrap_or(0)
}

/// Asks the closure about one element, and takes the misses it made into its answer.
fn judge(
    ctx: &NativeCallContext,
    name: &str,
    closure: &FnPtr,
    item: &Dynamic,
    index: usize,
    reason: &mut Option<String>,
) -> Result<Judged, Box<EvalAltResult>> {
    let from = records();
    let loose = record::with(|r| r.loose.len()).unwrap_or(0);
    let said = ask(ctx, name, closure, item, index)?;
    let mut miss = said.as_ref().err().cloned();
    record::with(|r| {
        for record in r.records.iter_mut().skip(from).filter(|record| !record.absorbed) {
            if let Outcome::Missing(text) = &record.outcome {
                miss.get_or_insert_with(|| text.clone());
                record.absorbed = true;
            }
        }
        if let Some(text) = r.loose.drain(loose.min(r.loose.len())..).next() {
            miss.get_or_insert(text);
        }
    });
    if miss.is_some() && !record::is_recording() {
        return Err(not_bool(ctx, name, "()"));
    }
    let yes = if miss.is_some() { None } else { said.ok() };
    if let Some(text) = miss {
        reason.get_or_insert(text);
    }
    Ok(Judged { yes, from, to: records() })
}

/// The closure's answer, or what is missing in words.
fn ask(
    ctx: &NativeCallContext,
    name: &str,
    closure: &FnPtr,
    item: &Dynamic,
    index: usize,
) -> Result<Result<bool, String>, Box<EvalAltResult>> {
    let said = call(ctx, name, closure, item, index)?;
    match (said.as_bool(), missing_of(&said)) {
        (Ok(bool), _) => Ok(Ok(bool)),
        (_, Some(what)) => Ok(Err(what.text())),
        _ => Err(not_bool(ctx, name, &type_words(&said))),
    }
}

fn call(
    ctx: &NativeCallContext,
    name: &str,
    closure: &FnPtr,
    item: &Dynamic,
    index: usize,
) -> Result<Dynamic, Box<EvalAltResult>> {
    // `|item|` is tried first: it is what people write, and each wrong guess costs more than the call.
    match closure.call_raw(ctx, None, [item.clone()]) {
        Err(error) if not_found(&error, closure) => {
            let mut item = item.clone();
            let index = Dynamic::from(INT::try_from(index).unwrap_or(INT::MAX));
            closure.call_raw_with_extra_args(name, ctx, Some(&mut item), [], [index], Some(0))
        }
        said => said,
    }
}

fn not_found(error: &EvalAltResult, closure: &FnPtr) -> bool {
    matches!(error, EvalAltResult::ErrorFunctionNotFound(signature, _) if signature.starts_with(closure.fn_name()))
}

#[expect(clippy::unnecessary_box_returns, reason = "the form in which Rhai takes errors")]
fn error(ctx: &NativeCallContext, text: String) -> Box<EvalAltResult> {
    EvalAltResult::ErrorRuntime(text.into(), ctx.call_position()).into()
}

#[expect(clippy::unnecessary_box_returns, reason = "the form in which Rhai takes errors")]
fn not_bool(ctx: &NativeCallContext, name: &str, kind: &str) -> Box<EvalAltResult> {
    let text = format!("the closure of `{name}` gives true or false; this one gave {kind}");
    error(ctx, text)
}

/// `2 of 5 did not: node-b, node-c`, and who cannot say yet.
fn summary(items: &[Dynamic], judged: &[Judged]) -> String {
    let names = |wanted: Option<bool>| -> (usize, String) {
        let of = || judged.iter().enumerate().filter(move |(_, j)| j.yes == wanted).map(|(i, _)| i);
        let count = of().count();
        let mut names = of().take(NAMED).map(|i| name_of(&items[i], i)).collect::<Vec<_>>().join(", ");
        if count > NAMED {
            let _ = write!(names, " and {} more", count - NAMED);
        }
        (count, names)
    };
    let total = items.len();
    match (names(Some(false)), names(None)) {
        ((0, _), (0, _)) => format!("{total} of {total} did"),
        ((no, who), (0, _)) => format!("{no} of {total} did not: {who}"),
        ((0, _), (unknown, who)) => format!("{unknown} of {total} not yet: {who}"),
        ((no, who), (unknown, others)) => format!("{no} of {total} did not: {who}; {unknown} not yet: {others}"),
    }
}

fn elements<'a>(shown: impl Iterator<Item = (&'a Judged, &'a Dynamic)>) -> Vec<(String, usize, usize)> {
    let with_records = shown.enumerate().filter(|(_, (j, _))| j.to > j.from).take(NAMED);
    with_records.map(|(i, (j, item))| (name_of(item, i), j.from, j.to)).collect()
}

/// What an element is called: its `metadata.name`, its `name` or `type`, or itself.
fn name_of(item: &Dynamic, index: usize) -> String {
    let named = |value: &serde_json::Value| {
        let paths = ["/metadata/name", "/name", "/type"];
        paths.iter().find_map(|path| value.pointer(path).and_then(|name| name.as_str()).map(str::to_owned))
    };
    let name = if let Some(object) = item.read_lock::<Obj>() {
        named(object.value())
    } else if let Ok(map) = item.as_map_ref() {
        // what else it holds need not have a JSON form
        let own = |map: &Map, key: &str| {
            map.get(key).and_then(|name| name.as_immutable_string_ref().ok().map(|name| name.to_string()))
        };
        let of_metadata = map.get("metadata").and_then(|metadata| own(&*metadata.as_map_ref().ok()?, "name"));
        of_metadata.or_else(|| own(&map, "name")).or_else(|| own(&map, "type"))
    } else if item.is_string() || item.is_int() || item.is_bool() || item.is_float() || item.is_char() {
        Some(item.to_string())
    } else {
        None
    };
    name.filter(|name| name.len() <= 253).unwrap_or_else(|| format!("[{index}]"))
}
