//! The `repo` natives: the working tree of the GitOps repository is read as it is now, and never written.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{Call, EffectError, Mode, Sort};
use crate::{
    model::Read,
    object::{
        self,
        repo::{File, Like, Repo, Side, Wanted},
        yaml,
    },
};

/// A file that is larger holds no manifests.
const FILE: u64 = 1 << 20;
/// A tree with more files than this is no repository of manifests.
const FILES: usize = 100_000;
/// A file with a zero byte this near to its beginning is no text.
const BINARY: usize = 8000;

/// Where the GitOps repository is, and what its folders are.
#[derive(Clone, Debug, Default)]
pub struct RepoPlace {
    /// Its folder, where `runbook.toml` says one.
    pub path: Option<PathBuf>,
    /// Where it is looked for otherwise: the Git repository that these folders stand in, the first that does.
    pub from: Vec<PathBuf>,
    /// Which folder is which cluster's; relative ones stand in the repository.
    pub clusters: Vec<(String, PathBuf)>,
    /// Other people's repositories.
    pub references: Vec<PathBuf>,
    /// What is declared per cluster: by cluster, names with their values.
    pub own: BTreeMap<String, BTreeMap<String, String>>,
}

/// A folder that is read, and what its files' paths begin with.
struct Tree<'a> {
    folder: PathBuf,
    prefix: String,
    foreign: bool,
    /// What is left out: other people's repositories in one's own, and the playbook, which speaks of what it asks for.
    without: &'a [PathBuf],
}

impl Call {
    /// Every reference to a resource in the repository, by meaning and by text.
    pub fn repo_references(&self, name: &str) -> Result<Value, EffectError> {
        let native = "repo::references";
        let wanted: Wanted = name.parse().map_err(|_| {
            let message = format!("`{native}` takes a name, \"Kind/name\" or \"Kind/namespace/name\", not `{name}`");
            EffectError::new(Sort::Argument, message)
        })?;
        let repo = self.repo(native, &format!("references to {name}"), false)?;
        Ok(json!(repo.references(&wanted)))
    }

