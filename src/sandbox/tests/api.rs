use super::*;

#[tokio::test]
async fn an_object_is_created_read_listed_and_deleted() {
    let sandbox = sandbox();
    let (code, made) = sandbox.post(MAPS, config_map("a", json!({"k": "v"}))).await;
    assert_eq!(code, 201, "{made}");
    assert_eq!(made["metadata"]["namespace"], "default");
    assert!(made["metadata"]["uid"].is_string() && made["metadata"]["resourceVersion"].is_string(), "{made}");
    assert_eq!(made["metadata"]["managedFields"][0]["manager"], "tester");
    let path = format!("{MAPS}/a");
    assert_eq!(sandbox.get(&path).await, (200, made.clone()));
    let (_, list) = sandbox.get(MAPS).await;
    assert_eq!(list["kind"], "ConfigMapList");
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
    assert!(list["items"][0].get("kind").is_none(), "items of built-in kinds carry no type");
    let (code, gone) = sandbox.delete(&path).await;
    assert_eq!((code, &gone["status"]), (200, &json!("Success")));
    assert_eq!(gone["details"], json!({"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]}));
    assert_eq!(sandbox.get(&path).await.0, 404);
}

#[tokio::test]
async fn errors_are_worded_as_a_server_words_them() {
    let sandbox = sandbox();
    let (code, body) = sandbox.get(&format!("{MAPS}/nope")).await;
    assert_eq!(
        (code, body),
        (
            404,
            json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 404, "reason": "NotFound",
                "message": "configmaps \"nope\" not found", "details": {"name": "nope", "kind": "configmaps"},
            })
        )
    );
    let (code, body) = sandbox.post("/api/v1/namespaces/nowhere/configmaps", config_map("a", json!({}))).await;
    assert_eq!((code, &body["message"]), (404, &json!("namespaces \"nowhere\" not found")));
    assert_eq!(body["details"], json!({"name": "nowhere", "kind": "namespaces"}));
    assert_eq!(sandbox.get("/apis/example.com/v1/widgets").await, (404, json!("404 page not found\n")));
    sandbox.post(MAPS, config_map("a", json!({}))).await;
    let (code, body) = sandbox.post(MAPS, config_map("a", json!({}))).await;
    assert_eq!((code, &body["reason"]), (409, &json!("AlreadyExists")));
    assert_eq!(body["message"], "configmaps \"a\" already exists");
    let (code, body) = sandbox.post(MAPS, config_map("Not_Legal", json!({}))).await;
    assert_eq!((code, &body["reason"]), (422, &json!("Invalid")));
    assert_eq!(body["details"]["causes"][0]["field"], "metadata.name");
    let (code, body) = sandbox.post(MAPS, json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}})).await;
    assert_eq!(
        (code, &body["message"]),
        (422, &json!("ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName is required"))
    );
    assert_eq!(sandbox.send("POST", MAPS, "text/csv", &json!({})).await.0, 415);
    assert_eq!(sandbox.send("PATCH", &format!("{MAPS}/a"), "application/json", &json!({})).await.0, 415);
    assert_eq!(sandbox.put(MAPS, json!({})).await.0, 405);
    let (code, body) =
        sandbox.post(MAPS, json!({"apiVersion": "v2", "kind": "ConfigMap", "metadata": {"name": "b"}})).await;
    assert_eq!((code, &body["reason"]), (400, &json!("BadRequest")));
    let (code, _) = sandbox.send("POST", MAPS, "application/json", &json!("{not an object")).await;
    assert_eq!(code, 400);
    let (code, _) = sandbox.post(&format!("{MAPS}?dryRun=Some"), config_map("z", json!({}))).await;
    assert_eq!(code, 422);
}

#[tokio::test]
async fn generated_names_are_distinct() {
    let sandbox = sandbox();
    let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "job-"}});
    let (_, one) = sandbox.post(MAPS, body.clone()).await;
    let (_, two) = sandbox.post(MAPS, body).await;
    let name = one["metadata"]["name"].as_str().expect("a name");
    assert!(name.starts_with("job-") && name.len() == 9, "{name}");
    assert_ne!(one["metadata"]["name"], two["metadata"]["name"]);
}

