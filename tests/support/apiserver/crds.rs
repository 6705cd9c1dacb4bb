//! Published CRDs on a cluster.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;

use super::{Client, eventually};

/// Applies the CRDs in `folders` unless that was done to this cluster before, and waits until each is served.
pub fn ensure(client: &Client, dir: &Path, folders: &[PathBuf], project: &str) {
    once(dir, &format!("crds-{project}"), || apply_all(client, folders, project));
}

/// Does something to a cluster unless it was done before. Test processes share clusters: the first one does it, the others
/// wait for it.
pub fn once(dir: &Path, what: &str, act: impl FnOnce()) {
    let done = dir.join(what);
    let lock = File::create(done.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    if !done.exists() {
        act();
        fs::write(done, "").unwrap();
    }
}

fn apply_all(client: &Client, folders: &[PathBuf], project: &str) {
    let names: Vec<String> = folders.iter().flat_map(|f| apply(client, f)).collect();
    assert!(!names.is_empty(), "no CRD of {project} in {folders:?}");
    for name in &names {
        let crd = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}");
        let served = eventually(Duration::from_mins(1), || served(client, &client.read(&crd)).then_some(()));
        assert!(served.is_some(), "{name} is not served after 60 s: {}", client.read(&crd)["status"]);
    }
}

/// Applies every CRD of a folder; generated files are called `<group>_<plural>.yaml`.
fn apply(client: &Client, folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
        let Some((group, plural)) = stem.split_once('_') else { continue };
        let text = fs::read(&file).unwrap();
        if !text.windows(32).any(|w| w == b"\nkind: CustomResourceDefinition\n") {
            continue;
        }
        let name = format!("{plural}.{group}");
        // Server-side, always: some are larger than the annotation that a client-side apply would write.
        client.apply_at(&format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"), text);
        names.push(name);
    }
    names
}

fn served(client: &Client, crd: &Value) -> bool {
    let conditions = crd["status"]["conditions"].as_array();
    let established = conditions.into_iter().flatten().any(|c| c["type"] == "Established" && c["status"] == "True");
    let group = crd["spec"]["group"].as_str().unwrap();
    let versions = crd["spec"]["versions"].as_array().unwrap().iter().filter(|v| v["served"] == true);
    established
        && versions.filter_map(|v| v["name"].as_str()).all(|v| {
            // Discovery names a kind a moment before its storage answers.
            let path = format!("/apis/{group}/{v}/{}?limit=1", crd["spec"]["names"]["plural"].as_str().unwrap());
            client.send(reqwest::Method::GET, &path, "application/json", Vec::new()).0 == 200
        })
}
