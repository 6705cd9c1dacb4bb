//! Requests about the few objects that runs know each other by, and what to do where they are not permitted.

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::{Cluster, ClusterError, Inner, Patience, error::What, wire::Call};
use crate::{
    event::LockError,
    model::{Digest, slug},
    object::path::text,
};

/// The namespace of everything that runs keep in a cluster.
pub const NAMESPACE: &str = "runbook-system";
/// The label that names a run.
pub(super) const RUN: &str = "runbook/run";
/// The label that all of them have.
const MANAGED: (&str, &str) = ("app.kubernetes.io/managed-by", "runbook");

/// What sort of object.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Lease,
    ConfigMap,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Lease => "Lease",
            Self::ConfigMap => "ConfigMap",
        }
    }

    fn path(self, name: Option<&str>) -> String {
        let name = name.map(|name| format!("/{name}")).unwrap_or_default();
        match self {
            Self::Lease => format!("/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases{name}"),
            Self::ConfigMap => format!("/api/v1/namespaces/{NAMESPACE}/configmaps{name}"),
        }
    }

    fn call(self, method: Method, name: Option<&str>, body: Option<&Value>) -> Call {
        let verb = match method {
            Method::POST => "create",
            Method::PUT => "update",
            Method::DELETE => "delete",
            _ => "get",
        };
        let what = name.map_or_else(|| format!("in {NAMESPACE}"), |name| format!("{NAMESPACE}/{name}"));
        let what = What {
            text: format!("{verb} {}/{what}", self.word()),
            kind: self.word().into(),
            namespace: Some(NAMESPACE.into()),
        };
        // only one object goes by its name in the path
        let path = if method == Method::POST { self.path(None) } else { self.path(name) };
        let mut call = Call::get(path, what);
        if matches!(method, Method::POST | Method::PUT) {
            call = call.query("fieldManager", "runbook");
        }
        call.method = method;
        call.body = body.map(|body| ("application/json", body.to_string().into_bytes()));
        call
    }

    /// An object of this sort with this name and these labels.
    pub(super) fn object(self, name: &str, labels: &[(&str, &str)]) -> Value {
        let api = match self {
            Self::Lease => "coordination.k8s.io/v1",
            Self::ConfigMap => "v1",
        };
        let mut object = json!({ "apiVersion": api, "kind": self.word(),
            "metadata": { "name": name, "namespace": NAMESPACE, "labels": { MANAGED.0: MANAGED.1 } } });
        for (key, value) in labels {
            object["metadata"]["labels"][key] = (*value).into();
        }
        object
    }
}

/// What became of a write.
#[derive(Debug)]
pub(super) enum Written {
    Done(Value),
    /// It is not as it was, or exists already.
    Conflict,
    /// It does not exist.
    Gone,
}

