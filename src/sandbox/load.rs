//! Objects from elsewhere, such as a live cluster's `kubectl get -o yaml`, laid into the sandbox as they are.
//!
//! What a server has set is kept: the UID (owner references hold), the creation time, the generation, who manages which
//! field, and the status, which controllers leave alone until the object is changed. The resourceVersion is the
//! sandbox's own, and so is the identity of `kube-system`. Values of Secrets become stand-ins of equal length.

use std::sync::Arc;

use serde_json::{Value, json};

use super::apply::{Manager, Operation};
use super::kinds::{CRD_RESOURCE, Kind, Registry};
use super::request::Place;
use super::status::ApiError;
use super::store::{Store, Tx};
use super::{meta, secrets, write};

/// The generation that an object was loaded at: until it changes, its status stays as it was loaded.
const LOADED: &str = "sandbox.runbook.dev/loaded";

/// What came of loading.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Loaded {
    /// How many objects are there now that were not there.
    pub made: usize,
    /// How many took the place of one that was there.
    pub replaced: usize,
    /// Namespaces that were made because something is in them.
    pub namespaces: Vec<String>,
    /// What was left out, and why.
    pub left_out: Vec<LeftOut>,
}

/// An object that was not loaded.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LeftOut {
    /// `Kind/namespace/name`.
    pub object: String,
    /// Why.
    pub why: String,
}

/// Whether an object still is as it was loaded, so that its status is not to be touched.
pub(crate) fn is_as_loaded(object: &Value) -> bool {
    let annotations = &object["metadata"]["annotations"];
    let Some(loaded) = annotations[LOADED].as_str() else {
        return false;
    };
    let asked = &annotations["reconcile.fluxcd.io/requestedAt"];
    loaded == meta::generation(object).to_string()
        && (asked.is_null() || *asked == object["status"]["lastHandledReconcileAt"])
}

/// Definitions come first, then namespaces; whatever owns something has its UID from the start.
fn rank(object: &Value) -> u8 {
    match object["kind"].as_str() {
        Some("CustomResourceDefinition") => 0,
        Some("Namespace") => 1,
        _ => 2,
    }
}

pub(crate) fn load(store: &Store, mut objects: Vec<Value>) -> Loaded {
    let mut loaded = Loaded::default();
    objects.sort_by_key(rank);
    for object in objects {
        let named = named(&object);
        match load_one(store, object, &mut loaded) {
            Ok(true) => loaded.replaced += 1,
            Ok(false) => loaded.made += 1,
            Err(why) => loaded.left_out.push(LeftOut { object: named, why }),
        }
    }
    loaded
}

fn named(object: &Value) -> String {
    let parts = [object["kind"].as_str().unwrap_or_default(), meta::namespace(object), meta::name(object)];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
}

fn kind_of(registry: &Registry, object: &Value) -> Result<Arc<Kind>, String> {
    let api_version = object["apiVersion"].as_str().unwrap_or_default();
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let kind = registry.of_group(group).find(|kind| object["kind"] == kind.kind.as_str() && !kind.create_only);
    let name = object["kind"].as_str().unwrap_or_default();
    let Some(kind) = kind else {
        return Err(format!("the sandbox serves no {name} of {api_version}: load its CustomResourceDefinition too"));
    };
    if !kind.versions.iter().any(|served| served == version) {
        return Err(format!("the sandbox serves {name} in {}, not in {version}", kind.versions.join(", ")));
    }
    Ok(Arc::clone(kind))
}

/// True when it took the place of another.
fn load_one(store: &Store, mut object: Value, loaded: &mut Loaded) -> Result<bool, String> {
    let kind = kind_of(&store.registry(), &object)?;
    if meta::is_terminating(&object) && !meta::has_finalizers(&object) {
        return Err("it was on its way out".into());
    }
    object["apiVersion"] = kind.api_version(&kind.stored).into();
    let resource = kind.resource();
    if resource == "secrets" {
        secrets::fold_string_data(&mut object);
        object = secrets::with_stand_ins(&object);
    }
    if kind.namespaced && meta::namespace(&object).is_empty() {
        meta::metadata_mut(&mut object).insert("namespace".into(), "default".into());
    }
    let namespace = meta::namespace(&object).to_owned();
    let mut place = Place {
        version: kind.stored.clone(),
        namespace: kind.namespaced.then(|| namespace.clone()),
        name: None,
        subresource: String::new(),
        kind,
    };
    let key = place.key(meta::name(&object));
    let own = resource == "namespaces" && &*key.name == "kube-system";
    let home = place.namespace.as_deref().filter(|home| store.get(&super::Key::new("namespaces", "", home)).is_none());
    let home = home.map(str::to_owned);
    let result = store.write(false, |tx| {
        if let Some(home) = &home {
            make_namespace(tx, home)?;
        }
        let old = tx.remove(&key);
        if let (Some(old), true) = (&old, own) {
            for field in ["uid", "creationTimestamp"] {
                meta::carry(old, &mut object, field);
            }
        }
        lay(tx, &mut place, object)?;
        Ok(old.is_some())
    });
    let replaced = result.map_err(|error| error.body()["message"].as_str().unwrap_or_default().to_owned())?;
    loaded.namespaces.extend(home);
    Ok(replaced)
}

fn make_namespace(tx: &mut Tx<'_>, name: &str) -> Result<(), ApiError> {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let kind = tx.registry().by_resource("namespaces").cloned();
    let kind = kind.ok_or_else(|| ApiError::internal("namespaces are not served"))?;
    let place = Place { version: kind.stored.clone(), namespace: None, name: None, subresource: String::new(), kind };
    let manager = by(&place);
    write::insert(tx, &place, namespace, Some(&manager)).map(|_| ())
}

fn by(place: &Place) -> Manager {
    Manager {
        operation: Operation::Update,
        name: "sandbox-load".into(),
        subresource: String::new(),
        api_version: place.api_version(),
    }
}

/// Inserts an object, so that it is checked and completed as any other, and gives back to it what a server had set.
fn lay(tx: &mut Tx<'_>, place: &mut Place, mut object: Value) -> Result<(), ApiError> {
    let given = object.clone();
    let metadata = meta::metadata_mut(&mut object);
    for field in ["resourceVersion", "managedFields", "deletionTimestamp", "selfLink"] {
        metadata.remove(field);
    }
    let manager = by(place);
    let made = write::insert(tx, place, object, Some(&manager))?;
    if place.kind.resource() == CRD_RESOURCE {
        return Ok(());
    }
    let mut kept = (*made).clone();
    let mut is_live = false;
    for field in
        ["uid", "creationTimestamp", "generation", "managedFields", "deletionTimestamp", "deletionGracePeriodSeconds"]
    {
        if let Some(value) = given["metadata"].get(field).filter(|value| !value.is_null()) {
            meta::metadata_mut(&mut kept).insert(field.into(), value.clone());
            is_live |= field == "uid";
        }
    }
    if let Some(status) = given.get("status").filter(|status| status.as_object().is_some_and(|map| !map.is_empty())) {
        kept["status"] = status.clone();
        let generation = meta::generation(&kept).to_string();
        meta::map_mut(&mut kept["metadata"]["annotations"]).insert(LOADED.into(), generation.into());
    } else if !is_live {
        return Ok(());
    }
    let key = place.key(meta::name(&kept));
    tx.put(&key, kept);
    Ok(())
}
