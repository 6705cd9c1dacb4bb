//! Workloads from the top to their Pods, each on its happy path and with its faults.

use super::*;

const APPS: &str = "/apis/apps/v1/namespaces/default";
const PODS: &str = "/api/v1/namespaces/default/pods";

fn telling(faults: &[&str]) -> Sandbox {
    let sandbox = sandbox();
    let faults = faults.iter().map(|text| text.parse().expect("a fault")).collect();
    sandbox.set_faults(faults).expect("they do something");
    sandbox
}

fn workload(kind: &str, replicas: i64) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "api"},
        "spec": {
            "replicas": replicas, "serviceName": "api", "selector": {"matchLabels": {"app": "api"}},
            "updateStrategy": {"type": "RollingUpdate"},
            "template": {
                "metadata": {"labels": {"app": "api"}},
                "spec": {"containers": [{"name": "c", "image": "api:1", "ports": [{"name": "http", "containerPort": 8080}]}]},
            },
        },
    })
}

fn deployment(replicas: i64) -> Value {
    let mut deployment = workload("Deployment", replicas);
    for field in ["serviceName", "updateStrategy"] {
        meta::map_mut(&mut deployment["spec"]).remove(field);
    }
    deployment
}

async fn pods(sandbox: &Sandbox) -> Vec<Value> {
    sandbox.get(PODS).await.1["items"].as_array().cloned().unwrap_or_default()
}

#[tokio::test]
async fn a_deployment_rolls_out_through_replica_sets_and_back() {
    let sandbox = sandbox();
    let all = format!("{APPS}/deployments");
    sandbox.post(&all, deployment(2)).await;
    let done = |object: &Value| condition(object, "Progressing")["reason"] == "NewReplicaSetAvailable";
    let first = sandbox.until(&all, "api", done).await;
    assert_eq!((&first["status"]["availableReplicas"], &first["status"]["replicas"]), (&json!(2), &json!(2)));
    assert_eq!(pods(&sandbox).await.len(), 2);
    let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "api:2"}]}}}});
    sandbox.merge(&format!("{all}/api"), image).await;
    let at = |revision: &'static str| {
        move |object: &Value| {
            done(object) && object["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == revision
        }
    };
    sandbox.until(&all, "api", at("2")).await;
    assert!(pods(&sandbox).await.iter().all(|pod| pod["spec"]["containers"][0]["image"] == "api:2"));
    let image = json!({"spec": {"template": {"spec": {"containers": [
        {"name": "c", "image": "api:1", "ports": [{"name": "http", "containerPort": 8080}]}]}}}});
    sandbox.merge(&format!("{all}/api"), image).await;
    sandbox.until(&all, "api", at("3")).await;
    let sets = sandbox.get(&format!("{APPS}/replicasets")).await.1;
    assert_eq!(sets["items"].as_array().map(Vec::len), Some(2), "the first template has its ReplicaSet again");
}

#[tokio::test]
async fn a_deployments_faults_reach_its_pods() {
    let sandbox = telling(&["Deployment/default/api: ImagePullBackOff: no such image"]);
    let all = format!("{APPS}/deployments");
    sandbox.post(&all, deployment(1)).await;
    let failed = sandbox.until(&all, "api", |object| condition(object, "Progressing")["status"] == "False").await;
    assert_eq!(condition(&failed, "Progressing")["reason"], "ProgressDeadlineExceeded");
    assert!(condition(&failed, "Progressing")["message"].to_string().contains("no such image"), "{failed}");
    let name = pods(&sandbox).await[0]["metadata"]["name"].as_str().expect("named").to_owned();
    let waits = |pod: &Value| pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "ImagePullBackOff";
    sandbox.until(PODS, &name, waits).await;
    // the fault is taken back: everything becomes ready
    sandbox.set_faults(vec![]).expect("none is fine");
    sandbox.until(&all, "api", |object| condition(object, "Available")["status"] == "True").await;
}

