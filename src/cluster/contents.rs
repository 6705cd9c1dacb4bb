//! What a namespace holds: looked at before it, or an object in it, is deleted.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::Value;

use super::{
    Cluster, ClusterError, Patience, Selector,
    read::{METADATA, place},
};

/// How many kinds are listed at the same time.
const CONCURRENCY: usize = 8;

/// Kinds that tell of others and hold nothing of their own.
const SHADOWS: [(&str, &str); 4] = [("", "Event"), ("events.k8s.io", "Event"), ("", "Binding"), ("", "Endpoints")];

impl Cluster {
    /// Every object in a namespace, of every kind that can be listed: metadata, apiVersion and kind. Events, endpoints and
    /// what other APIs are computed from are left out.
    ///
    /// # Errors
    /// What the server says: an object that may not be seen could be there.
    pub fn contents(&self, namespace: &str, patience: &Patience) -> Result<Vec<Value>, ClusterError> {
        let (inner, name) = (self.inner.clone(), namespace.to_owned());
        self.wait(patience, &format!("list what is in {namespace}"), async move {
            let served = inner.all().await?;
            let mut kinds: Vec<_> = vec![];
            for resource in served {
                let counts = resource.namespaced
                    && resource.verbs.iter().any(|verb| verb == "list")
                    && !resource.plural.contains('/')
                    && !resource.group.ends_with("metrics.k8s.io")
                    && !SHADOWS.contains(&(resource.group.as_str(), resource.kind.as_str()));
                // the first version of a kind is the preferred one
                let known = kinds.iter().any(|kind: &std::sync::Arc<super::Resource>| {
                    kind.group == resource.group && kind.kind == resource.kind
                });
                if counts && !known {
                    kinds.push(resource);
                }
            }
            let lists = stream::iter(kinds).map(|kind| {
                let (inner, name) = (inner.clone(), name.clone());
                async move {
                    let mut found = vec![];
                    let all = Selector::default();
                    match inner.list(&kind, Some(&name), &all, METADATA, |item| found.push(item)).await {
                        Ok(_)
                        // a kind that went away meanwhile, and one that can only be made
                        | Err(
                            ClusterError::NotServed { .. }
                            | ClusterError::NotFound { .. }
                            | ClusterError::Rejected { code: 405, .. },
                        ) => {}
                        Err(error) => return Err(error),
                    }
                    for item in &mut found {
                        // metadata lists answer with a kind of their own
                        if let Some(map) = item.as_object_mut() {
                            map.insert("apiVersion".into(), kind.api_version().into());
                            map.insert("kind".into(), kind.kind.clone().into());
                        }
                    }
                    Ok(found)
                }
            });
            let lists: Vec<Vec<Value>> = lists.buffer_unordered(CONCURRENCY).try_collect().await?;
            let mut found: Vec<Value> = lists.into_iter().flatten().collect();
            found.sort_by_cached_key(|object| (object["kind"].as_str().map(str::to_owned), place(object)));
            Ok(found)
        })
    }
}
