//! An API server on loopback that misbehaves as it is told: plain HTTP in front of a sandbox of its own, or of another
//! server, so that all it is not told about works.

#![allow(dead_code, reason = "each test binary uses its own part of this")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code outside of test functions")]

use std::{
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener as StdListener},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use runbook::sandbox::{Options, Sandbox, Timing};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{Notify, watch},
    task::JoinHandle,
};
use tower::ServiceExt as _;

use crate::program::{RUNTIME, World, object};

/// What the server does instead of answering.
#[derive(Clone)]
pub enum Does {
    /// Answers with this code and a `Status` of this reason and message.
    Refuses(u16, &'static str, &'static str),
    /// Answers with this code and these bytes.
    Says(u16, &'static str),
    /// Takes the request and never answers.
    Hangs,
    /// Takes the request and hangs up.
    HangsUp,
    /// Does what is asked, and hangs up instead of answering.
    ActsAndHangsUp,
    /// Does what is asked, and hangs up after so many bytes of the answer.
    Cuts(usize),
    /// Does what is asked and begins the answer, passes nothing on, and ends it in good order once it is told to.
    Stalls(Arc<Notify>),
    /// Does what is asked, after so long.
    Late(Duration),
    /// Does what is asked, with a `Date` that is so far from now.
    Dated(jiff::SignedDuration),
    /// Does what is asked twice, and gives the second answer.
    Twice,
    /// Calls this, and does what is asked.
    First(Arc<dyn Fn() + Send + Sync>),
    /// Does what is asked, and calls this before it hangs up.
    Last(Arc<dyn Fn() + Send + Sync>),
}

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// What a rule is about: a method, a part of the path, how many such requests it lets pass, and how often it still counts.
struct Rule {
    pass: usize,
    method: &'static str,
    part: String,
    left: u32,
    does: Does,
}

/// What a request says that only tries a change.
const DRY_RUN: &str = "dryRun=All";

/// What does the work.
#[derive(Clone)]
enum Behind {
    Sandbox(Sandbox),
    Server(String, reqwest::Client),
}

#[derive(Clone)]
struct Front {
    behind: Behind,
    rules: Arc<Mutex<Vec<Rule>>>,
    asked: Arc<Mutex<Vec<String>>>,
    refused: Arc<Mutex<Vec<String>>>,
    shut: Arc<AtomicBool>,
    turned_away: Arc<AtomicUsize>,
    cut: watch::Sender<()>,
}

/// Answers until it is dropped.
pub struct BadServer {
    front: Front,
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl BadServer {
    /// A server that behaves well until it is told otherwise.
    pub fn start() -> Self {
        let timing = Timing { shortest: Duration::from_millis(1), longest: Duration::from_millis(5) };
        let options = Options { timing, runtime: Some(RUNTIME.handle().clone()), ..Options::default() };
        Self::of(Behind::Sandbox(Sandbox::in_memory(options).unwrap()))
    }

    /// A server in front of another one, which is asked through this client.
    pub fn before(url: &str, http: &reqwest::Client) -> Self {
        Self::of(Behind::Server(url.into(), http.clone()))
    }

    fn of(behind: Behind) -> Self {
        let front = Front {
            behind,
            rules: Arc::default(),
            asked: Arc::default(),
            refused: Arc::default(),
            shut: Arc::default(),
            turned_away: Arc::default(),
            cut: watch::Sender::default(),
        };
        let listener = RUNTIME.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let task = RUNTIME.spawn(accept(listener, front.clone()));
        Self { front, address, task }
    }

    /// From here on requests of this method (any where it is empty) whose path has this part are treated so. A dry run changes
    /// nothing, and counts only where the part names it.
    pub fn when(&self, method: &'static str, part: &str, does: Does) -> &Self {
        self.next(u32::MAX, method, part, does)
    }

    /// The same for the next `times` of them.
    pub fn next(&self, times: u32, method: &'static str, part: &str, does: Does) -> &Self {
        self.front.rules.lock().unwrap().push(Rule { pass: 0, method, part: part.into(), left: times, does });
        self
    }

    /// Treats the n-th request of this method (any where it is empty) so, from 0.
    pub fn nth(&self, n: usize, method: &'static str, does: Does) -> &Self {
        self.front.rules.lock().unwrap().push(Rule { pass: n, method, part: String::new(), left: 1, does });
        self
    }

    /// Behaves well again.
    pub fn heals(&self) {
        self.front.rules.lock().unwrap().clear();
    }

    /// Cuts every connection. The next is served.
    pub fn cuts(&self) {
        self.front.cut.send_replace(());
    }

    /// Cuts every connection, and hangs up on each that comes, until it opens again.
    pub fn shuts(&self) {
        self.front.shut.store(true, Ordering::SeqCst);
        self.cuts();
    }

    /// Serves again.
    pub fn opens(&self) {
        self.front.shut.store(false, Ordering::SeqCst);
    }

    /// How many connections were hung up on while it was shut.
    pub fn turned_away(&self) -> usize {
        self.front.turned_away.load(Ordering::SeqCst)
    }

    /// What the server behind refused, as it said it: requests with their status, and events of watches that are errors.
    pub fn refused(&self) -> Vec<String> {
        self.front.refused.lock().unwrap().clone()
    }

    /// Every request so far, as `GET /path?query`.
    pub fn asked(&self) -> Vec<String> {
        self.front.asked.lock().unwrap().clone()
    }

    /// How many requests of this method there were, dry runs left out.
    pub fn count(&self, method: &str) -> usize {
        self.asked().iter().filter(|asked| asked.starts_with(method) && !asked.contains(DRY_RUN)).count()
    }

    /// Makes an object of the namespace `default`, behind the back of every run.
    pub fn make(&self, object: &Value) {
        let plural = format!("{}s", object["kind"].as_str().unwrap().to_lowercase());
        let path = format!("/api/v1/namespaces/default/{plural}");
        let request = Request::post(path).header("content-type", "application/json");
        let request = request.body(Bytes::from(object.to_string())).unwrap();
        let answer = RUNTIME.block_on(self.front.well(request)).unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
    }

    /// What it holds below this path.
    pub fn object(&self, path: &str) -> Option<Value> {
        match &self.front.behind {
            Behind::Sandbox(sandbox) => object(sandbox, path),
            Behind::Server(..) => panic!("ask the other server"),
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes staging of this world this server, with a kubeconfig in its home.
    pub fn is_staging_of(&self, world: &World) -> &Self {
        point(world, &self.url());
        self
    }
}

impl Drop for BadServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Makes staging of a world the server at this URL.
pub fn point(world: &World, url: &str) {
    point_with(world, url, "a-token-of-tests");
}

/// The same, with this token.
pub fn point_with(world: &World, url: &str, token: &str) {
    world.file("runbook.toml", "[contexts.staging]\n");
    let config = json!({
        "apiVersion": "v1", "kind": "Config",
        "clusters": [{ "name": "c", "cluster": { "server": url } }],
        "users": [{ "name": "u", "user": { "token": token } }],
        "contexts": [{ "name": "staging", "context": { "cluster": "c", "user": "u" } }],
    });
    world.file("../home/.kube/config", config.to_string());
}

/// A URL at which nothing listens.
pub fn nowhere() -> String {
    let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// The URL of something that listens and does not speak HTTP.
pub fn no_http() -> String {
    let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.and_then(|mut stream| stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n"));
        }
    });
    url
}

async fn accept(listener: TcpListener, front: Front) {
    while let Ok((stream, _)) = listener.accept().await {
        if front.shut.load(Ordering::SeqCst) {
            front.turned_away.fetch_add(1, Ordering::SeqCst);
            continue;
        }
        let front = front.clone();
        let mut cut = front.cut.subscribe();
        tokio::spawn(async move {
            let service = TowerToHyperService::new(tower::service_fn(move |request| front.clone().answer(request)));
            let builder = Builder::new(TokioExecutor::new());
            tokio::select! {
                _ = builder.serve_connection(TokioIo::new(stream), service) => {}
                _ = cut.changed() => {}
            }
        });
    }
}

impl Front {
    async fn answer<B>(self, request: Request<B>) -> io::Result<Response<Body>>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: std::fmt::Debug,
    {
        let (head, body) = request.into_parts();
        // a client that is killed while it sends has asked nothing
        let Ok(body) = body.collect().await else { return Err(io::ErrorKind::ConnectionReset.into()) };
        self.answer_whole(Request::from_parts(head, body.to_bytes())).await
    }

    async fn answer_whole(self, request: Request<Bytes>) -> io::Result<Response<Body>> {
        let asked = format!("{} {}", request.method(), request.uri());
        let does = {
            let mut rules = self.rules.lock().unwrap();
            let method = request.method().as_str();
            let mut rule = None;
            for known in rules.iter_mut().filter(|rule| rule.left > 0) {
                let tried = !known.method.is_empty() && asked.contains(DRY_RUN) && !known.part.contains("dryRun");
                if rule.is_some() || tried || ![method, ""].contains(&known.method) || !asked.contains(&known.part) {
                    continue;
                }
                if known.pass > 0 {
                    known.pass -= 1;
                } else {
                    rule = Some(known);
                }
            }
            self.asked.lock().unwrap().push(asked);
            rule.map(|rule| {
                rule.left = rule.left.saturating_sub(u32::from(rule.left != u32::MAX));
                rule.does.clone()
            })
        };
        match does {
            None => self.well(request).await,
            Some(Does::Refuses(code, reason, message)) => {
                let status = json!({
                    "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                    "message": message, "reason": reason, "code": code,
                });
                Ok(whole(code, "application/json", status.to_string()))
            }
            Some(Does::Says(code, text)) => Ok(whole(code, "text/html", text)),
            Some(Does::Hangs) => std::future::pending().await,
            Some(Does::HangsUp) => Err(io::ErrorKind::ConnectionReset.into()),
            Some(Does::ActsAndHangsUp) => {
                self.well(request).await?;
                Err(io::ErrorKind::ConnectionReset.into())
            }
            Some(Does::Cuts(bytes)) => Ok(cut(self.well(request).await?, bytes)),
            Some(Does::Stalls(told)) => Ok(self.well(request).await?.map(|body| {
                let parts = futures::stream::once(async move {
                    told.notified().await;
                    drop(body);
                });
                StreamBody::new(futures::StreamExt::filter_map(parts, async |()| None)).boxed_unsync()
            })),
            Some(Does::Late(by)) => {
                tokio::time::sleep(by).await;
                self.well(request).await
            }
            Some(Does::Dated(by)) => {
                let mut answer = self.well(request).await?;
                let date = (jiff::Timestamp::now() + by).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
                answer.headers_mut().insert(header::DATE, date.parse().unwrap());
                Ok(answer)
            }
            Some(Does::Twice) => {
                drop(self.well(request.clone()).await?);
                self.well(request).await
            }
            Some(Does::First(call)) => {
                call();
                self.well(request).await
            }
            Some(Does::Last(call)) => {
                self.well(request).await?;
                call();
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
    }

    async fn well(&self, request: Request<Bytes>) -> io::Result<Response<Body>> {
        let (url, http) = match &self.behind {
            Behind::Sandbox(sandbox) => {
                let Ok(answer) = sandbox.service().oneshot(request.map(Full::new)).await;
                return Ok(answer.map(|body| body.map_err(|never| match never {}).boxed_unsync()));
            }
            Behind::Server(url, http) => (url, http),
        };
        let (head, body) = request.into_parts();
        let what = format!("{} {}", head.method, head.uri);
        let mut asked = http.request(head.method, format!("{url}{}", head.uri)).body(body);
        for name in [header::ACCEPT, header::CONTENT_TYPE] {
            if let Some(value) = head.headers.get(&name) {
                asked = asked.header(name, value);
            }
        }
        let answer = asked.send().await.map_err(io::Error::other)?;
        if !answer.status().is_success() {
            self.refused.lock().unwrap().push(format!("{what}: {}", answer.status()));
        }
        let mut response = Response::builder().status(answer.status());
        for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::DATE] {
            if let Some(value) = answer.headers().get(&name) {
                response = response.header(name, value);
            }
        }
        let refused = self.refused.clone();
        let parts = futures::stream::unfold((answer, what), move |(mut answer, what)| {
            let refused = refused.clone();
            async move {
                let part = answer.chunk().await.transpose()?;
                let said = part.as_ref().map(|part| String::from_utf8_lossy(part)).unwrap_or_default();
                if what.contains("watch=1") && said.contains("\"type\":\"ERROR\"") {
                    refused.lock().unwrap().push(format!("{what}: {said}"));
                }
                Some((part.map(Frame::data).map_err(io::Error::other), (answer, what)))
            }
        });
        Ok(response.body(StreamBody::new(parts).boxed_unsync()).unwrap())
    }
}

/// The beginning of an answer, and then nothing more.
fn cut(answer: Response<Body>, bytes: usize) -> Response<Body> {
    let (head, body) = answer.into_parts();
    let parts = futures::stream::unfold((body, bytes, false), |(mut body, left, over)| async move {
        if over {
            return None;
        }
        let reset = || Some((Err(io::ErrorKind::ConnectionReset.into()), (Body::default(), 0, true)));
        if left == 0 {
            return reset();
        }
        match body.frame().await {
            Some(Ok(frame)) => {
                let data = frame.into_data().unwrap_or_default();
                let part = data.slice(..left.min(data.len()));
                let left = left - part.len();
                Some((Ok(Frame::data(part)), (body, left, false)))
            }
            _ => reset(),
        }
    });
    Response::from_parts(head, StreamBody::new(parts).boxed_unsync())
}

fn whole(code: u16, kind: &str, text: impl Into<Bytes>) -> Response<Body> {
    let body = Full::new(text.into()).map_err(|never| match never {}).boxed_unsync();
    Response::builder().status(code).header("content-type", kind).body(body).unwrap()
}
