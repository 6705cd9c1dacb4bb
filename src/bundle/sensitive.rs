use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a file's content is digested and read again, but never copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sensitive {
    /// A Kubernetes Secret with its values.
    Secret,
    /// A file encrypted with SOPS.
    Sops,
    /// A kubeconfig.
    Kubeconfig,
    /// A talosconfig.
    Talosconfig,
    /// A Talos machine config.
    MachineConfig,
    /// A private key.
    Key,
    /// It holds a value that the scrubber knows.
    KnownValue,
}

impl fmt::Display for Sensitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Secret => "a Secret with values",
            Self::Sops => "encrypted with SOPS",
            Self::Kubeconfig => "a kubeconfig",
            Self::Talosconfig => "a talosconfig",
            Self::MachineConfig => "a machine config",
            Self::Key => "a private key",
            Self::KnownValue => "holds a secret's value",
        })
    }
}

/// Whether a file holds secrets, by what stands in it. In doubt it does: then it is only not copied.
pub(super) fn of(path: &str, bytes: &[u8]) -> Option<Sensitive> {
    let text = String::from_utf8_lossy(bytes);
    if text.contains("PRIVATE KEY-----") || text.contains("AGE-SECRET-KEY-1") {
        return Some(Sensitive::Key);
    }
    // scripts and documentation speak of such things without being them
    let name = path.rsplit('/').next().unwrap_or(path);
    if [".rhai", ".md", ".toml"].iter().any(|ending| name.ends_with(ending)) {
        return None;
    }
    if text.contains("ENC[AES256_GCM,") {
        return Some(Sensitive::Sops);
    }
    text.split("\n---").find_map(of_document)
}

fn of_document(text: &str) -> Option<Sensitive> {
    let has = |keys: &[&str]| keys.iter().all(|key| value_of(text, key).next().is_some());
    let kind = |kind: &str| value_of(text, "kind").any(|value| value == kind);
    if kind("Secret") && (has(&["data"]) || has(&["stringData"])) {
        Some(Sensitive::Secret)
    } else if kind("Config") && has(&["clusters", "users"]) {
        Some(Sensitive::Kubeconfig)
    } else if has(&["contexts", "ca", "crt", "key"]) {
        Some(Sensitive::Talosconfig)
    } else if has(&["machine", "ca"]) || has(&["machine", "token"]) {
        Some(Sensitive::MachineConfig)
    } else {
        None
    }
}

/// The words that stand behind a key, in YAML as in JSON, at any depth.
fn value_of<'a>(text: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    text.match_indices(key).filter_map(move |(at, _)| {
        let quote = |c: char| c == '"' || c == '\'';
        let before = text[..at].trim_end_matches(quote).chars().next_back();
        if before.is_some_and(|c| !c.is_whitespace() && !"{,[-".contains(c)) {
            return None;
        }
        let after = text[at + key.len()..].trim_start_matches(quote).trim_start_matches([' ', '\t']);
        let value = after.strip_prefix(':')?.trim_start_matches([' ', '\t']).trim_start_matches(quote);
        let end = value.find(|c: char| !c.is_alphanumeric()).unwrap_or(value.len());
        Some(&value[..end])
    })
}
