//! A command reaches the cluster of its run, whatever the caller's own kubeconfig says.

use super::{World, play};
use crate::apiserver::{self, assets, or_not_run};

#[test]
fn kubectl_reaches_exactly_the_cluster_of_its_run() {
    let Some(clusters) = apiserver::shared() else { return };
    let Some(_kubectl) = or_not_run(assets::kubectl()) else { return };
    let (staging, main) = (clusters.staging(), clusters.main());
    let ns = staging.namespace("kubectl");
    main.apply(&format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {ns}}}}}"));
    // the context's name is not the kube-context's, and the caller's own current one is another cluster
    let world = World::new("[contexts.blue]\nkube-context = \"admin@staging\"\n", &[]);
    world.kubeconfig(&[("admin@staging", staging), ("main", main)], Some("main"));
    let read = format!("cmd::read([\"kubectl\", \"get\", \"ns\", \"{ns}\", \"-o\", \"json\"])");
    let step = format!(
        "step(\"Label\").change(|| cmd::run([\"kubectl\", \"label\", \"ns\", \"{ns}\", \"reached=yes\"]))
    .verify(\"kubectl reads it\", || {read}.json.metadata.labels.reached == \"yes\")
    .verify(\"the API has it\", || k8s::get(\"Namespace/{ns}\").metadata.labels.reached == \"yes\")
    .verify(\"kubectl has no other context\", || !cmd::read([\"kubectl\", \"config\", \"get-contexts\", \"-o\", \"name\"]).stdout.contains(\"main\"))
    .undo(|| cmd::run([\"kubectl\", \"label\", \"ns\", \"{ns}\", \"reached-\"]));"
    );
    world.file("p.rhai", &play("\"blue\"", &format!("{read}.json.metadata.uid != ()"), &step));
    world.run("run p.rhai --context blue").exits(0);
    let labels =
        |cluster: &apiserver::Cluster| cluster.get(&format!("Namespace/{ns}")).unwrap()["metadata"]["labels"].clone();
    assert_eq!(labels(staging)["reached"], "yes");
    assert!(labels(main)["reached"].is_null());
    // the child's pid was durable before it was waited for, and the private kubeconfig is gone
    let journal = world.journal(&world.new_run(&[]));
    assert_eq!((journal.of("child.started").len(), journal.of("child.ended").len()), (1, 1));
    let left: Vec<_> = std::fs::read_dir(world.tmp()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
}
