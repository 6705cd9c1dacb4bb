//! What is played: a playbook, with what it needs around it.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    apiserver::Cluster,
    world::{self, World},
};

/// A playbook and what is around it; a child reads it from its environment.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Play {
    pub playbook: PathBuf,
    pub params: BTreeMap<String, String>,
    pub kubeconfig: Option<PathBuf>,
    /// What commands see of the environment, beside `HOME`, which is the desk's folder.
    pub path: Option<OsString>,
    /// How far it is taken back; none for all of it.
    pub to: Option<String>,
}

impl Play {
    /// A playbook on its sandbox.
    pub fn of(playbook: &Path) -> Self {
        Self { playbook: playbook.into(), ..Self::default() }
    }

    /// One of this folder's playbooks.
    pub fn named(name: &str) -> Self {
        Self::of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crash/playbooks").join(name))
    }

    /// The playbook whose commands are counted.
    pub fn counter() -> Self {
        Self::of_commands("counter.rhai")
    }

    /// The playbook whose command goes on as a test says.
    pub fn lingering() -> Self {
        Self::of_commands("linger.rhai")
    }

    /// The playbook whose ways back are counted commands, and others.
    pub fn there_and_back() -> Self {
        Self::of_commands("back.rhai")
    }

    fn of_commands(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crash/playbooks/commands");
        let path = std::env::join_paths([&folder, Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
        Self { path: Some(path), ..Self::of(&folder.join(name)) }
    }

    /// The same, taken back no further than to this step.
    pub fn back_to(self, step: &str) -> Self {
        Self { to: Some(step.into()), ..self }
    }

    /// The playbook about objects, on a fresh namespace with what it finds there.
    pub fn objects(cluster: &Cluster) -> Self {
        let ns = cluster.namespace("crash");
        for name in ["there", "left-over"] {
            // as an earlier run made it
            let path = format!("/api/v1/namespaces/{ns}/configmaps/{name}?fieldManager=runbook");
            let object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "value": "old" } });
            let patch = "application/apply-patch+yaml";
            let (status, answer) = cluster.client().send(Method::PATCH, &path, patch, object.to_string().into_bytes());
            assert!(status < 300, "{answer}");
        }
        Self {
            params: [("namespace".to_owned(), ns)].into(),
            kubeconfig: Some(cluster.kubeconfig()),
            ..Self::named("cluster/objects.rhai")
        }
    }

    /// Where it works, where that is a namespace.
    pub fn namespace(&self) -> Option<&str> {
        self.params.get("namespace").map(String::as_str)
    }

    /// What there is after it was played in this folder.
    pub fn world(&self, folder: &Path, cluster: Option<&Cluster>) -> World {
        match (self.namespace(), cluster) {
            (Some(ns), Some(cluster)) => world::of_namespace(cluster, ns),
            _ if self.path.is_some() => {
                let mut world = world::of_files(folder);
                world.append(&mut world::of_sandbox(&folder.join("state")));
                world
            }
            _ => world::of_sandbox(&folder.join("state")),
        }
    }
}
