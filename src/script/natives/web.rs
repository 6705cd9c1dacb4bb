//! `http`: what a host answers. A sandbox answers for the hosts of its routes.

use rhai::{Dynamic, ImmutableString, Map, Module, NativeCallContext};
use serde_json::json;

use super::{
    Out, entry,
    world::{World, raise},
};
use crate::{
    effect::{HttpReply, Mode},
    script::observe::Obj,
};

pub(super) fn module() -> Module {
    let mut module = Module::new();
    entry(&mut module, "get", |context: NativeCallContext, url: Dynamic| get(&context, &url, None));
    entry(&mut module, "get", |context: NativeCallContext, url: Dynamic, options: Map| {
        get(&context, &url, Some(&options))
    });
    module
}

/// `http::get(url)`, `http::get(url, #{ headers: #{ … } })`: `#{ status, headers, body, json }`; `json` is the body read
/// as JSON, missing where it is none.
fn get(context: &NativeCallContext, url: &Dynamic, options: Option<&Map>) -> Out<Dynamic> {
    let native = "http::get";
    let world = World::enter(context, native, Mode::Read)?;
    // one that was joined from a secret is a secret as a whole
    let url = world.opened(native, "a URL", url)?;
    let mut headers = vec![];
    for (key, value) in options.into_iter().flatten() {
        let Some(map) = value.read_lock::<Map>().filter(|_| key == "headers") else {
            return Err(world.refuse(native, &format!("has no option `{key}`: it takes headers, a map of texts")));
        };
        for (name, value) in map.iter() {
            let value = match value.read_lock::<ImmutableString>() {
                Some(text) => text.to_string(),
                None => world.opened(native, &format!("the header {name}"), value)?,
            };
            headers.push((name.to_string(), value));
        }
    }
    let reply = world.call.http_get(&url, &headers).map_err(|error| raise(&world.place, error))?;
    Ok(answer(reply, format!("GET {}", world.call.scrubbed(&url))))
}

/// What was answered, as a script sees it.
pub(super) fn answer(reply: HttpReply, label: String) -> Dynamic {
    let answer = json!({
        "status": reply.status,
        "headers": reply.headers,
        "json": serde_json::from_str::<serde_json::Value>(&reply.body).ok(),
        "body": reply.body,
    });
    Dynamic::from(Obj::new(answer, label))
}
