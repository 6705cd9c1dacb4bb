use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};

use super::{
    Cluster, ClusterError, Inner, Patience, Resource,
    error::What,
    wire::{Call, encode},
};
use crate::{model::ObjectRef, object::path::text};

/// At most so much of a log or an answer is read.
const MOST: usize = 1024 * 1024;

/// Which part of a container's log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// The container; none: the pod's only one.
    pub container: Option<String>,
    /// The last so many lines.
    pub tail: Option<u32>,
    /// The last so many seconds.
    pub since: Option<u64>,
    /// Of the container before its last restart.
    pub previous: bool,
}

/// Whether this account may do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// Whether it may.
    pub allowed: bool,
    /// What the authorizer says about it; often nothing.
    pub reason: String,
}

/// What is asked for in an access review.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// `get`, `patch`, `create` …
    pub verb: String,
    /// The namespace; none: all, or cluster-scoped.
    pub namespace: Option<String>,
    /// One object; none: any.
    pub name: Option<String>,
    /// `scale`, `exec`, `log` …
    pub subresource: Option<String>,
}

/// What a service or pod answered through the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxied {
    /// Its status code.
    pub status: u16,
    /// Its headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Its body as text, the first MiB.
    pub body: String,
}

impl Cluster {
    /// The log of one container of a pod; the first MiB of what was asked for.
    ///
    /// # Errors
    /// `NotFound`, `Rejected` while the container has not started, or what the server says.
    pub fn logs(&self, pod: &ObjectRef, options: &LogOptions, patience: &Patience) -> Result<String, ClusterError> {
        let (inner, pod, options) = (self.inner.clone(), pod.clone(), options.clone());
        self.wait(patience, &format!("logs of {pod}"), async move {
            let resource = inner.resolve(&pod).await?;
            let path = format!("{}/log", resource.path(pod.namespace.as_deref(), Some(&pod.name)));
            let mut call = Call::get(path, What::of("logs of", &pod, &resource)).query("limitBytes", MOST.to_string());
            if let Some(container) = options.container {
                call = call.query("container", container);
            }
            if let Some(tail) = options.tail {
                call = call.query("tailLines", tail.to_string());
            }
            if let Some(since) = options.since {
                call = call.query("sinceSeconds", since.max(1).to_string());
            }
            if options.previous {
                call = call.query("previous", "true");
            }
            // a text, whatever is asked for; an error is JSON
            call.accept = "*/*";
            let bytes = inner.bytes(call).await?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        })
    }

    /// Whether this account may do it, as the server's authorizer says.
    ///
    /// # Errors
    /// What the server says.
    pub fn may(&self, resource: &Resource, wish: &Wish, patience: &Patience) -> Result<Permission, ClusterError> {
        let (inner, resource, wish) = (self.inner.clone(), resource.clone(), wish.clone());
        let what = format!("ask whether {} of {} is permitted", wish.verb, resource.kind);
        self.wait(patience, &what, async move { inner.may(&resource, &wish).await })
    }

    /// Who this account is to the server, with its groups.
    ///
    /// # Errors
    /// What the server says.
    pub fn account(&self, patience: &Patience) -> Result<String, ClusterError> {
        let inner = self.inner.clone();
        let what = "ask which account this is";
        self.wait(patience, what, async move {
            let what = What { text: what.into(), kind: "SelfSubjectReview".into(), namespace: None };
            let mut call = Call::get("/apis/authentication.k8s.io/v1/selfsubjectreviews", what);
            call.method = Method::POST;
            let body = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview" });
            call.body = Some(("application/json", body.to_string().into_bytes()));
            let answer = inner.call(call).await?;
            let user = &answer["status"]["userInfo"];
            let groups: Vec<&str> = user["groups"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let groups = if groups.is_empty() { String::new() } else { format!(" ({})", groups.join(", ")) };
            Ok(format!("{}{groups}", text(user, "username").unwrap_or("nobody")))
        })
    }

    /// Asks a service or pod through the API server: `GET` of a path with its query. Any answer of it counts, whatever its
    /// code; only one of the API server itself is an error.
    ///
    /// # Errors
    /// `NotFound`, `Unreachable` where nothing stands behind the service, or what the API server says.
    pub fn proxy(
        &self,
        reference: &ObjectRef,
        scheme: Option<&str>,
        port: Option<&str>,
        path: &str,
        patience: &Patience,
    ) -> Result<Proxied, ClusterError> {
        let (inner, reference) = (self.inner.clone(), reference.clone());
        let name = match (scheme, port) {
            (Some(scheme), port) => format!("{scheme}:{}:{}", reference.name, port.unwrap_or_default()),
            (None, Some(port)) => format!("{}:{port}", reference.name),
            (None, None) => reference.name.clone(),
        };
        let path = path.trim_start_matches('/').to_owned();
        self.wait(patience, &format!("GET /{path} of {reference}"), async move {
            let resource = inner.resolve(&reference).await?;
            let base = resource.path(reference.namespace.as_deref(), None);
            let mut what = What::of("GET", &reference, &resource);
            what.text = format!("GET /{path} of {reference}");
            let mut call = Call::get(format!("{base}/{}/proxy/{path}", encode(&name)), what);
            call.accept = "*/*";
            let (head, bytes) = match inner.answer(call, MOST).await {
                Ok(answer) => answer,
                // a service whose endpoints were never made is there all the same, and has none
                Err(error @ ClusterError::NotFound { .. }) => match inner.get(&reference).await? {
                    Some(_) => {
                        let body = format!("no endpoints available for {reference}");
                        return Ok(Proxied { status: 503, headers: BTreeMap::new(), body });
                    }
                    None => return Err(error),
                },
                Err(error) => return Err(error),
            };
            let headers = head.headers.iter().filter_map(|(name, value)| {
                Some((name.as_str().to_ascii_lowercase(), value.to_str().ok()?.to_owned()))
            });
            Ok(Proxied {
                status: head.status.as_u16(),
                headers: headers.collect(),
                body: String::from_utf8_lossy(&bytes).into_owned(),
            })
        })
    }
}

impl Inner {
    pub(super) async fn may(&self, resource: &Resource, wish: &Wish) -> Result<Permission, ClusterError> {
        let body = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": { "resourceAttributes": {
                "verb": wish.verb, "group": resource.group, "version": resource.version, "resource": resource.plural,
                "namespace": wish.namespace, "name": wish.name, "subresource": wish.subresource,
            } },
        });
        let text_of = format!("ask whether {} of {} is permitted", wish.verb, resource.kind);
        let what = What { text: text_of, kind: "SelfSubjectAccessReview".into(), namespace: None };
        let mut call = Call::get("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", what);
        call.method = Method::POST;
        call.body = Some(("application/json", body.to_string().into_bytes()));
        let answer = self.call(call).await?;
        let said = ["status.reason", "status.evaluationError"];
        let reason = said.iter().filter_map(|path| text(&answer, path)).find(|reason| !reason.is_empty());
        Ok(Permission {
            allowed: answer["status"]["allowed"] == Value::Bool(true),
            reason: reason.unwrap_or_default().to_owned(),
        })
    }
}
