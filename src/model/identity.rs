use serde::{Deserialize, Serialize};

use super::Digest;

/// Which cluster it is: the UID of its `kube-system` namespace. Server and CA are only the way there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The UID of namespace `kube-system`.
    pub uid: String,
    /// The server's URL; `sandbox` for an embedded one.
    pub server: String,
    /// Digest of the CA bundle in use, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<Digest>,
    /// The server's version, e.g. `v1.35.4`.
    pub version: String,
    /// The names of its nodes, sorted, where they may be listed.
    #[serde(default)]
    pub nodes: Vec<String>,
}

/// The context that a run works on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The context's name, as given to `--context`.
    pub name: String,
    /// Its tier; the name where none is declared.
    pub tier: String,
    /// Whether it is the embedded sandbox.
    pub sandbox: bool,
}
