//! HTTP requests of playbooks. reqwest only here.
//! Callers block; the requests run on a tokio runtime that is given. Which hosts a context may ask is the caller's to
//! decide, with [`host_of`] and [`host_matches`], before it asks.
//!
//! Proxies are taken from `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` only, as the commands of a run see
//! them, and never used for this machine's own addresses. Certificates are checked against the machine's roots.

use std::{
    any::Any,
    collections::BTreeMap,
    error::Error as _,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::{Duration, Instant},
};

use reqwest::{Client, Method, RequestBuilder, Url, header};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::runtime::Handle;

/// Called when a run is cancelled.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// Registers a [`Wake`] and gives back what keeps it registered. A run that is already cancelled calls it at once.
pub type OnCancel<'a> = &'a dyn Fn(Wake) -> Box<dyn Any>;

/// How much of a body is kept, in bytes.
pub const BODY_LIMIT: usize = 1024 * 1024;
const REDIRECTS: usize = 10;

/// Asks over HTTP. Clones share the connections; the first request makes the client.
#[derive(Clone)]
pub struct Http {
    handle: Handle,
    clients: Arc<Clients>,
}

#[derive(Default)]
struct Clients {
    /// By whether it goes straight rather than through a proxy, and whether it must have the machine's roots.
    made: Mutex<BTreeMap<(bool, bool), Client>>,
}

/// A request beside its method and URL.
#[derive(Default)]
pub struct Request<'a> {
    /// Header names and values.
    pub headers: &'a [(String, String)],
    /// What is sent; a `content-type` is the caller's to give.
    pub body: Option<Vec<u8>>,
    /// For how long an answer is waited for, redirects and body included. 30 s where absent.
    pub timeout: Option<Duration>,
    /// Registers for cancellation.
    pub on_cancel: Option<OnCancel<'a>>,
}

/// An answer, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    /// The status code.
    pub status: u16,
    /// Headers by their names in lower case; several of one name are joined by `, `.
    pub headers: BTreeMap<String, String>,
    /// The body as text, invalid UTF-8 replaced; at most [`BODY_LIMIT`] bytes of it.
    pub body: String,
    /// Whether there was more of the body.
    pub truncated: bool,
    /// Who answered in the end.
    pub url: String,
    /// How long it took.
    pub took: Duration,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The URL cannot be used. Nothing was sent.
    #[error("`{url}` cannot be asked: {reason}; write http://HOST/PATH or https://HOST/PATH")]
    BadUrl {
        /// As given, without credentials.
        url: String,
        /// Why.
        reason: String,
    },
    /// A header cannot be sent. Nothing was sent.
    #[error("the header `{name}` cannot be sent: {reason}")]
    BadHeader {
        /// Its name.
        name: String,
        /// Why; its value is not repeated.
        reason: String,
    },
    /// There is no client: the machine's roots or proxy variables cannot be read. Nothing was sent.
    #[error("HTTP requests are not possible here: {0}")]
    NoClient(String),
    /// Nobody could be connected to. Nothing was sent.
    #[error("{url} cannot be reached: {reason}")]
    Unreachable {
        /// What was asked.
        url: String,
        /// What the system said.
        reason: String,
    },
    /// The time was over first. Whether the request arrived is unknown.
    #[error("no answer from {url} within {}", jiff::SignedDuration::try_from(*after).map_or_else(|_| "its time".to_owned(), |d| format!("{d:#}")))]
    Deadline {
        /// What was asked.
        url: String,
        /// For how long.
        after: Duration,
    },
    /// The run was cancelled first. Whether the request arrived is unknown.
    #[error("cancelled while {url} was asked")]
    Cancelled {
        /// What was asked.
        url: String,
    },
    /// Something was connected to, but what it says is no whole answer. Whether the request arrived is unknown.
    #[error("{url} did not answer in HTTP: {reason}")]
    Broken {
        /// What was asked.
        url: String,
        /// What went wrong.
        reason: String,
    },
}

impl HttpError {
    /// Whether it is certain that nothing was sent.
    pub fn nothing_was_sent(&self) -> bool {
        matches!(self, Self::BadUrl { .. } | Self::BadHeader { .. } | Self::NoClient(_) | Self::Unreachable { .. })
    }
}

impl Http {
    /// Asks on this runtime, which must be driven by threads of its own.
    pub fn new(handle: Handle) -> Self {
        Self { handle, clients: Arc::default() }
    }

    /// GET. Redirects on the same host are followed; one to another host is the answer, with its `location`.
    pub fn get(&self, url: &str, request: &Request<'_>) -> Result<HttpAnswer, HttpError> {
        self.ask(&Method::GET, url, request)
    }

