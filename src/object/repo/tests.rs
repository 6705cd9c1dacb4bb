use super::*;

/// Two clusters as Flux follows them, with what both share, notes, an encrypted Secret and a file that is no YAML.
const TREE: &[(&str, &str)] = &[
    ("README.md", "The store is called onepassword-connect.\n"),
    (
        "kubernetes/base/store/store.yaml",
        "apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata:
  name: onepassword-connect
",
    ),
    ("kubernetes/base/store/kustomization.yaml", "resources: [store.yaml]\n"),
    (
        "kubernetes/main/flux/apps.yaml",
        "apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: apps
  namespace: flux-system
spec:
  path: ./kubernetes/main/apps
  sourceRef: {kind: GitRepository, name: home}
  dependsOn:
    - name: store
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: store
  namespace: flux-system
spec:
  path: ./kubernetes/base/store
  targetNamespace: external-secrets
  sourceRef: {kind: GitRepository, name: home}
",
    ),
    ("kubernetes/main/apps/kustomization.yaml", "resources:\n  - ./monitoring\n  - web\n"),
    (
        "kubernetes/main/apps/monitoring/kustomization.yaml",
        "namespace: monitoring
resources:
  - grafana.yaml
  - prometheus.yaml
  - https://example.com/remote.yaml
patches:
  - target: {kind: HelmRelease, name: grafana}
    patch: |
      - op: remove
        path: /spec/dependsOn
",
    ),
    (
        "kubernetes/main/apps/monitoring/grafana.yaml",
        "# the dashboards
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata:
  name: grafana
spec:
  secretStoreRef:
    kind: ClusterSecretStore
    name: onepassword-connect
  target:
    name: grafana-admin
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata:
  name: grafana
spec:
  chart:
    spec:
      chart: grafana
      version: 9.0.0
      sourceRef: {kind: HelmRepository, name: grafana, namespace: flux-system}
  dependsOn:
    - name: prometheus
  valuesFrom: &from
    - kind: Secret
      name: grafana-admin
  values:
    host: grafana.main.example.com
    again: *from
",
    ),
    (
        "kubernetes/main/apps/monitoring/prometheus.yaml",
        "apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata:
  name: prometheus
spec:
  chart:
    spec:
      chart: prometheus
      sourceRef: {kind: HelmRepository, name: prometheus, namespace: flux-system}
  values: {retention: 30d}
",
    ),
    (
        "kubernetes/main/apps/web/route.yaml",
        "apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop, namespace: web}
spec:
  rules:
    - backendRefs:
        - name: shop
          port: 80
---
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: web}
spec: {selector: {app: shop}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: web}
spec:
  replicas: 3
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers:
        - name: shop
          env:
            - name: PASSWORD
              valueFrom:
                secretKeyRef: {name: login, key: password}
",
    ),
    (
        "kubernetes/main/apps/web/secret.sops.yaml",
        "apiVersion: v1
kind: Secret
metadata: {name: login, namespace: web}
stringData: {password: 'ENC[AES256_GCM,data:abcd]'}
sops: {mac: 'ENC[x]', lastmodified: now}
",
    ),
    ("kubernetes/main/apps/web/kustomization.yaml", "resources: [route.yaml, secret.sops.yaml]\n"),
    ("kubernetes/main/apps/web/broken.yaml", "a: [\n# grafana-admin was here\n"),
    (
        "kubernetes/staging/flux/apps.yaml",
        "apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: flux-system}
spec:
  path: ./kubernetes/staging/apps
  sourceRef: {kind: GitRepository, name: home}
  dependsOn:
    - name: store
",
    ),
    (
        "kubernetes/staging/apps/monitoring/grafana.yaml",
        "apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: grafana, namespace: monitoring}
spec:
  chart:
    spec:
      chart: grafana
      version: 9.1.0
      sourceRef: {kind: HelmRepository, name: grafana, namespace: flux-system}
  dependsOn:
    - name: prometheus
  valuesFrom:
    - kind: Secret
      name: grafana-admin
  values:
    host: grafana.staging.example.com
    again: [{kind: Secret, name: grafana-admin}]
",
    ),
    (
        "kubernetes/staging/apps/web/secret.sops.yaml",
        "apiVersion: v1
kind: Secret
metadata: {name: login, namespace: web}
stringData: {password: 'ENC[AES256_GCM,data:other]'}
sops: {mac: 'ENC[y]', lastmodified: then}
",
    ),
    ("kubernetes/staging/apps/web/dashboards.json", "{\"title\": \"shop\"}"),
];

/// Somebody else's, who has the same chart.
const FOREIGN: &str = "apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: grafana, namespace: observability}
spec:
  chart: {spec: {chart: grafana, version: 8.0.0, sourceRef: {kind: HelmRepository, name: grafana, namespace: flux-system}}}
  values: {host: g.example.org, persistence: {enabled: true}}
";

