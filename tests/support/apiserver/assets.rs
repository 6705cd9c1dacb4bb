//! Where the binaries and the published CRDs are: servers, kubectl, module folders.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

fn tests_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// The folder with kube-apiserver and etcd.
///
/// # Errors
/// Why there is none, in one line.
pub fn servers() -> Result<PathBuf, String> {
    built("controlplane")
}

/// The folder with kube-controller-manager, kube-scheduler and kwok, and kwok's stages.
///
/// # Errors
/// Why there is none, in one line.
pub fn workloads() -> Result<PathBuf, String> {
    built("workloads")
}

/// The folder with Flux's controllers, and the programs flux, helm and kustomize.
///
/// # Errors
/// Why there is none, in one line.
pub fn flux() -> Result<PathBuf, String> {
    built("flux")
}

/// The folder with talosctl.
///
/// # Errors
/// Why there is none, in one line.
pub fn talos() -> Result<PathBuf, String> {
    built("talos")
}

/// The folder that the script `assets` of a module in `tests` names.
fn built(module: &str) -> Result<PathBuf, String> {
    let out = Command::new("bash").arg(tests_dir().join(module).join("assets")).output();
    let out = out.map_err(|e| format!("bash, which finds what tests/{module} builds, does not start: {e}"))?;
    if out.status.success() {
        return Ok(String::from_utf8_lossy(&out.stdout).trim_end().into());
    }
    Err(last_line(&out.stderr))
}

/// kubectl: beside the servers, or else on PATH.
///
/// # Errors
/// That there is none.
pub fn kubectl() -> Result<PathBuf, String> {
    let beside = servers().into_iter();
    let path = std::env::var_os("PATH").unwrap_or_default();
    beside
        .chain(std::env::split_paths(&path))
        .map(|d| d.join("kubectl"))
        .find(|p| p.is_file())
        .ok_or_else(|| "kubectl is neither on PATH nor in KUBEBUILDER_ASSETS".to_owned())
}

/// The modules that publish a project's CRDs, each with the folder in it.
fn modules(project: &str) -> &'static [(&'static str, &'static str)] {
    match project {
        "fluxcd" => &[
            ("github.com/fluxcd/helm-controller", "config/crd/bases"),
            ("github.com/fluxcd/kustomize-controller", "config/crd/bases"),
            ("github.com/fluxcd/source-controller", "config/crd/bases"),
        ],
        "external-secrets" => &[("github.com/external-secrets/external-secrets", "config/crds/bases")],
        "gateway-api" => &[("sigs.k8s.io/gateway-api", "config/crd/standard")],
        _ => panic!("no CRDs are known for {project}: add its module here and to tests/crds/go.mod"),
    }
}

/// The folders with a project's CRDs, from Go's module cache, in the versions of `tests/crds/go.mod`.
///
/// # Errors
/// Why they cannot be had, in one line.
pub fn crds(project: &str) -> Result<Vec<PathBuf>, String> {
    let modules = modules(project);
    let out = Command::new("go")
        .args(["mod", "download", "-json"])
        .args(modules.iter().map(|m| m.0))
        .env("GOWORK", "off")
        .current_dir(tests_dir().join("crds"))
        .output();
    let out = out.map_err(|_| format!("Go is not installed, and the CRDs of {project} come from its module cache"))?;
    let found: Vec<serde_json::Value> =
        serde_json::Deserializer::from_slice(&out.stdout).into_iter().filter_map(Result::ok).collect();
    let folder = |m: &(&str, &str)| {
        let module = found.iter().find(|f| f["Path"] == m.0);
        let dir = module.and_then(|f| f["Dir"].as_str());
        dir.map(|d| Path::new(d).join(m.1)).ok_or_else(|| {
            let said = module.and_then(|f| f["Error"].as_str()).map_or_else(|| last_line(&out.stderr), str::to_owned);
            format!("go mod download {} failed: {said}", m.0)
        })
    };
    modules.iter().map(folder).collect()
}

fn last_line(stderr: &[u8]) -> String {
    String::from_utf8_lossy(stderr).lines().last().unwrap_or("no word on stderr").to_owned()
}
