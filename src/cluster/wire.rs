use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use http::{HeaderMap, Method, Request, Response, header, response::Parts};
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    ClusterError, Inner,
    error::{What, excerpt, from_answer},
};
use crate::object::path::text;

/// Longest time for a read to be answered; a server that hangs is one that cannot be reached.
pub(super) const READ: Duration = Duration::from_secs(15);
/// Longest time for a change to be answered: the server's own limit.
const CHANGE: Duration = Duration::from_mins(1);

/// What answers say beside their body.
#[derive(Default)]
pub(super) struct Notes {
    warnings: Mutex<Vec<String>>,
    /// The server's time in its last answer, and when that came.
    heard: Mutex<Option<Heard>>,
}

#[derive(Clone, Copy)]
struct Heard {
    date: jiff::Timestamp,
    skew: jiff::SignedDuration,
    at: Instant,
}

impl Notes {
    fn heard(&self, headers: &HeaderMap) {
        for value in headers.get_all(header::WARNING) {
            let Some(text) = value.to_str().ok().and_then(warning_text) else { continue };
            let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
            if !warnings.contains(&text) {
                warnings.push(text);
            }
        }
        let date = headers.get(header::DATE).and_then(|date| date.to_str().ok());
        if let Some(date) = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()) {
            let date = date.timestamp();
            let skew = jiff::SignedDuration::from_secs(jiff::Timestamp::now().duration_since(date).as_secs());
            let heard = Heard { date, skew, at: Instant::now() };
            *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(heard);
        }
    }

    pub(super) fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn clock_skew(&self) -> Option<jiff::SignedDuration> {
        self.last().map(|heard| heard.skew)
    }

    /// The server's time: what it said last, and what has passed since by the steady clock.
    pub(super) fn server_now(&self) -> Option<jiff::Timestamp> {
        let heard = self.last()?;
        heard.date.checked_add(heard.at.elapsed()).ok()
    }

    fn last(&self) -> Option<Heard> {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `299 - "the text"` → `the text`, with its escapes taken back.
fn warning_text(value: &str) -> Option<String> {
    let quoted = value.split_once('"')?.1;
    let mut text = String::new();
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return Some(text),
            '\\' => text.extend(chars.next()),
            c => text.push(c),
        }
    }
    None
}

/// How a question to something behind the server ended.
pub(super) enum Answered<T> {
    /// It answered.
    Behind(T),
    /// There was nobody to answer, in the server's words.
    Nobody(String),
}

/// One request to the API.
pub(super) struct Call {
    pub method: Method,
    pub path: String,
    pub query: Vec<(&'static str, String)>,
    pub accept: &'static str,
    pub body: Option<(&'static str, Vec<u8>)>,
    pub what: What,
}

impl Call {
    pub(super) fn get(path: impl Into<String>, what: What) -> Self {
        Self { method: Method::GET, path: path.into(), query: vec![], accept: "application/json", body: None, what }
    }

    pub(super) fn query(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.query.push((key, value.into()));
        self
    }

    fn uri(&self) -> String {
        let mut uri = self.path.clone();
        for (i, (key, value)) in self.query.iter().enumerate() {
            uri.push(if i == 0 { '?' } else { '&' });
            uri.push_str(key);
            uri.push('=');
            uri.push_str(&encode(value));
        }
        uri
    }

    fn limit(&self) -> Duration {
        if self.method == Method::GET { READ } else { CHANGE }
    }

    fn failed(&self, message: impl Into<String>, sent: bool) -> ClusterError {
        ClusterError::Unreachable { what: self.what.text.clone(), message: message.into(), sent }
    }
}

/// Percent-encodes everything that is not unreserved.
pub(super) fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => out.push(char::from(byte)),
            byte => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
        out
    })
}

impl Inner {
    /// Sends the request and gives the answer's head; a refusal is an error.
    pub(super) async fn open(&self, call: &mut Call) -> Result<Response<Body>, ClusterError> {
        let response = self.send(call).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (code, limit) = (response.status(), call.limit());
        let bytes = self.read(call, response, limit).await?;
        Err(from_answer(code, &bytes, &call.what))
    }

