//! Questions asked many at a time: what preflight wants to know before the first change. Nothing here changes anything.

use std::{collections::BTreeMap, sync::Arc};

use futures::{StreamExt as _, stream};
use http::Method;
use serde_json::{Value, json};

use super::{
    ApplyOptions, Cluster, ClusterError, Inner, PatchKind, Patience, Permission, Resource, Selector, Wish,
    error::What,
    read::{JSON, METADATA},
    wire::Call,
};
use crate::{
    model::ObjectRef,
    object::{head, path::text},
};

/// How many requests are under way at the same time.
const CONCURRENCY: usize = 8;
/// So many objects of one kind and namespace are read in one list.
const MANY: usize = 8;

/// A kind in one namespace, or in all.
pub type Place = (Arc<Resource>, Option<String>);

/// A change of an object that is there, to be tried.
#[derive(Clone, Debug)]
pub struct Patched {
    /// Which.
    pub object: ObjectRef,
    /// How the patch is read.
    pub kind: PatchKind,
    /// What would be sent.
    pub patch: Value,
}

impl Cluster {
    /// Whether this account may do each, as the server's authorizer says; one result for each, in their order.
    ///
    /// # Errors
    /// The deadline or the cancel of `patience`.
    pub fn may_all(
        &self,
        wishes: Vec<(Arc<Resource>, Wish)>,
        patience: &Patience,
    ) -> Result<Vec<Result<Permission, ClusterError>>, ClusterError> {
        self.each("ask what is permitted", wishes, patience, |inner, (resource, wish)| async move {
            inner.may(&resource, &wish).await
        })
    }

    /// The rules that this account has in each namespace, as the authorizer tells them: `resourceRules` and whether they are
    /// `incomplete`. What holds in the whole cluster is among them.
    ///
    /// # Errors
    /// The deadline or the cancel of `patience`.
    pub fn rules_in(
        &self,
        namespaces: Vec<String>,
        patience: &Patience,
    ) -> Result<Vec<Result<Value, ClusterError>>, ClusterError> {
        self.each("ask what is permitted", namespaces, patience, |inner, namespace| async move {
            let text = format!("ask what is permitted in {namespace}");
            let what = What { text, kind: "SelfSubjectRulesReview".into(), namespace: None };
            let mut call = Call::get("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", what);
            call.method = Method::POST;
            let body = json!({ "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
                "spec": { "namespace": namespace } });
            call.body = Some(("application/json", body.to_string().into_bytes()));
            Ok(inner.call(call).await?["status"].take())
        })
    }

    /// The names that there are of each kind in each place.
    ///
    /// # Errors
    /// The deadline or the cancel of `patience`.
    pub fn names_in(
        &self,
        places: Vec<Place>,
        patience: &Patience,
    ) -> Result<Vec<Result<Vec<String>, ClusterError>>, ClusterError> {
        self.each("list names", places, patience, |inner, (resource, namespace)| async move {
            let mut names = vec![];
            let keep = |item: Value| names.extend(text(&item, "metadata.name").map(ToOwned::to_owned));
            inner.list(&resource, namespace.as_deref(), &Selector::default(), METADATA, keep).await?;
            Ok(names)
        })
    }

    /// All objects of each kind in each place.
    ///
    /// # Errors
    /// The deadline or the cancel of `patience`.
    pub fn objects_in(
        &self,
        places: Vec<Place>,
        patience: &Patience,
    ) -> Result<Vec<Result<Vec<Value>, ClusterError>>, ClusterError> {
        self.each("list objects", places, patience, |inner, (resource, namespace)| async move {
            let mut items = vec![];
            let each = |item| items.push(item);
            inner.list(&resource, namespace.as_deref(), &Selector::default(), JSON, each).await?;
            Ok(items)
        })
    }

