//! What goes on inside of pods, through a real API server and a kubelet that the test plays: commands, logs, jobs.

use http::Method;
use serde_json::{Value, json};

use super::{World, eventually, play};
use crate::apiserver::{
    self,
    kubelet::{Ends, Kubelet},
};

fn world(server: &apiserver::Cluster, ns: &str, items: &str) -> World {
    let world = World::new("[contexts.staging]\n", &[("staging", server)]);
    world.file("p.rhai", &play("\"staging\"", &format!("k8s::exists(\"Namespace/{ns}\")"), &items.replace("NS", ns)));
    world
}

fn run(world: &World) -> super::world::Outcome {
    world.run("run p.rhai --context staging")
}

#[test]
fn a_command_in_a_container_gives_what_it_printed_and_reads_what_it_is_given() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("exec");
    let kubelet = Kubelet::play(server);
    kubelet.pod(&ns, "shop", "{app: shop}");
    kubelet.runs(|command| match &command.stdin {
        Some(text) => Ends { stderr: "reading\n".into(), ..Ends::printing(&text.to_uppercase()) },
        None => Ends::printing(&format!("{}\n", command.argv.join("|"))),
    });
    let items = r#"step("Print").change(|| k8s::exec("Pod/NS/shop", ["echo", "a b", "c&d"]))
    .verify("it printed its words", || output().stdout == "echo|a b|c&d\n" && output().status == 0)
    .irreversible("it only prints");
step("Read").change(|| k8s::exec("Pod/NS/shop", ["cat"], #{ container: "main", stdin: "some text" }))
    .verify("it read to the end", || output().stdout == "SOME TEXT" && output().stderr == "reading\n")
    .irreversible("it only prints");"#;
    run(&world(server, &ns, items)).exits(0);
    let ran = kubelet.ran();
    assert_eq!(ran.len(), 2, "each command ran once: {ran:?}");
    assert_eq!(ran[0].container, format!("{ns}/shop/main"));
    assert_eq!(ran[1].stdin.as_deref(), Some("some text"));
}

#[test]
fn a_command_that_fails_in_its_container_fails_the_step_with_its_status_and_last_lines() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("exec-fails");
    let kubelet = Kubelet::play(server);
    kubelet.pod(&ns, "shop", "{app: shop}");
    kubelet.runs(|_| Ends { stderr: "starting\nno space left on device\n".into(), status: 28, ..Ends::default() });
    let world = world(
        server,
        &ns,
        r#"step("Migrate").change(|| k8s::exec("Pod/NS/shop", ["migrate"])).verify("done", || output().status == 0)
    .irreversible("a migration is not taken back");"#,
    );
    run(&world)
        .exits(11)
        .says(&format!("`Pod/{ns}/shop: migrate` ended with status 28 and said:"))
        .says("  no space left on device")
        .says(" --commands");
    let journal = world.journal(&world.new_run(&[]));
    assert_eq!(journal.outcomes(), ["failed"]);
    assert_eq!(journal.of("effected")[0]["output"]["status"], 28);
}

#[test]
fn a_command_that_does_not_end_in_its_time_is_left_and_its_outcome_is_unknown() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("exec-hangs");
    let kubelet = Kubelet::play(server);
    kubelet.pod(&ns, "shop", "{app: shop}");
    kubelet.runs(|_| Ends { stdout: "working\n".into(), never: true, ..Ends::default() });
    let world = world(
        server,
        &ns,
        r#"step("Migrate").change(|| k8s::exec("Pod/NS/shop", ["migrate"])).verify("done", || output().status == 0)
    .irreversible("a migration is not taken back").timeout("1s");"#,
    );
    run(&world).exits(40).says(&format!("exec in Pod/{ns}/shop"));
    eventually("the command is left", || (kubelet.left() == 1).then_some(()));
    assert_eq!(kubelet.ran().len(), 1);
    let run = world.new_run(&[]);
    // not idempotent: it is not sent again by itself
    world.run(&format!("resume {run}")).exits(40);
    assert_eq!(kubelet.ran().len(), 1);
}

