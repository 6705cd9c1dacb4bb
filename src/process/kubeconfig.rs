//! The private kubeconfig: exactly one context, readable by its owner only, gone with the run.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::private;
use crate::model::Digest;

/// A kubeconfig file with one context in a folder of its own; dropped, both are gone.
#[derive(Debug)]
pub struct PrivateKubeconfig {
    folder: tempfile::TempDir,
    context: String,
    digest: Digest,
}

impl PrivateKubeconfig {
    /// Writes `config`, which has exactly one context and names it as its current one, to a file with mode 0600 below
    /// `$XDG_RUNTIME_DIR`, or the folder for temporary files where there is none. First sweeps what runs that were
    /// killed have left there.
    pub fn write(config: &Value) -> io::Result<Self> {
        Self::write_in(&private::base(), config)
    }

    fn write_in(base: &Path, config: &Value) -> io::Result<Self> {
        let names: Vec<_> = config["contexts"].as_array().into_iter().flatten().map(|c| c["name"].as_str()).collect();
        let current = config["current-context"].as_str();
        let Some(context) = current.filter(|current| names == [Some(*current)]) else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "a private kubeconfig has exactly one context, its current one; this has {}: {names:?}",
                    names.len()
                ),
            ));
        };
        let folder = private::folder(base, private::KUBECONFIG)?;
        let text = serde_json::to_vec_pretty(config)?; // JSON is YAML
        private::write(&folder.path().join("config"), &text)?;
        // The tool's caches (discovery, tokens) belong into its home, never beside this file.
        Ok(Self { folder, context: context.to_owned(), digest: Digest::of(&text) })
    }

    /// Where the file is.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("config")
    }

    /// The one context in it, by the name that it has there.
    pub fn context(&self) -> &str {
        &self.context
    }

    /// Whether the file still says what was written; a tool that rewrote it must not be followed.
    pub fn is_unchanged(&self) -> bool {
        fs::read(self.path()).is_ok_and(|text| Digest::of(text) == self.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::os::unix::fs::PermissionsExt as _;

    fn config() -> Value {
        json!({ "apiVersion": "v1", "kind": "Config", "current-context": "staging",
                "contexts": [{ "name": "staging", "context": { "cluster": "staging", "user": "me" } }] })
    }

    #[test]
    fn it_is_for_its_owner_only_and_gone_when_dropped() {
        let base = tempfile::tempdir().expect("a folder");
        let kubeconfig = PrivateKubeconfig::write_in(base.path(), &config()).expect("written");
        let path = kubeconfig.path();
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().expect("a folder"))), (0o600, 0o700));
        assert!(kubeconfig.is_unchanged());
        fs::write(&path, "current-context: main").expect("rewritten");
        assert!(!kubeconfig.is_unchanged());
        drop(kubeconfig);
        assert_eq!(fs::read_dir(base.path()).expect("a folder").count(), 0);
    }

    #[test]
    fn a_second_context_is_refused() {
        let mut two = config();
        two["contexts"].as_array_mut().expect("a list").push(json!({ "name": "main" }));
        let base = tempfile::tempdir().expect("a folder");
        let error = PrivateKubeconfig::write_in(base.path(), &two).expect_err("two contexts");
        assert!(error.to_string().contains("exactly one context"), "{error}");
    }
}
