//! The files and folders that a command's arguments name: as the bundle holds them, in a folder of the command's own. None
//! that the bundle does not hold, and nothing that would be fetched.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::{Call, Door, EffectError, Sort};
use crate::{
    bundle::{Bundle, BundleError},
    object::{
        repo::{is_kustomization, resolved, taken},
        yaml,
    },
    process::{
        PrivateFiles,
        rules::{Class, is_remote},
    },
};

/// Where a command runs.
pub(super) enum Workplace {
    /// In the playbook's folder; nowhere in particular, where that is on no disk.
    Playbook(Option<PathBuf>),
    /// Among the bundle's files alone.
    Own(PrivateFiles),
}

impl Workplace {
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Playbook(folder) => folder.as_deref(),
            Self::Own(files) => Some(files.path()),
        }
    }
}

/// What a command's arguments name.
#[derive(Default)]
struct Named {
    /// Bundle paths.
    files: BTreeSet<String>,
    /// Folders among them, of which the tool reads all.
    folders: BTreeSet<String>,
}

impl Call {
    /// Refuses a command that would read a file which the bundle does not hold: no digest covers it, and a resume on another
    /// machine does not have it.
    pub(super) fn holds_files(&self, native: &str, class: &Class) -> Result<(), EffectError> {
        named(self.door(native)?, class).map(drop)
    }

    /// Where the command runs: among the files that it names, as the bundle holds them. One that writes files, or is given
    /// what holds secrets (which no copy is made of), runs in the playbook's folder, where all must be as in the bundle.
    pub(super) fn workplace(&self, native: &str, class: &Class) -> Result<Workplace, EffectError> {
        let door = self.door(native)?;
        let Named { files, folders } = named(door, class)?;
        let folder = door.parts.folder.as_ref().filter(|folder| folder.is_dir());
        if files.is_empty() && (folder.is_some() || door.parts.folder.is_none()) {
            return Ok(Workplace::Playbook(folder.cloned()));
        }
        let bundle = door.bundle();
        let holds_secret = |path: &String| {
            let known = |bytes: &[u8]| door.parts.scrubber.scrub_bytes(bytes) != bytes;
            bundle.files().get(path).is_some_and(|file| file.sensitive.is_some() || file.bytes().is_some_and(known))
        };
        if let Some(folder) = folder
            && (class.writes || files.iter().any(holds_secret))
        {
            same_on_disk(bundle, folder, class, &files, &folders)?;
            return Ok(Workplace::Playbook(Some(folder.clone())));
        }
        let contents = files.iter().map(|path| Ok((path.as_str(), bundle.bytes(path)?)));
        let contents = contents.collect::<Result<Vec<_>, BundleError>>().map_err(|error| refused(error.to_string()))?;
        PrivateFiles::write(contents).map(Workplace::Own).map_err(|error| {
            EffectError::new(Sort::Hard, format!("the files that {} works on cannot be laid out: {error}", class.tool))
        })
    }
}

/// The bundle's files that a command's arguments name.
fn named(door: &Door, class: &Class) -> Result<Named, EffectError> {
    let mut named = Named::default();
    for file in &class.files {
        if !file.contains("://") {
            named.add(door, class, file)?; // else the tool's own rules say whether it may fetch
        }
    }
    for chart in &class.charts {
        let path = plain(chart);
        let here = chart.starts_with(['.', '/'])
            || door.bundle().bytes(path).is_ok()
            || door.bundle().below(path).next().is_some()
            // helm takes a folder before a name in a repository
            || on_disk(door.bundle(), path).is_some_and(|place| place.exists());
        if here {
            named.add(door, class, chart)?;
        }
    }
    Ok(named)
}

impl Named {
    fn add(&mut self, door: &Door, class: &Class, file: &str) -> Result<(), EffectError> {
        let bundle = door.bundle();
        let path = plain(file);
        match bundle.bytes(path) {
            Ok(_) => drop(self.files.insert(path.to_owned())),
            Err(error) => {
                let all = matches!(path, "" | ".");
                let below: Vec<&str> = if all {
                    bundle.files().keys().map(String::as_str).collect()
                } else {
                    bundle.below(path).collect()
                };
                if below.is_empty() {
                    return Err(missing(
                        door,
                        &format!("`{} {}` reads {file}", class.tool, class.subcommand),
                        path,
                        &error,
                    ));
                }
                self.folders.insert(if all { String::new() } else { path.to_owned() });
                self.files.extend(below.into_iter().map(ToOwned::to_owned));
                self.kustomized(door, if all { "" } else { path })?;
            }
        }
        Ok(())
    }

