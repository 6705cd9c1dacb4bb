//! Secrets in scripts: they may be joined and handed to natives, and never become text, be compared or be counted.

use std::any::TypeId;

use rhai::{Array, Dynamic, Engine, EvalAltResult, ImmutableString, Map, NativeCallContext, Position};

use super::{
    engine::here,
    guard::{self, Stop},
};
pub(super) use crate::redact::Secret;

fn refuse(context: &NativeCallContext, what: &str) -> Box<EvalAltResult> {
    let stop = Stop::Secret(what.into(), Some(here(context)));
    guard::poison(stop.clone());
    Box::new(EvalAltResult::ErrorTerminated(Dynamic::from(stop), Position::NONE))
}

fn plain(value: &Dynamic) -> String {
    match value.read_lock::<Secret>() {
        Some(secret) => secret.expose().to_string(),
        None => value.to_string(),
    }
}

/// Teaches the engine what a secret may and may not do.
pub(super) fn register(engine: &mut Engine) {
    let (any, secret, text) = (TypeId::of::<Dynamic>(), TypeId::of::<Secret>(), TypeId::of::<ImmutableString>());
    engine.register_type_with_name::<Secret>("secret");
    for sides in [[secret, any], [any, secret], [secret, secret], [text, secret], [secret, text]] {
        engine.register_raw_fn("+", sides, |_, sides| {
            Ok(Dynamic::from(Secret::new(format!("{}{}", plain(sides[0]), plain(sides[1])))))
        });
        engine.register_raw_fn("+=", sides, |context, sides| {
            if !sides[0].is::<Secret>() {
                return Err(refuse(&context, "be added to a text in place: write `a = a + secret`"));
            }
            *sides[0] = Dynamic::from(Secret::new(format!("{}{}", plain(sides[0]), plain(sides[1]))));
            Ok(Dynamic::UNIT)
        });
        for operator in ["==", "!=", "<", "<=", ">", ">=", "contains"] {
            engine.register_raw_fn(operator, sides, |context, _| -> Result<bool, _> {
                Err(refuse(&context, "be compared"))
            });
        }
    }
    for native in ["to_string", "to_debug", "print", "debug", "to_json", "len"] {
        engine.register_raw_fn(native, [secret], move |context, _| -> Result<ImmutableString, _> {
            Err(refuse(&context, if native == "len" { "be counted" } else { "become text" }))
        });
    }
    // the engine's own writes the type's name into the JSON and says nothing
    engine.register_raw_fn("to_json", [TypeId::of::<Map>()], |context, args| {
        if holds_secret(args[0]) {
            return Err(refuse(&context, "become text"));
        }
        super::value::to_json(args[0])
            .map(|value| ImmutableString::from(value.to_string()))
            .map_err(|why| super::ScriptError::new(super::ErrorKind::Value, why).at(here(&context)).raise())
    });
}

fn holds_secret(value: &Dynamic) -> bool {
    if value.is::<Secret>() {
        return true;
    }
    if let Some(items) = value.read_lock::<Array>() {
        return items.iter().any(holds_secret);
    }
    value.read_lock::<Map>().is_some_and(|entries| entries.values().any(holds_secret))
}
