//! What each tool's arguments mean: read, dry-runnable, change or refused, decided before anything is started.
//! A tool's rules are a table of its subcommands with a little code for what a table cannot say. What no table knows is
//! refused: a subcommand that does not exist ends with status 0 in more than one tool, and a plugin runs anything.

mod declared;
mod flags;
mod flux;
mod gcloud;
mod git;
mod helm;
mod kubectl;
mod kustomize;
mod secrets;
mod table;
mod talosctl;

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

pub use declared::{Cluster, ToolDecl};
pub use flags::is_remote;
use table::Tool;

const TOOLS: &[&Tool] =
    &[&kubectl::TOOL, &flux::TOOL, &talosctl::TOOL, &helm::TOOL, &kustomize::TOOL, &gcloud::TOOL, &git::TOOL];

/// What a command may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Changes nothing; also a dry run that the script asked for.
    Read,
    /// Changes something, and can say beforehand what.
    DryRunnable,
    /// Changes something.
    Change,
}

/// How a tool is led to the context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// It reaches no cluster.
    None,
    /// By the private kubeconfig.
    Kubeconfig,
    /// By the context's talosconfig; [`Class::nodes`] must belong to the cluster.
    Talosconfig,
    /// By the context's GCP project.
    Project,
}

/// A command that has a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own about a command")]
pub struct Class {
    /// What it may do.
    pub kind: Kind,
    /// The tool's name.
    pub tool: String,
    /// The subcommand's words, e.g. `rollout restart`; of a declared tool, the declared words that matched.
    pub subcommand: String,
    /// Whether it can reach nothing but the context; never so for a tool that `[tools]` declares.
    pub held_to_context: bool,
    /// How it is led to the context.
    pub reach: Reach,
    /// The files and folders that its arguments name, as written; `-` is left out.
    pub files: Vec<String>,
    /// Arguments that are folders where there are such, and else names in a repository: helm's charts.
    pub charts: Vec<String>,
    /// Whether it writes a file where it runs.
    pub writes: bool,
    /// The nodes and endpoints that its arguments name.
    pub nodes: Vec<String>,
    /// Whether an argument tells it to read stdin.
    pub reads_stdin: bool,
    /// Whether what it prints is secret by type.
    pub secret: bool,
    /// The flag that names the context or project, and arguments that are always given.
    context_flag: Option<&'static str>,
    always: &'static [&'static str],
    /// The flag of its dry run, and how many leading arguments (with the tool) hold its subcommand.
    dry_run: Option<&'static str>,
    words_end: usize,
}

impl Class {
    /// The command as it is started: the context (or project) named right after the tool and, for a dry run, its flag
    /// right after the subcommand, where no argument can swallow them.
    ///
    /// `context` is the name within the private kubeconfig, or the project. `rehearsal` asks for a dry run of a
    /// [`Kind::DryRunnable`] command; a dry run that the script asked for stays one.
    pub fn command(&self, argv: &[String], context: Option<&str>, rehearsal: bool) -> Vec<String> {
        let (words, rest) = argv.split_at(self.words_end.min(argv.len()));
        let mut command: Vec<String> = words.iter().take(1).cloned().collect();
        if let (Some(flag), Some(context)) = (self.context_flag, context) {
            command.extend([flag.to_owned(), context.to_owned()]);
        }
        command.extend(self.always.iter().map(ToString::to_string));
        command.extend(words.iter().skip(1).cloned());
        let dry = match self.kind {
            Kind::Read => true,
            Kind::DryRunnable => rehearsal,
            Kind::Change => false,
        };
        command.extend(self.dry_run.filter(|_| dry).map(ToOwned::to_owned));
        command.extend(rest.iter().cloned());
        command
    }
}

/// A command that may not run: why, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// What is refused and why.
    pub message: String,
    /// What to write instead, a line each.
    pub help: Vec<String>,
}

