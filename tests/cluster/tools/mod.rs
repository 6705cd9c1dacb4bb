//! The rules of the command-line tools against the programs themselves: their help says which subcommands and flags there are.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code outside of test functions")]

mod help;
mod talosctl;

use std::{collections::BTreeMap, path::PathBuf};

use runbook::process::rules::{classify, subcommands};

use crate::apiserver::{assets, or_not_run};
use help::Program;

/// The program, or nothing where it is not here (which is said aloud).
fn program(name: &str) -> Option<Program> {
    let path: Result<PathBuf, String> = match name {
        "kubectl" => assets::kubectl(),
        "talosctl" => assets::talos().map(|folder| folder.join(name)),
        _ => assets::flux().map(|folder| folder.join(name)),
    };
    or_not_run(path).map(Program::new)
}

/// Words of rules that this version of a program does not have.
fn is_of_another_version(tool: &str, words: &[&str]) -> bool {
    let newer = ["k8s-bundle", "talos-bundle", "source-bundle", "remove", "cache-serve"];
    tool == "talosctl" && words.len() == 2 && words[0].starts_with("image") && newer.contains(&words[1])
}

fn holds_every_subcommand(tool: &str) {
    let Some(program) = program(tool) else { return };
    let (mut count, mut missing) = (0, vec![]);
    for (row, kind) in subcommands(tool) {
        if kind.is_none() || row.ends_with("help") {
            continue; // what is refused need not exist, and help has no help
        }
        let alternatives: Vec<Vec<&str>> = row.split(' ').map(|word| word.split('|').collect()).collect();
        for words in help::each(&alternatives) {
            if !is_of_another_version(tool, &words) {
                count += 1;
                if !program.has(&words) {
                    missing.push(words.join(" "));
                }
            }
        }
    }
    assert!(count > 5, "{tool} has rules");
    println!("{tool}: {count} subcommands with a rule");
    assert!(missing.is_empty(), "{tool} does not have: {missing:?}");
}

#[test]
fn every_subcommand_of_kubectl_that_has_a_rule_exists() {
    holds_every_subcommand("kubectl");
}

#[test]
fn every_subcommand_of_flux_that_has_a_rule_exists() {
    holds_every_subcommand("flux");
}

#[test]
fn every_subcommand_of_helm_and_kustomize_that_has_a_rule_exists() {
    holds_every_subcommand("helm");
    holds_every_subcommand("kustomize");
}

#[test]
fn every_subcommand_of_talosctl_that_has_a_rule_exists() {
    holds_every_subcommand("talosctl");
}

/// A subcommand with a flag of each tool, and words of the flags that lead it elsewhere or make it someone else.
const LEADING: [&str; 9] = ["context", "cluster", "server", "kubeconfig", "as", "user", "token", "kube", "tls"];

/// Flags that have such a word and lead nowhere.
const HARMLESS: [&str; 5] = [
    "--kube-api-burst",
    "--kube-api-qps",
    "--ns-follows-kube-context",
    "--match-server-version",
    "--warnings-as-errors",
];

#[test]
fn every_flag_of_the_programs_that_leads_elsewhere_or_makes_it_someone_else_is_refused() {
    let tools: [(&str, &[&str], &[&str]); 4] = [
        ("kubectl", &["options"], &["kubectl", "get", "pods"]),
        ("flux", &["get", "kustomizations", "--help"], &["flux", "get", "kustomizations"]),
        ("helm", &["list", "--help"], &["helm", "list"]),
        ("talosctl", &["get", "--help"], &["talosctl", "-n", "node-a", "get", "members"]),
    ];
    for (tool, asked, argv) in tools {
        let Some(program) = program(tool) else { continue };
        let leading = |flag: &String| {
            let words: Vec<&str> = flag.trim_start_matches("--").split('-').collect();
            (LEADING.iter().any(|word| words.contains(word))
                || flag.contains("certificate")
                || flag.contains("talosconfig"))
                && !HARMLESS.contains(&flag.as_str())
        };
        let flags: Vec<String> = program.flags(asked).into_iter().filter(leading).collect();
        assert!(flags.len() > 2, "{tool}: {flags:?}");
        for flag in flags {
            for given in [vec![flag.clone(), "x".to_owned()], vec![format!("{flag}=x")]] {
                let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).chain(given).collect();
                let refused = classify(&argv, &BTreeMap::new()).expect_err(&argv.join(" "));
                assert!(refused.message.contains("another cluster"), "{argv:?}: {refused}");
            }
            println!("{tool} {flag}: refused");
        }
    }
}
