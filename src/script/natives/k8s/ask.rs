//! What no watch tells of: a verify asks for it again and again.

use rhai::{Dynamic, ImmutableString, Map, NativeCallContext};

use crate::{
    effect::{LogsOf, Mode},
    object::edges::Direction,
    script::{
        natives::{
            Out,
            k8s::read,
            web,
            world::{World, raise},
        },
        observe::{self, Obj},
    },
};

/// `k8s::logs(ref)`, `k8s::logs(ref, #{ container, tail, since, previous })`: the log of a pod, or of every pod of a
/// workload; the last 1000 lines of each unless `tail` says more.
///
/// ```rhai
/// .verify("it has migrated", || k8s::logs("Deployment/web/shop", #{ since: "10m" }).contains("migrated"))
/// ```
pub(super) fn logs(context: &NativeCallContext, reference: &Dynamic, options: Option<&Map>) -> Out<ImmutableString> {
    let native = "k8s::logs";
    let world = World::enter(context, native, Mode::Read)?;
    world.known(native, options, &["container", "tail", "since", "previous"])?;
    let reference = world.reference(native, reference)?;
    let since = world.text_option(native, options, "since")?;
    let since = since.map(|since| since.parse::<crate::model::Span>().map(|span| span.duration().as_secs()));
    let since = since.transpose().map_err(|error| world.refuse(native, &error.to_string()))?;
    let tail = options.and_then(|options| options.get("tail"));
    let wanted = LogsOf {
        container: world.text_option(native, options, "container")?,
        tail: tail.map(|tail| world.number(native, "tail", tail)).transpose()?,
        since,
        previous: world.bool_option(native, options, "previous")?,
    };
    let logs = world.call.k8s_logs(&reference, &wanted).map_err(|error| raise(&world.place, error))?;
    Ok(logs.into())
}

/// `k8s::can(verb, ref)`, `k8s::can(verb, kind, namespace)`: whether this account may do it, as the server says;
/// `patch/scale` asks about a part of an object.
///
/// ```rhai
/// .precheck("we may restart it", || k8s::can("patch", "Deployment/web/shop"))
/// ```
pub(super) fn can(
    context: &NativeCallContext,
    verb: &Dynamic,
    what: &Dynamic,
    namespace: Option<&Dynamic>,
) -> Out<bool> {
    let native = "k8s::can";
    let world = World::enter(context, native, Mode::Read)?;
    let (verb, what) = (world.text(native, "a verb", verb)?, world.text(native, "a kind or reference", what)?);
    let namespace = namespace.map(|namespace| world.text(native, "a namespace", namespace)).transpose()?;
    let found = world.call.k8s_can(&verb, &what, namespace.as_deref()).map_err(|error| raise(&world.place, error))?;
    Ok(observe::record_native(context, native, Some(found.allowed), Some(found.reason)))
}

/// `k8s::api(kind)`: `#{ served, kind, group, version, versions, plural, namespaced, verbs }`; of a kind that is not served,
/// only that, no versions, and the `nearest` kinds.
///
/// ```rhai
/// assume("HTTPRoute is served as v1", "medium", || "v1" in k8s::api("HTTPRoute").versions)
/// ```
pub(super) fn api(context: NativeCallContext, kind: Dynamic) -> Out<Dynamic> {
    let native = "k8s::api";
    let world = World::enter(&context, native, Mode::Read)?;
    let kind = world.text(native, "a kind", &kind)?;
    let found = world.call.k8s_api(&kind).map_err(|error| raise(&world.place, error))?;
    Ok(Dynamic::from(Obj::new(found, format!("the API of {kind}"))))
}

