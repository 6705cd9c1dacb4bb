//! talosctl. Which nodes it asks is in its arguments: they are handed on, for the caller to hold against the cluster's.

use super::{
    Reach, Refused,
    flags::long_name,
    table::{
        Found, Row,
        Rule::{Change, Dry, Read, Refused as No},
        Tool,
    },
};

const DRY: super::table::Rule = Dry("--dry-run");
const OWN_FILES: &str = "it writes credentials or configuration that a run must not change";

const ROWS: &[Row] = &[
    ("get|g", Read),
    ("version", Read),
    ("help", Read),
    ("health", Read),
    ("dmesg", Read),
    ("logs", Read),
    ("list|ls", Read),
    ("read|cat", Read),
    ("memory|m|free", Read),
    ("mounts|mount", Read),
    ("netstat|ss", Read),
    ("processes|p", Read),
    ("containers|c", Read),
    ("service|services", Read),
    ("stats", Read),
    ("time", Read),
    ("usage|du", Read),
    ("cgroups|cg", Read),
    ("events", Read),
    ("inspect dependencies", Read),
    ("image|images list|ls|default", Read),
    ("image|images pull|cache-create", Change),
    // of Talos 1.12 and later
    ("image|images k8s-bundle|talos-bundle|source-bundle", Read),
    ("image|images remove|cache-serve", Change),
    ("etcd members|status", Read),
    ("etcd alarm list", Read),
    ("etcd alarm disarm", Change),
    ("etcd defrag|forfeit-leadership|leave|remove-member|snapshot", Change),
    ("etcd downgrade validate|enable|cancel", Change),
    ("config info|contexts", Read),
    ("config add|context|endpoint|endpoints|merge|new|node|nodes|remove", No(OWN_FILES)),
    ("validate", Read),
    ("apply-config|apply", DRY),
    ("patch", DRY),
    ("upgrade-k8s", DRY),
    ("rotate-ca", Change),
    ("upgrade", Change),
    ("reboot", Change),
    ("reset", Change),
    ("bootstrap", Change),
    ("rollback", Change),
    ("restart", Change),
    ("shutdown", Change),
    ("wipe disk", Change),
    ("meta write|delete", Change),
    ("copy|cp", Change),
    ("support", Change),
    ("edit", No("it waits for a person in an editor; write `talosctl patch`")),
    ("dashboard", No("it waits for a person")),
    ("debug", No("it waits for a person")),
    ("pcap", No("it does not end by itself")),
    ("cluster", No("it makes clusters on this machine")),
    ("gen", No(OWN_FILES)),
    ("kubeconfig", No(OWN_FILES)),
    ("machineconfig", No(OWN_FILES)),
    ("completion", No("it is for shells")),
];

pub(super) static TOOL: Tool = Tool {
    name: "talosctl",
    rows: ROWS,
    reach: Reach::Talosconfig,
    values: &["-n", "--nodes", "-e", "--endpoints"],
    switches: &["-h", "--help"],
    kept: &["--context", "--talosconfig", "--cluster", "--siderov1-keys-dir", "--endpoint", "--k8s-endpoint"],
    kept_short: None,
    letters: |subcommand| match subcommand {
        "apply-config" | "apply" => "hi",
        "upgrade" => "hfs",
        "netstat" | "ss" => "haxlkpwtouUv",
        "list" | "ls" => "hHlr",
        "usage" | "du" => "haH",
        _ => "hfikvw",
    },
    abbreviates: false,
    files: &[("--file", Some('f')), ("--config-patch", Some('p')), ("--patch", None), ("--patch-file", None)],
    context_flag: Some("--context"),
    always: &[],
    check,
};

/// Subcommands that ask no node.
const OFFLINE: &[&str] = &["validate", "config info", "config contexts", "help", "inspect dependencies"];

fn check(found: &mut Found<'_>) -> Result<(), Refused> {
    if found.subcommand == "validate" {
        let configs: Vec<String> = found.values("--config", Some('c')).into_iter().map(ToOwned::to_owned).collect();
        found.files.extend(configs);
    }
    if found.has(&["--insecure", "-i"])
        && matches!(found.subcommand.as_str(), "apply-config" | "apply" | "get" | "version")
    {
        return Err(found.refused("--insecure talks to whatever answers at an address, without the cluster's identity"));
    }
    match found.subcommand.as_str() {
        "apply-config" | "apply" | "patch"
            if found.has(&["--dry-run"]) && found.values("--mode", Some('m')).contains(&"try") =>
        {
            return Err(found
                .refused("a dry run with --mode=try cancels a rollback that is pending")
                .help("use another --mode"));
        }
        "apply-config" | "apply" if found.values("--mode", Some('m')).contains(&"interactive") => {
            return Err(found.refused("--mode=interactive waits for a person").help("use another --mode"));
        }
        "service" | "services" => service(found),
        // It is a dry run unless told otherwise.
        "rotate-ca" if !found.args.iter().any(|arg| arg == "--dry-run=false") => found.rule = Read,
        "health" | "logs" | "dmesg" | "events" if found.has(&["-f", "--follow"]) => {
            return Err(found.refused("it does not end by itself").help("leave out the flag"));
        }
        _ => {}
    }
    if found.args.iter().any(|arg| matches!(long_name(arg), Some("--watch")) || arg == "-w") {
        return Err(found.refused("a watch does not end by itself").help("leave it out"));
    }
    if !OFFLINE.contains(&found.subcommand.as_str()) && !found.has(&["--client"]) && found.nodes.is_empty() {
        return Err(found
            .refused("it does not say which node")
            .help("add \"-n\", ADDRESS: the address of a node of this cluster"));
    }
    Ok(())
}

/// `service`, `service ID` and `service ID status` read; `service ID start|stop|restart` changes.
fn service(found: &mut Found<'_>) {
    let action = ["start", "stop", "restart"].into_iter().find(|action| found.args.iter().any(|arg| arg == action));
    if let Some(action) = action {
        found.rule = Change;
        found.subcommand = format!("service {action}");
    }
}
