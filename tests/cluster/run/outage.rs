//! An API server that goes away while a verify waits.

use super::{World, eventually, play};
use crate::apiserver;

#[test]
fn an_api_server_that_is_gone_is_waited_for_and_what_it_would_have_said_is_unknown() {
    let Some(server) = apiserver::Cluster::start("outage") else { return };
    let ns = server.namespace("outage");
    let world = World::new("[contexts.outage]\n", &[("outage", &server)]);
    let playbook = |name: &str, within: &str, stays: &str| {
        let signal = format!("k8s::get(\"ConfigMap/{ns}/{name}-signal\").data.go == \"yes\"");
        let step = format!(
            "step(\"Write\").change(|| k8s::apply(#{{ apiVersion: \"v1\", kind: \"ConfigMap\",
    metadata: #{{ name: \"{name}\", namespace: \"{ns}\" }} }})).verify(\"the signal came\", || {signal}).within(\"{within}\"){stays};"
        );
        world.file(&format!("{name}.rhai"), &play("\"outage\"", &signal, &step));
    };
    let signal = |name: &str| {
        server.apply(&format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}-signal, namespace: {ns}}}, data: {{go: 'yes'}}}}"
        ))
    };

    // shorter than the verify waits
    playbook("short", "3m", "");
    let mut live = world.start("run short.rhai --context outage");
    let run = world.new_run(&[]);
    world.sees(&run, "verify.observed", |p| p["verdict"] == "not-yet");
    server.stop_api();
    let seen = world.sees(&run, "verify.observed", |p| p["verdict"] == "unknown");
    assert!(seen["p"]["reason"].as_str().unwrap().starts_with("unknown since 20"), "{seen}");
    assert!(live.works());
    server.start_api();
    signal("short");
    live.ends().exits(0);
    assert_eq!(world.journal(&run).outcomes(), ["applied"]);

    // while it has to stay true: that nobody answered is no flap, and the time begins anew
    playbook("held", "3m", ".stays(\"8s\")");
    signal("held");
    let watched =
        || server.client().metric("apiserver_longrunning_requests", &[("resource", "configmaps"), ("verb", "WATCH")]);
    let (known, before) = (world.runs(), watched());
    let live = world.start("run held.rhai --context outage");
    let run = world.new_run(&known);
    eventually("it holds and is watched", || (watched() > before).then_some(()));
    server.stop_api();
    world.sees(&run, "verify.observed", |p| p["verdict"] == "unknown");
    server.start_api();
    live.ends().exits(0);
    let held = &world.journal(&run).of("step.verified")[0]["verifies"][0];
    assert_eq!((&held["verdict"], &held["flaps"]), (&"holds".into(), &0.into()), "{held}");

    // longer than it waits
    playbook("long", "10s", "");
    let known = world.runs();
    let live = world.start("run long.rhai --context outage");
    let run = world.new_run(&known);
    world.sees(&run, "verify.observed", |p| p["verdict"] == "not-yet");
    server.stop_api();
    let ended = live.ends();
    ended.exits(40).says("unknown since 20").says(&format!("runbook resume {run}"));
    assert_eq!(world.journal(&run).of("step.failed")[0]["failure"]["kind"], "unknown");
    server.start_api();
    signal("long");
    world.run(&format!("resume {run}")).exits(0);
    // the change had its answer, so it was not sent again
    assert_eq!(world.journal(&run).outcomes(), ["applied"]);
}