    /// Adds what the `kustomization.yaml` of a folder takes in, from wherever in the bundle.
    fn kustomized(&mut self, door: &Door, folder: &str) -> Result<(), EffectError> {
        let bundle = door.bundle();
        let mut next = vec![folder.to_owned()];
        let mut seen = BTreeSet::new();
        while let Some(folder) = next.pop() {
            let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
            let own = |path: &&String| {
                path.strip_prefix(&prefix).is_some_and(|name| !name.contains('/')) && is_kustomization(path)
            };
            let Some(kustomization) = bundle.files().keys().find(own) else { continue };
            if !seen.insert(kustomization.clone()) {
                continue;
            }
            self.files.insert(kustomization.clone());
            let text = bundle.text(kustomization).unwrap_or_default();
            // one that cannot be read, the tool itself says better
            let documents = yaml::documents(text, kustomization).unwrap_or_default();
            for (by, what) in documents.iter().flat_map(|document| taken(&document.value)) {
                if is_remote(&what) {
                    let message = format!(
                        "{kustomization} takes in `{what}` ({by}), which would be fetched while the playbook runs, so nobody could have seen what it holds"
                    );
                    return Err(refused(message).help("put a copy beside the playbook and name it by its path there"));
                }
                let path = resolved(&folder, &what).filter(|_| !what.starts_with('/'));
                let Some(path) = path else {
                    let message =
                        format!("{kustomization} takes in `{what}` ({by}), which is not below the playbook's folder");
                    return Err(refused(message).help(OUTSIDE));
                };
                match bundle.bytes(&path) {
                    Ok(_) => drop(self.files.insert(path)),
                    Err(_) if path.is_empty() || bundle.below(&path).next().is_some() => next.push(path),
                    Err(error) => {
                        let what = format!("{kustomization} takes in `{what}` ({by})");
                        return Err(missing(door, &what, &path, &error));
                    }
                }
            }
        }
        Ok(())
    }
}

const OUTSIDE: &str =
    "put it into the playbook's folder: a run reads nothing else, so that its digest covers all of it";

/// A path as the bundle knows it.
fn plain(file: &str) -> &str {
    file.trim_start_matches('@').trim_start_matches("./").trim_end_matches('/')
}

/// Where a bundle path would be in the playbook's folder.
fn on_disk(bundle: &Bundle, path: &str) -> Option<PathBuf> {
    (!bundle.root().as_os_str().is_empty()).then(|| bundle.root().join(path))
}

fn missing(door: &Door, what: &str, path: &str, error: &BundleError) -> EffectError {
    if matches!(error, BundleError::Outside { .. }) {
        return refused(format!("{what}, which is not below the playbook's folder")).help(OUTSIDE);
    }
    let is_folder = on_disk(door.bundle(), path).is_some_and(|place| place.is_dir());
    let all = if is_folder { "/**" } else { "" };
    refused(format!("{what}, which is not in the bundle")).help(format!("add files(\"{path}{all}\")"))
}

/// Refuses where something on disk is not as it is in the bundle, or is there beside it.
fn same_on_disk(
    bundle: &Bundle,
    root: &Path,
    class: &Class,
    files: &BTreeSet<String>,
    folders: &BTreeSet<String>,
) -> Result<(), EffectError> {
    let differs = files.iter().find(|path| {
        let (now, then) = (std::fs::read(root.join(path)), bundle.bytes(path));
        !matches!((now, then), (Ok(now), Ok(then)) if now == then)
    });
    if let Some(path) = differs {
        let message = format!("{path} is not on disk as it is in the bundle, and {} would read it there", class.tool);
        return Err(refused(message).help("put it back as it was"));
    }
    let beside = folders.iter().filter(|folder| !folder.is_empty()).find_map(|folder| unknown(bundle, root, folder, 0));
    if let Some(path) = beside {
        let message = format!("{path} is on disk and not in the bundle, and {} would read it there", class.tool);
        return Err(refused(message).help("move it away, or run the playbook anew, which takes it into its bundle"));
    }
    Ok(())
}

/// A file of a folder on disk that the bundle does not hold.
fn unknown(bundle: &Bundle, root: &Path, folder: &str, depth: u32) -> Option<String> {
    let entries = std::fs::read_dir(root.join(folder)).ok()?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    for name in names.filter(|name| !name.starts_with('.')) {
        let path = format!("{folder}/{name}");
        if root.join(&path).is_dir() {
            if let Some(found) = (depth < 32).then(|| unknown(bundle, root, &path, depth + 1)).flatten() {
                return Some(found);
            }
        } else if !bundle.files().contains_key(&path) {
            return Some(path);
        }
    }
    None
}

fn refused(message: String) -> EffectError {
    EffectError::new(Sort::Refused, message)
}
