//! A small Kubernetes client of the tests' own: plain HTTPS, so that it does not share a mistake with the client under test.

use std::{
    fs,
    path::Path,
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use reqwest::Method;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde_json::Value;
use tokio::runtime::Runtime;

/// One worker for everything the tests' clients and controllers do.
pub static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());

/// What a server serves under a kind.
#[derive(Clone, Debug)]
struct Resource {
    group: String,
    version: String,
    kind: String,
    plural: String,
    namespaced: bool,
}

/// Talks to one API server as one user.
#[derive(Clone)]
pub struct Client {
    url: String,
    http: reqwest::Client,
    served: Arc<Mutex<Vec<Resource>>>,
}

impl Client {
    /// The administrator's client of a cluster's folder.
    pub fn new(dir: &Path) -> Self {
        let read = |file: &str| fs::read_to_string(dir.join(file)).unwrap();
        Self::of(dir, &read("admin.crt"), &read("admin.key"))
    }

    /// The client of whoever has this certificate and key.
    pub fn of(dir: &Path, cert: &str, key: &str) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(dir.join("ca.crt")).unwrap()).unwrap();
        let certs = vec![CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()];
        let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(certs, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap())
            .unwrap();
        let http = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().unwrap();
        Self { url: fs::read_to_string(dir.join("url")).unwrap(), http, served: Arc::default() }
    }

    /// What its requests are made with.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether the server says that it is ready.
    pub fn ready(&self) -> bool {
        let ask = self.http.get(format!("{}/readyz", self.url)).timeout(Duration::from_secs(5));
        RUNTIME.block_on(async { ask.send().await.is_ok_and(|r| r.status().is_success()) })
    }

    /// Sends one request and gives status and body (null where it is not JSON).
    pub fn send(&self, method: Method, path: &str, content_type: &str, body: Vec<u8>) -> (u16, Value) {
        RUNTIME.block_on(self.send_async(method, path, content_type, body)).unwrap_or_else(|e| panic!("{path}: {e:?}"))
    }

    pub async fn send_async(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> reqwest::Result<(u16, Value)> {
        let request = self.http.request(method, format!("{}{path}", self.url)).timeout(Duration::from_secs(30));
        let answer = request.header("content-type", content_type).body(body).send().await?;
        let status = answer.status().as_u16();
        Ok((status, serde_json::from_slice(&answer.bytes().await?).unwrap_or_default()))
    }

    /// A request of the caller's own making.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    /// Opens a stream of lines, such as a watch.
    pub async fn stream(&self, path: &str) -> reqwest::Result<reqwest::Response> {
        self.http.get(format!("{}{path}", self.url)).send().await?.error_for_status()
    }

    /// The body under a path; panics with the server's answer when it is not a success.
    pub fn read(&self, path: &str) -> Value {
        let (status, body) = self.send(Method::GET, path, "application/json", Vec::new());
        assert!(status < 300, "GET {path}: {status} {body}");
        body
    }

    /// The sum of a metric of the server over the series that have all these labels.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let text = RUNTIME.block_on(async { self.stream("/metrics").await.unwrap().text().await.unwrap() });
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let series = text.lines().filter_map(|line| line.strip_prefix(name)).filter(|line| line.starts_with('{'));
        let wanted = series.filter(|line| labels.iter().all(|label| line.contains(label.as_str())));
        wanted.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// The object that `Kind[.group]/[namespace/]name` names, if it is there.
    pub fn get(&self, reference: &str) -> Option<Value> {
        let path = self.path_of(reference);
        let (status, body) = self.send(Method::GET, &path, "application/json", Vec::new());
        if status == 404 {
            return None;
        }
        assert!(status < 300, "GET {path}: {status} {body}");
        Some(body)
    }

    /// Asks for the object's deletion; one that is gone already is fine.
    pub fn delete(&self, reference: &str) {
        let path = self.path_of(reference);
        let (status, body) = self.send(Method::DELETE, &path, "application/json", Vec::new());
        assert!(status < 300 || status == 404, "DELETE {path}: {status} {body}");
    }

    /// Merges fields into an object; one that is gone is fine.
    pub fn merge(&self, reference: &str, fields: &Value) {
        let path = self.path_of(reference);
        let body = fields.to_string().into_bytes();
        let (status, body) = self.send(Method::PATCH, &path, "application/merge-patch+json", body);
        assert!(status < 300 || status == 404, "PATCH {path}: {status} {body}");
    }

    /// Applies every document of a YAML text server-side.
    pub fn apply(&self, yaml: &str) -> Vec<Value> {
        let documents: Vec<Value> = serde_yaml::from_multiple(yaml).unwrap_or_else(|e| panic!("{e}\n{yaml}"));
        documents.iter().filter(|d| !d.is_null()).map(|d| self.apply_object(d)).collect()
    }

    fn apply_object(&self, object: &Value) -> Value {
        let text = |at: &str| object.pointer(at).and_then(Value::as_str).unwrap_or_default();
        let group = text("/apiVersion").rsplit_once('/').map_or("", |(g, _)| g);
        let resource = self.resource(text("/kind"), Some(group));
        let path = resource.path(text("/metadata/namespace"), text("/metadata/name"));
        self.apply_at(&path, object.to_string().into_bytes())
    }

    /// Applies a manifest (YAML or JSON) server-side at a known path.
    pub fn apply_at(&self, path: &str, manifest: Vec<u8>) -> Value {
        let path = format!("{path}?fieldManager=test&force=true");
        let (status, body) = self.send(Method::PATCH, &path, "application/apply-patch+yaml", manifest);
        assert!(status < 300, "apply {path}: {status} {body}");
        body
    }

    fn path_of(&self, reference: &str) -> String {
        let (kind, rest) = reference.split_once('/').unwrap_or_else(|| panic!("{reference}: expected Kind/…/name"));
        let (kind, group) = kind.split_once('.').map_or((kind, None), |(k, g)| (k, Some(g)));
        let (namespace, name) = rest.split_once('/').unwrap_or(("", rest));
        self.resource(kind, group).path(namespace, name)
    }

    /// Asks the server once more when it does not know the kind: a CRD may have come since.
    fn resource(&self, kind: &str, group: Option<&str>) -> Resource {
        let find =
            |served: &[Resource]| served.iter().find(|r| r.kind == kind && group.is_none_or(|g| g == r.group)).cloned();
        let mut served = self.served.lock().unwrap();
        if let Some(r) = find(&served) {
            return r;
        }
        *served = RUNTIME.block_on(self.discover());
        find(&served).unwrap_or_else(|| panic!("{} does not serve {kind} (group {group:?})", self.url))
    }

    async fn discover(&self) -> Vec<Resource> {
        let aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
        let mut found = Vec::new();
        for path in ["/api", "/apis"] {
            let request = self.http.get(format!("{}{path}", self.url)).header("accept", aggregated);
            let body = request.send().await.unwrap().bytes().await.unwrap();
            let list: Value = serde_json::from_slice(&body).unwrap();
            for group in list["items"].as_array().unwrap() {
                for version in group["versions"].as_array().unwrap() {
                    for r in version["resources"].as_array().into_iter().flatten() {
                        found.push(Resource {
                            group: group["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
                            version: version["version"].as_str().unwrap().to_owned(),
                            kind: r["responseKind"]["kind"].as_str().unwrap_or_default().to_owned(),
                            plural: r["resource"].as_str().unwrap().to_owned(),
                            namespaced: r["scope"] == "Namespaced",
                        });
                    }
                }
            }
        }
        found
    }
}

impl Resource {
    fn path(&self, namespace: &str, name: &str) -> String {
        let Self { group, version, plural, .. } = self;
        let root = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
        assert!(!self.namespaced || !namespace.is_empty(), "{} {name} needs a namespace", self.kind);
        if self.namespaced {
            format!("{root}/namespaces/{namespace}/{plural}/{name}")
        } else {
            format!("{root}/{plural}/{name}")
        }
    }
}
