use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
};

use super::{Error, ErrorKind, Runbook};
use crate::{
    cluster::KubeconfigSource,
    effect::Module,
    event::{Clock, Folder, Gates, Lock, Store, WallClock},
    journal::{FileLock, FileStore},
    model::{GateClass, RunId},
    redact::Scrubber,
    run::Crew,
    sandbox::Kept,
};

/// What all runs of a program share.
pub(crate) struct Inner {
    pub store: Arc<dyn Store>,
    pub lock: Arc<dyn Lock>,
    pub clock: Arc<dyn Clock>,
    pub gates: Vec<(GateClass, Arc<dyn Gates>)>,
    pub scrubber: Scrubber,
    pub state: PathBuf,
    pub config: Option<PathBuf>,
    pub kubeconfig: Option<PathBuf>,
    pub environment: Vec<(OsString, OsString)>,
    pub account: Option<String>,
    pub host: String,
    pub modules: Vec<Module>,
    runtime: OnceLock<Result<tokio::runtime::Runtime, String>>,
    sandboxes: Mutex<Vec<(PathBuf, Weak<Kept>)>>,
}

impl Inner {
    /// The one lazy runtime, with one worker; never the caller's.
    pub(crate) fn runtime(&self) -> Result<tokio::runtime::Handle, String> {
        let made = self.runtime.get_or_init(|| {
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .thread_name("runbook-io")
                .enable_all()
                .build()
                .map_err(|error| format!("no runtime could be started: {error}"))
        });
        made.as_ref().map(|runtime| runtime.handle().clone()).map_err(Clone::clone)
    }

