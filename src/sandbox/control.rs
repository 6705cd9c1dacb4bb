//! What a served sandbox does for other processes of this machine besides being an API: answering as its gateway,
//! loading, beginning anew. Below `/.sandbox/`, behind the same token.

use std::fmt;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Limited};
use serde_json::{Value, json};
use tower::BoxError;

use super::{Loaded, Sandbox, SandboxError};

/// Where these requests go.
pub(crate) const ROOT: &str = "/.sandbox/";

/// The largest dump that is taken, in bytes.
const LARGEST: usize = 1 << 30;

/// The front of a sandbox, of this process or of another: who it is, and what its gateway answers.
pub trait Front: Send + Sync {
    /// The cluster's identity: the UID of its `kube-system` namespace.
    ///
    /// # Errors
    /// The process that serves it is gone.
    fn uid(&self) -> Result<String, String>;

    /// See [`Sandbox::answer_http`].
    ///
    /// # Errors
    /// The process that serves it is gone.
    fn answer_http(&self, method: &str, host: &str, path: &str) -> Result<Option<(u16, String)>, String>;
}

impl Front for Sandbox {
    fn uid(&self) -> Result<String, String> {
        Ok(Self::uid(self))
    }

    fn answer_http(&self, method: &str, host: &str, path: &str) -> Result<Option<(u16, String)>, String> {
        Ok(Self::answer_http(self, method, host, path))
    }
}

/// Sends one request with a body to a URL and gives the body of the answer.
pub type Transport = Box<dyn Fn(&str, Option<Vec<u8>>) -> Result<String, String> + Send + Sync>;

/// A sandbox that another process serves on loopback.
pub struct Control {
    url: String,
    send: Transport,
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").finish_non_exhaustive()
    }
}

impl Control {
    /// The sandbox behind a [`super::Served::url`]; `send` asks over HTTP: GET without a body, POST with one.
    pub fn new(url: &str, send: Transport) -> Self {
        Self { url: url.to_owned(), send }
    }

    fn ask(&self, what: &str, body: Option<Vec<u8>>) -> Result<Value, String> {
        let text = (self.send)(&format!("{}{ROOT}{what}", self.url), body)?;
        serde_json::from_str(&text).map_err(|error| format!("the sandbox answered with something else: {error}"))
    }

    /// See [`Sandbox::load`].
    ///
    /// # Errors
    /// The process that serves it is gone.
    pub fn load(&self, objects: Vec<Value>) -> Result<Loaded, String> {
        let body = Value::Array(objects).to_string().into_bytes();
        serde_json::from_value(self.ask("load", Some(body))?).map_err(|error| error.to_string())
    }

    /// See [`Sandbox::reset`].
    ///
    /// # Errors
    /// The process that serves it is gone, or could not do it.
    pub fn reset(&self) -> Result<usize, String> {
        let answer = self.ask("reset", Some(vec![]))?;
        let removed = answer["removed"].as_u64().and_then(|count| usize::try_from(count).ok());
        removed.ok_or_else(|| answer["error"].as_str().unwrap_or("it did not say what it did").to_owned())
    }
}

impl Front for Control {
    fn uid(&self) -> Result<String, String> {
        let answer = self.ask("uid", None)?;
        Ok(answer["uid"].as_str().unwrap_or_default().to_owned())
    }

    fn answer_http(&self, method: &str, host: &str, path: &str) -> Result<Option<(u16, String)>, String> {
        let body = json!({"method": method, "host": host, "path": path}).to_string().into_bytes();
        let answer = self.ask("http", Some(body))?;
        let code = answer["status"].as_u64().and_then(|code| u16::try_from(code).ok());
        Ok(code.map(|code| (code, answer["body"].as_str().unwrap_or_default().to_owned())))
    }
}

/// Answers such a request; `None` where there is nothing of that name.
pub(crate) async fn answer<B>(sandbox: &Sandbox, request: Request<B>) -> Option<Value>
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let what = request.uri().path().strip_prefix(ROOT)?.to_owned();
    let is_post = request.method() == Method::POST;
    let body = Limited::new(request.into_body(), LARGEST).collect().await.ok()?.to_bytes();
    match (what.as_str(), is_post) {
        ("uid", false) => Some(json!({"uid": sandbox.uid()})),
        ("http", true) => Some(gateway(sandbox, &body)),
        ("load", true) => {
            let objects: Vec<Value> = serde_json::from_slice(&body).ok()?;
            serde_json::to_value(sandbox.load(objects)).ok()
        }
        ("reset", true) => Some(match sandbox.reset() {
            Ok(removed) => json!({"removed": removed}),
            Err(SandboxError::NotSetUp { why }) => json!({"error": why}),
            Err(error) => json!({"error": error.to_string()}),
        }),
        _ => None,
    }
}

fn gateway(sandbox: &Sandbox, body: &Bytes) -> Value {
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |field: &str| asked[field].as_str().unwrap_or_default();
    match sandbox.answer_http(text("method"), text("host"), text("path")) {
        Some((status, body)) => json!({"status": status, "body": body}),
        None => json!({}),
    }
}
