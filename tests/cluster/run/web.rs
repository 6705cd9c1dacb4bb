//! `http` natives against a plain server on loopback: what is asked, what is sent, what an answer means.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use super::{World, play};
use crate::apiserver;

/// A server at work until the process ends: answers by path, and keeps what it was sent.
struct Host {
    port: u16,
    got: Arc<Mutex<Vec<String>>>,
}

impl Host {
    fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let host = Self { port: listener.local_addr().unwrap().port(), got: Arc::default() };
        let got = host.got.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // one that goes away in the middle is no matter of the server's
                answer(stream, &got).ok();
            }
        });
        host
    }

    fn got(&self) -> Vec<String> {
        self.got.lock().unwrap().clone()
    }
}

fn answer(stream: TcpStream, got: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut head, mut line) = (String::new(), String::new());
    while stream.read_line(&mut line)? > 2 {
        head.push_str(&line.to_lowercase());
        line.clear();
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let first = head.lines().next().unwrap_or_default().replace(" http/1.1", "");
    got.lock().unwrap().push(format!("{first}\n{head}\n{}", String::from_utf8_lossy(&body)));
    let answer = match first.split(' ').nth(1).unwrap_or_default() {
        "/lost" => return Ok(()),
        "/refused" => "409 Conflict\r\ncontent-length: 16\r\n\r\nalready silenced",
        "/moved" => "303 See Other\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n",
        _ if first.starts_with("head") => "200 OK\r\nx-version: 7\r\ncontent-length: 99\r\n\r\n",
        _ => "201 Created\r\ncontent-length: 11\r\n\r\n{\"id\":\"s1\"}",
    };
    let answer = answer.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    stream.get_mut().write_all(format!("HTTP/1.1 {answer}").as_bytes())
}

fn world(server: &apiserver::Cluster, toml: &str, items: &str, host: &Host) -> World {
    let mut world = World::new(&format!("[contexts.staging]\n{toml}"), &[("staging", server)]);
    let items = items.replace("HOST", &format!("http://127.0.0.1:{}", host.port));
    world.file("p.rhai", &play("\"staging\"", "k8s::exists(\"Namespace/kube-system\")", &items));
    world.env.push(("ALERTS_TOKEN", "hush-hush-token".into()));
    world
}

fn go(world: &World) -> super::world::Outcome {
    world.run("run p.rhai --context staging")
}

#[test]
fn a_post_is_an_effect_that_sends_a_map_as_json_and_a_secret_in_a_header() {
    let Some(clusters) = apiserver::shared() else { return };
    let host = Host::start();
    let world = world(
        clusters.staging(),
        "",
        r#"let token = secret("token", #{ env: "ALERTS_TOKEN" });
step("Silence").change(|| http::post("HOST/silences", #{ matcher: "a=b" }, #{ headers: #{ authorization: "Bearer " + token } }))
    .verify("it is made", || output().status == 201 && output().body.contains("s1"))
    .verify("it has a version", || http::head("HOST/silences").headers["x-version"] == "7" && http::head("HOST/x").body == "")
    .irreversible("it ends by itself");
step("Form").change(|| http::post("HOST/moved", "a=b", #{ headers: #{ "content-type": "text/x" } }))
    .verify("a redirect is an answer", || output().status == 303 && output().headers.location == "/elsewhere")
    .irreversible("it ends by itself");"#,
        &host,
    );
    go(&world).exits(0);
    let posts: Vec<String> = host.got().into_iter().filter(|got| got.starts_with("post")).collect();
    assert_eq!(posts.len(), 2, "{posts:?}");
    assert!(posts[0].contains("authorization: bearer hush-hush-token"), "{posts:?}");
    assert!(
        posts[0].contains("content-type: application/json") && posts[0].ends_with(r#"{"matcher":"a=b"}"#),
        "{posts:?}"
    );
    assert!(posts[1].contains("content-type: text/x") && posts[1].ends_with("a=b"), "{posts:?}");
    let run = world.new_run(&[]);
    assert_eq!(world.journal(&run).outcomes(), ["applied", "applied"]);
    assert!(!format!("{:?}", world.journal(&run).0).contains("hush-hush"));
}

#[test]
fn a_post_that_is_refused_fails_its_step_and_one_whose_answer_is_lost_is_not_sent_again() {
    let Some(clusters) = apiserver::shared() else { return };
    let host = Host::start();
    let step = |path: &str| {
        format!(
            "step(\"Silence\").change(|| http::post(\"HOST/{path}\", \"x\")).verify(\"x\", || true).irreversible(\"x\");"
        )
    };
    let refused = world(clusters.staging(), "", &step("refused"), &host);
    go(&refused).exits(11).says("/refused answered 409 to a POST: already silenced");
    assert_eq!(refused.journal(&refused.new_run(&[])).outcomes(), ["failed"]);

    let lost = world(clusters.staging(), "", &step("lost"), &host);
    go(&lost).exits(40).says("was sent and its answer is not known");
    let run = lost.new_run(&[]);
    let _ = lost.run(&format!("resume {run}")).exits(40);
    assert_eq!(host.got().iter().filter(|got| got.starts_with("post /lost")).count(), 1);

    // nobody listens: it is certain that nothing was sent
    let nobody = world(clusters.staging(), "", &step("x").replace("HOST", "http://127.0.0.1:1"), &host);
    go(&nobody).exits(11).says("cannot be reached");
}

#[test]
fn a_post_to_a_host_of_another_context_is_refused_before_it_is_journaled() {
    let Some(clusters) = apiserver::shared() else { return };
    let host = Host::start();
    let world = world(
        clusters.staging(),
        "[contexts.main]\nhosts = [\"127.0.0.1\"]\n",
        "step(\"Silence\").change(|| http::post(\"HOST/x\", \"x\")).verify(\"x\", || true).irreversible(\"x\");",
        &host,
    );
    go(&world).exits(31).says("127.0.0.1 belongs to context main");
    assert!(host.got().is_empty());
    assert!(world.journal(&world.new_run(&[])).of("effect").is_empty());
}

/// What `check` cannot see, because the script computes it, is found before the run begins.
#[test]
fn a_computed_host_that_the_context_does_not_declare_is_found_before_the_run() {
    let Some(clusters) = apiserver::shared() else { return };
    let world = World::new("[contexts.staging]\nhosts = [\"known.example.org\"]\n", &[("staging", clusters.staging())]);
    let items = "let name = param(\"name\", #{ default: \"status\" });
step(\"Ask\").verify(\"it answers\", || http::get(`https://${name}.example.org/x`).status == 200);
step(\"Known\").verify(\"it answers\", || http::get(`https://known.example.org/${name}`).status == 200);
step(\"Post\").change(|| http::post(`https://hooks-${name}.example.org/x`, #{ body: \"x\" })).verify(\"so\", || true).irreversible(\"it is told\");
step(\"Own\").verify(\"it answers\", || http::get(`SERVER/healthz?${name}`).status == 200);\n";
    let items = items.replace("SERVER", clusters.staging().url());
    world
        .file("p.rhai", &play("\"staging\"", "http::get(`https://${\"outcome\"}.example.org/`).status == 200", &items));
    let checked = world.run("check p.rhai");
    assert!(!checked.err.contains("http host"), "{}", checked.err);
    let plan = world.run("plan p.rhai --context staging");
    let said = &plan.err;
    for host in ["status.example.org", "hooks-status.example.org", "outcome.example.org"] {
        let words = format!("context staging does not declare the http host {host}");
        assert_eq!(said.matches(&words).count(), 1, "{host}: {said}");
    }
    assert_eq!(said.matches("does not declare").count(), 3, "{said}");
}
