//! `repo`: what a playbook finds in a GitOps repository before it changes anything.

use std::fs;

use serde_json::Value;

use crate::program::World;

const CONFIG: &str = "[contexts.staging]
sandbox = true
params = { replicas = 1 }
[contexts.staging.git]
path = \"kubernetes/staging\"
[contexts.main]
sandbox = true
params = { replicas = 3 }
[repo]
clusters = { main = \"kubernetes/main\" }
references = [\"others/devin\"]
";

fn app(namespace: &str, replicas: u32, image: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: shop, namespace: {namespace}}}
spec:
  replicas: {replicas}
  template:
    spec:
      containers: [{{name: shop, image: {image}}}]
      volumes: [{{name: v, secret: {{secretName: login}}}}]
"
    )
}

/// A playbook that discovers one thing in a repository of two clusters and somebody else's.
fn world(discover: &str) -> World {
    let world = World::with(&format!("let found = discover(\"found\", [], || {discover});\n{}", crate::program::GREET));
    world.file("runbook.toml", CONFIG);
    world.file("kubernetes/staging/shop.yaml", app("web", 1, "shop:2"));
    world.file("kubernetes/main/shop.yaml", app("web", 3, "shop:1"));
    world.file("kubernetes/main/extra.yaml", "kind: A\nmetadata: {name: only}\n");
    world.file("kubernetes/main/broken.yaml", "a: [\nlogin\n");
    world.file("kubernetes/main/logo.png", b"\0login");
    world.file("others/devin/shop.yaml", app("shop", 2, "shop:1"));
    world
}

fn found(world: &World) -> Value {
    world.go().exits(0);
    world.journal(&world.only()).of("discovery.answered")[0]["value"].clone()
}

#[test]
fn every_reference_is_discovered_with_its_file_line_and_cluster_and_is_in_the_journal() {
    let found = found(&world("repo::references(\"Secret/web/login\")"));
    let lines: Vec<String> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|one| format!("{} {}:{} {}", one["kind"], one["file"], one["line"], one["cluster"]).replace('"', ""))
        .collect();
    assert_eq!(
        lines,
        [
            "meaning kubernetes/main/shop.yaml:9 main",
            "meaning kubernetes/staging/shop.yaml:9 staging",
            "text kubernetes/main/broken.yaml:2 main",
        ],
        "{found:#}"
    );
    assert_eq!(found[0]["from"], "Deployment/web/shop");
    assert_eq!(found[0]["by"], "spec.template.spec.volumes[0].secret.secretName");
    assert_eq!(found[0]["to"], "Secret/web/login");
}

#[test]
fn patterns_of_other_people_s_repositories_are_marked() {
    let found = found(&world("repo::similar(\"Deployment\")"));
    let foreign: Vec<&Value> = found.as_array().unwrap().iter().filter(|one| one["foreign"] == true).collect();
    assert_eq!(foreign.len(), 1, "{found:#}");
    assert_eq!(foreign[0]["file"], "devin/shop.yaml");
    assert_eq!(found.as_array().unwrap().len(), 3);
}

#[test]
fn two_clusters_differ_in_what_is_not_declared_per_context() {
    let found = found(&world("repo::diff_trees(\"staging\", \"main\")"));
    let only = found["only_b"].as_array().unwrap();
    let files: Vec<&Value> = only.iter().map(|one| &one["file"]).collect();
    assert_eq!(files, ["kubernetes/main/broken.yaml", "kubernetes/main/extra.yaml"], "{found:#}");
    assert_eq!((&only[0]["object"], &only[1]["object"]), (&Value::Null, &"A/only".into()));
    let fields = found["differ"][0]["fields"].as_array().unwrap();
    assert_eq!(fields.len(), 1, "replicas are each context's own: {found:#}");
    assert_eq!(fields[0]["path"], "spec.template.spec.containers[0].image");
    assert_eq!((&fields[0]["a"], &fields[0]["b"]), (&"shop:2".into(), &"shop:1".into()));
    assert_eq!(found["unread"][0]["file"], "kubernetes/main/broken.yaml");
}

#[test]
fn what_is_not_there_is_said_with_the_nearest_name() {
    let world = world("repo::diff_trees(\"staging\", \"mian\")");
    world.go().exits(12).says("`mian` is neither a cluster with a folder nor a folder of the repository");
    world.file("runbook.toml", CONFIG.replace("kubernetes/main", "kubernetes/prod"));
    world.go().exits(12).says("the folder of main").says("kubernetes/prod, is no folder that can be read");
    world.playbook("p", "let a = discover(\"a\", [], || repo::similar(\"kubernetes/stagin/shop.yaml\"));\nstep(\"Look\").verify(\"x\", || k8s::exists(\"Namespace/default\"));");
    world.file("runbook.toml", CONFIG);
    world.go().exits(12).says("the repository holds no objects at `kubernetes/stagin/shop.yaml`");
}

#[test]
fn the_repository_is_found_above_the_playbook_and_is_only_read() {
    let world = world("repo::references(\"login\")");
    world.file("runbook.toml", "[contexts.staging]\nsandbox = true\n[contexts.main]\nsandbox = true\n");
    world.go().exits(12).says("there is no Git repository").says("\"found\" could not be discovered");
    fs::create_dir(world.path(".git")).unwrap();
    world.file(".git/config", "login");
    let before = fs::metadata(world.path("kubernetes/main/shop.yaml")).unwrap().modified().unwrap();
    world.go().exits(0);
    assert_eq!(fs::metadata(world.path("kubernetes/main/shop.yaml")).unwrap().modified().unwrap(), before);
}
