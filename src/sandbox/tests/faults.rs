//! Every controller can be told to fail, to stall and to flap.

use super::*;
use crate::object::readiness;

/// Version, plural and spec of an object of each kind.
fn recipes() -> Vec<(&'static str, &'static str, Value)> {
    let template =
        json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}});
    let workload = json!({"selector": {"matchLabels": {"app": "web"}}, "template": template});
    let mut once = template.clone();
    once["spec"]["restartPolicy"] = "Never".into();
    let mut set = workload.clone();
    set["serviceName"] = "web".into();
    let source = json!({"url": "https://example.com/x", "interval": "1m"});
    let (flux, secrets) = ("source.toolkit.fluxcd.io/v1", "external-secrets.io/v1");
    let gateway = "gateway.networking.k8s.io/v1";
    vec![
        ("v1", "pods", template["spec"].clone()),
        (
            "v1",
            "persistentvolumeclaims",
            json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}),
        ),
        ("v1", "services", json!({"type": "LoadBalancer", "ports": [{"port": 80}]})),
        ("apps/v1", "deployments", workload.clone()),
        ("apps/v1", "replicasets", workload.clone()),
        ("apps/v1", "daemonsets", workload),
        ("apps/v1", "statefulsets", set),
        ("batch/v1", "jobs", json!({"template": once})),
        (
            "autoscaling/v2",
            "horizontalpodautoscalers",
            json!({"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "scaled"}, "maxReplicas": 3}),
        ),
        (
            "networking.k8s.io/v1",
            "ingresses",
            json!({"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}}),
        ),
        (flux, "gitrepositories", source.clone()),
        (flux, "helmrepositories", source.clone()),
        (flux, "ocirepositories", source.clone()),
        (flux, "buckets", source.clone()),
        (
            flux,
            "helmcharts",
            json!({"chart": "web", "interval": "1m", "sourceRef": {"kind": "HelmRepository", "name": "fine"}}),
        ),
        (
            "kustomize.toolkit.fluxcd.io/v1",
            "kustomizations",
            json!({"interval": "1m", "path": "./", "prune": true, "sourceRef": {"kind": "GitRepository", "name": "fine"}}),
        ),
        (
            "helm.toolkit.fluxcd.io/v2",
            "helmreleases",
            json!({"interval": "5m", "chart": {"spec": {"chart": "web", "sourceRef": {"kind": "HelmRepository", "name": "fine"}}}}),
        ),
        (secrets, "secretstores", json!({})),
        (secrets, "clustersecretstores", json!({})),
        (
            secrets,
            "externalsecrets",
            json!({"secretStoreRef": {"kind": "ClusterSecretStore", "name": "fine"}, "data": []}),
        ),
        (gateway, "gatewayclasses", json!({"controllerName": "example.com/x"})),
        (
            gateway,
            "gateways",
            json!({"gatewayClassName": "fine", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]}),
        ),
        (gateway, "httproutes", json!({"parentRefs": [{"name": "fine"}], "hostnames": ["a.example.com"], "rules": []})),
        (gateway, "grpcroutes", json!({"parentRefs": [{"name": "fine"}], "hostnames": ["a.example.com"], "rules": []})),
    ]
}

/// Those that have a test of their own below.
const APART: [&str; 4] = [
    "namespaces",
    "cronjobs.batch",
    "customresourcedefinitions.apiextensions.k8s.io",
    "replicationsources.volsync.backube",
];

fn is_ready(object: &Value) -> bool {
    let has_address = !object["status"]["loadBalancer"]["ingress"].is_null();
    readiness::status(object, jiff::Timestamp::now()).is_ready() && (object["kind"] != "Ingress" || has_address)
}

/// A sandbox that is told what becomes of three objects of a kind; a fourth is fine.
fn told(kind: &str, namespaced: bool) -> Sandbox {
    let place = if namespaced { "default/" } else { "" };
    let faults = [("fails", "told so"), ("stalls", "stall"), ("flaps", "flap 100ms")];
    let faults = faults.map(|(name, how)| Fault::new(&format!("{kind}/{place}{name}"), how).expect("a fault"));
    let sandbox = sandbox();
    sandbox.set_faults(faults.to_vec()).expect("each does something");
    sandbox
}

async fn comes_and_goes(sandbox: &Sandbox, collection: &str) {
    for wanted in [true, false, true] {
        sandbox.until(collection, "flaps", |object| is_ready(object) == wanted).await;
    }
}

#[test]
fn each_controller_has_its_row() {
    let sandbox = sandbox();
    let registry = sandbox.store().registry();
    let rows = recipes().into_iter().map(|(version, plural, _)| {
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        registry.find(group, version, plural).expect("served").resource()
    });
    let mut rows: Vec<String> = rows.chain(APART.map(str::to_owned)).collect();
    let mut controlled: Vec<String> = super::controllers::controlled().into_iter().map(str::to_owned).collect();
    rows.sort();
    controlled.sort();
    assert_eq!(rows, controlled);
}

#[tokio::test]
async fn each_kind_fails_stalls_and_flaps_as_it_is_told() {
    let rows = recipes().into_iter().map(|(version, plural, spec)| async move {
        let (group, short) = version.split_once('/').unwrap_or(("", version));
        let kind = sandbox().store().registry().find(group, short, plural).expect("served").clone();
        let sandbox = told(&kind.kind, kind.namespaced);
        let base = if group.is_empty() { "/api" } else { "/apis" };
        let within = if kind.namespaced { "namespaces/default/" } else { "" };
        let path = |plural: &str, version: &str| format!("{base}/{version}/{within}{plural}");
        let collection = path(plural, version);
        let needs = json!([
            ["/apis/external-secrets.io/v1/clustersecretstores", "external-secrets.io/v1", "ClusterSecretStore", {}],
            ["/apis/source.toolkit.fluxcd.io/v1/namespaces/default/gitrepositories", "source.toolkit.fluxcd.io/v1", "GitRepository", {}],
            ["/apis/source.toolkit.fluxcd.io/v1/namespaces/default/helmrepositories", "source.toolkit.fluxcd.io/v1", "HelmRepository", {}],
            ["/apis/gateway.networking.k8s.io/v1/gatewayclasses", "gateway.networking.k8s.io/v1", "GatewayClass", {}],
            ["/apis/gateway.networking.k8s.io/v1/namespaces/default/gateways", "gateway.networking.k8s.io/v1", "Gateway",
             {"gatewayClassName": "fine", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]}],
        ]);
        for need in needs.as_array().into_iter().flatten().filter(|need| need[2] != kind.kind.as_str()) {
            let body = json!({"apiVersion": need[1], "kind": need[2], "metadata": {"name": "fine"}, "spec": need[3]});
            let (code, answer) = sandbox.post(need[0].as_str().expect("a path"), body).await;
            assert_eq!(code, 201, "{answer}");
        }
        if plural == "horizontalpodautoscalers" {
            let recipe = recipes().into_iter().find(|(_, plural, _)| *plural == "deployments");
            let (version, _, spec) = recipe.expect("a deployment");
            let body = json!({"apiVersion": version, "kind": "Deployment", "metadata": {"name": "scaled"}, "spec": spec});
            assert_eq!(sandbox.post("/apis/apps/v1/namespaces/default/deployments", body).await.0, 201);
        }
        for name in ["fails", "stalls", "flaps", "fine"] {
            let mut body = json!({"apiVersion": version, "kind": kind.kind, "metadata": {"name": name, "labels": {"app": "web"}}, "spec": spec});
            if let Some(selector) = body.pointer_mut("/spec/selector/matchLabels") {
                *selector = json!({"app": name});
                body["spec"]["template"]["metadata"]["labels"] = json!({"app": name});
            }
            let (code, answer) = sandbox.post(&collection, body).await;
            assert_eq!(code, 201, "{} {answer}", kind.kind);
        }
        sandbox.until(&collection, "fine", is_ready).await;
        let events = "/api/v1/namespaces/default/events";
        let named = |event: &Value, name: &str| {
            let about = event["involvedObject"]["name"].as_str().unwrap_or_default();
            about == name || about.starts_with(&format!("{name}-"))
        };
        // what it fails with is said by an Event, of itself or of its parts
        let mut lines = sandbox.watch(&format!("{events}?watch=true")).await;
        let told = async {
            loop {
                let event = lines.next().await["object"].clone();
                let says = event["message"].as_str().is_some_and(|message| message.contains("told so"));
                if named(&event, "fails") && says {
                    return;
                }
            }
        };
        assert!(tokio::time::timeout(PATIENCE, told).await.is_ok(), "no Event tells that the {} failed", kind.kind);
        assert!(!is_ready(&sandbox.get(&format!("{collection}/fails")).await.1), "{} failed", kind.kind);
        assert!(!is_ready(&sandbox.get(&format!("{collection}/stalls")).await.1), "{} stalled", kind.kind);
        if plural != "jobs" {
            comes_and_goes(&sandbox, &collection).await;
        }
    });
    futures::future::join_all(rows).await;
}

