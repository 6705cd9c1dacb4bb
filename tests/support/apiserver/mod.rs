//! Real kube-apiserver and etcd for tests: the one place that starts servers.
//!
//! [`shared`] gives two clusters, `staging` and `main`, that all test processes of a run share: a test takes a fresh
//! namespace of its own ([`Cluster::namespace`]). A test that needs fixed names, or an API server that goes away, takes
//! clusters of its own ([`own`], [`Clusters::start`]). Where no server can be had, both say so and give nothing, and the
//! test ends there:
//!
//! ```ignore
//! let Some(clusters) = apiserver::shared() else { return };
//! ```
//!
//! The servers end with the last process that holds them, however it ends (see `keep`).

#![allow(dead_code, reason = "each test binary uses its own part of this")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code outside of test functions")]

pub mod assets;
mod client;
pub mod controllers;
mod crds;
pub mod flux;
mod keeper;
mod kubeconfig;
pub mod kubelet;
pub mod pki;
pub mod pods;
pub mod workloads;

pub use crate::not_run::or_not_run;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

pub use client::Client;
#[allow(unused_imports, reason = "each test binary uses its own part of this")]
pub use controllers::Controllers;
use keeper::{Held, Set};
use serde_json::Value;

/// The names of the two clusters that [`shared`] and [`own`] give.
pub const NAMES: [&str; 2] = ["staging", "main"];

/// Whether servers can be had: the folder with kube-apiserver and etcd, or else why not.
///
/// # Errors
/// Why there are none, and what to do.
pub fn available() -> Result<PathBuf, String> {
    assets::servers()
}

/// The two clusters that every test of a run shares, or nothing where no server can be had (which is said aloud).
pub fn shared() -> Option<Clusters> {
    let assets = or_not_run(available())?;
    Some(Clusters::of(&keeper::shared("plain", &Set::plain(&assets, &NAMES)), &NAMES))
}

/// Two clusters of the test's own, or nothing where no server can be had. They end when they are dropped.
pub fn own() -> Option<Clusters> {
    let assets = or_not_run(available())?;
    Some(Clusters::start(&assets, &NAMES))
}

/// Clusters that started together, and one kubeconfig with a context for each.
pub struct Clusters {
    clusters: Vec<Cluster>,
    kubeconfig: PathBuf,
}

impl Clusters {
    /// Starts clusters of the caller's own, one for each name; they end when the value is dropped.
    pub fn start(assets: &Path, names: &[&str]) -> Self {
        Self::of(&keeper::own(&Set::plain(assets, names)), names)
    }

    fn of(held: &Arc<Held>, names: &[&str]) -> Self {
        Self {
            clusters: names.iter().map(|n| Cluster::of(held, n)).collect(),
            kubeconfig: held.dir().join("kubeconfig"),
        }
    }

    /// The kubeconfig with all contexts, each named like its cluster; it has no current context.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The cluster of that name.
    pub fn named(&self, name: &str) -> &Cluster {
        self.clusters.iter().find(|c| c.name == name).unwrap_or_else(|| panic!("no cluster was started as {name}"))
    }

    /// The cluster `staging`.
    pub fn staging(&self) -> &Cluster {
        self.named("staging")
    }

    /// The cluster `main`.
    pub fn main(&self) -> &Cluster {
        self.named("main")
    }

    /// [`Cluster::crds`] on each of them.
    pub fn crds(&self, projects: &[&str]) -> Option<()> {
        self.iter().try_for_each(|c| c.crds(projects))
    }

    /// Each of them, in the order they were named.
    pub fn iter(&self) -> impl Iterator<Item = &Cluster> {
        self.clusters.iter()
    }
}

/// One cluster: its API server, with an administrator's client.
#[derive(Clone)]
pub struct Cluster {
    name: String,
    dir: PathBuf,
    client: Client,
    held: Arc<Held>,
}

impl Cluster {
    /// Starts one cluster of the caller's own, or nothing where no server can be had.
    pub fn start(name: &str) -> Option<Self> {
        let assets = or_not_run(available())?;
        Some(Self::of(&keeper::own(&Set::plain(&assets, &[name])), name))
    }

    fn of(held: &Arc<Held>, name: &str) -> Self {
        let dir = held.dir().join(name);
        Self { name: name.to_owned(), client: Client::new(&dir), dir, held: held.clone() }
    }

    /// The cluster's name, which is also its context's.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The API server's URL.
    pub fn url(&self) -> &str {
        self.client.url()
    }

    /// The client that acts as an administrator.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// A client that acts as another user.
    pub fn client_as(&self, user: &str, groups: &[&str]) -> Client {
        let (cert, key) = pki::Ca::read(&self.dir).client(user, groups);
        Client::of(&self.dir, &cert, &key)
    }

