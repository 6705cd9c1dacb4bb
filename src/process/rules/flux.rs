//! flux. Its `get` is a group that prints help and ends with 0 for a kind that does not exist: the table knows better.

use super::{
    Reach, Refused, kubectl,
    table::{
        Found, Row,
        Rule::{Change, Dry, Read, Refused as No},
        Tool,
    },
};

const EXPORT: super::table::Rule = Dry("--export");

const ROWS: &[Row] = &[
    ("check", Read),
    ("version", Read),
    ("stats", Read),
    ("logs", Read),
    ("events", Read),
    ("trace", Read),
    ("help", Read),
    ("envsubst", Read),
    ("tree kustomization|ks|artifact", Read),
    ("diff kustomization|ks|artifact", Read),
    ("build kustomization|ks", Read),
    ("build artifact", Change),
    ("debug kustomization|ks|helmrelease|hr", Read),
    ("list artifacts", Read),
    ("pull artifact", Change),
    ("push artifact", Change),
    ("tag artifact", Change),
    ("get all|alerts|alert|alert-providers|alert-provider|receivers|receiver|helmreleases|helmrelease|hr", Read),
    ("get kustomizations|kustomization|ks", Read),
    ("get sources|source all|bucket|chart|git|helm|oci|external", Read),
    ("get images|image all|policy|repository|update", Read),
    ("get artifacts|artifact generators|generator", Read),
    ("export alert|alert-provider|receiver|helmrelease|hr|kustomization|ks", Read),
    ("export source bucket|chart|git|helm|oci|external", Read),
    ("export image policy|repository|update", Read),
    ("export artifact generator", Read),
    ("reconcile kustomization|ks|helmrelease|hr|receiver", Change),
    ("reconcile source bucket|chart|git|helm|oci", Change),
    ("reconcile image repository|policy|update", Change),
    ("suspend|resume kustomization|ks|helmrelease|hr|alert|receiver", Change),
    ("suspend|resume source bucket|chart|git|helm|oci", Change),
    ("suspend|resume image repository|policy|update", Change),
    ("create kustomization|ks|helmrelease|hr|alert|alert-provider|receiver|tenant", EXPORT),
    ("create source bucket|chart|git|helm|oci", EXPORT),
    ("create image repository|policy|update", EXPORT),
    ("create secret git|githubapp|helm|notation|oci|proxy|receiver|tls", EXPORT),
    ("delete kustomization|ks|helmrelease|hr|alert|alert-provider|receiver", Change),
    ("delete source bucket|chart|git|helm|oci", Change),
    ("delete image repository|policy|update", Change),
    ("install", EXPORT),
    ("uninstall", Dry("--dry-run")),
    ("migrate", Dry("--dry-run")),
    ("trigger receiver", Change),
    (
        "bootstrap",
        No(
            "it pushes to Git and installs at once; propose the commit with git::propose, then verify what Flux applied",
        ),
    ),
    ("plugin", No("a plugin runs anything")),
    ("completion", No("it is for shells")),
];

pub(super) static TOOL: Tool = Tool {
    name: "flux",
    rows: ROWS,
    reach: Reach::Kubeconfig,
    values: &["-n", "--namespace", "--timeout", "--cache-dir", "--kube-api-burst", "--kube-api-qps"],
    switches: &["-h", "--help", "--verbose", "--disable-compression"],
    kept: kubectl::KEPT,
    kept_short: None, // its -s is --silent
    letters: |_| "Ahsw",
    abbreviates: false,
    files: &[("--kustomization-file", None), ("--values", None), ("--path", None)],
    context_flag: Some("--context"),
    always: &[],
    check,
};

fn check(found: &mut Found<'_>) -> Result<(), Refused> {
    found.writes = matches!(found.subcommand.as_str(), "build artifact" | "pull artifact");
    let interactive = found.subcommand.starts_with("delete ") || found.subcommand == "uninstall";
    if interactive && !found.has(&["-s", "--silent", "--dry-run"]) {
        return Err(found.refused("it asks, and nobody answers").help("add --silent: the gate asks instead"));
    }
    if found.has(&["-w", "--watch", "--follow"]) || (found.subcommand == "logs" && found.has(&["-f"])) {
        return Err(found
            .refused("it does not end by itself")
            .help("leave the flag out: a verify is evaluated again until it holds"));
    }
    Ok(())
}
