use http::Method;
use serde_json::{Value, json};

use super::{Cluster, ClusterError, Inner, Patience, Resource, error::What, wire::Call};
use crate::{model::ObjectRef, object::path::text};

/// At most so much of a log is read.
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
