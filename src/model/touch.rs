use std::fmt;

use serde::{Deserialize, Serialize};

/// What is done to the thing that is touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "each name is the native's")]
pub enum Verb {
    Apply,
    Patch,
    Delete,
    Scale,
    Restart,
    Annotate,
    Label,
    Cordon,
    Uncordon,
    Drain,
    Exec,
    Job,
    Run,
    Post,
    Write,
    Commit,
    Module,
}

/// What a step will change or did change: verb, object, file or tool.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Touch {
    /// What is done.
    pub verb: Verb,
    /// The object (`Kind/namespace/name`), URL, path or command.
    pub target: String,
    /// The object's `apiVersion`, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// The bundle file that the change comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The tool and subcommand, where a command makes the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Whether there is an automatic way back.
    #[serde(default)]
    pub way_back: bool,
    /// Why it is changed although a controller keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub despite_owner: Option<String>,
    /// What is special about it, e.g. `not held to the context`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
}

impl Touch {
    /// A touch of an object, URL, path or command.
    pub fn new(verb: Verb, target: impl Into<String>) -> Self {
        Self {
            verb,
            target: target.into(),
            api_version: None,
            file: None,
            tool: None,
            way_back: false,
            despite_owner: None,
            remark: None,
        }
    }
}

impl fmt::Display for Touch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = format!("{:?}", self.verb).to_lowercase();
        write!(f, "{verb} {}", self.target)?;
        if let Some(file) = &self.file {
            write!(f, " ({file})")?;
        }
        if let Some(reason) = &self.despite_owner {
            write!(f, " [although a controller keeps it: {reason}]")?;
        }
        if let Some(remark) = &self.remark {
            write!(f, " [{remark}]")?;
        }
        Ok(())
    }
}
