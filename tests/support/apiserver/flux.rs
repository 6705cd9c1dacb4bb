//! Flux's own source-, kustomize- and helm-controller on the cluster with workloads.

use std::{fs, path::Path};

use super::{Cluster, assets, crds::once, keeper, or_not_run, workloads};

const CONTROLLERS: [&str; 3] = ["source-controller", "kustomize-controller", "helm-controller"];

/// The cluster of [`workloads::shared`] with Flux at work in it, or nothing where that cannot be had (which is said aloud).
pub fn shared() -> Option<Cluster> {
    or_not_run(assets::flux())?;
    let cluster = workloads::shared()?;
    cluster.crds(&["fluxcd"])?;
    once(&cluster.dir, "flux", || {
        for name in CONTROLLERS {
            fs::remove_file(cluster.dir.join(name).with_extension("down")).unwrap();
        }
    });
    Some(cluster)
}

/// Command lines of the controllers, which stay down until their kinds are served.
pub fn prepare(dir: &Path, programs: &Path) {
    let [artifacts, health @ ..] = [(); 4].map(|()| keeper::listener());
    let address = |listener: &std::net::TcpListener| listener.local_addr().unwrap().to_string();
    let artifacts = address(&artifacts);
    let data = dir.join("artifacts");
    for (name, health) in CONTROLLERS.into_iter().zip(&health) {
        let mut flags = vec![
            ("watch-all-namespaces", "true".to_owned()),
            ("metrics-addr", "0".to_owned()),
            ("health-addr", address(health)),
            ("events-addr", String::new()),
            ("requeue-dependency", "1s".to_owned()),
        ];
        if name == CONTROLLERS[0] {
            flags.push(("storage-path", data.to_str().unwrap().to_owned()));
            flags.push(("storage-addr", artifacts.clone()));
            flags.push(("storage-adv-addr", artifacts.clone()));
        }
        let env = [
            "RUNTIME_NAMESPACE=flux-system".to_owned(),
            format!("KUBECONFIG={}", dir.join("kubeconfig").display()),
            format!("TMPDIR={}", dir.display()),
            format!("SOURCE_CONTROLLER_LOCALHOST={artifacts}"),
        ];
        keeper::serve(dir, name, &env, &programs.join(name), &flags);
        fs::write(dir.join(name).with_extension("down"), "").unwrap();
    }
}
