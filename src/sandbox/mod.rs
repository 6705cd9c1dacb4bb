//! The embedded Kubernetes API in memory: a tower service over HTTP requests and JSON values; it knows no kube.
//! Discovery, CRUD, server-side apply, list and watch; controllers that move objects to ready.
//! Its state lasts from one process to the next and survives kill -9.
//!
//! A request goes from `service` through `request` (what does the path name?) to `read`, `write`, `patch`, `remove` or
//! `watch`, and from there to the one `store`; `status` words the errors, `kinds` says what is served.

mod admit;
mod apply;
mod behind;
mod control;
mod controllers;
mod defaults;
mod discovery;
mod disk;
mod fault;
mod fit;
mod holder;
mod intake;
mod kept;
mod kinds;
mod limits;
mod load;
mod meta;
mod openapi;
mod patch;
mod pods;
mod protobuf;
mod quota;
mod read;
mod remove;
mod request;
mod routes;
mod schema;
mod secrets;
mod seed;
mod selector;
mod serve;
mod service;
mod status;
mod store;
mod strategic;
mod table;
mod validate;
mod watch;
mod write;

use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use tokio::runtime::Handle;

pub use control::{Control, Front, Transport};
pub use controllers::Timing;
pub use fit::{Misfit, misfits};
pub use kept::Kept;
pub use load::{LeftOut, Loaded};
pub use pods::EXECUTED;
pub use serve::Served;
pub use service::SandboxService;

pub use crate::model::{Fault, FaultHow};

use fault::Faults;
use store::{Key, Store};

/// The body of an answer; of a watch it goes on as long as the watch does.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Why a sandbox could not be opened or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// Another process has the state open.
    #[error("the sandbox state {} is in use by {holder} (waited {} s); wait for it to end, or give this one another state folder", path.display(), waited.as_secs())]
    InUse {
        /// The file.
        path: PathBuf,
        /// Which process that is, as far as the system says it.
        holder: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The file cannot be opened or created.
    #[error("the sandbox state {} cannot be opened: {source}; check the folder's permissions and free space", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file is there and is not what a sandbox wrote.
    #[error("the sandbox state {} cannot be read: {why}; it holds no real cluster's data: remove the file to start afresh", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A change could not be kept, and was not made.
    #[error("the sandbox state {} cannot be written: {why}; nothing was changed; check free space", path.display())]
    NotWritten {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        why: String,
    },
    /// What the sandbox starts with could not be laid down.
    #[error("the sandbox could not be set up: {why}")]
    NotSetUp {
        /// What went wrong.
        why: String,
    },
}

/// How a sandbox behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long controllers take.
    pub timing: Timing,
    /// Objects that do not become ready.
    pub faults: Vec<Fault>,
    /// Whether a new state has what a platform brings: a secret store, a gateway.
    pub seed: bool,
    /// Whether controllers run at all; without them objects stay as they are written.
    pub controllers: bool,
    /// Where controllers run; without one they run on the runtime of the first request.
    pub runtime: Option<Handle>,
}

impl Default for Options {
    fn default() -> Self {
        Self { timing: Timing::default(), faults: Vec::new(), seed: true, controllers: true, runtime: None }
    }
}

/// One embedded cluster. A cheap handle: clones share the state.
#[derive(Debug, Clone)]
pub struct Sandbox {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Arc<Store>,
    options: Options,
    faults: Arc<Faults>,
    running: AtomicBool,
}

