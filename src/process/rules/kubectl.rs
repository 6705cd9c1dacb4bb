//! kubectl.

use super::{
    Reach, Refused,
    table::{
        Found, Row,
        Rule::{Change, Dry, Read, Refused as No},
        Tool,
    },
};

const SERVER: super::table::Rule = Dry("--dry-run=server");
const UNATTENDED: &str = "it waits for a person";
const ENDLESS: &str =
    "it does not end by itself; ask the API server through `kubectl get --raw`, or a route with http::get";
const CONFIG: &str = "a run has its own kubeconfig with one context, and nothing may change it";

const ROWS: &[Row] = &[
    ("get", Read),
    ("describe", Read),
    ("logs", Read),
    ("events", Read),
    ("top pod|pods|po|node|nodes|no", Read),
    ("explain", Read),
    ("api-resources", Read),
    ("api-versions", Read),
    ("version", Read),
    ("cluster-info", Read),
    ("diff", Read),
    ("auth can-i", Read),
    ("auth whoami", Read),
    ("auth reconcile", SERVER),
    ("wait", Read),
    ("rollout status", Read),
    ("rollout history", Read),
    ("rollout undo", SERVER),
    ("rollout restart|pause|resume", Change),
    ("kustomize", Read),
    ("options|help", Read),
    ("config view|current-context|get-contexts|get-clusters|get-users", Read),
    ("config set|set-cluster|set-context|set-credentials|unset|use|use-context|rename-context", No(CONFIG)),
    ("config delete-cluster|delete-context|delete-user", No(CONFIG)),
    ("annotate", SERVER),
    ("apply", SERVER),
    ("apply view-last-applied", Read),
    ("apply set-last-applied", SERVER),
    ("apply edit-last-applied", No(UNATTENDED)),
    ("autoscale", SERVER),
    ("cordon", SERVER),
    ("uncordon", SERVER),
    ("create", SERVER),
    ("create clusterrole|clusterrolebinding|configmap|cm|cronjob|cj|deployment|deploy|ingress|ing|job", SERVER),
    ("create namespace|ns|poddisruptionbudget|pdb|priorityclass|pc|quota|resourcequota|role|rolebinding", SERVER),
    ("create serviceaccount|sa", SERVER),
    ("create secret docker-registry|generic|tls", SERVER),
    ("create service|svc clusterip|externalname|loadbalancer|nodeport", SERVER),
    ("create token", No("it makes a credential for whoever reads the output")),
    ("delete", SERVER),
    ("drain", SERVER),
    ("expose", SERVER),
    ("label", SERVER),
    ("patch", SERVER),
    ("replace", SERVER),
    ("run", SERVER),
    ("scale", SERVER),
    ("set env|image|resources|selector|serviceaccount|sa|subject", SERVER),
    ("taint", SERVER),
    ("certificate approve|deny", Change),
    ("cp", Change),
    ("exec", Change),
    ("attach", No(UNATTENDED)),
    ("debug", No(UNATTENDED)),
    ("edit", No("it waits for a person in an editor; write `kubectl patch`, or k8s::apply with the manifest")),
    ("port-forward", No(ENDLESS)),
    ("proxy", No(ENDLESS)),
    ("plugin", No("a plugin runs anything")),
    ("completion", No("it is for shells")),
    ("alpha", No("it may mean something else in the next version")),
    ("kuberc", No(CONFIG)),
];

pub(super) const KEPT: &[&str] = &[
    "--context",
    "--kubeconfig",
    "--cluster",
    "--user",
    "--server",
    "--token",
    "--as",
    "--as-group",
    "--as-uid",
    "--as-user-extra",
    "--certificate-authority",
    "--client-certificate",
    "--client-key",
    "--insecure-skip-tls-verify",
    "--tls-server-name",
    "--username",
    "--password",
    "--kuberc",
];