fn definition(plural: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.example.com")},
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"plural": plural, "kind": plural.to_uppercase()},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}],
        },
    })
}

#[tokio::test]
async fn a_definition_that_is_told_to_fail_is_not_served_until_the_fault_is_taken_back() {
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let faults = [("fails", "the kind is taken"), ("stalls", "stall"), ("flaps", "flap 100ms")];
    let faults = faults.map(|(plural, how)| {
        Fault::new(&format!("CustomResourceDefinition/{plural}.example.com"), how).expect("a fault")
    });
    let sandbox = Sandbox::in_memory(Options { faults: faults.to_vec(), ..quick() }).expect("opens");
    for plural in ["fails", "stalls", "flaps", "fine"] {
        let (code, made) = sandbox.post(definitions, definition(plural)).await;
        assert_eq!(code, 201, "{made}");
        // there is no moment in which it is served
        let served = if matches!(plural, "fails" | "stalls") { 404 } else { 200 };
        assert_eq!(sandbox.get(&format!("/apis/example.com/v1/{plural}")).await.0, served, "{plural}");
    }
    let failed = sandbox.get(&format!("{definitions}/fails.example.com")).await.1;
    assert_eq!(condition(&failed, "NamesAccepted")["message"], "the kind is taken");
    let state = readiness::status(&failed, jiff::Timestamp::now());
    assert_eq!(state.status, readiness::State::Failed, "{state:?}");
    let stalled = sandbox.get(&format!("{definitions}/stalls.example.com")).await.1;
    assert_eq!(condition(&stalled, "Established")["reason"], "Installing");
    for wanted in [true, false, true] {
        sandbox.until(definitions, "flaps.example.com", |object| is_ready(object) == wanted).await;
    }
    sandbox.set_faults(Vec::new()).expect("none is wrong");
    sandbox.until(definitions, "fails.example.com", is_ready).await;
    assert_eq!(sandbox.get("/apis/example.com/v1/fails").await.0, 200);
    // a definition that the sandbox brings can be taken away, too
    let brought = Fault::new("crd/helmreleases.helm.toolkit.fluxcd.io", "gone wrong").expect("a fault");
    sandbox.set_faults(vec![brought]).expect("it does something");
    sandbox.until(definitions, "helmreleases.helm.toolkit.fluxcd.io", |object| !is_ready(object)).await;
    assert_eq!(sandbox.get("/apis/helm.toolkit.fluxcd.io/v2/helmreleases").await.0, 404);
    sandbox.reset().expect("the seed does not need what a fault takes");
}

