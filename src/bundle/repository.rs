use std::path::PathBuf;

use super::{
    Config,
    tables::{Node, Reader},
};

/// `[repo]`: the GitOps repository that plans are explored in, and what its folders are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repository {
    /// Its folder; the Git repository that the playbook stands in where unsaid.
    pub path: Option<PathBuf>,
    /// Which folder is which cluster's, by context: those of `[contexts.x.git]`, and those said here. Relative ones stand in
    /// the repository.
    pub clusters: Vec<(String, PathBuf)>,
    /// Other people's repositories, for patterns to follow.
    pub references: Vec<PathBuf>,
}

impl Config {
    /// Reads `[repo]`, where there is one; the contexts are read already and may say which folders are theirs.
    pub(super) fn read_repo<'t>(&mut self, reader: &mut Reader<'t>, node: Option<&Node<'t>>) {
        for (name, context) in &self.contexts {
            if let Some(git) = context.git.as_ref().filter(|git| !git.path.is_empty()) {
                self.repo.clusters.push((name.clone(), git.repo.join(&git.path)));
            }
        }
        let mut said = vec![];
        for (key, node) in
            node.map(|node| reader.table(node, Some(&["path", "clusters", "references"]))).unwrap_or_default()
        {
            match key.as_str() {
                "path" => self.repo.path = reader.text(&node).map(|path| self.on_disk(&path)),
                "references" => {
                    self.repo.references = reader.texts(&node).iter().map(|path| self.on_disk(path)).collect();
                }
                _ => said = reader.table(&node, None),
            }
        }
        for (name, node) in said {
            let Some(written) = reader.text(&node) else { continue };
            let path = match &self.repo.path {
                Some(root) => root.join(&written),
                None => written.clone().into(),
            };
            match self.repo.clusters.iter().find(|(known, _)| *known == name) {
                Some((_, known)) if known.ends_with(&written) => {}
                Some((_, known)) => {
                    let why = format!("is another folder than that of contexts.{name}.git");
                    let help = format!("leave it out: {} is known from there", known.display());
                    reader.wrong_key(&node, &why, Some(help));
                }
                None => self.repo.clusters.push((name, path)),
            }
        }
        self.repo.clusters.sort();
    }
}
