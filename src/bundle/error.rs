use std::path::{Path, PathBuf};

use super::{BUNDLE_LIMIT, FILE_LIMIT};
use crate::model::{Finding, Place};

/// A file could not become part of a bundle, or is not part of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// There is no such file.
    #[error("there is no file `{path}`{}", did_you_mean(.nearest))]
    Missing {
        /// What was asked for.
        path: String,
        /// The nearest existing names.
        nearest: Vec<String>,
    },
    /// It is not part of the bundle: nothing named it before the run.
    #[error("`{path}` is not in the bundle{}", did_you_mean(.nearest))]
    NotInBundle {
        /// What was asked for.
        path: String,
        /// The nearest paths in the bundle.
        nearest: Vec<String>,
    },
    /// A pattern matches nothing.
    #[error("no file matches `{pattern}`{}", did_you_mean(.nearest))]
    NoMatch {
        /// The pattern.
        pattern: String,
        /// The nearest existing names.
        nearest: Vec<String>,
    },
    /// A pattern that cannot be read.
    #[error("`{pattern}` is not a pattern: {why}; write for example \"manifests/**\" or \"*.yaml\"")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// Why.
        why: String,
    },
    /// It leads out of the playbook's folder.
    #[error("`{path}` {why}: a bundle holds what is below the playbook's folder")]
    Outside {
        /// What was asked for.
        path: String,
        /// How it leads out.
        why: String,
    },
    /// It is no regular file.
    #[error("`{path}` is {what}, not a file")]
    NotAFile {
        /// What was asked for.
        path: String,
        /// What it is.
        what: &'static str,
    },
    /// It is a folder where the playbook should be.
    #[error("`{path}` is a folder{}", name_one(.playbooks))]
    Folder {
        /// What was asked for.
        path: String,
        /// The playbooks in it.
        playbooks: Vec<String>,
    },
    /// The system refused to read it.
    #[error("`{path}` could not be read: {source}")]
    Unreadable {
        /// Which.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Text was expected.
    #[error("`{path}` is not UTF-8 text (line {line})")]
    NotText {
        /// Which.
        path: String,
        /// The line of the first byte that is none, from 1.
        line: usize,
    },
    /// It is larger than a file may be.
    #[error("`{path}` has {bytes} bytes; a file of a bundle may have {FILE_LIMIT}")]
    TooLarge {
        /// Which.
        path: String,
        /// How many.
        bytes: u64,
    },
    /// All files together are larger than a bundle may be.
    #[error("with `{path}` the bundle has {bytes} bytes; it may have {BUNDLE_LIMIT}: name fewer files")]
    BundleTooLarge {
        /// The file that was one too many.
        path: String,
        /// How many.
        bytes: u64,
    },
    /// A run's copy of the bundle could not be read.
    #[error("the run's bundle cannot be used: {0}")]
    Archive(String),
    /// A file that was not copied, because it holds secrets, is not what it was.
    #[error("`{path}` is not what it was when the run began: {why}; put it back at {}", .origin.display())]
    SecretChanged {
        /// Its bundle path.
        path: String,
        /// Where it was read from.
        origin: PathBuf,
        /// In what it differs.
        why: String,
    },
    /// A file that holds secrets has to be read again first.
    #[error("`{path}` holds secrets and was not copied; it has not been read again")]
    NotReadAgain {
        /// Its bundle path.
        path: String,
    },
}

impl BundleError {
    /// The same, about a playbook that was named on the command line.
    pub(super) fn of_playbook(mut self, entry: &Path) -> Self {
        let folder = entry.parent().filter(|folder| !folder.as_os_str().is_empty());
        match &mut self {
            Self::Missing { path, nearest } => {
                *path = entry.display().to_string();
                if let Some(folder) = folder {
                    for name in nearest {
                        *name = folder.join(&name).display().to_string();
                    }
                }
            }
            Self::Unreadable { path, .. } | Self::NotAFile { path, .. } => *path = entry.display().to_string(),
            _ => {}
        }
        self
    }

    /// The error as a finding at the place that names the file.
    pub fn finding(&self, place: impl Into<Option<Place>>) -> Finding {
        let rule = match self {
            Self::Missing { .. } | Self::NoMatch { .. } => "missing-file",
            Self::NotInBundle { .. } => "file-not-in-bundle",
            Self::Pattern { .. } => "file-pattern",
            Self::Outside { .. } => "file-outside",
            Self::TooLarge { .. } | Self::BundleTooLarge { .. } => "bundle-size",
            _ => "unreadable-file",
        };
        let finding = Finding::error(rule, self.to_string()).at(place);
        match self {
            Self::NotInBundle { path, .. } => {
                finding.help(format!("say before the run that it is needed: files(\"{path}\");"))
            }
            _ => finding,
        }
    }
}

fn did_you_mean(nearest: &[String]) -> String {
    match nearest {
        [] => String::new(),
        names => format!("; did you mean `{}`?", names.join("` or `")),
    }
}

fn name_one(playbooks: &[String]) -> String {
    match playbooks {
        [] => " without a playbook in it: name a .rhai file".into(),
        names => format!(": name a playbook in it, such as {}", names.join(" or ")),
    }
}
