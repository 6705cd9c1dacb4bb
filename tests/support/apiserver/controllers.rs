//! Plays the controllers that write status, for clusters that run none: Flux, external-secrets, a Gateway
//! implementation, `VolSync`, and the namespace controller, whose work is to end namespaces.
//!
//! What they write has the shape and the order that the real ones give it; what they would do in the world is left out.

mod status;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinHandle};

use super::{Client, Cluster, client::RUNTIME};

/// Kind and REST path of everything that gets a status.
const PLAYED: [(&str, &str); 8] = [
    ("HelmRelease", "/apis/helm.toolkit.fluxcd.io/v2/helmreleases"),
    ("Kustomization", "/apis/kustomize.toolkit.fluxcd.io/v1/kustomizations"),
    ("GitRepository", "/apis/source.toolkit.fluxcd.io/v1/gitrepositories"),
    ("HelmRepository", "/apis/source.toolkit.fluxcd.io/v1/helmrepositories"),
    ("OCIRepository", "/apis/source.toolkit.fluxcd.io/v1/ocirepositories"),
    ("ExternalSecret", "/apis/external-secrets.io/v1/externalsecrets"),
    ("HTTPRoute", "/apis/gateway.networking.k8s.io/v1/httproutes"),
    ("ReplicationSource", "/apis/volsync.backube/v1alpha1/replicationsources"),
];

/// Controllers at work until they are dropped.
pub struct Controllers {
    failing: watch::Sender<BTreeMap<String, String>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Controllers {
    /// Plays the controllers of a cluster in these namespaces alone, so that tests that share it do not meet.
    pub fn play(cluster: &Cluster, namespaces: &[&str]) -> Self {
        Self::start(cluster, Some(namespaces))
    }

    /// Plays the controllers of a whole cluster.
    pub fn everywhere(cluster: &Cluster) -> Self {
        Self::start(cluster, None)
    }

    fn start(cluster: &Cluster, scope: Option<&[&str]>) -> Self {
        let failing = watch::Sender::new(BTreeMap::new());
        let namespaces = ("Namespace", "/api/v1/namespaces");
        let tasks = PLAYED.into_iter().chain([namespaces]).map(|(kind, path)| {
            let controller = Controller {
                kind,
                path,
                client: cluster.client().clone(),
                scope: scope.map(|s| s.iter().map(|&n| n.to_owned()).collect()),
                failing: failing.subscribe(),
                log: Arc::default(),
            };
            RUNTIME.spawn(controller.run())
        });
        let tasks = tasks.collect();
        Self { failing, tasks }
    }

    /// From now on the object's controller reports this failure, as it does once it has given up.
    pub fn fail(&self, reference: &str, message: &str) {
        self.failing.send_modify(|f| {
            f.insert(reference.to_owned(), message.to_owned());
        });
    }

    /// The object's controller succeeds again.
    pub fn mend(&self, reference: &str) {
        self.failing.send_modify(|f| {
            f.remove(reference);
        });
    }
}

impl Drop for Controllers {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// The controller of one kind.
struct Controller {
    kind: &'static str,
    path: &'static str,
    client: Client,
    scope: Option<Vec<String>>,
    failing: watch::Receiver<BTreeMap<String, String>>,
    log: Arc<Mutex<String>>,
}

impl Controller {
    async fn run(mut self) {
        loop {
            // Without a resourceVersion a watch begins with everything that is there.
            if let Ok(mut stream) = self.client.stream(&format!("{}?watch=1", self.path)).await {
                self.failing.mark_unchanged();
                let mut buffer = Vec::new();
                loop {
                    let chunk = tokio::select! {
                        chunk = stream.chunk() => chunk,
                        _ = self.failing.changed() => break, // begin again: every object is looked at anew
                    };
                    let Ok(Some(chunk)) = chunk else { break };
                    buffer.extend_from_slice(&chunk);
                    while let Some(end) = buffer.iter().position(|&b| b == b'\n') {
                        let line: Vec<u8> = buffer.drain(..=end).collect();
                        let Ok(event) = serde_json::from_slice::<Value>(&line) else { continue };
                        if event["type"] == "ADDED" || event["type"] == "MODIFIED" {
                            self.reconcile(&event["object"]).await;
                        }
                    }
                }
            } else {
                // The kind is not served (yet), or the server is down.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }

    async fn reconcile(&self, object: &Value) {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        if self.kind == "Namespace" {
            if self.in_scope(name) && object["metadata"]["deletionTimestamp"].is_string() {
                self.end_namespace(object, name).await;
            }
            return;
        }
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
        if !self.in_scope(namespace) || object["spec"]["suspend"] == true || object["spec"]["paused"] == true {
            return;
        }
        let reference = format!("{}/{namespace}/{name}", self.kind);
        let failure = self.failing.borrow().get(&reference).cloned();
        if self.kind == "ExternalSecret" && failure.is_none() {
            let target = object["spec"]["target"]["name"].as_str().unwrap_or(name);
            let path =
                format!("/api/v1/namespaces/{namespace}/secrets/{target}?fieldManager=external-secrets&force=true");
            self.send(Method::PATCH, &path, "application/apply-patch+yaml", &status::target_secret(object)).await;
        }
        let status = status::of(self.kind, object, failure.as_deref());
        if status::differs(&object["status"], &status) {
            let (root, plural) = self.path.rsplit_once('/').unwrap();
            let path = format!("{root}/namespaces/{namespace}/{plural}/{name}/status");
            self.send(Method::PATCH, &path, "application/merge-patch+json", &json!({"status": status})).await;
        }
    }

    /// Deletes what a namespace holds and lets it go.
    async fn end_namespace(&self, namespace: &Value, name: &str) {
        let core = [("", "/api/v1/secrets"), ("", "/api/v1/configmaps")];
        for (_, path) in PLAYED.into_iter().chain(core) {
            let (root, plural) = path.rsplit_once('/').unwrap();
            // A kind that is not served answers 404, which is as good as empty.
            let all = format!("{root}/namespaces/{name}/{plural}");
            let _ = self.client.send_async(Method::DELETE, &all, "application/json", Vec::new()).await;
        }
        let mut last = namespace.clone();
        last["spec"]["finalizers"] = json!([]);
        self.send(Method::PUT, &format!("/api/v1/namespaces/{name}/finalize"), "application/json", &last).await;
    }

    fn in_scope(&self, namespace: &str) -> bool {
        self.scope.as_ref().is_none_or(|s| s.iter().any(|n| n == namespace))
    }

    /// A conflict or an object that is gone by now is what a controller meets every day: the next event tells. Anything
    /// else is a mistake of the test's manifests, and stands on stderr for whoever reads the failing test.
    async fn send(&self, method: Method, path: &str, content_type: &str, body: &Value) {
        let sent = self.client.send_async(method, path, content_type, body.to_string().into_bytes()).await;
        let said = match sent {
            Ok((status, _)) if status < 300 || status == 404 || status == 409 => return,
            Ok((status, body)) => format!("{} controller: {path}: {status} {}", self.kind, body["message"]),
            Err(e) => format!("{} controller: {path}: {e}", self.kind),
        };
        let mut log = self.log.lock().unwrap();
        if *log != said {
            eprintln!("{said}");
            *log = said;
        }
    }
}
