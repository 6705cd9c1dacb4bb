//! All that a run is made of: script, imports, files, `runbook.toml`.
//! Read once, digested, copied to the run folder; natives open bundle paths, never the disk.
//! A path is relative to the playbook's folder and never leads out of it. What holds secrets is digested, not copied.

mod archive;
mod change;
mod config;
mod error;
mod pin;
mod read;
mod repository;
mod sensitive;
mod tables;
#[cfg(test)]
mod tests;
mod window;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::model::Digest;

pub use change::{Change, ChangeKind};
pub use config::{Config, ConfigError, Context, GitPlace, Notify, Reach, StoreIn, ToolRules};
pub use error::BundleError;
pub use pin::pinned;
pub use repository::Repository;
pub use sensitive::Sensitive;
pub use window::Window;

/// The largest file that a bundle takes: 16 MiB.
pub const FILE_LIMIT: u64 = 16 << 20;
/// The largest bundle: 64 MiB.
pub const BUNDLE_LIMIT: u64 = 64 << 20;

/// One file of a bundle.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    bytes: Option<Arc<[u8]>>,
    digest: Option<Digest>,
    /// Why its content is not copied into the run folder.
    pub sensitive: Option<Sensitive>,
    /// Where it was read from; none for what the program brings along (`std/…`).
    pub origin: Option<PathBuf>,
    /// The digest keyed with the archive's key, for a file that was not copied.
    keyed: Option<String>,
}

impl File {
    fn new(bytes: Vec<u8>, sensitive: Option<Sensitive>, origin: Option<PathBuf>) -> Self {
        let digest = Some(Digest::of(&bytes));
        Self { bytes: Some(bytes.into()), digest, sensitive, origin, keyed: None }
    }

    /// Its content; none for a file that was not copied and has not been read again
    /// ([`Bundle::read_again`]).
    pub fn bytes(&self) -> Option<&[u8]> {
        self.bytes.as_deref()
    }
}

/// All that a run is made of. Clones share the contents.
#[derive(Clone, Debug)]
pub struct Bundle {
    root: PathBuf,
    entry: String,
    files: BTreeMap<String, File>,
    config: Option<(PathBuf, Arc<str>)>,
    /// The digest as the archive says it; the files' own once all of them are there.
    archived: Option<Digest>,
    key: Option<String>,
}

impl Bundle {
    /// Reads the playbook at `entry`. What it names is added as it becomes known.
    pub fn load(entry: &Path) -> Result<Self, BundleError> {
        let (root, name) = read::entry(entry)?;
        let mut bundle =
            Self { root, entry: name.clone(), files: BTreeMap::new(), config: None, archived: None, key: None };
        bundle.add(&name).map_err(|error| error.of_playbook(entry))?;
        bundle.text(&name)?;
        Ok(bundle)
    }

    /// A bundle made of texts that stand on no disk: for embedding and tests.
    pub fn in_memory(entry: &str, script: &str) -> Self {
        let file = File::new(script.as_bytes().to_vec(), None, None);
        let files = BTreeMap::from([(entry.to_owned(), file)]);
        Self { root: PathBuf::new(), entry: entry.into(), files, config: None, archived: None, key: None }
    }

    /// The playbook's bundle path, e.g. `deploy-app.rhai`.
    pub fn entry(&self) -> &str {
        &self.entry
    }

    /// The playbook's source.
    pub fn script(&self) -> &str {
        self.text(&self.entry).unwrap_or_default()
    }

    /// The folder that all paths are relative to, where it stands on a disk.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the playbook was read from.
    pub fn origin(&self) -> Option<&Path> {
        self.files.get(&self.entry).and_then(|file| file.origin.as_deref())
    }

    /// Adds a file, or all files of a folder, and gives the bundle paths that it came to. A file that is there already
    /// is not read again.
    pub fn add(&mut self, path: &str) -> Result<Vec<String>, BundleError> {
        let path = read::normal(path)?;
        if self.files.contains_key(&path) {
            return Ok(vec![path]);
        }
        if self.root.as_os_str().is_empty() {
            let nearest = nearest(&path, self.files.keys().map(String::as_str));
            return Err(BundleError::Missing { path, nearest });
        }
        let paths = read::files_at(&self.root, &path)?;
        for path in &paths {
            self.read(path)?;
        }
        Ok(paths)
    }

