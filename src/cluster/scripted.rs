//! A server that answers what a test says, and keeps what it was asked.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use futures::{StreamExt as _, channel::mpsc, stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody, combinators::UnsyncBoxBody};
use kube::client::Body;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tower::BoxError;

use super::Cluster;

#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub content_type: String,
    pub accept: String,
    pub body: Value,
}

impl Asked {
    pub fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.path == path
    }

    pub fn watches(&self) -> bool {
        self.query.contains_key("watch")
    }
}

pub enum Reply {
    Json(u16, Value),
    Text(u16, &'static str),
    Headers(Vec<(&'static str, &'static str)>, Value),
    /// Lines of a watch, until the sender is dropped.
    Stream(mpsc::UnboundedReceiver<Value>),
    Hang,
    Refuse,
}

pub fn ok(value: Value) -> Reply {
    Reply::Json(200, value)
}

pub fn status(code: u16, reason: &str, message: &str) -> Reply {
    Reply::Json(
        code,
        json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message }),
    )
}

type Answer = dyn Fn(&Asked) -> Option<Reply> + Send + Sync;

/// A cluster with a scripted server; what the script leaves open is answered by discovery and 404.
pub struct Scripted {
    pub cluster: Cluster,
    pub asked: Arc<Mutex<Vec<Asked>>>,
    _runtime: Runtime,
}

impl Scripted {
    pub fn new(answer: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (answer, kept): (Arc<Answer>, _) = (Arc::new(answer), asked.clone());
        let service = tower::service_fn(move |request: Request<Body>| {
            let (answer, kept) = (answer.clone(), kept.clone());
            async move {
                let asked = read(request).await;
                kept.lock().unwrap().push(asked.clone());
                let reply =
                    answer(&asked).or_else(|| discovery(&asked)).unwrap_or(Reply::Text(404, "404 page not found"));
                respond(reply).await
            }
        });
        let cluster = Cluster::service(runtime.handle(), service, "scripted");
        Self { cluster, asked, _runtime: runtime }
    }

    pub fn count(&self, which: impl Fn(&Asked) -> bool) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| which(asked)).count()
    }

    pub fn last(&self) -> Asked {
        self.asked.lock().unwrap().last().cloned().unwrap()
    }
}

async fn read(request: Request<Body>) -> Asked {
    let (parts, body) = request.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let query = parts.uri.query().unwrap_or_default();
    let query =
        query.split('&').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (k.to_owned(), decode(v))).collect();
    let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (content_type, accept) = (header("content-type"), header("accept"));
    Asked {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query,
        content_type,
        accept,
        body: serde_json::from_slice(&bytes).unwrap_or_default(),
    }
}

fn decode(text: &str) -> String {
    text.replace("%3D", "=").replace("%2C", ",").replace("%21", "!").replace("%2F", "/")
}

type Answered = Response<UnsyncBoxBody<Bytes, BoxError>>;

async fn respond(reply: Reply) -> Result<Answered, BoxError> {
    let whole = |code: u16, text: String| {
        let body = StreamBody::new(stream::iter([Ok(Frame::data(Bytes::from(text)))]));
        Ok(Response::builder().status(code).body(UnsyncBoxBody::new(body)).unwrap())
    };
    match reply {
        Reply::Json(code, value) => whole(code, value.to_string()),
        Reply::Text(code, text) => whole(code, text.to_owned()),
        Reply::Headers(headers, value) => {
            let mut response: Answered = whole(200, value.to_string())?;
            for (name, value) in headers {
                response.headers_mut().append(name, value.parse().unwrap());
            }
            Ok(response)
        }
        Reply::Stream(lines) => {
            let body = StreamBody::new(lines.map(|line| Ok(Frame::data(Bytes::from(format!("{line}\n"))))));
            Ok(Response::new(UnsyncBoxBody::new(body)))
        }
        Reply::Hang => futures::future::pending().await,
        Reply::Refuse => Err("client error (Connect): tcp connect error: Connection refused (os error 111)".into()),
    }
}

fn resource(group: &str, version: &str, kind: &str, plural: &str, short: &[&str], namespaced: bool) -> Value {
    json!({
        "resource": plural, "singularResource": kind.to_lowercase(), "shortNames": short,
        "responseKind": { "group": group, "version": version, "kind": kind },
        "scope": if namespaced { "Namespaced" } else { "Cluster" },
        "verbs": ["get", "list", "watch", "patch", "delete"],
    })
}

/// What the scripted server serves.
pub fn discovery(asked: &Asked) -> Option<Reply> {
    let group = |name: &str, version: &str, resources: Vec<Value>| json!({ "metadata": { "name": name }, "versions": [{ "version": version, "resources": resources }] });
    let items = match asked.path.as_str() {
        "/api" => vec![group(
            "",
            "v1",
            vec![
                resource("", "v1", "Namespace", "namespaces", &["ns"], false),
                resource("", "v1", "ConfigMap", "configmaps", &["cm"], true),
                resource("", "v1", "Event", "events", &["ev"], true),
            ],
        )],
        "/apis" => vec![
            group("apps", "v1", vec![resource("apps", "v1", "Deployment", "deployments", &["deploy"], true)]),
            group("events.k8s.io", "v1", vec![resource("events.k8s.io", "v1", "Event", "events", &["ev"], true)]),
            group("a.example", "v1", vec![resource("a.example", "v1", "Thing", "things", &[], true)]),
            group("b.example", "v1", vec![resource("b.example", "v1", "Thing", "things", &[], true)]),
        ],
        _ => return None,
    };
    Some(ok(json!({ "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": items })))
}
