use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
};

use serde::Serialize;
use serde_json::Value;

use super::{
    document::{Document, Read, Repo},
    kustomize, mentions,
};
use crate::{
    model::{ObjectRef, RefError},
    object::edges::{LabelSelector, Reach, links, pod_labels},
};

/// What is looked for: a name, and its kind and namespace where they are said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    kind: Option<String>,
    group: Option<String>,
    namespace: Option<String>,
    name: String,
}

impl FromStr for Wanted {
    type Err = RefError;

    /// Reads `name`, `Kind/name` (in any namespace) or `Kind/namespace/name`.
    fn from_str(text: &str) -> Result<Self, RefError> {
        if text.contains('/') {
            let ObjectRef { kind, group, namespace, name } = text.parse()?;
            return Ok(Self { kind: Some(kind), group, namespace, name });
        }
        // a name stands where a reference has one
        let ObjectRef { name, .. } = format!("Kind/{text}").parse().map_err(|_: RefError| RefError::of(text))?;
        Ok(Self { kind: None, group: None, namespace: None, name })
    }
}

impl Wanted {
    /// Whether a reference can mean it; what is not said fits everything.
    pub(super) fn fits(&self, object: &ObjectRef) -> bool {
        let said = |wanted: &Option<String>, found: &Option<String>| match (wanted, found) {
            (Some(wanted), Some(found)) => wanted == found,
            _ => true,
        };
        self.name == object.name
            && self.kind.as_ref().is_none_or(|kind| same_kind(kind, &object.kind))
            && said(&self.group, &object.group)
            && said(&self.namespace, &object.namespace)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// Whether a kind as it is written (any case, plural too) is this one.
pub(super) fn same_kind(written: &str, kind: &str) -> bool {
    let (written, kind) = (written.to_lowercase(), kind.to_lowercase());
    let plural = match kind.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ if kind.ends_with('s') || kind.ends_with("ch") => format!("{kind}es"),
        _ => format!("{kind}s"),
    };
    written == kind || written == plural
}

/// One place that refers to a resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Reference {
    /// `meaning`: a field that names it; `text`: its name, for whatever reason.
    pub kind: &'static str,
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The cluster whose folder the file stands in.
    pub cluster: Option<String>,
    /// The object that refers to it; the file, where it is none.
    pub from: String,
    /// The field that shows why; for text, how it is known.
    pub by: String,
    /// What is referred to, as far as it is said there.
    pub to: String,
}

/// Where something was found, as far as it can be told from the file.
struct Place<'a> {
    read: &'a Read,
    document: &'a Document,
}

impl Place<'_> {
    fn reference(&self, by: &str, to: String) -> Reference {
        Reference {
            kind: "meaning",
            file: self.read.file.path.clone(),
            line: self.document.lines.of_name(by),
            cluster: self.read.file.cluster.clone(),
            from: from(self.read, Some(self.document)),
            by: by.into(),
            to,
        }
    }
}

/// What a place is called: its object, else its file.
pub(super) fn from(read: &Read, document: Option<&Document>) -> String {
    let object = document.and_then(|document| document.object.as_ref());
    object.map_or_else(|| read.file.path.clone(), ToString::to_string)
}

impl Repo {
    /// Every reference to a resource in the repository, other people's repositories aside: by meaning first, then where its
    /// name stands in text, each in the order of files and lines. Where it is declared is no reference. That an object is in
    /// a namespace counts where the namespace was asked for by its kind.
    pub fn references(&self, wanted: &Wanted) -> Vec<Reference> {
        let mut found = vec![];
        let mut covered: BTreeMap<usize, BTreeSet<u32>> = BTreeMap::new();
        let mut declared = vec![];
        for (number, read) in self.own() {
            for document in &read.documents {
                let Some(object) = document.object.as_ref().filter(|object| object.name == wanted.name) else {
                    continue;
                };
                // what is called the same, whatever it is, refers to nothing by its own name
                covered.entry(number).or_default().insert(document.lines.at("metadata.name"));
                if wanted.fits(object) {
                    declared.push(Place { read, document });
                }
            }
        }
        for (number, read) in self.own() {
            for document in &read.documents {
                let place = Place { read, document };
                let before = found.len();
                by_meaning(&place, wanted, &declared, &mut found);
                covered.entry(number).or_default().extend(found[before..].iter().map(|reference| reference.line));
            }
        }
        for taken in &declared {
            for taking in self.inclusions.of_file(&taken.read.file.path) {
                let read = &self.files[taking.file];
                let place = Place { read, document: &read.documents[taking.document] };
                let reference = place.reference(&taking.by, taking.what.clone());
                covered.entry(taking.file).or_default().insert(reference.line);
                found.push(reference);
            }
        }
        for (number, read) in self.own() {
            mentions::find(read, wanted.name(), covered.get(&number), &mut found);
        }
        found.sort();
        found.dedup();
        found
    }

    fn own(&self) -> impl Iterator<Item = (usize, &Read)> {
        self.files.iter().enumerate().filter(|(_, read)| !read.file.foreign)
    }
}

/// What the fields of a document name.
fn by_meaning(place: &Place<'_>, wanted: &Wanted, declared: &[Place<'_>], found: &mut Vec<Reference>) {
    let document = place.document;
    for link in links(&document.value) {
        match &link.to {
            Reach::One(to) => {
                let namespace = link.by == "metadata.namespace";
                if !wanted.fits(to) || (namespace && (wanted.kind.is_none() || document.namespace_given)) {
                    continue;
                }
                found.push(place.reference(&link.by, to.to_string()));
            }
            Reach::Pods { namespace, labels } => {
                let selected = |one: &&Place<'_>| {
                    pod_labels(&one.document.value).is_some_and(|own| picks(labels, own))
                        && beside(place, one, namespace.as_deref())
                };
                let one = declared.iter().find(selected);
                found.extend(one.map(|one| place.reference(&link.by, from(one.read, Some(one.document)))));
            }
            Reach::Services { namespace, labels } => {
                let selected = |one: &&Place<'_>| {
                    one.document.kind() == "Service"
                        && picks(labels, &one.document.value["metadata"]["labels"])
                        && beside(place, one, namespace.as_deref())
                };
                let one = declared.iter().find(selected);
                found.extend(one.map(|one| place.reference(&link.by, from(one.read, Some(one.document)))));
            }
        }
    }
    for (by, kind, name) in kustomize::named(&document.value, &place.read.file.path) {
        let to = ObjectRef::new(kind.as_deref().unwrap_or("*"), None, name);
        if to.name == wanted.name && (kind.is_none() || wanted.fits(&to)) {
            found.push(place.reference(&by, if kind.is_some() { to.to_string() } else { to.name }));
        }
    }
}

/// An empty selector of a Service picks nothing, and of the others everything: neither says that this one is meant.
fn picks(labels: &LabelSelector, own: &Value) -> bool {
    !labels.is_empty() && labels.matches(own)
}

/// Whether one place can mean the other: of the same cluster, in the namespace that is looked at.
fn beside(place: &Place<'_>, other: &Place<'_>, namespace: Option<&str>) -> bool {
    let known = other.document.object.as_ref().and_then(|object| object.namespace.as_deref());
    place.read.file.cluster == other.read.file.cluster
        && match (namespace, known) {
            (Some(namespace), Some(known)) => namespace == known,
            _ => true,
        }
}