    /// Patterns to follow, the best first: objects of a kind, what is like a file or folder, or like an object (YAML text or
    /// a value).
    pub fn repo_similar(&self, what: &Value) -> Result<Value, EffectError> {
        let native = "repo::similar";
        let like = match what {
            Value::String(text) if text.contains(['\n', '{', ':']) => {
                let documents = yaml::documents(text, "the manifest");
                let documents =
                    documents.map_err(|error| EffectError::new(Sort::Argument, format!("`{native}`: {error}")))?;
                Like::Objects(documents.into_iter().map(|document| document.value).collect())
            }
            Value::String(text) if text.contains('/') || Path::new(text).extension().is_some_and(is_manifest) => {
                Like::Path(text.clone())
            }
            Value::String(text) => Like::Kind(text.clone()),
            Value::Array(objects) => Like::Objects(objects.clone()),
            object => Like::Objects(vec![object.clone()]),
        };
        if let Like::Objects(objects) = &like
            && (objects.is_empty() || objects.iter().any(|one| object::head(one).kind().is_empty()))
        {
            let message =
                format!("`{native}` takes a kind, a path in the repository, or a manifest, whose objects have a kind");
            return Err(EffectError::new(Sort::Argument, message));
        }
        let words = match &like {
            Like::Kind(text) | Like::Path(text) => text.clone(),
            Like::Objects(objects) => object::reference(&objects[0]).to_string(),
        };
        let repo = self.repo(native, &format!("patterns like {words}"), true)?;
        if let Some(found) = repo.similar(&like) {
            return Ok(json!(found));
        }
        let error =
            EffectError::new(Sort::Argument, format!("`{native}`: the repository holds no objects at `{words}`"));
        Err(match nearest(&words, repo.paths().into_iter()) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error,
        })
    }

    /// What one cluster's folder has and the other has not, and what differs.
    pub fn repo_diff_trees(&self, a: &str, b: &str) -> Result<Value, EffectError> {
        let native = "repo::diff_trees";
        let repo = self.repo(native, &format!("{a} against {b}"), false)?;
        let (a, b) = (self.side(native, &repo, a)?, self.side(native, &repo, b)?);
        Ok(json!(repo.compare(&a, &b)))
    }

    fn side(&self, native: &str, repo: &Repo, name: &str) -> Result<Side, EffectError> {
        let place = &self.door(native)?.parts.repo;
        let folder = repo.cluster(name).map(ToOwned::to_owned);
        let own = place.own.get(name).cloned().unwrap_or_default();
        let path = name.trim_start_matches("./").trim_matches('/');
        if let Some(folder) = folder.or_else(|| repo.paths().contains(path).then(|| path.to_owned())) {
            return Ok(Side { folder, own });
        }
        let message = format!("`{native}`: `{name}` is neither a cluster with a folder nor a folder of the repository");
        let known: BTreeSet<&str> = place.clusters.iter().map(|(name, _)| name.as_str()).chain(repo.paths()).collect();
        let error = EffectError::new(Sort::Argument, message);
        Err(match nearest(name, known.into_iter()) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error.help(format!(
                "[repo] clusters = {{ {name} = \"kubernetes/{name}\" }} in runbook.toml says where it is"
            )),
        })
    }

    /// The repository as it is now.
    fn repo(&self, native: &str, what: &str, foreign: bool) -> Result<Repo, EffectError> {
        self.allow(native, Mode::Read)?;
        if self.trial.is_some() {
            return Err(EffectError::new(Sort::Unseen, "what the repository holds is not known in a trial"));
        }
        self.read(Read::Polled(format!("the repository: {what}")));
        let place = &self.door(native)?.parts.repo;
        let looked = self.repository(place, foreign);
        looked.map_err(|error| self.ran_into(error))
    }

    fn repository(&self, place: &RepoPlace, foreign: bool) -> Result<Repo, EffectError> {
        let root = root(place)?;
        let origin = self.door("repo")?.bundle().origin().and_then(|path| path.canonicalize().ok());
        let others = place.references.iter().filter_map(|path| path.canonicalize().ok());
        let without: Vec<PathBuf> = others.chain(origin).collect();
        let without = without.as_slice();
        let mut clusters = vec![];
        let mut trees = vec![Tree { folder: root.clone(), prefix: String::new(), foreign: false, without }];
        for (name, folder) in &place.clusters {
            let folder = there(&root.join(folder), &format!("the folder of {name}"))?;
            if let Ok(path) = folder.strip_prefix(&root) {
                clusters.push((name.clone(), shown(path)));
            } else {
                // a cluster with a repository of its own
                let prefix = shown(&folder);
                clusters.push((name.clone(), prefix.trim_matches('/').to_owned()));
                trees.push(Tree { folder, prefix, foreign: false, without });
            }
        }
        for folder in foreign.then_some(&place.references).into_iter().flatten() {
            let folder = there(folder, "a repository of [repo] references")?;
            let name = folder.file_name().map(|name| shown(Path::new(name))).unwrap_or_default();
            trees.push(Tree { folder, prefix: name, foreign: true, without: &[] });
        }
        let mut files = vec![];
        for tree in &trees {
            self.walk(tree, &tree.folder, tree.prefix.trim_matches('/'), &mut files)?;
        }
        Ok(Repo::read(files, clusters))
    }

    /// Reads the texts of a folder; links, hidden files and what Git itself keeps are left out.
    fn walk(&self, tree: &Tree<'_>, folder: &Path, path: &str, files: &mut Vec<File>) -> Result<(), EffectError> {
        self.go_on()?;
        let entries = fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| unreadable(folder, &error))?;
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| !name.starts_with('.') && *name != "node_modules") else {
                continue;
            };
            let path = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
            if tree.without.contains(&entry.path()) {
                continue;
            }
            let sort = entry.file_type().map_err(|error| unreadable(folder, &error))?;
            if sort.is_dir() {
                self.walk(tree, &entry.path(), &path, files)?;
            } else if sort.is_file()
                && let Some(text) = text(&entry.path())
            {
                files.push(File { path, text, cluster: None, foreign: tree.foreign });
            }
            if files.len() > FILES {
                let message = format!("{} holds more than {FILES} files", tree.folder.display());
                return Err(EffectError::new(Sort::Hard, message)
                    .help("name a folder in it: [repo] path = \"…\" in runbook.toml"));
            }
        }
        Ok(())
    }
}

/// The repository's folder, with all links followed.
fn root(place: &RepoPlace) -> Result<PathBuf, EffectError> {
    if let Some(path) = &place.path {
        return there(path, "the repository of runbook.toml");
    }
    let above = place.from.iter().filter_map(|from| from.canonicalize().ok());
    let found = above.flat_map(|from| from.ancestors().map(Path::to_owned).collect::<Vec<_>>());
    let mut found = found.filter(|folder| folder.join(".git").exists());
    found.next().ok_or_else(|| {
        let from = place.from.first().map(|from| format!(" above {}", from.display())).unwrap_or_default();
        EffectError::new(Sort::Hard, format!("there is no Git repository{from}"))
            .help("say where it is: [repo] path = \"…\" in runbook.toml")
    })
}

fn there(folder: &Path, what: &str) -> Result<PathBuf, EffectError> {
    let found = folder.canonicalize().ok().filter(|folder| folder.is_dir());
    found.ok_or_else(|| {
        EffectError::new(Sort::Hard, format!("{what}, {}, is no folder that can be read", folder.display()))
    })
}

fn unreadable(folder: &Path, error: &std::io::Error) -> EffectError {
    EffectError::new(Sort::Hard, format!("{} cannot be read: {error}", folder.display()))
}

/// The text of a file; none of one that is large or holds something else.
fn text(path: &Path) -> Option<String> {
    if fs::metadata(path).ok()?.len() > FILE {
        return None;
    }
    let bytes = fs::read(path).ok()?;
    if bytes.iter().take(BINARY).any(|byte| *byte == 0) {
        return None;
    }
    String::from_utf8(bytes).ok()
}

fn is_manifest(extension: &std::ffi::OsStr) -> bool {
    matches!(extension.to_str(), Some("yaml" | "yml" | "json"))
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}

fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.map(|known| (strsim::jaro_winkler(known, name), known)).filter(|(score, _)| *score > 0.8);
    scored.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}
