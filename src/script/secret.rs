//! Secrets in scripts: they may be joined, compared, counted and handed to natives, and never become text.

use std::any::TypeId;

use rhai::{Dynamic, Engine, EvalAltResult, ImmutableString, Map, NativeCallContext, Position};

use super::{
    engine::here,
    guard::{self, Stop},
    observe, value,
};
pub(super) use crate::redact::Secret;

/// Ends the script: a secret cannot do `what`. It sticks, because interpolation swallows errors.
#[expect(clippy::unnecessary_box_returns, reason = "the form in which Rhai takes errors")]
pub(super) fn refuse(context: &NativeCallContext, what: &str) -> Box<EvalAltResult> {
    let stop = Stop::Secret(what.into(), Some(here(context)));
    guard::poison(stop.clone());
    Box::new(EvalAltResult::ErrorTerminated(Dynamic::from(stop), Position::NONE))
}

/// What is joined with a secret, or the secret itself.
fn part(context: &NativeCallContext, value: &Dynamic) -> Result<String, Box<EvalAltResult>> {
    if let Some(secret) = value.read_lock::<Secret>() {
        return Ok(secret.expose().to_owned());
    }
    if let Some(missing) = observe::missing_of(value) {
        return Err(observe::not_yet_error(&missing));
    }
    if value.is_array() || value.is_map() || value.is::<observe::Obj>() {
        return Err(refuse(context, "be joined with a list or a map"));
    }
    Ok(value.to_string())
}

/// Teaches the engine what a secret may and may not do. How one is compared is among the other comparisons.
pub(super) fn register(engine: &mut Engine) {
    let (any, secret, text) = (TypeId::of::<Dynamic>(), TypeId::of::<Secret>(), TypeId::of::<ImmutableString>());
    engine.register_type_with_name::<Secret>("secret");
    for sides in [[secret, any], [any, secret], [secret, secret], [text, secret], [secret, text]] {
        engine.register_raw_fn("+", sides, |context, sides| {
            let (left, right) = (part(&context, sides[0])?, part(&context, sides[1])?);
            Ok(Dynamic::from(Secret::new(format!("{left}{right}"))))
        });
        engine.register_raw_fn("+=", sides, |context, sides| {
            if !sides[0].is::<Secret>() {
                return Err(refuse(&context, "be added to a text in place: write `a = a + secret`"));
            }
            let (left, right) = (part(&context, sides[0])?, part(&context, sides[1])?);
            *sides[0] = Dynamic::from(Secret::new(format!("{left}{right}")));
            Ok(Dynamic::UNIT)
        });
    }
    engine.register_fn("len", |secret: &mut Secret| i64::try_from(secret.expose().chars().count()).unwrap_or(i64::MAX));
    engine.register_fn("is_empty", |secret: &mut Secret| secret.expose().is_empty());
    for native in ["to_string", "to_debug", "print", "debug", "to_json"] {
        engine.register_raw_fn(native, [secret], |context, _| -> Result<ImmutableString, _> {
            Err(refuse(&context, "become text"))
        });
    }
    // the engine's own writes the type's name into the JSON and says nothing
    engine.register_raw_fn("to_json", [TypeId::of::<Map>()], |context, args| {
        let text = value::opened(args[0])
            .map_err(|why| super::ScriptError::new(super::ErrorKind::Value, why).at(here(&context)).raise())?;
        Ok(text_of(args[0], text.to_string()))
    });
}

/// A text that was made of `value`: a secret where that holds one.
pub(super) fn text_of(value: &Dynamic, text: String) -> Dynamic {
    if observe::holds_secret(value) { Dynamic::from(Secret::new(text)) } else { text.into() }
}
