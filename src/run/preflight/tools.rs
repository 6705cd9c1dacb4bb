//! Whether every tool is there, which version it is, and whether it knows the flags that it is given.

use std::{collections::BTreeMap, sync::Arc, thread};

use crate::{
    effect::{Commanded, Door},
    model::{Finding, StepId},
    script::Declared,
};

/// How each tool says its version, without a cluster. gcloud takes a second or two for it, and is not asked.
const VERSIONS: &[(&str, &[&str])] = &[
    ("kubectl", &["version", "--client"]),
    ("flux", &["version", "--client"]),
    ("talosctl", &["version", "--client", "--short"]),
    ("helm", &["version", "--short"]),
    ("kustomize", &["version"]),
    ("git", &["version"]),
];

/// Tools whose `--help` of a subcommand lists its flags, quickly and without a pager.
const LIST_FLAGS: [&str; 5] = ["kubectl", "flux", "talosctl", "helm", "kustomize"];

/// Where each tool comes from.
const FROM: &[(&str, &str)] = &[
    ("kubectl", "https://kubernetes.io/docs/tasks/tools/"),
    ("flux", "https://fluxcd.io/flux/installation/"),
    ("talosctl", "https://www.talos.dev/latest/talos-guides/install/talosctl/"),
    ("helm", "https://helm.sh/docs/intro/install/"),
    ("kustomize", "https://kubectl.docs.kubernetes.io/installation/kustomize/"),
    ("gcloud", "https://cloud.google.com/sdk/docs/install"),
    ("git", "https://git-scm.com/downloads"),
];