#[tokio::test]
async fn a_namespace_that_is_told_to_fail_does_not_go() {
    let namespaces = "/api/v1/namespaces";
    let sandbox = told("Namespace", false);
    for name in ["fails", "stalls", "fine"] {
        sandbox.post(namespaces, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})).await;
        sandbox.post(&format!("{namespaces}/{name}/configmaps"), config_map("a", json!({}))).await;
    }
    let mut lines = sandbox.watch(&format!("{namespaces}?watch=true&fieldSelector=metadata.name%3Dfine")).await;
    for name in ["fails", "stalls", "fine"] {
        assert_eq!(sandbox.delete(&format!("{namespaces}/{name}")).await.0, 200);
    }
    while lines.next().await["type"] != "DELETED" {}
    let failed = sandbox
        .until(namespaces, "fails", |object| {
            condition(object, "NamespaceDeletionContentFailure")["message"] == "told so"
        })
        .await;
    assert_eq!(failed["status"]["phase"], "Terminating");
    assert_eq!(sandbox.get(&format!("{namespaces}/stalls")).await.1["status"]["phase"], "Terminating");
    assert_eq!(sandbox.get(&format!("{namespaces}/stalls/configmaps/a")).await.0, 200);
}

#[tokio::test]
async fn the_jobs_of_a_cron_job_do_what_it_is_told() {
    let jobs = "/apis/batch/v1/namespaces/default/jobs";
    let sandbox = told("CronJob", true);
    let pod = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "nginx"}]}});
    for name in ["fails", "stalls"] {
        let cron = json!({
            "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name},
            "spec": {"schedule": "0 0 31 2 *", "jobTemplate": {"spec": {"template": pod}}},
        });
        let (_, cron) = sandbox.post("/apis/batch/v1/namespaces/default/cronjobs", cron).await;
        let owner = json!([{"apiVersion": "batch/v1", "kind": "CronJob", "name": name, "uid": cron["metadata"]["uid"], "controller": true}]);
        let job = json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "ownerReferences": owner}, "spec": {"template": pod},
        });
        assert_eq!(sandbox.post(jobs, job).await.0, 201);
    }
    let failed = sandbox.until(jobs, "fails", |job| condition(job, "Failed")["status"] == "True").await;
    assert!(condition(&failed, "Failed")["message"].as_str().is_some_and(|message| message.contains("told so")));
    assert!(!is_ready(&sandbox.get(&format!("{jobs}/stalls")).await.1));
}