    /// HEAD; redirects as for GET.
    pub fn head(&self, url: &str, request: &Request<'_>) -> Result<HttpAnswer, HttpError> {
        self.ask(&Method::HEAD, url, request)
    }

    /// POST. A redirect is the answer: it is never followed.
    pub fn post(&self, url: &str, request: &Request<'_>) -> Result<HttpAnswer, HttpError> {
        self.ask(&Method::POST, url, request)
    }

    fn ask(&self, method: &Method, url: &str, request: &Request<'_>) -> Result<HttpAnswer, HttpError> {
        let started = Instant::now();
        let url = parse(url)?;
        let timeout = request.timeout.unwrap_or(Duration::from_secs(30));
        let client = self.clients.client(&url)?;
        let headers = headers(request.headers)?;
        let (sender, answers) = mpsc::channel();
        let task = {
            let (sender, method, url, body) = (sender.clone(), method.clone(), url.clone(), request.body.clone());
            self.handle.spawn(async move {
                let answer = follow(&client, &method, url, &headers, body, started).await;
                let _ = sender.send(answer); // nobody listens once the time is over
            })
        };
        let _registered = request.on_cancel.map(|register| {
            let (sender, url) = (Mutex::new(sender), url.to_string());
            register(Box::new(move || {
                let sender = sender.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = sender.send(Err(HttpError::Cancelled { url: url.clone() }));
            }))
        });
        let left = timeout.saturating_sub(started.elapsed());
        let answer = answers.recv_timeout(left).unwrap_or_else(|reason| {
            let url = url.to_string();
            Err(match reason {
                mpsc::RecvTimeoutError::Timeout => HttpError::Deadline { url, after: timeout },
                mpsc::RecvTimeoutError::Disconnected => HttpError::Broken { url, reason: "the runtime ended".into() },
            })
        });
        task.abort();
        answer
    }
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http").finish_non_exhaustive()
    }
}

impl Clients {
    fn client(&self, url: &Url) -> Result<Client, HttpError> {
        let kind = (is_this_machine(url), url.scheme() == "https");
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = made.get(&kind) {
            return Ok(client.clone());
        }
        let client = make(kind.0, kind.1).map_err(HttpError::NoClient)?;
        made.insert(kind, client.clone());
        Ok(client)
    }
}

fn make(straight: bool, needs_roots: bool) -> Result<Client, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    let tls = match tls.clone().with_platform_verifier() {
        Ok(tls) => tls.with_no_client_auth(),
        // A machine without roots can still ask over plain HTTP.
        Err(_) if !needs_roots => tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth(),
        Err(error) => {
            return Err(format!("the machine's root certificates cannot be read: {error}; install ca-certificates"));
        }
    };
    let builder = Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("runbook/", env!("CARGO_PKG_VERSION")));
    let builder = if straight { builder.no_proxy() } else { builder };
    builder.build().map_err(|error| reason(&error))
}

async fn follow(
    client: &Client,
    method: &Method,
    mut url: Url,
    headers: &header::HeaderMap,
    body: Option<Vec<u8>>,
    started: Instant,
) -> Result<HttpAnswer, HttpError> {
    for _ in 0..=REDIRECTS {
        let request = client.request(method.clone(), url.clone()).headers(headers.clone());
        let answer = send(with_body(request, body.clone()), &url).await?;
        match next(method, &url, &answer) {
            Some(elsewhere) => url = elsewhere,
            None => return read(answer, url, started).await,
        }
    }
    Err(HttpError::Broken { url: url.into(), reason: format!("it redirected more than {REDIRECTS} times") })
}

fn with_body(request: RequestBuilder, body: Option<Vec<u8>>) -> RequestBuilder {
    match body {
        Some(body) => request.body(body),
        None => request,
    }
}

async fn send(request: RequestBuilder, url: &Url) -> Result<reqwest::Response, HttpError> {
    request.send().await.map_err(|error| {
        let (url, reason) = (url.to_string(), reason(&error));
        if error.is_connect() { HttpError::Unreachable { url, reason } } else { HttpError::Broken { url, reason } }
    })
}

/// Where an answer leads to, if that may be followed: the same host and port, or the same host by TLS.
fn next(method: &Method, url: &Url, answer: &reqwest::Response) -> Option<Url> {
    if *method == Method::POST || !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = answer.headers().get(header::LOCATION)?.to_str().ok()?;
    let to = url.join(location).ok()?;
    let same_place = to.scheme() == url.scheme() && to.port_or_known_default() == url.port_or_known_default();
    let now_by_tls = url.scheme() == "http" && to.scheme() == "https" && url.port().is_none() && to.port().is_none();
    (to.host() == url.host() && to.username().is_empty() && (same_place || now_by_tls)).then_some(to)
}

