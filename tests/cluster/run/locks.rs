//! Runs of several machines on one cluster, which keeps their places: `store = "cluster"`.

use super::{World, eventually, play};
use crate::apiserver;

pub(super) const TOML: &str = "[contexts.staging]\nstore = \"cluster\"\n";

/// A playbook of a part of the cluster, as tests share it.
pub(super) fn scoped(scope: &str, contexts: &str, outcome: &str, items: &str) -> String {
    play(contexts, outcome, items).replace(".contexts(", &format!(".scope(\"{scope}\").contexts("))
}

pub(super) fn write(namespace: &str, name: &str) -> String {
    format!(
        "step(\"Write {name}\").change(|| k8s::apply(#{{ apiVersion: \"v1\", kind: \"ConfigMap\",
    metadata: #{{ name: \"{name}\", namespace: \"{namespace}\" }} }}))"
    )
}

pub(super) fn exists(namespace: &str, name: &str) -> String {
    format!("k8s::exists(\"ConfigMap/{namespace}/{name}\")")
}

/// A change, a gate and a change.
pub(super) fn with_gate(namespace: &str) -> String {
    let items = format!(
        "{}.verify(\"it is there\", || {});\ngate(\"Go on?\");\nphase(\"Two\").goal(\"more\");\n{}.verify(\"it is there\", || {});",
        write(namespace, "first"),
        exists(namespace, "first"),
        write(namespace, "second"),
        exists(namespace, "second"),
    );
    scoped(namespace, "\"staging\"", &exists(namespace, "second"), &items)
}

/// A change whose verify waits for a signal, and a change after it.
fn with_signal(namespace: &str) -> String {
    let items = format!(
        "{}.verify(\"the signal came\", || {}).within(\"3m\");\n{}.verify(\"it is there\", || {});",
        write(namespace, "first"),
        exists(namespace, "signal"),
        write(namespace, "second"),
        exists(namespace, "second"),
    );
    scoped(namespace, "\"staging\"", &exists(namespace, "second"), &items)
}

pub(super) fn signal(server: &apiserver::Cluster, namespace: &str) {
    server.apply(&format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: signal, namespace: {namespace}}}}}"));
}

/// The Lease of a run.
pub(super) fn lease(server: &apiserver::Cluster, run: &str) -> Option<serde_json::Value> {
    let path = "/apis/coordination.k8s.io/v1/namespaces/runbook-system/leases?labelSelector=runbook/run%3D";
    server.client().read(&format!("{path}{run}"))["items"].as_array()?.first().cloned()
}

pub(super) fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_run_of_another_machine_is_told_of_the_one_that_waits_and_a_copy_of_it_goes_on_in_one_place_only() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("machines");
    let world = World::new(TOML, &[("staging", server)]);
    world.file("p.rhai", &with_gate(&ns));
    world.run("run p.rhai --context staging").exits(20);
    let run = world.new_run(&[]);
    let held = lease(server, &run).unwrap();
    assert!(held["spec"]["holderIdentity"].as_str().unwrap().starts_with(&format!("{run}@")), "{held}");

    // another machine is told who, since when, how that is, where, and what to type
    let state = world.machine("state");
    world
        .run_on("other", "run p.rhai --context staging")
        .exits(30)
        .says(&format!("run {run} has its place on staging since 20"))
        .says("it waits: gate \"Go on?\" waits for a decision; nothing was changed")
        .says(&format!(", in {}: go on there", state.display()))
        .says(&format!("runbook resume {run}"))
        .says("--break-lock");

    // the state folder, copied: whichever goes on first is the run
    copy(&state, &world.machine("copy"));
    world.run_on("copy", &format!("approve {run}")).exits(0);
    world.run_on("copy", &format!("resume {run}")).exits(0);
    assert!(server.get(&format!("ConfigMap/{ns}/second")).is_some());
    assert!(lease(server, &run).is_none());
    world
        .run(&format!("resume {run}"))
        .exits(30)
        .says(&format!("run {run} is closed; this copy of it does not know that"))
        .says(&world.machine("copy").display().to_string());
    world.run(&format!("abandon {run} --reason 'closed by another copy'")).exits(0);
    // the place is free
    world.run_on("other", "run p.rhai --context staging").exits(20);
}

