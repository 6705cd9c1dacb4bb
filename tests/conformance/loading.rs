//! What a real cluster holds goes into the sandbox: published definitions apply to it, and a dump of everything loads.

use runbook::sandbox::{Options, Sandbox};
use serde_json::{Value, json};

use crate::apiserver::{self, Cluster};
use crate::sides::{Sent, Side};

const PROJECTS: [&str; 3] = ["fluxcd", "external-secrets", "gateway-api"];

/// Every object of a cluster, as `kubectl get -o yaml` of everything has it.
fn everything(cluster: &Cluster) -> Vec<Value> {
    let client = cluster.client();
    let groups = client.read("/apis");
    let versions = groups["groups"].as_array().unwrap().iter();
    let versions = versions.map(|group| group["preferredVersion"]["groupVersion"].as_str().unwrap().to_owned());
    let mut objects = Vec::new();
    for version in std::iter::once("v1".to_owned()).chain(versions) {
        let base = if version == "v1" { "/api/v1".to_owned() } else { format!("/apis/{version}") };
        for resource in client.read(&base)["resources"].as_array().unwrap() {
            let plural = resource["name"].as_str().unwrap();
            // the states of components are made up at each request
            if plural.contains('/') || !resource["verbs"].to_string().contains("list") || plural == "componentstatuses"
            {
                continue;
            }
            for item in client.read(&format!("{base}/{plural}"))["items"].as_array().unwrap() {
                let mut object = item.clone();
                object["apiVersion"] = version.as_str().into();
                object["kind"] = resource["kind"].clone();
                objects.push(object);
            }
        }
    }
    objects
}

const SOME: &str = "apiVersion: v1
kind: Namespace
metadata: {name: web}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: web}
spec:
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec: {containers: [{name: c, image: api}]}
---
apiVersion: v1
kind: Secret
metadata: {name: login, namespace: web}
stringData: {password: hunter2-hunter2}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: team, namespace: web}
spec: {hard: {pods: '9', requests.cpu: '2'}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: charts, namespace: web}
spec: {url: https://charts.example.com, interval: 5m}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: login, namespace: web}
spec:
  secretStoreRef: {kind: ClusterSecretStore, name: vault}
  data: [{secretKey: a, remoteRef: {key: b}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: api, namespace: web}
spec: {hostnames: [api.example.com], rules: [{backendRefs: [{name: api, port: 80}]}]}
";

#[test]
fn all_objects_of_a_real_cluster_load_and_its_definitions_apply() {
    let Some(clusters) = apiserver::own() else { return };
    let cluster = clusters.staging();
    let Some(()) = cluster.crds(&PROJECTS) else { return };
    cluster.apply(SOME);
    let objects = everything(cluster);
    let sandbox = Sandbox::in_memory(Options { controllers: false, ..Options::default() }).unwrap();
    let loaded = sandbox.load(objects.clone());
    assert_eq!(loaded.left_out, [], "all of {} objects load", objects.len());
    println!("{} objects of a real cluster: {} made, {} replaced", objects.len(), loaded.made, loaded.replaced);
    assert!(loaded.made + loaded.replaced == objects.len() && objects.len() > 200, "{} objects", objects.len());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let get = |side: &Side, path: &str| {
        let sent = Sent {
            method: "GET".into(),
            path: path.into(),
            accept: "application/json".into(),
            content_type: String::new(),
            body: String::new(),
        };
        let answer = runtime.block_on(side.send(&sent));
        (answer.code, serde_json::from_slice::<Value>(&answer.body).unwrap_or_default())
    };
    let side = Side::Sandbox(sandbox);
    let (_, deployment) = get(&side, "/apis/apps/v1/namespaces/web/deployments/api");
    let live = cluster.get("Deployment/web/api").unwrap();
    assert_eq!((&deployment["spec"], &deployment["metadata"]["uid"]), (&live["spec"], &live["metadata"]["uid"]));
    let (_, secret) = get(&side, "/api/v1/namespaces/web/secrets/login");
    assert_ne!(secret["data"], cluster.get("Secret/web/login").unwrap()["data"], "values are stand-ins");
    for path in [
        "/apis/source.toolkit.fluxcd.io/v1/namespaces/web/helmrepositories/charts",
        "/apis/external-secrets.io/v1/namespaces/web/externalsecrets/login",
        "/apis/gateway.networking.k8s.io/v1/namespaces/web/httproutes/api",
    ] {
        assert_eq!(get(&side, path).0, 200, "{path}");
    }

    // The same definitions, as their projects publish them, applied to a sandbox that brings smaller ones of some.
    let fresh = Side::sandbox();
    let mut applied = 0;
    for definition in objects.iter().filter(|object| object["kind"] == "CustomResourceDefinition") {
        let name = definition["metadata"]["name"].as_str().unwrap();
        let annotations = &definition["metadata"]["annotations"];
        let body = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": name, "annotations": annotations}, "spec": definition["spec"],
        });
        let sent = Sent {
            method: "PATCH".into(),
            path: format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}?fieldManager=x&force=true"),
            accept: "application/json".into(),
            content_type: "application/apply-patch+yaml".into(),
            body: body.to_string(),
        };
        let answer = runtime.block_on(fresh.send(&sent));
        let text = String::from_utf8_lossy(&answer.body);
        assert!(matches!(answer.code, 200 | 201), "{name}: {} {text}", answer.code);
        let (group, plural) = (definition["spec"]["group"].as_str().unwrap(), &definition["spec"]["names"]["plural"]);
        for version in definition["spec"]["versions"].as_array().unwrap().iter().filter(|v| v["served"] == true) {
            let path = format!("/apis/{group}/{}/{}", version["name"].as_str().unwrap(), plural.as_str().unwrap());
            assert_eq!(get(&fresh, &path).0, 200, "{path}");
        }
        applied += 1;
    }
    println!("{applied} published definitions applied");
    assert!(applied > 25, "{applied} definitions");
}
