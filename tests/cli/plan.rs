//! The plan as a document: Markdown, a page, JSON, and what changed since another version.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{
    browser::Browser,
    program::{GREET, TWO, World},
};

const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/playbooks/deploy-app.rhai");
const SECTIONS: [&str; 8] = [
    "1. Objective",
    "2. Context &amp; Constraints",
    "3. Current State",
    "4. Target State",
    "5. Phases &amp; Tasks",
    "6. Validation &amp; Testing",
    "7. Rollback Plan",
    "8. Open Questions",
];

/// What stands between the quotes after `name="`, each time.
fn attributes<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let begin = format!("{name}=\"");
    text.split(&begin).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// The corners of every box: left, top, right, bottom.
fn boxes(page: &str) -> Vec<[f64; 4]> {
    let number = |rect: &str, name: &str| -> f64 { attributes(rect, &format!(" {name}"))[0].parse().unwrap() };
    let rects = page.split("<rect").skip(1).map(|rest| rest.split('>').next().unwrap());
    rects
        .map(|rect| {
            let (x, y) = (number(rect, "x"), number(rect, "y"));
            [x, y, x + number(rect, "width"), y + number(rect, "height")]
        })
        .collect()
}

#[test]
fn the_page_opens_in_a_browser_with_all_sections_and_boxes_that_do_not_overlap() {
    let world = World::new();
    let Some(browser) = Browser::find(&world) else { return };
    let out = world.run(&format!("plan {DEPLOY} --html"));
    out.exits(0).says_nothing();
    let page = world.root().join("plan.html");
    fs::write(&page, &out.out).unwrap();
    let graph = world.run(&format!("plan {DEPLOY} -o json"));
    let graph: Value = graph.exits(0).json()["graph"].clone();

    let (elements, console) = browser.elements(&page);
    assert_eq!(console, Vec::<String>::new(), "the console is silent");
    for section in SECTIONS {
        assert!(elements.contains(&format!(">{section}</h2>")), "{section}");
    }
    let drawn = attributes(&elements, "data-node");
    for node in graph["nodes"].as_array().unwrap() {
        assert!(drawn.contains(&node["id"].as_str().unwrap()), "{node} is in the picture");
    }
    let boxes = boxes(&elements);
    assert_eq!(boxes.len(), drawn.len());
    for (n, a) in boxes.iter().enumerate() {
        for b in &boxes[n + 1..] {
            assert!(a[2] <= b[0] || b[2] <= a[0] || a[3] <= b[1] || b[3] <= a[1], "{a:?} {b:?} overlap");
        }
    }
    let table = elements.split("<tbody>").nth(1).unwrap().split("</tbody>").next().unwrap();
    assert_eq!(table.matches("<tr>").count(), graph["edges"].as_array().unwrap().len(), "each edge is in the table");
    for (size, dark) in [((1200, 2400), false), ((400, 2400), true)] {
        let rows = browser.rows(&page, size, dark);
        assert!(rows > 200, "{size:?}: only {rows} rows of the picture are unlike each other");
    }
}

#[test]
fn a_page_and_json_are_two_forms_of_one_document() {
    let world = World::with(GREET);
    world.run("plan p.rhai --html -o json").exits(2).says("leave one of them out");
    world.run("plan p.rhai --html").exits(0).prints("<!DOCTYPE html>").prints("Say hello").says_nothing();
}

#[test]
fn what_a_playbook_leaves_out_is_asked_in_words_in_every_form_and_it_does_not_run() {
    let world = World::new();
    let bare = "plan(\"Bare\").problem(\"p\").outcome(\"o\").contexts([\"staging\"]);\nphase(\"One\");\nstep(\"Look\").verify(\"v\", || true);\nquestion(\"Who owns it?\");\ndecision(\"Which way?\").option(\"left\", \"longer\");\n";
    world.file("p.rhai", bare);
    let asked = [
        "What is the current state?",
        "What is the target state?",
        "What is the goal of phase \"One\"?",
        "Who owns it?",
        "Which way?",
    ];
    let markdown = world.run("plan p.rhai");
    let last = markdown.exits(13).out.split("## 8. Open Questions").nth(1).unwrap().to_owned();
    let json = world.run("plan p.rhai -o json");
    let json = json.exits(13).json();
    let page = world.run("plan p.rhai --html");
    let top = page.exits(13).out.split("<main>").next().unwrap().replace("&quot;", "\"");
    for question in asked {
        assert!(last.contains(question), "{question}\n{last}");
        assert!(top.contains(question), "{question}\n{top}");
        let open = json["open_questions"].as_array().unwrap();
        assert!(open.iter().any(|it| it["question"] == question && it["write"].is_string()), "{question}");
    }
    assert_eq!(json["ready"], false);
    let refused = world.run("run p.rhai --context staging");
    refused.exits(13).says("the question \"Who owns it?\" is open").says("\"Which way?\" is not decided");
    refused.says("what there is today").says("phase \"One\" has no goal");
    assert!(world.runs().is_empty());
}