    /// Each object as it is, in the version of its kind that is given with it; none where there is none. Many of one kind
    /// and namespace are read in one list.
    ///
    /// # Errors
    /// The deadline or the cancel of `patience`.
    pub fn get_all(
        &self,
        wanted: Vec<(Arc<Resource>, ObjectRef)>,
        patience: &Patience,
    ) -> Result<Vec<Result<Option<Value>, ClusterError>>, ClusterError> {
        let key = |resource: &Resource, object: &ObjectRef| {
            (resource.api_version(), resource.plural.clone(), object.namespace.clone())
        };
        let mut counts: BTreeMap<_, usize> = BTreeMap::new();
        for (resource, object) in &wanted {
            *counts.entry(key(resource, object)).or_default() += 1;
        }
        let mut lists: BTreeMap<_, Place> = BTreeMap::new();
        for (resource, object) in &wanted {
            let key = key(resource, object);
            if counts[&key] > MANY {
                lists.entry(key).or_insert_with(|| (resource.clone(), object.namespace.clone()));
            }
        }
        let (keys, places): (Vec<_>, Vec<_>) = lists.into_iter().unzip();
        let listed: BTreeMap<_, _> = keys.into_iter().zip(self.objects_in(places, patience)?).collect();
        let single: Vec<_> =
            wanted.iter().filter(|(resource, object)| !listed.contains_key(&key(resource, object))).cloned().collect();
        let mut read = self
            .each("read objects", single, patience, |inner, (resource, object)| async move {
                inner.get_of(&resource, &object).await
            })?
            .into_iter();
        let of_list = |list: &Result<Vec<Value>, ClusterError>, object: &ObjectRef| match list {
            Ok(items) => Ok(items.iter().find(|item| head(item).name() == object.name).cloned()),
            Err(ClusterError::NamespaceMissing { .. }) => Ok(None),
            Err(error) => Err(error.clone()),
        };
        let found = wanted.iter().map(|(resource, object)| match listed.get(&key(resource, object)) {
            Some(list) => of_list(list, object),
            None => read.next().unwrap_or(Ok(None)),
        });
        Ok(found.collect())
    }

    /// Asks for each manifest whether the server would take it and what it would come to; nothing is kept.
    ///
    /// # Errors
    /// The deadline or the cancel of `patience`.
    pub fn try_applies(
        &self,
        objects: Vec<Value>,
        options: &ApplyOptions,
        patience: &Patience,
    ) -> Result<Vec<Result<Value, ClusterError>>, ClusterError> {
        let options = Arc::new(ApplyOptions { dry_run: true, ..options.clone() });
        self.each("dry run", objects, patience, move |inner, object| {
            let options = options.clone();
            async move { inner.apply(&object, &options).await }
        })
    }

    /// Asks for each change of an object that is there what it would come to; nothing is kept.
    ///
    /// # Errors
    /// The deadline or the cancel of `patience`.
    pub fn try_patches(
        &self,
        patches: Vec<Patched>,
        patience: &Patience,
    ) -> Result<Vec<Result<Value, ClusterError>>, ClusterError> {
        let options = Arc::new(ApplyOptions { dry_run: true, ..ApplyOptions::default() });
        self.each("dry run", patches, patience, move |inner, patched| {
            let options = options.clone();
            async move { inner.patch(&patched.object, None, patched.kind, &patched.patch, &options).await }
        })
    }

    /// Does the same for each, some at the same time; the results in the order of what was given.
    pub(super) fn each<A, T, F>(
        &self,
        what: &str,
        given: Vec<A>,
        patience: &Patience,
        ask: impl Fn(Arc<Inner>, A) -> F + Send + 'static,
    ) -> Result<Vec<Result<T, ClusterError>>, ClusterError>
    where
        A: Send + 'static,
        T: Send + 'static,
        F: Future<Output = Result<T, ClusterError>> + Send + 'static,
    {
        if given.is_empty() {
            return Ok(vec![]);
        }
        let inner = self.inner.clone();
        self.wait(patience, what, async move {
            let asked = stream::iter(given).map(move |one| ask(inner.clone(), one));
            Ok(asked.buffered(CONCURRENCY).collect().await)
        })
    }
}
