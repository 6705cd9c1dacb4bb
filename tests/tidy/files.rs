//! The repository's files: sources as tokens with their paths, and every text.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::reader;

/// A file below `src/`.
pub struct Source {
    /// Its path from the repository's root.
    pub name: String,
    /// Its first name below `src/`; empty for `lib.rs` and `main.rs`.
    pub module: String,
    /// Whether it is compiled for tests alone; then it has no paths.
    pub test: bool,
    pub text: String,
    pub paths: Vec<reader::Path>,
}

impl Source {
    /// Whether it is one of these places below `src/`, or inside one.
    pub fn is_in(&self, places: &[&str]) -> bool {
        let below = self.name.trim_start_matches("src/").trim_end_matches(".rs");
        places.iter().any(|p| below == *p || below.strip_prefix(p).is_some_and(|rest| rest.starts_with('/')))
    }
}

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

/// All files below `src/`.
pub fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    walk(&root().join("src"), &mut files);
    files.retain(|f| f.extension().is_some_and(|e| e == "rs"));
    files.sort();
    let mut sources: Vec<_> = files.iter().map(|f| source(f)).collect();
    assert!(sources.len() > 10, "the sources were not found");
    let beside = |name: &str| name.rsplit_once('/').map_or(String::new(), |(dir, _)| dir.to_owned());
    let tests: Vec<String> =
        sources.iter().flat_map(|s| reader::test_modules(&s.text, &module_dir(&s.name), &beside(&s.name))).collect();
    for s in &mut sources {
        let stem = s.name.trim_end_matches(".rs").trim_end_matches("/mod");
        if tests.iter().any(|t| stem == t || stem.starts_with(&format!("{t}/"))) {
            s.test = true;
            s.paths.clear();
        }
    }
    sources
}

fn source(file: &Path) -> Source {
    let name = file.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
    let text = fs::read_to_string(file).unwrap();
    let module: Vec<String> = module_dir(&name).split('/').skip(1).map(str::to_owned).collect();
    let paths = reader::paths(&text, &module).unwrap_or_else(|e| panic!("{name}: {e}"));
    Source { module: module.first().cloned().unwrap_or_default(), test: false, name, text, paths }
}

/// Where a file's child modules are: `src/a` for `src/a.rs` and `src/a/mod.rs`.
fn module_dir(name: &str) -> String {
    let stem = name.trim_end_matches(".rs");
    ["/mod", "/lib", "/main"].iter().find_map(|s| stem.strip_suffix(s)).unwrap_or(stem).to_owned()
}

fn walk(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, files) } else { files.push(path) }
    }
}

/// Every text file that is, or is about to be, in the repository. Without git, those of the folders known to be in it.
pub fn texts() -> Vec<(String, String)> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output();
    let names: Vec<String> = match listed {
        Ok(out) if out.status.success() => {
            String::from_utf8_lossy(&out.stdout).split_terminator('\0').map(str::to_owned).collect()
        }
        _ => {
            let mut files = Vec::new();
            for dir in ["src", "tests", "playbooks", "stdlib", "examples", "docs"].map(|d| root().join(d)) {
                if dir.is_dir() {
                    walk(&dir, &mut files);
                }
            }
            files.iter().map(|f| f.strip_prefix(root()).unwrap().to_str().unwrap().to_owned()).collect()
        }
    };
    // What is not UTF-8 is not text.
    let read = |name: String| fs::read_to_string(root().join(&name)).ok().map(|text| (name, text));
    names.into_iter().filter_map(read).collect()
}