#[test]
fn a_program_gets_sections_questions_findings_edges_and_the_digest() {
    let world = World::with(TWO);
    let out = world.run("plan p.rhai --context staging -o json");
    let plan = out.exits(0).json();
    let keys: Vec<&String> = plan.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        ["bound", "context", "digest", "findings", "graph", "open_questions", "plan", "ready", "sections", "title"]
    );
    let sections = plan["sections"].as_array().unwrap();
    assert_eq!(sections.len(), 8);
    assert!(sections.iter().all(|section| section["stated"] == true), "{sections:#?}");
    assert_eq!((&sections[2]["number"], &sections[2]["title"]), (&3.into(), &"Current State".into()));
    assert!(sections[2]["markdown"].as_str().unwrap().contains("there is no ConfigMap"));
    let edges = plan["graph"]["edges"].as_array().unwrap();
    let touches = edges.iter().find(|edge| edge["sort"] == "touches").unwrap();
    assert_eq!(
        (&touches["from"], &touches["to"]),
        (&"step:one/greet".into(), &"object:ConfigMap/default/hello".into())
    );
    assert_eq!(touches["why"], "apply");
    assert!(plan["digest"].as_str().unwrap().len() > 32);
}

#[test]
fn on_a_context_the_picture_has_what_depends_on_the_touched_objects() {
    const READER: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: reader, namespace: default}
spec:
  selector: {matchLabels: {app: reader}}
  template:
    metadata: {labels: {app: reader}}
    spec: {containers: [{name: c, image: example.com/c, envFrom: [{configMapRef: {name: hello, optional: true}}]}]}
";
    let world = World::new();
    world.file("reader.yaml", READER);
    world.playbook("reader", "step(\"Read\").change(|| k8s::apply(\"reader.yaml\")).verify(\"v\", || k8s::exists(\"Deployment/default/reader\"));");
    world.run("run reader.rhai --context staging").exits(0);
    world.playbook("p", GREET);
    let ids = |context: &str| {
        let graph = world.run(&format!("plan p.rhai{context} -o json")).exits(0).json()["graph"].clone();
        let nodes: Vec<Value> = graph["nodes"].as_array().unwrap().clone();
        let edges = graph["edges"].as_array().unwrap().iter();
        let why = edges.map(|e| e["why"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ");
        (nodes.into_iter().map(|node| (node["id"].clone(), node["exists"].clone())).collect::<Vec<_>>(), why)
    };
    let reader = "object:Deployment.apps/default/reader";
    let (offline, _) = ids("");
    assert!(offline.iter().all(|(id, exists)| id != reader && exists.is_null()), "{offline:#?}");
    let (there, why) = ids(" --context staging");
    assert!(there.contains(&(reader.into(), true.into())), "{there:#?}");
    assert!(
        there.contains(&("object:ConfigMap/default/hello".into(), false.into())),
        "it is not there yet: {there:#?}"
    );
    assert!(why.contains("configMapRef"), "{why}");
    world.run("plan p.rhai --html --context staging").exits(0).prints("not in the cluster").prints("reader");
}

#[test]
fn what_changed_is_said_by_section_and_step_and_is_exit_code_3() {
    let world = World::with(GREET);
    fs::copy(world.path("p.rhai"), world.path("old.rhai")).unwrap();
    let json = world.run("plan p.rhai -o json");
    world.file("old.json", &json.exits(0).out);
    world.run("run p.rhai --context staging").exits(0);
    let run = world.only();
    for old in ["old.rhai", "old.json", &run] {
        world.run(&format!("plan p.rhai --diff {old}")).exits(0).prints("No differences.");
    }
    let text = fs::read_to_string(world.path("p.rhai")).unwrap();
    let text = text.replace("there is no ConfigMap", "nobody greets").replace(".within(\"5s\")", ".within(\"9s\")");
    world.file("p.rhai", format!("{text}step(\"Wave\").verify(\"it waves\", || true);\n"));
    for old in ["old.rhai", "old.json", &run] {
        let diff = world.run(&format!("plan p.rhai --diff {old}"));
        diff.exits(3).prints("3 differences.").prints("## 3. Current State").prints("before: there is no ConfigMap");
        diff.prints("after: nobody greets").prints("**changed**: step `one/greet`, verify").prints("within 9s");
        diff.prints("**added**: step `one/wave`").says_nothing();
        let diff = world.run(&format!("plan p.rhai --diff {old} -o json"));
        let changes = diff.exits(3).json()["differences"].clone();
        assert_eq!(changes[0]["section"], 3);
        assert_eq!((&changes[0]["change"], &changes[2]["change"]), (&"changed".into(), &"added".into()));
    }
    world.run("plan p.rhai --diff nothing").exits(2).says("nothing").says("--diff takes a playbook");
    world.file("bad.json", "{\"plan\": 5}");
    world.run("plan p.rhai --diff bad.json").exits(2).says("bad.json: no plan").says("-o json > plan.json");
}

#[test]
fn the_pages_of_all_playbooks_are_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks");
    let world = World::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rhai") {
            let page = world.run(&format!("plan {} --html", path.display()));
            assert!(page.exits(0).out.contains("8. Open Questions") && page.out.ends_with("</html>\n"), "{path:?}");
        }
    }
}
