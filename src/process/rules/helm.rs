//! helm. Its dry run on the server renders and looks things up, but does not send a dry run of the objects.

use super::{
    Reach, Refused,
    table::{
        Found, Row,
        Rule::{Change, Dry, Read, Refused as No},
        Tool,
    },
};

const SERVER: super::table::Rule = Dry("--dry-run=server");
const CREDENTIALS: &str = "it keeps a credential outside the run; give the cluster's source its secret instead";

const ROWS: &[Row] = &[
    ("list|ls", Read),
    ("status", Read),
    ("history|hist", Read),
    ("get all|hooks|manifest|metadata|notes|values", Read),
    ("template", Read),
    ("lint", Read),
    ("version", Read),
    ("env", Read),
    ("help", Read),
    ("show|inspect all|chart|crds|readme|values", Read),
    ("search hub|repo", Read),
    ("verify", Read),
    ("dependency|dep|dependencies list|ls", Read),
    ("dependency|dep|dependencies build|update|up", Change),
    ("repo list|ls", Read),
    ("repo add|update|up|remove|rm|index", Change),
    ("plugin list|ls", Read),
    ("plugin install|add|update|up|uninstall|remove|rm", No("a plugin runs anything")),
    ("install", SERVER),
    ("upgrade", SERVER),
    ("rollback", SERVER),
    ("uninstall|delete|del|un", Dry("--dry-run")),
    ("test", Change),
    ("create", Change),
    ("package", Change),
    ("pull|fetch", Change),
    ("push", Change),
    ("registry login|logout", No(CREDENTIALS)),
    ("completion", No("it is for shells")),
];

pub(super) static TOOL: Tool = Tool {
    name: "helm",
    rows: ROWS,
    reach: Reach::Kubeconfig,
    values: &[
        "-n",
        "--namespace",
        "--registry-config",
        "--repository-cache",
        "--repository-config",
        "--burst-limit",
        "--qps",
        "--content-cache",
        "--color",
        "--colour",
    ],
    switches: &["-h", "--help", "--debug"],
    kept: &[
        "--kube-context",
        "--kubeconfig",
        "--kube-apiserver",
        "--kube-token",
        "--kube-as-user",
        "--kube-as-group",
        "--kube-ca-file",
        "--kube-insecure-skip-tls-verify",
        "--kube-tls-server-name",
    ],
    kept_short: None,
    letters: |_| "Aagh",
    abbreviates: false,
    files: &[("--values", Some("-f")), ("--set-file", None)],
    context_flag: Some("--kube-context"),
    always: &[],
    check,
};

fn check(found: &mut Found<'_>) -> Result<(), Refused> {
    if found.has(&["--post-renderer", "--post-renderer-args"]) {
        return Err(found.refused("a post-renderer is a program that no rule sees"));
    }
    if found.subcommand == "template" && found.has(&["--output-dir"]) {
        return Err(found.refused("--output-dir writes files").help("leave it out: the result is its stdout"));
    }
    // `--set-file key=path`
    for file in &mut found.files {
        if let Some((_, path)) = file.split_once('=') {
            *file = path.to_owned();
        }
    }
    Ok(())
}