pub(super) static TOOL: Tool = Tool {
    name: "kubectl",
    rows: ROWS,
    reach: Reach::Kubeconfig,
    values: &[
        "-n",
        "--namespace",
        "--request-timeout",
        "-v",
        "--v",
        "--vmodule",
        "--cache-dir",
        "--log-flush-frequency",
    ],
    switches: &["-h", "--help", "--match-server-version", "--warnings-as-errors", "--disable-compression"],
    kept: KEPT,
    kept_short: Some('s'),
    letters: |subcommand| match subcommand {
        "logs" => "Ahfpqw",
        "exec" | "run" | "debug" | "attach" => "Ahitq",
        "kustomize" => "h",
        "delete" => "AhiRw",
        "patch" => "AhRw",
        _ => "AhRwpq",
    },
    abbreviates: false,
    files: &[
        ("--filename", Some('f')),
        ("--kustomize", Some('k')),
        ("--from-file", None),
        ("--from-env-file", None),
        ("--patch-file", None),
        ("--cert", None),
        ("--key", None),
    ],
    context_flag: Some("--context"),
    always: &[],
    check,
};

fn check(found: &mut Found<'_>) -> Result<(), Refused> {
    if !matches!(found.subcommand.as_str(), "get" | "config view") && found.has(&["--raw"]) {
        return Err(found.refused("`--raw` sends what no rule can read").help("`kubectl get --raw PATH` is allowed"));
    }
    match found.subcommand.as_str() {
        "get" if found.values("--raw", None).iter().any(|path| !path.starts_with('/')) => Err(found
            .refused("`--raw` takes a path of this cluster's API, not a URL")
            .help("[\"kubectl\", \"get\", \"--raw\", \"/healthz\"]")),
        "exec" if found.inner.is_none() => Err(found
            .refused("where its flags end and the inner command begins cannot be told")
            .help("write -- before the inner command: [\"kubectl\", \"exec\", \"POD\", \"--\", \"ls\"]")),
        "exec" | "run" if found.has(&["-t", "--tty", "-it", "-ti"]) => {
            Err(found.refused(UNATTENDED).help("leave out -t: a step has no terminal"))
        }
        "get" | "events" if found.has(&["-w", "--watch", "--watch-only"]) => Err(found
            .refused("a watch does not end by itself")
            .help("leave it out: a verify is evaluated again until it holds, within its time")),
        "rollout status" if found.has(&["-l", "--selector"]) => Err(found
            .refused("with a selector that matches nothing it ends with 0")
            .help("name the workload, or write a verify with k8s::ready")),
        "cluster-info" if found.args.iter().any(|arg| arg == "dump") => Err(found
            .refused("its dump holds everything, secrets of pods included")
            .help("ask for what you need with `kubectl get`")),
        "kustomize" => kustomize_target(found),
        "cp" => {
            // from this machine to a pod, or back
            let mut places = found.args.iter().filter(|arg| !super::flags::is_flag(arg));
            match places.next() {
                Some(from) if !from.contains(':') => found.files.push(from.clone()),
                _ => found.writes = true,
            }
            Ok(())
        }
        "delete" if found.has(&["-i", "--interactive"]) => {
            Err(found.refused(UNATTENDED).help("leave out -i: the gate asks"))
        }
        "config view" if found.has(&["--raw", "--flatten"]) => {
            Err(found.refused("it prints credentials").help("`kubectl config view` leaves them out"))
        }
        _ => {
            read_from_files(found);
            Ok(())
        }
    }
}

/// Templates can be read from files too.
fn read_from_files(found: &mut Found<'_>) {
    let templates = found.values("--output", Some('o')).into_iter().filter_map(|output| output.split_once("-file="));
    let files: Vec<String> = templates.map(|(_, file)| file.to_owned()).collect();
    found.files.extend(files);
}

/// What `kubectl kustomize` and `kustomize build` have in common: a folder of the bundle, and no code that it names.
pub(super) fn kustomize_target(found: &mut Found<'_>) -> Result<(), Refused> {
    let runs_code = [
        "--enable-exec",
        "--enable-alpha-plugins",
        "--enable-helm",
        "--helm-command",
        "--network",
        "--mount",
        "--env",
        "-e",
    ];
    if found.has(&runs_code) {
        return Err(found
            .refused("this flag lets the kustomization run programs")
            .help("render with a `[tools]` entry of your own"));
    }
    if found.has(&["-o", "--output"]) {
        return Err(found.refused("-o writes files").help("leave it out: the result is its stdout"));
    }
    if let Some(place) = found.args.iter().find(|arg| super::flags::is_remote(arg)) {
        return Err(found
            .refused(&format!("`{place}` would be fetched while the playbook runs"))
            .help("put the folder beside the playbook and name it by its path there"));
    }
    found.files.extend(found.args.iter().filter(|arg| !super::flags::is_flag(arg)).cloned());
    Ok(())
}