    /// Sends the request and gives the answer's head, whatever its code.
    async fn send(&self, call: &mut Call) -> Result<Response<Body>, ClusterError> {
        let limit = call.limit();
        let mut request =
            Request::builder().method(call.method.clone()).uri(call.uri()).header(header::ACCEPT, call.accept);
        let body = match call.body.take() {
            Some((content_type, bytes)) => {
                request = request.header(header::CONTENT_TYPE, content_type);
                Body::from(bytes)
            }
            None => Body::empty(),
        };
        let request = request.body(body).map_err(|error| ClusterError::Object {
            message: format!("{}: not a request that can be sent: {error}", call.what.text),
        })?;
        let response = match tokio::time::timeout(limit, self.client.send(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                let words = chain(&error);
                // hyper's word for a failure before there was a connection
                let sent = !words.contains("(Connect)");
                return Err(call.failed(words, sent));
            }
            Err(_) => return Err(call.failed(format!("no answer within {} s", limit.as_secs()), true)),
        };
        self.notes.heard(response.headers());
        Ok(response)
    }

    async fn read(&self, call: &Call, response: Response<Body>, limit: Duration) -> Result<Bytes, ClusterError> {
        match tokio::time::timeout(limit, response.into_body().collect()).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) => Err(call.failed(format!("the answer broke off: {}", chain(&error)), true)),
            Err(_) => Err(call.failed(format!("the answer did not end within {} s", limit.as_secs()), true)),
        }
    }

    /// Sends the request and reads its answer as JSON.
    pub(super) async fn call(&self, call: Call) -> Result<Value, ClusterError> {
        self.call_as(call).await
    }

    /// Sends the request and reads as much of its answer, which is JSON, as the type holds.
    pub(super) async fn call_as<T: DeserializeOwned>(&self, mut call: Call) -> Result<T, ClusterError> {
        let response = self.open(&mut call).await?;
        let bytes = self.read(&call, response, call.limit()).await?;
        serde_json::from_slice(&bytes)
            .map_err(|_| call.failed(format!("it answered something that is not JSON: {}", excerpt(&bytes)), true))
    }

    /// Sends the request and reads its answer, whatever it holds.
    pub(super) async fn bytes(&self, mut call: Call) -> Result<Bytes, ClusterError> {
        let response = self.open(&mut call).await?;
        self.read(&call, response, call.limit()).await
    }

    /// Sends the request to something behind the server, and gives what that answered: an error is only what the server
    /// itself says. At most `most` bytes of the body.
    pub(super) async fn answer(&self, mut call: Call, most: usize) -> Result<Answered<(Parts, Bytes)>, ClusterError> {
        let response = self.send(&mut call).await?;
        let (head, body) = response.into_parts();
        let read = async {
            let (mut kept, mut frames) = (BytesMut::new(), body.into_data_stream());
            while let Some(frame) = frames.next().await {
                kept.extend_from_slice(&frame.map_err(|error| chain(&error))?);
                if kept.len() >= most {
                    kept.truncate(most);
                    break;
                }
            }
            Ok(kept.freeze())
        };
        let bytes = match tokio::time::timeout(call.limit(), read).await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(why)) => {
                let why: String = why;
                return Err(call.failed(format!("the answer broke off: {why}"), true));
            }
            Err(_) => return Err(call.failed("the answer did not end in time", true)),
        };
        if head.status.is_success() {
            return Ok(Answered::Behind((head, bytes)));
        }
        let said = serde_json::from_slice::<Value>(&bytes).unwrap_or_default();
        let words = text(&said, "message").unwrap_or_default();
        // that nothing answers behind the server is what a gateway would say with the same code
        if words.contains("no endpoints available") || words.contains("error trying to reach") {
            return Ok(Answered::Nobody(words.into()));
        }
        // what is behind may be an API server too: a refusal is this one's where it is about what was to be asked
        let about = ["pods", "services", "endpoints"].map(Some).contains(&text(&said, "details.kind"));
        let own = said["kind"] == "Status"
            && said["apiVersion"] == "v1"
            && (about || !matches!(head.status.as_u16(), 403 | 404));
        if own { Err(from_answer(head.status, &bytes, &call.what)) } else { Ok(Answered::Behind((head, bytes))) }
    }
}

/// An error with its sources, each said once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let words = source.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        next = source.source();
    }
    // kube's own prefix says nothing to its reader
    text.trim_start_matches("ServiceError: ").to_owned()
}
