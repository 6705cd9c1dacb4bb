use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::{
    document::{Document, Read, Repo},
    kustomize::folder,
    references::same_kind,
    shape::{Shape, points, share},
};
use crate::object::head;

/// How many patterns are shown: the best ones.
const SHOWN: usize = 20;
/// What is less like it than this is no pattern to follow.
const LEAST: u32 = 15;

/// What patterns are looked for.
#[derive(Clone, Debug)]
pub enum Like {
    /// Objects of a kind: the most usual form first.
    Kind(String),
    /// A file or a folder of the repository.
    Path(String),
    /// Objects that are about to be written.
    Objects(Vec<Value>),
}

/// A pattern to follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Similar {
    /// The file, or the folder.
    pub file: String,
    /// Its line, from 1; 0 for a folder.
    pub line: u32,
    /// The cluster whose folder it stands in.
    pub cluster: Option<String>,
    /// The object; none for a folder.
    pub object: Option<String>,
    /// How much it is like it, in points out of a hundred.
    pub score: u32,
    /// In what it is like it.
    pub why: Vec<String>,
    /// Whether it is of somebody else's repository.
    pub foreign: bool,
}

/// An object that something is compared with.
pub(super) struct Pattern<'a> {
    pub kind: &'a str,
    namespace: Option<&'a str>,
    pub shape: Shape,
    /// Its file's path below its cluster's folder, or below the repository.
    at: &'a str,
}

impl<'a> Pattern<'a> {
    pub fn of(value: &'a Value, at: &'a str) -> Self {
        Self { kind: head(value).kind(), namespace: head(value).namespace(), shape: Shape::of(value), at }
    }
}

impl Repo {
    /// Patterns to follow, the best first; none where a path is not in the repository.
    pub fn similar(&self, like: &Like) -> Option<Vec<Similar>> {
        let mut found = match like {
            Like::Kind(kind) => self.typical(kind),
            Like::Objects(objects) => {
                let patterns: Vec<Pattern<'_>> = objects.iter().map(|object| Pattern::of(object, "")).collect();
                match &patterns[..] {
                    [one] => self.like_one(one, None),
                    more => self.like_folder(more, None),
                }
            }
            Like::Path(path) => {
                let path = path.trim_start_matches("./").trim_matches('/');
                let of_it = |read: &Read| !read.file.foreign && is_in(&read.file.path, path);
                let own: Vec<(&Read, &Document)> =
                    self.documents().filter(|(read, document)| of_it(read) && !document.kind().is_empty()).collect();
                let patterns: Vec<Pattern<'_>> =
                    own.iter().map(|(read, document)| Pattern::of(&document.value, self.below_cluster(read))).collect();
                match &patterns[..] {
                    [] => return None,
                    [one] if own.iter().any(|(read, _)| read.file.path == path) => self.like_one(one, Some(path)),
                    more => self.like_folder(more, Some(path)),
                }
            }
        };
        found.retain(|one| one.score >= LEAST);
        found.sort_by(|a, b| {
            b.score.cmp(&a.score).then_with(|| (a.foreign, &a.file, a.line).cmp(&(b.foreign, &b.file, b.line)))
        });
        found.truncate(SHOWN);
        Some(found)
    }

    /// Paths of the repository, folders included, for a suggestion.
    pub fn paths(&self) -> BTreeSet<&str> {
        let own = self.files.iter().filter(|read| !read.file.foreign).map(|read| read.file.path.as_str());
        own.flat_map(|path| {
            std::iter::successors(Some(path), |path| Some(folder(path)).filter(|path| !path.is_empty()))
        })
        .collect()
    }

    /// The folder of a cluster.
    pub fn cluster(&self, name: &str) -> Option<&str> {
        self.clusters.iter().find(|(known, _)| known == name).map(|(_, folder)| folder.as_str())
    }

    pub(super) fn documents(&self) -> impl Iterator<Item = (&Read, &Document)> {
        self.files.iter().flat_map(|read| read.documents.iter().map(move |document| (read, document)))
    }

