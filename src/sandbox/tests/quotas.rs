use super::*;

const QUOTAS: &str = "/api/v1/namespaces/default/resourcequotas";
const PODS: &str = "/api/v1/namespaces/default/pods";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

fn quota(hard: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "team"}, "spec": {"hard": hard}})
}

fn pod(name: &str, cpu: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": "nginx", "resources": {"requests": {"cpu": cpu}}}]},
    })
}

fn deployment(replicas: i64, cpu: &str) -> Value {
    let pod = pod("web", cpu);
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod["spec"]},
        },
    })
}

#[tokio::test]
async fn what_a_quota_has_left_follows_what_comes_and_goes() {
    let sandbox = sandbox();
    sandbox.post(QUOTAS, quota(json!({"pods": "3", "requests.cpu": "1", "configmaps": "5"}))).await;
    let fresh = sandbox.until(QUOTAS, "team", |quota| quota["status"]["used"]["pods"] == "0").await;
    assert_eq!(fresh["status"]["hard"], json!({"pods": "3", "requests.cpu": "1", "configmaps": "5"}));
    assert_eq!(sandbox.post(PODS, pod("a", "600m")).await.0, 201);
    let (_, charged) = sandbox.get(&format!("{QUOTAS}/team")).await;
    assert_eq!(charged["status"]["used"]["requests.cpu"], "600m", "noted with the write itself");
    let (code, refused) = sandbox.post(PODS, pod("b", "0.5")).await;
    assert_eq!(code, 403);
    assert_eq!(
        refused["message"],
        "pods \"b\" is forbidden: exceeded quota: team, requested: requests.cpu=500m, used: requests.cpu=600m, limited: requests.cpu=1"
    );
    let (code, silent) = sandbox.post(PODS, json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "c"}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}})).await;
    assert_eq!(
        (code, silent["message"].as_str()),
        (403, Some("pods \"c\" is forbidden: failed quota: team: must specify requests.cpu for: c"))
    );
    sandbox.delete(&format!("{PODS}/a?gracePeriodSeconds=0")).await;
    sandbox.until(QUOTAS, "team", |quota| quota["status"]["used"]["requests.cpu"] == "0").await;
    assert_eq!(sandbox.post(PODS, pod("b", "0.5")).await.0, 201);
}

#[tokio::test]
async fn a_workload_that_a_quota_stops_says_so_and_goes_on_when_it_grows() {
    let sandbox = sandbox();
    sandbox.post(QUOTAS, quota(json!({"requests.cpu": "1"}))).await;
    assert_eq!(sandbox.post(DEPLOYMENTS, deployment(3, "400m")).await.0, 201);
    let stopped =
        sandbox.until(DEPLOYMENTS, "web", |object| condition(object, "ReplicaFailure")["status"] == "True").await;
    let message = condition(&stopped, "ReplicaFailure")["message"].as_str().unwrap_or_default().to_owned();
    assert!(
        message.contains("exceeded quota: team, requested: requests.cpu=400m, used: requests.cpu=800m"),
        "{message}"
    );
    sandbox.merge(&format!("{QUOTAS}/team"), json!({"spec": {"hard": {"requests.cpu": "2"}}})).await;
    sandbox.until(DEPLOYMENTS, "web", |object| object["status"]["readyReplicas"] == 3).await;
    sandbox.until(QUOTAS, "team", |quota| quota["status"]["used"]["requests.cpu"] == "1200m").await;
}

#[tokio::test]
async fn limits_fill_in_what_a_template_does_not_say() {
    let sandbox = sandbox();
    let limits = json!({
        "apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "team"},
        "spec": {"limits": [{"type": "Container", "defaultRequest": {"memory": "64Mi"}, "max": {"memory": "1Gi"}}]},
    });
    sandbox.post("/api/v1/namespaces/default/limitranges", limits).await;
    sandbox.post(QUOTAS, quota(json!({"requests.memory": "100Mi"}))).await;
    sandbox.post(DEPLOYMENTS, deployment(2, "1m")).await;
    sandbox.until(DEPLOYMENTS, "web", |object| condition(object, "ReplicaFailure")["status"] == "True").await;
    let (_, pods) = sandbox.get(PODS).await;
    let resources = &pods["items"][0]["spec"]["containers"][0]["resources"];
    assert_eq!(resources, &json!({"requests": {"cpu": "1m", "memory": "64Mi"}, "limits": {"memory": "1Gi"}}), "{pods}");
}
