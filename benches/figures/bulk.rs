//! Many objects on a real API server: applied with their before-images and verified, beside the same requests by plain
//! HTTP, eight at a time, and beside kubectl.

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use http::Method;

use super::{
    apiserver::{self, Cluster},
    folder, process,
    table::{Figure, Table, median},
};

const OBJECTS: usize = 500;
const LISTED: usize = 5_000;
const CONNECTIONS: usize = 8;
const ROUNDS: usize = 3;
const BAR: Duration = Duration::from_millis(1_500);

/// One sort of object: its path behind the namespace's, and one of them as JSON, which YAML includes.
struct Sort {
    name: &'static str,
    path: &'static str,
    kind: &'static str,
    object: fn(usize, &str, &str) -> String,
}

const SORTS: [Sort; 2] = [
    Sort { name: "500 ConfigMaps", path: "/api/v1", kind: "ConfigMap", object: config_map },
    Sort { name: "500 Deployments of 0 replicas", path: "/apis/apps/v1", kind: "Deployment", object: deployment },
];

fn config_map(n: usize, namespace: &str, turn: &str) -> String {
    format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"o-{n}","namespace":"{namespace}"}},"data":{{"turn":"{turn}"}}}}"#
    )
}

fn deployment(n: usize, namespace: &str, turn: &str) -> String {
    format!(
        r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"o-{n}","namespace":"{namespace}","labels":{{"turn":"{turn}"}}}},"spec":{{"replicas":0,"selector":{{"matchLabels":{{"a":"b"}}}},"template":{{"metadata":{{"labels":{{"a":"b"}}}},"spec":{{"containers":[{{"name":"c","image":"i"}}]}}}}}}}}"#
    )
}

pub fn rows(table: &mut Table) {
    let Ok(assets) = apiserver::available() else {
        eprintln!("  no API server can be had (KUBEBUILDER_ASSETS): its rows are left out");
        return;
    };
    let clusters = apiserver::Clusters::start(&assets, &["staging"]);
    let cluster = clusters.staging();
    for sort in &SORTS {
        applied(table, cluster, sort);
    }
    listed(table, cluster);
}

/// Applying and verifying as a whole process, new and changed, each beside its floor in another namespace, in turn.
fn applied(table: &mut Table, cluster: &Cluster, sort: &Sort) {
    let places: Vec<_> = (0..ROUNDS).map(|_| (cluster.namespace("own"), cluster.namespace("plain"))).collect();
    for (turn, what) in [("1", "new"), ("2", "changed")] {
        let (mut took, mut floor, mut tried) = (vec![], vec![], vec![]);
        for (own, plain) in &places {
            let folder = playbook(cluster, own, sort, turn);
            tried.push(by_http(cluster, plain, sort, turn, "&dryRun=All"));
            took.push(process::wall(&mut process::run(folder.path(), "apply.rhai")));
            floor.push(by_http(cluster, plain, sort, turn, ""));
        }
        let [took, floor, tried] = [took, floor, tried].map(|mut times| median(&mut times));
        table.row(
            format!("{}, {what}", sort.name),
            Figure::Time(took),
            Some(Figure::Time(floor)),
            Some(Figure::Time(BAR.min(floor * 2))),
            format!(
                "median of {ROUNDS} runs of one step from start to end: dry-run whole, read before, applied, all verified \
                 by one list; floor: the same {OBJECTS} PATCH requests, {CONNECTIONS} at a time"
            ),
        );
        table.row(
            format!("{}, {what}: without the dry run", sort.name),
            Figure::Time(took.saturating_sub(tried)),
            Some(Figure::Time(floor)),
            Some(Figure::Time(BAR.min(floor * 2))),
            "the same less the next row: before-images, writes, verified, and all that a run is beside them",
        );
        table.row(
            format!("{}, {what}: dry run", sort.name),
            Figure::Time(tried),
            Some(Figure::Time(floor)),
            None,
            "the floor's requests with dryRun=All: what the server's look at all of them costs before the first write",
        );
    }
    if sort.kind == "ConfigMap"
        && let Some(took) = by_kubectl(cluster, sort)
    {
        let how = "`kubectl apply --server-side` of the same file in a new namespace, for comparison";
        table.row(format!("{}, new, kubectl", sort.name), Figure::Time(took), None, None, how);
    }
}

