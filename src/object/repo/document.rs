use std::{num::NonZero, path::Path, thread};

use serde::Serialize;
use serde_json::Value;

use super::{
    kustomize::{self, Inclusions},
    similar::is_in,
};
use crate::{
    model::ObjectRef,
    object::{edges, head, lines::Lines, lines::lined, yaml::YamlError},
};

/// Stands for a value that is encrypted.
const HIDDEN: &str = "(hidden)";

/// A file of a repository, as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct File {
    /// Its path in the repository; one of another repository begins with that one's name.
    pub path: String,
    /// Its text.
    pub text: String,
    /// The cluster whose folder it stands in; found out when it is read.
    pub cluster: Option<String>,
    /// Whether it is of another repository.
    pub foreign: bool,
}

/// A file that ends in `.yaml`, `.yml` or `.json` and could not be read as such.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// Its path.
    pub file: String,
    /// The line that could not be read.
    pub line: u64,
    /// Why.
    pub message: String,
}

/// One document and where it stands.
pub(super) struct Document {
    /// What it holds, with the namespace that kustomize or Flux gives it, and without what sops encrypted.
    pub value: Value,
    pub lines: Lines,
    /// What it is called, where it is an object with a kind and a name.
    pub object: Option<ObjectRef>,
    /// Whether its namespace is not written in it.
    pub namespace_given: bool,
}

impl Document {
    pub fn kind(&self) -> &str {
        head(&self.value).kind()
    }
}

/// A file, read.
pub(super) struct Read {
    pub file: File,
    pub documents: Vec<Document>,
    pub unread: Option<YamlError>,
}

impl Read {
    fn of(file: File) -> Self {
        let mut read = Self { file, documents: vec![], unread: None };
        if !is_data(&read.file.path) {
            return read;
        }
        match lined(&read.file.text, &read.file.path) {
            Ok(found) => {
                read.documents = found
                    .into_iter()
                    .filter(|document| document.value.is_object())
                    .map(|document| Document {
                        value: without_encrypted(document.value),
                        lines: document.lines,
                        object: None,
                        namespace_given: false,
                    })
                    .collect();
            }
            Err(error) => read.unread = Some(error),
        }
        read
    }

    /// The folder that it stands in.
    pub fn folder(&self) -> &str {
        kustomize::folder(&self.file.path)
    }
}

/// The files of a repository, read once.
pub struct Repo {
    pub(super) files: Vec<Read>,
    /// Which folder is which cluster's.
    pub(super) clusters: Vec<(String, String)>,
    pub(super) inclusions: Inclusions,
}

impl Repo {
    /// Reads every document. A file that cannot be read is known as such, and its text is still looked through. `clusters`
    /// are their names with their folders in the repository: a file is of the nearest one that it stands in.
    pub fn read(mut files: Vec<File>, mut clusters: Vec<(String, String)>) -> Self {
        clusters.sort_by_key(|(_, folder)| std::cmp::Reverse(folder.len()));
        for file in files.iter_mut().filter(|file| !file.foreign) {
            let own = clusters.iter().find(|(_, folder)| is_in(&file.path, folder));
            file.cluster = own.map(|(name, _)| name.clone());
        }
        files.sort_by(|a, b| (a.foreign, &a.path).cmp(&(b.foreign, &b.path)));
        let mut files = each_on_all_processors(files);
        let inclusions = Inclusions::of(&files);
        let namespaces: Vec<Option<String>> =
            files.iter().map(|read| inclusions.namespace_of(&read.file.path).map(ToOwned::to_owned)).collect();
        for (read, given) in files.iter_mut().zip(namespaces) {
            for document in &mut read.documents {
                name(document, given.as_deref());
            }
        }
        Self { files, clusters, inclusions }
    }

    /// Files that should hold YAML or JSON and do not.
    pub fn unread(&self) -> Vec<Unread> {
        let unread = self.files.iter().filter(|read| !read.file.foreign).filter_map(|read| read.unread.as_ref());
        unread
            .map(|error| Unread { file: error.file.clone(), line: error.line, message: error.message.clone() })
            .collect()
    }
}

fn each_on_all_processors(files: Vec<File>) -> Vec<Read> {
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let share = files.len().div_ceil(processors).max(64);
    let mut shares: Vec<Vec<File>> = vec![];
    let mut files = files.into_iter();
    loop {
        let next: Vec<File> = files.by_ref().take(share).collect();
        if next.is_empty() {
            break;
        }
        shares.push(next);
    }
    if shares.len() < 2 {
        return shares.into_iter().flatten().map(Read::of).collect();
    }
    thread::scope(|scope| {
        let all: Vec<_> = shares
            .into_iter()
            .map(|share| scope.spawn(|| share.into_iter().map(Read::of).collect::<Vec<_>>()))
            .collect();
        all.into_iter().flat_map(|one| one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

/// Whether a file is expected to hold data.
fn is_data(path: &str) -> bool {
    let extension = Path::new(path).extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("yaml" | "yml" | "json")) || kustomize::is_kustomization(path)
}

/// Finds out what a document is called; one without a namespace is in the one that it is given.
fn name(document: &mut Document, given: Option<&str>) {
    let (kind, name) = (head(&document.value).kind().to_owned(), head(&document.value).name().to_owned());
    if kind.is_empty() || name.is_empty() {
        return;
    }
    if let Some(given) = given
        && head(&document.value).namespace().is_none()
        && !edges::is_cluster_scoped(&kind)
        && let Some(metadata) = document.value["metadata"].as_object_mut()
    {
        metadata.insert("namespace".into(), given.into());
        document.namespace_given = true;
    }
    document.object = Some(head(&document.value).reference());
}

/// The document without what sops encrypted and wrote about it.
fn without_encrypted(mut value: Value) -> Value {
    fn hide(value: &mut Value) {
        match value {
            Value::String(text) if text.starts_with("ENC[") => *value = HIDDEN.into(),
            Value::Object(fields) => fields.values_mut().for_each(hide),
            Value::Array(items) => items.iter_mut().for_each(hide),
            _ => {}
        }
    }
    if let Some(fields) = value.as_object_mut()
        && fields.get("sops").is_some_and(|sops| sops.get("mac").is_some() || sops.get("lastmodified").is_some())
    {
        fields.remove("sops");
    }
    hide(&mut value);
    value
}
