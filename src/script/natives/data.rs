//! `json`, `yaml` and `base64`: text to value and back. Pure: allowed everywhere. What is made of a secret is one.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use rhai::{Dynamic, EvalAltResult, FuncRegistration, ImmutableString, Module, NativeCallContext};
use serde_json::Value;

use super::{Out, entry};
use crate::script::{
    ErrorKind, ScriptError,
    engine::here,
    observe,
    secret::{Secret, text_of},
    value::opened,
};

type Read = fn(&str) -> Result<Value, String>;
type Write = fn(&Value) -> Result<String, String>;

/// `json::parse(text)`, `json::stringify(value)`. Of a secret, every value is one: a text, whatever it was; its keys are open.
/// What holds a secret is written as a secret.
///
/// ```rhai
/// .verify("the registry is ours", || {
///     let config = json::parse(base64::decode(k8s::get("Secret/web/pull").data[".dockerconfigjson"]));
///     "registry.example.com" in config.auths
/// })
/// ```
pub(super) fn json() -> Module {
    both(
        "json",
        |text| serde_json::from_str(text).map_err(|error| error.to_string()),
        |value| serde_json::to_string(value).map_err(|error| error.to_string()),
    )
}

/// `yaml::parse(text)`, `yaml::stringify(value)`, as those of `json`. The values of a Secret in it are secrets.
///
/// ```rhai
/// let values = yaml::parse("replicas: 2");
/// ```
pub(super) fn yaml() -> Module {
    both(
        "yaml",
        |text| serde_yaml::from_str(text).map_err(|error| first_line(&error.to_string())),
        |value| serde_yaml::to_string(value).map_err(|error| first_line(&error.to_string())),
    )
}

/// `base64::decode(text)`, `base64::encode(text)`: of a secret they give a secret. A Secret's `data` is base64, its
/// `stringData` is not.
///
/// ```rhai
/// .verify("it is the new user", || base64::decode(k8s::get("Secret/db/app").data.username) == "shop")
/// .change(|| http::post(url, "", #{ headers: #{ authorization: "Bearer " + base64::decode(k8s::get("Secret/web/api").data.token) } }))
/// ```
pub(super) fn base64() -> Module {
    let mut module = Module::new();
    entry(&mut module, "encode", |context: NativeCallContext, text: Dynamic| {
        with_text(&context, "base64::encode", &text, |text| Ok(BASE64_STANDARD.encode(text)))
    });
    entry(&mut module, "decode", |context: NativeCallContext, text: Dynamic| {
        with_text(&context, "base64::decode", &text, |text| {
            let squeezed: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
            // of what stands in it nothing is said: it may be a secret
            let bytes = BASE64_STANDARD.decode(squeezed).map_err(|_| "this is not base64".to_owned())?;
            String::from_utf8(bytes).map_err(|error| {
                format!("the {} bytes in it are no text: hand it on in base64", error.as_bytes().len())
            })
        })
    });
    module
}

/// Makes a text of a text, and a secret of a secret.
fn with_text(
    context: &NativeCallContext,
    native: &str,
    value: &Dynamic,
    make: impl Fn(&str) -> Result<String, String>,
) -> Out<Dynamic> {
    let refused =
        |why: String| ScriptError::new(ErrorKind::Native, format!("`{native}`: {why}")).at(here(context)).raise();
    if let Some(secret) = value.read_lock::<Secret>() {
        return make(secret.expose()).map(|text| Dynamic::from(Secret::new(text))).map_err(refused);
    }
    if let Some(text) = value.read_lock::<ImmutableString>() {
        return make(&text).map(Into::into).map_err(refused);
    }
    if let Some(missing) = observe::missing_of(value) {
        return Err(observe::not_yet_error(&missing));
    }
    Err(refused(format!("it takes a text or a secret, not {}", crate::script::error::typed(value.type_name()))))
}

fn both(format: &'static str, read: Read, write: Write) -> Module {
    let mut module = Module::new();
    let failed = move |context: &NativeCallContext, message: String| -> Box<EvalAltResult> {
        ScriptError::new(ErrorKind::Native, message).at(here(context)).raise()
    };
    FuncRegistration::new("parse").set_into_module(
        &mut module,
        move |context: NativeCallContext, text: ImmutableString| -> Out<Dynamic> {
            read(&text)
                .map(|value| observe::plain(&value, false))
                .map_err(|why| failed(&context, format!("this is not {}: {why}", format.to_uppercase())))
        },
    );
    FuncRegistration::new("parse").set_into_module(
        &mut module,
        move |context: NativeCallContext, text: Secret| -> Out<Dynamic> {
            // why not would quote it
            read(text.expose())
                .map(|value| observe::plain(&value, true))
                .map_err(|_| failed(&context, format!("this secret is not {}", format.to_uppercase())))
        },
    );
    FuncRegistration::new("stringify").set_into_module(
        &mut module,
        move |context: NativeCallContext, value: Dynamic| -> Out<Dynamic> {
            opened(&value)
                .and_then(|plain| write(&plain))
                .map(|text| text_of(&value, text))
                .map_err(|why| failed(&context, format!("this cannot be written as {}: {why}", format.to_uppercase())))
        },
    );
    module
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().into()
}