#[tokio::test]
async fn an_update_from_an_old_version_is_a_conflict() {
    let sandbox = sandbox();
    let (_, made) = sandbox.post(MAPS, config_map("a", json!({"k": "1"}))).await;
    let path = format!("{MAPS}/a");
    let mut newer = made.clone();
    newer["data"]["k"] = "2".into();
    let (code, changed) = sandbox.put(&path, newer).await;
    assert_eq!(code, 200);
    assert_ne!(changed["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"]);
    let (code, body) = sandbox.put(&path, made).await;
    assert_eq!((code, &body["reason"]), (409, &json!("Conflict")));
    assert_eq!(
        body["message"],
        "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to the latest version and try again"
    );
    let (code, _) = sandbox.put(&path, changed.clone()).await;
    assert_eq!(code, 200);
    assert_eq!(
        sandbox.get(&path).await.1["metadata"]["resourceVersion"],
        changed["metadata"]["resourceVersion"],
        "an unchanged update writes nothing"
    );
}

#[tokio::test]
async fn a_dry_run_keeps_nothing() {
    let sandbox = sandbox();
    let (_, before) = sandbox.get(MAPS).await;
    let (code, body) = sandbox.post(&format!("{MAPS}?dryRun=All"), config_map("a", json!({}))).await;
    assert_eq!(code, 201);
    assert!(body["metadata"]["uid"].is_string() && body["metadata"]["resourceVersion"].is_null(), "{body}");
    assert_eq!(sandbox.get(&format!("{MAPS}/a")).await.0, 404);
    sandbox.post(MAPS, config_map("b", json!({"k": "1"}))).await;
    let path = format!("{MAPS}/b");
    let (_, kept) = sandbox.get(&path).await;
    let (code, body) = sandbox.merge(&format!("{path}?dryRun=All"), json!({"data": {"k": "2"}})).await;
    assert_eq!((code, &body["data"]["k"]), (200, &json!("2")));
    assert_eq!(sandbox.send("DELETE", &path, "application/json", &json!({"dryRun": ["All"]})).await.0, 200);
    assert_eq!(sandbox.get(&path).await.1, kept);
    assert_ne!(before, Value::Null);
}

#[tokio::test]
async fn all_patch_formats_are_taken() {
    let sandbox = sandbox();
    sandbox.post(MAPS, config_map("a", json!({"one": "1", "two": "2"}))).await;
    let path = format!("{MAPS}/a");
    let (_, merged) = sandbox.merge(&path, json!({"data": {"one": null, "three": "3"}})).await;
    assert_eq!(merged["data"], json!({"two": "2", "three": "3"}));
    let operations =
        json!([{"op": "replace", "path": "/data/two", "value": "9"}, {"op": "remove", "path": "/data/three"}]);
    let (code, patched) = sandbox.send("PATCH", &path, "application/json-patch+json", &operations).await;
    assert_eq!((code, &patched["data"]), (200, &json!({"two": "9"})));
    let failing = json!([{"op": "test", "path": "/data/two", "value": "0"}]);
    assert_eq!(sandbox.send("PATCH", &path, "application/json-patch+json", &failing).await.0, 422);
    let strategic = json!({"metadata": {"labels": {"x": "y"}}});
    let (code, labelled) = sandbox.send("PATCH", &path, "application/strategic-merge-patch+json", &strategic).await;
    assert_eq!((code, &labelled["metadata"]["labels"]), (200, &json!({"x": "y"})));
    let (code, _) = sandbox.merge(&path, json!({"metadata": {"resourceVersion": "1"}, "data": {"two": "0"}})).await;
    assert_eq!(code, 409, "a patch may name the version it starts from");
}

