//! What many objects and many watches cost.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use http::Request;
use http_body_util::{BodyDataStream, BodyExt, Full};
use runbook::sandbox::{Options, Sandbox};
use serde_json::json;
use tower::ServiceExt as _;

const OBJECTS: usize = 10_000;
const WATCHES: usize = 200;
/// In MiB.
const MOST: u64 = 150;

/// The memory of this process that is in use, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_objects_and_two_hundred_watches_fit_into_their_memory() {
    let before = resident();
    let sandbox = Sandbox::in_memory(Options::default()).unwrap();
    let maps = "/api/v1/namespaces/default/configmaps";
    let post = |name: String| {
        let sandbox = sandbox.clone();
        async move {
            let body =
                json!({"metadata": {"name": name, "labels": {"app": "web"}}, "data": {"key": "value"}}).to_string();
            let request = Request::post(maps).body(Full::new(Bytes::from(body))).unwrap();
            let answer = sandbox.service().oneshot(request).await.unwrap();
            assert_eq!(answer.status(), 201);
            answer.into_body().collect().await.unwrap().to_bytes()
        }
    };
    for n in 0..OBJECTS {
        post(format!("map-{n}")).await;
    }
    let last: serde_json::Value = serde_json::from_slice(&post("newest".into()).await).unwrap();
    let version = last["metadata"]["resourceVersion"].as_str().unwrap();
    let mut watches = Vec::new();
    for _ in 0..WATCHES {
        let path = format!("{maps}?watch=true&resourceVersion={version}");
        let request = Request::get(path).body(Full::new(Bytes::new())).unwrap();
        let answer = sandbox.service().oneshot(request).await.unwrap();
        watches.push(tokio::spawn(async move { BodyDataStream::new(answer.into_body()).next().await }));
    }
    post("seen-by-all".into()).await;
    for watch in watches {
        let line = tokio::time::timeout(Duration::from_secs(30), watch).await.unwrap().unwrap().unwrap().unwrap();
        assert!(String::from_utf8_lossy(&line).contains("seen-by-all"));
    }
    let used = resident().saturating_sub(before) / 1024;
    println!("{OBJECTS} objects and {WATCHES} watches: {used} MiB more than the {} MiB before", before / 1024);
    assert!(used <= MOST, "{used} MiB in use, {MOST} allowed");
}
