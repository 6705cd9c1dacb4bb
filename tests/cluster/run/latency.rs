//! How long it takes from what a server says to what a journal says, and how often it is asked.

use jiff::Timestamp;

use super::{World, eventually, play};
use crate::apiserver;

const VERIFIES: u32 = 100;

/// Requests of this verb about pod templates, which nothing but this test reads.
fn requests(server: &apiserver::Cluster, metric: &str, verb: &str) -> f64 {
    server.client().metric(metric, &[("resource", "podtemplates"), ("verb", verb)])
}

#[test]
fn a_verify_is_one_list_and_one_watch_and_sees_its_event_at_once() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.main();
    let ns = server.namespace("verifies");
    let set = |n: u32| {
        server.apply(&format!(
            "{{apiVersion: v1, kind: PodTemplate, metadata: {{name: a, namespace: {ns}, labels: {{n: 'v{n}'}}}},
               template: {{spec: {{containers: [{{name: c, image: x}}]}}}}}}"
        ));
        Timestamp::now()
    };
    set(0);
    let world = World::new("[contexts.main]\n", &[("main", server)]);
    let steps = (1..=VERIFIES)
        .map(|n| {
            format!("step(\"Wait for {n}\").verify(\"it is {n}\", || k8s::get(\"PodTemplate/{ns}/a\").metadata.labels.n == \"v{n}\").within(\"2m\");\n")
        })
        .collect::<Vec<_>>()
        .concat();
    world.file("p.rhai", &play("\"main\"", "true", &steps));
    let count = || ["LIST", "WATCH"].map(|verb| requests(server, "apiserver_request_total", verb));
    let before = count();
    let live = world.start("run p.rhai --context main");
    let run = world.new_run(&[]);
    let mut times = vec![];
    for n in 1..=VERIFIES {
        let text = format!("it is {n}");
        world.sees(&run, "verify.observed", |p| p["text"] == text.as_str());
        eventually("it is watched", || {
            (requests(server, "apiserver_longrunning_requests", "WATCH") > 0.).then_some(())
        });
        let answered = set(n);
        let verified = eventually("it is verified", || {
            let lines = world.journal(&run).0;
            let line = lines
                .into_iter()
                .find(|l| l["k"] == "step.verified" && l["p"]["verifies"][0]["text"] == text.as_str())?;
            line["t"].as_str()?.parse::<Timestamp>().ok()
        });
        // the event may be seen before the answer
        times.push(verified.duration_since(answered).as_millis().max(0));
    }
    live.ends().exits(0);
    times.sort_unstable();
    println!(
        "answered -> step.verified in the journal, ms over {VERIFIES}: p50 {}, p99 {}, max {}",
        times[times.len() / 2],
        times[times.len() * 99 / 100 - 1],
        times[times.len() - 1]
    );
    let wanted = f64::from(VERIFIES);
    // a watch is counted when it ends
    let asked = eventually("the watches have ended", || {
        let now = count();
        (now[1] - before[1] >= wanted).then(|| [now[0] - before[0], now[1] - before[1]])
    });
    println!("LIST and WATCH requests for {VERIFIES} verifies: {asked:?}");
    assert!(asked.iter().all(|count| (count - wanted).abs() < 0.5), "{asked:?}");
}
