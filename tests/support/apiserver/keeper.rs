//! Starting servers and keeping them for as long as a test process holds them.
//!
//! Every folder of clusters has a keeper (the script `keep`) and a pipe, `alive`. Whoever holds the pipe open keeps the
//! servers running; the system closes it with the process, so nothing a test does or suffers leaves a server behind.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::ErrorKind,
    net::TcpListener,
    os::unix::{fs::DirBuilderExt, fs::OpenOptionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use rustix::{
    fs::OFlags,
    process::{Pid, Signal, getuid, kill_process},
};

use super::{Client, eventually, kubeconfig, pki};

/// From nothing to ready takes 5 s; on a machine busy with compiling it may be many times that.
const READY: Duration = Duration::from_secs(150);
/// How long shared servers outlive their last holder, in seconds: test runners start a process for each test.
const GRACE: u32 = 20;

/// A folder of running clusters, held.
pub struct Held {
    dir: PathBuf,
    alive: Option<File>,
    keeper: Option<Child>, // of clusters of one's own
}

impl Held {
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn is_own(&self) -> bool {
        self.keeper.is_some()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.alive = None;
        if let Some(keeper) = &mut self.keeper {
            let _ = keeper.wait();
        }
    }
}

/// Clusters that start together.
pub struct Set<'a> {
    /// The folder with kube-apiserver and etcd.
    pub assets: &'a Path,
    /// A cluster for each name.
    pub names: &'a [&'a str],
    /// Writes the command lines of more servers into a cluster's folder.
    pub more: &'a dyn Fn(&Path),
}

impl<'a> Set<'a> {
    /// Clusters of an API server each, and nothing else.
    pub fn plain(assets: &'a Path, names: &'a [&'a str]) -> Self {
        Self { assets, names, more: &|_| () }
    }
}

/// Starts clusters that end when the value is dropped.
pub fn own(set: &Set<'_>) -> Arc<Held> {
    let (mut held, keeper) = start(&base(), set, 0);
    held.keeper = Some(keeper);
    Arc::new(held)
}

/// The clusters of that name that all test processes share: those that run, or else new ones.
pub fn shared(name: &'static str, set: &Set<'_>) -> Arc<Held> {
    static SHARED: Mutex<BTreeMap<&str, Arc<Held>>> = Mutex::new(BTreeMap::new());
    let mut shared = SHARED.lock().unwrap();
    let found = shared.entry(name).or_insert_with(|| {
        let base = base();
        // Held until the servers are ready: the other processes wait here meanwhile.
        let lock = File::create(base.join(format!("lock-{name}"))).unwrap();
        lock.lock().unwrap();
        let current = base.join(format!("current-{name}"));
        let running = fs::read_to_string(&current).ok().and_then(|dir| {
            let alive = hold(Path::new(&dir)).ok()?;
            Some(Held { dir: dir.into(), alive: Some(alive), keeper: None })
        });
        Arc::new(running.unwrap_or_else(|| {
            let (held, _) = start(&base, set, GRACE);
            fs::write(&current, held.dir.to_str().unwrap()).unwrap();
            held
        }))
    });
    found.clone()
}

/// Where folders of clusters are made: what `./test` names, or a folder of this user that outlasts the process.
fn base() -> PathBuf {
    let base = std::env::var_os("RUNBOOK_TEST_CLUSTERS").map_or_else(
        || std::env::temp_dir().join(format!("runbook-test-clusters-{}", getuid().as_raw())),
        PathBuf::from,
    );
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&base).unwrap();
    base
}

/// Holds the clusters of a folder, if they run.
fn hold(dir: &Path) -> std::io::Result<File> {
    let pipe = dir.join("alive");
    let nonblock = OFlags::NONBLOCK.bits().cast_signed();
    // Fails where no keeper reads the pipe.
    let held = File::options().write(true).custom_flags(nonblock).open(&pipe)?;
    // The keeper takes the name away before it looks for holders a last time.
    fs::metadata(&pipe)?;
    Ok(held)
}

fn start(base: &Path, set: &Set<'_>, grace: u32) -> (Held, Child) {
    let names = set.names;
    let dir = tempfile::Builder::new().prefix("clusters-").tempdir_in(base).unwrap().keep();
    for (i, name) in names.iter().enumerate() {
        prepare(&dir.join(name), set.assets, name, &format!("10.{}.0", 96 + i));
    }
    let read = |name: &str, file: &str| fs::read_to_string(dir.join(name).join(file)).unwrap();
    let parts: Vec<_> =
        names.iter().map(|n| (*n, ["url", "ca.crt", "admin.crt", "admin.key"].map(|f| read(n, f)))).collect();
    let entries = || {
        parts
            .iter()
            .map(|(name, [url, ca, cert, key])| kubeconfig::Entry { name, url, ca, cert, key })
            .collect::<Vec<_>>()
    };
    kubeconfig::write(&dir.join("kubeconfig"), &entries());
    for e in entries() {
        let folder = dir.join(e.name);
        kubeconfig::write(&folder.join("kubeconfig"), &[e]);
        (set.more)(&folder);
    }

    let pipe = dir.join("alive");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success(), "mkfifo {}", pipe.display());
    // Open at both ends, and before the keeper starts, so that it has a holder from its first moment on.
    let first = File::options().read(true).write(true).open(&pipe).unwrap();
    let log = File::create(dir.join("keeper.log")).unwrap();
    let keeper = Command::new("bash")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/apiserver/keep"))
        .arg(&dir)
        .arg(grace.to_string())
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .process_group(0) // a Ctrl-C is for the test, whose end ends the servers
        .spawn()
        .unwrap();
    for name in names {
        await_ready(&dir.join(name), &Client::new(&dir.join(name)));
    }
    // Held for writing only, so that others see whether the keeper still reads.
    let alive = hold(&dir).unwrap_or_else(|e| panic!("the keeper of {} ended: {e}", dir.display()));
    drop(first);
    (Held { dir, alive: Some(alive), keeper: None }, keeper)
}