impl Refused {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: Vec::new() }
    }

    fn help(mut self, line: impl Into<String>) -> Self {
        self.help.push(line.into());
        self
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.help.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl std::error::Error for Refused {}

/// Whether a tool has rules of its own; `[tools.NAME]` cannot replace them.
pub fn has_rules(tool: &str) -> bool {
    TOOLS.iter().any(|t| t.name == tool)
}

/// The subcommands that a tool's own rules know, each with its words (`a|b` where a word has other names) and what it may
/// do; nothing for one that is always refused.
pub fn subcommands(tool: &str) -> Vec<(&'static str, Option<Kind>)> {
    let rows = TOOLS.iter().find(|t| t.name == tool).map(|tool| tool.rows).unwrap_or_default();
    rows.iter().map(|(words, rule)| (*words, rule.kind())).collect()
}

/// Decides what a command may do, from its arguments and what `runbook.toml` declares.
///
/// # Errors
/// [`Refused`] for a tool or a subcommand without a rule, for a flag that chooses another cluster or identity, and for
/// what cannot work unattended.
pub fn classify(argv: &[String], declared: &BTreeMap<String, ToolDecl>) -> Result<Class, Refused> {
    let Some(name) = argv.first().filter(|name| !name.is_empty()) else {
        return Err(Refused::new("a command needs a tool").help("cmd::read([\"kubectl\", \"get\", \"nodes\"])"));
    };
    if let Some(tool) = TOOLS.iter().find(|tool| tool.name == name) {
        return tool.classify(argv);
    }
    match declared.get(name) {
        Some(decl) => declared::classify(argv, decl),
        None => Err(without_rule(name, argv, declared)),
    }
}

fn without_rule(name: &str, argv: &[String], declared: &BTreeMap<String, ToolDecl>) -> Refused {
    let base = name.rsplit('/').next().unwrap_or(name);
    if base != name && has_rules(base) {
        return Refused::new(format!("`{name}` is a path; the rules of {base} hold for the `{base}` found in PATH"))
            .help(format!("write \"{base}\""));
    }
    if WRAPPERS.contains(&base) {
        return Refused::new(format!("`{name}` runs another command, which no rule would see"))
            .help("name that command itself: cmd takes its arguments as a list, and a deadline with .timeout");
    }
    let known = TOOLS.iter().map(|t| t.name).chain(declared.keys().map(String::as_str));
    let runs_anything = SHELLS.contains(&base) || base.starts_with("python");
    let message = if runs_anything {
        format!("`{name}` can run anything, so no rule holds it to the context")
    } else {
        format!("no rule knows the tool `{name}`")
    };
    let first = argv.get(1).map_or("*", String::as_str);
    let key = toml::Value::String(name.to_owned()).to_string();
    let key =
        if name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')) { name.to_owned() } else { key };
    let mut refused = Refused::new(message);
    if let Some(near) = flags::nearest(name, known) {
        refused = refused.help(format!("did you mean `{near}`?"));
    }
    let or = if refused.help.is_empty() { "" } else { "or " };
    let first = toml::Value::from(first);
    // what nobody knows is never taken for something that only reads
    let read = if runs_anything { "read = []" } else { "read = []    # only what surely changes nothing" };
    let change = format!("change = [[{first}]]    # prefixes of the arguments; it runs in a step's change");
    refused
        .help(format!(
            "{or}declare it in runbook.toml (plan, gate and record then show it as not held to the context):"
        ))
        .help(format!("[tools.{key}]"))
        .help(read)
        .help(change)
        .help("cluster = \"none\"    # or \"kubeconfig\": it gets the private one")
}

const SHELLS: &[&str] = &[
    "sh", "bash", "zsh", "dash", "ash", "ksh", "fish", "busybox", "pwsh", "perl", "ruby", "node", "deno", "bun", "lua",
    "php", "awk", "gawk", "make", "just", "ssh", "docker", "podman", "nix", "npx",
];
const WRAPPERS: &[&str] =
    &["env", "sudo", "doas", "su", "timeout", "nice", "nohup", "xargs", "watch", "time", "setsid", "stdbuf", "chroot"];

#[cfg(test)]
mod tests;
