//! Plays a kubelet behind a real API server: a Node of its own, logs of containers, and commands in them.
//!
//! The API server reaches it as it reaches a real one: over TLS at the Node's address, plain for logs, over SPDY for
//! commands (see `spdy`), whatever its client speaks. No container runs: what a command does is a function of the test's.

mod spdy;

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use reqwest::Method;
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use serde_json::json;

use super::Cluster;

/// A kubelet at work until the process ends; its Node is taken away when it is dropped.
pub struct Kubelet {
    cluster: Cluster,
    node: String,
    told: Arc<Told>,
}

/// What runs in a container when the API server asks for it.
#[derive(Clone, Debug)]
pub struct Command {
    /// `namespace/pod/container`.
    pub container: String,
    /// Its words.
    pub argv: Vec<String>,
    /// All that it was given to read; none where it has no stdin.
    pub stdin: Option<String>,
}

/// What a command does.
#[derive(Clone, Debug, Default)]
pub struct Ends {
    pub stdout: String,
    pub stderr: String,
    pub status: i32,
    /// It does not end by itself.
    pub never: bool,
}

impl Ends {
    /// Prints this and ends well.
    pub fn printing(stdout: &str) -> Self {
        Self { stdout: stdout.to_owned(), ..Self::default() }
    }
}

type Runs = Box<dyn Fn(&Command) -> Ends + Send + Sync>;

/// What a kubelet was told, and what was asked of it.
#[derive(Default)]
struct Told {
    logs: Mutex<BTreeMap<String, String>>,
    runs: Mutex<Option<Runs>>,
    ran: Mutex<Vec<Command>>,
    asked: Mutex<Vec<String>>,
    left: Mutex<usize>,
}

impl Kubelet {
    /// Starts one, and makes its Node.
    pub fn play(cluster: &Cluster) -> Self {
        let tls = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from_pem_file(cluster.dir.join("apiserver.crt")).unwrap()],
                PrivateKeyDer::from_pem_file(cluster.dir.join("apiserver.key")).unwrap(),
            );
        let (tls, told) = (Arc::new(tls.unwrap()), Arc::<Told>::default());
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let kubelet = Self { cluster: cluster.clone(), node: format!("node-{port}"), told: told.clone() };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (tls, told) = (tls.clone(), told.clone());
                // one that goes away in the middle is no matter of the kubelet's
                std::thread::spawn(move || answer(stream, tls, &told).ok());
            }
        });
        cluster.apply(&format!("{{apiVersion: v1, kind: Node, metadata: {{name: {}}}}}", kubelet.node));
        let status = json!({ "status": {
            "addresses": [{ "type": "InternalIP", "address": "127.0.0.1" }],
            "daemonEndpoints": { "kubeletEndpoint": { "Port": port } },
            "conditions": [{ "type": "Ready", "status": "True", "reason": "KubeletReady" }],
        } });
        kubelet.patch(&format!("/api/v1/nodes/{}/status", kubelet.node), &status);
        kubelet
    }

    /// The name of its Node.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Makes a Pod on its Node that runs, with one container, `main`, and these labels (as YAML in one line).
    pub fn pod(&self, namespace: &str, name: &str, labels: &str) {
        self.cluster.apply(&format!(
            "{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: default, namespace: {namespace}}}}}
---
{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: {namespace}, labels: {labels}}},
  spec: {{nodeName: {}, terminationGracePeriodSeconds: 0, containers: [{{name: main, image: main}}]}}}}",
            self.node
        ));
        let status = json!({ "status": {
            "phase": "Running",
            "conditions": [{ "type": "Ready", "status": "True" }],
            "containerStatuses": [{ "name": "main", "image": "main", "imageID": "main", "ready": true, "restartCount": 0,
                "state": { "running": { "startedAt": "2026-01-01T00:00:00Z" } } }],
        } });
        self.patch(&format!("/api/v1/namespaces/{namespace}/pods/{name}/status"), &status);
    }

    /// From now on this is the log of a container, `namespace/pod/container`; one that was restarted has another under
    /// `namespace/pod/container:previous`.
    pub fn log(&self, container: &str, text: &str) {
        self.told.logs.lock().unwrap().insert(container.to_owned(), text.to_owned());
    }

    /// What commands do from now on.
    pub fn runs(&self, does: impl Fn(&Command) -> Ends + Send + Sync + 'static) {
        *self.told.runs.lock().unwrap() = Some(Box::new(does));
    }

    /// The commands that were run, in order.
    pub fn ran(&self) -> Vec<Command> {
        self.told.ran.lock().unwrap().clone()
    }

    /// Path and query of each request.
    pub fn asked(&self) -> Vec<String> {
        self.told.asked.lock().unwrap().clone()
    }

    /// How many commands were left by whoever had started them before they ended.
    pub fn left(&self) -> usize {
        *self.told.left.lock().unwrap()
    }

    fn patch(&self, path: &str, change: &serde_json::Value) {
        let body = change.to_string().into_bytes();
        let (code, answer) =
            self.cluster.client().send(Method::PATCH, path, "application/strategic-merge-patch+json", body);
        assert!(code < 300, "{path}: {answer}");
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.cluster.client().delete(&format!("Node/{}", self.node));
        }
    }
}