/// A folder with a playbook that applies the objects and sees all of them as they are to be.
fn playbook(cluster: &Cluster, namespace: &str, sort: &Sort, turn: &str) -> tempfile::TempDir {
    let folder = folder();
    fs::write(folder.path().join("objects.yaml"), manifest(sort, namespace, turn)).expect("there is room");
    let field = if sort.kind == "ConfigMap" { "data.turn" } else { "metadata.labels.turn" };
    let script = format!(
        r#"plan("Apply").problem("they are not there").outcome("they are").contexts(["staging"]).current("no").target("yes")
    .verify("the namespace is there", || k8s::exists("Namespace/{namespace}"));
phase("Apply").goal("they are there");
step("Apply").change(|| k8s::apply("objects.yaml")).idempotent()
    .verify("all are as they are to be", || k8s::list("{kind}", "{namespace}").filter(|it| it.{field} == "{turn}").len() == {OBJECTS})
    .within("1m").irreversible("a measurement");
"#,
        kind = sort.kind,
    );
    write(folder.path(), cluster, "apply.rhai", &script);
    folder
}

fn write(folder: &Path, cluster: &Cluster, name: &str, script: &str) {
    let config = format!("[contexts.staging]\nkubeconfig = \"{}\"\n", cluster.kubeconfig().display());
    fs::write(folder.join("runbook.toml"), config).expect("there is room");
    fs::write(folder.join(name), script).expect("there is room");
}

fn manifest(sort: &Sort, namespace: &str, turn: &str) -> String {
    let mut text = String::new();
    for n in 0..OBJECTS {
        let _ = writeln!(text, "---\n{}", (sort.object)(n, namespace, turn));
    }
    text
}

fn by_http(cluster: &Cluster, namespace: &str, sort: &Sort, turn: &str, query: &str) -> Duration {
    let plural = format!("{}s", sort.kind.to_lowercase());
    let next = AtomicUsize::new(0);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= OBJECTS {
                        return;
                    }
                    let path = format!(
                        "{}/namespaces/{namespace}/{plural}/o-{n}?fieldManager=floor&fieldValidation=Strict{query}",
                        sort.path
                    );
                    let body = (sort.object)(n, namespace, turn).into_bytes();
                    let (status, answer) =
                        cluster.client().send(Method::PATCH, &path, "application/apply-patch+yaml", body);
                    assert!(status < 300, "{status} {answer}");
                }
            });
        }
    });
    begun.elapsed()
}

fn by_kubectl(cluster: &Cluster, sort: &Sort) -> Option<Duration> {
    let kubectl = apiserver::assets::kubectl().ok()?;
    let folder = folder();
    let file = folder.path().join("objects.yaml");
    let namespace = cluster.namespace("kubectl");
    fs::write(&file, manifest(sort, &namespace, "1")).expect("there is room");
    let mut command = Command::new(kubectl);
    command.arg("--kubeconfig").arg(cluster.kubeconfig()).args([
        "--context",
        "staging",
        "apply",
        "--server-side",
        "-f",
    ]);
    command.arg(&file).env("HOME", folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
    Some(process::wall(&mut command))
}

/// The most memory that a run holds which watches one list of many objects.
fn listed(table: &mut Table, cluster: &Cluster) {
    let namespace = cluster.namespace("many");
    let next = AtomicUsize::new(0);
    let filler = "x".repeat(2048);
    std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= LISTED {
                        return;
                    }
                    let path = format!("/api/v1/namespaces/{namespace}/configmaps");
                    let body = config_map(n, &namespace, &filler).into_bytes();
                    let (status, answer) = cluster.client().send(Method::POST, &path, "application/json", body);
                    assert!(status < 300, "{status} {answer}");
                }
            });
        }
    });
    let folder = folder();
    let script = format!(
        r#"plan("Look").problem("nobody looked").outcome("somebody did").contexts(["staging"]).current("no").target("yes")
    .verify("the namespace is there", || k8s::exists("Namespace/{namespace}"));
phase("Look").goal("they were seen");
step("Look").verify("all are there", || k8s::list("ConfigMap", "{namespace}").filter(|it| it.data.turn != "").len() == {LISTED})
    .within("1m").stays("1s");
"#
    );
    write(folder.path(), cluster, "look.rhai", &script);
    let (_, peak) = process::wall_and_peak(&mut process::run(folder.path(), "look.rhai"));
    if let Some(peak) = peak {
        let how = format!("a verify that watches one list of {LISTED} ConfigMaps of 2 KiB; the process's VmHWM");
        table.row("memory: 5,000 ConfigMaps", Figure::Mebibytes(peak), None, Some(Figure::Mebibytes(80.0)), how);
    }
}
