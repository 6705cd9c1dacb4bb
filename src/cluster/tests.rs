use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    scripted::{Reply, Scripted, ok, status},
    *,
};
use crate::event::Cancel;

fn patience() -> Patience {
    Patience::of(Duration::from_secs(10))
}

fn config_map() -> serde_json::Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a", "namespace": "web" }, "data": {} })
}

/// Applies a config map to a server that answers this.
fn applied(reply: fn() -> Reply) -> ClusterError {
    let scripted = Scripted::new(move |asked| (asked.method == "PATCH").then(reply));
    scripted.cluster.apply(&config_map(), &ApplyOptions::default(), &patience()).unwrap_err()
}

#[test]
fn an_apply_is_server_side_strict_and_never_forced() {
    let scripted = Scripted::new(|asked| (asked.method == "PATCH").then(|| ok(asked.body.clone())));
    let answer = scripted.cluster.apply(&config_map(), &ApplyOptions::default(), &patience()).unwrap();
    assert_eq!(answer, config_map());
    let asked = scripted.last();
    assert!(asked.is("PATCH", "/api/v1/namespaces/web/configmaps/a"), "{asked:?}");
    assert_eq!(asked.content_type, "application/apply-patch+yaml");
    let query: Vec<String> = asked.query.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(query, ["fieldManager=runbook", "fieldValidation=Strict", "force=false"]);
}

#[test]
fn a_dry_run_says_so_to_the_server() {
    let scripted = Scripted::new(|asked| (asked.method == "PATCH").then(|| ok(asked.body.clone())));
    let options = ApplyOptions { dry_run: true, ..ApplyOptions::default() };
    scripted.cluster.apply(&config_map(), &options, &patience()).unwrap();
    assert_eq!(scripted.last().query["dryRun"], "All");
}

#[test]
fn a_conflict_names_the_other_manager_and_the_field() {
    let error = applied(|| {
        Reply::Json(
            409,
            json!({ "kind": "Status", "code": 409, "reason": "Conflict", "message": "Apply failed with 1 conflict",
                "details": { "causes": [{ "reason": "FieldManagerConflict", "field": ".spec.replicas",
                    "message": "conflict with \"kubectl-client-side-apply\" using apps/v1" }] } }),
        )
    });
    assert_eq!(
        error.to_string(),
        "apply ConfigMap/web/a: conflict: spec.replicas is kept by \"kubectl-client-side-apply\""
    );
    assert!(error.help()[0].contains("take_over: \"kubectl-client-side-apply\""), "{:?}", error.help());
}

#[test]
fn every_refusal_has_its_own_error() {
    assert!(matches!(applied(|| status(401, "Unauthorized", "Unauthorized")), ClusterError::Unauthorized { .. }));
    assert!(matches!(applied(|| status(403, "Forbidden", "no")), ClusterError::Forbidden { .. }));
    assert!(matches!(applied(|| status(422, "Invalid", "no")), ClusterError::Invalid { .. }));
    assert!(matches!(applied(|| status(410, "Expired", "old")), ClusterError::Gone { .. }));
    assert!(matches!(applied(|| status(400, "BadRequest", "no")), ClusterError::Rejected { code: 400, .. }));
    assert!(matches!(applied(|| status(409, "AlreadyExists", "no")), ClusterError::Rejected { code: 409, .. }));
    assert!(matches!(
        applied(|| status(500, "", "failed to create typed patch object: .spec.x: field not declared in schema")),
        ClusterError::Invalid { .. }
    ));
}

#[test]
fn what_gives_no_answer_that_counts_is_unreachable() {
    for reply in [
        || status(429, "TooManyRequests", "slow down"),
        || status(500, "InternalError", "etcd is away"),
        || Reply::Text(503, "upstream gone"),
        || Reply::Text(200, "<html>login</html>"),
        || Reply::Refuse,
    ] {
        let error = applied(reply);
        assert!(error.is_unreachable(), "{error:?}");
    }
    assert!(applied(|| Reply::Text(200, "<html>login</html>")).to_string().contains("<html>login</html>"));
    assert!(!applied(|| Reply::Refuse).may_have_happened());
    assert!(!applied(|| status(429, "TooManyRequests", "slow down")).may_have_happened());
    assert!(applied(|| Reply::Text(503, "gone")).may_have_happened());
}

#[test]
fn a_missing_namespace_is_named() {
    let error = applied(|| {
        Reply::Json(
            404,
            json!({ "kind": "Status", "code": 404, "reason": "NotFound",
            "message": "namespaces \"web\" not found", "details": { "kind": "namespaces", "name": "web" } }),
        )
    });
    assert_eq!(error.to_string(), "apply ConfigMap/web/a: namespace `web` does not exist");
}

