//! What scripts read of a cluster's Secrets: it is compared, joined and handed on, and is in no file and no output.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::json;

use crate::canaries::{Stage, canary};

const SECRET: &str = r#"k8s::get("Secret/default/there")"#;

fn check(verify: &str) -> String {
    let verify = verify.replace("SECRET", SECRET);
    format!(
        r#"step("Compare").irreversible("it is only read").change(|| 1).verify("it is so", || {verify}).within("0s");"#
    )
}

/// Shows and closes every run.
fn abandon_all(stage: &mut Stage) {
    for run in stage.world.runs() {
        stage.run(&format!("show {run}"));
        stage.run(&format!("abandon {run} --reason over"));
    }
}

#[test]
fn comparisons_that_fail_tell_types_and_no_values() {
    let mut stage = Stage::new("");
    for (verify, told) in [
        ("SECRET.data.value == \"guess\"", "\"(Secret)\", expected \"(string)\": different"),
        ("base64::decode(SECRET.data.value) == \"guess\"", "\"(Secret)\", expected \"(string)\": different"),
        (
            "SECRET.data == #{ value: \"guess\" }",
            "{\"value\":\"(Secret)\"}, expected {\"value\":\"(string)\"}: different",
        ),
        ("SECRET.data.value == base64::encode(SECRET.data.value)", "\"(Secret)\", expected \"(Secret)\": different"),
        ("base64::decode(SECRET.data.value).contains(\"guess\")", "a secret's value is not shown"),
        ("SECRET.data.value in [\"guess\"]", "a secret's value is not shown"),
        ("k8s::list(\"Secret\").any(|s| s.data.value == \"guess\")", "different"),
        ("k8s::list(\"Secret\").filter(|s| s.data.value == \"guess\").len() == 1", "0, expected 1"),
        ("expect(SECRET, #{ data: #{ value: \"guess\" } })", "data.value"),
        ("absent(SECRET, \"data.value\")", "`data.value` is \"(Secret)\""),
        ("json::stringify(SECRET) == \"guess\"", "\"(Secret)\", expected \"(string)\": different"),
        ("yaml::stringify(SECRET.to_map()) == \"guess\"", "\"(Secret)\", expected \"(string)\": different"),
        ("json::parse(SECRET.to_json()).data.value == \"guess\"", "\"(Secret)\", expected \"(string)\": different"),
        ("SECRET.data.value.len() == 1", "expected 1"),
    ] {
        stage.world.playbook("p", &check(verify));
        assert_eq!(stage.run("run p.rhai --context staging -o json"), 10, "{verify}: {}", stage.said());
        abandon_all(&mut stage);
        let said: String = stage.everything();
        assert!(said.contains(told), "{verify}: not told: {told}\n{said}");
        stage.nothing_is_found();
    }
}

#[test]
fn comparisons_that_hold_need_no_value_to_be_known() {
    let mut stage = Stage::new("");
    let holds = [
        "SECRET.data.value != ()",
        "SECRET.data.nothing == ()",
        "\"value\" in SECRET.data && SECRET.data.keys() == [\"value\"] && SECRET.type == \"Opaque\"",
        "SECRET.metadata.name == \"there\" && SECRET.data.value.len() > 20",
        "SECRET.data.value == k8s::list(\"Secret\", \"default\").filter(|s| s.metadata.name == \"there\")[0].data.value",
        "expect(SECRET, #{ type: \"Opaque\", metadata: #{ name: \"there\" } })",
        "absent(SECRET, \"data.nothing\")",
        "base64::decode(SECRET.data.value).starts_with(\"c4nary/\")",
        "base64::encode(base64::decode(SECRET.data.value)) == SECRET.data.value",
    ];
    let items: String =
        holds.iter().enumerate().map(|(n, verify)| check(verify).replace("Compare", &format!("Compare {n}"))).collect();
    stage.world.playbook("p", &items);
    assert_eq!(stage.run("run p.rhai --context staging -o json"), 0, "{}", stage.said());
    stage.nothing_is_found();
}

