//! `http`: what a host answers. A sandbox answers for the hosts of its routes.

use rhai::{Dynamic, ImmutableString, Map, Module, NativeCallContext};
use serde_json::{Value, json};

use super::{
    Out, entry,
    world::{World, raise},
};
use crate::{
    effect::{Asked, HttpInput, HttpReply, Mode},
    script::observe::{self, Obj},
};

pub(super) fn module() -> Module {
    let mut module = Module::new();
    for (name, how) in [("get", Asked::Get), ("head", Asked::Head)] {
        entry(&mut module, name, move |context: NativeCallContext, url: Dynamic| ask(&context, how, &url, None));
        entry(&mut module, name, move |context: NativeCallContext, url: Dynamic, options: Map| {
            ask(&context, how, &url, Some(&options))
        });
    }
    entry(&mut module, "post", |context: NativeCallContext, url: Dynamic, body: Dynamic| {
        post(&context, &url, &body, None)
    });
    entry(&mut module, "post", |context: NativeCallContext, url: Dynamic, body: Dynamic, options: Map| {
        post(&context, &url, &body, Some(&options))
    });
    module
}

/// `http::get(url)`, `http::get(url, #{ headers: #{ … } })`: `#{ status, headers, body, json }`; `json` is the body read
/// as JSON, missing where it is none. `http::head` asks for status and headers alone.
///
/// ```rhai
/// .verify("the route answers", || http::get(`https://${host}/api/health`).json.database == "ok")
/// .verify("it redirects to the login", || http::head(`https://${host}/`).headers.location == "/login")
/// ```
fn ask(context: &NativeCallContext, how: Asked, url: &Dynamic, options: Option<&Map>) -> Out<Dynamic> {
    let (native, method) = match how {
        Asked::Get => ("http::get", "GET"),
        Asked::Head => ("http::head", "HEAD"),
    };
    let world = World::enter(context, native, Mode::Read)?;
    // one that was joined from a secret is a secret as a whole
    let url = world.opened(native, "a URL", url)?;
    let input = HttpInput { headers: headers(&world, native, options)?, body: None };
    let reply = world.call.http_ask(how, &url, &input).map_err(|error| raise(&world.place, error))?;
    Ok(answer(reply, format!("{method} {}", world.call.scrubbed(&url))))
}

/// `http::post(url, body)`, `http::post(url, body, #{ headers: #{ … } })`: sends a text, or a map as JSON; gives `#{ status,
/// headers, body }`. A status from 400 on fails the step; a redirect is an answer and is not followed. It is not sent a
/// second time where its answer got lost, unless the step says `.idempotent()`. Secrets go into headers or body.
///
/// ```rhai
/// step("Silence the alert for the change")
///     .change(|| http::post(`https://${alerts}/api/v2/silences`, silence, #{ headers: #{ authorization: "Bearer " + token } }))
///     .verify("it is active", || json::parse(output().body).silenceID != "")
///     .irreversible("the silence ends by itself after an hour");
/// ```
fn post(context: &NativeCallContext, url: &Dynamic, body: &Dynamic, options: Option<&Map>) -> Out<Dynamic> {
    let native = "http::post";
    let world = World::enter(context, native, Mode::Change)?;
    let url = world.opened(native, "a URL", url)?;
    let mut headers = headers(&world, native, options)?;
    let json = body.is_map() || body.is_array() || body.is::<Obj>();
    let body = if json {
        let opened: Value =
            world.data(body).map_err(|why| world.refuse(native, &format!("cannot send this: {why}")))?;
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            headers.push(("content-type".into(), "application/json".into()));
        }
        opened.to_string()
    } else {
        world.opened(native, "a body, as a text or a map,", body)?
    };
    let input = HttpInput { headers, body: Some(body) };
    let output = world.call.http_post(&url, &input, Some(world.place.clone()));
    Ok(observe::to_dynamic(output.map_err(|error| raise(&world.place, error))?, "what was answered"))
}

fn headers(world: &World, native: &str, options: Option<&Map>) -> Out<Vec<(String, String)>> {
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
    Ok(headers)
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
