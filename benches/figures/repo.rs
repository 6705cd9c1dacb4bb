//! Looking through a large GitOps repository.

use std::{
    fs,
    time::{Duration, Instant},
};

use runbook::object::repo::{File, Repo};

use super::{
    folder,
    table::{Figure, Table, median},
};

/// Apps of two clusters, each with five files.
const APPS: usize = 500;
const ROUNDS: usize = 5;

/// Who names a store that every app uses: every file is read and parsed, and every reference found with its line.
pub fn rows(table: &mut Table) {
    let folder = folder();
    let mut paths = vec![];
    for cluster in ["staging", "main"] {
        for n in 0..APPS {
            for (name, text) in app(cluster, n) {
                let path = format!("kubernetes/{cluster}/apps/team-{}/app-{n}/{name}", n % 40);
                let file = folder.path().join(&path);
                fs::create_dir_all(file.parent().expect("it has a folder")).expect("there is room");
                fs::write(file, text).expect("there is room");
                paths.push(path);
            }
        }
    }
    let wanted = "ClusterSecretStore/vault".parse().expect("a reference");
    let clusters: Vec<(String, String)> =
        ["staging", "main"].map(|name| (name.to_owned(), format!("kubernetes/{name}"))).into();
    let (mut own, mut floor) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let read = |path: &String| fs::read_to_string(folder.path().join(path)).expect("it is there");
        let files: Vec<File> =
            paths.iter().map(|path| File { path: path.clone(), text: read(path), ..File::default() }).collect();
        floor.push(begun.elapsed());
        let found = Repo::read(files, clusters.clone()).references(&wanted);
        own.push(begun.elapsed());
        assert!(found.iter().filter(|one| one.by == "spec.secretStoreRef").count() == 2 * APPS, "every app uses it");
    }
    table.row(
        "repo: 5,000 files",
        Figure::Time(median(&mut own)),
        Some(Figure::Time(median(&mut floor))),
        Some(Figure::Time(Duration::from_secs(1))),
        format!(
            "{} files read, parsed and looked through for one store, median of {ROUNDS}; floor: reading them",
            paths.len()
        ),
    );
}

fn app(cluster: &str, n: usize) -> [(&'static str, String); 5] {
    let meta = format!("metadata:\n  name: app-{n}\n  namespace: team-{}\n", n % 40);
    [
        ("kustomization.yaml", "resources:\n  - release.yaml\n  - secret.yaml\n  - route.yaml\n".into()),
        (
            "ks.yaml",
            format!(
                "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\n{meta}spec:\n  path: ./kubernetes/{cluster}/apps/team-{}/app-{n}\n  dependsOn:\n    - name: stores\n  sourceRef:\n    kind: GitRepository\n    name: home\n",
                n % 40
            ),
        ),
        (
            "release.yaml",
            format!(
                "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\n{meta}spec:\n  interval: 30m\n  chart:\n    spec:\n      chart: app-template\n      version: 4.2.0\n      sourceRef:\n        kind: HelmRepository\n        name: charts\n        namespace: flux-system\n  valuesFrom:\n    - kind: Secret\n      name: app-{n}\n  values:\n    controllers:\n      main:\n        replicas: 2\n        containers:\n          main:\n            image:\n              repository: ghcr.io/example/app\n              tag: 1.2.{n}\n            resources:\n              requests:\n                cpu: 10m\n                memory: 128Mi\n"
            ),
        ),
        (
            "secret.yaml",
            format!(
                "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\n{meta}spec:\n  secretStoreRef:\n    kind: ClusterSecretStore\n    name: vault\n  target:\n    name: app-{n}\n  dataFrom:\n    - extract:\n        key: app-{n}\n"
            ),
        ),
        (
            "route.yaml",
            format!(
                "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n{meta}spec:\n  hostnames: [app-{n}.example.com]\n  parentRefs:\n    - name: shared\n      namespace: gateway\n  rules:\n    - backendRefs:\n        - name: app-{n}\n          port: 80\n"
            ),
        ),
    ]
}
