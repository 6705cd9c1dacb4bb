//! Two objects that get ready, two that fail, and one that waits for a failed one: what a user reads is what Flux says.

use super::{Sources, World, play, ready};
use crate::apiserver::{Cluster, assets, flux};

const SOURCES: &str = "
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: app, namespace: NS}
spec: {interval: 1h, url: 'REPOSITORY', ref: {branch: main}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: charts, namespace: NS}
spec: {interval: 1h, url: 'CHARTS'}
";

const BAD: &str = "
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: bad, namespace: NS}
spec: {interval: 1h, prune: true, timeout: 30s, path: ./bad, sourceRef: {kind: GitRepository, name: app}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: after-bad, namespace: NS}
spec: {interval: 1h, prune: true, path: ./good, sourceRef: {kind: GitRepository, name: app}, dependsOn: [{name: bad}]}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: bad, namespace: NS}
spec: {interval: 1h, chart: {spec: {chart: bad, version: 0.1.0, sourceRef: {kind: HelmRepository, name: charts}}}}
";

const KUSTOMIZATION: &str = "
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: good, namespace: NS}
spec: {interval: 1h, prune: true, wait: true, timeout: 30s, path: ./good, sourceRef: {kind: GitRepository, name: app}}
";

const RELEASE: &str = "
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: good, namespace: NS}
spec: {interval: 1h, chart: {spec: {chart: good, version: 0.1.0, sourceRef: {kind: HelmRepository, name: charts}}}}
";

/// A Deployment of the repository, with a label.
fn web(ns: &str, level: &str) -> String {
    format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: web, namespace: {ns}, labels: {{level: {level}}}}}, spec: {{replicas: 2,
  selector: {{matchLabels: {{app: web}}}}, template: {{metadata: {{labels: {{app: web}}}}, spec: {{containers: [{{name: web, image: 'web:1'}}]}}}}}}}}\n"
    )
}

/// A namespace with sources that follow a repository and charts of the test's own.
fn prepared(cluster: &Cluster) -> (Sources, String, World) {
    let ns = cluster.namespace_for_pods("flux");
    let sources = Sources::start();
    let bad = format!(
        "{{apiVersion: v1, kind: Service, metadata: {{name: web, namespace: {ns}}}, spec: {{type: Nonsense, ports: [{{port: 80}}]}}}}\n"
    );
    sources.push(&[("good/web.yaml", &web(&ns, "one")), ("bad/web.yaml", &bad)]);
    sources.offer(&[
        ("good", "{apiVersion: v1, kind: ConfigMap, metadata: {name: \"{{ .Release.Name }}\"}, data: {from: chart}}\n"),
        ("bad", "{{ fail \"this chart does not render\" }}\n"),
    ]);
    let places = SOURCES.replace("REPOSITORY", &sources.repository()).replace("CHARTS", &sources.charts());
    cluster.apply(&places.replace("NS", &ns));
    let world = World::new("[contexts.workloads]\n", &[("workloads", cluster)]);
    for (file, text) in [("kustomization.yaml", KUSTOMIZATION), ("release.yaml", RELEASE), ("bad.yaml", BAD)] {
        world.file(file, &text.replace("NS", &ns));
    }
    (sources, ns, world)
}

/// Runs items with `std/flux` and `std/helm` at hand.
fn run(world: &World, items: &str) -> crate::run::world::Outcome {
    let playbook = play("\"workloads\"", "true", items);
    world.file("p.rhai", &format!("import \"std/flux\" as flux;\nimport \"std/helm\" as helm;\n{playbook}"));
    world.run("run p.rhai --context workloads")
}

/// What must end before its sources do; the namespace takes the rest.
fn clear(cluster: &Cluster, ns: &str, world: &World) {
    let reference = |kind: &str, name: &str| format!("{kind}/{ns}/{name}");
    let made = ["good", "bad", "after-bad"].map(|name| reference("Kustomization", name));
    let made = made.into_iter().chain(["good", "bad"].map(|name| reference("HelmRelease", name)));
    made.for_each(|object| cluster.client().delete(&object));
    cluster.client().delete(&format!("Namespace/{ns}"));
    assert!(world.path("p.rhai").is_file());
}

