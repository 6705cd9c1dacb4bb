//! What changes an object. Each is journaled before and after it is sent. What Flux, Helm, Argo CD or another controller
//! keeps is refused with its owner's name, unless `#{ despite_owner: "reason" }` says why it is changed all the same.

use rhai::{Array, Dynamic, Map, NativeCallContext};
use serde_json::Value;

use crate::{
    effect::{EffectError, Mode},
    script::{
        natives::{
            Out,
            world::{World, raise},
        },
        observe,
    },
};

fn done(world: &World, result: Result<Value, EffectError>, what: &str) -> Out<Dynamic> {
    Ok(observe::to_dynamic(result.map_err(|error| raise(&world.place, error))?, what))
}

/// `k8s::apply(source)`, `k8s::apply(source, #{ take_over, despite_owner })`: applies a file or folder of the bundle, YAML
/// text or a map, server-side. Several documents are tried as a whole before the first is written; namespaces and CRDs
/// come first. `take_over` adopts the fields of another field manager.
///
/// ```rhai
/// .change(|| k8s::apply("manifests/namespace.yaml"))
/// .change(|| k8s::apply("manifests/app", #{ take_over: "kubectl-client-side-apply" }))
/// ```
pub(super) fn apply(context: &NativeCallContext, source: &Dynamic, options: Option<&Map>) -> Out<Dynamic> {
    let native = "k8s::apply";
    let world = World::enter(context, native, Mode::Change)?;
    let source = world.source(native, source)?;
    let options = world.change_options(native, options, true)?;
    done(&world, world.call.k8s_apply(&source, &options, Some(world.place.clone())), "what was applied")
}

/// `k8s::delete(ref)`: deletes the object that is there now; one that is gone already is fine. A path names every object of
/// that file, the last first.
///
/// ```rhai
/// .undo(|| k8s::delete("HTTPRoute/web/shop"))
/// ```
pub(super) fn delete(context: &NativeCallContext, reference: &Dynamic, options: Option<&Map>) -> Out<Dynamic> {
    let native = "k8s::delete";
    let world = World::enter(context, native, Mode::Change)?;
    let reference = world.reference(native, reference)?;
    let options = world.change_options(native, options, false)?;
    done(&world, world.call.k8s_delete(&reference, &options, Some(world.place.clone())), "what was deleted")
}

/// `k8s::patch(ref, map)`: merges a map into the object, `()` removes a field; a list of `#{ op, path, value }` is a JSON
/// patch; `#{ strategic: true }` merges lists by their keys. Not sent twice: a crash in between asks.
///
/// ```rhai
/// .change(|| k8s::patch("ConfigMap/web/shop", #{ data: #{ level: "debug" } }))
/// ```
pub(super) fn patch(
    context: &NativeCallContext,
    reference: &Dynamic,
    patch: &Dynamic,
    options: Option<&Map>,
) -> Out<Dynamic> {
    let native = "k8s::patch";
    let world = World::enter(context, native, Mode::Change)?;
    let reference = world.reference(native, reference)?;
    if !(patch.is_map() || patch.read_lock::<Array>().is_some()) {
        return Err(world.refuse(native, "takes a map to merge or a list of #{ op, path, value }"));
    }
    let patch = world.data(patch).map_err(|why| world.refuse(native, &format!("cannot send this: {why}")))?;
    world.known(native, options, &["strategic", "despite_owner"])?;
    let strategic = world.bool_option(native, options, "strategic")?;
    let options = options.map(|options| {
        let mut options = options.clone();
        options.remove("strategic");
        options
    });
    let options = world.change_options(native, options.as_ref(), false)?;
    let output = world.call.k8s_patch(&reference, &patch, strategic, &options, Some(world.place.clone()));
    done(&world, output, "what was patched")
}

