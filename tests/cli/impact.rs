//! What depends on an object of a cluster, and what it needs.

use serde_json::Value;

use crate::program::World;

const SECRET: &str = "apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: login, namespace: default}
spec:
  secretStoreRef: {kind: ClusterSecretStore, name: vault}
  data: [{secretKey: a, remoteRef: {key: b}}]
";

/// A step that reads what depends on a store that is nowhere.
const ASKS: &str = r#"step("Sync").change(|| k8s::apply("secret.yaml"))
    .verify("the store is used once", || k8s::impact("ClusterSecretStore/vault").len() >= 1)
    .verify("it needs a store that is missing", ||
        k8s::needs("ExternalSecret/default/login").any(|it| it.object.ends_with("/vault") && it.exists == false)).within("5s");
"#;

fn world() -> World {
    let world = World::with(ASKS);
    world.file("secret.yaml", SECRET);
    world.go().exits(0);
    world
}

#[test]
fn what_depends_on_an_object_is_shown_with_the_field_that_says_why() {
    let world = world();
    let tree = world.run("impact ClusterSecretStore/vault --context staging");
    tree.exits(0).prints("ClusterSecretStore/vault, not in the cluster");
    tree.prints("└─ ExternalSecret.external-secrets.io/default/login  (spec.secretStoreRef)").prints("depend on it");
    world
        .run("impact externalsecrets/default/login --needs --context staging")
        .exits(0)
        .prints("vault, not in the cluster  (spec.secretStoreRef)")
        .prints("Namespace/default  (metadata.namespace)");
    world
        .run("impact ClusterSecretStore/vault --dot --context staging")
        .exits(0)
        .prints("digraph impact {")
        .prints("[label=\"spec.secretStoreRef\"]");
}

#[test]
fn a_program_gets_what_is_reached_as_a_list_with_its_paths() {
    let world = world();
    let out = world.run("impact ClusterSecretStore/vault --context staging -o json");
    out.exits(0).says_nothing();
    let answer: Value = serde_json::from_str(&out.out).unwrap();
    assert_eq!(answer["direction"], "dependents");
    assert_eq!(answer["reached"][0]["exists"], false);
    let secret = answer["reached"].as_array().unwrap().iter().find(|it| it["by"] == "spec.secretStoreRef").unwrap();
    assert_eq!(secret["object"], "ExternalSecret.external-secrets.io/default/login");
    assert_eq!(secret["next_to"], 0);
}

#[test]
fn what_nothing_knows_is_an_error_with_the_nearest_names() {
    let world = world();
    world
        .run("impact ExternalSecret/default/logn --context staging")
        .exits(2)
        .says("there is no ExternalSecret.external-secrets.io/default/logn")
        .says("did you mean ExternalSecret.external-secrets.io/default/login?");
    world.run("impact Extrnalsecret/default/login --context staging").exits(12).says("ExternalSecret");
    world.run("impact nonsense --context staging").exits(2).says("is not an object reference");
    world.run("impact Namespace/default --context stagin").exits(31).says("did you mean --context staging?");
}