#[tokio::test]
async fn server_side_apply_creates_owns_and_conflicts() {
    let sandbox = sandbox();
    let path = format!("{MAPS}/a");
    let (code, made) = sandbox.apply(&path, "one", config_map("a", json!({"k": "1"}))).await;
    assert_eq!(code, 201, "{made}");
    assert_eq!(made["metadata"]["managedFields"][0]["fieldsV1"], json!({"f:data": {"f:k": {}}}));
    assert_eq!(made["metadata"]["managedFields"][0]["operation"], "Apply");
    let (code, same) = sandbox.apply(&path, "one", config_map("a", json!({"k": "1"}))).await;
    assert_eq!((code, same), (200, made), "an unchanged apply writes nothing");
    let (code, body) = sandbox.apply(&path, "two", config_map("a", json!({"k": "2"}))).await;
    assert_eq!(code, 409);
    assert_eq!(body["message"], "Apply failed with 1 conflict: conflict with \"one\": .data.k");
    let (code, forced) = sandbox.apply(&path, "two&force=true", config_map("a", json!({"k": "2"}))).await;
    assert_eq!((code, &forced["data"]["k"]), (200, &json!("2")));
    let (code, body) = sandbox.send("PATCH", &path, "application/apply-patch+yaml", &config_map("a", json!({}))).await;
    assert_eq!(
        (code, &body["message"]),
        (
            422,
            &json!(
                "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch"
            )
        )
    );
    let yaml = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: yaml\ndata:\n  k: v\n".to_vec();
    let response =
        sandbox.raw("PATCH", &format!("{MAPS}/yaml?fieldManager=one"), "application/apply-patch+yaml", yaml).await;
    assert_eq!(response.status(), 201);
}

#[tokio::test]
async fn an_apply_in_a_missing_namespace_names_the_namespace() {
    let sandbox = sandbox();
    let (code, body) =
        sandbox.apply("/api/v1/namespaces/nowhere/configmaps/a", "one", config_map("a", json!({}))).await;
    assert_eq!((code, &body["details"]), (404, &json!({"name": "nowhere", "kind": "namespaces"})));
}

fn deployment(name: &str, replicas: i64) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "main", "image": "example/app:1"}]}},
        },
    })
}

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

#[tokio::test]
async fn spec_and_status_are_written_apart_and_generation_counts_the_spec() {
    let options =
        Options { faults: vec![Fault { target: "Deployment/default/web".into(), how: FaultHow::Stall }], ..quick() };
    let sandbox = Sandbox::in_memory(options).expect("opens");
    let mut body = deployment("web", 2);
    body["status"] = json!({"replicas": 99});
    let (_, made) = sandbox.post(DEPLOYMENTS, body).await;
    assert_eq!(made["metadata"]["generation"], 1);
    assert!(made.get("status").is_none_or(|status| status["replicas"] != 99), "{made}");
    let path = format!("{DEPLOYMENTS}/web");
    let both = json!({"spec": {"replicas": 3}, "status": {"replicas": 77}});
    let (_, changed) = sandbox.merge(&path, both.clone()).await;
    assert_eq!((&changed["metadata"]["generation"], &changed["spec"]["replicas"]), (&json!(2), &json!(3)));
    assert_ne!(changed["status"]["replicas"], 77);
    let (code, changed) = sandbox
        .merge(&format!("{path}/status"), json!({"spec": {"replicas": 9}, "status": {"collisionCount": 5}}))
        .await;
    assert_eq!((code, &changed["status"]["collisionCount"]), (200, &json!(5)));
    assert_eq!((&changed["metadata"]["generation"], &changed["spec"]["replicas"]), (&json!(2), &json!(3)));
    let (_, labelled) = sandbox.merge(&path, json!({"metadata": {"labels": {"a": "b"}}})).await;
    assert_eq!(labelled["metadata"]["generation"], 2, "labels are no change of desired state");
    let (code, body) = sandbox.merge(&path, json!({"spec": {"selector": {"matchLabels": {"app": "other"}}}})).await;
    assert_eq!((code, &body["details"]["causes"][0]["field"]), (422, &json!("spec.selector")));
}

