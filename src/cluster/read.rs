use serde_json::Value;

use super::{Cluster, ClusterError, Inner, Patience, Resource, error::What, wire::Call};
use crate::{
    model::ObjectRef,
    object::{
        head,
        path::{at, text},
    },
};

/// Objects asked for in one answer; the server hands on the rest in the same state.
const PAGE: usize = 500;

/// Whole objects.
pub(super) const JSON: &str = "application/json";
/// Objects without spec and status, where the server can.
pub(super) const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
/// The same in the events of a watch.
pub(super) const METADATA_EVENTS: &str =
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";

/// Which objects of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selector {
    /// A label selector as kubectl writes it: `app=web,tier!=cache`.
    pub labels: Option<String>,
    /// A field selector: `metadata.name=web`.
    pub fields: Option<String>,
}

/// The objects of one list, in the order of namespace and name.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// The objects, each with its apiVersion and kind.
    pub items: Vec<Value>,
    /// The resourceVersion that the list stands for.
    pub resource_version: String,
}

impl Cluster {
    /// The object; none where it does not exist.
    ///
    /// # Errors
    /// `NotServed`, `Scope`, or what the server says.
    pub fn get(&self, reference: &ObjectRef, patience: &Patience) -> Result<Option<Value>, ClusterError> {
        let (inner, reference) = (self.inner.clone(), reference.clone());
        self.wait(patience, &format!("get {reference}"), async move { inner.get(&reference).await })
    }

    /// The object that stands where this one would, in the version that this one is written in; none where there is none.
    ///
    /// # Errors
    /// As [`Cluster::resolve_object`], or what the server says.
    pub fn get_like(&self, object: &Value, patience: &Patience) -> Result<Option<Value>, ClusterError> {
        let (inner, object) = (self.inner.clone(), object.clone());
        let reference = head(&object).reference();
        self.wait(patience, &format!("get {reference}"), async move {
            let resource = inner.resolve_object(&object).await?;
            inner.get_of(&resource, &reference).await
        })
    }

    /// The objects of a kind, in one namespace or in all. The kind may carry its group: `Ingress.networking.k8s.io`.
    ///
    /// # Errors
    /// `NotServed`, or what the server says.
    pub fn list(
        &self,
        kind: &str,
        namespace: Option<&str>,
        selector: &Selector,
        patience: &Patience,
    ) -> Result<Listed, ClusterError> {
        let (inner, kind, selector) = (self.inner.clone(), kind.to_owned(), selector.clone());
        let namespace = namespace.map(ToOwned::to_owned);
        self.wait(patience, &format!("list {kind}"), async move {
            let resource = inner.resolve_kind(&kind).await?;
            let mut items = vec![];
            let resource_version =
                inner.list(&resource, namespace.as_deref(), &selector, JSON, |item| items.push(item)).await?;
            items.sort_by_cached_key(place);
            Ok(Listed { items, resource_version })
        })
    }

    /// The names of objects of this kind that are nearest to the reference's, in its namespace, at most three; where none is
    /// near but there are three or fewer, these.
    ///
    /// # Errors
    /// What the server says.
    pub fn nearest(&self, reference: &ObjectRef, patience: &Patience) -> Result<Vec<String>, ClusterError> {
        let (inner, reference) = (self.inner.clone(), reference.clone());
        self.wait(patience, &format!("list names like {reference}"), async move {
            let resource = inner.resolve(&reference).await?;
            let mut names = vec![];
            let keep = |item: Value| names.extend(text(&item, "metadata.name").map(ToOwned::to_owned));
            inner.list(&resource, reference.namespace.as_deref(), &Selector::default(), METADATA, keep).await?;
            Ok(nearest(&reference.name, names))
        })
    }

    /// The events about an object, oldest first.
    ///
    /// # Errors
    /// What the server says.
    pub fn events(&self, reference: &ObjectRef, patience: &Patience) -> Result<Vec<Value>, ClusterError> {
        let (inner, reference) = (self.inner.clone(), reference.clone());
        self.wait(patience, &format!("events of {reference}"), async move { inner.events(&reference).await })
    }
}

impl Inner {
    pub(super) async fn get(&self, reference: &ObjectRef) -> Result<Option<Value>, ClusterError> {
        let resource = self.resolve(reference).await?;
        self.get_of(&resource, reference).await
    }

    pub(super) async fn get_of(
        &self,
        resource: &Resource,
        reference: &ObjectRef,
    ) -> Result<Option<Value>, ClusterError> {
        let what = What::of("get", reference, resource);
        match self.call(Call::get(resource.path(reference.namespace.as_deref(), Some(&reference.name)), what)).await {
            Ok(object) => Ok(Some(object)),
            Err(ClusterError::NotFound { .. } | ClusterError::NamespaceMissing { .. }) => Ok(None),
            Err(error) => Err(self.unserved(error)),
        }
    }

