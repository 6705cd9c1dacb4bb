//! Who keeps an object: Flux, Helm, Argo CD or the controller of its owner, and which fields they would put back.

use serde_json::{Map, Value};

use super::{
    head,
    path::{at, text},
};
use crate::model::ObjectRef;

/// What keeps an object as it declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeper {
    /// What sort of thing.
    pub sort: KeeperSort,
    /// Its name as a person would say it: `Kustomization/flux-system/apps`, `release grafana in monitoring`.
    pub name: String,
    /// What can be suspended so that changes last for the time.
    pub source: Option<ObjectRef>,
}

/// What sort of thing keeps an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum KeeperSort {
    Flux,
    Helm,
    ArgoCd,
    /// The controller of the object that it belongs to.
    Controller,
}

const KUSTOMIZE: [&str; 1] = ["kustomize-controller"];
const HELM: [&str; 3] = ["helm-controller", "helm", "Helm"];
const ARGO: [&str; 2] = ["argocd-controller", "argocd-application-controller"];

/// Who keeps the object, as its labels, annotations, owner references and field managers say; the nearest to Git first.
pub fn keeper(live: &Value) -> Option<Keeper> {
    let mark = |sort: &str, key: &str| live["metadata"][sort][key].as_str().filter(|value| !value.is_empty());
    let label = |key: &str| mark("labels", key);
    let note = |key: &str| mark("annotations", key);
    let flux = |kind: &str, group: &str| {
        let (name, namespace) = (label(&format!("{group}/name"))?, label(&format!("{group}/namespace"))?);
        let source = ObjectRef::new(kind, Some(namespace), name);
        let name = source.to_string();
        Some(Keeper { sort: KeeperSort::Flux, name, source: Some(source.in_group(Some(group))) })
    };
    if let Some(keeper) =
        flux("Kustomization", "kustomize.toolkit.fluxcd.io").or_else(|| flux("HelmRelease", "helm.toolkit.fluxcd.io"))
    {
        return Some(keeper);
    }
    let plain = |sort, name: String| Some(Keeper { sort, name, source: None });
    if let Some(release) = note("meta.helm.sh/release-name") {
        let place = note("meta.helm.sh/release-namespace").map(|ns| format!(" in {ns}")).unwrap_or_default();
        return plain(KeeperSort::Helm, format!("release {release}{place}"));
    }
    let tracked = note("argocd.argoproj.io/tracking-id").map(|id| id.split(':').next().unwrap_or(id));
    if let Some(app) = tracked.or_else(|| label("argocd.argoproj.io/instance")) {
        return plain(KeeperSort::ArgoCd, format!("Application {app}"));
    }
    let owners = at(live, "metadata.ownerReferences").and_then(Value::as_array);
    if let Some(owner) = owners.into_iter().flatten().find(|owner| owner["controller"] == true) {
        let (kind, name) = (text(owner, "kind").unwrap_or_default(), text(owner, "name").unwrap_or_default());
        return plain(KeeperSort::Controller, ObjectRef::new(kind, head(live).namespace(), name).to_string());
    }
    // without any mark, only its field managers tell
    let found = [(KeeperSort::Flux, &KUSTOMIZE[..]), (KeeperSort::Helm, &HELM), (KeeperSort::ArgoCd, &ARGO)];
    let by = found.into_iter().find(|(_, managers)| !trees(live, managers).is_empty())?;
    plain(by.0, format!("field manager {}", by.1[0]))
}

