//! `time`: points in time and their distance. While a plan is declared, `now` is the run's start.

use jiff::{SignedDuration, Timestamp, Unit};
use rhai::{EvalAltResult, FuncRegistration, ImmutableString, Module, NativeCallContext};

use crate::{
    model::Span,
    script::{ErrorKind, ScriptError, call, declare::Scene, engine::here},
};

type Out<T> = Result<T, Box<EvalAltResult>>;

pub(super) fn module() -> Module {
    let mut module = Module::new();
    FuncRegistration::new("now").set_into_module(&mut module, now);
    FuncRegistration::new("seconds_between").set_into_module(
        &mut module,
        |context: NativeCallContext, from: ImmutableString, to: ImmutableString| -> Out<f64> {
            let between: SignedDuration = read(&context, &to)?.duration_since(read(&context, &from)?);
            Ok(between.as_secs_f64())
        },
    );
    FuncRegistration::new("add").set_into_module(
        &mut module,
        |context: NativeCallContext, at: ImmutableString, span: ImmutableString| -> Out<ImmutableString> {
            let span: Span =
                span.parse().map_err(|error: crate::model::SpanError| refused(&context, error.to_string()))?;
            let at = read(&context, &at)?;
            let later = SignedDuration::try_from(span.duration()).ok().and_then(|span| at.checked_add(span).ok());
            later.map(|at| at.to_string().into()).ok_or_else(|| refused(&context, "that is too far away".into()))
        },
    );
    module
}

/// The present in RFC 3339, to the second.
fn now(context: NativeCallContext) -> Out<ImmutableString> {
    let at = match call::current(&context) {
        Some(call) => call.now,
        None => Scene::enter(context, "time::now")?.now(),
    };
    let at = at.unwrap_or_else(Timestamp::now);
    Ok(at.round(Unit::Second).unwrap_or(at).to_string().into())
}

fn read(context: &NativeCallContext, text: &str) -> Out<Timestamp> {
    text.parse()
        .map_err(|_| refused(context, format!("\"{text}\" is not a point in time such as \"2026-01-31T10:00:00Z\"")))
}

fn refused(context: &NativeCallContext, message: String) -> Box<EvalAltResult> {
    ScriptError::new(ErrorKind::Native, message).at(here(context)).raise()
}
