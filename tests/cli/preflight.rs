//! What preflight finds before the first change, all of it at once.

use crate::program::{GREET, World, config_map, normal};

const TOML: &str = "[tools.taskk]\nchange = [[\"*\"]]\n";

const FLOOR: &str = "apiVersion: v1
kind: ResourceQuota
metadata: {name: compute, namespace: default}
spec: {hard: {pods: '2', requests.memory: 1Gi}}
---
apiVersion: v1
kind: Secret
metadata: {name: login-of-shop, namespace: default}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: hello, namespace: default}
data: {greeting: hello}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: kept, namespace: default, labels: {kustomize.toolkit.fluxcd.io/name: apps, kustomize.toolkit.fluxcd.io/namespace: flux-system}}
data: {level: info}
";

const SHOP: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: default}
spec:
  replicas: 3
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers:
      - name: shop
        image: shop
        resources: {requests: {memory: 512Mi}}
        envFrom: [{secretRef: {name: login}}, {configMapRef: {name: tuning, optional: true}}]
";

/// A world in which the floor stands already, with a playbook `p` of these items.
fn world(items: &str) -> World {
    let world = World::new();
    world.file("floor.yaml", FLOOR);
    world.playbook("floor", "step(\"Lay\").change(|| k8s::apply(\"floor.yaml\")).verify(\"so\", || k8s::exists(\"ConfigMap/default/kept\")).irreversible(\"a floor\");\n");
    world.run("run floor.rhai --context staging").exits(0);
    world.file("runbook.toml", format!("{}{TOML}", crate::program::SANDBOXES));
    world.playbook("p", items);
    world
}

fn step(title: &str, change: &str) -> String {
    format!("step(\"{title}\").change(|| {change}).verify(\"so\", || true).undo(\"by hand\");\n")
}