#[test]
fn a_copy_that_is_behind_is_refused_with_both_heads() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("behind");
    let world = World::new(TOML, &[("staging", server)]);
    let gate = "gate(\"And on?\");\nphase(\"Three\").goal(\"more\");\n";
    let third = format!("{}.verify(\"there\", || {});", write(&ns, "third"), exists(&ns, "third"));
    world.file("p.rhai", &format!("{}{gate}{third}", with_gate(&ns)));
    world.run("run p.rhai --context staging").exits(20);
    let run = world.new_run(&[]);
    copy(&world.machine("state"), &world.machine("copy"));
    world.run(&format!("approve {run}")).exits(0);
    world.run(&format!("resume {run}")).exits(20);
    let lines = world.journal(&run).0.len();
    world
        .run_on("copy", &format!("resume {run}"))
        .exits(30)
        .says(&format!("this copy of run {run} is behind: its journal ends with line"))
        .says(&format!("has brought it to line {lines} ("))
        .says("nothing was changed");
    // the one that is furthest goes on
    world.run(&format!("approve {run}")).exits(0);
    world.run(&format!("resume {run}")).exits(0);
}

#[test]
fn a_run_whose_process_was_killed_goes_on_at_once_where_its_journal_is() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("dead");
    let world = World::new(TOML, &[("staging", server)]);
    world.file("p.rhai", &with_signal(&ns));
    let live = world.start("run p.rhai --context staging");
    let run = world.new_run(&[]);
    world.sees(&run, "verify.observed", |p| p["text"] == "the signal came" && p["verdict"] != "holds");
    live.kill();
    world
        .run("run p.rhai --context staging")
        .exits(30)
        .says("its process is gone")
        .says(&format!("runbook resume {run}"));
    signal(server, &ns);
    world.run(&format!("resume {run}")).exits(0);
}

#[test]
fn a_run_whose_place_is_taken_by_force_stops_before_its_next_change() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("forced");
    let world = World::new(TOML, &[("staging", server)]);
    world.file("p.rhai", &with_signal(&ns));
    let live = world.start("run p.rhai --context staging");
    let run = world.new_run(&[]);
    world.sees(&run, "verify.observed", |p| p["text"] == "the signal came" && p["verdict"] != "holds");
    world.run_on("other", "run p.rhai --context staging").exits(30).says("its process is running");
    world
        .run_on("other", "run p.rhai --context staging --break-lock 'the site is down'")
        .exits(20)
        .says(&format!("the place was taken from run {run} by force: the site is down"));
    signal(server, &ns);
    live.ends().exits(30).says("took its place by force: \"the site is down\"").says(&format!("runbook resume {run}"));
    assert!(server.get(&format!("ConfigMap/{ns}/second")).is_none());
    let failed = &world.journal(&run).of("step.failed")[0]["failure"];
    assert_eq!(failed["kind"], "lock", "{failed}");
    // it cannot go on before it has its place again
    world.run(&format!("resume {run}")).exits(30).says("has its place on staging");
    let second = std::fs::read_dir(world.machine("other").join("runs")).unwrap().next().unwrap().unwrap().file_name();
    world.run_on("other", &format!("abandon {} --reason 'it is up again'", second.display())).exits(0);
    world.run(&format!("resume {run}")).exits(0);
    assert!(server.get(&format!("ConfigMap/{ns}/second")).is_some());
}