#[tokio::test]
async fn the_scale_of_a_deployment_is_read_and_set() {
    let sandbox = sandbox();
    sandbox.post(DEPLOYMENTS, deployment("web", 2)).await;
    let path = format!("{DEPLOYMENTS}/web/scale");
    let (code, scale) = sandbox.get(&path).await;
    assert_eq!((code, &scale["kind"], &scale["spec"]["replicas"]), (200, &json!("Scale"), &json!(2)));
    let (code, scale) = sandbox.merge(&path, json!({"spec": {"replicas": 5}})).await;
    assert_eq!((code, &scale["spec"]["replicas"]), (200, &json!(5)));
    assert_eq!(sandbox.get(&format!("{DEPLOYMENTS}/web")).await.1["spec"]["replicas"], 5);
    let (code, _) = sandbox.merge(&path, json!({"spec": {"replicas": -1}})).await;
    assert_eq!(code, 422);
}

#[tokio::test]
async fn selectors_and_pages_choose_from_a_list() {
    let sandbox = sandbox();
    for (name, app) in [("a", "web"), ("b", "web"), ("c", "api")] {
        let mut body = config_map(name, json!({}));
        body["metadata"]["labels"] = json!({"app": app});
        sandbox.post(MAPS, body).await;
    }
    let names = |list: &Value| -> Vec<String> {
        let items = list["items"].as_array().expect("items");
        items.iter().filter_map(|item| item["metadata"]["name"].as_str()).map(str::to_owned).collect()
    };
    assert_eq!(names(&sandbox.get(&format!("{MAPS}?labelSelector=app%3Dweb")).await.1), ["a", "b"]);
    assert_eq!(names(&sandbox.get(&format!("{MAPS}?fieldSelector=metadata.name%21%3Da")).await.1), ["b", "c"]);
    let (code, body) = sandbox.get(&format!("{MAPS}?fieldSelector=data.x%3Dy")).await;
    assert_eq!(
        (code, &body["message"]),
        (400, &json!("\"data.x\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""))
    );
    let (_, page) = sandbox.get(&format!("{MAPS}?limit=2")).await;
    assert_eq!((names(&page), &page["metadata"]["remainingItemCount"]), (vec!["a".into(), "b".into()], &json!(1)));
    let token = page["metadata"]["continue"].as_str().expect("a token").replace('+', "%2B").replace('=', "%3D");
    assert_eq!(names(&sandbox.get(&format!("{MAPS}?limit=2&continue={token}")).await.1), ["c"]);
    let (code, gone) = sandbox.delete(&format!("{MAPS}?labelSelector=app%3Dweb")).await;
    assert_eq!((code, names(&gone)), (200, vec!["a".into(), "b".into()]));
    assert_eq!(names(&sandbox.get(MAPS).await.1), ["c"]);
}

#[tokio::test]
async fn finalizers_keep_an_object_until_the_last_one_goes() {
    let sandbox = sandbox();
    let mut body = config_map("a", json!({}));
    body["metadata"]["finalizers"] = json!(["example.com/hold"]);
    sandbox.post(MAPS, body).await;
    let path = format!("{MAPS}/a");
    let (code, marked) = sandbox.delete(&path).await;
    assert_eq!(code, 200);
    assert!(marked["metadata"]["deletionTimestamp"].is_string(), "{marked}");
    assert_eq!(sandbox.get(&path).await.0, 200);
    assert_eq!(sandbox.merge(&path, json!({"metadata": {"finalizers": null}})).await.0, 200);
    assert_eq!(sandbox.get(&path).await.0, 404);
}

#[tokio::test]
async fn a_delete_with_another_uid_or_version_is_refused() {
    let sandbox = sandbox();
    sandbox.post(MAPS, config_map("a", json!({}))).await;
    for preconditions in [json!({"uid": "other"}), json!({"resourceVersion": "1"})] {
        let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": preconditions});
        let (code, body) = sandbox.send("DELETE", &format!("{MAPS}/a"), "application/json", &options).await;
        assert_eq!((code, &body["reason"]), (409, &json!("Conflict")), "{body}");
        assert!(body["message"].as_str().is_some_and(|m| m.contains("precondition")), "{body}");
    }
    assert_eq!(sandbox.get(&format!("{MAPS}/a")).await.0, 200);
}

#[tokio::test]
async fn what_an_object_owns_goes_with_it() {
    let sandbox = sandbox();
    let (_, owner) = sandbox.post(MAPS, config_map("owner", json!({}))).await;
    let (_, other) = sandbox.post(MAPS, config_map("other", json!({}))).await;
    let reference = |object: &Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "name": object["metadata"]["name"], "uid": object["metadata"]["uid"]});
    for (name, owners) in
        [("owned", json!([reference(&owner)])), ("shared", json!([reference(&owner), reference(&other)]))]
    {
        let mut body = config_map(name, json!({}));
        body["metadata"]["ownerReferences"] = owners;
        sandbox.post(MAPS, body).await;
    }
    sandbox.delete(&format!("{MAPS}/owner")).await;
    assert_eq!(sandbox.get(&format!("{MAPS}/owned")).await.0, 404);
    let (code, shared) = sandbox.get(&format!("{MAPS}/shared")).await;
    assert_eq!((code, shared["metadata"]["ownerReferences"].as_array().map(Vec::len)), (200, Some(1)));
}