#[test]
fn logs_are_those_of_the_container_that_is_asked_for_and_of_each_pod_of_a_workload() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("logs");
    let kubelet = Kubelet::play(server);
    server.apply(&format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: shop, namespace: {ns}}}, spec: {{replicas: 2, selector: {{matchLabels: {{app: shop}}}}, template: {{metadata: {{labels: {{app: shop}}}}, spec: {{containers: [{{name: main, image: main}}]}}}}}}}}"
    ));
    for pod in ["shop-a", "shop-b"] {
        kubelet.pod(&ns, pod, "{app: shop}");
        kubelet.log(&format!("{ns}/{pod}/main"), &format!("one\ntwo\n{pod} is up\n"));
    }
    kubelet.log(&format!("{ns}/shop-a/main:previous"), "it crashed\n");
    let items = r#"step("Look")
    .verify("the last line", || k8s::logs("Pod/NS/shop-a", #{ tail: 1 }) == "shop-a is up\n")
    .verify("of all pods", || k8s::logs("Deployment/NS/shop", #{ tail: 2 }) == "two\nshop-a is up\ntwo\nshop-b is up\n")
    .verify("since a while", || k8s::logs("Pod/NS/shop-b", #{ since: "10m", container: "main" }).contains("shop-b is up"))
    .verify("before its restart", || k8s::logs("Pod/NS/shop-a", #{ previous: true }) == "it crashed\n");"#;
    run(&world(server, &ns, items)).exits(0);
    let asked = kubelet.asked();
    assert!(asked.iter().any(|asked| asked.contains("sinceSeconds=600")), "{asked:?}");
    assert!(asked.iter().any(|asked| asked.contains("tailLines=1000")), "without a tail, the last 1000: {asked:?}");

    let wrong = r#"step("Look").verify("of a container that is not there", || k8s::logs("Pod/NS/shop-a", #{ container: "other" }) == "").within("1s");"#;
    run(&world(server, &ns, wrong)).exits(10).says("container other is not valid for pod shop-a");
}

/// Plays the job controller for one Job: waits until it is made, makes its Pod and ends it like this.
fn end_job(server: &apiserver::Cluster, kubelet: &Kubelet, ns: &str, log: &str, failed: bool) {
    end_this_job(server, kubelet, (ns, "migrate"), log, failed);
}

/// The same for a Job of any namespace and name.
pub(super) fn end_this_job(
    server: &apiserver::Cluster,
    kubelet: &Kubelet,
    (ns, name): (&str, &str),
    log: &str,
    failed: bool,
) {
    let job = server.wait(&format!("Job/{ns}/{name}"), "it is made", |_| true);
    let uid = job["metadata"]["uid"].as_str().unwrap();
    kubelet.pod(ns, &format!("{name}-x"), &format!("{{batch.kubernetes.io/controller-uid: {uid}}}"));
    kubelet.log(&format!("{ns}/{name}-x/main"), log);
    let condition = |kind: &str| {
        json!({ "type": kind, "status": "True", "reason": if failed { "BackoffLimitExceeded" } else { "CompletionsReached" },
            "message": if failed { "Job has reached the specified backoff limit" } else { "Reached expected number of succeeded pods" },
            "lastTransitionTime": "2026-01-01T00:00:10Z" })
    };
    let status: Value = if failed {
        json!({ "startTime": "2026-01-01T00:00:00Z", "failed": 1,
            "conditions": [condition("FailureTarget"), condition("Failed")] })
    } else {
        json!({ "startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:00:10Z", "succeeded": 1,
            "conditions": [condition("SuccessCriteriaMet"), condition("Complete")] })
    };
    let body = json!({ "status": status }).to_string().into_bytes();
    let path = format!("/apis/batch/v1/namespaces/{ns}/jobs/{name}/status");
    let (code, answer) = server.client().send(Method::PATCH, &path, "application/merge-patch+json", body);
    assert!(code < 300, "{answer}");
}

const JOB: &str = r#"step("Migrate").change(|| k8s::job(#{ apiVersion: "batch/v1", kind: "Job",
    metadata: #{ name: "migrate", namespace: "NS" },
    spec: #{ backoffLimit: 0, template: #{ spec: #{ restartPolicy: "Never", containers: [#{ name: "main", image: "main" }] } } } }))
    .verify("it has migrated", || output().log.contains("42 rows") && output().succeeded == 1)
    .irreversible("a migration is not taken back");"#;

#[test]
fn a_job_is_waited_for_and_gives_its_log() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("job");
    let kubelet = Kubelet::play(server);
    let world = world(server, &ns, JOB);
    let live = world.start("run p.rhai --context staging");
    end_job(server, &kubelet, &ns, "connecting\n42 rows\n", false);
    live.ends().exits(0);
    // it ran once: what has its name already is not taken for it
    run(&world).exits(12).says(&format!("Job/{ns}/migrate exists already"));
}

#[test]
fn a_job_that_fails_fails_the_step_with_the_controllers_words_and_its_last_line() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("job-fails");
    let kubelet = Kubelet::play(server);
    let live_world = world(server, &ns, JOB);
    let live = live_world.start("run p.rhai --context staging");
    end_job(server, &kubelet, &ns, "connecting\nconnection refused\n", true);
    live.ends()
        .exits(11)
        .says("BackoffLimitExceeded: Job has reached the specified backoff limit")
        .says("the last it logged: connection refused");
}