async fn read(mut answer: reqwest::Response, url: Url, started: Instant) -> Result<HttpAnswer, HttpError> {
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in answer.headers() {
        let value = String::from_utf8_lossy(value.as_bytes());
        headers
            .entry(name.as_str().to_owned())
            .and_modify(|before| {
                before.push_str(", ");
                before.push_str(&value);
            })
            .or_insert_with(|| value.clone().into_owned());
    }
    let status = answer.status().as_u16();
    let mut bytes: Vec<u8> = Vec::new();
    let mut truncated = false;
    while !truncated {
        match answer.chunk().await {
            Ok(Some(chunk)) => {
                let room = BODY_LIMIT - bytes.len();
                truncated = chunk.len() > room;
                bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
            }
            Ok(None) => break,
            Err(error) => return Err(HttpError::Broken { url: url.into(), reason: reason(&error) }),
        }
    }
    let body = String::from_utf8_lossy(&bytes).into_owned();
    Ok(HttpAnswer { status, headers, body, truncated, url: url.into(), took: started.elapsed() })
}

fn headers(given: &[(String, String)]) -> Result<header::HeaderMap, HttpError> {
    let mut headers = header::HeaderMap::new();
    for (name, value) in given {
        let bad = |reason: &str| HttpError::BadHeader { name: name.clone(), reason: reason.to_owned() };
        let key = header::HeaderName::try_from(name.as_str()).map_err(|_| bad("this is not a header's name"))?;
        let value = header::HeaderValue::try_from(value.as_str())
            .map_err(|_| bad("its value holds a character that no header may hold, such as a line break"))?;
        headers.append(key, value);
    }
    Ok(headers)
}

/// What really happened: the last of the causes, and the one before it where that says more.
fn reason(error: &reqwest::Error) -> String {
    let mut causes: Vec<String> = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !causes.iter().any(|before| before.contains(&text)) {
            causes.push(text);
        }
        source = cause.source();
    }
    if causes.is_empty() { error.to_string() } else { causes.split_off(causes.len().saturating_sub(2)).join(": ") }
}

fn parse(text: &str) -> Result<Url, HttpError> {
    let bad = |url: &str, reason: &str| Err(HttpError::BadUrl { url: url.to_owned(), reason: reason.to_owned() });
    let url = match Url::parse(text) {
        Ok(url) => url,
        // What cannot be parsed may still hold a password.
        Err(error) => return bad(text.rsplit('@').next().unwrap_or_default(), &error.to_string()),
    };
    if !url.username().is_empty() || url.password().is_some() {
        let mut shown = url;
        let _ = shown.set_password(None);
        let _ = shown.set_username("");
        return bad(shown.as_str(), "it holds credentials; give them as a header, from secret(…)");
    }
    if !matches!(url.scheme(), "http" | "https") {
        return bad(text, &format!("its scheme is `{}`", url.scheme()));
    }
    Ok(url)
}

fn is_this_machine(url: &Url) -> bool {
    is_loopback(url.host_str().unwrap_or_default().trim_matches(['[', ']']))
}

/// The host that a URL asks, in lower case, without port.
pub fn host_of(url: &str) -> Result<String, HttpError> {
    let host = parse(url)?;
    let host = host.host_str().unwrap_or_default();
    Ok(host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase())
}

/// The host and port that a URL asks, e.g. `api.example.com:6443`.
pub fn place_of(url: &str) -> Result<String, HttpError> {
    let port = parse(url)?.port_or_known_default().unwrap_or_default();
    Ok(format!("{}:{port}", host_of(url)?))
}

/// Whether a host is this machine, by its name or address.
pub fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The host that a URL asks, and the path that it asks for there, with its query.
pub fn host_and_path(url: &str) -> Result<(String, String), HttpError> {
    let parsed = parse(url)?;
    let query = parsed.query().map(|query| format!("?{query}")).unwrap_or_default();
    Ok((host_of(url)?, format!("{}{query}", parsed.path())))
}

/// Whether a host belongs to a pattern of `hosts = […]`: a name, or `*.example.com`, where `*` is exactly one label, as in
/// certificates, so that `*.example.com` does not take in `grafana.staging.example.com`.
pub fn host_matches(pattern: &str, host: &str) -> bool {
    let plain = |name: &str| name.trim_end_matches('.').to_ascii_lowercase();
    let (pattern, host) = (plain(pattern), plain(host));
    match pattern.strip_prefix("*.") {
        Some(parent) => host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == parent),
        None => pattern == host,
    }
}

#[cfg(test)]
mod tests;
