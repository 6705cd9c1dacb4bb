//! `k8s`: objects of the context's cluster, by reference (`Kind/namespace/name`, `Kind/name`).

use std::sync::Arc;

use rhai::{Dynamic, ImmutableString, Map, Module, NativeCallContext};
use serde_json::Value;

use super::{
    Out, entry,
    world::{self, World, raise},
};
use crate::{
    effect::{Mode, Selector, Source},
    script::observe::{self, Obj, missing_object},
};

pub(super) fn module() -> Module {
    let mut module = Module::new();
    entry(&mut module, "get", get);
    entry(&mut module, "exists", exists);
    entry(&mut module, "list", |context: NativeCallContext, kind: ImmutableString| list(&context, &kind, None));
    entry(&mut module, "list", |context: NativeCallContext, kind: ImmutableString, namespace: ImmutableString| {
        let mut options = Map::new();
        options.insert("namespace".into(), namespace.into());
        list(&context, &kind, Some(&options))
    });
    entry(&mut module, "list", |context: NativeCallContext, kind: ImmutableString, options: Map| {
        list(&context, &kind, Some(&options))
    });
    entry(&mut module, "ready", ready);
    entry(&mut module, "events", events);
    entry(&mut module, "dry_run", dry_run);
    entry(&mut module, "apply", apply);
    entry(&mut module, "delete", delete);
    module
}

/// `k8s::get(ref)`: the object; a missing one, and a missing field of one, is *not yet* where it is compared.
fn get(context: NativeCallContext, reference: Dynamic) -> Out<Dynamic> {
    let native = "k8s::get";
    let world = World::enter(&context, native, Mode::Read)?;
    let reference = world.text(native, "an object reference", &reference)?;
    let found = world.call.k8s_get(native, &reference).map_err(|error| raise(&world.place, error))?;
    Ok(object(found, &reference))
}

/// `k8s::exists(ref)`: whether there is such an object.
fn exists(context: NativeCallContext, reference: Dynamic) -> Out<bool> {
    let native = "k8s::exists";
    let world = World::enter(&context, native, Mode::Read)?;
    let reference = world.text(native, "an object reference", &reference)?;
    let found = world.call.k8s_get(native, &reference).map_err(|error| raise(&world.place, error))?;
    let reason = match found {
        Some(_) => format!("{reference} exists"),
        None => format!("{reference} does not exist"),
    };
    Ok(observe::record_native(&context, native, Some(found.is_some()), Some(reason)))
}

/// `k8s::list(kind)`, `k8s::list(kind, namespace)`, `k8s::list(kind, #{ namespace, labels, fields })`.
fn list(context: &NativeCallContext, kind: &str, options: Option<&Map>) -> Out<Dynamic> {
    let native = "k8s::list";
    let world = World::enter(context, native, Mode::Read)?;
    let option = |key: &str| -> Out<Option<String>> {
        options.and_then(|options| options.get(key)).map(|value| world.text(native, key, value)).transpose()
    };
    if let Some(unknown) = options.into_iter().flat_map(Map::keys).find(|k| !OPTIONS.contains(&k.as_str())) {
        return Err(world.refuse(native, &format!("has no option `{unknown}`: it takes {}", OPTIONS.join(", "))));
    }
    let selector = Selector { labels: option("labels")?, fields: option("fields")? };
    let namespace = option("namespace")?;
    let found =
        world.call.k8s_list(kind, namespace.as_deref(), &selector).map_err(|error| raise(&world.place, error))?;
    Ok(observe::list(found.into_iter().map(|item| {
        let label = crate::object::reference(&item).to_string();
        Dynamic::from(Obj::new(item, label))
    })))
}

const OPTIONS: [&str; 3] = ["namespace", "labels", "fields"];

/// `k8s::ready(ref)`: whether the object is ready as its kind means it; why not is shown.
fn ready(context: NativeCallContext, reference: Dynamic) -> Out<bool> {
    let native = "k8s::ready";
    let world = World::enter(&context, native, Mode::Read)?;
    let reference = world.text(native, "an object reference", &reference)?;
    let found = world.call.k8s_ready(&reference).map_err(|error| raise(&world.place, error))?;
    Ok(observe::record_native(&context, native, Some(found.ready), Some(found.reason)))
}

/// `k8s::events(ref)`: the events about an object, oldest first.
fn events(context: NativeCallContext, reference: Dynamic) -> Out<Dynamic> {
    let native = "k8s::events";
    let world = World::enter(&context, native, Mode::Read)?;
    let reference = world.text(native, "an object reference", &reference)?;
    let found = world.call.k8s_events(&reference).map_err(|error| raise(&world.place, error))?;
    Ok(observe::list(found.into_iter().map(|event| Dynamic::from(Obj::new(event, format!("an event of {reference}"))))))
}

/// `k8s::dry_run(source)`: `#{ ok, errors }`: whether the server would accept what `apply` would send.
fn dry_run(context: NativeCallContext, source: Dynamic) -> Out<Dynamic> {
    let native = "k8s::dry_run";
    let world = World::enter(&context, native, Mode::Read)?;
    let source = world.source(native, &source)?;
    let found = world.call.k8s_dry_run(&source).map_err(|error| raise(&world.place, error))?;
    let answer = serde_json::json!({ "ok": found.ok, "errors": found.errors });
    Ok(Dynamic::from(Obj::new(answer, "the dry run")))
}

/// `k8s::apply(source)`: applies a file or folder of the bundle, YAML text or a map, server-side.
fn apply(context: NativeCallContext, source: Dynamic) -> Out<Dynamic> {
    let native = "k8s::apply";
    let world = World::enter(&context, native, Mode::Change)?;
    let source = world.source(native, &source)?;
    let output =
        world.call.k8s_apply(&source, Some(world.place.clone())).map_err(|error| raise(&world.place, error))?;
    Ok(observe::to_dynamic(output, "what was applied"))
}

/// `k8s::delete(ref)`: deletes the object that is there now; one that is gone already is fine.
fn delete(context: NativeCallContext, reference: Dynamic) -> Out<Dynamic> {
    let native = "k8s::delete";
    let world = World::enter(&context, native, Mode::Change)?;
    let reference = world.text(native, "an object reference", &reference)?;
    let output =
        world.call.k8s_delete(&reference, Some(world.place.clone())).map_err(|error| raise(&world.place, error))?;
    Ok(observe::to_dynamic(output, "what was deleted"))
}

fn object(found: Option<Arc<Value>>, reference: &str) -> Dynamic {
    match found {
        Some(found) => Dynamic::from(Obj::new(found, reference)),
        None => missing_object(reference),
    }
}

impl World {
    /// What `apply` and `dry_run` take.
    fn source(&self, native: &str, value: &Dynamic) -> Out<Source> {
        if let Some(text) = value.read_lock::<ImmutableString>() {
            return Ok(Source::Text(text.to_string()));
        }
        let json = world::opened(value)
            .map_err(|why| self.refuse(native, &format!("takes a path, YAML text or a map, and not this: {why}")))?;
        match json {
            Value::Object(_) | Value::Array(_) => Ok(Source::Value(json)),
            other => Err(self.refuse(native, &format!("takes a path, YAML text or a map, not {other}"))),
        }
    }
}