#[tokio::test]
async fn a_stalled_deployment_keeps_waiting_and_a_flapping_pod_comes_and_goes() {
    let sandbox = telling(&["Deployment/default/api: stall", "Pod/default/w*: flap 100ms"]);
    let all = format!("{APPS}/deployments");
    sandbox.post(&all, deployment(1)).await;
    let waits = sandbox.until(&all, "api", |object| object["status"]["unavailableReplicas"] == 1).await;
    assert_eq!(condition(&waits, "Progressing")["status"], "True");
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "worker"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    sandbox.post(PODS, pod).await;
    let mut lines = sandbox.watch(&format!("{PODS}?watch=true&fieldSelector=metadata.name%3Dworker")).await;
    let mut seen = Vec::new();
    while seen.len() < 4 {
        let ready = condition(&lines.next().await["object"], "Ready")["status"].as_str().unwrap_or_default().to_owned();
        if !ready.is_empty() && seen.last() != Some(&ready) {
            seen.push(ready);
        }
    }
    let from = seen.iter().position(|ready| ready == "True").expect("it was ready once");
    assert_eq!(seen[from..from + 2], ["True", "False"], "{seen:?}");
}

#[tokio::test]
async fn a_stateful_set_makes_numbered_pods_with_claims_and_rolls_them() {
    let sandbox = sandbox();
    let all = format!("{APPS}/statefulsets");
    let mut set = workload("StatefulSet", 2);
    let claim = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
    set["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"}, "spec": claim}]);
    sandbox.post(&all, set).await;
    let ready = |object: &Value| object["status"]["readyReplicas"] == 2 && object["status"]["updatedReplicas"] == 2;
    let first = sandbox.until(&all, "api", ready).await;
    let names: Vec<Value> = pods(&sandbox).await.iter().map(|pod| pod["metadata"]["name"].clone()).collect();
    assert_eq!(names, ["api-0", "api-1"]);
    let claims = sandbox.get("/api/v1/namespaces/default/persistentvolumeclaims/data-api-1").await.1;
    assert_eq!(claims["status"]["phase"], "Bound");
    let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "api:2"}]}}}});
    sandbox.merge(&format!("{all}/api"), image).await;
    let rolled = |object: &Value| {
        ready(object)
            && object["status"]["currentRevision"] == object["status"]["updateRevision"]
            && object["status"]["updateRevision"] != first["status"]["updateRevision"]
    };
    sandbox.until(&all, "api", rolled).await;
}

#[tokio::test]
async fn a_daemon_set_has_a_pod_on_each_node() {
    let sandbox = sandbox();
    let all = format!("{APPS}/daemonsets");
    let mut set = workload("DaemonSet", 1);
    for field in ["replicas", "serviceName"] {
        meta::map_mut(&mut set["spec"]).remove(field);
    }
    sandbox.post(&all, set).await;
    let ready = |object: &Value| object["status"]["numberAvailable"] == object["status"]["desiredNumberScheduled"];
    let set = sandbox.until(&all, "api", |object| object["status"].is_object() && ready(object)).await;
    assert_eq!(set["status"]["updatedNumberScheduled"], set["status"]["desiredNumberScheduled"]);
}

fn job() -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once"},
        "spec": {"completions": 2, "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}},
    })
}

#[tokio::test]
async fn a_job_completes_and_a_faulty_one_fails_with_its_message() {
    let jobs = "/apis/batch/v1/namespaces/default/jobs";
    let good = sandbox();
    good.post(jobs, job()).await;
    let done = good.until(jobs, "once", |object| condition(object, "Complete")["status"] == "True").await;
    assert_eq!(done["status"]["succeeded"], 2);
    assert!(done["status"]["completionTime"].is_string());
    let bad = telling(&["Job/default/once: the migration found a lock"]);
    bad.post(jobs, job()).await;
    let failed = bad.until(jobs, "once", |object| condition(object, "Failed")["status"] == "True").await;
    assert_eq!(condition(&failed, "Failed")["reason"], "BackoffLimitExceeded");
    assert!(condition(&failed, "Failed")["message"].to_string().contains("found a lock"), "{failed}");
}

#[tokio::test]
async fn a_pod_waits_for_the_secret_that_it_needs() {
    let sandbox = sandbox();
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "i", "envFrom": [{"secretRef": {"name": "login"}}]}]},
    });
    sandbox.post(PODS, pod).await;
    let waiting = |pod: &Value| pod["status"]["containerStatuses"][0]["state"]["waiting"].clone();
    let pod = sandbox.until(PODS, "p", |pod| waiting(pod)["reason"] == "CreateContainerConfigError").await;
    assert_eq!(waiting(&pod)["message"], "secret \"login\" not found");
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}});
    sandbox.post("/api/v1/namespaces/default/secrets", secret).await;
    sandbox.until(PODS, "p", |pod| condition(pod, "Ready")["status"] == "True").await;
}