#[test]
fn what_gets_ready_is_ready_and_what_fails_or_waits_says_so_in_the_words_of_flux() {
    let Some(cluster) = flux::shared() else { return };
    let (_sources, ns, world) = prepared(&cluster);
    // two that get ready
    run(&world, "flux::kustomization(\"kustomization.yaml\", #{ within: \"1m\" });\nflux::helm_release(\"release.yaml\", #{ within: \"1m\" });").exits(0);
    assert_eq!(
        cluster.get(&format!("Deployment/{ns}/web")).unwrap()["status"]["availableReplicas"],
        2,
        "it was waited for"
    );
    assert_eq!(cluster.get(&format!("ConfigMap/{ns}/good")).unwrap()["data"]["from"], "chart");

    // two that fail, and one that waits
    let references =
        ["Kustomization/NS/bad", "HelmRelease/NS/bad", "Kustomization/NS/after-bad"].map(|r| r.replace("NS", &ns));
    cluster.apply(&BAD.replace("NS", &ns));
    for reference in &references {
        cluster.wait(reference, "Flux has tried", |o| {
            let conditions = o["status"]["conditions"].as_array().cloned().unwrap_or_default();
            conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "False")
        });
    }
    let [a, b, c] = &references;
    let verify = format!("k8s::ready({a:?}) || k8s::ready({b:?}) || k8s::ready({c:?})");
    let failed = run(
        &world,
        &format!(
            "step(\"Apply\").change(|| k8s::apply(\"bad.yaml\", #{{ take_over: \"test\" }}))\n.verify(\"all are ready\", || {verify}).within(\"3s\").undo(|| k8s::delete(\"bad.yaml\"));"
        ),
    );
    failed.exits(10);
    let record = world.incidents();
    for (reference, word) in references.iter().zip(["Nonsense", "this chart does not render", "is not ready"]) {
        let (status, reason, message) = ready(&cluster, reference);
        assert_eq!(status, "False", "{reference}");
        assert!(message.contains(word), "{reference}: {message}");
        println!("{reference}: {reason}: {message}");
        // one line is as much as a reader needs
        let first = message.lines().next().unwrap().trim_end_matches(|c: char| !c.is_alphanumeric());
        let first = first.chars().take(60).collect::<String>();
        failed.says(&reason).says(&first);
        assert!(record.contains(&first), "{reference}: the record does not say `{first}`:\n{record}");
    }
    clear(&cluster, &ns, &world);
}

#[test]
fn a_reconcile_is_over_when_this_commit_is_applied_and_the_tools_find_what_flux_made() {
    let Some(cluster) = flux::shared() else { return };
    let (sources, ns, mut world) = prepared(&cluster);
    world.programs(&assets::flux().unwrap());
    run(&world, "flux::kustomization(\"kustomization.yaml\", #{ within: \"1m\" });\nflux::helm_release(\"release.yaml\", #{ within: \"1m\" });").exits(0);

    // Flux looks again in an hour; what is ready now is of the commit before
    let commit = sources.push(&[("good/web.yaml", &web(&ns, "two"))]);
    let (source, keeper) = (format!("GitRepository/{ns}/app"), format!("Kustomization/{ns}/good"));
    let items = format!(
        "flux::reconcile({source:?}, #{{ within: \"1m\" }});\nflux::reconcile({keeper:?}, #{{ within: \"1m\" }})
    .verify(\"this commit\", || flux::applied({keeper:?}, \"{commit}\")).within(\"1m\");"
    );
    run(&world, &items).exits(0);
    assert_eq!(cluster.get(&format!("Deployment/{ns}/web")).unwrap()["metadata"]["labels"]["level"], "two");
    for reference in [&source, &keeper] {
        let object = cluster.get(reference).unwrap();
        let asked = &object["metadata"]["annotations"]["reconcile.fluxcd.io/requestedAt"];
        assert_eq!(&object["status"]["lastHandledReconcileAt"], asked, "{reference}");
        assert!(asked.is_string());
    }

    // one that is suspended never handles it, and says so
    let suspended = format!(
        "flux::suspend({keeper:?}, #{{ until: \"run\" }});\nstep(\"Look\").verify(\"it is ready\", || k8s::ready({keeper:?})).within(\"1s\");"
    );
    let known = world.runs();
    run(&world, &suspended).exits(10).says("Suspended: it is suspended, so nothing reconciles it");
    world.run(&format!("undo {}", world.new_run(&known))).exits(0);
    cluster.wait(&keeper, "it is resumed and ready", |o| o["spec"]["suspend"].is_null());

    // the tools themselves, held to the context
    world.file("p/base/kustomization.yaml", "resources: [web.yaml]\nnamePrefix: my-\n");
    world.file("p/base/web.yaml", &web(&ns, "three"));
    world.file("p/chart/Chart.yaml", "{apiVersion: v2, name: shop, version: 0.2.0}\n");
    world.file("p/chart/templates/all.yaml", "{apiVersion: v1, kind: ConfigMap, metadata: {name: \"{{ .Release.Name }}-map\"}, data: {level: \"{{ .Values.level }}\"}}\n");
    let items = r#"files("p/**");
step("Flux").change(|| cmd::run(["flux", "reconcile", "kustomization", "good", "-n", "NS"]))
    .verify("it lists it", || cmd::read(["flux", "get", "kustomizations", "-n", "NS"]).stdout.contains("Applied revision: main@sha1:COMMIT"))
    .verify("it finds it", || cmd::read(["flux", "trace", "deployment", "web", "-n", "NS"]).stdout.contains("Kustomization"))
    .irreversible("a reconcile");
step("Kustomize").verify("it renders", || cmd::read(["kustomize", "build", "p/base"]).stdout.contains("name: my-web"));
helm::upgrade("shop", "./p/chart", #{ namespace: "NS", set: #{ level: "high" } });
step("Helm").verify("both are deployed", || helm::status("good", "NS") == "deployed" && helm::status("shop", "NS") == "deployed")
    .verify("there is no third", || helm::status("other", "NS") == "not found")
    .verify("it renders", || helm::template("x", "./p/chart", #{ namespace: "NS", set: #{ level: "low" } }).contains("level: \"low\""));"#;
    let items = items.replace("NS", &ns).replace("COMMIT", &commit[..8]);
    run(&world, &items).exits(0);
    assert_eq!(cluster.get(&format!("ConfigMap/{ns}/shop-map")).unwrap()["data"]["level"], "high");
    clear(&cluster, &ns, &world);
}
