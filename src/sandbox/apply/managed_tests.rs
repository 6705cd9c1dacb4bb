#![allow(clippy::needless_pass_by_value)] // data reads best where it is used

use super::super::super::kinds::Registry;
use super::*;
use std::sync::Arc;

fn kind(resource: &str) -> Arc<Kind> {
    Arc::clone(Registry::new(std::iter::empty()).by_resource(resource).expect("built in"))
}

fn applier(name: &str) -> Manager {
    Manager { operation: Operation::Apply, name: name.into(), subresource: String::new(), api_version: "v1".into() }
}

fn updater(name: &str) -> Manager {
    Manager { operation: Operation::Update, ..applier(name) }
}

fn config(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data})
}

fn apply(live: &Value, data: Value, who: &str, force: bool) -> Result<Value, ApiError> {
    applied(&kind("configmaps"), live, &config(data), &applier(who), force)
}

#[test]
fn a_field_that_the_applier_no_longer_sets_is_removed() {
    let first = apply(&json!({}), json!({"a": "1", "b": "2"}), "one", false).expect("no conflict");
    let second = apply(&first, json!({"a": "1"}), "one", false).expect("no conflict");
    assert_eq!(second["data"], json!({"a": "1"}));
}

#[test]
fn a_field_that_another_manager_also_set_stays() {
    let first = apply(&json!({}), json!({"a": "1", "b": "2"}), "one", false).expect("no conflict");
    let both = apply(&first, json!({"b": "2"}), "two", false).expect("the same value is no conflict");
    let left = apply(&both, json!({"a": "1"}), "one", false).expect("no conflict");
    assert_eq!(left["data"], json!({"a": "1", "b": "2"}));
    let gone = apply(&left, json!({}), "two", false).expect("no conflict");
    assert_eq!(gone["data"], json!({"a": "1"}));
}

#[test]
fn a_conflict_names_the_other_manager_and_the_field() {
    let mut live = config(json!({"a": "1", "b": "2"}));
    recorded(&kind("configmaps"), &Value::Null, &mut live, &updater("kubectl"));
    let error = apply(&live, json!({"a": "9"}), "one", false).expect_err("a conflict");
    let body = error.body();
    assert_eq!(body["code"], 409);
    assert_eq!(body["message"], "Apply failed with 1 conflict: conflict with \"kubectl\" using v1: .data.a");
    assert_eq!(
        body["details"]["causes"],
        json!([{"reason": "FieldManagerConflict", "message": "conflict with \"kubectl\" using v1", "field": ".data.a"}])
    );
    let error = apply(&live, json!({"a": "9", "b": "9"}), "one", false).expect_err("two conflicts");
    assert_eq!(
        error.body()["message"],
        "Apply failed with 2 conflicts: conflicts with \"kubectl\" using v1:\n- .data.a\n- .data.b"
    );
}

#[test]
fn force_takes_the_field_from_the_other_manager() {
    let first = apply(&json!({}), json!({"a": "1"}), "one", false).expect("no conflict");
    assert!(apply(&first, json!({"a": "2"}), "two", false).is_err());
    let forced = apply(&first, json!({"a": "2"}), "two", true).expect("forced");
    assert_eq!(forced["data"]["a"], "2");
    let managers: Vec<&str> = forced["metadata"]["managedFields"]
        .as_array()
        .expect("entries")
        .iter()
        .filter_map(|entry| entry["manager"].as_str())
        .collect();
    assert_eq!(managers, ["two"]);
}

#[test]
fn an_update_takes_only_what_it_changed() {
    let first = apply(&json!({}), json!({"a": "1", "b": "2"}), "one", false).expect("no conflict");
    let mut new = first.clone();
    new["data"]["b"] = "3".into();
    recorded(&kind("configmaps"), &first, &mut new, &updater("edit"));
    let entries = new["metadata"]["managedFields"].as_array().expect("entries");
    assert_eq!(entries[0]["fieldsV1"], json!({"f:data": {"f:a": {}}}));
    assert_eq!(entries[1]["fieldsV1"], json!({"f:data": {"f:b": {}}}));
}

#[test]
fn containers_are_merged_by_name_and_a_dropped_one_is_removed() {
    let kind = kind("deployments.apps");
    let deployment = |containers: Value| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
               "spec": {"template": {"spec": {"containers": containers}}}})
    };
    let first = applied(&kind, &json!({}), &deployment(json!([{"name": "a", "image": "1"}])), &applier("one"), false)
        .expect("new");
    let both = applied(&kind, &first, &deployment(json!([{"name": "b", "image": "2"}])), &applier("two"), false)
        .expect("another item");
    let names = |object: &Value| {
        object.pointer("/spec/template/spec/containers").expect("list").as_array().expect("list").len()
    };
    assert_eq!(names(&both), 2);
    let one = applied(&kind, &both, &deployment(json!([{"name": "a", "image": "3"}])), &applier("two"), true)
        .expect("forced");
    assert_eq!(one.pointer("/spec/template/spec/containers"), Some(&json!([{"name": "a", "image": "3"}])));
}

#[test]
fn applying_the_same_again_changes_nothing() {
    let first = apply(&json!({}), json!({"a": "1"}), "one", false).expect("new");
    assert_eq!(apply(&first, json!({"a": "1"}), "one", false).expect("again"), first);
}

#[test]
fn an_emptied_map_goes_with_its_last_field() {
    let label = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": {"x": "y"}}});
    let kind = kind("configmaps");
    let first = applied(&kind, &json!({}), &label, &applier("one"), false).expect("new");
    let bare = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
    let second = applied(&kind, &first, &bare, &applier("one"), false).expect("again");
    assert!(second["metadata"].get("labels").is_none(), "{second}");
}