#[tokio::test]
async fn everything_is_allowed_and_reviews_say_so() {
    let sandbox = sandbox();
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"verb": "create", "resource": "pods"}}, "metadata": {}});
    let (code, answer) = sandbox.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review).await;
    assert_eq!((code, &answer["status"]["allowed"]), (201, &json!(true)));
}

#[tokio::test]
async fn odd_bodies_and_paths_are_refused_without_a_panic() {
    let sandbox = sandbox();
    sandbox.post(DEPLOYMENTS, deployment("web", 1)).await;
    let odd = [
        json!(null),
        json!([]),
        json!("x"),
        json!(7),
        json!({"metadata": "x"}),
        json!({"metadata": []}),
        json!({"spec": "x"}),
        json!({"spec": [1]}),
        json!({"spec": {"template": 3}}),
        json!({"spec": {"template": {"spec": {"containers": [1, null, {"ports": "x"}]}}}}),
        json!({"metadata": {"labels": "x", "finalizers": 3, "ownerReferences": "x", "managedFields": 3}}),
        json!({"status": 4}),
        json!({"metadata": {"managedFields": [{"operation": "Apply", "fieldsV1": {"k:x": 1}}]}}),
        json!({"spec": {"replicas": "many"}}),
        json!([{"op": "add", "path": "/metadata", "value": "x"}]),
        json!([{"op": "replace", "path": "", "value": 3}]),
    ];
    let sorts = [
        "application/merge-patch+json",
        "application/json-patch+json",
        "application/strategic-merge-patch+json",
        "application/apply-patch+yaml",
        "application/json",
    ];
    for collection in [
        DEPLOYMENTS,
        MAPS,
        "/api/v1/namespaces/default/services",
        "/api/v1/namespaces/default/secrets",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        "/api/v1/namespaces",
        "/apis/helm.toolkit.fluxcd.io/v2/namespaces/default/helmreleases",
        "/apis/batch/v1/namespaces/default/jobs",
    ] {
        for body in &odd {
            for sort in sorts {
                for (method, path) in [
                    ("PATCH", format!("{collection}/web?fieldManager=x&force=true")),
                    ("PUT", format!("{collection}/web")),
                    ("POST", collection.to_owned()),
                    ("PATCH", format!("{collection}/web/status?fieldManager=x")),
                    ("PATCH", format!("{collection}/web/scale")),
                    ("DELETE", format!("{collection}/absent")),
                ] {
                    let (code, answer) = sandbox.send(method, &path, sort, body).await;
                    // A server calls some patches of the wrong form its own error, too.
                    let said = answer["message"].as_str().unwrap_or_default();
                    let its_own = ["failed to create typed patch object", "map: ", "unknown patch type"];
                    let fine = code != 500 || its_own.iter().any(|words| said.starts_with(words));
                    assert!((200..=500).contains(&code) && fine, "{method} {path} {sort} {body}: {code} {said}");
                }
            }
        }
    }
}

#[tokio::test]
async fn five_hundred_creates_are_quick() {
    let sandbox = sandbox();
    let started = std::time::Instant::now();
    for n in 0..500 {
        let (code, _) = sandbox.post(MAPS, config_map(&format!("m{n}"), json!({"k": "v"}))).await;
        assert_eq!(code, 201);
    }
    // Debug builds are slow; a release build takes a twentieth of this.
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}
