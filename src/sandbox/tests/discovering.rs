use super::*;

const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

fn widgets() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"]},
            "versions": [
                {"name": "v1", "served": true, "storage": true, "subresources": {"status": {}}, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}},
                {"name": "v1beta1", "served": true, "storage": false, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}},
            ],
        },
    })
}

#[tokio::test]
async fn the_plain_documents_name_groups_versions_and_kinds() {
    let sandbox = sandbox();
    assert_eq!(sandbox.get("/version").await.1["major"], "1");
    assert_eq!(sandbox.get("/readyz").await, (200, json!("ok")));
    assert_eq!(sandbox.get("/api").await.1["versions"], json!(["v1"]));
    let (_, groups) = sandbox.get("/apis").await;
    let group = |name: &str| groups["groups"].as_array().expect("groups").iter().find(|g| g["name"] == name).cloned();
    assert_eq!(group("external-secrets.io").expect("brought")["preferredVersion"]["version"], "v1");
    assert!(group("apps").is_some() && group("gateway.networking.k8s.io").is_some());
    assert_eq!(sandbox.get("/apis/apps").await.1["kind"], "APIGroup");
    let (_, list) = sandbox.get("/apis/apps/v1").await;
    let find =
        |name: &str| list["resources"].as_array().expect("resources").iter().find(|r| r["name"] == name).cloned();
    let deployments = find("deployments").expect("served");
    assert_eq!(deployments["shortNames"], json!(["deploy"]));
    assert_eq!((&deployments["namespaced"], &deployments["kind"]), (&json!(true), &json!("Deployment")));
    assert_eq!(find("deployments/scale").expect("served")["kind"], "Scale");
    assert_eq!(sandbox.get("/apis/nothing.example.com").await.0, 404);
}

#[tokio::test]
async fn the_aggregated_document_has_the_same_kinds() {
    let sandbox = sandbox();
    for (path, group, resource) in [("/api", None, "configmaps"), ("/apis", Some("apps"), "deployments")] {
        let request = Request::get(path)
            .header("accept", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json")
            .body(Full::new(Bytes::new()))
            .expect("a request");
        let response = sandbox.service().oneshot(request).await.expect("never fails");
        assert_eq!(
            response.headers()["content-type"],
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        );
        let body = response.into_body().collect().await.expect("no error").to_bytes();
        let list: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(list["kind"], "APIGroupDiscoveryList");
        let items = list["items"].as_array().expect("items");
        let found = items.iter().find(|item| item["metadata"]["name"].as_str() == group).expect("the group");
        let resources = found["versions"][0]["resources"].as_array().expect("resources");
        let entry = resources.iter().find(|r| r["resource"] == resource).expect("the kind");
        assert_eq!(entry["scope"], "Namespaced");
        assert!(entry["verbs"].as_array().expect("verbs").contains(&json!("watch")));
    }
}

#[tokio::test]
async fn an_applied_definition_is_served_at_once_in_all_its_versions() {
    let sandbox = sandbox();
    let collection = "/apis/example.com/v1/namespaces/default/widgets";
    assert_eq!(sandbox.get(collection).await.0, 404);
    let (code, made) = sandbox.apply(&format!("{CRDS}/widgets.example.com"), "one", widgets()).await;
    assert_eq!(code, 201, "{made}");
    assert_eq!(condition(&made, "Established")["status"], "True");
    let widget =
        json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": 1}});
    let (code, made) = sandbox.post(collection, widget).await;
    assert_eq!((code, &made["metadata"]["generation"]), (201, &json!(1)));
    let (_, other) = sandbox.get("/apis/example.com/v1beta1/namespaces/default/widgets/w").await;
    assert_eq!((&other["apiVersion"], &other["spec"]["size"]), (&json!("example.com/v1beta1"), &json!(1)));
    let (_, again) = sandbox.apply(&format!("{CRDS}/widgets.example.com"), "one", widgets()).await;
    assert_eq!(condition(&again, "Established")["status"], "True");
    assert_eq!(sandbox.delete(&format!("{CRDS}/widgets.example.com")).await.0, 200);
    assert_eq!(sandbox.get(collection).await, (404, json!("404 page not found\n")));
    sandbox.apply(&format!("{CRDS}/widgets.example.com"), "one", widgets()).await;
    assert_eq!(sandbox.get(&format!("{collection}/w")).await.0, 404, "the instances went with the definition");
}

#[tokio::test]
async fn a_definition_under_another_name_is_invalid() {
    let mut wrong = widgets();
    wrong["metadata"]["name"] = "things.example.com".into();
    let (code, body) = sandbox().post(CRDS, wrong).await;
    assert_eq!((code, &body["details"]["causes"][0]["field"]), (422, &json!("metadata.name")));
}

#[tokio::test]
async fn a_new_cluster_has_what_a_platform_brings() {
    let sandbox = sandbox();
    for path in [
        "/api/v1/namespaces/default",
        "/api/v1/namespaces/kube-public",
        "/api/v1/nodes/sandbox-node-1",
        "/apis/external-secrets.io/v1/clustersecretstores/onepassword-connect",
        "/apis/gateway.networking.k8s.io/v1/gatewayclasses/sandbox",
        "/apis/gateway.networking.k8s.io/v1/namespaces/gateway/gateways/shared",
    ] {
        assert_eq!(sandbox.get(path).await.0, 200, "{path}");
    }
    let (_, gateway) = sandbox.get("/apis/gateway.networking.k8s.io/v1/namespaces/gateway/gateways/shared").await;
    assert_eq!(condition(&gateway, "Programmed")["status"], "True");
    let (_, namespace) = sandbox.get("/api/v1/namespaces/kube-system").await;
    assert_eq!(namespace["metadata"]["uid"], sandbox.uid().as_str());
    assert_eq!(namespace["status"]["phase"], "Active");
    let bare = Sandbox::in_memory(Options { seed: false, ..quick() }).expect("opens");
    assert_eq!(bare.get("/apis/gateway.networking.k8s.io/v1/gatewayclasses/sandbox").await.0, 404);
    assert_ne!(bare.uid(), sandbox.uid());
}

#[tokio::test]
async fn the_record_of_the_built_in_kinds_is_not_unpacked_before_an_object_needs_it() {
    let asked = || super::schema::ASKED.with(std::cell::Cell::get);
    let before = asked();
    let folder = tempfile::tempdir().expect("a folder");
    for _ in 0..2 {
        let sandbox = Sandbox::open(folder.path().join("state"), quick()).expect("opens");
        assert!(!sandbox.uid().is_empty());
        for path in ["/version", "/api", "/apis", "/apis/apps/v1", "/api/v1", "/api/v1/namespaces/kube-system"] {
            assert_eq!(sandbox.get(path).await.0, 200, "{path}");
        }
        assert_eq!(asked(), before, "a run that changes nothing needs names only");
    }
    sandbox().post(MAPS, config_map("a", json!({}))).await;
    assert_ne!(asked(), before);
}
