use similar::TextDiff;

use super::{Bundle, File};

/// How a file of one bundle differs from another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// Its content differs.
    Changed,
}

/// A file that differs between two bundles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its bundle path.
    pub path: String,
    /// How it differs.
    pub kind: ChangeKind,
    /// A unified diff; none where either side is not text, or holds secrets.
    pub diff: Option<String>,
}

impl Bundle {
    /// What differs in this bundle from an earlier one, by path. `runbook.toml` is not compared.
    pub fn changed_since(&self, earlier: &Self) -> Vec<Change> {
        let mut paths: Vec<&String> = self.files.keys().chain(earlier.files.keys()).collect();
        paths.sort();
        paths.dedup();
        paths
            .into_iter()
            .filter_map(|path| {
                let (old, new) = (earlier.files.get(path), self.files.get(path));
                let kind = match (old, new) {
                    (None, _) => ChangeKind::Added,
                    (_, None) => ChangeKind::Removed,
                    (Some(old), Some(new)) if same(earlier, old, new) => return None,
                    _ => ChangeKind::Changed,
                };
                Some(Change { path: path.clone(), kind, diff: diff(path, old, new) })
            })
            .collect()
    }
}

fn same(earlier: &Bundle, old: &File, new: &File) -> bool {
    match (&old.digest, &old.keyed, new.bytes()) {
        (Some(digest), ..) => Some(digest) == new.digest.as_ref(),
        // what was not copied is known by its keyed digest alone
        (None, Some(keyed), Some(bytes)) => earlier.keyed(bytes).is_some_and(|found| found == *keyed),
        _ => false,
    }
}

fn diff(path: &str, old: Option<&File>, new: Option<&File>) -> Option<String> {
    let text = |file: Option<&File>| match file {
        None => Some(String::new()),
        Some(file) if file.sensitive.is_some() => None,
        Some(file) => String::from_utf8(file.bytes()?.to_vec()).ok(),
    };
    let (old, new) = (text(old)?, text(new)?);
    Some(TextDiff::from_lines(&old, &new).unified_diff().header(path, path).to_string())
}
