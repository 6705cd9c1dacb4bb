//! Holds the house rules that the compiler cannot: which module may use which, who owns an outside crate, what every
//! module says of itself, and what no file may contain. A message names the line and the rule to follow.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code outside of test functions")]

mod files;
mod reader;

use std::collections::{BTreeMap, BTreeSet};

use files::{Source, sources, texts};
use reader::Path;

/// Every module at the root of `src/`, with the modules it may use. Whoever adds a module adds its row.
const TABLE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("redact", &["model"]),
    ("bundle", &["model"]),
    ("object", &["model"]),
    ("event", &["model", "redact"]),
    ("process", &["model"]),
    ("http", &["model"]),
    ("sandbox", &["model", "object"]),
    ("cluster", &["model", "object", "event", "sandbox"]),
    ("effect", &["model", "redact", "bundle", "object", "event", "process", "http", "sandbox", "cluster"]),
    ("script", &["model", "redact", "bundle", "object", "effect"]),
    ("check", &["model", "bundle", "object", "script"]),
    ("journal", &["model", "redact", "event"]),
    ("run", &["model", "event", "bundle", "object", "effect", "script", "check"]),
    ("incident", &["model", "object", "event"]),
    ("report", &["model", "object", "event"]),
    (
        "runbook",
        &[
            "model", "redact", "bundle", "object", "event", "process", "http", "sandbox", "cluster", "effect",
            "script", "check", "journal", "run", "incident", "report",
        ],
    ),
    // The public API: the builder, the values it takes and gives, and the views of events.
    ("cli", &["runbook", "model", "event", "incident", "report"]),
];

/// Modules that see the crate as an embedder does, and so may also use the names that `lib.rs` exports at its root.
const ON_PUBLIC_API: &[&str] = &["cli"];

/// Each outside crate with an owner, and the places (below `src/`, without `.rs`) that may name it.
const OWNERS: &[(&str, &[&str])] = &[
    ("rhai", &["script"]),
    ("kube", &["cluster"]),
    ("k8s_openapi", &["cluster"]),
    ("duct", &["process"]),
    ("reqwest", &["http"]),
    ("redb", &["sandbox"]),
    ("cel", &["sandbox"]),
    ("flate2", &["sandbox"]),
    ("pulldown_cmark", &["report"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("inquire", &["cli"]),
    ("indicatif", &["cli", "report/terminal"]),
    ("console", &["cli", "report/terminal"]),
    ("mimalloc", &["main"]),
];

/// Crates of which no type may stand in a signature of the public API.
const NOT_IN_PUBLIC: &[&str] = &["rhai", "kube", "k8s_openapi", "tokio", "reqwest", "clap"];

fn hold(broken: &[String]) {
    assert!(broken.is_empty(), "\n\n{}\n", broken.join("\n"));
}

fn allowed(module: &str) -> Option<&'static [&'static str]> {
    TABLE.iter().find(|(m, _)| *m == module).map(|(_, uses)| *uses)
}

/// What each file uses of the crate's own root: the path's first name, and its line.
fn own_uses(source: &Source) -> impl Iterator<Item = (&str, usize)> {
    source.paths.iter().filter_map(|p| match p {
        Path::Own { first, line } => Some((first.as_str(), *line)),
        Path::Outside { .. } => None,
    })
}

#[test]
fn a_module_uses_only_what_its_row_allows() {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|s| !s.module.is_empty()) {
        let Some(uses) = allowed(&source.module) else {
            broken.push(format!(
                "{}: module {} has no row: add it to TABLE in tests/tidy/main.rs, with what it may use",
                source.name, source.module
            ));
            continue;
        };
        for (used, line) in own_uses(source) {
            let at_root = allowed(used).is_none();
            if used == source.module || uses.contains(&used) || at_root && ON_PUBLIC_API.contains(&&*source.module) {
                continue;
            }
            let may = if uses.is_empty() { "no other module".to_owned() } else { uses.join(", ") };
            let hint =
                if at_root { " (what lib.rs exports at its root is for embedders: name the module)" } else { "" };
            broken.push(format!(
                "{}:{line}: {} uses crate::{used}{hint}; it may use {may}: move the type down or pass a value in",
                source.name, source.module
            ));
        }
    }
    hold(&broken);
}

