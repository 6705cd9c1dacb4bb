use super::*;
use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::LazyLock,
    thread,
};
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

fn http() -> Http {
    Http::new(RUNTIME.handle().clone())
}

/// Serves every connection with `answer`, which sees the request's head; gives back the server's address.
fn serve(answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || {
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
                    head.push(byte[0]);
                }
                answer(&String::from_utf8_lossy(&head), &mut stream);
            });
        }
    });
    format!("http://{address}")
}

fn say(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n", body.len());
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}

#[test]
fn an_answer_has_its_status_headers_and_body_whatever_the_status() {
    let url = serve(|head, stream| {
        let echo = head.lines().find(|l| l.starts_with("x-asked")).unwrap_or("nothing").to_owned();
        say(stream, "503 Service Unavailable", "X-Two: a\r\nX-Two: b\r\n", echo.as_bytes());
    });
    let headers = [("X-Asked".to_owned(), "yes".to_owned())];
    let answer =
        http().get(&format!("{url}/x"), &Request { headers: &headers, ..Request::default() }).expect("an answer");
    assert_eq!((answer.status, answer.body.as_str(), answer.truncated), (503, "x-asked: yes", false));
    assert_eq!((answer.headers["x-two"].as_str(), answer.url), ("a, b", format!("{url}/x")));
}

#[test]
fn a_post_sends_its_body_and_follows_no_redirect() {
    let url = serve(|head, stream| {
        let length =
            head.lines().find_map(|l| l.strip_prefix("content-length: ")).map_or(0, |l| l.parse().unwrap_or(0));
        let mut body = vec![0; length];
        stream.read_exact(&mut body).expect("a body");
        say(stream, "302 Found", "location: /elsewhere\r\n", &body);
    });
    let request = Request { body: Some(b"hello".to_vec()), ..Request::default() };
    let answer = http().post(&url, &request).expect("an answer");
    assert_eq!((answer.status, answer.body.as_str()), (302, "hello"));
}

#[test]
fn a_redirect_is_followed_on_the_same_host_and_port_only() {
    let url = serve(|head, stream| match head.split(' ').nth(1) {
        Some("/here") => say(stream, "302 Found", "location: /there\r\n", b""),
        Some("/there") => say(stream, "200 OK", "", b"arrived"),
        Some("/loop") => say(stream, "301 Moved", "location: /loop\r\n", b""),
        _ => say(stream, "302 Found", "location: http://localhost:1/stolen\r\n", b""),
    });
    let get = |path: &str| http().get(&format!("{url}{path}"), &Request::default());
    let arrived = get("/here").expect("an answer");
    assert_eq!((arrived.status, arrived.body, arrived.url), (200, "arrived".into(), format!("{url}/there")));
    let other = get("/other").expect("the redirect is the answer");
    assert_eq!((other.status, other.headers["location"].as_str()), (302, "http://localhost:1/stolen"));
    assert!(get("/loop").expect_err("endless").to_string().contains("redirected more than 10 times"));
}

#[test]
fn a_server_that_hangs_costs_no_more_than_the_deadline() {
    let url = serve(|_, stream| drop(stream.read(&mut [0])));
    let started = Instant::now();
    let request = Request { timeout: Some(Duration::from_millis(200)), ..Request::default() };
    let error = http().get(&url, &request).expect_err("no answer");
    assert!(matches!(error, HttpError::Deadline { .. }) && !error.nothing_was_sent(), "{error}");
    assert_eq!(error.to_string(), format!("no answer from {url}/ within 200ms"));
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_body_that_never_ends_is_under_the_same_deadline() {
    let url = serve(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
        let _ = stream.read(&mut [0]);
    });
    let request = Request { timeout: Some(Duration::from_millis(200)), ..Request::default() };
    assert!(matches!(http().get(&url, &request), Err(HttpError::Deadline { .. })));
}

#[test]
fn a_cancelled_run_waits_for_no_answer() {
    let (asked, is_asked) = mpsc::channel();
    let asked = Mutex::new(asked);
    let url = serve(move |_, stream| {
        asked.lock().expect("a lock").send(()).expect("somebody waits");
        let _ = stream.read(&mut [0]);
    });
    let is_asked = Mutex::new(Some(is_asked));
    let on_cancel: OnCancel<'_> = &|wake| {
        let is_asked = is_asked.lock().expect("a lock").take().expect("registered once");
        thread::spawn(move || {
            is_asked.recv().expect("the server is asked");
            wake();
        });
        Box::new(())
    };
    let error = http().get(&url, &Request { on_cancel: Some(on_cancel), ..Request::default() }).expect_err("cancelled");
    assert_eq!(error, HttpError::Cancelled { url: format!("{url}/") });
}

#[test]
fn garbage_is_told_from_nobody_there() {
    let url = serve(|_, stream| drop(stream.write_all(b"SSH-2.0-OpenSSH\r\n\r\n")));
    let garbage = http().get(&url, &Request::default()).expect_err("not HTTP");
    assert!(matches!(garbage, HttpError::Broken { .. }), "{garbage:?}");

    let closed = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let nobody = http().get(&format!("http://{closed}"), &Request::default()).expect_err("closed");
    assert!(nobody.nothing_was_sent() && nobody.to_string().contains("refused"), "{nobody}");
}

#[test]
fn a_long_body_is_cut_and_says_so() {
    let url = serve(|_, stream| say(stream, "200 OK", "", &vec![b'x'; 2 * BODY_LIMIT]));
    let answer = http().get(&url, &Request::default()).expect("an answer");
    assert_eq!((answer.body.len(), answer.truncated), (BODY_LIMIT, true));
}

#[test]
fn what_cannot_be_asked_is_named_without_its_password() {
    for (url, part) in [
        ("grafana.example.com", "cannot be asked"),
        ("ftp://example.com", "its scheme is `ftp`"),
        ("http://", "cannot be asked"),
        ("https://me:hunter2@example.com/", "it holds credentials"),
        ("https://me:hunter2@exa mple.com/", "cannot be asked"),
    ] {
        let error = http().get(url, &Request::default()).expect_err(url);
        assert!(error.to_string().contains(part) && error.nothing_was_sent(), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    let headers = [("x-token".to_owned(), "hunter2\nx".to_owned())];
    let error =
        http().get("http://127.0.0.1:1", &Request { headers: &headers, ..Request::default() }).expect_err("bad");
    assert!(error.to_string().contains("x-token") && !error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn a_star_in_a_host_is_one_label() {
    for (pattern, host, expected) in [
        ("*.example.com", "grafana.example.com", true),
        ("*.example.com", "GRAFANA.Example.com.", true),
        ("*.example.com", "grafana.staging.example.com", false),
        ("*.example.com", "example.com", false),
        ("*.example.com", "evil-example.com", false),
        ("example.com", "example.com", true),
        ("example.com", "a.example.com", false),
    ] {
        assert_eq!(host_matches(pattern, host), expected, "{pattern} {host}");
    }
    assert_eq!(host_of("https://Grafana.Example.com:8443/x?y"), Ok("grafana.example.com".into()));
    assert_eq!(host_of("http://[::1]:80/"), Ok("::1".into()));
}

#[test]
fn tls_is_set_up_with_the_crypto_library_that_is_given() {
    make(true, false).expect("a client needs no global default");
}
