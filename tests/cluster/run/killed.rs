//! A run whose process is killed in the middle of a verify.

use super::{World, play};
use crate::apiserver;

#[test]
fn a_run_that_is_killed_while_it_waits_comes_to_the_same_end() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("killed");
    let world = World::new("[contexts.staging]\n", &[("staging", server)]);
    let apply = |name: &str| {
        format!(
            "step(\"Write {name}\").change(|| k8s::apply(#{{ apiVersion: \"v1\", kind: \"ConfigMap\",
    metadata: #{{ name: \"{name}\", namespace: \"{ns}\" }}, data: #{{ v: \"1\" }} }}))"
        )
    };
    let signal = format!("k8s::get(\"ConfigMap/{ns}/signal\").data.go == \"yes\"");
    let steps = format!(
        "{}.verify(\"it is there\", || k8s::exists(\"ConfigMap/{ns}/a\"));
{}.verify(\"the signal came\", || {signal}).within(\"2m\");
{}.verify(\"it is there\", || k8s::exists(\"ConfigMap/{ns}/c\"));",
        apply("a"),
        apply("b"),
        apply("c")
    );
    world.file("p.rhai", &play("\"staging\"", &signal, &steps));
    let live = world.start("run p.rhai --context staging");
    let run = world.new_run(&[]);
    world.sees(&run, "verify.observed", |p| p["verdict"] == "not-yet" && p["text"] == "the signal came");
    live.kill();
    let version =
        |name: &str| server.get(&format!("ConfigMap/{ns}/{name}")).map(|o| o["metadata"]["resourceVersion"].clone());
    let before = (version("a"), version("b"));
    assert!(before.0.is_some() && before.1.is_some() && version("c").is_none());

    // once more, so that a resumed run dies as well
    let live = world.start(&format!("resume {run}"));
    world.sees(&run, "run.resumed", |_| true);
    live.kill();

    server.apply(&format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: signal, namespace: {ns}}}, data: {{go: 'yes'}}}}"
    ));
    world.run(&format!("resume {run}")).exits(0);
    assert_eq!((version("a"), version("b")), before);
    assert!(version("c").is_some());
    let journal = world.journal(&run);
    assert_eq!(journal.of("step.verified").len(), 3);
    for name in ["a", "b", "c"] {
        let target = format!("ConfigMap/{ns}/{name}");
        let sent: Vec<_> =
            journal.of("effect").into_iter().filter(|p| p["effect"]["targets"][0] == target.as_str()).collect();
        // an effect whose answer was not kept may be sent again, as it is idempotent; its first image stands
        assert!(!sent.is_empty() && sent.iter().all(|p| p["effect"]["idempotent"] == true), "{sent:?}");
        assert!(sent.iter().all(|p| p["effect"]["before"][0]["image"].is_null()), "{sent:?}");
    }
    println!("effects sent for 3 steps, killed twice: {}", journal.of("effect").len());
}