#[test]
fn a_run_whose_lease_is_deleted_stops_before_its_next_change_and_goes_on_once_it_has_it_again() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("deleted");
    let world = World::new(TOML, &[("staging", server)]);
    world.file("p.rhai", &with_signal(&ns));
    let live = world.start("run p.rhai --context staging");
    let run = world.new_run(&[]);
    world.sees(&run, "verify.observed", |p| p["text"] == "the signal came" && p["verdict"] != "holds");
    // it is renewed while the run waits
    let renewed = || lease(server, &run).map(|lease| lease["spec"]["renewTime"].clone());
    let first = renewed().unwrap();
    eventually("it is renewed", || (renewed().unwrap() != first).then_some(()));
    let name = lease(server, &run).unwrap()["metadata"]["name"].as_str().unwrap().to_owned();
    server.client().delete(&format!("Lease/runbook-system/{name}"));
    // a renewal is believed for a second, which is what an object that is deleted by hand may cost
    std::thread::sleep(std::time::Duration::from_millis(1200));
    signal(server, &ns);
    live.ends().exits(30).says(&format!("Lease/runbook-system/{name} was deleted"));
    assert!(server.get(&format!("ConfigMap/{ns}/second")).is_none());
    world.run(&format!("resume {run}")).exits(0);
}

#[test]
fn what_one_machine_verified_on_staging_lets_another_go_on_to_main() {
    let Some(clusters) = apiserver::shared() else { return };
    let (staging, main) = (clusters.staging(), clusters.main());
    let ns = staging.namespace("promoted");
    main.apply(&format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {ns}}}}}"));
    let toml = format!("{TOML}[contexts.main]\nrequires = \"staging\"\n");
    let world = World::new(&toml, &[("staging", staging), ("main", main)]);
    let items = format!("{}.verify(\"it is there\", || {});", write(&ns, "first"), exists(&ns, "first"));
    world.file("p.rhai", &scoped(&ns, "\"staging\", \"main\"", &exists(&ns, "first"), &items));
    world.run("run p.rhai --context main").exits(13).says("wants this playbook verified on staging first");
    world.run_on("other", "run p.rhai --context staging").exits(0);
    world.run("run p.rhai --context main").exits(0);
    let bound = &world.journal(&world.new_run(&[])).of("run.bound")[0];
    assert_eq!(bound["staged"]["by"]["context"], "staging", "{bound}");
    assert_eq!(bound["identity"]["uid"], main.uid());
    // another playbook is another matter
    let text = std::fs::read_to_string(world.path("p.rhai")).unwrap();
    world.file("p.rhai", &text.replace("it is there", "it is really there"));
    world.run("run p.rhai --context main").exits(13).says("verified another version of this playbook");
}

#[test]
fn an_account_that_may_not_keep_places_is_told_what_to_grant() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("grant");
    let user = format!("user-{ns}");
    server.permit(&user, &ns, "{apiGroups: [''], resources: [configmaps], verbs: [get, list, watch, patch, create]}");
    server.permit_identity(&user);
    server.apply("{apiVersion: v1, kind: Namespace, metadata: {name: runbook-system}}");
    let world = World::new(TOML, &[]);
    world.kubeconfig_of(&[("staging", server.kubeconfig_as(&user, &[]))], None);
    let items = format!("{}.verify(\"it is there\", || {});", write(&ns, "first"), exists(&ns, "first"));
    world.file("p.rhai", &scoped(&ns, "\"staging\"", &exists(&ns, "first"), &items));
    world
        .run("run p.rhai --context staging")
        .exits(12)
        .says("no place can be kept, so nothing is changed")
        .says("kubectl create role runbook -n runbook-system --verb=get,list,create,update,delete --resource=leases.coordination.k8s.io,configmaps")
        .says(&format!("kubectl create rolebinding runbook -n runbook-system --role=runbook --user={user}"))
        .says("store = \"local\"");
    assert!(world.runs().is_empty());
    let verbs = "verbs: [get, list, create, update, delete]";
    server.permit(
        &user,
        "runbook-system",
        &format!(
            "{{apiGroups: ['coordination.k8s.io'], resources: [leases], {verbs}}}, {{apiGroups: [''], resources: [configmaps], {verbs}}}"
        ),
    );
    world.run("run p.rhai --context staging").exits(0);
}