pub(super) fn check(door: &Arc<Door>, declared: &Declared, commands: &[(StepId, Commanded)]) -> Vec<Finding> {
    let mut tools: BTreeMap<&str, Vec<(&StepId, &Commanded)>> = BTreeMap::new();
    for (step, command) in commands {
        tools.entry(&command.tool).or_default().push((step, command));
    }
    let mut findings = vec![];
    let mut asked = vec![];
    for (tool, uses) in tools {
        match door.tool(tool) {
            Ok(path) => asked.push((tool.to_owned(), path, uses)),
            Err(near) => findings.push(absent(declared, tool, uses[0], &near)),
        }
    }
    // each answer takes a process of its own: all are asked at once
    let answers: Vec<Answers> = thread::scope(|scope| {
        let asking: Vec<_> = asked
            .iter()
            .filter(|(_, _, uses)| uses[0].1.has_rules)
            .map(|(tool, _, uses)| scope.spawn(|| answers(door, tool, uses)))
            .collect();
        asking.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    for (tool, path, uses) in &asked {
        let answer = answers.iter().find(|answer| answer.tool == *tool);
        if let Some(version) = answer.and_then(|answer| answer.version.as_ref()) {
            findings.push(Finding::note("tool", format!("{tool} is {version} ({})", path.display())));
        }
        for (step, command) in uses {
            let help = answer.and_then(|answer| answer.help.get(&command.subcommand));
            findings.extend(help.into_iter().flat_map(|help| unknown_flags(declared, step, command, help)));
        }
    }
    findings
}

fn absent(declared: &Declared, tool: &str, (step, command): (&StepId, &Commanded), near: &[String]) -> Finding {
    let message = format!("`{tool}` is not on PATH, and step {step} runs `{}`", brief(command));
    let place = declared.plan.step(step).map(|step| step.place.clone());
    let mut finding = Finding::error("tool", message).at(place).of_step(step);
    if !near.is_empty() {
        let near: Vec<String> = near.iter().map(|name| format!("`{name}`")).collect();
        finding = finding.help(format!("did you mean {}?", near.join(" or ")));
    }
    match FROM.iter().find(|(known, _)| *known == tool) {
        Some((_, from)) => finding.help(format!("install it ({from}), or put its folder into PATH")),
        None => finding.help("install it, or put its folder into PATH"),
    }
}

/// What a tool said about itself.
struct Answers {
    tool: String,
    version: Option<String>,
    /// Its help, by subcommand.
    help: BTreeMap<String, String>,
}

fn answers(door: &Door, tool: &str, uses: &[(&StepId, &Commanded)]) -> Answers {
    let version = VERSIONS.iter().find(|(known, _)| *known == tool).and_then(|(_, arguments)| {
        let argv: Vec<&str> = std::iter::once(tool).chain(arguments.iter().copied()).collect();
        version_in(&door.ask_tool(&argv)?)
    });
    let mut help = BTreeMap::new();
    for (_, command) in uses.iter().filter(|(_, command)| LIST_FLAGS.contains(&tool) && has_flags(command)) {
        if help.contains_key(&command.subcommand) {
            continue;
        }
        let words = command.subcommand.split(' ').filter(|word| !word.is_empty());
        let argv: Vec<&str> = std::iter::once(tool).chain(words).chain(["--help"]).collect();
        let mut text = door.ask_tool(&argv).unwrap_or_default();
        if tool == "kubectl" {
            text.push_str(&door.ask_tool(&[tool, "options"]).unwrap_or_default());
        }
        // a help that lists no flag says nothing about them
        if text.contains("--") {
            help.insert(command.subcommand.clone(), text);
        }
    }
    Answers { tool: tool.into(), version, help }
}

/// The first word that looks like a version.
fn version_in(text: &str) -> Option<String> {
    let words = text.split(|c: char| c.is_whitespace() || matches!(c, '"' | ',' | '{' | '}' | ';'));
    let is_version = |word: &&str| {
        let bare = word.trim_start_matches('v');
        let digits = bare.split('.').take(2).all(|part| part.starts_with(|c: char| c.is_ascii_digit()));
        bare.matches('.').count() >= 1 && digits && !bare.contains(':')
    };
    words.into_iter().find(is_version).map(ToOwned::to_owned)
}

/// The long flags of a command, up to where another command's begin.
fn flags(command: &Commanded) -> impl Iterator<Item = &str> {
    let own = command.argv.iter().skip(1).take_while(|argument| *argument != "--");
    own.filter(|argument| argument.starts_with("--")).map(|argument| argument.split('=').next().unwrap_or(argument))
}

fn has_flags(command: &Commanded) -> bool {
    flags(command).next().is_some()
}

fn unknown_flags(declared: &Declared, step: &StepId, command: &Commanded, help: &str) -> Vec<Finding> {
    let known: Vec<&str> = help
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'))
        .filter(|word| word.starts_with("--") && word.len() > 2)
        .collect();
    let unknown = flags(command).filter(|flag| !known.contains(flag) && *flag != "--help");
    let findings = unknown.map(|flag| {
        let message = format!("`{} {}` has no flag {flag}, by its own help", command.tool, command.subcommand);
        let place = declared.plan.step(step).map(|step| step.place.clone());
        let finding = Finding::warning("tool", message).at(place).of_step(step);
        let near = known.iter().max_by(|a, b| strsim::jaro_winkler(a, flag).total_cmp(&strsim::jaro_winkler(b, flag)));
        match near.filter(|near| strsim::jaro_winkler(near, flag) > 0.85) {
            Some(near) => finding.help(format!("did you mean {near}?")),
            None => finding.help(format!("what it takes: {} {} --help", command.tool, command.subcommand)),
        }
    });
    findings.collect()
}

fn brief(command: &Commanded) -> String {
    format!("{} {}", command.tool, command.subcommand).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_in_what_tools_print() {
        for (text, expected) in [
            ("Client Version: v1.32.3\nKustomize Version: v5.5.0\n", Some("v1.32.3")),
            ("flux: v2.4.0\n", Some("v2.4.0")),
            ("v3.16.2+g13654a5", Some("v3.16.2+g13654a5")),
            ("git version 2.39.5\n", Some("2.39.5")),
            ("Google Cloud SDK 504.0.1\nbq 2.1.11", Some("504.0.1")),
            ("Client:\n\tTag: v1.9.1\n", Some("v1.9.1")),
            ("nothing of the sort", None),
            ("see https://1.2.3.4/", None),
        ] {
            assert_eq!(version_in(text).as_deref(), expected, "{text}");
        }
    }
}
