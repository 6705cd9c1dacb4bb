//! Plays the network that a cluster's pods are in, and what runs in them, for what an API server asks of pods itself.
//!
//! A real API server does not ask a pod on loopback. The one that is started here sends what is for its pods through a socket
//! (its egress selector), behind which the test answers at addresses of its own choice.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead as _, BufReader, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    sync::{Arc, LazyLock, Mutex},
};

use reqwest::Method;
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use serde_json::json;
use tempfile::TempDir;

use super::{
    Cluster, available,
    keeper::{self, Set},
    or_not_run,
};

/// A cluster whose pods answer as tests say.
pub struct Pods {
    cluster: Cluster,
    told: Arc<Told>,
    _folder: TempDir,
}

/// What a pod answers.
#[derive(Clone, Debug)]
pub struct Says {
    pub status: u16,
    pub headers: &'static str,
    pub body: String,
}

impl Says {
    /// This status and body.
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: "content-type: text/plain", body: body.into() }
    }

    /// Success, with this as JSON.
    pub fn json(body: &serde_json::Value) -> Self {
        Self { status: 200, headers: "content-type: application/json", body: body.to_string() }
    }
}

/// What listens at an address: a function of a request's path and query.
#[derive(Clone)]
enum Listens {
    Plain(Runs),
    Tls(Runs),
    /// It accepts and says nothing.
    Silent,
}

type Runs = Arc<dyn Fn(&str) -> Says + Send + Sync>;

struct Told {
    tls: Arc<ServerConfig>,
    listens: Mutex<BTreeMap<String, Listens>>,
    asked: Mutex<Vec<String>>,
}

impl Pods {
    /// Those of the one cluster that the tests of this process share, named `behind`; nothing where no server can be had.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: LazyLock<Option<Pods>> = LazyLock::new(|| Pods::of_a_cluster("behind"));
        SHARED.as_ref()
    }

    /// Starts a cluster.
    fn of_a_cluster(name: &str) -> Option<Self> {
        let assets = or_not_run(available())?;
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("pods");
        let listener = UnixListener::bind(&socket).unwrap();
        let egress = json!({
            "apiVersion": "apiserver.k8s.io/v1beta1", "kind": "EgressSelectorConfiguration",
            "egressSelections": [{ "name": "cluster", "connection": {
                "proxyProtocol": "HTTPConnect", "transport": { "uds": { "udsName": socket } },
            } }],
        });
        let more = |dir: &std::path::Path| {
            std::fs::write(dir.join("egress.json"), egress.to_string()).unwrap();
            let mut args = File::options().append(true).open(dir.join("apiserver.args")).unwrap();
            writeln!(args, "--egress-selector-config-file={}", dir.join("egress.json").display()).unwrap();
        };
        let cluster = Cluster::of(&keeper::own(&Set { assets: &assets, names: &[name], more: &more }), name);
        let tls = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from_pem_file(cluster.dir.join("apiserver.crt")).unwrap()],
                PrivateKeyDer::from_pem_file(cluster.dir.join("apiserver.key")).unwrap(),
            );
        let told = Told { tls: Arc::new(tls.unwrap()), listens: Mutex::default(), asked: Mutex::default() };
        let told = Arc::new(told);
        let network = told.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let told = network.clone();
                // one that goes away in the middle is no matter of the network's
                std::thread::spawn(move || connect(stream, &told).ok());
            }
        });
        Some(Self { cluster, told, _folder: folder })
    }

    /// The cluster that they are in.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Makes a pod that has no address yet, with these ports of its container (as YAML).
    pub fn make(&self, namespace: &str, name: &str, ports: &str) {
        self.cluster.apply(&format!(
            "{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: default, namespace: {namespace}}}}}
---
{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: {namespace}}},
  spec: {{nodeName: none, terminationGracePeriodSeconds: 0, containers: [{{name: main, image: main, ports: {ports}}}]}}}}"
        ));
    }

    /// Gives a pod its address; from then on it runs.
    pub fn runs(&self, namespace: &str, name: &str, ip: &str) {
        let status = json!({ "status": {
            "phase": "Running", "podIP": ip, "podIPs": [{ "ip": ip }],
            "conditions": [{ "type": "Ready", "status": "True" }],
        } });
        let path = format!("/api/v1/namespaces/{namespace}/pods/{name}/status");
        let body = status.to_string().into_bytes();
        let (code, answer) =
            self.cluster.client().send(Method::PATCH, &path, "application/strategic-merge-patch+json", body);
        assert!(code < 300, "{path}: {answer}");
    }

    /// From now on this listens at an address, `ip:port`. Elsewhere nothing does.
    pub fn at(&self, address: &str, says: impl Fn(&str) -> Says + Send + Sync + 'static) {
        self.told.listens.lock().unwrap().insert(address.into(), Listens::Plain(Arc::new(says)));
    }

    /// The same, over TLS.
    pub fn at_by_tls(&self, address: &str, says: impl Fn(&str) -> Says + Send + Sync + 'static) {
        self.told.listens.lock().unwrap().insert(address.into(), Listens::Tls(Arc::new(says)));
    }

    /// From now on what listens at an address says nothing.
    pub fn silent_at(&self, address: &str) {
        self.told.listens.lock().unwrap().insert(address.into(), Listens::Silent);
    }

    /// Every connection to a pod so far, `ip:port`, whether something listened or not.
    pub fn asked(&self) -> Vec<String> {
        self.told.asked.lock().unwrap().clone()
    }
}

/// Serves one connection of the API server: to which address, and then as that does.
fn connect(stream: UnixStream, told: &Told) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let first = head(&mut stream)?;
    let address = first.split(' ').nth(1).unwrap_or_default().to_owned();
    told.asked.lock().unwrap().push(address.clone());
    let listens = told.listens.lock().unwrap().get(&address).cloned();
    // the API server says nothing before this is answered, so nothing is left in the buffer
    let mut stream = stream.into_inner();
    let Some(listens) = listens else {
        return stream.write_all(b"HTTP/1.1 502 Connection refused\r\ncontent-length: 0\r\n\r\n");
    };
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    match listens {
        Listens::Plain(_) => answer(BufReader::new(stream), told, &address),
        Listens::Tls(_) => {
            let connection = ServerConnection::new(told.tls.clone()).map_err(std::io::Error::other)?;
            answer(BufReader::new(StreamOwned::new(connection, stream)), told, &address)
        }
        // until it is left
        Listens::Silent => stream.read_to_end(&mut vec![]).map(drop),
    }
}

/// Answers the requests of one connection, each as the address does by then.
fn answer<S: Read + Write>(mut stream: BufReader<S>, told: &Told, address: &str) -> std::io::Result<()> {
    loop {
        let first = head(&mut stream)?;
        let Some(target) = first.split(' ').nth(1) else { return Ok(()) };
        let listens = told.listens.lock().unwrap().get(address).cloned();
        let Some(Listens::Plain(says) | Listens::Tls(says)) = listens else { return Ok(()) };
        let Says { status, headers, body } = says(target);
        let answer = format!("HTTP/1.1 {status} So\r\n{headers}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.get_mut().write_all(answer.as_bytes())?;
        stream.get_mut().flush()?;
    }
}

/// Reads the head of a request that has no body; its first line, empty at the end.
fn head<S: Read>(stream: &mut BufReader<S>) -> std::io::Result<String> {
    let (mut first, mut line) = (String::new(), String::new());
    stream.read_line(&mut first)?;
    while stream.read_line(&mut line)? > 2 {
        line.clear();
    }
    Ok(first)
}