#[test]
fn modules_do_not_use_each_other_in_a_circle() {
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources().iter().filter(|s| !s.module.is_empty()) {
        let others = own_uses(source).map(|(u, _)| u).filter(|u| *u != source.module && allowed(u).is_some());
        uses.entry(source.module.clone()).or_default().extend(others.map(str::to_owned));
    }
    // What uses nothing that is left is taken away; a circle is what remains.
    while let Some(leaf) = uses.iter().find(|(_, u)| u.iter().all(|x| !uses.contains_key(x))).map(|(m, _)| m.clone()) {
        uses.remove(&leaf);
    }
    assert!(uses.is_empty(), "these modules use each other in a circle: {uses:#?}");
    assert!(
        TABLE.iter().enumerate().all(|(i, (_, u))| u.iter().all(|m| TABLE[..i].iter().any(|(x, _)| x == m))),
        "TABLE is ordered: a row names only rows above it"
    );
}

#[test]
fn an_outside_crate_is_named_only_by_its_owner() {
    let mut broken = Vec::new();
    for source in &sources() {
        for path in &source.paths {
            let Path::Outside { first, line, .. } = path else { continue };
            let Some((_, owners)) = OWNERS.iter().find(|(c, _)| c == first) else { continue };
            if !source.is_in(owners) {
                let at = owners.join(" and src/");
                broken
                    .push(format!("{}:{line}: only src/{at} may name {first}: ask it for what is needed", source.name));
            }
        }
    }
    hold(&broken);
}

#[test]
fn commands_start_in_process_and_the_program_ends_in_cli() {
    let mut broken = Vec::new();
    for source in &sources() {
        for path in &source.paths {
            let Path::Outside { first, rest, line } = path else { continue };
            if first != "std" || rest.first().is_none_or(|r| r != "process") {
                continue;
            }
            match rest.get(1).map(String::as_str) {
                Some("Command") if !source.is_in(&["process"]) => {
                    broken
                        .push(format!("{}:{line}: only src/process starts commands: use what it offers", source.name));
                }
                Some("exit" | "abort") if !source.is_in(&["cli", "main"]) => broken.push(format!(
                    "{}:{line}: only src/cli ends the program: return an error with its exit code",
                    source.name
                )),
                None | Some("*") => broken.push(format!(
                    "{}:{line}: name what is used of std::process, so that its reader sees Command and exit",
                    source.name
                )),
                _ => {}
            }
        }
    }
    hold(&broken);
}

#[test]
fn every_module_begins_with_its_charter() {
    let broken: Vec<_> = sources()
        .iter()
        .filter(|s| {
            !s.test && (s.name.ends_with("/mod.rs") || s.name.matches('/').count() == 1) && !s.name.ends_with("main.rs")
        })
        .filter(|s| !s.text.starts_with("//! "))
        .map(|s| {
            format!(
                "{}:1: begin with a charter: a few `//!` lines that say what belongs here and what does not",
                s.name
            )
        })
        .collect();
    hold(&broken);
}

#[test]
fn no_type_of_an_engine_stands_in_the_public_api() {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|s| s.module == "runbook" || s.name == "src/lib.rs") {
        for (name, line) in reader::public_names(&source.text, NOT_IN_PUBLIC) {
            broken.push(format!(
                "{}:{line}: {name} stands in a public signature: give a type of runbook's own, which outlives the crate",
                source.name
            ));
        }
    }
    hold(&broken);
}

#[test]
fn no_file_names_a_path_of_one_machine() {
    // In pieces, so that this file does not name them itself.
    let homes = ["root", "home", "work"].map(|d| format!("/{d}/"));
    let mut broken = Vec::new();
    for (name, text) in texts() {
        for (n, line) in text.lines().enumerate() {
            let at_start = |i: usize| {
                let before = line[..i].chars().next_back();
                before.is_none_or(|c| !(c.is_alphanumeric() || "._-/~+$}".contains(c)))
            };
            // Tests and docs that need a home folder call it that of `me`.
            let real = |i: usize, home: &str| at_start(i) && !line[i + home.len()..].starts_with("me/");
            if let Some(home) = homes.iter().find(|h| line.match_indices(h.as_str()).any(|(i, _)| real(i, h))) {
                broken.push(format!(
                    "{name}:{}: {home}… is a path of one machine: make it relative or a parameter",
                    n + 1
                ));
            }
        }
    }
    hold(&broken);
}