/// `k8s::scale(ref, replicas)`: sets the number of replicas of whatever has such a number.
///
/// ```rhai
/// .change(|| k8s::scale("Deployment/web/shop", 3))
/// ```
pub(super) fn scale(
    context: &NativeCallContext,
    reference: &Dynamic,
    replicas: &Dynamic,
    options: Option<&Map>,
) -> Out<Dynamic> {
    let native = "k8s::scale";
    let world = World::enter(context, native, Mode::Change)?;
    let reference = world.reference(native, reference)?;
    let replicas = world.number(native, "the replicas", replicas)?;
    let options = world.change_options(native, options, false)?;
    let output = world.call.k8s_scale(&reference, replicas, &options, Some(world.place.clone()));
    done(&world, output, "what was scaled")
}

/// `k8s::restart(ref)`: new pods for a `Deployment`, `StatefulSet` or `DaemonSet`, as `kubectl rollout restart` does.
///
/// ```rhai
/// .change(|| k8s::restart("Deployment/web/shop"))
/// .verify("the new pods are ready", || k8s::ready("Deployment/web/shop")).within("5m")
/// ```
pub(super) fn restart(context: &NativeCallContext, reference: &Dynamic, options: Option<&Map>) -> Out<Dynamic> {
    let native = "k8s::restart";
    let world = World::enter(context, native, Mode::Change)?;
    let reference = world.reference(native, reference)?;
    let options = world.change_options(native, options, false)?;
    done(&world, world.call.k8s_restart(&reference, &options, Some(world.place.clone())), "what was restarted")
}

/// `k8s::label(ref, #{ key: value })`: sets labels; `()` removes one.
///
/// ```rhai
/// .change(|| k8s::label("Node/node-a", #{ "example.com/pool": "batch", "example.com/old": () }))
/// ```
pub(super) fn label(
    context: &NativeCallContext,
    reference: &Dynamic,
    labels: &Dynamic,
    options: Option<&Map>,
) -> Out<Dynamic> {
    let native = "k8s::label";
    let world = World::enter(context, native, Mode::Change)?;
    let reference = world.reference(native, reference)?;
    let labels = world.map(native, "labels", labels)?;
    let options = world.change_options(native, options, false)?;
    let output = world.call.k8s_label(&reference, &labels, &options, Some(world.place.clone()));
    done(&world, output, "what was labelled")
}

/// `k8s::annotate(ref, #{ key: value })`: sets annotations; `()` removes one.
///
/// ```rhai
/// .change(|| k8s::annotate("ExternalSecret/web/shop", #{ "force-sync": time::now() }))
/// ```
pub(super) fn annotate(
    context: &NativeCallContext,
    reference: &Dynamic,
    annotations: &Dynamic,
    options: Option<&Map>,
) -> Out<Dynamic> {
    let native = "k8s::annotate";
    let world = World::enter(context, native, Mode::Change)?;
    let reference = world.reference(native, reference)?;
    let annotations = world.map(native, "annotations", annotations)?;
    let options = world.change_options(native, options, false)?;
    let output = world.call.k8s_annotate(&reference, &annotations, &options, Some(world.place.clone()));
    done(&world, output, "what was annotated")
}

/// `k8s::cordon(node)`: no new pods for a node. Its way back is automatic: the value that was there before.
///
/// ```rhai
/// step("Cordon node-a").change(|| k8s::cordon("node-a"))
///     .verify("it takes no new pods", || k8s::get("Node/node-a").spec.unschedulable == true)
///     .undo(|| k8s::uncordon("node-a")).until("phase");
/// ```
pub(super) fn cordon(context: NativeCallContext, node: Dynamic) -> Out<Dynamic> {
    let world = World::enter(&context, "k8s::cordon", Mode::Change)?;
    let node = world.text("k8s::cordon", "a node", &node)?;
    done(&world, world.call.k8s_cordon(&node, true, Some(world.place.clone())), "what was cordoned")
}

/// `k8s::uncordon(node)`: a node takes new pods again.
///
/// ```rhai
/// .change(|| k8s::uncordon("node-a"))
/// ```
pub(super) fn uncordon(context: NativeCallContext, node: Dynamic) -> Out<Dynamic> {
    let world = World::enter(&context, "k8s::uncordon", Mode::Change)?;
    let node = world.text("k8s::uncordon", "a node", &node)?;
    done(&world, world.call.k8s_cordon(&node, false, Some(world.place.clone())), "what was uncordoned")
}
