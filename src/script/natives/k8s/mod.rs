//! `k8s`: objects of the context's cluster, by reference (`Kind/namespace/name`, `Kind/name`). Kinds, plurals and short
//! names mean what the server serves under them; `Kind.group/…` where a kind is ambiguous.

mod ask;
mod change;
mod inside;
mod read;

use rhai::{Array, Dynamic, ImmutableString, Map, Module, NativeCallContext};
use serde_json::Value;

use super::{Out, entry, world::World};
use crate::{
    effect::{ChangeOptions, Source},
    object::edges::Direction,
    redact::Secret,
    script::error::typed,
};

/// Adds a native that takes its options as one more map, or none.
macro_rules! with_options {
    ($module:expr, $name:literal, $native:path, $($argument:ident),+) => {
        entry($module, $name, |context: NativeCallContext, $($argument: Dynamic),+| $native(&context, $(&$argument),+, None));
        entry($module, $name, |context: NativeCallContext, $($argument: Dynamic),+, options: Map| {
            $native(&context, $(&$argument),+, Some(&options))
        });
    };
}

pub(super) fn module() -> Module {
    let mut module = Module::new();
    let m = &mut module;
    entry(m, "get", read::get);
    entry(m, "exists", read::exists);
    entry(m, "list", |context: NativeCallContext, kind: ImmutableString| read::list(&context, &kind, None));
    entry(m, "list", |context: NativeCallContext, kind: ImmutableString, namespace: ImmutableString| {
        let mut options = Map::new();
        options.insert("namespace".into(), namespace.into());
        read::list(&context, &kind, Some(&options))
    });
    entry(m, "list", |context: NativeCallContext, kind: ImmutableString, options: Map| {
        read::list(&context, &kind, Some(&options))
    });
    entry(m, "ready", read::ready);
    entry(m, "status", read::status);
    entry(m, "events", read::events);
    entry(m, "dry_run", read::dry_run);
    entry(m, "diff", read::diff);
    with_options!(m, "logs", ask::logs, reference);
    entry(m, "can", |context: NativeCallContext, verb: Dynamic, what: Dynamic| ask::can(&context, &verb, &what, None));
    entry(m, "can", |context: NativeCallContext, verb: Dynamic, what: Dynamic, namespace: Dynamic| {
        ask::can(&context, &verb, &what, Some(&namespace))
    });
    entry(m, "api", ask::api);
    entry(m, "api", ask::api_in);
    entry(m, "impact", |context: NativeCallContext, of: Dynamic| ask::reached(&context, &of, Direction::Dependents));
    entry(m, "needs", |context: NativeCallContext, of: Dynamic| ask::reached(&context, &of, Direction::Needs));
    with_options!(m, "http", ask::http, reference, path);
    with_options!(m, "apply", change::apply, source);
    with_options!(m, "delete", change::delete, reference);
    with_options!(m, "patch", change::patch, reference, patch);
    with_options!(m, "scale", change::scale, reference, replicas);
    with_options!(m, "restart", change::restart, reference);
    with_options!(m, "label", change::label, reference, labels);
    with_options!(m, "annotate", change::annotate, reference, annotations);
    entry(m, "cordon", change::cordon);
    entry(m, "uncordon", change::uncordon);
    with_options!(m, "drain", inside::drain, node);
    with_options!(m, "exec", inside::exec, reference, command);
    entry(m, "job", inside::job);
    module
}

impl World {
    /// What `apply`, `dry_run`, `diff` and `job` take; a text may be a secret.
    fn source(&self, native: &str, value: &Dynamic) -> Out<Source> {
        if value.is::<ImmutableString>() || value.is::<Secret>() {
            return self.opened(native, "YAML", value).map(Source::Text);
        }
        let json = self
            .data(value)
            .map_err(|why| self.refuse(native, &format!("takes a path, YAML text or a map, and not this: {why}")))?;
        match json {
            Value::Object(_) | Value::Array(_) => Ok(Source::Value(json)),
            other => Err(self.refuse(native, &format!("takes a path, YAML text or a map, not {other}"))),
        }
    }

    fn reference(&self, native: &str, value: &Dynamic) -> Out<String> {
        self.text(native, "an object reference", value)
    }

    /// Refuses an option that there is not, with the nearest that there is.
    fn known(&self, native: &str, options: Option<&Map>, known: &[&str]) -> Out<()> {
        let Some(unknown) = options.into_iter().flat_map(Map::keys).find(|key| !known.contains(&key.as_str())) else {
            return Ok(());
        };
        Err(self.refuse(native, &format!("has no option `{unknown}`: it takes {}", known.join(", "))))
    }

    fn text_option(&self, native: &str, options: Option<&Map>, key: &str) -> Out<Option<String>> {
        options.and_then(|options| options.get(key)).map(|value| self.text(native, key, value)).transpose()
    }

    fn bool_option(&self, native: &str, options: Option<&Map>, key: &str) -> Out<bool> {
        let Some(value) = options.and_then(|options| options.get(key)) else { return Ok(false) };
        value.as_bool().map_err(|_| self.refuse(native, &format!("takes true or false as {key}")))
    }

    fn number(&self, native: &str, what: &str, value: &Dynamic) -> Out<u32> {
        let number = value.as_int().ok().and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| self.refuse(native, &format!("takes {what} as a whole number from 0, not {value}")))
    }

    fn change_options(&self, native: &str, options: Option<&Map>, take_over: bool) -> Out<ChangeOptions> {
        self.known(native, options, if take_over { &["despite_owner", "take_over"] } else { &["despite_owner"] })?;
        Ok(ChangeOptions {
            despite_owner: self.text_option(native, options, "despite_owner")?,
            take_over: self.text_option(native, options, "take_over")?,
        })
    }

    /// A map of texts to send; a secret in it is opened, a `()` removes.
    fn map(&self, native: &str, what: &str, value: &Dynamic) -> Out<serde_json::Map<String, Value>> {
        match self.data(value) {
            Ok(Value::Object(map)) => Ok(map),
            Ok(_) => Err(self.refuse(native, &format!("takes {what} as a map, not {}", typed(value.type_name())))),
            Err(why) => Err(self.refuse(native, &format!("takes {what} as a map, and not this: {why}"))),
        }
    }

    /// A command: the program and its arguments, each a text.
    fn argv(&self, native: &str, value: &Dynamic) -> Out<Vec<String>> {
        let Some(argv) = value.read_lock::<Array>().filter(|argv| !argv.is_empty()) else {
            return Err(self.refuse(native, "takes the program and its arguments as a list of texts"));
        };
        if argv.iter().any(Dynamic::is::<Secret>) {
            return Err(self.refuse(native, "takes no secret as an argument: give it as #{ stdin: secret }"));
        }
        argv.iter().map(|argument| self.text(native, "each argument", argument)).collect()
    }
}