    /// Adds every file below the playbook's folder that a pattern such as `manifests/**` or `*.yaml` names.
    pub fn add_glob(&mut self, pattern: &str) -> Result<Vec<String>, BundleError> {
        let paths = read::matching(&self.root, pattern, self.files.keys())?;
        for path in &paths {
            self.read(path)?;
        }
        Ok(paths)
    }

    /// Adds a source that does not come from the playbook's folder: a `std/…` module, or a file of an embedder.
    pub fn add_source(&mut self, path: &str, text: &str) {
        if !self.files.contains_key(path) {
            self.files.insert(path.into(), File::new(text.as_bytes().to_vec(), None, None));
        }
    }

    /// Keeps the `runbook.toml` in force, for resume.
    pub fn set_config(&mut self, config: &Config) {
        self.config = Some((config.path.clone(), config.text.clone()));
    }

    /// The `runbook.toml` in force: where it was read from, and its text.
    pub fn config(&self) -> Option<(&Path, &str)> {
        self.config.as_ref().map(|(path, text)| (path.as_path(), &**text))
    }

    /// A file's content. Opens nothing: what is not in the bundle is an error with the line to add.
    pub fn bytes(&self, path: &str) -> Result<&[u8], BundleError> {
        let path = read::normal(path)?;
        match self.files.get(&path) {
            Some(file) => file.bytes().ok_or(BundleError::NotReadAgain { path }),
            None => {
                Err(BundleError::NotInBundle { nearest: nearest(&path, self.files.keys().map(String::as_str)), path })
            }
        }
    }

    /// A file's content as text.
    pub fn text(&self, path: &str) -> Result<&str, BundleError> {
        let bytes = self.bytes(path)?;
        std::str::from_utf8(bytes).map_err(|error| BundleError::NotText {
            path: path.into(),
            line: 1 + String::from_utf8_lossy(&bytes[..error.valid_up_to()]).matches('\n').count(),
        })
    }

    /// Files below a folder, in order: what a native finds that is given a folder's path.
    pub fn below<'a>(&'a self, folder: &str) -> impl Iterator<Item = &'a str> {
        let folder = read::normal(folder).map(|folder| format!("{folder}/")).unwrap_or_default();
        self.files.keys().map(String::as_str).filter(move |path| !folder.is_empty() && path.starts_with(&folder))
    }

    /// All files, by bundle path.
    pub fn files(&self) -> &BTreeMap<String, File> {
        &self.files
    }

    /// The playbook's hash: script, imports and files, not `runbook.toml`, whose per-context values may differ between
    /// staging and main.
    pub fn digest(&self) -> Digest {
        let known: Option<Vec<(&str, &Digest)>> =
            self.files.iter().map(|(path, file)| Some((path.as_str(), file.digest.as_ref()?))).collect();
        match (known, &self.archived) {
            (Some(files), _) => {
                let parts = files.iter().flat_map(|(path, digest)| [path.as_bytes(), digest.as_str().as_bytes()]);
                Digest::of_parts(std::iter::once(self.entry.as_bytes()).chain(parts))
            }
            (None, archived) => archived.clone().unwrap_or_else(|| Digest::of("")),
        }
    }

    /// One file's digest; of a file that holds secrets it says nothing to those who do not have the file.
    pub fn file_digest(&self, path: &str) -> Option<&Digest> {
        self.files.get(&read::normal(path).ok()?)?.digest.as_ref()
    }

    fn read(&mut self, path: &str) -> Result<(), BundleError> {
        if self.files.contains_key(path) {
            return Ok(());
        }
        let origin = self.root.join(path);
        let bytes = read::file(&self.root, path)?;
        let total: u64 = self.files.values().filter_map(File::bytes).chain([bytes.as_slice()]).map(size).sum();
        if total > BUNDLE_LIMIT {
            return Err(BundleError::BundleTooLarge { path: path.into(), bytes: total });
        }
        let sensitive = sensitive::of(path, &bytes);
        self.files.insert(path.into(), File::new(bytes, sensitive, Some(origin)));
        Ok(())
    }
}

fn size(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// The nearest of some names, best first, at most three.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut scored: Vec<(f64, &str)> = names
        .map(|other| (strsim::jaro_winkler(&name.to_lowercase(), &other.to_lowercase()), other))
        .filter(|(score, _)| *score > 0.75)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.dedup_by(|a, b| a.1 == b.1);
    scored.into_iter().take(3).map(|(_, name)| name.to_owned()).collect()
}
