//! Machines that share a cluster: each with a state folder of its own.

use std::{
    fs,
    path::Path,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use http_body_util::BodyExt as _;
use jiff::Timestamp;
use runbook::{
    cluster::{Cluster, ClusterEvidence, ClusterLock, KubeconfigSource, Seat, Timing},
    event::{Event, Head, Held, Holder, Lock as _, LockError, Log, Settings, Store as _},
    journal::{FileLock, FileStore, folder},
    model::{Digest, RunId, Target},
    redact::Scrubber,
    sandbox::{Options, Sandbox},
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tower::{BoxError, ServiceExt as _};

use crate::apiserver;

/// One worker for the clients of all tests here, as a program has one.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());

/// Leases that are over soon, so that no test waits long.
pub const QUICK: Timing = Timing { renew: Duration::from_millis(100), lasts: Duration::from_secs(2) };

/// An embedded cluster that can be cut off.
pub struct Cut {
    pub sandbox: Sandbox,
    away: Arc<AtomicBool>,
    asked: Arc<AtomicU32>,
}

impl Cut {
    pub fn new() -> Self {
        let sandbox = Sandbox::in_memory(Options { runtime: Some(RUNTIME.handle().clone()), ..Options::default() });
        Self { sandbox: sandbox.unwrap(), away: Arc::default(), asked: Arc::default() }
    }

    /// A client of its own, as each machine has one.
    pub fn cluster(&self) -> Cluster {
        let (sandbox, away, asked) = (self.sandbox.clone(), self.away.clone(), self.asked.clone());
        let service = tower::service_fn(move |request| {
            let (service, away) = (sandbox.service(), away.clone());
            asked.fetch_add(1, Ordering::SeqCst);
            async move {
                if away.load(Ordering::SeqCst) {
                    return Err("client error (Connect): it is away".into());
                }
                service.oneshot(request).await.map_err(BoxError::from)
            }
        });
        Cluster::service(RUNTIME.handle(), service, "sandbox")
    }

    /// How many requests clients have made.
    pub fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }

    pub fn goes_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// What it answers a request.
    pub fn ask(&self, method: &str, path: &str) -> (u16, Value) {
        let service = self.sandbox.service();
        let request = http::Request::builder().method(method).uri(path);
        let request = request.body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap();
        RUNTIME.block_on(async move {
            let answer = service.oneshot(request).await.unwrap();
            let code = answer.status().as_u16();
            let bytes = answer.into_body().collect().await.unwrap().to_bytes();
            (code, serde_json::from_slice(&bytes).unwrap_or_default())
        })
    }

    /// The names of what runs keep there.
    pub fn names(&self, sort: &str) -> Vec<String> {
        let group = if sort == "leases" { "/apis/coordination.k8s.io/v1" } else { "/api/v1" };
        let (_, list) = self.ask("GET", &format!("{group}/namespaces/runbook-system/{sort}"));
        let items = list["items"].as_array().cloned().unwrap_or_default();
        let names = items.iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned());
        names.filter(|name| name != "kube-root-ca.crt").collect()
    }

    pub fn delete(&self, sort: &str, name: &str) {
        let group = if sort == "leases" { "/apis/coordination.k8s.io/v1" } else { "/api/v1" };
        let (code, answer) = self.ask("DELETE", &format!("{group}/namespaces/runbook-system/{sort}/{name}"));
        assert_eq!(code, 200, "{answer}");
    }
}

/// The sandbox, served to other processes with the kubeconfig that leads there.
pub fn serve(sandbox: &Sandbox, kubeconfig: &Path) -> runbook::sandbox::Served {
    let served = RUNTIME.block_on(sandbox.serve()).unwrap();
    let config = serde_json::json!({ "apiVersion": "v1", "kind": "Config",
        "clusters": [{ "name": "it", "cluster": { "server": served.url() } }], "users": [{ "name": "it", "user": {} }],
        "contexts": [{ "name": "it", "context": { "cluster": "it", "user": "it" } }] });
    fs::write(kubeconfig, config.to_string()).unwrap();
    served
}

