//! The sandbox on loopback, for clients in other processes such as kubectl: plain HTTP, and a token that changes with
//! every start. Whoever does not bring the token is refused.
//!
//! The token is the first part of the URL's path: kubectl and its kin send no bearer token over plain HTTP. A client that
//! does send one may leave the path out.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use http::header::AUTHORIZATION;
use http::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tower::{BoxError, ServiceExt as _};

use super::service::{self, refusal};
use super::status::ApiError;
use super::{Body, Sandbox, control, meta};

/// A sandbox that answers on loopback until this is dropped.
#[derive(Debug)]
pub struct Served {
    address: SocketAddr,
    token: String,
    task: JoinHandle<()>,
}

impl Served {
    /// The server's URL for a kubeconfig, such as `http://127.0.0.1:40123/<token>`. It is a secret, like the token in it.
    pub fn url(&self) -> String {
        format!("http://{}/{}", self.address, self.token)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The token; as a bearer token it goes without the path.
    pub fn token(&self) -> &str {
        &self.token
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Sandbox {
    /// Serves the sandbox on a free port of 127.0.0.1, on the runtime this is called on.
    pub async fn serve(&self) -> io::Result<Served> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let token = format!("{}{}", meta::new_uid(), meta::new_uid()).replace('-', "");
        let gate = Gate { sandbox: self.clone(), token: token.clone() };
        let task = tokio::spawn(accept(listener, gate));
        Ok(Served { address, token, task })
    }
}

async fn accept(listener: TcpListener, gate: Gate) {
    // Connections end with the set, and so with the server.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                // Small answers go out at once.
                let _ = stream.set_nodelay(true);
                let gate = gate.clone();
                connections.spawn(async move {
                    let service = TowerToHyperService::new(tower::service_fn(move |request| gate.clone().answer(request)));
                    // A client that hangs up is no error of the server.
                    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

#[derive(Clone)]
struct Gate {
    sandbox: Sandbox,
    token: String,
}

impl Gate {
    fn is_bearer(&self, headers: &http::HeaderMap) -> bool {
        let sent = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        sent.and_then(|value| value.strip_prefix("Bearer ")) == Some(self.token.as_str())
    }

    async fn answer<B>(self, mut request: Request<B>) -> Result<Response<Body>, Infallible>
    where
        B: http_body::Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let below = request.uri().path_and_query().map(http::uri::PathAndQuery::as_str).and_then(|path| {
            let rest = path.strip_prefix('/')?.strip_prefix(self.token.as_str())?;
            rest.starts_with('/').then(|| rest.parse::<http::Uri>().ok()).flatten()
        });
        if let Some(below) = below {
            *request.uri_mut() = below;
        } else if !self.is_bearer(request.headers()) {
            return Ok(refusal(&ApiError::new(401, "Unauthorized", "Unauthorized", None)));
        }
        if request.uri().path().starts_with(control::ROOT) {
            return Ok(match control::answer(&self.sandbox, request).await {
                Some(value) => service::json(200, &value),
                None => refusal(&ApiError::NoSuchPath),
            });
        }
        self.sandbox.service().oneshot(request).await
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    fn asked(served: &Served, prefix: &str, authorization: &str) -> String {
        let mut stream = std::net::TcpStream::connect(served.address()).expect("it listens");
        let path = format!("{prefix}/api/v1/namespaces/default");
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\n{authorization}connection: close\r\n\r\n").expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("answered");
        text
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn only_who_brings_the_token_is_answered() {
        let sandbox = Sandbox::in_memory(super::super::Options::default()).expect("opens");
        let served = sandbox.serve().await.expect("it serves");
        let token = served.token();
        for (prefix, header) in
            [(format!("/{token}"), String::new()), (String::new(), format!("authorization: Bearer {token}\r\n"))]
        {
            let right = asked(&served, &prefix, &header);
            assert!(right.starts_with("HTTP/1.1 200") && right.contains("\"phase\":\"Active\""), "{right}");
        }
        for (prefix, header) in [("", ""), ("", "authorization: Bearer x\r\n"), ("/x", ""), ("//", "")] {
            let refused = asked(&served, prefix, header);
            assert!(
                refused.starts_with("HTTP/1.1 401") && refused.contains("\"reason\":\"Unauthorized\""),
                "{refused}"
            );
        }
    }
}