impl Keeper {
    /// Its tool's name.
    pub fn tool(&self) -> &'static str {
        match self.sort {
            KeeperSort::Flux => "Flux",
            KeeperSort::Helm => "Helm",
            KeeperSort::ArgoCd => "Argo CD",
            KeeperSort::Controller => "the controller of its owner",
        }
    }

    /// What would last instead.
    pub fn lasts(&self) -> String {
        match (self.sort, &self.source) {
            (KeeperSort::Flux, Some(source)) if source.kind == "HelmRelease" => format!(
                "what lasts: the values of the HelmRelease in Git; or suspend it for the time: flux::suspend(\"{}\")",
                self.name
            ),
            (KeeperSort::Flux, Some(_)) => format!(
                "what lasts: the file in Git that it applies; or suspend it for the time: flux::suspend(\"{}\")",
                self.name
            ),
            (KeeperSort::Flux, None) => "what lasts: the file in Git that it applies".into(),
            (KeeperSort::Helm, _) => "what lasts: the values of the release, by the next upgrade".into(),
            (KeeperSort::ArgoCd, _) => "what lasts: the file in Git; or switch the Application's auto-sync off".into(),
            (KeeperSort::Controller, _) => format!("what lasts: a change of {}", self.name),
        }
    }

    /// The fields that `wanted` (an object or a merge patch) would make other than they are, and that the keeper puts back.
    pub fn fields(&self, live: &Value, wanted: &Value) -> Vec<String> {
        let mut different = vec![];
        differing(Some(live), wanted, &mut vec![], &mut different);
        let managers: &[&str] = match self.sort {
            KeeperSort::Flux if self.source.as_ref().is_none_or(|source| source.kind == "Kustomization") => &KUSTOMIZE,
            KeeperSort::Flux | KeeperSort::Helm => &HELM,
            KeeperSort::ArgoCd => &ARGO,
            KeeperSort::Controller => &[],
        };
        let trees = trees(live, managers);
        different.retain(|path| {
            if trees.is_empty() {
                // who manages what is not known: labels and annotations of others are mostly left alone
                return !path.iter().any(|part| matches!(part, Part::Field("metadata")));
            }
            trees.iter().any(|tree| owns(tree, path))
        });
        different.iter().map(|path| shown(path)).collect()
    }

    /// What it would do about a change, in words; none where the change lasts. `wanted` is the object or a merge patch; none
    /// for a delete.
    pub fn undoes(&self, live: &Value, wanted: Option<&Value>) -> Option<String> {
        let Some(wanted) = wanted else { return self.brings_back(live).then(|| "it would bring it back".into()) };
        let fields = self.fields(live, wanted);
        if fields.is_empty() {
            return None;
        }
        let shown = fields.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
        let more = if fields.len() > 3 { format!(" and {} more", fields.len() - 3) } else { String::new() };
        Some(format!("it would put back {shown}{more}"))
    }

    /// Whether it would bring the object back after a delete. A pod is deleted so that it comes back.
    fn brings_back(&self, live: &Value) -> bool {
        !(self.sort == KeeperSort::Controller && head(live).kind() == "Pod")
    }
}

/// One part of a field's path.
#[derive(Clone, Debug)]
enum Part<'a> {
    Field(&'a str),
    /// An item of a list, which is found by its name.
    Item(&'a Value),
}

const SERVER_SET: [&str; 9] = [
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "managedFields",
    "creationTimestamp",
    "generation",
    "generateName",
    "selfLink",
];

/// Every place where `wanted` is not what is there.
fn differing<'a>(live: Option<&Value>, wanted: &'a Value, path: &mut Vec<Part<'a>>, out: &mut Vec<Vec<Part<'a>>>) {
    if live == Some(wanted) || (live.is_none() && wanted.is_null()) {
        return;
    }
    match wanted {
        Value::Object(fields) => {
            for (key, value) in fields {
                let skip = match path.as_slice() {
                    [] => matches!(key.as_str(), "apiVersion" | "kind" | "status"),
                    [Part::Field("metadata")] => SERVER_SET.contains(&key.as_str()),
                    _ => false,
                };
                if !skip {
                    path.push(Part::Field(key));
                    differing(live.and_then(|live| live.get(key)), value, path, out);
                    path.pop();
                }
            }
        }
        Value::Array(items) if !items.is_empty() && items.iter().all(|item| item["name"].is_string()) => {
            for item in items {
                let others = live.and_then(Value::as_array).into_iter().flatten();
                let known = others.into_iter().find(|other| other["name"] == item["name"]);
                path.push(Part::Item(item));
                differing(known, item, path, out);
                path.pop();
            }
        }
        _ => out.push(path.clone()),
    }
}

/// What these managers own of an object, but for its status and what only they need of it.
fn trees<'a>(live: &'a Value, managers: &[&str]) -> Vec<&'a Value> {
    let entries = at(live, "metadata.managedFields").and_then(Value::as_array).into_iter().flatten();
    entries
        .filter(|entry| text(entry, "manager").is_some_and(|manager| managers.contains(&manager)))
        .filter(|entry| text(entry, "subresource").unwrap_or_default().is_empty())
        .filter_map(|entry| entry.get("fieldsV1"))
        .filter(|tree| tree.as_object().is_some_and(|tree| tree.keys().any(|k| k != "f:metadata" && k != "f:status")))
        .collect()
}