fn repo() -> Repo {
    let file = |path: &str, text: &str| File { path: path.into(), text: text.into(), ..File::default() };
    let mut files: Vec<File> = TREE.iter().map(|(path, text)| file(path, text)).collect();
    files.push(File { foreign: true, ..file("devin/apps/observability/grafana/app/helmrelease.yaml", FOREIGN) });
    let cluster = |name: &str| (name.to_owned(), format!("kubernetes/{name}"));
    Repo::read(files, vec![cluster("main"), cluster("staging")])
}

fn references(name: &str) -> Vec<String> {
    let found = repo().references(&name.parse().unwrap());
    found
        .into_iter()
        .map(|one| format!("{} {}:{} {} by {} to {}", one.kind, one.file, one.line, one.from, one.by, one.to))
        .collect()
}

#[test]
fn who_names_a_store_is_found_by_meaning_in_every_cluster_and_by_text() {
    assert_eq!(
        references("ClusterSecretStore/onepassword-connect"),
        [
            "meaning kubernetes/base/store/kustomization.yaml:1 kubernetes/base/store/kustomization.yaml by resources[0] \
             to kubernetes/base/store/store.yaml",
            "meaning kubernetes/main/apps/monitoring/grafana.yaml:9 ExternalSecret/monitoring/grafana by \
             spec.secretStoreRef to ClusterSecretStore/onepassword-connect",
            "meaning kubernetes/main/flux/apps.yaml:18 Kustomization/flux-system/store by spec.path to \
             kubernetes/base/store",
            "text README.md:1 README.md by mentioned in text to onepassword-connect",
        ]
    );
}

#[test]
fn a_chart_that_others_depend_on_is_named_by_them_in_its_namespace() {
    let found = references("HelmRelease/monitoring/prometheus");
    let by = "by spec.dependsOn[0] to HelmRelease/monitoring/prometheus";
    for line in [
        format!("meaning kubernetes/main/apps/monitoring/grafana.yaml:24 HelmRelease/monitoring/grafana {by}"),
        format!("meaning kubernetes/staging/apps/monitoring/grafana.yaml:11 HelmRelease/monitoring/grafana {by}"),
        "meaning kubernetes/main/apps/monitoring/kustomization.yaml:4 kubernetes/main/apps/monitoring/kustomization.yaml \
         by resources[1] to kubernetes/main/apps/monitoring/prometheus.yaml"
            .into(),
        "meaning kubernetes/main/apps/kustomization.yaml:2 kubernetes/main/apps/kustomization.yaml by resources[0] to \
         kubernetes/main/apps/monitoring"
            .into(),
        "meaning kubernetes/main/flux/apps.yaml:7 Kustomization/flux-system/apps by spec.path to kubernetes/main/apps"
            .into(),
    ] {
        assert!(found.contains(&line), "{line}\nis not in {found:#?}");
    }
    assert!(!found.iter().any(|line| line.contains("staging/flux")), "{found:#?}");
    assert!(references("HelmRelease/web/prometheus").iter().all(|line| line.starts_with("text")));
}

#[test]
fn a_secret_is_named_by_what_makes_it_what_reads_it_and_the_file_that_cannot_be_read() {
    let found = references("grafana-admin");
    let lines = |part: &str| found.iter().filter(|line| line.contains(part)).count();
    assert_eq!(lines("ExternalSecret/monitoring/grafana by spec.target to Secret/monitoring/grafana-admin"), 1);
    assert_eq!(lines("HelmRelease/monitoring/grafana by spec.valuesFrom[0]"), 2, "{found:#?}");
    let broken = found.iter().find(|line| line.contains("broken.yaml:2")).unwrap();
    assert!(broken.contains("the file cannot be read by meaning: kubernetes/main/apps/web/broken.yaml:"), "{broken}");
    assert_eq!(references("login").iter().filter(|line| line.contains("secretKeyRef")).count(), 1);
}

#[test]
fn a_route_names_its_service_a_service_its_pods_and_a_patch_its_target() {
    let found = references("Service/web/shop");
    assert!(found[2].contains("route.yaml:7 HTTPRoute/web/shop by spec.rules[0].backendRefs[0]"), "{found:#?}");
    assert!(!found.iter().any(|line| line.contains("route.yaml:3 ")), "its own name is no reference: {found:#?}");
    let found = references("deployments/web/shop");
    assert!(
        found.iter().any(|line| line.contains("Service/web/shop by spec.selector to Deployment/web/shop")),
        "{found:#?}"
    );
    let found = references("HelmRelease/grafana");
    assert!(found.iter().any(|line| {
        line.contains("kustomization.yaml:7 kubernetes/main/apps/monitoring/kustomization.yaml by patches[0].target")
    }));
}

#[test]
fn what_is_in_a_namespace_counts_where_the_namespace_is_asked_for() {
    let found = references("Namespace/web");
    assert!(found.iter().any(|line| line.contains("Deployment/web/shop by metadata.namespace")), "{found:#?}");
    assert!(references("web").iter().all(|line| !line.contains("metadata.namespace")));
}

#[test]
fn other_people_s_repositories_refer_to_nothing_here() {
    assert!(references("grafana").iter().all(|line| !line.contains("devin/")));
    assert!(references("nothing-like-it").is_empty());
    assert!("a b".parse::<Wanted>().is_err());
    assert!("A/b/c/d".parse::<Wanted>().is_err());
}

