//! What is there.

use std::sync::Arc;

use rhai::{Dynamic, Map, NativeCallContext};
use serde_json::Value;

use crate::{
    effect::{Mode, Selector},
    script::{
        natives::{
            Out,
            world::{World, raise},
        },
        observe::{self, Obj, missing_because},
    },
};

/// `k8s::get(ref)`: the object; a missing one, and a missing field of one, is *not yet* where it is compared. Below `data` of a
/// Secret every value is a secret, in base64; its keys, its name and its type are open.
///
/// ```rhai
/// .verify("the namespace is Active", || k8s::get("Namespace/monitoring").status.phase == "Active")
/// .verify("the user is the new one", || base64::decode(k8s::get("Secret/db/app").data.username) == "shop")
/// .verify("it has a password", || "password" in k8s::get("Secret/db/app").data)
/// ```
pub(super) fn get(context: NativeCallContext, reference: Dynamic) -> Out<Dynamic> {
    let native = "k8s::get";
    let world = World::enter(&context, native, Mode::Read)?;
    let reference = world.reference(native, &reference)?;
    let found = world.call.k8s_get(native, &reference).map_err(|error| raise(&world.place, error))?;
    Ok(object(&world, found, &reference))
}

/// `k8s::exists(ref)`: whether there is such an object; where an assumption's probe finds none, the nearest name is told.
///
/// ```rhai
/// assume("the store is there", "medium", || k8s::exists("ClusterSecretStore/onepassword-connect"))
/// ```
pub(super) fn exists(context: NativeCallContext, reference: Dynamic) -> Out<bool> {
    let native = "k8s::exists";
    let world = World::enter(&context, native, Mode::Read)?;
    let reference = world.reference(native, &reference)?;
    let found = world.call.k8s_get(native, &reference).map_err(|error| raise(&world.place, error))?;
    let reason = match found {
        Some(_) => format!("{reference} exists"),
        None => world.call.k8s_missing(&reference),
    };
    Ok(observe::record_native(&context, native, Some(found.is_some()), Some(reason)))
}

/// `k8s::list(kind)`, `k8s::list(kind, namespace)`, `k8s::list(kind, #{ namespace, labels, fields })`: the objects of a kind,
/// each as `k8s::get` gives it.
///
/// ```rhai
/// .verify("no pod waits", || k8s::list("Pod", #{ namespace: "web", labels: "app=shop" }).all(|p| p.status.phase == "Running"))
/// ```
pub(super) fn list(context: &NativeCallContext, kind: &str, options: Option<&Map>) -> Out<Dynamic> {
    let native = "k8s::list";
    let world = World::enter(context, native, Mode::Read)?;
    world.known(native, options, &["namespace", "labels", "fields"])?;
    let option = |key: &str| world.text_option(native, options, key);
    let selector = Selector { labels: option("labels")?, fields: option("fields")? };
    let namespace = option("namespace")?;
    let found =
        world.call.k8s_list(kind, namespace.as_deref(), &selector).map_err(|error| raise(&world.place, error))?;
    Ok(observe::list(found.into_iter().map(|item| {
        let label = crate::object::reference(&item).to_string();
        Dynamic::from(Obj::new(item, label))
    })))
}

/// `k8s::ready(ref)`: whether the object is ready as its kind means it; why not is shown, in its controller's words. A
/// path names every object of that file. A `HorizontalPodAutoscaler` is ready when it has found its target and its metrics; an
/// `Ingress`, `NetworkPolicy` or `ResourceQuota` as soon as it exists: look at what you need of its status.
///
/// ```rhai
/// .verify("Grafana runs", || k8s::ready("Deployment/monitoring/grafana")).within("5m")
/// ```
pub(super) fn ready(context: NativeCallContext, reference: Dynamic) -> Out<bool> {
    let native = "k8s::ready";
    let world = World::enter(&context, native, Mode::Read)?;
    let reference = world.reference(native, &reference)?;
    let found = world.call.k8s_ready(&reference).map_err(|error| raise(&world.place, error))?;
    Ok(observe::record_native(&context, native, Some(found.ready), Some(found.reason)))
}