    /// The sandbox in a folder, taken by `hold` unless this process holds it.
    pub(super) fn held<E>(&self, folder: &Path, hold: impl FnOnce() -> Result<Kept, E>) -> Result<Arc<Kept>, E> {
        let mut all = self.sandboxes.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(_, sandbox)| sandbox.strong_count() > 0);
        if let Some(sandbox) = all.iter().find(|(known, _)| *known == folder).and_then(|(_, weak)| weak.upgrade()) {
            return Ok(sandbox);
        }
        let sandbox = Arc::new(hold()?);
        all.push((folder.to_owned(), Arc::downgrade(&sandbox)));
        Ok(sandbox)
    }

    /// The state folder as other machines know it.
    pub fn folder(&self) -> Result<Folder, String> {
        crate::journal::folder(&self.state, &self.host).map_err(|error| format!("{}: {error}", self.state.display()))
    }

    pub fn kubeconfig(&self) -> KubeconfigSource {
        let implicit = KubeconfigSource::of;
        let variable = |name: &str| {
            self.environment
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.clone())
                .filter(|v| !v.is_empty())
        };
        match (&self.kubeconfig, variable("KUBECONFIG"), variable("HOME")) {
            (Some(path), ..) => KubeconfigSource::file(path),
            (None, Some(list), _) => {
                implicit(std::env::split_paths(&list).filter(|p| !p.as_os_str().is_empty()).collect())
            }
            (None, None, Some(home)) => implicit(vec![PathBuf::from(home).join(".kube/config")]),
            (None, None, None) => implicit(vec![]),
        }
    }

    pub fn crew(self: &Arc<Self>) -> Crew {
        let inner = self.clone();
        Crew {
            store: self.store.clone(),
            lock: self.lock.clone(),
            clock: self.clock.clone(),
            gates: self.gates.clone(),
            write_incident: Arc::new(move |run: &RunId| inner.write_incident(run)),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // a runtime may not be dropped inside another one; its tasks end in the background
        if let Some(Ok(runtime)) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Builds a [`Runbook`].
#[derive(Default)]
pub struct Builder {
    state: Option<PathBuf>,
    store: Option<Arc<dyn Store>>,
    lock: Option<Arc<dyn Lock>>,
    clock: Option<Arc<dyn Clock>>,
    gates: Vec<(GateClass, Arc<dyn Gates>)>,
    config: Option<PathBuf>,
    kubeconfig: Option<PathBuf>,
    environment: Vec<(OsString, OsString)>,
    account: Option<String>,
    host: Option<String>,
    modules: Vec<Module>,
    scrubber: Scrubber,
}

impl Builder {
    /// The state folder: runs, locks, incident records, sandboxes.
    #[must_use]
    pub fn store(mut self, folder: impl Into<PathBuf>) -> Self {
        self.state = Some(folder.into());
        self
    }

    /// Guards secrets with this scrubber, which [`Builder::runs_in`] shares: what runs read, their store does not write.
    #[must_use]
    pub fn scrubber(mut self, scrubber: Scrubber) -> Self {
        self.scrubber = scrubber;
        self
    }

    /// Keeps runs elsewhere than in files; [`Builder::store`] still says where the rest goes. A store of one's own replaces
    /// known secrets in what it writes by [`Builder::scrubber`].
    #[must_use]
    pub fn runs_in(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// Takes places elsewhere than in the state folder.
    #[must_use]
    pub fn lock(mut self, lock: Arc<dyn Lock>) -> Self {
        self.lock = Some(lock);
        self
    }

    /// Takes the time from elsewhere than the machine's clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Who decides gates up to this class. Several are asked in the order of their registration.
    #[must_use]
    pub fn gates(mut self, class: GateClass, broker: impl Gates + 'static) -> Self {
        self.gates.push((class, Arc::new(broker)));
        self
    }

    /// The `runbook.toml` in force, instead of the one found upwards from the playbook.
    #[must_use]
    pub fn config(mut self, path: impl Into<PathBuf>) -> Self {
        self.config = Some(path.into());
        self
    }

    /// The kubeconfig, instead of the one that [`Builder::environment`] names.
    #[must_use]
    pub fn kubeconfig(mut self, path: impl Into<PathBuf>) -> Self {
        self.kubeconfig = Some(path.into());
        self
    }

    /// The environment that commands get an allow-list of and `secret(…, #{ env })` reads; usually
    /// `std::env::vars_os()`. Without it there is none.
    #[must_use]
    pub fn environment(mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        self.environment = variables.into_iter().collect();
        self
    }

    /// The account that the journal keeps for what is started and decided here.
    #[must_use]
    pub fn account(mut self, account: impl Into<String>) -> Self {
        self.account = Some(account.into());
        self
    }

    /// The machine's name, for locks.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// Adds natives: functions of the program over JSON values, called from scripts as `name::function(…)`.
    #[must_use]
    pub fn module(mut self, module: Module) -> Self {
        self.modules.push(module);
        self
    }

    /// Nothing is contacted and no thread started before there is work.
    ///
    /// # Errors
    /// No state folder was named.
    pub fn build(self) -> Result<Runbook, Error> {
        let Some(state) = self.state else {
            return Err(
                Error::new(ErrorKind::Usage, "no state folder was named").hint("Runbook::builder().store(folder)")
            );
        };
        let scrubber = self.scrubber;
        // of proxies, above all
        for value in self.environment.iter().filter_map(|(_, value)| value.to_str()) {
            scrubber.learn_urls(value);
        }
        let files = Arc::new(FileStore::new(&state, scrubber.clone()));
        let inner = Inner {
            store: self.store.unwrap_or_else(|| files.clone()),
            lock: self.lock.unwrap_or_else(|| Arc::new(FileLock::new(&state))),
            clock: self.clock.unwrap_or_else(|| Arc::new(WallClock)),
            gates: self.gates,
            scrubber,
            state,
            config: self.config,
            kubeconfig: self.kubeconfig,
            environment: self.environment,
            account: self.account,
            host: self.host.unwrap_or_default(),
            modules: self.modules,
            runtime: OnceLock::new(),
            sandboxes: Mutex::default(),
        };
        Ok(Runbook { inner: Arc::new(inner) })
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("state", &self.state).finish_non_exhaustive()
    }
}

/// Writes a file that only its owner can read, in place of one that is there.
pub(super) fn own_file(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)
}

/// Sixteen random hex digits.
pub(super) fn random_id() -> String {
    let mut bytes = [0u8; 8];
    // the time before it tells two messages apart where there is no randomness
    let _ = getrandom::fill(&mut bytes);
    format!("{:016x}", u64::from_be_bytes(bytes))
}
