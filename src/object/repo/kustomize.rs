//! What takes which file into a cluster: the lists of `kustomization.yaml` files, and the paths of Flux Kustomizations.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::document::Read;
use crate::object::{head, path::text};

/// A file that takes another file or folder in, and the field that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Taking {
    /// The file, by its number.
    pub file: usize,
    /// Its document, by its number.
    pub document: usize,
    /// The field.
    pub by: String,
    /// What is taken in: a file's path or a folder's.
    pub what: String,
}

/// Which files take which in.
#[derive(Default)]
pub(super) struct Inclusions {
    /// By what they take in.
    listed: HashMap<String, Vec<Taking>>,
    /// Flux Kustomizations by the folder that they apply, with the namespace that they give.
    flux: HashMap<String, Vec<(Taking, Option<String>)>>,
    /// Folders that have a `kustomization.yaml`, with the namespace that it gives.
    folders: HashMap<String, Option<String>>,
    paths: Vec<String>,
}

impl Inclusions {
    pub fn of(files: &[Read]) -> Self {
        let mut found = Self { paths: files.iter().map(|read| read.file.path.clone()).collect(), ..Self::default() };
        for (file, read) in files.iter().enumerate().filter(|(_, read)| !read.file.foreign) {
            for (number, document) in read.documents.iter().enumerate() {
                let taking = |by: String, what: String| Taking { file, document: number, by, what };
                if is_kustomization(&read.file.path) {
                    let namespace = text(&document.value, "namespace").map(ToOwned::to_owned);
                    found.folders.insert(read.folder().to_owned(), namespace);
                    // a URL is no file
                    for (by, what) in taken(&document.value).into_iter().filter(|(_, what)| !what.contains(':')) {
                        let Some(what) = resolved(read.folder(), &what) else { continue };
                        found.listed.entry(what.clone()).or_default().push(taking(by, what));
                    }
                } else if is_flux(&document.value)
                    && let Some(what) = text(&document.value, "spec.path").and_then(|path| resolved("", path))
                {
                    let namespace = text(&document.value, "spec.targetNamespace").map(ToOwned::to_owned);
                    let taking = taking("spec.path".into(), what.clone());
                    found.flux.entry(what).or_default().push((taking, namespace));
                }
            }
        }
        found
    }

    /// Everything on the way from a file to the Flux Kustomizations that apply it, the nearest first.
    pub fn of_file(&self, path: &str) -> Vec<&Taking> {
        self.way(path).0
    }

    /// The namespace that is given to what the file holds: the outermost one that its way names.
    pub fn namespace_of(&self, path: &str) -> Option<&str> {
        self.way(path).1
    }

    fn way(&self, path: &str) -> (Vec<&Taking>, Option<&str>) {
        let (mut found, mut namespace, mut seen) = (vec![], None, BTreeSet::new());
        let mut next = vec![path.to_owned()];
        while let Some(what) = next.pop() {
            if !seen.insert(what.clone()) {
                continue; // kustomize refuses circles itself
            }
            let listed = self.listed.get(&what).map(Vec::as_slice).unwrap_or_default();
            for taking in listed {
                found.push(taking);
                let above = folder(&self.paths[taking.file]);
                namespace = self.folders.get(above).and_then(Option::as_deref).or(namespace);
                next.push(above.to_owned());
            }
            for (taking, given) in self.flux.get(&what).into_iter().flatten() {
                found.push(taking);
                namespace = given.as_deref().or(namespace);
            }
            // without a kustomization.yaml, Flux takes in what is below a folder
            if listed.is_empty() && what == path {
                let mut above = folder(path);
                while !self.folders.contains_key(above) {
                    if let Some(all) = self.flux.get(above) {
                        for (taking, given) in all {
                            found.push(taking);
                            namespace = given.as_deref().or(namespace);
                        }
                        break;
                    }
                    if above.is_empty() {
                        break;
                    }
                    above = folder(above);
                }
            }
        }
        (found, namespace)
    }
}