impl Sandbox {
    /// Opens the state in a file, or makes a new one there. One process at a time has it open; this waits a few seconds
    /// for another to leave.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self, SandboxError> {
        Self::of_file(disk::hold(path.as_ref())?, path.as_ref(), options)
    }

    /// Opens the state in a file that this process holds.
    fn of_file(file: std::fs::File, path: &Path, options: Options) -> Result<Self, SandboxError> {
        let (disk, loaded) = disk::Disk::open(file, path)?;
        Self::with(Store::new(Some(disk), Some(loaded)), options)
    }

    /// A sandbox that is gone with the process.
    pub fn in_memory(options: Options) -> Result<Self, SandboxError> {
        Self::with(Store::new(None, None), options)
    }

    fn with(store: Store, options: Options) -> Result<Self, SandboxError> {
        let faults = Arc::new(Faults::new(options.faults.clone()));
        let store = store.heeding(Arc::clone(&faults));
        let store = if options.controllers { store } else { store.without_collector() };
        let laid = faults.lifted(|| seed::lay_down(&store, options.seed));
        laid.map_err(|error| SandboxError::NotSetUp {
            why: error.body()["message"].as_str().unwrap_or_default().to_owned(),
        })?;
        let inner = Inner { store: Arc::new(store), options, faults, running: AtomicBool::new(false) };
        let sandbox = Self { inner: Arc::new(inner) };
        if let Some(runtime) = &sandbox.inner.options.runtime {
            sandbox.start_controllers(runtime);
        }
        Ok(sandbox)
    }

    /// The API as a service, for a client in this process or a server on loopback.
    pub fn service(&self) -> SandboxService {
        SandboxService::new(self.clone())
    }

    /// The cluster's identity: the UID of its `kube-system` namespace.
    pub fn uid(&self) -> String {
        let namespace = self.inner.store.get(&Key::new("namespaces", "", "kube-system"));
        namespace.map(|namespace| meta::uid(&namespace).to_owned()).unwrap_or_default()
    }

    /// Answers a request that would go through the cluster's gateway: status code and body, or `None` when no `HTTPRoute` or
    /// `Ingress` routes the host. A host may carry a port.
    pub fn answer_http(&self, method: &str, host: &str, path: &str) -> Option<(u16, String)> {
        routes::answer(&self.inner.store, method, host, path)
    }

    /// Lays objects from elsewhere into the sandbox, such as those of a live cluster's `kubectl get -o yaml`; one of the
    /// same kind and name gives way. What a server has set is kept, and so is the status until the object is changed;
    /// values of Secrets become stand-ins.
    pub fn load(&self, objects: Vec<serde_json::Value>) -> Loaded {
        load::load(&self.inner.store, objects)
    }

    /// Removes everything and begins anew: a cluster of another identity. Gives how many objects there were.
    pub fn reset(&self) -> Result<usize, SandboxError> {
        let set_up = |error: status::ApiError| SandboxError::NotSetUp {
            why: error.body()["message"].as_str().unwrap_or_default().to_owned(),
        };
        let all = self.inner.store.clear().map_err(set_up)?;
        let laid = self.inner.faults.lifted(|| seed::lay_down(&self.inner.store, self.inner.options.seed));
        laid.map_err(set_up)?;
        Ok(all)
    }

    /// Tells objects not to become ready, in place of what was told before; none brings them back to ready.
    ///
    /// # Errors
    /// The faults that would never do anything, each with the reason.
    pub fn set_faults(&self, faults: Vec<Fault>) -> Result<(), Vec<(Fault, String)>> {
        let registry = self.inner.store.registry();
        let idle: Vec<(Fault, String)> =
            faults.iter().filter_map(|fault| Some((fault.clone(), controllers::trouble(&registry, fault)?))).collect();
        if idle.is_empty() {
            self.inner.faults.set(faults);
            return Ok(());
        }
        Err(idle)
    }

    /// Starts the controllers on a runtime, unless they run already. Requests start them by themselves.
    pub fn start_controllers(&self, runtime: &Handle) {
        let options = &self.inner.options;
        if options.controllers && !self.inner.running.swap(true, Ordering::AcqRel) {
            let alive = Running(Arc::downgrade(&self.inner));
            let work =
                controllers::run(Arc::downgrade(&self.inner.store), options.timing, Arc::clone(&self.inner.faults));
            runtime.spawn(async move {
                let _alive = alive;
                work.await;
            });
        }
    }

    fn wake_controllers(&self) {
        if !self.inner.running.load(Ordering::Acquire)
            && let Ok(runtime) = Handle::try_current()
        {
            self.start_controllers(&runtime);
        }
    }

    fn store(&self) -> &Arc<Store> {
        &self.inner.store
    }
}

/// Tells the sandbox when its controllers end, with their runtime, so that the next request starts them again.
struct Running(std::sync::Weak<Inner>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(inner) = self.0.upgrade() {
            inner.running.store(false, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests;
