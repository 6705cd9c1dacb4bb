use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::*;

/// Set for the process that is to be killed.
const VICTIM: &str = "RUNBOOK_TEST_SANDBOX_VICTIM";

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

#[test]
fn the_state_and_the_identity_last_from_one_opening_to_the_next() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("deep/state");
    let uid = runtime().block_on(async {
        let sandbox = Sandbox::open(&path, quick()).expect("opens");
        sandbox.post(MAPS, config_map("a", json!({"k": "v"}))).await;
        sandbox.uid()
    });
    runtime().block_on(async {
        let sandbox = Sandbox::open(&path, quick()).expect("opens again");
        assert_eq!(sandbox.uid(), uid);
        assert_eq!(sandbox.get(&format!("{MAPS}/a")).await.1["data"], json!({"k": "v"}));
    });
}

#[test]
fn unfinished_work_is_taken_up_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state");
    let collection = "/apis/apps/v1/namespaces/default/deployments";
    let body = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "main", "image": "example/app:1"}]}}}});
    runtime().block_on(async {
        let slow = Options { timing: Timing { shortest: PATIENCE * 9, longest: PATIENCE * 9 }, ..Options::default() };
        let sandbox = Sandbox::open(&path, slow).expect("opens");
        sandbox.post(collection, body).await;
        sandbox
            .until(collection, "web", |object| condition(object, "Progressing")["reason"] == "ReplicaSetUpdated")
            .await;
    });
    runtime().block_on(async {
        let sandbox = Sandbox::open(&path, quick()).expect("opens again");
        sandbox.until(collection, "web", |object| object["status"]["readyReplicas"] == 1).await;
    });
}

#[test]
fn a_secret_is_kept_on_disk_as_a_stand_in_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state");
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"password": "canary-31415"}});
    let collection = "/api/v1/namespaces/default/secrets";
    runtime().block_on(async {
        let sandbox = Sandbox::open(&path, quick()).expect("opens");
        let (_, made) = sandbox.post(collection, secret).await;
        assert_eq!(made["data"]["password"], secrets::encode(b"canary-31415"), "this process still knows it");
    });
    let bytes = std::fs::read(&path).expect("readable");
    let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    assert!(!holds(b"canary-31415") && !holds(secrets::encode(b"canary-31415").as_bytes()));
    runtime().block_on(async {
        let sandbox = Sandbox::open(&path, quick()).expect("opens again");
        let (_, kept) = sandbox.get(&format!("{collection}/s")).await;
        assert_eq!(kept["data"]["password"], secrets::encode(b"stand-in-sta"), "as long as the value was");
    });
}

/// Not a test of its own: the process that [`every_answered_write_survives_kill_9`] kills.
#[test]
fn victim_of_the_kill_test() {
    let Ok(path) = std::env::var(VICTIM) else {
        assert!(std::env::var_os(VICTIM).is_none(), "the variable is text");
        return;
    };
    runtime().block_on(async {
        let sandbox = Sandbox::open(&path, quick()).expect("opens");
        for n in 0_u64.. {
            let (code, body) = sandbox.post(MAPS, config_map(&format!("m{n}"), json!({"n": n.to_string()}))).await;
            assert!(code == 201 || body["reason"] == "AlreadyExists", "{body}");
            println!("\nacknowledged {n}");
        }
    });
}

#[test]
fn every_answered_write_survives_kill_9() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state");
    for wanted in [40_u64, 90, 150] {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "sandbox::tests::durable::victim_of_the_kill_test", "--nocapture", "--test-threads=1"])
            .env(VICTIM, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the test runs itself");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut last = None;
        for line in lines.map_while(Result::ok) {
            if let Some(n) = line.strip_prefix("acknowledged ").and_then(|n| n.parse::<u64>().ok()) {
                last = Some(n);
                if n >= wanted {
                    break;
                }
            }
        }
        child.kill().expect("SIGKILL");
        child.wait().expect("gone");
        let last = last.expect("something was acknowledged");
        assert!(last >= wanted, "the child stopped early, at {last}");
        runtime().block_on(async {
            let sandbox = Sandbox::open(&path, quick()).expect("opens after the kill");
            let (_, list) = sandbox.get(MAPS).await;
            let names: std::collections::BTreeSet<&str> = list["items"]
                .as_array()
                .expect("items")
                .iter()
                .filter_map(|item| item["metadata"]["name"].as_str())
                .collect();
            for n in 0..=last {
                assert!(names.contains(format!("m{n}").as_str()), "m{n} of {last} is lost");
            }
        });
    }
}