fn lines_of_preflight(said: &str) -> String {
    let lines = said.lines().filter_map(|line| line.split_once("staging  preflight").map(|(_, rest)| rest.trim_end()));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn everything_that_stands_in_the_way_is_said_at_once_before_anything_changes() {
    let steps = [
        step("Guard", "k8s::apply(\"pdb.yaml\")"),
        step("Mutate", "k8s::apply(\"policy.yaml\")"),
        step("Write", "k8s::apply(\"nowhere.yaml\")"),
        step("Greet", "k8s::apply(\"cm.yaml\")"),
        step("Scale", "k8s::scale(\"Deploymnt/default/x\", 2)"),
        step("Patch", "k8s::patch(\"ConfigMap/default/helo\", #{ data: #{ a: \"b\" } })"),
        step("Keep", "k8s::patch(\"ConfigMap/default/kept\", #{ data: #{ level: \"debug\" } })"),
        step("Wrong", "k8s::apply(\"wrong.yaml\")"),
        step("Shop", "k8s::apply(\"shop.yaml\")"),
        step("Run", "cmd::run([\"taskk\", \"up\"])"),
    ];
    let world = world(&steps.concat());
    world.file("cm.yaml", config_map("hello", "good morning"));
    world.file("nowhere.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: defalt}\n");
    world.file(
        "wrong.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: wrong, namespace: default}\ndatas: {a: b}\n",
    );
    world.file(
        "pdb.yaml",
        "apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nmetadata: {name: shop, namespace: default}\n",
    );
    world.file(
        "policy.yaml",
        "apiVersion: admissionregistration.k8s.io/v1alpha1\nkind: MutatingAdmissionPolicy\nmetadata: {name: sidecars}\n",
    );
    world.file("shop.yaml", SHOP);
    let before = world.runs();
    let ended = world.run("run p.rhai --context staging");
    ended.exits(12).says("nothing was changed");
    insta::assert_snapshot!("preflight", normal(&lines_of_preflight(&ended.err)));
    let run = world.runs().into_iter().find(|run| !before.contains(run)).unwrap();
    assert!(world.journal(&run).of("effect").is_empty());
    let found = world.journal(&run).of("preflight.finished").remove(0);
    assert_eq!(found["trial"].as_array().unwrap().len(), 10, "{found:#}");

    // the same without a run, as a document and for a program
    let plan = world.run("plan p.rhai --context staging -o json");
    plan.exits(13);
    let rules: Vec<String> = plan.json()["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["rule"].as_str().unwrap().to_owned())
        .collect();
    for rule in ["api", "refused", "missing", "kept", "reference", "quota", "tool", "exists"] {
        assert!(rules.iter().any(|found| found == rule), "{rule}: {rules:?}");
    }
}

#[test]
fn what_is_made_by_an_earlier_step_is_not_missed() {
    let steps = [
        step("Make room", "k8s::apply(\"ns.yaml\")"),
        step("Fill it", "k8s::apply(\"in.yaml\")"),
        step("Change it", "k8s::label(\"cm/room/a\", #{ a: \"b\" })"),
        step("Use it", "k8s::apply(\"pod.yaml\")"),
    ];
    let world = World::with(&steps.concat());
    world.file("ns.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: room}\n");
    world.file("in.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: room}\n");
    world.file(
        "pod.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: room}\nspec: {containers: [{name: c, image: i, envFrom: [{configMapRef: {name: a}}]}]}\n",
    );
    world.go().exits(0).says("preflight  nothing found");
}

#[test]
fn a_wrong_field_of_what_goes_into_a_namespace_to_come_is_found_all_the_same() {
    let world = World::with(
        &[step("Make room", "k8s::apply(\"ns.yaml\")"), step("Fill it", "k8s::apply(\"in.yaml\")")].concat(),
    );
    world.file("ns.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: room}\n");
    world.file("in.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: room}\ndatas: {a: b}\n");
    world.go().exits(12).says("ConfigMap/room/a").says("datas");
    world.nothing_changed();
}

#[test]
fn a_step_that_is_skipped_is_not_looked_at() {
    let skipped = step("Greet", "k8s::apply(\"nowhere.yaml\")")
        .replace(".verify(", ".skip_if(\"it is so\", || k8s::exists(\"Namespace/default\")).verify(");
    let world = World::with(&skipped);
    world.file("nowhere.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: defalt}\n");
    world.go().exits(0);
}

#[test]
fn closures_see_what_the_context_holds_and_what_they_touch_is_known() {
    let world = world(
        "step(\"Copy\").change(|| for map in k8s::list(\"ConfigMap\", \"default\") { if map.metadata.name == \"hello\" { k8s::label(`ConfigMap/default/${map.metadata.name}`, #{ seen: \"yes\" }); } }).verify(\"so\", || true).undo(\"by hand\");\n",
    );
    let offline = world.run("plan p.rhai -o json");
    assert!(!offline.json()["plan"]["phases"][0]["items"][0]["step"]["partly_known"].is_null(), "{offline}");
    let bound = world.run("plan p.rhai --context staging -o json").json();
    let step = &bound["plan"]["phases"][0]["items"][0]["step"];
    assert_eq!(step["trial"][0]["target"], "ConfigMap/default/hello", "{step:#}");
    assert!(step["partly_known"].is_null(), "{step:#}");
    assert_eq!(world.runs().len(), 1, "a plan is no run");
}

#[test]
fn check_names_api_versions_that_are_gone_and_those_that_are_not_there_by_themselves() {
    let world = World::with(&step("Guard", "k8s::apply(\"old.yaml\")"));
    world.file(
        "old.yaml",
        "apiVersion: batch/v1beta1\nkind: CronJob\nmetadata: {name: a, namespace: default}\n---\napiVersion: storagemigration.k8s.io/v1alpha1\nkind: StorageVersionMigration\nmetadata: {name: b}\n",
    );
    world
        .run("check p.rhai")
        .exits(0)
        .says("batch/v1beta1 CronJob is served no more since Kubernetes 1.25")
        .says("write apiVersion: batch/v1")
        .says("old.yaml:1")
        .says("storagemigration.k8s.io/v1alpha1 StorageVersionMigration is alpha")
        .says("--feature-gates=StorageVersionMigrator=true");
}

#[test]
fn a_plan_of_a_context_that_cannot_be_asked_is_the_one_without_it() {
    let world = World::with(GREET);
    world.file("runbook.toml", "[contexts.staging]\nkubeconfig = \"nowhere\"\n");
    world.run("plan p.rhai --context staging").exits(0).prints("# Say hello").says("could not be asked");
}

/// A kind of its own, in versions with these schemas of `spec`.
fn definition(versions: &[(&str, &str)]) -> String {
    let versions = versions
        .iter()
        .enumerate()
        .map(|(n, (name, spec))| {
            format!(
                "  - {{name: {name}, served: true, storage: {}, schema: {{openAPIV3Schema: {{type: object, properties: {{spec: {spec}}}}}}}}}\n",
                n == 0
            )
        })
        .collect::<Vec<_>>()
        .concat();
    format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: widgets.example.com}}\nspec:\n  group: example.com\n  scope: Namespaced\n  names: {{kind: Widget, plural: widgets}}\n  versions:\n{versions}"
    )
}