impl Inner {
    pub(super) async fn place_get(&self, kind: Kind, name: &str) -> Result<Option<Value>, ClusterError> {
        match self.call(kind.call(Method::GET, Some(name), None)).await {
            Ok(object) => Ok(Some(object)),
            Err(ClusterError::NotFound { .. } | ClusterError::NamespaceMissing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn place_write(
        &self,
        method: Method,
        kind: Kind,
        object: &Value,
    ) -> Result<Written, ClusterError> {
        let name = text(object, "metadata.name").unwrap_or_default();
        match self.call(kind.call(method, Some(name), Some(object))).await {
            Ok(object) => Ok(Written::Done(object)),
            Err(ClusterError::Conflict { .. }) => Ok(Written::Conflict),
            Err(ClusterError::Rejected { reason, .. }) if reason == "AlreadyExists" => Ok(Written::Conflict),
            Err(ClusterError::NotFound { .. }) => Ok(Written::Gone),
            Err(error) => Err(error),
        }
    }

    async fn place_create(&self, kind: Kind, object: &Value) -> Result<Written, ClusterError> {
        match self.place_write(Method::POST, kind, object).await {
            Err(ClusterError::NamespaceMissing { .. }) => {
                let what =
                    What { text: format!("create Namespace/{NAMESPACE}"), kind: "Namespace".into(), namespace: None };
                let mut call = Call::get("/api/v1/namespaces", what).query("fieldManager", "runbook");
                call.method = Method::POST;
                let namespace = json!({ "apiVersion": "v1", "kind": "Namespace",
                    "metadata": { "name": NAMESPACE, "labels": { MANAGED.0: MANAGED.1 } } });
                call.body = Some(("application/json", namespace.to_string().into_bytes()));
                match self.call(call).await {
                    Ok(_) => {}
                    Err(ClusterError::Rejected { reason, .. }) if reason == "AlreadyExists" => {}
                    Err(error) => return Err(error),
                }
                self.place_write(Method::POST, kind, object).await
            }
            other => other,
        }
    }

    /// Deletes the object as it was seen; one that is gone or another by now is left alone.
    async fn place_delete(&self, kind: Kind, seen: &Value) -> Result<(), ClusterError> {
        let part = |path| text(seen, path).unwrap_or_default();
        let preconditions = json!({ "uid": part("metadata.uid"), "resourceVersion": part("metadata.resourceVersion") });
        let options = json!({ "apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions });
        match self.call(kind.call(Method::DELETE, Some(part("metadata.name")), Some(&options))).await {
            Ok(_) | Err(ClusterError::NotFound { .. } | ClusterError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn place_list(&self, kind: Kind, labels: &str) -> Result<Vec<Value>, ClusterError> {
        let call = kind.call(Method::GET, None, None).query("labelSelector", labels);
        let mut list = self.call(call).await?;
        Ok(list["items"].as_array_mut().map(std::mem::take).unwrap_or_default())
    }
}

/// Requests that are waited for.
#[derive(Clone)]
pub(super) struct Api {
    pub(super) cluster: Cluster,
    pub(super) patience: Patience,
}

impl Api {
    fn wait<T: Send + 'static>(
        &self,
        what: &str,
        future: impl Future<Output = Result<T, ClusterError>> + Send + 'static,
    ) -> Result<T, LockError> {
        self.cluster.wait(&self.patience, what, future).map_err(|error| refused(&error))
    }

    pub(super) fn inner(&self) -> std::sync::Arc<Inner> {
        self.cluster.inner.clone()
    }

    /// The time that machines agree on.
    pub(super) fn now(&self) -> Timestamp {
        now(&self.cluster.inner)
    }

    pub(super) fn get(&self, kind: Kind, name: &str) -> Result<Option<Value>, LockError> {
        let (inner, name) = (self.inner(), name.to_owned());
        self.wait("look at a place", async move { inner.place_get(kind, &name).await })
    }

    /// Makes an object, and the namespace where it is missing.
    pub(super) fn create(&self, kind: Kind, object: &Value) -> Result<Written, LockError> {
        let (inner, object) = (self.inner(), object.clone());
        self.wait("make a place", async move { inner.place_create(kind, &object).await })
    }

    /// Replaces an object that is as it was seen: its resourceVersion is in it.
    pub(super) fn replace(&self, kind: Kind, object: &Value) -> Result<Written, LockError> {
        let (inner, object) = (self.inner(), object.clone());
        self.wait("take a place", async move { inner.place_write(Method::PUT, kind, &object).await })
    }

    pub(super) fn delete(&self, kind: Kind, seen: &Value) -> Result<(), LockError> {
        let (inner, seen) = (self.inner(), seen.clone());
        self.wait("give up a place", async move { inner.place_delete(kind, &seen).await })
    }

    /// Those that runbook made, with this label.
    pub(super) fn list(&self, kind: Kind, label: Option<&str>) -> Result<Vec<Value>, LockError> {
        let inner = self.inner();
        let more = label.map(|label| format!(",{label}")).unwrap_or_default();
        let labels = format!("{}={}{more}", MANAGED.0, MANAGED.1);
        self.wait("look at places", async move { inner.place_list(kind, &labels).await })
    }
}

/// The server's time, this machine's where the server does not say it.
pub(super) fn now(inner: &Inner) -> Timestamp {
    inner.notes.server_now().unwrap_or_else(Timestamp::now)
}

/// Why a place cannot be kept in the cluster.
pub(super) fn refused(error: &ClusterError) -> LockError {
    let message = format!("the cluster keeps this context's places, and: {error}");
    match error {
        ClusterError::Unreachable { .. } | ClusterError::Cancelled { .. } | ClusterError::Deadline { .. } => {
            LockError::Unreachable { message: error.to_string() }
        }
        ClusterError::Forbidden { message: said, .. } => {
            let user =
                said.split_once("User \"").and_then(|(_, rest)| rest.split_once('"')).map_or("…", |(user, _)| user);
            let help = vec![
                format!("kubectl create namespace {NAMESPACE}"),
                format!(
                    "kubectl create role runbook -n {NAMESPACE} --verb=get,list,create,update,delete \
                     --resource=leases.coordination.k8s.io,configmaps"
                ),
                format!("kubectl create rolebinding runbook -n {NAMESPACE} --role=runbook --user={user}"),
                "or keep places on this machine alone: store = \"local\" in this context's table of runbook.toml"
                    .into(),
            ];
            LockError::Refused { message, help }
        }
        error => LockError::Refused { message, help: error.help() },
    }
}

/// A text as the name of an object and the value of a label: itself where it may be one.
pub(super) fn legal(text: &str) -> String {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if text.len() <= 50 && text.chars().all(allowed) && text.starts_with(ends) && text.ends_with(ends) {
        return text.into();
    }
    let words: String = slug(text).chars().filter(|c| allowed(*c)).take(30).collect();
    let digest = Digest::of(text);
    format!("{}-{}", words.trim_matches('-'), digest.short()).trim_start_matches('-').to_owned()
}
