//! How a native reaches the door: through the call that its closure runs in.

use std::{any::Any, sync::Arc};

use rhai::{Array, Dynamic, EvalAltResult, Map, NativeCallContext};
use serde_json::Value;

use super::Out;
use crate::{
    effect::{self, EffectError, Mode, Sort},
    model::Place,
    redact::{REPLACEMENT, Secret},
    script::{
        ErrorKind, ScriptError,
        error::typed,
        observe::{self, Obj},
        value,
    },
};

/// A native's way to the world.
pub(super) struct World {
    /// The door's side of the call.
    pub call: Arc<effect::Call>,
    /// Where the native stands in the script.
    pub place: Place,
}

impl World {
    /// Lets a native in that sees or changes the world.
    pub fn enter(context: &NativeCallContext, native: &str, mode: Mode) -> Out<Self> {
        let entered = super::enter(context, native, mode)?;
        let door = entered.call.door.clone();
        let call = door.and_then(|door: Arc<dyn Any + Send + Sync>| door.downcast::<effect::Call>().ok());
        let Some(call) = call else {
            return Err(ScriptError::new(
                ErrorKind::Mode,
                format!("`{native}` needs a context, and there is none here"),
            )
            .at(entered.place)
            .raise());
        };
        call.at(Some(entered.place.clone()));
        Ok(Self { call, place: entered.place })
    }

    /// A text argument; anything else is refused by name, a missing field as not yet.
    pub fn text(&self, native: &str, what: &str, value: &Dynamic) -> Out<String> {
        if let Some(text) = value.read_lock::<rhai::ImmutableString>() {
            return Ok(text.to_string());
        }
        if let Some(missing) = observe::missing_of(value) {
            return Err(observe::not_yet_error(&missing));
        }
        Err(self.refuse(native, &format!("takes {what} as text, not {}", typed(value.type_name()))))
    }

    /// A wrong argument.
    pub fn refuse(&self, native: &str, why: &str) -> Box<EvalAltResult> {
        refused(&self.place, native, why)
    }

    /// A text argument that may be a secret: only a native opens one, at the door.
    pub fn opened(&self, native: &str, what: &str, value: &Dynamic) -> Out<String> {
        let Some(secret) = value.read_lock::<Secret>() else { return self.text(native, what, value) };
        self.open(&secret).map_err(|why| self.refuse(native, &format!("cannot be given {what}: {why}")))
    }

    /// A value as JSON with its secrets opened: for what is sent, never for what is written.
    pub fn data(&self, value: &Dynamic) -> Result<Value, String> {
        self.open_all(value)?;
        value::opened(value)
    }

    /// Guards each secret in a value.
    fn open_all(&self, value: &Dynamic) -> Result<(), String> {
        if let Some(secret) = value.read_lock::<Secret>() {
            return self.open(&secret).map(drop);
        }
        if let Some(items) = value.read_lock::<Array>() {
            return items.iter().try_for_each(|item| self.open_all(item));
        }
        if let Some(object) = value.read_lock::<Obj>() {
            let lost = format!("{} held a secret's value before, and that is kept nowhere", object.label());
            return if object.has_lost_secrets() { Err(lost) } else { Ok(()) };
        }
        value.read_lock::<Map>().map_or(Ok(()), |entries| entries.values().try_for_each(|entry| self.open_all(entry)))
    }

    /// What a secret hides; from now on nothing is written with it.
    fn open(&self, secret: &Secret) -> Result<String, String> {
        if secret.expose().contains(REPLACEMENT) {
            return Err("a secret stood there and was not kept: read it where it comes from".into());
        }
        self.call.learn_secret(secret);
        Ok(secret.expose().to_owned())
    }
}

/// A wrong argument of a native at this place.
pub(super) fn refused(place: &Place, native: &str, why: &str) -> Box<EvalAltResult> {
    raise(place, EffectError::new(Sort::Argument, format!("`{native}` {why}")))
}

/// The door's error as the script's; one that no script may catch ends the closure.
pub(super) fn raise(place: &Place, error: EffectError) -> Box<EvalAltResult> {
    let last = error.sort.is_final();
    let mut script = ScriptError::new(ErrorKind::Native, error.message.clone()).at(place.clone());
    script.help.clone_from(&error.help);
    let script = script.because(error);
    if last { script.end() } else { script.raise() }
}
