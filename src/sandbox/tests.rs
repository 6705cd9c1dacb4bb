//! The API as a client sees it: every test goes through the service.
#![allow(clippy::needless_pass_by_value)] // bodies read best where they are sent

mod api;
mod controlling;
mod discovering;
mod durable;
mod faults;
mod platform;
mod quotas;
mod watching;
mod workloads;

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use http::Request;
use http_body_util::{BodyDataStream, BodyExt, Full};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::*;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(10);

fn quick() -> Options {
    Options { timing: Timing::INSTANT, ..Options::default() }
}

fn sandbox() -> Sandbox {
    Sandbox::in_memory(quick()).expect("a sandbox in memory opens")
}

impl Sandbox {
    async fn raw(&self, method: &str, path: &str, sort: &str, body: Vec<u8>) -> http::Response<Body> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", sort)
            .header("user-agent", "tester/1.0")
            .body(Full::new(Bytes::from(body)))
            .expect("a request");
        self.service().oneshot(request).await.expect("the service never fails")
    }

    /// Status code and JSON body; text bodies come as a JSON string.
    async fn send(&self, method: &str, path: &str, sort: &str, body: &Value) -> (u16, Value) {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let response = self.raw(method, path, sort, bytes).await;
        let code = response.status().as_u16();
        let bytes = response.into_body().collect().await.expect("no error").to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        (code, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.send("GET", path, "application/json", &Value::Null).await
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.send("POST", path, "application/json", &body).await
    }

    async fn put(&self, path: &str, body: Value) -> (u16, Value) {
        self.send("PUT", path, "application/json", &body).await
    }

    async fn delete(&self, path: &str) -> (u16, Value) {
        self.send("DELETE", path, "application/json", &Value::Null).await
    }

    async fn merge(&self, path: &str, body: Value) -> (u16, Value) {
        self.send("PATCH", path, "application/merge-patch+json", &body).await
    }

    async fn apply(&self, path: &str, manager: &str, body: Value) -> (u16, Value) {
        let path = format!("{path}?fieldManager={manager}");
        self.send("PATCH", &path, "application/apply-patch+yaml", &body).await
    }

    async fn watch(&self, path: &str) -> Lines {
        let response = self.raw("GET", path, "", Vec::new()).await;
        assert_eq!(response.status(), 200);
        Lines { body: BodyDataStream::new(response.into_body()), rest: Vec::new() }
    }

    /// Waits, by a watch, until the object at a path fits.
    async fn until(&self, collection: &str, name: &str, what: impl Fn(&Value) -> bool) -> Value {
        let mut lines = self.watch(&format!("{collection}?watch=true&fieldSelector=metadata.name%3D{name}")).await;
        let mut last = Value::Null;
        loop {
            let event = lines.next_within(PATIENCE).await;
            let event = event.unwrap_or_else(|| panic!("{collection}/{name} never fitted; it was last {last}"));
            last = event["object"].clone();
            if what(&last) {
                return last;
            }
        }
    }
}

/// The events of a watch.
struct Lines {
    body: BodyDataStream<Body>,
    rest: Vec<u8>,
}

impl Lines {
    async fn next_within(&mut self, time: Duration) -> Option<Value> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).expect("a line is JSON"));
            }
            let chunk = tokio::time::timeout(time, self.body.next()).await.ok()??;
            self.rest.extend_from_slice(&chunk.expect("no error"));
        }
    }

    async fn next(&mut self) -> Value {
        self.next_within(PATIENCE).await.expect("an event comes")
    }
}

fn config_map(name: &str, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
}

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    let conditions = object["status"]["conditions"].as_array();
    conditions.into_iter().flatten().find(|c| c["type"] == kind).unwrap_or(&Value::Null)
}
