//! `discover(…).on_all()`: every context of the plan is read, one that cannot be is found, and no resume asks again.

use crate::program::{PLAN, World, config_map};

const TOML: &str = "[contexts.staging]\nsandbox = true\n[contexts.main]\nsandbox = true\n";
const ASKS: &str = "let seen = discover(\"greetings\", \"the sample\", || k8s::get(\"ConfigMap/default/hello\").data.greeting).on_all();\n";
const ITEMS: &str = r#"step("Say what was seen").change(|| { k8s::apply("second.yaml"); seen })
    .verify("it is there", || k8s::exists("ConfigMap/default/second")).within("5s");
gate("Is this what was expected?");
phase("Two").goal("it is said again");
step("Say it again").change(|| { k8s::apply("second.yaml"); seen })
    .verify("it is there", || k8s::exists("ConfigMap/default/second")).within("5s");
"#;

/// A playbook that asks all contexts, after each of the two was given a greeting of its own.
fn world() -> World {
    let world = World::new();
    for (context, greeting) in [("staging", "hello"), ("main", "bonjour")] {
        world.file("cm.yaml", config_map("hello", greeting));
        world.playbook("greet", "step(\"Greet\").change(|| k8s::apply(\"cm.yaml\")).verify(\"it is there\", || k8s::exists(\"ConfigMap/default/hello\"));");
        world.run(&format!("run greet.rhai --context {context}")).exits(0);
    }
    world.file("p.rhai", PLAN.replace("phase(", &format!("{ASKS}phase(")) + ITEMS);
    world
}

fn new_run(world: &World, before: &[String]) -> String {
    world.runs().into_iter().find(|run| !before.contains(run)).unwrap()
}

#[test]
fn every_context_answers_once_and_a_resume_has_it_from_the_journal() {
    let world = world();
    world.run("plan p.rhai").exits(0).prints("greetings on main").prints("greetings on staging").prints("the sample");
    let before = world.runs();
    world.run("run p.rhai --context main").exits(20).says("greetings on staging: \"hello\"");
    let run = new_run(&world, &before);
    world.change("staging", "ConfigMap", "hello", &config_map("hello", "changed-since"));
    world.run(&format!("approve {run}")).exits(0);
    world.run(&format!("resume {run}")).exits(0);
    let journal = world.journal(&run);
    let answers: Vec<_> =
        journal.of("discovery.answered").iter().map(|a| (a["context"].clone(), a["value"].clone())).collect();
    assert_eq!(answers, [("staging".into(), "hello".into()), ("main".into(), "bonjour".into())]);
    for changed in journal.of("step.changed") {
        assert_eq!(changed["output"], serde_json::json!({ "main": "bonjour", "staging": "hello" }));
    }
    assert!(world.object("staging", "/api/v1/namespaces/default/configmaps/second").is_none(), "it is only read");
}

#[test]
fn a_context_that_cannot_be_reached_is_found_and_the_others_are_still_read() {
    let world = world();
    let kubeconfig = "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\nusers: [{name: u, user: {}}]\ncontexts: [{name: far, context: {cluster: c, user: u}}]\n";
    world.file("far.kubeconfig", kubeconfig);
    world.file("runbook.toml", format!("{TOML}[contexts.far]\nkubeconfig = \"far.kubeconfig\"\n"));
    let text = std::fs::read_to_string(world.path("p.rhai")).unwrap();
    world.file("p.rhai", text.replace("[\"staging\", \"main\"]", "[\"staging\", \"far\", \"main\"]"));
    let before = world.runs();
    world.run("run p.rhai --context main").exits(12).says("\"greetings\" could not be discovered on far: context far:");
    let journal = world.journal(&new_run(&world, &before));
    let answers = journal.of("discovery.answered");
    let of = |context: &str| answers.iter().find(|answer| answer["context"] == context).unwrap();
    assert_eq!((&of("staging")["value"], &of("main")["value"]), (&"hello".into(), &"bonjour".into()));
    assert!(of("far")["failed"].as_str().unwrap().contains("127.0.0.1:1"), "{}", of("far"));
    assert!(world.object("main", "/api/v1/namespaces/default/configmaps/second").is_none());
}

#[test]
fn a_context_that_is_pinned_to_another_cluster_is_not_read() {
    let world = world();
    world.file("runbook.toml", TOML.replace("[contexts.main]", "uid = \"another\"\n[contexts.main]"));
    world.run("run p.rhai --context main").exits(12).says(
        "\"greetings\" could not be discovered on staging: context staging is not the cluster that it is pinned to",
    );
}