/// Certificates, ports and command lines of one cluster.
fn prepare(dir: &Path, assets: &Path, name: &str, service: &str) {
    fs::create_dir(dir).unwrap();
    pki::Ca::create(dir, &format!("{service}.1"));
    // Bound together, so that they differ; let go before the servers take them.
    let free = [(); 3].map(|()| listener());
    let [port, client, peer] = free.each_ref().map(|l| l.local_addr().unwrap().port());
    let url = format!("https://127.0.0.1:{port}");
    fs::write(dir.join("url"), &url).unwrap();
    let path = |file: &str| dir.join(file).to_str().unwrap().to_owned();
    let (client, peer) = (format!("http://127.0.0.1:{client}"), format!("http://127.0.0.1:{peer}"));
    let etcd = [
        ("name", name.to_owned()),
        ("data-dir", path("etcd")),
        ("unsafe-no-fsync", "true".to_owned()), // a machine that goes down takes the test with it
        ("log-level", "warn".to_owned()),
        ("listen-client-urls", client.clone()),
        ("advertise-client-urls", client.clone()),
        ("listen-peer-urls", peer.clone()),
        ("initial-advertise-peer-urls", peer.clone()),
        ("initial-cluster", format!("{name}={peer}")),
    ];
    serve(dir, "etcd", &[], &assets.join("etcd"), &etcd);
    let apiserver = [
        ("bind-address", "127.0.0.1".to_owned()),
        ("advertise-address", "127.0.0.1".to_owned()),
        // It would publish the advertised address as an endpoint, and loopback is not allowed there.
        ("endpoint-reconciler-type", "none".to_owned()),
        ("secure-port", port.to_string()),
        ("etcd-servers", client),
        ("cert-dir", path("")),
        ("tls-cert-file", path("apiserver.crt")),
        ("tls-private-key-file", path("apiserver.key")),
        ("client-ca-file", path("ca.crt")),
        ("service-account-issuer", "https://kubernetes.default.svc".to_owned()),
        ("service-account-signing-key-file", path("sa.key")),
        ("service-account-key-file", path("sa.pub")),
        ("service-cluster-ip-range", format!("{service}.0/24")),
        ("authorization-mode", "Node,RBAC".to_owned()),
        ("allow-privileged", "true".to_owned()),
    ];
    serve(dir, "apiserver", &[], &assets.join("kube-apiserver"), &apiserver);
}

/// Writes the command line of a server of a cluster: more of its environment, as `NAME=value`, its program and its flags.
pub fn serve(dir: &Path, name: &str, env: &[String], program: &Path, flags: &[(&str, String)]) {
    let env = ["env".to_owned()].into_iter().chain(env.iter().cloned());
    let flags = flags.iter().map(|(flag, value)| format!("--{flag}={value}"));
    let command = env.chain([program.to_str().unwrap().to_owned()]).chain(flags);
    fs::write(dir.join(name).with_extension("args"), command.map(|part| part + "\n").collect::<String>()).unwrap();
}

/// A port that is free, below those that systems give to outgoing connections: a server that is started again finds it
/// free again.
pub fn listener() -> TcpListener {
    let port = || u16::from_ne_bytes(random_bytes()) % 16_000 + 16_000;
    (0..1000).find_map(|_| TcpListener::bind(("127.0.0.1", port())).ok()).expect("one of a thousand ports is free")
}

fn random_bytes() -> [u8; 2] {
    let mut bytes = [0; 2];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

fn await_ready(dir: &Path, client: &Client) {
    if eventually(READY, || client.ready().then_some(())).is_none() {
        let log = |file: &str| {
            let text = fs::read_to_string(dir.join(file)).unwrap_or_default();
            let mut last: Vec<_> = text.lines().rev().take(15).collect();
            last.reverse();
            format!("\n--- {file}\n{}", last.join("\n"))
        };
        panic!("{} was not ready within {READY:?}{}{}", client.url(), log("etcd.log"), log("apiserver.log"));
    }
}

/// Kills the API server of a cluster's folder and keeps it down.
pub fn stop_api(dir: &Path) {
    fs::write(dir.join("apiserver.down"), "").unwrap();
    let pid = fs::read_to_string(dir.join("apiserver.pid")).unwrap();
    let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    let url = fs::read_to_string(dir.join("url")).unwrap();
    let address = url.trim_start_matches("https://");
    let refused = || std::net::TcpStream::connect(address).err().filter(|e| e.kind() == ErrorKind::ConnectionRefused);
    assert!(eventually(Duration::from_secs(10), refused).is_some(), "{url} still answers after its server was killed");
}

/// Lets the API server of a cluster's folder come up again.
pub fn start_api(dir: &Path, client: &Client) {
    fs::remove_file(dir.join("apiserver.down")).unwrap();
    await_ready(dir, client);
}
