//! The way from a bundle path to the bytes on the disk, and nothing out of the playbook's folder.

use std::{
    fs,
    io::{self, Read as _},
    path::{Component, Path, PathBuf},
};

use globset::GlobBuilder;

use super::{BundleError, FILE_LIMIT, nearest};

/// Folders are followed this deep: deeper, it is a loop of links.
const DEPTH: usize = 32;
/// A folder with more files than this is not a playbook's.
const FILES: usize = 100_000;

/// The playbook's folder and its name in it.
pub(super) fn entry(path: &Path) -> Result<(PathBuf, String), BundleError> {
    let shown = || path.display().to_string();
    let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    if fs::metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
        let mut playbooks: Vec<String> = names_in(path)
            .into_iter()
            .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "rhai"))
            .map(|name| path.join(name).display().to_string())
            .collect();
        playbooks.truncate(3);
        return Err(BundleError::Folder { path: shown(), playbooks });
    }
    let Some(name) = name else {
        return Err(BundleError::NotAFile { path: shown(), what: "no name" });
    };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    match folder.canonicalize() {
        Ok(root) => Ok((root, name)),
        Err(source) if source.kind() == io::ErrorKind::NotFound => {
            Err(BundleError::Missing { path: shown(), nearest: vec![] })
        }
        Err(source) => Err(BundleError::Unreadable { path: shown(), source }),
    }
}

/// `./a//b/../c` as `a/c`; never out of the folder, never from the disk's root.
pub(super) fn normal(path: &str) -> Result<String, BundleError> {
    let outside = |why: &str| BundleError::Outside { path: path.into(), why: why.into() };
    let mut parts: Vec<&str> = vec![];
    for part in Path::new(path).components() {
        match part {
            Component::CurDir => {}
            Component::Normal(part) => parts.push(part.to_str().unwrap_or_default()),
            Component::ParentDir => drop(parts.pop().ok_or_else(|| outside("leads out of the playbook's folder"))?),
            Component::RootDir | Component::Prefix(_) => return Err(outside("is an absolute path")),
        }
    }
    if parts.is_empty() {
        return Err(outside("names the whole folder"));
    }
    if path.contains('\0') {
        return Err(outside("holds a zero byte"));
    }
    Ok(parts.join("/"))
}

/// The file at a normal path, or the files of the folder there.
pub(super) fn files_at(root: &Path, path: &str) -> Result<Vec<String>, BundleError> {
    let full = inside(root, path)?;
    if !full.is_dir() {
        return Ok(vec![path.into()]);
    }
    let mut out = vec![];
    walk(root, path, 0, &mut out)?;
    if out.is_empty() { Err(BundleError::NotAFile { path: path.into(), what: "an empty folder" }) } else { Ok(out) }
}

/// The files that a pattern names, on the disk or in the bundle already.
pub(super) fn matching<'a>(
    root: &Path,
    pattern: &str,
    known: impl Iterator<Item = &'a String>,
) -> Result<Vec<String>, BundleError> {
    let normal = normal(pattern)?;
    let glob = GlobBuilder::new(&normal)
        .literal_separator(true)
        .build()
        .map_err(|error| BundleError::Pattern { pattern: pattern.into(), why: error.kind().to_string() })?;
    let matcher = glob.compile_matcher();
    let mut all: Vec<String> = known.cloned().collect();
    if !root.as_os_str().is_empty() {
        // only the folder before the first wildcard is looked through
        let fixed: Vec<&str> = normal.split('/').take_while(|part| !part.contains(['*', '?', '[', '{'])).collect();
        let start = fixed[..fixed.len().min(normal.split('/').count() - 1)].join("/");
        if root.join(&start).is_dir() {
            walk(root, &start, 0, &mut all)?;
        }
    }
    all.sort();
    all.dedup();
    let found: Vec<String> = all.iter().filter(|path| matcher.is_match(path)).cloned().collect();
    if found.is_empty() {
        let nearest = if root.join(&normal).is_dir() {
            vec![format!("{normal}/**")]
        } else {
            nearest(&normal, all.iter().map(String::as_str).chain(top(root).iter().map(String::as_str)))
        };
        return Err(BundleError::NoMatch { pattern: pattern.into(), nearest });
    }
    Ok(found)
}

/// The bytes of the file at a normal path.
pub(super) fn file(root: &Path, path: &str) -> Result<Vec<u8>, BundleError> {
    read(&inside(root, path)?, path)
}

/// The bytes of a file, which is called `path` in errors.
pub(super) fn read(full: &Path, path: &str) -> Result<Vec<u8>, BundleError> {
    let unreadable = |source| BundleError::Unreadable { path: path.into(), source };
    let metadata = fs::metadata(full).map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(BundleError::NotAFile { path: path.into(), what: "a folder" });
    }
    if !metadata.is_file() {
        // a pipe would block for ever
        return Err(BundleError::NotAFile { path: path.into(), what: "a pipe, socket or device" });
    }
    let too_large = |bytes| BundleError::TooLarge { path: path.into(), bytes };
    if metadata.len() > FILE_LIMIT {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = vec![];
    let opened = fs::File::open(full).map_err(unreadable)?;
    opened.take(FILE_LIMIT + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    let size = super::size(&bytes);
    if size > FILE_LIMIT { Err(too_large(size)) } else { Ok(bytes) }
}

/// The path on the disk, with all links followed, where it exists and stays below the folder.
fn inside(root: &Path, path: &str) -> Result<PathBuf, BundleError> {
    match root.join(path).canonicalize() {
        Ok(full) if full.starts_with(root) => Ok(full),
        Ok(full) => Err(BundleError::Outside { path: path.into(), why: format!("is a link to {}", full.display()) }),
        Err(source) if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Err(BundleError::Missing { path: path.into(), nearest: nearest_on_disk(root, path) })
        }
        Err(source) => Err(BundleError::Unreadable { path: path.into(), source }),
    }
}

fn walk(root: &Path, folder: &str, depth: usize, out: &mut Vec<String>) -> Result<(), BundleError> {
    let full = if folder.is_empty() { root.to_owned() } else { inside(root, folder)? };
    let entries = fs::read_dir(&full).map_err(|source| BundleError::Unreadable { path: folder.into(), source })?;
    let mut names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    // what is hidden is nobody's input, but for what says what a chart leaves out
    for name in names.into_iter().filter(|name| !name.starts_with('.') || name == ".helmignore") {
        let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
        if root.join(&path).is_dir() {
            if depth == DEPTH {
                return Err(BundleError::Outside { path, why: "is nested too deep".into() });
            }
            walk(root, &path, depth + 1, out)?;
        } else {
            out.push(path);
        }
        if out.len() > FILES {
            return Err(BundleError::Outside { path: folder.into(), why: format!("holds more than {FILES} files") });
        }
    }
    Ok(())
}

/// Names beside the first part of the path that is not there.
fn nearest_on_disk(root: &Path, path: &str) -> Vec<String> {
    let mut folder = String::new();
    for part in path.split('/') {
        let here = if folder.is_empty() { part.to_owned() } else { format!("{folder}/{part}") };
        if root.join(&here).exists() {
            folder = here;
            continue;
        }
        let names = names_in(&root.join(&folder));
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let near = nearest(part, names.iter().map(String::as_str));
        return near.into_iter().map(|name| format!("{prefix}{name}")).collect();
    }
    vec![]
}

fn top(root: &Path) -> Vec<String> {
    if root.as_os_str().is_empty() { vec![] } else { names_in(root) }
}

fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .map(|entries| entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
        .unwrap_or_default();
    names.sort();
    names
}