    /// A kubeconfig with this context alone, as an administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.dir.join("kubeconfig")
    }

    /// A kubeconfig with this context alone, as another user: one without groups may do nothing until RBAC says so.
    pub fn kubeconfig_as(&self, user: &str, groups: &[&str]) -> PathBuf {
        let (cert, key) = pki::Ca::read(&self.dir).client(user, groups);
        let path = self.dir.join(format!("kubeconfig-{}", user.replace(|c: char| !c.is_ascii_alphanumeric(), "-")));
        let ca = std::fs::read_to_string(self.dir.join("ca.crt")).unwrap();
        let entry = kubeconfig::Entry { name: &self.name, url: self.url(), ca: &ca, cert: &cert, key: &key };
        kubeconfig::write(&path, &[entry]);
        path
    }

    /// A fresh namespace whose name starts with `prefix`.
    pub fn namespace(&self, prefix: &str) -> String {
        let tag: String = tempfile::Builder::new().rand_bytes(8).tempfile().unwrap().path().to_string_lossy().into();
        let tag = tag.chars().rev().take(8).filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
        let name = format!("{prefix}-{tag}");
        self.apply(&format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}}}}}"));
        name
    }

    /// Lets a user do in a namespace what these rules (of a Role, as YAML in one line) say.
    pub fn permit(&self, user: &str, namespace: &str, rules: &str) {
        self.apply(&format!(
            "apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: {user}, namespace: {namespace}}}
rules: [{rules}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: {user}, namespace: {namespace}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: {user}}}
subjects: [{{kind: User, name: {user}}}]
"
        ));
    }

    /// Lets a user find out which cluster it is.
    pub fn permit_identity(&self, user: &str) {
        self.apply(&format!(
            "apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: {user}}}
rules: [{{apiGroups: [''], resources: [namespaces], resourceNames: [kube-system], verbs: [get]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: {user}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {user}}}
subjects: [{{kind: User, name: {user}}}]
"
        ));
    }

    /// Applies every document of a YAML text server-side and gives what the server made of them.
    pub fn apply(&self, yaml: &str) -> Vec<Value> {
        self.client.apply(yaml)
    }

    /// The object that `Kind/namespace/name` or `Kind/name` names (`Kind.group/…` where a kind is in two groups), if it
    /// is there.
    pub fn get(&self, reference: &str) -> Option<Value> {
        self.client.get(reference)
    }

    /// The cluster's identity: the UID of its namespace kube-system.
    pub fn uid(&self) -> String {
        // The API server makes it by itself, a moment after it is ready.
        let ns = self.wait("Namespace/kube-system", "it exists", |_| true);
        ns["metadata"]["uid"].as_str().unwrap().to_owned()
    }

    /// Takes an object's finalizers away, so that its deletion ends; one that is gone is fine.
    pub fn let_go(&self, reference: &str) {
        self.client.merge(reference, &serde_json::json!({ "metadata": { "finalizers": null } }));
    }

    /// Waits up to 30 s for the object to be there and as wanted, and gives it. Panics with its last state.
    pub fn wait(&self, reference: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let mut last = None;
        let found = eventually(Duration::from_secs(30), || {
            last = self.get(reference);
            last.clone().filter(|o| holds(o))
        });
        found.unwrap_or_else(|| {
            panic!("{reference} on {}: not within 30 s that {what}; last seen: {last:#?}", self.name)
        })
    }

    /// Applies the published CRDs of these projects (`fluxcd`, `external-secrets`, `gateway-api`) and returns once all
    /// are established and served. Nothing, said aloud, where they cannot be had.
    pub fn crds(&self, projects: &[&str]) -> Option<()> {
        for p in projects {
            crds::ensure(&self.client, &self.dir, &or_not_run(assets::crds(p))?, p);
        }
        Some(())
    }

    /// Ends the API server at once, as a crash would; etcd and all objects stay. Only on clusters of the test's own.
    pub fn stop_api(&self) {
        assert!(self.held.is_own(), "the API servers of shared() serve other tests too: take own()");
        keeper::stop_api(&self.dir);
    }

    /// Starts the API server again after [`Cluster::stop_api`] and waits until it is ready.
    pub fn start_api(&self) {
        keeper::start_api(&self.dir, &self.client);
    }
}

/// Asks every 20 ms until there is an answer or the time is over.
pub(crate) fn eventually<T>(within: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + within;
    loop {
        if let Some(x) = ask() {
            return Some(x);
        }
        if Instant::now() > end {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
