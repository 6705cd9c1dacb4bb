use http::Method;
use serde_json::{Value, json};

use super::{ApplyOptions, Cluster, ClusterError, Inner, Patience, error::What, wire::Call, write::writing};
use crate::model::ObjectRef;

/// How a patch is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PatchKind {
    /// RFC 7386: maps are merged, all else replaced, null removes.
    #[default]
    Merge,
    /// As a merge, with lists merged by their keys; only for built-in kinds.
    Strategic,
    /// RFC 6902: a list of operations.
    Json,
}

impl PatchKind {
    fn content_type(self) -> &'static str {
        match self {
            Self::Merge => "application/merge-patch+json",
            Self::Strategic => "application/strategic-merge-patch+json",
            Self::Json => "application/json-patch+json",
        }
    }
}

/// What became of an eviction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evicted {
    /// The pod is going.
    Going,
    /// It is not there any more.
    Gone,
    /// A disruption budget does not allow it now.
    NotNow(String),
}

impl Cluster {
    /// Merges `patch` into the object (RFC 7386). A `metadata.resourceVersion` in it is a precondition.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` where the object is not as it was, or what the server says.
    pub fn merge_patch(
        &self,
        reference: &ObjectRef,
        patch: &Value,
        options: &ApplyOptions,
        patience: &Patience,
    ) -> Result<Value, ClusterError> {
        self.patch(reference, None, PatchKind::Merge, patch, options, patience)
    }

    /// Patches the object, or a subresource of it such as `scale`, and gives what the server answered.
    ///
    /// # Errors
    /// As [`Cluster::merge_patch`]; `NotServed` where the kind has no such subresource.
    pub fn patch(
        &self,
        reference: &ObjectRef,
        subresource: Option<&'static str>,
        kind: PatchKind,
        patch: &Value,
        options: &ApplyOptions,
        patience: &Patience,
    ) -> Result<Value, ClusterError> {
        let (inner, reference) = (self.inner.clone(), reference.clone());
        let (patch, options) = (patch.clone(), options.clone());
        self.wait(patience, &format!("patch {reference}"), async move {
            inner.patch(&reference, subresource, kind, &patch, &options).await
        })
    }

    /// Asks for a pod to go, as a drain does: disruption budgets are kept. Only the pod with this UID.
    ///
    /// # Errors
    /// What the server says but for a budget, which is an answer.
    pub fn evict(&self, pod: &ObjectRef, uid: &str, patience: &Patience) -> Result<Evicted, ClusterError> {
        let (inner, pod) = (self.inner.clone(), pod.clone());
        let body = json!({
            "apiVersion": "policy/v1", "kind": "Eviction",
            "metadata": { "name": pod.name, "namespace": pod.namespace },
            "deleteOptions": { "preconditions": { "uid": uid } },
        });
        self.wait(patience, &format!("evict {pod}"), async move {
            let resource = inner.resolve(&pod).await?;
            let path = format!("{}/eviction", resource.path(pod.namespace.as_deref(), Some(&pod.name)));
            let mut call = Call::get(path, What::of("evict", &pod, &resource));
            call.method = Method::POST;
            call.body = Some(("application/json", body.to_string().into_bytes()));
            match inner.call(call).await {
                Ok(_) => Ok(Evicted::Going),
                // another pod of that name is not the one that was to go
                Err(ClusterError::NotFound { .. } | ClusterError::Conflict { .. }) => Ok(Evicted::Gone),
                Err(ClusterError::Unreachable { message, sent: false, .. })
                    if message.contains("disruption budget") =>
                {
                    Ok(Evicted::NotNow(message))
                }
                Err(error) => Err(error),
            }
        })
    }
}

impl Inner {
    pub(super) async fn patch(
        &self,
        reference: &ObjectRef,
        subresource: Option<&'static str>,
        kind: PatchKind,
        patch: &Value,
        options: &ApplyOptions,
    ) -> Result<Value, ClusterError> {
        let resource = self.resolve(reference).await?;
        let mut path = resource.path(reference.namespace.as_deref(), Some(&reference.name));
        if let Some(subresource) = subresource {
            path = format!("{path}/{subresource}");
        }
        let mut call = Call::get(path, What::of("patch", reference, &resource));
        call.method = Method::PATCH;
        call.body = Some((kind.content_type(), patch.to_string().into_bytes()));
        self.call(writing(call, options)).await.map_err(|error| self.unserved(error))
    }
}