/// Objects that a kustomization names other than by a file: the field, the kind where it is said, and the name.
pub(super) fn named(value: &Value, path: &str) -> Vec<(String, Option<String>, String)> {
    let mut found = vec![];
    let mut target = |by: String, target: &Value| {
        if let Some(name) = target["name"].as_str().filter(|name| !name.is_empty()) {
            found.push((by, target["kind"].as_str().map(ToOwned::to_owned), name.to_owned()));
        }
    };
    let list = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    if is_flux(value) {
        for (n, patch) in list(&value["spec"], "patches").iter().enumerate() {
            target(format!("spec.patches[{n}].target"), &patch["target"]);
        }
    }
    if is_kustomization(path) {
        for key in ["patches", "patchesJson6902"] {
            for (n, patch) in list(value, key).iter().enumerate() {
                target(format!("{key}[{n}].target"), &patch["target"]);
            }
        }
        for (n, replacement) in list(value, "replacements").iter().enumerate() {
            target(format!("replacements[{n}].source"), &replacement["source"]);
            for (m, one) in list(replacement, "targets").iter().enumerate() {
                target(format!("replacements[{n}].targets[{m}].select"), &one["select"]);
            }
        }
        for (key, kind) in [("configMapGenerator", "ConfigMap"), ("secretGenerator", "Secret")] {
            for (n, generator) in list(value, key).iter().enumerate() {
                let named = serde_json::json!({ "kind": kind, "name": generator["name"] });
                target(format!("{key}[{n}]"), &named);
            }
        }
    }
    found
}

fn is_flux(value: &Value) -> bool {
    head(value).kind() == "Kustomization" && head(value).group() == "kustomize.toolkit.fluxcd.io"
}

/// Whether it is the file that kustomize reads.
pub fn is_kustomization(path: &str) -> bool {
    matches!(path.rsplit('/').next(), Some("kustomization.yaml" | "kustomization.yml" | "Kustomization"))
}

/// The folder of a file, or the one above a folder; empty for the repository itself.
pub(super) fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Every entry of a `kustomization.yaml` that names a file, a folder or a place to fetch one from: the field, and what it
/// names.
pub fn taken(value: &Value) -> Vec<(String, String)> {
    let mut found = vec![];
    let mut add = |by: String, entry: Option<&str>| {
        // a patch may stand there itself
        if let Some(entry) = entry.filter(|entry| !entry.contains(['\n', '{'])) {
            found.push((by, entry.to_owned()));
        }
    };
    let list = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    for key in [
        "resources",
        "components",
        "bases",
        "crds",
        "generators",
        "transformers",
        "validators",
        "configurations",
        "patchesStrategicMerge",
    ] {
        for (n, entry) in list(value, key).iter().enumerate() {
            add(format!("{key}[{n}]"), entry.as_str());
        }
    }
    for key in ["patches", "patchesJson6902", "replacements"] {
        for (n, entry) in list(value, key).iter().enumerate() {
            add(format!("{key}[{n}].path"), entry["path"].as_str());
        }
    }
    for key in ["configMapGenerator", "secretGenerator"] {
        for (n, generator) in list(value, key).iter().enumerate() {
            for field in ["files", "envs"] {
                for (m, entry) in list(generator, field).iter().enumerate() {
                    // `key=path`, or the path alone
                    let entry = entry.as_str().map(|entry| entry.split_once('=').map_or(entry, |(_, path)| path));
                    add(format!("{key}[{n}].{field}[{m}]"), entry);
                }
            }
        }
    }
    add("openapi.path".into(), value["openapi"]["path"].as_str());
    for (n, chart) in list(value, "helmCharts").iter().enumerate() {
        add(format!("helmCharts[{n}].valuesFile"), chart["valuesFile"].as_str());
    }
    found
}

/// A path from a folder as a path of the repository; none where it leads out of it.
pub fn resolved(from: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
