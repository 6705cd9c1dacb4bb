//! The same suite with kubectl as the client: each command of `kubectl.txt` on both sides, its output and exit code
//! compared minus times, UIDs, versions and addresses.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use regex::Regex;
use runbook::sandbox::{Options, Sandbox};

use crate::apiserver;

/// A line is a command without `kubectl`; `#` begins a comment, and after `# differs: ` stands why the next one may.
const COMMANDS: &str = include_str!("requests/kubectl.txt");

/// The manifests that the commands name.
const MANIFESTS: &[(&str, &str)] = &[
    ("map.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m, labels: {app: m}}\ndata: {a: one}\n"),
    (
        "map-2.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m, labels: {app: m}}\ndata: {a: two, b: three}\n",
    ),
    ("wrong.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: w}\ndatum: {a: one}\n"),
    ("unknown.yaml", "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\n"),
    (
        "deployment.yaml",
        "apiVersion: apps/v1
kind: Deployment
metadata: {name: d}
spec:
  replicas: 2
  selector: {matchLabels: {app: d}}
  template:
    metadata: {labels: {app: d}}
    spec: {containers: [{name: c, image: nginx}]}
",
    ),
];

/// The share of commands in percent that must agree.
const AGREE: f64 = 98.0;

/// How many commands may be listed as answered otherwise, each with its reason.
const LISTED: usize = 7;

struct Side {
    kubeconfig: String,
    folder: tempfile::TempDir,
}

static VARYING: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let one = |text: &str, with: &'static str| (Regex::new(text).unwrap(), with);
    vec![
        one(r"https?://127\.0\.0\.1:\d+(/[0-9a-f]{64})?", "SERVER"),
        one(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UID"),
        one(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( [+-]\d{4}|Z)?( UTC)?", "TIME"),
        one(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}", "TIME"),
        one(r#""?resourceVersion"?: "?\d+"?"#, "resourceVersion: N"),
        one(r"/tmp/[A-Za-z]+-\d+/", "/tmp/"),
        one(r"/tmp/\.?[A-Za-z0-9._-]+", "TMP"),
        one(r"\b10\.\d+\.\d+\.\d+\b", "IP"),
        one(r"\b\d+(ms|s|m)\b", "AGE"),
        one(r"[ \t]+", " "),
    ]
});

impl Side {
    fn new(kubeconfig: &Path, context: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in MANIFESTS {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let kubeconfig = kubeconfig.display().to_string();
        let side = Self { kubeconfig, folder };
        // the context is chosen once, in a copy of its own
        let own = side.folder.path().join("kubeconfig");
        std::fs::copy(&side.kubeconfig, &own).unwrap();
        let chosen = side.command().env("KUBECONFIG", &own).args(["config", "use-context", context]).output().unwrap();
        assert!(chosen.status.success(), "{}", String::from_utf8_lossy(&chosen.stderr));
        Self { kubeconfig: own.display().to_string(), ..side }
    }

    fn command(&self) -> Command {
        let mut command = Command::new("kubectl");
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).stdin(Stdio::null());
        command.env("HOME", self.folder.path()).env("KUBECONFIG", &self.kubeconfig).current_dir(self.folder.path());
        command
    }

    /// Exit code and both streams, without what differs from run to run.
    fn says(&self, line: &str, namespace: &str) -> String {
        let words = line.split(' ').map(|word| word.replace("$NS", namespace));
        let out = self.command().args(words).output().unwrap();
        let mut text = format!("exit {:?}\n", out.status.code());
        for stream in [&out.stdout, &out.stderr] {
            let mut stream = String::from_utf8_lossy(stream).replace(namespace, "NS");
            for (varying, with) in VARYING.iter() {
                stream = varying.replace_all(&stream, *with).into_owned();
            }
            let lines = stream.lines().map(str::trim).filter(|line| !line.starts_with("WARNING: version difference"));
            writeln!(text, "{}", lines.collect::<Vec<_>>().join("\n")).unwrap();
        }
        text
    }
}

/// What differs, or nothing where kubectl says the same on both sides.
struct Compared {
    line: &'static str,
    may: Option<&'static str>,
    sandbox: String,
    real: String,
}

#[test]
fn kubectl_says_the_same_of_the_sandbox_and_of_a_real_api_server() {
    let found = Command::new("kubectl").args(["version", "--client"]).output();
    let found = found.ok().filter(|out| out.status.success()).ok_or_else(|| "kubectl is not installed".to_owned());
    let Some(_) = apiserver::or_not_run(found) else { return };
    let Some(clusters) = apiserver::shared() else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let options = Options { controllers: false, seed: false, ..Options::default() };
    let sandbox = Sandbox::in_memory(options).unwrap();
    let served = runtime.block_on(sandbox.serve()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    let text = format!(
        "{{apiVersion: v1, kind: Config, clusters: [{{name: s, cluster: {{server: '{}'}}}}], users: [{{name: s}}], \
         contexts: [{{name: staging, context: {{cluster: s, user: s}}}}]}}",
        served.url()
    );
    std::fs::write(&config, text).unwrap();
    let sides = [Side::new(&config, "staging"), Side::new(clusters.kubeconfig(), "staging")];
    let namespace = format!("kubectl-{}", std::process::id());
    let mut all: Vec<Compared> = Vec::new();
    let mut may = None;
    for line in COMMANDS.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(comment) = line.strip_prefix('#') {
            may = comment.trim().strip_prefix("differs: ");
            continue;
        }
        let [sandbox, real] = std::thread::scope(|scope| {
            let asked = sides.each_ref().map(|side| scope.spawn(|| side.says(line, &namespace)));
            asked.map(|side| side.join().unwrap())
        });
        all.push(Compared { line, may: may.take(), sandbox, real });
    }
    let differ: Vec<&Compared> = all.iter().filter(|one| one.sandbox != one.real).collect();
    let show = std::env::var("RUNBOOK_CONFORMANCE").is_ok_and(|area| area == "kubectl");
    for one in &differ {
        println!("differs: kubectl {}{}", one.line, one.may.map(|why| format!("  ({why})")).unwrap_or_default());
        if show {
            println!("--- sandbox\n{}--- real\n{}", one.sandbox, one.real);
        }
    }
    let unlisted = differ.iter().filter(|one| one.may.is_none()).count();
    let listed = all.iter().filter(|one| one.may.is_some()).count();
    let compared = all.len() - listed;
    #[allow(clippy::cast_precision_loss, reason = "a few hundred")]
    let share = 100.0 * (compared - unlisted) as f64 / compared as f64;
    println!(
        "kubectl: {} of {compared} commands agree: {share:.1} %; {listed} listed differences",
        compared - unlisted
    );
    for one in all.iter().filter(|one| one.may.is_some() && one.sandbox == one.real) {
        println!("no longer differs: kubectl {}", one.line);
    }
    assert!(listed <= LISTED, "{listed} commands are listed as answered otherwise, and {LISTED} may be");
    assert!(share >= AGREE, "{share:.1} % agree, and {AGREE} % must: see above");
}
