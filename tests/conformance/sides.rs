//! The two that are asked: the sandbox in this process, and a real API server.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use runbook::sandbox::{Options, Sandbox};
use tower::ServiceExt as _;

use crate::apiserver::Client;

/// How long an answer may take; a watch in these files ends after a second.
const PATIENCE: Duration = Duration::from_secs(8);

/// Whoever is asked.
#[derive(Clone)]
pub enum Side {
    Sandbox(Sandbox),
    Real(Client),
}

/// An answer as it came.
#[derive(Debug, Clone)]
pub struct Answer {
    pub code: u16,
    pub content_type: String,
    pub warnings: Vec<String>,
    pub body: Vec<u8>,
}

/// What is sent.
#[derive(Debug, Clone)]
pub struct Sent {
    pub method: String,
    pub path: String,
    pub accept: String,
    pub content_type: String,
    pub body: String,
}

impl Side {
    pub fn sandbox() -> Self {
        let options = Options { controllers: false, seed: false, ..Options::default() };
        Self::Sandbox(Sandbox::in_memory(options).unwrap())
    }

    /// Sends a request; an answer that has not ended within some seconds has the code 0.
    pub async fn send(&self, sent: &Sent) -> Answer {
        let late = Answer { code: 0, content_type: String::new(), warnings: Vec::new(), body: b"no end".to_vec() };
        tokio::time::timeout(PATIENCE, self.answered(sent)).await.unwrap_or(late)
    }

    async fn answered(&self, sent: &Sent) -> Answer {
        let headers = [
            ("accept", sent.accept.as_str()),
            ("content-type", sent.content_type.as_str()),
            ("user-agent", "conformance/1.0"),
        ];
        let headers = headers.into_iter().filter(|(_, value)| !value.is_empty());
        match self {
            Self::Sandbox(sandbox) => {
                let mut request = http::Request::builder().method(sent.method.as_str()).uri(&sent.path);
                for (name, value) in headers {
                    request = request.header(name, value);
                }
                let request = request.body(Full::new(Bytes::from(sent.body.clone()))).unwrap();
                let answer = sandbox.service().oneshot(request).await.unwrap();
                let (head, body) = answer.into_parts();
                let body = body.collect().await.unwrap().to_bytes().to_vec();
                Answer::new(head.status.as_u16(), &head.headers, body)
            }
            Self::Real(client) => {
                let method = reqwest::Method::from_bytes(sent.method.as_bytes()).unwrap();
                let mut request = client.request(method, &sent.path);
                for (name, value) in headers {
                    request = request.header(name, value);
                }
                let answer = request.body(sent.body.clone()).send().await.unwrap();
                let (code, headers) = (answer.status().as_u16(), answer.headers().clone());
                Answer::new(code, &headers, answer.bytes().await.unwrap().to_vec())
            }
        }
    }
}

impl Answer {
    fn new(code: u16, headers: &http::HeaderMap, body: Vec<u8>) -> Self {
        let texts = |name: &str| -> Vec<String> {
            headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).map(str::to_owned).collect()
        };
        Self { code, content_type: texts("content-type").concat(), warnings: texts("warning"), body }
    }
}