#[tokio::test]
async fn a_backup_that_is_told_to_fail_says_so_and_stays_asked_for() {
    let sources = "/apis/volsync.backube/v1alpha1/namespaces/default/replicationsources";
    let sandbox = sandbox();
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "replicationsources.volsync.backube"},
        "spec": {
            "group": "volsync.backube", "scope": "Namespaced",
            "names": {"plural": "replicationsources", "kind": "ReplicationSource"},
            "versions": [{
                "name": "v1alpha1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }],
        },
    });
    assert_eq!(sandbox.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition).await.0, 201);
    let fault = Fault::new("ReplicationSource/default/fails", "told so").expect("a fault");
    sandbox.set_faults(vec![fault]).expect("it does something");
    for name in ["fails", "fine"] {
        let body = json!({
            "apiVersion": "volsync.backube/v1alpha1", "kind": "ReplicationSource", "metadata": {"name": name},
            "spec": {"sourcePVC": "data", "trigger": {"manual": "once"}},
        });
        assert_eq!(sandbox.post(sources, body).await.0, 201);
    }
    let result = |object: &Value, wanted: &str| object["status"]["latestMoverStatus"]["result"] == wanted;
    let fine = sandbox.until(sources, "fine", |object| result(object, "Successful")).await;
    assert_eq!(fine["status"]["lastManualSync"], "once");
    let failed = sandbox.until(sources, "fails", |object| result(object, "Failed")).await;
    assert_eq!(failed["status"]["latestMoverStatus"]["logs"], "told so");
    assert!(failed["status"]["lastManualSync"].is_null(), "it is tried again");
}
