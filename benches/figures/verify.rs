//! From a condition's coming true to its being seen: a verify on objects of a server on loopback, which something else
//! changes again and again.

use std::{
    fs,
    sync::{Mutex, mpsc},
    time::{Duration, Instant},
};

use http::{Method, Request, header::CONTENT_TYPE};
use http_body_util::Full;
use runbook::{
    effect::Module,
    model::ExitCode,
    runbook::{Run, Runbook},
    sandbox::{Options, Sandbox},
};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{
    folder,
    table::{Figure, Table, quantile},
};

const CHANGES: u32 = 300;

pub fn rows(table: &mut Table) {
    measure(table, 1, "verify latency");
    measure(table, 200, "verify latency, 200 objects");
}

fn measure(table: &mut Table, objects: u32, name: &str) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let sandbox = Sandbox::in_memory(Options::default()).expect("it opens");
    for n in 0..objects {
        let body = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": format!("object-{n}"), "namespace": "default" }, "data": { "turn": "0" },
        });
        send(&runtime, &sandbox, Method::POST, "", "application/json", &body);
    }
    let served = runtime.block_on(sandbox.serve()).expect("it listens");
    let folder = folder();
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "staging",
        "clusters": [{ "name": "staging", "cluster": { "server": served.url() } }],
        "contexts": [{ "name": "staging", "context": { "cluster": "staging", "user": "staging" } }],
        "users": [{ "name": "staging", "user": {} }],
    });
    fs::write(folder.path().join("kubeconfig"), kubeconfig.to_string()).expect("there is room");
    fs::write(folder.path().join("runbook.toml"), "[contexts.staging]\n").expect("there is room");
    // the turn of the slowest object: with 200 of them all are read and looked at
    let script = format!(
        r#"
plan("Wait").problem("waiting has a cost").outcome("it was seen").contexts(["staging"]).current("no").target("yes");
phase("Wait").goal("it was seen");
step("See it").verify("the last turn was seen", || {{
    let turn = 0;
    for object in k8s::list("ConfigMap", "default") {{
        let own = bench::number(object.data.turn);
        if own > turn {{ turn = own; }}
    }}
    bench::saw(turn) == {CHANGES}
}}).within("10m");
"#
    );
    fs::write(folder.path().join("wait.rhai"), script).expect("there is room");
    let (sender, receiver) = mpsc::channel::<(u64, Instant)>();
    let sender = Mutex::new(sender);
    let module = Module::new("bench")
        .pure("number", |arguments, _| {
            let number = arguments.first().and_then(Value::as_str).and_then(|text| text.parse::<u64>().ok());
            number.map(|number| json!(number)).ok_or_else(|| "not a number".to_string())
        })
        .pure("saw", move |arguments, _| {
            let turn = arguments.first().and_then(Value::as_u64).unwrap_or_default();
            let _ = sender.lock().expect("nothing panics with it").send((turn, Instant::now()));
            Ok(json!(turn))
        });
    let runbook = Runbook::builder()
        .store(folder.path().join("state"))
        .kubeconfig(folder.path().join("kubeconfig"))
        .module(module)
        .build()
        .expect("it is complete");
    let run = runbook.load(folder.path().join("wait.rhai")).expect("it is there").run("staging").start();
    let run = run.expect("it starts");
    let mut times = vec![];
    for turn in 1..=u64::from(CHANGES) {
        if turn == 1 {
            wait_for(&run, &receiver, 0);
            // the first look is behind the run, its watch stands
            std::thread::sleep(Duration::from_millis(300));
        }
        let body = json!({ "data": { "turn": turn.to_string() } });
        let name = format!("/object-{}", turn % u64::from(objects));
        let begun = Instant::now();
        send(&runtime, &sandbox, Method::PATCH, &name, "application/merge-patch+json", &body);
        times.push(wait_for(&run, &receiver, turn).saturating_duration_since(begun));
    }
    let ended = run.wait();
    assert_eq!(ended.exit, ExitCode::Done, "{} {:?}", ended.message, ended.findings);
    let (half, most) = (quantile(&mut times, 0.5), quantile(&mut times, 0.99));
    let how = format!(
        "{CHANGES} changes one after the other; from before the write is sent until the verify's closure has read it, \
         over loopback http; {objects} object(s) read by one list"
    );
    table.row(format!("{name}, p50"), Figure::Time(half), None, None, how.clone());
    table.row(format!("{name}, p99"), Figure::Time(most), None, Some(Figure::Time(Duration::from_millis(20))), how);
}

/// When the closure saw this turn.
fn wait_for(run: &Run, seen: &mpsc::Receiver<(u64, Instant)>, turn: u64) -> Instant {
    loop {
        match seen.recv_timeout(Duration::from_secs(1)) {
            Ok((saw, at)) if saw >= turn => return at,
            Ok(_) => {}
            Err(_) => {
                let ended = run.wait_for(Duration::ZERO);
                assert!(ended.is_none(), "the run ended before its verify saw turn {turn}: {ended:#?}");
            }
        }
    }
}

fn send(runtime: &tokio::runtime::Runtime, sandbox: &Sandbox, method: Method, name: &str, kind: &str, body: &Value) {
    let request = Request::builder()
        .method(method)
        .uri(format!("/api/v1/namespaces/default/configmaps{name}"))
        .header(CONTENT_TYPE, kind)
        .body(Full::new(bytes::Bytes::from(body.to_string())))
        .expect("a request");
    let answer = runtime.block_on(sandbox.service().oneshot(request)).expect("it always answers");
    assert!(answer.status().is_success(), "{}", answer.status());
}
