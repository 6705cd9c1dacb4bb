//! Kubeconfig files with everything in them, so that a copy of one works wherever it lies.

use std::path::Path;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

/// One context, named like its cluster.
pub struct Entry<'a> {
    pub name: &'a str,
    pub url: &'a str,
    pub ca: &'a str,
    pub cert: &'a str,
    pub key: &'a str,
}

/// Writes the entries. With one entry it is the current context; with more there is none, so that nobody acts on a
/// cluster they did not name.
pub fn write(path: &Path, entries: &[Entry]) {
    let list = |f: &dyn Fn(&Entry) -> Value| entries.iter().map(f).collect::<Vec<_>>();
    let mut config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": list(&|e| json!({"name": e.name, "cluster": {
            "server": e.url, "certificate-authority-data": STANDARD.encode(e.ca)}})),
        "users": list(&|e| json!({"name": e.name, "user": {
            "client-certificate-data": STANDARD.encode(e.cert), "client-key-data": STANDARD.encode(e.key)}})),
        "contexts": list(&|e| json!({"name": e.name, "context": {"cluster": e.name, "user": e.name}})),
    });
    if let [only] = entries {
        config["current-context"] = json!(only.name);
    }
    std::fs::write(path, serde_json::to_string_pretty(&config).unwrap()).unwrap();
}
