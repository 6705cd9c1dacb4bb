//! `repo`: the GitOps repository that the playbook stands in, as its working tree is now. It is explored before anything is
//! proposed: who names a resource, which patterns there are to follow, what one cluster has and the other has not.
//! `[repo]` in `runbook.toml` says where it is; `[contexts.x.git] path`, or `[repo] clusters`, which folder is whose.

use rhai::{Dynamic, Module, NativeCallContext};
use serde_json::Value;

use super::{
    Out, entry,
    world::{World, raise},
};
use crate::{
    effect::Mode,
    script::{
        error::typed,
        observe::{self, Obj},
    },
};

pub(super) fn module() -> Module {
    let mut module = Module::new();
    entry(&mut module, "references", references);
    entry(&mut module, "similar", similar);
    entry(&mut module, "diff_trees", diff_trees);
    module
}

/// `repo::references(name)`: every reference to a resource in all clusters' folders. `name` is a name, `Kind/name` or
/// `Kind/namespace/name`. Each is `#{ kind, file, line, cluster, from, by, to }`: with `kind` `"meaning"`, `by` is the field of
/// `from` that names it (a `HelmRelease`'s `spec.dependsOn[0]`, a Kustomization's `spec.path`, an entry of a
/// `kustomization.yaml`); with `"text"`, the name stands there for whatever reason. What a file that is no YAML says is known
/// as text alone. Where the resource is declared is no reference.
///
/// ```rhai
/// let users = discover("who uses the store", [], || repo::references("ClusterSecretStore/onepassword-connect"));
/// ```
fn references(context: NativeCallContext, name: Dynamic) -> Out<Dynamic> {
    let native = "repo::references";
    let world = World::enter(&context, native, Mode::Read)?;
    let name = world.text(native, "a name or reference", &name)?;
    let found = world.call.repo_references(&name).map_err(|error| raise(&world.place, error))?;
    Ok(list(found, &format!("a reference to {name}")))
}

/// `repo::similar(what)`: existing patterns to follow, the best first. `what` is a kind (those first that set what most of
/// them set), a path in the repository, or a manifest, as a map or as text. Each is `#{ file, line, cluster, object, score,
/// why, foreign }`: `score` in points out of a hundred, `why` in words; for a folder, there is no object and the line is 0. Those of
/// `[repo] references` are `foreign`.
///
/// ```rhai
/// let patterns = discover("apps like it", [], || repo::similar("kubernetes/main/apps/monitoring/grafana"));
/// ```
fn similar(context: NativeCallContext, what: Dynamic) -> Out<Dynamic> {
    let native = "repo::similar";
    let world = World::enter(&context, native, Mode::Read)?;
    let value = world
        .data(&what)
        .map_err(|why| world.refuse(native, &format!("takes a kind, a path or a manifest, and not this: {why}")))?;
    if !matches!(value, Value::String(_) | Value::Object(_) | Value::Array(_)) {
        let kind = typed(what.type_name());
        return Err(world.refuse(native, &format!("takes a kind, a path or a manifest, not {kind}")));
    }
    let found = world.call.repo_similar(&value).map_err(|error| raise(&world.place, error))?;
    Ok(list(found, "a pattern"))
}

/// `repo::diff_trees(a, b)`: what one cluster's folder has and the other has not: `#{ only_a, only_b, differ, unread }`. `a` and
/// `b` are clusters, or folders of the repository. `only_a` and `only_b` are `#{ object, file, line }`; `differ` are `#{ object, a,
/// b, fields: [#{ path, a, b }] }`, with the files and the values of both. Differences that come of the folder's own name, or
/// of params and hosts that `runbook.toml` declares per context, do not count. A file that is no YAML is in `unread`.
///
/// ```rhai
/// let missing = discover("only on staging", [], || repo::diff_trees("staging", "main").only_a.map(|it| it.file));
/// ```
fn diff_trees(context: NativeCallContext, a: Dynamic, b: Dynamic) -> Out<Dynamic> {
    let native = "repo::diff_trees";
    let world = World::enter(&context, native, Mode::Read)?;
    let (a, b) = (world.text(native, "a cluster or folder", &a)?, world.text(native, "a cluster or folder", &b)?);
    let found = world.call.repo_diff_trees(&a, &b).map_err(|error| raise(&world.place, error))?;
    Ok(Dynamic::from(Obj::new(found, format!("{a} against {b}"))))
}

fn list(found: Value, label: &str) -> Dynamic {
    let items = if let Value::Array(items) = found { items } else { vec![] };
    observe::list(items.into_iter().map(|item| Dynamic::from(Obj::new(item, label))))
}