#[tokio::test]
async fn a_service_gets_an_address_and_endpoints_and_its_pods_have_logs_and_budgets() {
    let sandbox = sandbox();
    sandbox.post(&format!("{APPS}/deployments"), deployment(1)).await;
    let services = "/api/v1/namespaces/default/services";
    let spec =
        json!({"type": "LoadBalancer", "selector": {"app": "api"}, "ports": [{"port": 80, "targetPort": "http"}]});
    sandbox
        .post(services, json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "api"}, "spec": spec}))
        .await;
    sandbox.until(services, "api", |object| object["status"]["loadBalancer"]["ingress"][0]["ip"].is_string()).await;
    let endpoints = "/api/v1/namespaces/default/endpoints";
    let found = sandbox.until(endpoints, "api", |object| object["subsets"][0]["addresses"].is_array()).await;
    assert_eq!(found["subsets"][0]["ports"][0]["port"], 8080);
    let slices = sandbox.get("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices").await.1;
    assert_eq!(slices["items"][0]["metadata"]["labels"]["kubernetes.io/service-name"], "api");
    let pod = pods(&sandbox).await[0]["metadata"]["name"].as_str().expect("named").to_owned();
    assert_eq!(sandbox.get(&format!("{PODS}/{pod}/log")).await, (200, json!("")));
    let (code, refused) = sandbox.get(&format!("{PODS}/{pod}/log?container=other")).await;
    assert!(code == 400 && refused["message"].to_string().contains("not valid"), "{refused}");
    let budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "api"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "api"}}},
    });
    sandbox.post("/apis/policy/v1/namespaces/default/poddisruptionbudgets", budget).await;
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}});
    let (code, refused) = sandbox.post(&format!("{PODS}/{pod}/eviction"), eviction.clone()).await;
    assert!(code == 429 && refused["details"]["causes"][0]["reason"] == "DisruptionBudget", "{refused}");
    sandbox.delete("/apis/policy/v1/namespaces/default/poddisruptionbudgets/api").await;
    assert_eq!(sandbox.post(&format!("{PODS}/{pod}/eviction"), eviction).await.0, 201);
    assert_eq!(sandbox.get(&format!("{PODS}/{pod}")).await.0, 404);
}

#[tokio::test]
async fn a_fault_that_would_do_nothing_is_refused_with_the_reason() {
    let sandbox = sandbox();
    for (text, why) in [
        ("HelmRelese/web/grafana: x", "did you mean HelmRelease?"),
        ("HelmRelease/grafana: x", "HelmRelease/namespace/name"),
        ("ConfigMap/web/a: x", "nothing makes a ConfigMap ready"),
    ] {
        let idle = sandbox.set_faults(vec![text.parse().expect("a fault")]).expect_err("refused");
        assert!(idle[0].1.contains(why), "{idle:?}");
    }
}

#[tokio::test]
async fn an_autoscaler_finds_its_target_and_numbers_or_says_why_not() {
    let sandbox = telling(&["HorizontalPodAutoscaler/default/blind: no metrics are known"]);
    let all = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers";
    for name in ["api", "blind"] {
        let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "api"});
        let autoscaler = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": name}, "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 3}});
        assert_eq!(sandbox.post(all, autoscaler).await.0, 201);
    }
    let lost = |object: &Value| condition(object, "AbleToScale")["reason"] == "FailedGetScale";
    let lost = sandbox.until(all, "api", lost).await;
    let words = condition(&lost, "AbleToScale")["message"].as_str().unwrap().to_owned();
    assert!(words.ends_with("deployments/scale.apps \"api\" not found"), "{words}");

    sandbox.post(&format!("{APPS}/deployments"), deployment(2)).await;
    let reason = |reason: &'static str| move |object: &Value| condition(object, "ScalingActive")["reason"] == reason;
    let found = sandbox.until(all, "api", reason("ValidMetricFound")).await;
    assert_eq!((&found["status"]["currentReplicas"], &found["status"]["desiredReplicas"]), (&json!(2), &json!(2)));
    let blind = sandbox.until(all, "blind", reason("FailedGetResourceMetric")).await;
    assert!(condition(&blind, "ScalingActive")["message"].as_str().unwrap().contains("no metrics are known"));

    sandbox.merge(&format!("{APPS}/deployments/api"), json!({"spec": {"replicas": 0}})).await;
    sandbox.until(all, "api", reason("ScalingDisabled")).await;
}