/// `k8s::status(ref)`: `#{ status, reason, message, generation, observedGeneration }`; `status` is `Current`, `InProgress`,
/// `Failed`, `Terminating` or `NotFound`.
///
/// ```rhai
/// .verify("the old release has given up", || k8s::status("HelmRelease/web/shop").status == "Failed")
/// ```
pub(super) fn status(context: NativeCallContext, reference: Dynamic) -> Out<Dynamic> {
    let native = "k8s::status";
    let world = World::enter(&context, native, Mode::Read)?;
    let reference = world.reference(native, &reference)?;
    let found = world.call.k8s_status(&reference).map_err(|error| raise(&world.place, error))?;
    let found = serde_json::to_value(found).unwrap_or_default();
    Ok(Dynamic::from(Obj::new(found, format!("the status of {reference}"))))
}

/// `k8s::events(ref)`: the events about an object, oldest first.
///
/// ```rhai
/// .verify("nothing was evicted", || k8s::events("Pod/web/shop-0").filter(|e| e.reason == "Evicted").len() == 0)
/// ```
pub(super) fn events(context: NativeCallContext, reference: Dynamic) -> Out<Dynamic> {
    let native = "k8s::events";
    let world = World::enter(&context, native, Mode::Read)?;
    let reference = world.reference(native, &reference)?;
    let found = world.call.k8s_events(&reference).map_err(|error| raise(&world.place, error))?;
    Ok(observe::list(found.into_iter().map(|event| Dynamic::from(Obj::new(event, format!("an event of {reference}"))))))
}

/// `k8s::dry_run(source)`: `#{ ok, errors }`: whether the server would accept what `apply` would send.
///
/// ```rhai
/// .precheck("the API server accepts it", || k8s::dry_run("manifests/namespace.yaml").ok)
/// ```
pub(super) fn dry_run(context: NativeCallContext, source: Dynamic) -> Out<Dynamic> {
    let native = "k8s::dry_run";
    let world = World::enter(&context, native, Mode::Read)?;
    let source = world.source(native, &source)?;
    let found = world.call.k8s_dry_run(&source).map_err(|error| raise(&world.place, error))?;
    let answer = serde_json::json!({ "ok": found.ok, "errors": found.errors });
    Ok(Dynamic::from(Obj::new(answer, "the dry run")))
}

/// `k8s::diff(source)`: what `apply` would change: `#{ differs, objects: [#{ object, exists, fields: [#{ path, before,
/// after }], error }] }`. Of a Secret's values it says that they differ, and not how.
///
/// ```rhai
/// .skip_if("nothing would change", || !k8s::diff("manifests/app.yaml").differs)
/// ```
pub(super) fn diff(context: NativeCallContext, source: Dynamic) -> Out<Dynamic> {
    let native = "k8s::diff";
    let world = World::enter(&context, native, Mode::Read)?;
    let source = world.source(native, &source)?;
    let found = world.call.k8s_diff(&source).map_err(|error| raise(&world.place, error))?;
    Ok(Dynamic::from(Obj::new(found, "the diff")))
}

fn object(world: &World, found: Option<Arc<Value>>, reference: &str) -> Dynamic {
    found.map_or_else(|| gone(world, reference), |found| Dynamic::from(Obj::new(found, reference)))
}

/// What stands for an object that does not exist.
pub(super) fn gone(world: &World, reference: &str) -> Dynamic {
    let words = world.call.k8s_missing(reference);
    let nearest = words.split_once("does not exist; ").map(|(_, nearest)| format!("; {nearest}"));
    missing_because(reference, format!("not found{}", nearest.unwrap_or_default()))
}
