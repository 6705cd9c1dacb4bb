//! This machine: the state folder, and the tools that commands of playbooks run.

use std::{path::PathBuf, time::Duration};

use super::super::builder::Inner;
use crate::{
    bundle::Config,
    journal,
    model::{Checkup, Health},
    process::{self, Command, Environment, Hooks, Reachable, rules},
};

/// How long a tool may take to say its version.
const VERSION: Duration = Duration::from_secs(10);

/// How each tool says its version, without asking a cluster.
const ASKED: [(&str, &[&str]); 7] = [
    ("kubectl", &["version", "--client"]),
    ("flux", &["--version"]),
    ("talosctl", &["version", "--client", "--short"]),
    ("helm", &["version", "--short"]),
    ("kustomize", &["version"]),
    ("gcloud", &["--version"]),
    ("git", &["--version"]),
];

pub(super) fn look(inner: &Inner, config: Option<&Config>) -> Vec<Checkup> {
    let mut found = vec![Checkup::ok("runbook", env!("CARGO_PKG_VERSION"))];
    found.extend(config.map(|config| Checkup::ok("runbook.toml", config.path.display().to_string())));
    found.push(state(inner));
    // each is a process of its own, and gcloud takes its time
    let tools = std::thread::scope(|scope| {
        let asked: Vec<_> = ASKED.iter().map(|(name, args)| scope.spawn(move || tool(inner, name, args))).collect();
        asked.into_iter().filter_map(|tool| tool.join().ok()).collect::<Vec<_>>()
    });
    found.extend(tools);
    for name in config.iter().flat_map(|config| config.tools.keys()) {
        found.push(match on_path(inner, name) {
            Some(path) => Checkup::ok(name, format!("{} ([tools.{name}]: not held to the context)", path.display())),
            None => Checkup::is(Health::Warning, name, format!("[tools.{name}] declares it, and it is not on PATH")),
        });
    }
    found
}

fn state(inner: &Inner) -> Checkup {
    let path = inner.state.display();
    match journal::footing(&inner.state) {
        Ok(kind) => {
            let text = format!("{path}, writable{}", kind.name.map(|name| format!(", on {name}")).unwrap_or_default());
            match kind.doubt {
                Some(doubt) => Checkup::is(Health::Warning, "state folder", format!("{text}: {doubt}"))
                    .help("name another one: --state-dir DIR, or RUNBOOK_STATE_DIR"),
                None => Checkup::ok("state folder", text),
            }
        }
        Err(error) => Checkup::is(Health::Failed, "state folder", format!("{path}: {error}"))
            .help("runs are kept there: make it writable, or name another one with --state-dir or RUNBOOK_STATE_DIR"),
    }
}

fn on_path(inner: &Inner, name: &str) -> Option<PathBuf> {
    let path = inner.environment.iter().find(|(key, _)| key == "PATH").map(|(_, value)| value)?;
    std::env::split_paths(path).map(|folder| folder.join(name)).find(|path| path.is_file())
}

fn tool(inner: &Inner, name: &str, args: &[&str]) -> Checkup {
    debug_assert!(rules::has_rules(name), "a tool that is asked for has rules");
    let Some(path) = on_path(inner, name) else {
        return Checkup::is(Health::Absent, name, "not on PATH (it has rules)");
    };
    let argv: Vec<String> = std::iter::once(name).chain(args.iter().copied()).map(ToOwned::to_owned).collect();
    let env = Environment::new(inner.environment.iter().cloned(), &[], &Reachable::default());
    let mut command = Command::new(&argv, env.variables());
    command.timeout = Some(VERSION);
    let mut hooks = Hooks {
        on_start: &mut |_| Ok(()),
        on_line: None,
        filter: &|text| inner.scrubber.scrub(text).into_owned(),
        on_cancel: None,
    };
    let said = match process::run(&command, &mut hooks) {
        Ok(finished) if finished.ended.is_success() => finished.stdout,
        Ok(_) | Err(_) => {
            let text = format!("{}, which does not say its version", path.display());
            return Checkup::is(Health::Warning, name, text).help(argv.join(" "));
        }
    };
    let line = said.lines().map(str::trim).find(|line| line.contains(|c: char| c.is_ascii_digit())).unwrap_or_default();
    let line = line.rsplit_once(": ").map_or(line, |(_, version)| version);
    Checkup::ok(name, format!("{line} at {} (it has rules)", path.display()))
}