/// A client of the cluster that a kubeconfig leads to.
pub fn reached(kubeconfig: &Path, context: &str) -> Cluster {
    Cluster::connect(RUNTIME.handle(), &KubeconfigSource::file(kubeconfig), context).unwrap()
}

pub fn real(server: &apiserver::Cluster) -> Cluster {
    reached(&server.kubeconfig(), server.name())
}

/// A machine with its state folder.
pub struct Machine {
    pub host: String,
    pub dir: TempDir,
    pub store: Arc<FileStore>,
    pub lock: ClusterLock,
    pub evidence: ClusterEvidence,
    seat: Seat,
}

impl Machine {
    pub fn new(host: &str, cluster: &Cluster) -> Self {
        Self::of(host, cluster, tempfile::tempdir().unwrap())
    }

    fn of(host: &str, cluster: &Cluster, dir: TempDir) -> Self {
        let store = Arc::new(FileStore::new(dir.path(), Scrubber::new()));
        let seat = Seat { host: host.into(), folder: folder(dir.path(), host).unwrap() };
        let cluster = cluster.clone();
        let reach: runbook::cluster::Reach = Arc::new(move || Ok(cluster.clone()));
        let local = Arc::new(FileLock::new(dir.path()));
        let lock = ClusterLock::new(reach.clone(), local, store.clone(), seat.clone()).timed(QUICK);
        Self { host: host.into(), dir, store, lock, evidence: ClusterEvidence::new(reach), seat }
    }

    /// The same machine, where nothing waits for a lease to be over.
    pub fn patient(self) -> Self {
        Self { lock: self.lock.timed(Timing::default()), ..self }
    }

    /// Another machine with a copy of this one's state folder.
    pub fn copied_to(&self, host: &str, cluster: &Cluster) -> Self {
        let dir = tempfile::tempdir().unwrap();
        copy(self.dir.path(), dir.path());
        Self::of(host, cluster, dir)
    }

    pub fn holder(&self, run: &str) -> Holder {
        Holder {
            run: RunId::new(run),
            context: "main".into(),
            since: Timestamp::now(),
            pid: std::process::id(),
            host: self.host.clone(),
            account: Some("kim".into()),
            folder: Some(self.seat.folder.clone()),
            broke: None,
        }
    }

    /// A run that begins here.
    pub fn begins(&self, run: &str) -> Box<dyn Log> {
        let mut log = self.store.create(&RunId::new(run), b"{}").unwrap();
        log.append(&opened(run)).unwrap();
        log
    }

    pub fn take(&self, place: &str, run: &str) -> Result<Box<dyn Held>, LockError> {
        self.lock.take(place, &self.holder(run))
    }

    pub fn seize(&self, place: &str, run: &str, reason: &str) -> (Box<dyn Held>, Vec<String>) {
        let holder = Holder { broke: Some(reason.into()), ..self.holder(run) };
        let (held, broken) = self.lock.seize(place, &holder).unwrap();
        (held, broken.into_iter().map(|holder| holder.run.to_string()).collect())
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

pub fn opened(run: &str) -> Event {
    Event::Opened {
        run: RunId::new(run),
        playbook: "deploy-app.rhai".into(),
        origin: None,
        config: None,
        title: "Deploy".into(),
        target: Target { name: "staging".into(), tier: "staging".into(), sandbox: false },
        bundle: Digest::of("bundle"),
        started: Timestamp::now(),
        program: "0.1.0".into(),
        settings: Settings::default(),
        by: Some("kim".into()),
    }
}

/// Writes one more line, and says how far the journal is then.
pub fn goes_on(log: &mut dyn Log, text: &str) -> Head {
    log.append(&Event::Noted { text: text.into(), step: None, via: "note".into() }).unwrap();
    log.sync().unwrap();
    log.head()
}