const SIZES: &str = "{type: object, properties: {size: {type: integer}, most: {type: integer}}, x-kubernetes-validations: [{rule: '!has(self.most) || self.size <= self.most', message: size is more than most}]}";

fn widget(name: &str, version: &str, spec: &str) -> String {
    format!(
        "apiVersion: example.com/{version}\nkind: Widget\nmetadata: {{name: {name}, namespace: default}}\nspec: {spec}\n"
    )
}

#[test]
fn what_comes_after_its_definition_is_checked_against_it() {
    let world = World::with(
        &[
            step("Define", "k8s::apply(\"crd.yaml\")"),
            step("Good", "k8s::apply(\"good.yaml\")"),
            step("Typo", "k8s::apply(\"typo.yaml\")"),
            step("Types", "k8s::apply(\"types.yaml\")"),
            step("Rule", "k8s::apply(\"rule.yaml\")"),
            step("Version", "k8s::apply(\"version.yaml\")"),
        ]
        .concat(),
    );
    world.file("crd.yaml", definition(&[("v1", SIZES)]));
    world.file("good.yaml", widget("good", "v1", "{size: 2, most: 3}"));
    world.file("typo.yaml", widget("typo", "v1", "{sise: 2}"));
    world.file("types.yaml", widget("types", "v1", "{size: two}"));
    world.file("rule.yaml", widget("rule", "v1", "{size: 4, most: 3}"));
    world.file("version.yaml", widget("version", "v2", "{size: 4}"));
    let by =
        "does not fit its definition, which comes before it, CustomResourceDefinition/widgets.example.com (crd.yaml)";
    world
        .go()
        .exits(12)
        .says("preflight 4 errors")
        .says(&format!("Widget/default/typo (typo.yaml) {by}: spec.sise: unknown field (p.rhai:7:29)"))
        .says("spec.sise: did you mean `spec.size`?")
        .says(&format!("Widget/default/types (types.yaml) {by}: spec.size: Invalid value"))
        .says("spec.size in body must be of type integer")
        .says(&format!("Widget/default/rule (rule.yaml) {by}: spec: Invalid value: size is more than most"))
        .says("Widget/default/version (version.yaml): its definition, which comes before it, serves v1 and not v2")
        .says_not("Widget/default/good");
    world.nothing_changed();
}

#[test]
fn a_definition_in_the_same_set_is_one_that_comes_before() {
    let world = World::with(&step("All", "k8s::apply(\"all.yaml\")"));
    let all = |spec: &str| format!("{}---\n{}", definition(&[("v1", SIZES)]), widget("a", "v1", spec));
    world.file("all.yaml", all("{most: 3, nested: {size: 1}}"));
    world.go().exits(12).says("Widget/default/a (all.yaml)").says("spec.nested: unknown field");
    world.nothing_changed();
    world.file("all.yaml", all("{size: 1}"));
    world.go().exits(0);
}

#[test]
fn what_is_there_already_is_checked_against_what_its_definition_becomes() {
    let world = World::new();
    world.file("crd.yaml", definition(&[("v1", SIZES)]));
    world.playbook("first", &step("Define", "k8s::apply(\"crd.yaml\")"));
    world.run("run first.rhai --context staging").exits(0);
    // a field more, and another version
    let more = SIZES.replace("size: {type: integer}", "size: {type: integer}, color: {type: string}");
    world.file("new.yaml", definition(&[("v1", &more), ("v2", &more)]));
    world.file("v1.yaml", widget("one", "v1", "{size: 1, color: red}"));
    world.file("v2.yaml", widget("two", "v2", "{size: 1, color: red}"));
    let steps = ["new", "v1", "v2"].map(|file| step(file, &format!("k8s::apply(\"{file}.yaml\")")));
    world.playbook("p", &steps.concat());
    world.go().exits(0);
    // and a field less
    world.file("v1.yaml", widget("one", "v1", "{size: 1, colour: red}"));
    world.go().exits(12).says("spec.colour: unknown field").says("did you mean `spec.color`?");
}