    /// A kind that was served and is not any more is looked up anew.
    pub(super) fn unserved(&self, error: ClusterError) -> ClusterError {
        if matches!(error, ClusterError::NotServed { .. }) {
            self.discovery.forget();
        }
        error
    }

    /// Every object of the list, page by page, each with its apiVersion and kind; gives the list's resourceVersion.
    pub(super) async fn list(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        selector: &Selector,
        accept: &'static str,
        mut each: impl FnMut(Value),
    ) -> Result<String, ClusterError> {
        let mut token = String::new();
        loop {
            let mut call = list_call(resource, namespace, selector).query("limit", PAGE.to_string());
            if !token.is_empty() {
                call = call.query("continue", token.as_str());
            }
            call.accept = accept;
            let what = call.what.text.clone();
            let mut page = self.call(call).await.map_err(|error| self.unserved(error))?;
            let Some(items) = page.get_mut("items").map(Value::take) else {
                let message = "it answered something that is not a list".into();
                return Err(ClusterError::Unreachable { what, message, sent: true });
            };
            let Value::Array(items) = items else { return Ok(version_of(&page)) };
            for mut item in items {
                named(&mut item, resource);
                each(item);
            }
            text(&page, "metadata.continue").unwrap_or_default().clone_into(&mut token);
            if token.is_empty() {
                return Ok(version_of(&page));
            }
        }
    }

    async fn events(&self, reference: &ObjectRef) -> Result<Vec<Value>, ClusterError> {
        let resource = self.resolve(reference).await?;
        let events = self.resolve_kind("Event").await?;
        // events about what has no namespace are kept in `default`
        let namespace = reference.namespace.as_deref().unwrap_or("default");
        let fields = format!("involvedObject.name={},involvedObject.kind={}", reference.name, resource.kind);
        let selector = Selector { labels: None, fields: Some(fields) };
        let mut found = vec![];
        self.list(&events, Some(namespace), &selector, JSON, |event| found.push(event)).await?;
        found.sort_by_cached_key(|event| {
            let times = ["lastTimestamp", "eventTime", "metadata.creationTimestamp"];
            times.iter().find_map(|path| text(event, path)).unwrap_or_default().to_owned()
        });
        Ok(found)
    }
}

/// The names that may have been meant.
fn nearest(wanted: &str, names: Vec<String>) -> Vec<String> {
    if names.len() <= 3 {
        return names;
    }
    let score = |name: &String| {
        let part = !wanted.is_empty() && (name.contains(wanted) || wanted.contains(name.as_str()));
        strsim::jaro_winkler(wanted, name) + if part { 1.0 } else { 0.0 }
    };
    let mut scored: Vec<(f64, String)> = names.into_iter().map(|name| (score(&name), name)).collect();
    scored.retain(|(score, _)| *score > 0.8);
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    scored.into_iter().map(|(_, name)| name).take(3).collect()
}

/// The request for a list, without its page.
pub(super) fn list_call(resource: &Resource, namespace: Option<&str>, selector: &Selector) -> Call {
    let place = namespace.map(|namespace| format!(" in {namespace}")).unwrap_or_default();
    let what = What {
        text: format!("list {}{place}", resource.kind),
        kind: resource.kind.clone(),
        namespace: namespace.map(ToOwned::to_owned),
    };
    let mut call = Call::get(resource.path(namespace, None), what);
    if let Some(labels) = &selector.labels {
        call = call.query("labelSelector", labels);
    }
    if let Some(fields) = &selector.fields {
        call = call.query("fieldSelector", fields);
    }
    call
}

fn version_of(list: &Value) -> String {
    text(list, "metadata.resourceVersion").unwrap_or_default().to_owned()
}

/// The items of a list come without apiVersion and kind.
fn named(item: &mut Value, resource: &Resource) {
    if at(item, "kind").is_none()
        && let Some(map) = item.as_object_mut()
    {
        map.insert("apiVersion".into(), resource.api_version().into());
        map.insert("kind".into(), resource.kind.clone().into());
    }
}

/// Namespace and name, which objects are sorted by.
pub(super) fn place(object: &Value) -> (String, String) {
    let part = |path| text(object, path).unwrap_or_default().to_owned();
    (part("metadata.namespace"), part("metadata.name"))
}

impl What {
    pub(super) fn of(verb: &str, reference: &ObjectRef, resource: &Resource) -> Self {
        Self {
            text: format!("{verb} {reference}"),
            kind: resource.kind.clone(),
            namespace: reference.namespace.clone(),
        }
    }
}