#[test]
fn a_server_that_hangs_is_left_at_the_deadline() {
    let scripted = Scripted::new(|asked| (asked.method == "PATCH").then_some(Reply::Hang));
    let start = Instant::now();
    let patience = Patience::of(Duration::from_millis(50));
    let error = scripted.cluster.apply(&config_map(), &ApplyOptions::default(), &patience).unwrap_err();
    assert!(matches!(error, ClusterError::Deadline { .. }) && error.may_have_happened(), "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_cancel_ends_a_call_that_hangs() {
    let scripted = Scripted::new(|asked| (asked.method == "PATCH").then_some(Reply::Hang));
    let cancel = Cancel::new();
    let patience = Patience { deadline: None, cancel: cancel.clone() };
    std::thread::scope(|scope| {
        let call = scope.spawn(|| scripted.cluster.apply(&config_map(), &ApplyOptions::default(), &patience));
        while scripted.count(|asked| asked.method == "PATCH") == 0 {
            std::thread::yield_now();
        }
        cancel.cancel("test");
        assert!(matches!(call.join().unwrap(), Err(ClusterError::Cancelled { .. })));
    });
}

#[test]
fn kinds_resolve_by_kind_plural_short_name_and_group() {
    let scripted = Scripted::new(|_| None);
    for (written, kind) in [
        ("Deployment/web/a", "Deployment"),
        ("deploy/web/a", "Deployment"),
        ("deployments.apps/web/a", "Deployment"),
        ("ns/web", "Namespace"),
        ("Event/web/a", "Event"),
    ] {
        let resource = scripted.cluster.resolve(&written.parse().unwrap(), &patience()).unwrap();
        assert_eq!(resource.kind, kind, "{written}");
    }
    assert_eq!(scripted.cluster.resolve_kind("Event", &patience()).unwrap().group, "");
    assert_eq!(scripted.cluster.resolve_kind("Event.events.k8s.io", &patience()).unwrap().group, "events.k8s.io");
    assert_eq!(scripted.count(|asked| asked.path == "/apis"), 1);
}

#[test]
fn a_kind_that_cannot_be_resolved_says_what_to_write() {
    let scripted = Scripted::new(|_| None);
    let error = |written: &str| scripted.cluster.get(&written.parse().unwrap(), &patience()).unwrap_err().to_string();
    assert_eq!(error("Deploymnet/web/a"), "the server has no kind `Deploymnet`: did you mean `Deployment`?");
    assert_eq!(error("Thing/web/a"), "`Thing` is in several API groups: write `Thing.a.example` or `Thing.b.example`");
    assert_eq!(error("Namespace/web/a"), "Namespace is cluster-scoped: write Namespace/a");
    assert_eq!(error("ConfigMap/a"), "ConfigMap is namespaced: write ConfigMap/<namespace>/a");
    let old =
        json!({ "apiVersion": "apps/v1beta1", "kind": "Deployment", "metadata": { "name": "a", "namespace": "web" } });
    let error = scripted.cluster.apply(&old, &ApplyOptions::default(), &patience()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the server has no kind `apps/v1beta1 Deployment`: did you mean `apps/v1 Deployment`?"
    );
}

#[test]
fn a_kind_that_appears_is_found_without_a_new_client() {
    let there = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let serves = there.clone();
    let scripted = Scripted::new(move |asked| {
        (asked.path == "/apis" && !serves.load(std::sync::atomic::Ordering::SeqCst))
            .then(|| ok(json!({ "kind": "APIGroupDiscoveryList", "items": [] })))
    });
    assert!(matches!(scripted.cluster.resolve_kind("deploy", &patience()), Err(ClusterError::NotServed { .. })));
    there.store(true, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(scripted.cluster.resolve_kind("deploy", &patience()).unwrap().plural, "deployments");
}

#[test]
fn an_old_server_is_discovered_one_group_at_a_time() {
    let scripted = Scripted::new(|asked| {
        Some(ok(match asked.path.as_str() {
            "/api" => json!({ "kind": "APIVersions", "versions": ["v1"] }),
            "/apis" => json!({ "kind": "APIGroupList", "groups": [{ "name": "apps",
                "versions": [{ "groupVersion": "apps/v1beta1" }, { "groupVersion": "apps/v1" }],
                "preferredVersion": { "groupVersion": "apps/v1" } }] }),
            "/api/v1" => {
                json!({ "resources": [{ "name": "pods", "kind": "Pod", "namespaced": true }, { "name": "pods/log", "kind": "Pod" }] })
            }
            path if path.starts_with("/apis/apps/") => {
                json!({ "resources": [{ "name": "deployments", "kind": "Deployment", "namespaced": true, "shortNames": ["deploy"] }] })
            }
            _ => return None,
        }))
    });
    assert_eq!(scripted.cluster.resolve_kind("deploy", &patience()).unwrap().api_version(), "apps/v1");
    assert_eq!(scripted.cluster.resources(&patience()).unwrap().len(), 3);
}

#[test]
fn of_a_group_whose_own_server_is_away_nothing_is_known_until_it_is_back() {
    let back = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_back = back.clone();
    let kind = json!({ "resource": "nodes", "responseKind": { "kind": "NodeMetrics" }, "scope": "Cluster" });
    let scripted = Scripted::new(move |asked| {
        let there = is_back.load(std::sync::atomic::Ordering::SeqCst);
        let version = if there {
            json!({ "version": "v1beta1", "freshness": "Current", "resources": [kind] })
        } else {
            json!({ "version": "v1beta1", "freshness": "Stale" })
        };
        let groups = json!([{ "metadata": { "name": "metrics.k8s.io" }, "versions": [version] }]);
        (asked.path == "/apis").then(|| ok(json!({ "kind": "APIGroupDiscoveryList", "items": groups })))
    });
    let metrics = json!({ "apiVersion": "metrics.k8s.io/v1beta1", "kind": "NodeMetrics", "metadata": { "name": "a" } });
    let named = "NodeMetrics.metrics.k8s.io/a".parse().unwrap();
    let (cluster, patience) = (&scripted.cluster, patience());
    for error in
        [cluster.resolve_object(&metrics, &patience).unwrap_err(), cluster.resolve(&named, &patience).unwrap_err()]
    {
        assert!(error.is_unreachable(), "{error}");
        assert!(error.to_string().contains("the server behind metrics.k8s.io/v1beta1 did not answer"), "{error}");
    }
    // of other groups and versions it is known
    let mut other = metrics.clone();
    other["apiVersion"] = "metrics.k8s.io/v1".into();
    assert!(matches!(cluster.resolve_object(&other, &patience), Err(ClusterError::NotServed { .. })));
    assert!(matches!(cluster.resolve_kind("Thing.example.com", &patience), Err(ClusterError::NotServed { .. })));
    back.store(true, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(cluster.resolve_object(&metrics, &patience).unwrap().plural, "nodes");
}

#[test]
fn a_missing_object_is_none_and_an_unserved_kind_is_an_error() {
    let scripted = Scripted::new(|asked| match asked.path.as_str() {
        "/api/v1/namespaces/web/configmaps/a" => Some(status(404, "NotFound", "configmaps \"a\" not found")),
        _ => None,
    });
    assert_eq!(scripted.cluster.get(&"cm/web/a".parse().unwrap(), &patience()).unwrap(), None);
    // in discovery, but its path answers in plain text: a CRD that is gone
    let error = scripted.cluster.get(&"deploy/web/a".parse().unwrap(), &patience()).unwrap_err();
    assert_eq!(error, ClusterError::NotServed { kind: "Deployment".into(), nearest: vec![] });
}

#[test]
fn a_list_comes_whole_from_all_its_pages() {
    let scripted = Scripted::new(|asked| {
        (asked.path == "/api/v1/configmaps").then(|| {
            let item = |name: &str| json!({ "metadata": { "name": name, "namespace": "web" } });
            ok(match asked.query.get("continue").map(String::as_str) {
                None => json!({ "metadata": { "resourceVersion": "7", "continue": "next" }, "items": [item("b")] }),
                Some(_) => json!({ "metadata": { "resourceVersion": "7" }, "items": [item("a")] }),
            })
        })
    });
    let selector = Selector { labels: Some("app=web".into()), fields: None };
    let listed = scripted.cluster.list("cm", None, &selector, &patience()).unwrap();
    let names: Vec<_> =
        listed.items.iter().map(|item| (item["kind"].as_str(), item["metadata"]["name"].as_str())).collect();
    assert_eq!(names, [(Some("ConfigMap"), Some("a")), (Some("ConfigMap"), Some("b"))]);
    assert_eq!(listed.resource_version, "7");
    assert_eq!(scripted.last().query["labelSelector"], "app=web");
}

#[test]
fn a_delete_is_held_to_the_uid() {
    let scripted = Scripted::new(|asked| {
        (asked.method == "DELETE").then(|| status(404, "NotFound", "configmaps \"a\" not found"))
    });
    let options = DeleteOptions { uid: Some("u-1".into()), dry_run: false };
    assert_eq!(scripted.cluster.delete(&"cm/web/a".parse().unwrap(), &options, &patience()).unwrap(), None);
    assert_eq!(scripted.last().body["preconditions"]["uid"], "u-1");
}

#[test]
fn a_dry_run_of_many_looks_strictly_and_reads_no_objects() {
    let scripted = Scripted::new(|asked| {
        let bad = asked.path.ends_with("/c1");
        (asked.method == "PATCH")
            .then(|| if bad { status(422, "Invalid", "no") } else { ok(json!({ "kind": "PartialObjectMetadata" })) })
    });
    let object = |i: usize| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": format!("c{i}"), "namespace": "web" } });
    let objects: Vec<Arc<Value>> = (0..3).map(object).map(Arc::new).collect();
    let tried = scripted.cluster.try_all(&objects, &ApplyOptions::default(), &patience()).unwrap();
    assert!(matches!(tried[..], [Ok(()), Err(ClusterError::Invalid { .. }), Ok(())]), "{tried:?}");
    for asked in scripted.asked.lock().unwrap().iter().filter(|asked| asked.method == "PATCH") {
        assert_eq!((&*asked.query["dryRun"], &*asked.query["fieldValidation"]), ("All", "Strict"), "{asked:?}");
        assert!(asked.accept.starts_with("application/json;as=PartialObjectMetadata;"), "{asked:?}");
    }
    let seen = ApplyOptions { strict: false, ..ApplyOptions::default() };
    scripted.cluster.apply(&objects[0], &seen, &patience()).unwrap();
    assert_eq!(scripted.last().query["fieldValidation"], "Ignore");
}

#[test]
fn many_objects_stop_at_the_first_failure_and_say_what_was_not_tried() {
    let scripted = Scripted::new(|asked| {
        (asked.method == "PATCH")
            .then(|| if asked.path.ends_with("/c03") { status(422, "Invalid", "no") } else { ok(asked.body.clone()) })
    });
    let object = |i: usize| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": format!("c{i:02}"), "namespace": "web" } });
    let mut objects: Vec<Arc<Value>> = (0..40).map(object).map(Arc::new).collect();
    objects.push(Arc::new(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "web" } })));
    let applied = scripted.cluster.apply_many(&objects, &ApplyOptions::default(), &patience());
    assert_eq!(applied.len(), 41);
    assert!(matches!(applied[3].outcome, Outcome::Failed(ClusterError::Invalid { .. })));
    assert!(matches!(applied[40].outcome, Outcome::Applied(_)), "the namespace comes first");
    assert!(matches!(applied[39].outcome, Outcome::NotTried));
    let sent = scripted.count(|asked| asked.method == "PATCH");
    let tried = applied.iter().filter(|one| !matches!(one.outcome, Outcome::NotTried)).count();
    assert_eq!(sent, tried);
    let first = scripted.asked.lock().unwrap().iter().find(|asked| asked.method == "PATCH").cloned().unwrap();
    assert_eq!(first.path, "/api/v1/namespaces/web");
}

