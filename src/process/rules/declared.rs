//! Tools that `runbook.toml` declares: prefixes of arguments, and whether they get the private kubeconfig.

use serde::{Deserialize, Serialize};

use super::{Class, Kind, Reach, Refused, flags::nearest};

/// Whether a declared tool is led to the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cluster {
    /// It finds an empty kubeconfig.
    #[default]
    None,
    /// It finds the private one.
    Kubeconfig,
}

/// `[tools.NAME]` of `runbook.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolDecl {
    /// Prefixes of the arguments that change nothing; `*` stands for anything within one argument.
    #[serde(default)]
    pub read: Vec<Vec<String>>,
    /// Prefixes of the arguments that change something.
    #[serde(default)]
    pub change: Vec<Vec<String>>,
    /// Prefixes of the arguments whose output is secret by type.
    #[serde(default)]
    pub secret: Vec<Vec<String>>,
    /// What it reaches.
    #[serde(default)]
    pub cluster: Cluster,
}

/// The longest prefix that matches decides; between two of the same length, the one that changes.
pub(super) fn classify(argv: &[String], decl: &ToolDecl) -> Result<Class, Refused> {
    let (tool, args) = (argv[0].as_str(), &argv[1..]);
    let longest = |prefixes: &[Vec<String>]| prefixes.iter().filter(|prefix| matches(prefix, args)).map(Vec::len).max();
    let (read, change) = (longest(&decl.read), longest(&decl.change));
    let Some(length) = read.max(change) else { return Err(undeclared(tool, args, decl)) };
    Ok(Class {
        kind: if change >= read { Kind::Change } else { Kind::Read },
        tool: tool.to_owned(),
        subcommand: args[..length].join(" "),
        held_to_context: false,
        reach: if decl.cluster == Cluster::Kubeconfig { Reach::Kubeconfig } else { Reach::None },
        files: Vec::new(),
        charts: Vec::new(),
        writes: false,
        nodes: Vec::new(),
        reads_stdin: false,
        secret: longest(&decl.secret).is_some(),
        context_flag: None,
        always: &[],
        dry_run: None,
        words_end: 1,
    })
}

fn undeclared(tool: &str, args: &[String], decl: &ToolDecl) -> Refused {
    let shown = toml::Value::from(args.iter().take(1).cloned().collect::<Vec<_>>());
    let declared: Vec<String> = decl.read.iter().chain(&decl.change).map(|prefix| prefix.join(" ")).collect();
    let mut refused = Refused::new(format!(
        "[tools.{tool}] declares `{tool} {}` neither as read nor as change; it has: {}",
        args.join(" "),
        declared.join(", ")
    ));
    if let Some(near) = nearest(&args.join(" "), declared.iter().map(String::as_str)) {
        refused = refused.help(format!("did you mean `{tool} {near}`?"));
    }
    refused.help(format!("or add {shown} to `read` or `change` of [tools.{tool}] in runbook.toml"))
}

fn matches(prefix: &[String], args: &[String]) -> bool {
    prefix.len() <= args.len() && prefix.iter().zip(args).all(|(pattern, arg)| matches_one(pattern, arg))
}

/// `*` stands for any text, also none.
fn matches_one(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything_within_one_argument() {
        for (pattern, text, expected) in [
            ("talos:*", "talos:upgrade", true),
            ("talos:*", "kube:x", false),
            ("*", "", true),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "ac", false),
            ("a*a", "a", false),
            ("exact", "exactly", false),
            ("*.yaml", "x.yaml", true),
        ] {
            assert_eq!(matches_one(pattern, text), expected, "{pattern} {text}");
        }
    }
}
