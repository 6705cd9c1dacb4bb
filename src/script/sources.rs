use std::{collections::BTreeMap, sync::Arc};

/// Where scripts come from: the bundle, or texts in memory.
pub trait Sources: Send + Sync {
    /// The text of the file with this bundle path (`deploy-app.rhai`, `lib/checks.rhai`).
    fn text(&self, path: &str) -> Result<Arc<str>, SourceError>;
    /// The playbook's bundle path.
    fn entry(&self) -> &str;
    /// All bundle paths, sorted.
    fn paths(&self) -> Vec<String>;
}

/// A file that cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// There is none of this path.
    #[error("no file `{0}`")]
    Missing(String),
    /// It is there and cannot be read, with the reason.
    #[error("`{0}` cannot be read: {1}")]
    Unreadable(String, String),
}

/// Texts in memory, for tests and for programs that make their playbooks.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    entry: String,
    texts: BTreeMap<String, Arc<str>>,
}

impl Texts {
    /// A playbook with this path and text.
    pub fn new(entry: &str, text: &str) -> Self {
        Self { entry: entry.into(), texts: BTreeMap::from([(entry.to_string(), text.into())]) }
    }

    /// With another file.
    #[must_use]
    pub fn with(mut self, path: &str, text: &str) -> Self {
        self.texts.insert(path.into(), text.into());
        self
    }
}

impl Sources for Texts {
    fn text(&self, path: &str) -> Result<Arc<str>, SourceError> {
        self.texts.get(path).cloned().ok_or_else(|| SourceError::Missing(path.into()))
    }

    fn entry(&self) -> &str {
        &self.entry
    }

    fn paths(&self) -> Vec<String> {
        self.texts.keys().cloned().collect()
    }
}