#[test]
fn the_identity_is_the_uid_of_kube_system() {
    let scripted = Scripted::new(|asked| match asked.path.as_str() {
        "/api/v1/namespaces/kube-system" => Some(ok(json!({ "metadata": { "name": "kube-system", "uid": "u-1" } }))),
        "/version" => Some(ok(json!({ "gitVersion": "v1.35.4" }))),
        "/api/v1/nodes" => {
            Some(ok(json!({ "items": [{ "metadata": { "name": "b" } }, { "metadata": { "name": "a" } }] })))
        }
        _ => None,
    });
    let identity = scripted.cluster.identity(&patience()).unwrap();
    assert_eq!(
        (identity.uid.as_str(), identity.version.as_str(), identity.server.as_str()),
        ("u-1", "v1.35.4", "scripted")
    );
    assert_eq!(identity.nodes, ["a", "b"]);
    assert!(scripted.cluster.check_uid("u-1", &patience()).unwrap());
    assert!(!scripted.cluster.check_uid("u-2", &patience()).unwrap());
}

#[test]
fn warnings_of_the_server_are_kept_once() {
    let scripted = Scripted::new(|asked| {
        (asked.method == "PATCH").then(|| {
            let warning = ("warning", r#"299 - "v1 \"Old\" is deprecated""#);
            Reply::Headers(vec![warning, ("date", "Sat, 21 Nov 2020 02:00:00 GMT")], asked.body.clone())
        })
    });
    for _ in 0..2 {
        scripted.cluster.apply(&config_map(), &ApplyOptions::default(), &patience()).unwrap();
    }
    assert_eq!(scripted.cluster.take_warnings(), ["v1 \"Old\" is deprecated"]);
    assert!(scripted.cluster.take_warnings().is_empty());
    assert!(scripted.cluster.clock_skew().unwrap() > jiff::SignedDuration::from_hours(24));
    // the server's time goes on from what it said, whatever this machine's clock says
    let server = scripted.cluster.server_now().unwrap();
    assert!(jiff::Timestamp::now().duration_since(server) > jiff::SignedDuration::from_hours(24), "{server}");
    assert!(scripted.cluster.server_now().unwrap() > server);
}
