//! An account that may not do everything.

use std::time::{Duration, Instant};

use super::{World, play};
use crate::apiserver;

/// What this account may do in a namespace, beside finding out which cluster it is.
fn permit(server: &apiserver::Cluster, user: &str, namespace: &str, verbs: &str) {
    server.permit_identity(user);
    server.permit(user, namespace, &format!("{{apiGroups: [''], resources: [configmaps], verbs: [{verbs}]}}"));
}

/// A world that reaches staging as this account.
fn world(server: &apiserver::Cluster, user: &str, namespace: &str, verify: &str) -> World {
    let world = World::new("[contexts.staging]\n", &[]);
    world.kubeconfig_of(&[("staging", server.kubeconfig_as(user, &[]))], None);
    let step = format!(
        "step(\"Write\").change(|| k8s::apply(#{{ apiVersion: \"v1\", kind: \"ConfigMap\",
    metadata: #{{ name: \"a\", namespace: \"{namespace}\" }} }})).verify(\"it is seen\", || {verify}).within(\"2m\");"
    );
    world.file("p.rhai", &play("\"staging\"", verify, &step));
    world
}

#[test]
fn what_is_not_permitted_is_found_before_anything_changes_with_the_rule_that_grants_it() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("reader");
    let user = format!("user-{ns}");
    permit(server, &user, &ns, "get, list, watch");
    let world =
        world(server, &user, &ns, &format!("k8s::exists(\"ConfigMap/{ns}/a\") && !k8s::exists(\"Secret/{ns}/a\")"));
    world
        .run("run p.rhai --context staging")
        .exits(12)
        .says(&format!(
            "account {user} may not create, patch configmaps in namespace {ns}, which ConfigMap/{ns}/a needs"
        ))
        .says(&format!("account {user} may not list secrets in namespace {ns}"))
        .says(&format!("a Role of namespace {ns} that is bound to account {user}"))
        .says("{apiGroups: [\"\"], resources: [\"configmaps\"], verbs: [create, patch]}");
    assert!(server.get(&format!("ConfigMap/{ns}/a")).is_none());
    let run = world.new_run(&[]);
    assert!(world.journal(&run).outcomes().is_empty());

    // once it is, a run of it goes through
    server.permit(
        &user,
        &ns,
        "{apiGroups: [''], resources: [configmaps, secrets], verbs: [get, list, watch, patch, create]}",
    );
    world.run("run p.rhai --context staging").exits(0);
    assert!(server.get(&format!("ConfigMap/{ns}/a")).is_some());
}

#[test]
fn a_change_that_is_not_permitted_any_more_fails_its_step_and_names_what_is_missing() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("writer");
    let user = format!("user-{ns}");
    permit(server, &user, &ns, "get, list, watch, patch, create");
    let world = world(server, &user, &ns, &format!("k8s::exists(\"ConfigMap/{ns}/a\")"));
    let playbook = std::fs::read_to_string(world.path("p.rhai")).unwrap();
    // what was permitted in preflight is taken away while the run waits for a person
    world.file(
        "p.rhai",
        &playbook
            .replace("step(\"Write\")", "step(\"Wait\").manual(\"wait\").verify(\"so\", || true).irreversible(\"nothing is done\");\nstep(\"Write\")"),
    );
    world.run("run p.rhai --context staging").exits(20);
    permit(server, &user, &ns, "get, list, watch");
    let run = world.new_run(&[]);
    world.run(&format!("done {run} one/wait --reason 'waited'")).exits(0);
    let ended = world.run(&format!("resume {run}"));
    ended.exits(11).says(&user).says("cannot patch resource \"configmaps\"").says(&ns);
    assert!(server.get(&format!("ConfigMap/{ns}/a")).is_none());
    assert_eq!(world.journal(&run).outcomes(), ["failed"]);

    // and goes on once it is
    permit(server, &user, &ns, "get, list, watch, patch, create");
    world.run(&format!("resume {run}")).exits(0);
    assert!(server.get(&format!("ConfigMap/{ns}/a")).is_some());
}

#[test]
fn a_verify_that_may_not_look_fails_soon_and_names_what_is_missing() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("blind");
    let user = format!("user-{ns}");
    permit(server, &user, &ns, "get, list, watch, patch, create");
    // what it reads is known only once the object is there
    let verify = format!("k8s::get(\"ConfigMap/{ns}/a\").metadata.uid != \"\" && k8s::exists(\"Secret/{ns}/a\")");
    let world = world(server, &user, &ns, &verify);
    let started = Instant::now();
    let ended = world.run("run p.rhai --context staging");
    ended.exits(10).says(&user).says("cannot list resource \"secrets\"").says(&ns);
    let failed = &world.journal(&world.new_run(&[])).of("step.failed")[0]["failure"]["verifies"][0];
    assert!(failed["evaluations"].as_u64().unwrap() >= 4, "{failed}");
    // four times over ten seconds, not the two minutes that it might have had
    let took = started.elapsed();
    assert!(took > Duration::from_secs(10) && took < Duration::from_mins(1), "{took:?}");
}

#[test]
fn a_verify_that_may_list_but_not_watch_polls_and_says_so() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("poller");
    let user = format!("user-{ns}");
    permit(server, &user, &ns, "get, list, patch, create");
    let signal = format!("k8s::get(\"ConfigMap/{ns}/signal\").data.go == \"yes\"");
    let world = world(server, &user, &ns, &signal);
    let live = world.start("run p.rhai --context staging");
    let run = world.new_run(&[]);
    world.sees(&run, "verify.observed", |p| p["verdict"] == "not-yet");
    server.apply(&format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: signal, namespace: {ns}}}, data: {{go: 'yes'}}}}"
    ));
    live.ends().exits(0).says("cannot be watched, so it is listed again and again");
    let notes = world.journal(&run).of("note.added");
    assert!(notes.iter().any(|note| note["text"].as_str().unwrap().contains("ConfigMap")), "{notes:?}");
}
