//! One Kubernetes API: client, identity, discovery, server-side apply, list and watch. kube only here.
//! The same client talks to a real cluster and, through a tower service, to the sandbox.
//! All calls are blocking for the caller: they run on the one-worker runtime of the `Runbook`, until the answer, the
//! deadline or the cancel of their [`Patience`]. Nothing is retried here but watches: what to make of an unreachable
//! server is the caller's decision.

mod ask;
mod behind;
mod blocking;
mod contents;
mod discovery;
mod error;
mod exec;
mod identity;
mod kubeconfig;
mod many;
mod patch;
mod places;
mod proxy;
mod read;
mod survey;
mod watch;
mod wire;
mod write;

#[cfg(test)]
mod sandbox_tests;
#[cfg(test)]
mod scripted;
#[cfg(test)]
mod tests;

pub use ask::{LogOptions, Permission, Wish};
pub use behind::Proxied;
pub use blocking::Patience;
pub use discovery::Resource;
pub use error::{Cause, ClusterError};
pub use exec::Executed;
pub use kubeconfig::KubeconfigSource;
pub use many::{Patched, Place};
pub use patch::{Evicted, PatchKind};
pub use places::{ClusterEvidence, ClusterLock, NAMESPACE, Reach, Seat, Timing};
pub use read::{Listed, Selector};
pub use survey::{Followed, Survey};
pub use watch::{Watches, Woken};
pub use write::{Applied, ApplyOptions, DeleteOptions, Outcome, unchanged};

use std::{fmt, sync::Arc};

use http::{Request, Response};
use kube::client::Body;
use tokio::runtime::Handle;
use tower::{BoxError, Service};

use crate::{model::Digest, sandbox::Sandbox};
use discovery::Discovery;

/// What stands for the URL of an embedded cluster.
const EMBEDDED: &str = "sandbox";

/// One cluster. Cheap to clone; clones share the connection pool, the discovery cache and the warnings.
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

struct Inner {
    client: kube::Client,
    handle: Handle,
    server: String,
    /// Host and port of the proxy that is gone through.
    proxy: Option<String>,
    ca: Option<Digest>,
    discovery: Discovery,
    notes: wire::Notes,
}

impl Cluster {
    /// A cluster of the kubeconfig. Lazy: nothing is sent before the first call (an exec plugin of the user runs at once).
    ///
    /// # Errors
    /// [`ClusterError::Config`], where the kubeconfig has no such context or what it names cannot be used.
    pub fn connect(handle: &Handle, source: &KubeconfigSource, kube_context: &str) -> Result<Self, ClusterError> {
        let config = source.config(kube_context)?;
        let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        // a proxy's URL may hold a password
        let proxy = config.proxy_url.as_ref().and_then(|proxy| {
            Some(format!("{}:{}", proxy.host()?, proxy.port_u16().map_or_else(String::new, |port| port.to_string())))
        });
        let ca = config
            .root_cert
            .as_ref()
            .filter(|certificates| !certificates.is_empty())
            .map(|certificates| Digest::of_parts(certificates.iter().map(Vec::as_slice)));
        let plugin = config.auth_info.exec.as_ref().and_then(|exec| exec.command.clone());
        // the client's buffer is a task of the runtime
        let _entered = handle.enter();
        let client = kube::Client::try_from(config)
            .map_err(|error| kubeconfig::unusable(kube_context, plugin.as_deref(), &error))?;
        Ok(Self::of(handle, client, server, ca, proxy))
    }

    /// A cluster behind a tower service: the sandbox, or a scripted server in tests.
    pub fn service<S, B>(handle: &Handle, service: S, server: impl Into<String>) -> Self
    where
        S: Service<Request<Body>, Response = Response<B>> + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
        B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let _entered = handle.enter();
        Self::of(handle, kube::Client::new(service, "default"), server.into(), None, None)
    }

    /// The embedded cluster.
    pub fn sandbox(handle: &Handle, sandbox: &Sandbox) -> Self {
        Self::service(handle, sandbox.service(), EMBEDDED)
    }

    fn of(handle: &Handle, client: kube::Client, server: String, ca: Option<Digest>, proxy: Option<String>) -> Self {
        let inner = Inner {
            client,
            handle: handle.clone(),
            server,
            proxy,
            ca,
            discovery: Discovery::default(),
            notes: wire::Notes::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The server's URL; `sandbox` for an embedded one.
    pub fn server(&self) -> &str {
        &self.inner.server
    }

    /// Where it is asked for, in words: the server's URL, and the proxy that is gone through.
    pub fn asked_at(&self) -> String {
        match &self.inner.proxy {
            Some(proxy) => {
                format!(
                    "{}, through the proxy {} (proxy-url of the kubeconfig, or HTTPS_PROXY)",
                    self.inner.server,
                    proxy.trim_end_matches(':')
                )
            }
            None => self.inner.server.clone(),
        }
    }

    /// The server's warnings (deprecated APIs and the like) since the last call, each once, in order.
    pub fn take_warnings(&self) -> Vec<String> {
        self.inner.notes.take_warnings()
    }

    /// How far this machine's clock is ahead of the server's (negative: behind), by its last answer; whole seconds.
    pub fn clock_skew(&self) -> Option<jiff::SignedDuration> {
        self.inner.notes.clock_skew()
    }

    /// What the time is by the server's clock: the `Date` of its last answer and what has passed since, so it is up to a
    /// second behind. None before the first answer, and for the embedded cluster, whose clock is this machine's.
    /// What crosses processes (soak, max-age, expiry, a Lease) is compared by it.
    pub fn server_now(&self) -> Option<jiff::Timestamp> {
        self.inner.notes.server_now()
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("server", &self.inner.server).finish_non_exhaustive()
    }
}
