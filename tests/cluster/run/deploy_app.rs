//! The playbook that comes with the program, unchanged, on two real clusters: staging first, then main.

use super::{World, https::Https};
use crate::apiserver::{self, Cluster, Controllers};

/// What the platform has before an app comes: a secret store and a shared gateway.
const PLATFORM: &str = "
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: onepassword-connect}
spec: {provider: {fake: {data: [{key: grafana, value: x}]}}}
---
apiVersion: v1
kind: Namespace
metadata: {name: gateway}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: shared, namespace: gateway}
spec:
  gatewayClassName: example
  listeners:
    - {name: http, port: 80, protocol: HTTP}
    - {name: https, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: shared}]}}
";

/// What the playbook makes.
const MADE: [&str; 5] = [
    "Namespace/monitoring",
    "HelmRepository/monitoring/grafana",
    "ExternalSecret/monitoring/grafana-admin",
    "HelmRelease/monitoring/grafana",
    "HTTPRoute/monitoring/grafana",
];

/// Whether `runbook` is among those that keep fields of the object by server-side apply.
fn is_kept_by_runbook(cluster: &Cluster, reference: &str) -> bool {
    let object = cluster.get(reference).unwrap_or_else(|| panic!("{reference} is not there"));
    let managers = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    managers.iter().any(|entry| entry["manager"] == "runbook" && entry["operation"] == "Apply")
}

#[test]
fn the_playbook_of_the_readme_runs_on_a_real_staging_and_then_on_a_real_main() {
    let Some(clusters) = apiserver::own() else { return };
    let Some(()) = clusters.crds(&["fluxcd", "external-secrets", "gateway-api"]) else { return };
    let _controllers: Vec<_> = clusters.iter().map(Controllers::everywhere).collect();
    let (staging, main) = (clusters.staging(), clusters.main());
    clusters.iter().for_each(|cluster| drop(cluster.apply(PLATFORM)));
    let server = Https::start();
    let context = |name: &str, more: &str| {
        format!(
            "[contexts.{name}]\ntier = \"{name}\"\nhosts = [\"localhost\"]\n{more}\n[contexts.{name}.params]\nhost = \"{}\"\n",
            server.host()
        )
    };
    let toml = [context("staging", ""), context("main", "requires = \"staging\"\ngate = \"any\"")].concat();
    let mut world = World::new(&toml, &[("staging", staging), ("main", main)]);
    world.env.push(("SSL_CERT_FILE", server.roots()));
    world.env.push(("RUNBOOK_CONFIG", world.path("runbook.toml")));
    let playbook = concat!(env!("CARGO_MANIFEST_DIR"), "/playbooks/deploy-app.rhai");

    // what was not verified on staging does not reach main
    world
        .run(&format!("run {playbook} --context main"))
        .exits(13)
        .says("wants this playbook verified on staging first");
    assert!(main.get("Namespace/monitoring").is_none());

    // up to its stop-gate, and no further; then to its end
    world.run(&format!("run {playbook} --context staging")).exits(20).says("Is the secret the one from the new vault?");
    let first = world.new_run(&[]);
    assert!(staging.get("ExternalSecret/monitoring/grafana-admin").is_some());
    assert!(staging.get("HelmRelease/monitoring/grafana").is_none());
    world.run(&format!("approve {first} --reason 'it is'")).exits(0);
    world.run(&format!("resume {first}")).exits(0).says("done");
    for reference in MADE {
        assert!(is_kept_by_runbook(staging, reference), "{reference}");
        assert!(main.get(reference).is_none(), "{reference}");
    }
    assert_eq!(world.journal(&first).outcomes(), ["applied"; 5]);
    assert_eq!(server.asked(), ["GET /api/health HTTP/1.1"]);
    let opened = &world.journal(&first).of("run.bound")[0];
    assert_eq!(opened["identity"]["uid"], staging.uid());

    // with that evidence on main, and at the same time on staging once more, where nothing is left to change
    let until_gate = |context: &str| {
        let known = world.runs();
        let live = world.start(&format!("run {playbook} --context {context}"));
        let run = world.new_run(&known);
        live.ends().exits(20);
        world.run(&format!("approve {run}")).exits(0);
        run
    };
    let (on_main, again) = (until_gate("main"), until_gate("staging"));
    let versions = || MADE.map(|reference| staging.get(reference).unwrap()["metadata"]["resourceVersion"].clone());
    let before = versions();
    let ends = [&on_main, &again].map(|run| world.start(&format!("resume {run}")));
    for live in ends {
        live.ends().exits(0).says("done");
    }
    assert_eq!(world.journal(&on_main).of("run.bound")[0]["staged"]["by"]["run"], first.as_str());
    assert_eq!(world.journal(&on_main).outcomes(), ["applied"; 5]);
    assert_eq!(world.journal(&again).outcomes(), ["unchanged"; 5]);
    assert_eq!(versions(), before);
    for reference in MADE {
        assert!(is_kept_by_runbook(main, reference), "{reference}");
    }
    let host = |cluster: &Cluster| cluster.get(MADE[4]).unwrap()["spec"]["hostnames"][0].clone();
    assert_eq!((host(staging), host(main)), ("grafana.staging.example.com".into(), "grafana.example.com".into()));
}