#[test]
fn patterns_of_a_kind_are_those_that_set_what_most_set() {
    let found = repo().similar(&Like::Kind("helmreleases".into())).unwrap();
    assert_eq!(found.len(), 4);
    assert!(found[0].file.ends_with("grafana.yaml") && !found[0].foreign, "{found:#?}");
    assert!(found[0].why[0].starts_with("sets "), "{found:#?}");
    assert!(found.iter().any(|one| one.foreign));
    assert!(repo().similar(&Like::Kind("CronJob".into())).unwrap().is_empty());
}

#[test]
fn patterns_for_a_manifest_are_of_its_kind_and_say_in_what_they_are_like_it() {
    let manifest = serde_json::json!({ "kind": "HelmRelease", "metadata": { "name": "loki", "namespace": "monitoring" },
        "spec": { "chart": { "spec": { "chart": "loki", "version": "1",
            "sourceRef": { "kind": "HelmRepository", "name": "grafana", "namespace": "flux-system" } } },
            "values": { "host": "x" } } });
    let found = repo().similar(&Like::Objects(vec![manifest])).unwrap();
    assert_eq!(found[0].object.as_deref(), Some("HelmRelease/monitoring/grafana"), "{found:#?}");
    assert!(found[0].score > found.last().unwrap().score);
    assert!(found[0].why.contains(&"the same namespace monitoring".into()), "{found:#?}");
    let foreign = found.iter().find(|one| one.foreign).unwrap();
    assert_eq!(foreign.file, "devin/apps/observability/grafana/app/helmrelease.yaml");
}

#[test]
fn patterns_for_a_folder_are_folders_as_deep_with_the_same_kinds_and_files() {
    let found = repo().similar(&Like::Path("kubernetes/main/apps/monitoring".into())).unwrap();
    let first = &found[0];
    assert_eq!((first.file.as_str(), first.line), ("kubernetes/staging/apps/monitoring", 0), "{found:#?}");
    assert!(first.why.contains(&"the same files: grafana.yaml".into()), "{found:#?}");
    assert!(found.iter().any(|one| one.foreign && one.file.starts_with("devin/")), "{found:#?}");
    assert!(repo().similar(&Like::Path("kubernetes/mian".into())).is_none());
}

#[test]
fn two_clusters_are_compared_by_object_and_by_file() {
    let side = |name: &str| Side {
        folder: format!("kubernetes/{name}"),
        own: [("host".to_owned(), format!("{name}.example.com"))].into(),
    };
    let found = repo().compare(&side("staging"), &side("main"));
    let objects = |only: &[Declared]| -> Vec<String> {
        only.iter().map(|one| one.object.clone().unwrap_or_else(|| one.file.clone())).collect()
    };
    assert_eq!(objects(&found.only_a), ["kubernetes/staging/apps/web/dashboards.json"]);
    let only_main = objects(&found.only_b);
    for object in ["HelmRelease/monitoring/prometheus", "Kustomization/flux-system/store", "Deployment/web/shop"] {
        assert!(only_main.contains(&object.to_owned()), "{only_main:#?}");
    }
    // the host is each cluster's own, as is the path; what is encrypted cannot be compared
    let differ: Vec<(String, Vec<String>)> = found
        .differ
        .iter()
        .map(|one| {
            (one.object.clone().unwrap_or_default(), one.fields.iter().map(|field| field.path.clone()).collect())
        })
        .collect();
    assert_eq!(differ, [("HelmRelease/monitoring/grafana".to_owned(), vec!["spec.chart.spec.version".to_owned()])]);
    assert_eq!(found.unread[0].file, "kubernetes/main/apps/web/broken.yaml");
    let shown = serde_json::to_string(&found).unwrap();
    assert!(!shown.contains("ENC["), "{shown}");
}

#[test]
fn a_kustomization_that_takes_itself_in_ends() {
    let file = |path: &str, text: &str| File { path: path.into(), text: text.into(), ..File::default() };
    let files = vec![
        file("a/kustomization.yaml", "resources: [../b, x.yaml, ../../../out]\n"),
        file("b/kustomization.yaml", "resources: [../a]\n"),
        file("a/x.yaml", "kind: A\nmetadata: {name: x}\n"),
    ];
    let found = Repo::read(files, vec![]).references(&"A/x".parse().unwrap());
    assert_eq!(found.len(), 3, "{found:#?}");
}

#[test]
fn thousands_of_files_are_read_once_each() {
    let files = (0..2000).map(|n| File {
        path: format!("kubernetes/main/apps/a{n}/cm.yaml"),
        text: format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: cm-{n}, namespace: a{n}}}\ndata: {{next: cm-{}}}\n",
            n + 1
        ),
        ..File::default()
    });
    let repo = Repo::read(files.collect(), vec![("main".into(), "kubernetes/main".into())]);
    let found = repo.references(&"cm-1000".parse().unwrap());
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].file.as_str(), found[0].cluster.as_deref()),
        ("kubernetes/main/apps/a999/cm.yaml", Some("main"))
    );
}