    /// Where a file stands below its cluster's folder; of one without a cluster, in its repository.
    fn below_cluster<'a>(&self, read: &'a Read) -> &'a str {
        let cluster = read.file.cluster.as_ref().and_then(|name| self.clusters.iter().find(|(known, _)| known == name));
        let below = cluster.and_then(|(_, folder)| read.file.path.strip_prefix(folder.as_str()));
        below.map_or(read.file.path.as_str(), |below| below.trim_start_matches('/'))
    }

    /// Objects of the same kind.
    fn like_one(&self, pattern: &Pattern<'_>, own: Option<&str>) -> Vec<Similar> {
        let others = self
            .documents()
            .filter(|(read, document)| document.kind() == pattern.kind && own.is_none_or(|own| read.file.path != own));
        others
            .map(|(read, document)| {
                let other = Pattern::of(&document.value, self.below_cluster(read));
                let common = pattern.shape.common(&other.shape);
                let mut why = vec![format!("it sets {} of the {} fields", common.fields, common.own)];
                if common.all > common.own {
                    why.push(format!("and {} more", common.all - common.own));
                }
                let mut score = 60.0 * common.alike() + 15.0 * common.same() * common.alike();
                if common.values > 0 {
                    why.push(format!("{} with the same value", common.values));
                }
                if let Some(namespace) = pattern.namespace.filter(|own| other.namespace == Some(own)) {
                    score += 15.0;
                    why.push(format!("the same namespace {namespace}"));
                }
                if layout(pattern.at) == layout(other.at) && !pattern.at.is_empty() {
                    score += 10.0;
                    why.push(format!("at the same place: {}", layout(other.at)));
                }
                Similar {
                    file: read.file.path.clone(),
                    line: document.lines.line(),
                    cluster: read.file.cluster.clone(),
                    object: document.object.as_ref().map(ToString::to_string),
                    score: points(score),
                    why,
                    foreign: read.file.foreign,
                }
            })
            .collect()
    }

    /// Folders that hold the same kinds of objects.
    fn like_folder(&self, patterns: &[Pattern<'_>], own: Option<&str>) -> Vec<Similar> {
        let wanted = kinds(patterns);
        let mut folders: BTreeMap<&str, Vec<(&Read, Pattern<'_>)>> = BTreeMap::new();
        let depth = own.map(|own| self.depth(own));
        for (read, document) in self.documents() {
            let path = read.file.path.as_str();
            if document.kind().is_empty() || own.is_some_and(|own| is_in(path, own)) {
                continue;
            }
            for above in std::iter::successors(Some(folder(path)), |path| Some(folder(path)))
                .take_while(|above| !above.is_empty())
            {
                // what is as deep in another cluster's folder is the same sort of thing; elsewhere any depth may be
                let fits = match depth {
                    Some(depth) if !read.file.foreign => self.depth(above) == depth,
                    _ => true,
                };
                if fits && own.is_none_or(|own| !is_in(own, above)) {
                    let pattern = Pattern::of(&document.value, below(path, above));
                    folders.entry(above).or_default().push((read, pattern));
                }
            }
        }
        let own_files: BTreeSet<&str> = match own {
            Some(own) => self
                .files
                .iter()
                .filter(|read| is_in(&read.file.path, own))
                .map(|read| below(&read.file.path, own))
                .collect(),
            None => BTreeSet::new(),
        };
        let folders = folders.into_iter().filter(|(_, all)| all.len() <= 3 * patterns.len() + 3);
        folders
            .filter_map(|(path, all)| {
                let read = all[0].0;
                let others: Vec<Pattern<'_>> = all.into_iter().map(|(_, pattern)| pattern).collect();
                alike(patterns, &wanted, &others, &own_files).map(|(score, why)| Similar {
                    file: path.to_owned(),
                    line: 0,
                    cluster: read.file.cluster.clone(),
                    object: None,
                    score,
                    why,
                    foreign: read.file.foreign,
                })
            })
            .collect()
    }

    /// How deep a path is below its cluster's folder.
    fn depth(&self, path: &str) -> usize {
        let cluster = self.clusters.iter().find(|(_, folder)| is_in(path, folder));
        cluster.map_or(path, |(_, folder)| below(path, folder)).split('/').filter(|part| !part.is_empty()).count()
    }
}

/// How much two folders' objects are alike; none where they have no kind in common.
fn alike(
    patterns: &[Pattern<'_>],
    wanted: &BTreeMap<String, usize>,
    others: &[Pattern<'_>],
    own_files: &BTreeSet<&str>,
) -> Option<(u32, Vec<String>)> {
    let there = kinds(others);
    let both: usize = wanted.iter().map(|(kind, n)| there.get(kind).map_or(0, |m| *n.min(m))).sum();
    if both == 0 {
        return None;
    }
    let all = patterns.len() + others.len() - both;
    let names: Vec<&str> = wanted.keys().filter(|kind| there.contains_key(*kind)).map(String::as_str).collect();
    let mut why = vec![format!("the same kinds: {}", names.join(", "))];
    let best = patterns.iter().map(|pattern| {
        let same = others.iter().filter(|other| same_kind(pattern.kind, other.kind));
        same.map(|other| pattern.shape.common(&other.shape).alike()).fold(0.0, f64::max)
    });
    let fields = best.sum::<f64>() * share(1, patterns.len());
    why.push(format!("{} % of their fields in common", points(fields * 100.0)));
    let mut score = 40.0 * share(both, all) + 35.0 * fields;
    let namespaces = |all: &[Pattern<'_>]| -> BTreeSet<String> {
        all.iter().filter_map(|pattern| pattern.namespace.map(ToOwned::to_owned)).collect()
    };
    if let Some(namespace) = namespaces(patterns).intersection(&namespaces(others)).next() {
        score += 10.0;
        why.push(format!("the same namespace {namespace}"));
    }
    let files: BTreeSet<&str> = others.iter().map(|other| other.at).collect();
    let common: Vec<&str> = own_files.intersection(&files).copied().collect();
    if !common.is_empty() {
        score += 15.0 * share(common.len(), own_files.union(&files).count());
        why.push(format!("the same files: {}", common.join(", ")));
    }
    Some((points(score), why))
}

fn kinds(patterns: &[Pattern<'_>]) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for pattern in patterns {
        *kinds.entry(pattern.kind.to_owned()).or_default() += 1;
    }
    kinds
}

/// The form of a path: how deep it is, and the names of the file and of the folders that are not an app's own.
fn layout(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').collect();
    let last = parts.len().saturating_sub(2);
    let shown = parts.iter().enumerate().map(|(n, part)| if n > 0 && n < last { "*" } else { part });
    shown.collect::<Vec<_>>().join("/")
}

/// Whether a path is this folder or file, or in it.
pub(super) fn is_in(path: &str, folder: &str) -> bool {
    folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A path as it is seen from a folder above it.
pub(super) fn below<'a>(path: &'a str, folder: &str) -> &'a str {
    path.strip_prefix(folder).unwrap_or(path).trim_start_matches('/')
}
