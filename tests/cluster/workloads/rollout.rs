//! A rollout from its command line to its end, and what is read where one fails.

use std::path::Path;

use super::{World, play};
use crate::apiserver::workloads;

#[test]
fn the_playbook_of_a_rollout_gives_a_real_deployment_another_image() {
    let Some(cluster) = workloads::shared() else { return };
    let mut world = World::new("[contexts.staging]\n", &[("staging", &cluster)]);
    world.env.push(("RUNBOOK_CONFIG", world.path("runbook.toml")));
    let playbook = Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks/rollout-image.rhai");
    let run = format!("run {} --context staging -p image=registry.k8s.io/pause:3.10", playbook.display());
    world.run(&run).exits(0).says("the rollout is complete: holds");
    let demo = cluster.get("Deployment/default/demo").unwrap();
    assert_eq!(demo["spec"]["template"]["spec"]["containers"][0]["image"], "registry.k8s.io/pause:3.10");
    assert_eq!(demo["status"]["updatedReplicas"], 2);
    assert_eq!(
        demo["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "2",
        "a rollout, not a first start"
    );
    let first = world.new_run(&[]);
    assert_eq!(world.journal(&first).outcomes(), ["applied", "applied"]);
    world.run(&format!("undo {first}")).exits(0);
    assert!(
        cluster.get("Deployment/default/demo").is_none_or(|demo| demo["metadata"]["deletionTimestamp"].is_string())
    );
}

#[test]
fn of_a_rollout_that_fails_the_controllers_own_words_are_read_and_its_way_back_is_a_rollout_too() {
    let Some(cluster) = workloads::shared() else { return };
    let ns = cluster.namespace_for_pods("rollout");
    cluster.apply(&format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: shop, namespace: {ns}}}, spec: {{replicas: 2, progressDeadlineSeconds: 2,
  selector: {{matchLabels: {{app: shop}}}}, template: {{metadata: {{labels: {{app: shop}}}}, spec: {{containers: [{{name: shop, image: 'app:1'}}]}}}}}}}}"
    ));
    let reference = format!("Deployment/{ns}/shop");
    cluster.wait(&reference, "it is up", |d| d["status"]["availableReplicas"] == 2);
    let world = World::new("[contexts.workloads]\n", &[("workloads", &cluster)]);
    let step = format!("rollout::image(\"{reference}\", \"shop\", \"app:nowhere\", #{{ within: \"6s\" }});");
    let playbook = play("\"workloads\"", &format!("k8s::exists(\"{reference}\")"), &step);
    world.file("p.rhai", &format!("import \"std/rollout\" as rollout;\n{playbook}"));
    let failed = world.run("run p.rhai --context workloads");
    let deployment = cluster.get(&reference).unwrap();
    let conditions = deployment["status"]["conditions"].as_array().unwrap();
    let said = conditions.iter().find(|c| c["type"] == "Progressing").unwrap()["message"].as_str().unwrap().to_owned();
    assert!(said.contains("has timed out progressing"), "{said}");
    failed.exits(10).says("Failed: ProgressDeadlineExceeded").says(&said);
    assert_eq!(deployment["status"]["availableReplicas"], 2, "the old ones serve on");

    let run = world.new_run(&[]);
    assert!(world.incidents().contains(&said), "the record says it too: {}", world.incidents());
    world.run(&format!("undo {run}")).exits(0);
    let back = cluster.get(&reference).unwrap();
    assert_eq!(back["spec"]["template"]["spec"]["containers"][0]["image"], "app:1");
    cluster.client().delete(&format!("Namespace/{ns}"));
}
