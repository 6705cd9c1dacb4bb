//! Preflight of a playbook of many steps over a real API server.

use std::{fmt::Write as _, fs, time::Duration};

use jiff::Timestamp;
use serde_json::Value;

use super::{
    apiserver::{self, Cluster},
    folder, process,
    table::{Figure, Table, median},
};

const STEPS: usize = 50;
const ROUNDS: usize = 5;

/// From the bound plan's line to the line that preflight ended: the trial over the cluster, reads, dry runs, access reviews,
/// quotas and references of all steps.
pub fn rows(table: &mut Table) {
    let Ok(assets) = apiserver::available() else {
        eprintln!("  no API server can be had (KUBEBUILDER_ASSETS): its rows are left out");
        return;
    };
    let clusters = apiserver::Clusters::start(&assets, &["staging"]);
    let cluster = clusters.staging();
    let namespace = cluster.namespace("preflight");
    let folder = folder();
    let config = format!("[contexts.staging]\nkubeconfig = \"{}\"\n", cluster.kubeconfig().display());
    fs::write(folder.path().join("runbook.toml"), config).expect("there is room");
    let script = playbook(cluster, &namespace);
    let mut took = vec![];
    for round in 0..ROUNDS {
        let playbook = folder.path().join("p.rhai");
        fs::write(&playbook, script.replace("TURN", &format!("turn-{round}"))).expect("there is room");
        let path = playbook.to_str().expect("the build's folder is text");
        let state = folder.path().join(format!("state-{round}"));
        let arguments = ["run", path, "--context", "staging", "--progress", "quiet"];
        process::wall(&mut process::runbook(&state, &arguments));
        took.push(between(&state, "run.bound", "preflight.finished"));
    }
    table.row(
        "preflight: 50 steps",
        Figure::Time(median(&mut took)),
        None,
        Some(Figure::Time(Duration::from_secs(1))),
        format!("{STEPS} steps that apply a Deployment each, half of them there already, later all, and other than wanted; median of {ROUNDS} runs"),
    );
}

/// Every other object is there, and each run wants another label.
fn playbook(cluster: &Cluster, namespace: &str) -> String {
    let mut script = format!(
        r#"plan("Look ahead").problem("it is not known").outcome("it is").contexts(["staging"]).current("no").target("yes")
    .verify("the namespace is there", || k8s::exists("Namespace/{namespace}"));
phase("Apply").goal("they are there");
"#
    );
    for n in 0..STEPS {
        let deployment = |labels: &str| {
            format!(
                r#"{{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {{"name": "o-{n}", "namespace": "{namespace}"{labels}}}, "spec": {{"replicas": 0, "selector": {{"matchLabels": {{"a": "b"}}}}, "template": {{"metadata": {{"labels": {{"a": "b"}}}}, "spec": {{"containers": [{{"name": "c", "image": "i"}}]}}}}}}}}"#
            )
        };
        if n % 2 == 0 {
            cluster.apply(&deployment(""));
        }
        let _ = writeln!(
            script,
            r#"step("Apply {n}").change(|| k8s::apply(`{}`)).verify("it is there", || k8s::exists("Deployment/{namespace}/o-{n}")).skip_if("never", || false);"#,
            // the line end says that it is YAML, not a path
            deployment(r#", "labels": {"turn": "TURN"}"#) + "\n",
        );
    }
    script
}

/// The time between two lines of the only journal in a state folder.
fn between(state: &std::path::Path, first: &str, last: &str) -> Duration {
    let runs = fs::read_dir(state.join("runs")).expect("there is a run");
    let run = runs.flatten().next().expect("there is a run").path();
    let text = fs::read_to_string(run.join("journal.jsonl")).expect("it has a journal");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    let at = |kind: &str| -> Timestamp {
        let line = lines.iter().find(|line| line["k"] == kind).expect("it is journaled");
        line["t"].as_str().and_then(|time| time.parse().ok()).expect("it has its time")
    };
    at(last).duration_since(at(first)).unsigned_abs()
}
