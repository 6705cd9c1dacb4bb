//! helm. Its dry run on the server renders and looks things up, but does not send a dry run of the objects.

use super::{
    Reach, Refused,
    flags::is_flag,
    table::{
        Found, Row,
        Rule::{Change, Dry, Read, Refused as No},
        Tool,
    },
};

const SERVER: super::table::Rule = Dry("--dry-run=server");
const CREDENTIALS: &str = "it keeps a credential outside the run; give the cluster's source its secret instead";

const FETCHED: &str =
    "it fetches charts while the playbook runs; run it before, so that charts/ is a part of what the playbook is";

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
    ("dependency|dep|dependencies build|update|up", No(FETCHED)),
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
    letters: |_| "Aaghiqr",
    abbreviates: false,
    files: &[("--values", Some('f')), ("--set-file", None)],
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
    if found.has(&["--dependency-update"]) || (found.subcommand == "package" && found.has(&["-u"])) {
        return Err(found.refused(FETCHED));
    }
    charts(found)?;
    found.writes = matches!(found.subcommand.as_str(), "package" | "create" | "pull" | "fetch");
    // `--set-file key=path`
    for file in &mut found.files {
        if let Some((_, path)) = file.split_once('=') {
            *file = path.to_owned();
        }
    }
    Ok(())
}

/// Flags with a value, which is no chart.
const VALUES: &[&str] = &[
    "-n",
    "--namespace",
    "-f",
    "--values",
    "--set",
    "--set-file",
    "--set-json",
    "--set-literal",
    "--set-string",
    "--version",
    "--app-version",
    "--repo",
    "--timeout",
    "-o",
    "--output",
    "-l",
    "--labels",
    "--description",
    "--name-template",
    "--username",
    "--password",
    "--ca-file",
    "--cert-file",
    "--key-file",
    "--key",
    "--keyring",
    "--passphrase-file",
    "-d",
    "--destination",
    "--history-max",
    "--kube-version",
    "-a",
    "--api-versions",
    "-s",
    "--show-only",
];

/// The arguments that may be charts, none of which a plugin would fetch.
fn charts(found: &mut Found<'_>) -> Result<(), Refused> {
    let mut words = found.subcommand.split(' ');
    let first = words.next().unwrap_or_default();
    let named = match first {
        "install" | "template" | "upgrade" => true,
        "lint" | "package" | "show" | "inspect" | "verify" | "dependency" | "dep" | "dependencies" => false,
        _ => return Ok(()),
    };
    let own = found.args.iter().enumerate().filter(|(index, arg)| {
        let before = index.checked_sub(1).map_or("", |before| found.args[before].as_str());
        !is_flag(arg) && !VALUES.contains(&before) && !TOOL.values.contains(&before)
    });
    let mut own: Vec<String> = own.map(|(_, arg)| arg.clone()).collect();
    if named && own.len() > 1 {
        own.remove(0); // the release's name
    }
    let plugin = |chart: &&String| {
        chart.split_once("://").is_some_and(|(scheme, _)| !matches!(scheme, "oci" | "http" | "https"))
    };
    if let Some(chart) = own.iter().find(plugin) {
        return Err(found.refused(&format!("`{chart}` is fetched by a plugin, which runs anything")));
    }
    own.retain(|chart| !chart.contains("://"));
    found.charts = own;
    Ok(())
}