#[test]
fn what_would_make_text_of_a_value_says_what_to_do_instead() {
    let mut stage = Stage::new("");
    for (body, told) in [
        ("print(SECRET.data.value)", "a secret cannot become text"),
        ("print(SECRET)", "a secret cannot become text"),
        ("let text = `${SECRET.data.value}`; text", "a secret cannot become text"),
        ("let text = `it is ${SECRET}`; text", "a secret cannot become text"),
        ("debug([SECRET.data])", "a secret cannot become text"),
        ("throw SECRET.data.value", "secret"),
        ("throw SECRET", "«secret»"),
        ("k8s::get(SECRET.data.value)", "takes an object reference as text"),
        ("cmd::run([\"teller\", \"forms\", SECRET.data.value])", "takes no secret as an argument"),
        ("cmd::run([\"teller\", \"forms\", \"--token=\" + SECRET.data.value])", "takes no secret as an argument"),
        ("json::parse(SECRET.data.value)", "this secret is not JSON"),
        ("SECRET.data.value.split(\"/\")", "split"),
    ] {
        let body = body.replace("SECRET", SECRET);
        stage.world.playbook(
            "p",
            &format!(r#"step("Tell").irreversible("it is only read").change(|| {{ {body} }}).verify("never", || false).within("0s");"#),
        );
        let code = stage.run("run p.rhai --context staging");
        assert!([11, 13].contains(&code), "{body}: {code}: {}", stage.said());
        assert!(stage.said().contains(told), "{body}: {}", stage.said());
        assert!(stage.said().contains("p.rhai:"), "it says where: {body}: {}", stage.said());
        abandon_all(&mut stage);
        stage.nothing_is_found();
    }
}

#[test]
fn a_gate_shows_what_is_open_of_a_secret_and_refuses_the_rest() {
    let mut stage = Stage::new(&format!(
        r#"step("Look").verify("it is there", || k8s::exists("Secret/default/there"));
        gate("Is it the right one?").show("the object", || {SECRET}).show("the value", || {SECRET}.data.value)
            .show("its keys", || {SECRET}.data.keys()).show("as it was", || {SECRET}.data.value == "guess");
        phase("Two").goal("it goes on");
        step("Look again").verify("it is there", || k8s::exists("Secret/default/there"));"#
    ));
    assert_eq!(stage.run("run p.rhai --context staging -o json"), 20, "{}", stage.said());
    let journal = stage.world.journal(&stage.world.only());
    // the first is the start gate
    let text = journal.of("gate.opened").last().unwrap().to_string();
    assert!(text.contains("\"value\":\"«secret»\"") && text.contains("\"name\":\"there\""), "{text}");
    assert!(text.contains("a secret cannot leave the script") && text.contains(".data.keys()"), "{text}");
    assert!(text.contains("[\"value\"]") && text.contains("false"), "{text}");
    stage.run(&format!("show {}", stage.world.only()));
    stage.nothing_is_found();
}

#[test]
fn a_value_is_opened_at_the_door_and_nowhere_else() {
    let mut stage = Stage::new(&format!(
        r#"step("Copy it").undo("delete it").change(|| {{
            let value = base64::decode({SECRET}.data.value);
            k8s::apply(#{{ apiVersion: "v1", kind: "ConfigMap", metadata: #{{ name: "open", namespace: "default" }}, data: #{{ value: value, url: "db://me:" + value + "@host" }} }});
            k8s::apply(#{{ apiVersion: "v1", kind: "Secret", metadata: #{{ name: "copy", namespace: "default" }}, data: {SECRET}.data.to_map(), stringData: #{{ again: value }} }});
            cmd::run(["teller", "forms"], #{{ stdin: value }});
            cmd::run(["teller", "forms"], #{{ env: #{{ VALUE: value }} }});
            k8s::annotate("ConfigMap/default/open", #{{ "example.com/value": value }})
        }})
        .verify("it is the same", || k8s::get("ConfigMap/default/open").data.value == base64::decode({SECRET}.data.value)
            && k8s::get("Secret/default/copy").data.value == {SECRET}.data.value)
        .verify("never", || k8s::get("ConfigMap/default/open").data.value == "guess").within("0s");"#
    ));
    assert_eq!(stage.run("run p.rhai --context staging -o json"), 10, "{}", stage.said());
    let map = stage.server.object("/api/v1/namespaces/default/configmaps/open").unwrap();
    assert_eq!(map["data"]["value"], canary("there"));
    assert_eq!(map["metadata"]["annotations"]["example.com/value"], canary("there"));
    let copy = stage.server.object("/api/v1/namespaces/default/secrets/copy").unwrap();
    assert_eq!(copy["data"]["again"], BASE64_STANDARD.encode(canary("there")));
    let run = stage.world.only();
    for line in ["show RUN", "show RUN -o json", "resume RUN", "undo RUN --dry-run"] {
        stage.run(&line.replace("RUN", &run));
    }
    stage.nothing_is_found();
}

#[test]
fn what_a_step_returned_or_found_of_a_secret_is_an_error_with_a_place_in_each_process() {
    let mut stage = Stage::new(&format!(
        r#"let names = discover("the secrets", [], || k8s::list("Secret", "default"));
        let read = step("Read it").irreversible("it is only read").change(|| {SECRET}).verify("so", || true);
        step("Patch it").irreversible("its values were not kept")
            .change(|| k8s::patch("Secret/default/there", #{{ metadata: #{{ labels: #{{ seen: "yes" }} }} }}))
            .verify("its name was the same", || before("Secret/default/there").metadata.name == {SECRET}.metadata.name)
            .verify("the names are known", || "there" in names.map(|it| it.metadata.name));
        step("Use it").undo("delete it")
            .change(|| WHAT)
            .verify("it is there", || k8s::exists("ConfigMap/default/x"));"#
    ));
    let script = std::fs::read_to_string(stage.world.path("p.rhai")).unwrap();
    let map = |value: &str| {
        format!(
            r#"k8s::apply(#{{ apiVersion: "v1", kind: "ConfigMap", metadata: #{{ name: "x", namespace: "default" }}, data: #{{ x: {value} }} }})"#
        )
    };
    let mut known = vec![];
    for (what, code, told) in [
        (map("read.output.data.value"), 11, "held a secret, which is not kept"),
        // what can be found before the first change is
        (map("names[0].data.value"), 12, "a secret stood there and was not kept"),
        ("if names[0].data.value == \"guess\" { 1 } else { 2 }".into(), 11, "was not kept"),
    ] {
        stage.world.file("p.rhai", script.replace("WHAT", &what));
        assert_eq!(stage.run("run p.rhai --context staging"), code, "{what}: {}", stage.said());
        assert!(stage.said().contains(told) && stage.said().contains("p.rhai:12:"), "{what}: {}", stage.said());
        let run = stage.world.runs().into_iter().find(|run| !known.contains(run)).unwrap();
        known.push(run.clone());
        if code == 11 {
            assert_eq!(stage.run(&format!("resume {run}")), code, "{what}: {}", stage.said());
            assert!(stage.said().contains(told) && stage.said().contains("p.rhai:12:"), "{what}: {}", stage.said());
        }
        stage.run(&format!("abandon {run} --reason over"));
        assert!(stage.server.object("/api/v1/namespaces/default/configmaps/x").is_none());
        stage.nothing_is_found();
    }
}

#[test]
fn a_discover_that_gives_a_value_says_what_to_give_instead() {
    let mut stage = Stage::new(&format!(
        r#"let value = discover("the value", "x", || {SECRET}.data.value);
        step("Look").verify("it is there", || k8s::exists("Secret/default/there"));"#
    ));
    assert_eq!(stage.run("run p.rhai --context staging"), 12, "{}", stage.said());
    assert!(stage.said().contains("in the closure that needs it"), "{}", stage.said());
    stage.nothing_is_found();
}

#[test]
fn switches_ports_and_names_in_a_secret_blank_nothing() {
    let mut stage = Stage::new(
        r#"step("Read it").irreversible("it is only read").change(|| { let s = k8s::get("Secret/default/switches");
                #{ replicas: 1, ready: true, words: "true", port: 5432, name: s.metadata.name, keys: s.data.keys() } })
            .verify("it is on", || base64::decode(k8s::get("Secret/default/switches").data.on) == "true")
            .verify("it is empty", || k8s::get("Secret/default/switches").data.none == "")
            .verify("what was returned is there", || output().replicas == 1 && output().port == 5432 && output().words == "true"
                && output().name == "switches");
        step("See").irreversible("it is only read").change(|| 1)
            .verify("one is two", || 1 == 2 || "true" == "false on port 5432 of switches in default").within("0s");"#,
    );
    stage.server.make(&json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "switches", "namespace": "default" },
        "stringData": { "on": "true", "count": "1", "port": "5432", "none": "", "name": "switches", "namespace": "default", "password": "not-ordinary-7" } }));
    assert_eq!(stage.run("run p.rhai --context staging"), 10, "{}", stage.said());
    assert!(stage.said().contains("expected  \"false on port 5432 of switches in default\""), "{}", stage.said());
    let journal = stage.world.journal_of_whole_lines(&stage.world.only());
    let blanked: Vec<&str> = journal.lines().filter(|line| line.contains("«secret»")).collect();
    assert!(blanked.is_empty(), "{blanked:#?}");
}
