//! `json` and `yaml`: text to value and back. Pure: allowed everywhere.

use rhai::{Dynamic, EvalAltResult, FuncRegistration, ImmutableString, Module, NativeCallContext};
use serde_json::Value;

use crate::script::{
    ErrorKind, ScriptError,
    engine::here,
    secret::Secret,
    value::{from_json, to_json},
};

type Out<T> = Result<T, Box<EvalAltResult>>;
type Read = fn(&str) -> Result<Value, String>;
type Write = fn(&Value) -> Result<String, String>;

pub(super) fn json() -> Module {
    both(
        "json",
        |text| serde_json::from_str(text).map_err(|error| error.to_string()),
        |value| serde_json::to_string(value).map_err(|error| error.to_string()),
    )
}

pub(super) fn yaml() -> Module {
    both(
        "yaml",
        |text| serde_yaml::from_str(text).map_err(|error| first_line(&error.to_string())),
        |value| serde_yaml::to_string(value).map_err(|error| first_line(&error.to_string())),
    )
}

fn both(format: &'static str, read: Read, write: Write) -> Module {
    let mut module = Module::new();
    FuncRegistration::new("parse").set_into_module(
        &mut module,
        move |context: NativeCallContext, text: ImmutableString| -> Out<Dynamic> {
            read(&text).map(|value| from_json(&value)).map_err(|why| {
                ScriptError::new(ErrorKind::Native, format!("this is not {}: {why}", format.to_uppercase()))
                    .at(here(&context))
                    .raise()
            })
        },
    );
    // what is read out of a secret would be plain text
    FuncRegistration::new("parse").set_into_module(
        &mut module,
        move |context: NativeCallContext, _: Secret| -> Out<Dynamic> {
            Err(ScriptError::new(ErrorKind::Secret, "a secret cannot be taken apart in a script")
                .at(here(&context))
                .help("declare each part as a secret of its own")
                .raise())
        },
    );
    FuncRegistration::new("stringify").set_into_module(
        &mut module,
        move |context: NativeCallContext, value: Dynamic| -> Out<ImmutableString> {
            let error = |why: String| {
                ScriptError::new(
                    ErrorKind::Native,
                    format!("this cannot be written as {}: {why}", format.to_uppercase()),
                )
                .at(here(&context))
                .raise()
            };
            let value = to_json(&value).map_err(error)?;
            write(&value).map(Into::into).map_err(error)
        },
    );
    module
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().into()
}