/// Whether the tree of a manager has this field, or a whole that it is in.
fn owns(tree: &Value, path: &[Part<'_>]) -> bool {
    let Some((part, rest)) = path.split_first() else { return true };
    let Some(fields) = tree.as_object() else { return false };
    // nothing is told apart below: it is owned as a whole
    if fields.keys().all(|key| key == ".") {
        return true;
    }
    match part {
        Part::Field(name) => fields.get(&format!("f:{name}")).is_some_and(|below| owns(below, rest)),
        Part::Item(item) => fields.iter().any(|(key, below)| {
            let keys = key.strip_prefix("k:").and_then(|json| serde_json::from_str::<Map<String, Value>>(json).ok());
            // a port's protocol and the like are left out where they are the default
            keys.is_some_and(|keys| keys.iter().all(|(name, value)| item.get(name).is_none_or(|own| own == value)))
                && owns(below, rest)
        }),
    }
}

fn shown(path: &[Part<'_>]) -> String {
    let mut text = String::new();
    for part in path {
        match part {
            Part::Field(name) if text.is_empty() => text.push_str(name),
            Part::Field(name) => {
                text.push('.');
                text.push_str(name);
            }
            Part::Item(item) => {
                text.push('[');
                text.push_str(item["name"].as_str().unwrap_or_default());
                text.push(']');
            }
        }
    }
    text
}

/// The field managers of an object as they are once `manager` has taken over what `from` kept; none where `from` keeps nothing.
pub fn taken_over(live: &Value, from: &str, manager: &str) -> Option<Value> {
    let entries = at(live, "metadata.managedFields").and_then(Value::as_array)?;
    let own = |entry: &Value, name: &str| {
        text(entry, "manager") == Some(name) && text(entry, "subresource").unwrap_or_default().is_empty()
    };
    let theirs: Vec<&Value> = entries.iter().filter(|entry| own(entry, from)).collect();
    let first = *theirs.first()?;
    let mine = |entry: &Value| own(entry, manager) && text(entry, "operation") == Some("Apply");
    let mut kept: Vec<Value> = entries.iter().filter(|entry| !own(entry, from) && !mine(entry)).cloned().collect();
    let mut entry = entries.iter().find(|entry| mine(entry)).unwrap_or(first).clone();
    for other in theirs {
        merge(&mut entry["fieldsV1"], &other["fieldsV1"]);
    }
    entry["manager"] = manager.into();
    entry["operation"] = "Apply".into();
    kept.push(entry);
    Some(Value::Array(kept))
}

fn merge(into: &mut Value, from: &Value) {
    if let (Some(into), Some(from)) = (into.as_object_mut(), from.as_object()) {
        for (key, value) in from {
            merge(into.entry(key.clone()).or_insert_with(|| Value::Object(Map::new())), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment(labels: &Value, managed: &Value) -> Value {
        json!({ "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": "app", "namespace": "web", "labels": labels, "managedFields": managed },
            "spec": { "replicas": 2, "template": { "spec": { "containers": [{ "name": "app", "image": "app:1", "args": ["a"] }] } } } })
    }

    fn by(manager: &str) -> Value {
        json!([{ "manager": manager, "operation": "Apply", "fieldsV1": {
            "f:metadata": { "f:labels": { "f:app": {} } },
            "f:spec": { "f:template": { "f:spec": { "f:containers": { "k:{\"name\":\"app\"}": { ".": {}, "f:name": {}, "f:image": {}, "f:args": {} } } } } } } }])
    }

    fn flux() -> Value {
        json!({ "kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system" })
    }

    #[test]
    fn every_keeper_is_known_by_its_marks() {
        let with =
            |metadata: Value| keeper(&json!({ "kind": "ConfigMap", "metadata": metadata })).map(|k| (k.tool(), k.name));
        for (metadata, tool, name) in [
            (json!({ "labels": flux() }), "Flux", "Kustomization/flux-system/apps"),
            (
                json!({ "labels": { "helm.toolkit.fluxcd.io/name": "g", "helm.toolkit.fluxcd.io/namespace": "m", "app.kubernetes.io/managed-by": "Helm" },
                    "annotations": { "meta.helm.sh/release-name": "g" } }),
                "Flux",
                "HelmRelease/m/g",
            ),
            (
                json!({ "annotations": { "meta.helm.sh/release-name": "g", "meta.helm.sh/release-namespace": "m" } }),
                "Helm",
                "release g in m",
            ),
            (
                json!({ "annotations": { "argocd.argoproj.io/tracking-id": "shop:apps/Deployment:web/app" } }),
                "Argo CD",
                "Application shop",
            ),
            (json!({ "labels": { "argocd.argoproj.io/instance": "shop" } }), "Argo CD", "Application shop"),
            (
                json!({ "namespace": "web", "ownerReferences": [{ "kind": "ReplicaSet", "name": "r" }, { "kind": "Deployment", "name": "d", "controller": true }] }),
                "the controller of its owner",
                "Deployment/web/d",
            ),
            (json!({ "managedFields": by("argocd-controller") }), "Argo CD", "field manager argocd-controller"),
        ] {
            assert_eq!(with(metadata), Some((tool, name.to_string())));
        }
        let status_only = json!([{ "manager": "helm-controller", "fieldsV1": { "f:metadata": { "f:finalizers": {} }, "f:status": {} } }]);
        assert_eq!(with(json!({ "managedFields": status_only })), None, "its own controller keeps nothing of its spec");
        assert_eq!(with(json!({ "labels": { "app": "x" } })), None);
    }

    #[test]
    fn only_fields_that_the_keeper_puts_back_are_kept() {
        let live = deployment(&flux(), &by("kustomize-controller"));
        let keeper = keeper(&live).unwrap();
        let fields = |wanted: Value| keeper.fields(&live, &wanted);
        let image = |image: &str| json!({ "spec": { "template": { "spec": { "containers": [{ "name": "app", "image": image }] } } } });
        assert_eq!(fields(image("app:2")), ["spec.template.spec.containers[app].image"]);
        assert_eq!(fields(image("app:1")), Vec::<String>::new(), "what stays as it is disturbs nobody");
        assert_eq!(fields(json!({ "spec": { "replicas": 5 } })), Vec::<String>::new(), "nobody declares the replicas");
        let restarted = json!({ "spec": { "template": { "metadata": { "annotations": { "x": "now" } } } } });
        assert_eq!(fields(restarted), Vec::<String>::new());
        assert_eq!(fields(json!({ "metadata": { "labels": { "app": null } } })), Vec::<String>::new(), "there is none");
        assert_eq!(fields(json!({ "metadata": { "labels": { "app": "new" } } })), ["metadata.labels.app"]);
        let args = json!({ "spec": { "template": { "spec": { "containers": [{ "name": "app", "args": ["b"] }] } } } });
        assert_eq!(fields(args), ["spec.template.spec.containers[app].args"]);
        let other = json!({ "spec": { "template": { "spec": { "containers": [{ "name": "side", "image": "s" }] } } } });
        assert_eq!(fields(other), Vec::<String>::new(), "a container of somebody else");
    }

    #[test]
    fn where_nobody_knows_the_managers_every_changed_field_but_the_metadata_is_kept() {
        let live = deployment(&flux(), &json!(null));
        let keeper = keeper(&live).unwrap();
        assert_eq!(
            keeper.fields(&live, &json!({ "spec": { "replicas": 5 }, "metadata": { "labels": { "a": "b" } } })),
            ["spec.replicas"]
        );
    }

    #[test]
    fn what_one_manager_kept_is_taken_over_by_another() {
        let managed = json!([
            { "manager": "kubectl-client-side-apply", "operation": "Update", "apiVersion": "v1", "fieldsV1": { "f:data": { "f:a": {} } } },
            { "manager": "runbook", "operation": "Apply", "apiVersion": "v1", "fieldsV1": { "f:data": { "f:b": {} } } },
            { "manager": "other", "operation": "Update", "fieldsV1": { "f:data": { "f:c": {} } } },
        ]);
        let live = json!({ "metadata": { "managedFields": managed } });
        let after = taken_over(&live, "kubectl-client-side-apply", "runbook").unwrap();
        assert_eq!(after.as_array().unwrap().len(), 2);
        assert_eq!(after[1]["fieldsV1"], json!({ "f:data": { "f:a": {}, "f:b": {} } }));
        assert_eq!((&after[1]["manager"], &after[1]["operation"]), (&json!("runbook"), &json!("Apply")));
        assert_eq!(taken_over(&live, "nobody", "runbook"), None);
    }
}