type Stream = BufReader<StreamOwned<ServerConnection, TcpStream>>;

/// Serves the requests of one connection.
fn answer(stream: TcpStream, tls: Arc<ServerConfig>, told: &Told) -> std::io::Result<()> {
    let connection = ServerConnection::new(tls).map_err(std::io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(connection, stream));
    loop {
        let mut first = String::new();
        if stream.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let (mut line, mut length) = (String::new(), 0);
        while stream.read_line(&mut line)? > 2 {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            line.clear();
        }
        stream.read_exact(&mut vec![0; length])?;
        let target = first.split(' ').nth(1).unwrap_or_default().to_owned();
        told.asked.lock().unwrap().push(target.clone());
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let query: Vec<(String, String)> =
            query.split('&').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (decoded(k), decoded(v))).collect();
        let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        if let Some(container) = path.strip_prefix("/containerLogs/") {
            let previous = if value("previous") == Some("true") { ":previous" } else { "" };
            let log = told.logs.lock().unwrap().get(&format!("{container}{previous}")).cloned();
            let tail = value("tailLines").and_then(|tail| tail.parse().ok());
            let body = log.map(|log| last(&log, tail));
            plain(&mut stream, body.as_deref())?;
        } else if let Some(container) = path.strip_prefix("/exec/") {
            let argv = query.iter().filter(|(key, _)| key == "command").map(|(_, word)| word.clone()).collect();
            let mut command = Command { container: container.to_owned(), argv, stdin: None };
            spdy::serve(&mut stream, value("input") == Some("1"), |stdin| {
                command.stdin = stdin;
                told.ran.lock().unwrap().push(command.clone());
                let runs = told.runs.lock().unwrap();
                runs.as_ref().map_or_else(Ends::default, |runs| runs(&command))
            })
            .inspect_err(|_| *told.left.lock().unwrap() += 1)?;
            return Ok(());
        } else {
            plain(&mut stream, None)?;
        }
    }
}

fn plain(stream: &mut Stream, body: Option<&str>) -> std::io::Result<()> {
    let (code, body) = body.map_or(("404 Not Found", "no such container"), |body| ("200 OK", body));
    let stream = stream.get_mut();
    let head = format!("HTTP/1.1 {code}\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    stream.flush()
}

/// The last lines of a log.
fn last(log: &str, lines: Option<usize>) -> String {
    let all: Vec<&str> = log.split_inclusive('\n').collect();
    let lines = lines.unwrap_or(all.len()).min(all.len());
    all[all.len() - lines..].concat()
}

/// A part of a query as it was meant.
fn decoded(text: &str) -> String {
    let mut bytes = text.replace('+', " ").into_bytes();
    let mut at = 0;
    while at + 2 < bytes.len() {
        let hex = std::str::from_utf8(&bytes[at + 1..at + 3]).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok());
        if let (b'%', Some(byte)) = (bytes[at], hex) {
            bytes.splice(at..at + 3, [byte]);
        }
        at += 1;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
