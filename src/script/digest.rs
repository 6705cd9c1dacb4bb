//! What a step's digest covers: its source, what it captured, the functions that it calls and the files that it names.
//! White space, positions and the engine's names of closures do not enter.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{ASTNode, Array, Dynamic, Expr, FnPtr, Map};
use serde_json::{Value, json};

use super::{closure::Closure, declare::StepHandle, facts::path_in, library::Library, secret::Secret, walk};
use crate::model::{Body, Digest, Item, Plan, StepId};

/// Gives each step of the plan its digest.
pub(super) fn fill(plan: &mut Plan, closures: &BTreeMap<Body, Closure>, library: &Library) {
    let paths: BTreeSet<String> = library.sources().paths().into_iter().collect();
    let mut of: BTreeMap<&StepId, Vec<(&Body, &Closure)>> = BTreeMap::new();
    for (body, closure) in closures {
        if let Some(step) = of_step(body) {
            of.entry(step).or_default().push((body, closure));
        }
    }
    for phase in &mut plan.phases {
        for item in &mut phase.items {
            let Item::Step(step) = item else { continue };
            let mut declared = serde_json::to_value(&*step).unwrap_or_default();
            forget_places(&mut declared);
            let bodies: Vec<Value> = of
                .get(&step.id)
                .into_iter()
                .flatten()
                .map(|(body, closure)| json!([body, ink(closure.name(), closure.captures(), library, &paths)]))
                .collect();
            step.digest = Digest::of_json(&json!([declared, bodies]));
        }
    }
}

fn of_step(body: &Body) -> Option<&StepId> {
    match body {
        Body::Change(step)
        | Body::Precheck(step, _)
        | Body::SkipIf(step)
        | Body::Verify(step, _)
        | Body::Undo(step)
        | Body::Undone(step, _)
        | Body::Repair(step) => Some(step),
        Body::Show(..) | Body::Assumption(_) | Body::Outcome(_) | Body::Discovery(_) => None,
    }
}

fn forget_places(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.remove("place");
            map.remove("digest");
            map.values_mut().for_each(forget_places);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_places),
        _ => {}
    }
}

/// A closure as a value: its text, its captures by name, the functions below it, the files that any of these name.
fn ink(name: &str, captures: &[Dynamic], library: &Library, paths: &BTreeSet<String>) -> Value {
    let mut files = BTreeSet::new();
    let shape = library.closure(name).and_then(|script| {
        let shape = script.closures.get(name)?;
        Some((script.text().closure(shape.position).map(String::from), shape.parameters.clone()))
    });
    let (text, parameters) = shape.unwrap_or_default();
    let captured: BTreeMap<String, Value> = captures
        .iter()
        .enumerate()
        .map(|(at, value)| {
            let name = parameters.get(at).cloned().unwrap_or_else(|| at.to_string());
            (name, canonical(value, library, paths, &mut files))
        })
        .collect();
    let mut functions = BTreeSet::new();
    for definition in walk::reachable(library, name) {
        if !definition.function.name.starts_with("anon$") {
            let body = &definition.function.body;
            let text = definition.script.text().between(body.start_position(), body.end_position());
            functions.insert((definition.function.name.to_string(), text.unwrap_or_default().to_string()));
        }
        definition.visit(&mut |nodes| {
            if let Some(ASTNode::Expr(Expr::StringConstant(literal, _))) = nodes.last() {
                let path = path_in(literal).unwrap_or(literal).trim_start_matches("./");
                let below = |known: &str| known.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
                files
                    .extend(paths.iter().filter(|known| *known == path || (!path.is_empty() && below(known))).cloned());
            }
            true
        });
    }
    let files: BTreeMap<String, Option<Digest>> = files
        .into_iter()
        .map(|path| {
            let digest = library.sources().text(&path).ok().map(|text| Digest::of(text.as_bytes()));
            (path, digest)
        })
        .collect();
    json!([text.unwrap_or_else(|| name.into()), captured, functions, files])
}

/// A captured value in one form: keys sorted, floats by their bits, closures by what they are.
fn canonical(value: &Dynamic, library: &Library, paths: &BTreeSet<String>, files: &mut BTreeSet<String>) -> Value {
    if let Some(entries) = value.read_lock::<Map>() {
        let entries = entries.iter().map(|(key, entry)| (key.to_string(), canonical(entry, library, paths, files)));
        return Value::Object(entries.collect());
    }
    if let Some(items) = value.read_lock::<Array>() {
        return Value::Array(items.iter().map(|item| canonical(item, library, paths, files)).collect());
    }
    if let Some(pointer) = value.read_lock::<FnPtr>() {
        return json!({ "closure": ink(pointer.fn_name(), pointer.curry(), library, paths) });
    }
    if let Ok(number) = value.as_float() {
        return json!({ "float": number.to_bits() });
    }
    if let Some(step) = value.read_lock::<StepHandle>() {
        return json!({ "step": step.id });
    }
    if value.is::<Secret>() {
        return json!("secret");
    }
    let plain = super::value::to_json(value).unwrap_or_else(|_| json!({ "type": value.type_name() }));
    if let Some(path) = plain.as_str().filter(|text| paths.contains(*text)) {
        files.insert(path.into());
    }
    plain
}
