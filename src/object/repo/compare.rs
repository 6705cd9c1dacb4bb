use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::{
    Unread,
    document::{Document, Read, Repo},
    kustomize,
    similar::{below, is_in},
};
use crate::object::{Difference, diff};

/// One of the two folders that are compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Side {
    /// Its path in the repository.
    pub folder: String,
    /// What is said to be its own: names of params, hosts and the like, with the values here.
    pub own: BTreeMap<String, String>,
}

/// An object, or a file without objects, that only one side has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Declared {
    /// The object; none for a file without objects.
    pub object: Option<String>,
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

/// A field that the two sides set differently.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Field {
    /// Its path.
    pub path: String,
    /// Its value on the first side; none where it is not set.
    pub a: Option<Value>,
    /// Its value on the second side.
    pub b: Option<Value>,
}

/// An object, or a file without objects, that both have and that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Differing {
    /// The object; none for a file without objects.
    pub object: Option<String>,
    /// Its file on the first side.
    pub a: String,
    /// Its file on the second side.
    pub b: String,
    /// The fields; none for a file without objects.
    pub fields: Vec<Field>,
}

/// What one folder has and the other has not, and what differs.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Compared {
    /// Only the first has these.
    pub only_a: Vec<Declared>,
    /// Only the second has these.
    pub only_b: Vec<Declared>,
    /// Both have these, and they differ.
    pub differ: Vec<Differing>,
    /// Files of either that could not be read.
    pub unread: Vec<Unread>,
}

/// What an object or file is known by, on both sides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Known {
    Object(String),
    File(String),
}

struct One<'a> {
    read: &'a Read,
    document: Option<&'a Document>,
}

impl Repo {
    /// Compares two folders of the repository: objects by reference, wherever they stand below it; other files by path. A
    /// difference that comes of what is each side's own (its folder, and what [`Side::own`] says) does not count.
    pub fn compare(&self, a: &Side, b: &Side) -> Compared {
        let (of_a, of_b) = (self.side(&a.folder), self.side(&b.folder));
        let mut found = Compared::default();
        let keys: BTreeSet<&Known> = of_a.keys().chain(of_b.keys()).collect();
        for key in keys {
            let (mut left, mut right): (Vec<&One<'_>>, Vec<&One<'_>>) =
                (of_a.get(key).into_iter().flatten().collect(), of_b.get(key).into_iter().flatten().collect());
            // the same object may be declared several times, as an overlay's patch is: the same place goes before the order
            for pair in pairs(&mut left, &mut right, &a.folder, &b.folder) {
                found.differ.extend(differing(key, pair, a, b));
            }
            found.only_a.extend(left.into_iter().map(|one| declared(key, one)));
            found.only_b.extend(right.into_iter().map(|one| declared(key, one)));
        }
        for only in [&mut found.only_a, &mut found.only_b] {
            only.sort_by(|x, y| (&x.file, x.line).cmp(&(&y.file, y.line)));
        }
        let either = |unread: &Unread| is_in(&unread.file, &a.folder) || is_in(&unread.file, &b.folder);
        found.unread = self.unread().into_iter().filter(either).collect();
        found
    }

    fn side(&self, folder: &str) -> BTreeMap<Known, Vec<One<'_>>> {
        let mut found: BTreeMap<Known, Vec<One<'_>>> = BTreeMap::new();
        for read in self.files.iter().filter(|read| !read.file.foreign && is_in(&read.file.path, folder)) {
            let mut named = false;
            if !kustomize::is_kustomization(&read.file.path) {
                for document in &read.documents {
                    if let Some(object) = &document.object {
                        named = true;
                        let key = Known::Object(object.to_string());
                        found.entry(key).or_default().push(One { read, document: Some(document) });
                    }
                }
            }
            // a file of values is compared field by field, any other as text
            if !named {
                let document = if let [one] = &read.documents[..] { Some(one) } else { None };
                let key = Known::File(below(&read.file.path, folder).to_owned());
                found.entry(key).or_default().push(One { read, document });
            }
        }
        found
    }
}

/// Takes those out of both lists that belong together.
fn pairs<'a>(
    left: &mut Vec<&'a One<'a>>,
    right: &mut Vec<&'a One<'a>>,
    a: &str,
    b: &str,
) -> Vec<(&'a One<'a>, &'a One<'a>)> {
    let mut pairs = vec![];
    left.retain(|one| {
        let at = below(&one.read.file.path, a);
        let same = right.iter().position(|other| below(&other.read.file.path, b) == at);
        pairs.extend(same.map(|n| (*one, right.remove(n))));
        same.is_none()
    });
    let rest = left.len().min(right.len());
    pairs.extend(left.drain(..rest).zip(right.drain(..rest)));
    pairs
}

fn declared(key: &Known, one: &One<'_>) -> Declared {
    Declared {
        object: match key {
            Known::Object(object) => Some(object.clone()),
            Known::File(_) => None,
        },
        file: one.read.file.path.clone(),
        line: one.document.map_or(1, |document| document.lines.line()),
    }
}

fn differing(key: &Known, (left, right): (&One<'_>, &One<'_>), a: &Side, b: &Side) -> Option<Differing> {
    let fields: Vec<Field> = match (left.document, right.document) {
        (Some(left), Some(right)) => diff(&left.value, &right.value)
            .into_iter()
            .filter(|difference| !is_own(difference, a, b))
            .map(|Difference { path, before, after }| Field { path, a: before, b: after })
            .collect(),
        _ if left.read.file.text == right.read.file.text => return None,
        _ => vec![],
    };
    if fields.is_empty() && left.document.is_some() && right.document.is_some() {
        return None;
    }
    let Declared { object, file, .. } = declared(key, left);
    Some(Differing { object, a: file, b: right.read.file.path.clone(), fields })
}

/// Whether both sides say the same, but for what is each one's own.
fn is_own(difference: &Difference, a: &Side, b: &Side) -> bool {
    let (Some(before), Some(after)) = (&difference.before, &difference.after) else { return false };
    if let (Value::String(before), Value::String(after)) = (before, after) {
        let mut said = before.replace(&a.folder, &b.folder);
        for (name, own) in &a.own {
            if let Some(other) = b.own.get(name).filter(|_| !own.is_empty()) {
                said = said.replace(own.as_str(), other);
            }
        }
        return said == *after;
    }
    // a number or a flag is the value itself
    let (before, after) = (before.to_string(), after.to_string());
    a.own.iter().any(|(name, own)| *own == before && b.own.get(name).is_some_and(|other| *other == after))
}