/// `k8s::api(kind, version)`, `k8s::api(kind, [version, …])`: whether the kind is served in the version, or in one of them.
/// Where it is not, the versions that are served are told, and of an alpha or beta one the feature gate and the
/// runtime-config that switch it on.
///
/// ```rhai
/// assume("policies can be written as v1beta1", "medium", || k8s::api("MutatingAdmissionPolicy", "v1beta1"))
/// ```
pub(super) fn api_in(context: NativeCallContext, kind: Dynamic, versions: Dynamic) -> Out<bool> {
    let native = "k8s::api";
    let world = World::enter(&context, native, Mode::Read)?;
    let kind = world.text(native, "a kind", &kind)?;
    let versions = match versions.read_lock::<rhai::Array>() {
        Some(list) => list.iter().map(|one| world.text(native, "a version", one)).collect::<Out<Vec<_>>>()?,
        None => vec![world.text(native, "a version", &versions)?],
    };
    let found = world.call.k8s_api_in(&kind, &versions).map_err(|error| raise(&world.place, error))?;
    Ok(observe::record_native(&context, native, Some(found.allowed), Some(found.reason)))
}

/// `k8s::http(ref, path)`, `k8s::http(ref, path, #{ port, scheme })`: what a Service or Pod answers to a GET through the API
/// server's proxy: `#{ status, headers, body, json }`. `port` is a number or a name, and may be left out where there is one;
/// `scheme: "https"` where the port speaks it, whatever its certificate. A redirect is an answer and is not followed.
/// Where nobody can be asked yet the status is 503, where nothing is answered in time 504, and the body says why; an object
/// that does not exist is *not yet*. It is asked again after 250 ms, later every 5 s.
///
/// ```rhai
/// .verify("it is healthy", || k8s::http("Service/web/shop", "/healthz", #{ port: 8080 }).status == 200)
/// .verify("the new version answers", || k8s::http("Pod/web/shop-0", "/info?short=1", #{ port: "admin" }).json.version == "7")
/// ```
pub(super) fn http(
    context: &NativeCallContext,
    reference: &Dynamic,
    path: &Dynamic,
    options: Option<&Map>,
) -> Out<Dynamic> {
    let native = "k8s::http";
    let world = World::enter(context, native, Mode::Read)?;
    world.known(native, options, &["port", "scheme"])?;
    let (reference, path) = (world.reference(native, reference)?, world.text(native, "a path", path)?);
    let port = match options.and_then(|options| options.get("port")) {
        Some(port) if port.is_int() => Some(world.number(native, "a port", port)?.to_string()),
        Some(port) => Some(world.text(native, "a port", port)?),
        None => None,
    };
    let scheme = world.text_option(native, options, "scheme")?;
    let reply = world.call.k8s_http(&reference, &path, port.as_deref(), scheme.as_deref());
    Ok(match reply.map_err(|error| raise(&world.place, error))? {
        Some(reply) => web::answer(reply, format!("GET {path} of {reference}")),
        None => read::gone(&world, &reference),
    })
}

/// `k8s::impact(ref)`: what depends on an object; `k8s::needs(ref)`: what it depends on. Nearest first, without the object
/// itself: each `#{ object, exists, depth, by }`, where `by` is the field that shows why. Every kind of the cluster is
/// listed for it.
///
/// ```rhai
/// .show("who uses the store", || k8s::impact("ClusterSecretStore/vault").map(|it| it.object))
/// ```
pub(super) fn reached(context: &NativeCallContext, reference: &Dynamic, direction: Direction) -> Out<Dynamic> {
    let native = if direction == Direction::Needs { "k8s::needs" } else { "k8s::impact" };
    let world = World::enter(context, native, Mode::Read)?;
    let reference = world.reference(native, reference)?;
    let found = world.call.k8s_impact(native, &reference, direction).map_err(|error| raise(&world.place, error))?;
    Ok(observe::list(found.reached.into_iter().filter(|reached| reached.depth > 0).map(|reached| {
        let label = reached.object.to_string();
        let answer = serde_json::json!({
            "object": label, "exists": reached.exists, "depth": reached.depth, "by": reached.by,
        });
        Dynamic::from(Obj::new(answer, label))
    })))
}
