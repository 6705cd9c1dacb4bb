use rhai::{Array, Module, NativeCallContext};

use super::{
    add,
    scene::{Out, Scene, Text},
};
use crate::script::suggest;

pub(super) fn register(module: &mut Module) {
    add(module, "files", files);
}

/// The bundle's paths that match the pattern, sorted.
fn files(context: NativeCallContext, pattern: Text) -> Out<Array> {
    let scene = Scene::enter(context, "files")?;
    let paths = scene.declaring.library.sources().paths();
    let found: Vec<&String> = paths.iter().filter(|path| matches(&pattern, path)).collect();
    if found.is_empty() {
        let mut finding = scene.finding(format!("no file matches \"{pattern}\""));
        finding.rule("missing-file");
        if let Some(near) = suggest::nearest(&pattern, paths.iter().map(String::as_str)) {
            finding.help(format!("did you mean \"{near}\"?"));
        }
    }
    Ok(found.into_iter().map(|path| path.as_str().into()).collect())
}

/// Whether a path matches: `*` within a folder, `**` through folders, `?` one character.
fn matches(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
    folders(&pattern, &path)
}

fn folders(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern, path) {
        (["**"], []) => false,
        ([], []) | (["**"], [_, ..]) => true,
        (["**", rest @ ..], path) => (0..=path.len()).any(|skip| folders(rest, &path[skip..])),
        ([first, rest @ ..], [name, below @ ..]) => {
            let (first, name): (Vec<char>, Vec<char>) = (first.chars().collect(), name.chars().collect());
            characters(&first, &name) && folders(rest, below)
        }
        _ => false,
    }
}

fn characters(pattern: &[char], name: &[char]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        (['*', rest @ ..], name) => (0..=name.len()).any(|skip| characters(rest, &name[skip..])),
        (['?', rest @ ..], [_, below @ ..]) => characters(rest, below),
        ([wanted, rest @ ..], [found, below @ ..]) => wanted == found && characters(rest, below),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_match_within_and_through_folders() {
        assert!(matches("manifests/**", "manifests/a/b.yaml"));
        assert!(matches("**/*.yaml", "b.yaml") && matches("**/*.yaml", "x/y/b.yaml"));
        assert!(matches("a/?.yaml", "a/b.yaml"));
        assert!(!matches("a/*.yaml", "a/b/c.yaml") && !matches("manifests/**", "manifests") && !matches("a", "b"));
    }
}
