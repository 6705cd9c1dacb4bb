use super::{Bench, try_verify, verdict};
use crate::script::observe::{from_dynamic, missing_object, missing_of, to_dynamic};
use serde_json::json;

#[test]
fn a_missing_field_is_not_yet_and_named_with_its_full_path() {
    let status = "`status.phase` of Namespace/eu-1 is missing (there is no `status`)";
    for (closure, path) in [
        (r#"|| k8s::get("no").status.phase == "A""#, status),
        (r#"|| k8s::get("no").status.phase != "A""#, status),
        (r#"|| k8s::get("no").status["phase"] == "A""#, status),
        (r#"|| no.status.phase == "A""#, status),
        (r#"|| { let o = k8s::get("no"); let s = o.status; s.phase == "A" }"#, status),
        ("|| { let a = [no.status.phase]; a[0] == 1 }", status),
        ("|| { let m = #{k: no.status.phase}; m.k == 1 }", status),
        ("|| { let x = no.status.phase; let f = || x == 1; f.call() }", status),
        (r#"|| "A" == no.status.phase"#, status),
        (r#"|| no.status.phase in ["A"]"#, status),
        (r#"|| "A" in no.status.phase"#, status),
        (r#"|| no.status.phase.contains("x")"#, status),
        (r#"|| no.status.phase.starts_with("a")"#, status),
        ("|| no.status.phase.all(|c| c == 1)", status),
        ("|| !no.status.phase", status),
        ("|| no.status.phase", status),
        ("|| no.status.phase + 1 > 2", status),
        ("|| 1 + no.status.phase > 2", status),
        ("|| -no.status.phase > 2", status),
        ("|| no.status.phase < 2", status),
        ("|| { for c in no.status.phase { return true; } true }", status),
        (r#"|| `${no.status.phase}` != "x""#, status),
        (r#"|| "a" + no.status.phase != "ax""#, status),
        (r#"|| no.status.phase.to_string() != "x""#, status),
        ("|| [no.status.phase] == [1]", status),
        ("|| no.status?.phase != 1", status),
        ("|| max(no.status.phase, 1) == 1", status),
        ("|| no.status.phase.len() == 0", status),
        (r#"|| [1].filter(|x| no.status.phase == "x").len() == 0"#, status),
        ("|| { try { no.status.phase == 1 } catch {} true }", status),
        ("|| { try { [1].filter(|x| no.status.phase == 1) } catch {} true }", status),
        ("|| parse_int(no.status.phase) == 1", status),
        (
            r#"|| ok.status.conditions[1].status == "True""#,
            "`status.conditions[1].status` of Namespace/eu-1 is missing",
        ),
        ("|| no.a[0].y == 1", "`a[0].y` of Namespace/eu-1 is missing (there is no `a`)"),
        (
            r#"|| ok.metadata.labels["q.y/z"] == 1"#,
            "`metadata.labels[\"q.y/z\"]` of Namespace/eu-1 is missing; did you mean `x.y/z`?",
        ),
        (r#"|| ok.metadata.deletionTimestamp == "now""#, "`metadata.deletionTimestamp` of Namespace/eu-1 is missing"),
        (r#"|| k8s::get("none").status.phase == 1"#, "`status.phase` of Namespace/none (not found)"),
        (r#"|| k8s::get("none") != 1"#, "Namespace/none (not found)"),
    ] {
        assert_eq!(verdict(closure), format!("not yet: {path}"), "{closure}");
    }
}

#[test]
fn a_missing_value_as_a_condition_is_not_yet_and_named() {
    for closure in
        ["|| if no.status.ready { true } else { false }", "|| no.status.ready && true", "|| no.status.ready || true"]
    {
        let verdict = verdict(closure);
        let expected = "not yet: `no.status.ready` has no value yet: `status.ready` of Namespace/eu-1 is missing (there is no `status`)";
        assert_eq!(verdict, expected, "{closure}");
    }
    assert!(verdict("|| k8s::get(no.name) == 1").starts_with("not yet: `name` of Namespace/eu-1"));
}

#[test]
fn the_nearest_sibling_is_suggested_where_the_path_broke() {
    assert_eq!(
        verdict(r#"|| ok.status.phse == "Active""#),
        "not yet: `status.phse` of Namespace/eu-1 is missing; did you mean `phase`?"
    );
    assert_eq!(
        verdict(r#"|| ok.staus.phase == "Active""#),
        "not yet: `staus.phase` of Namespace/eu-1 is missing (there is no `staus`); did you mean `status`?"
    );
    assert_eq!(verdict("|| ok.status.N == 3"), "not yet: `status.N` of Namespace/eu-1 is missing; did you mean `n`?");
}

#[test]
fn a_default_and_a_literal_unit_answer_at_once() {
    for (closure, expected) in [
        ("|| (no.status.n ?? 0) == 0", "holds"),
        ("|| (no.status.list.len() ?? 0) == 0", "holds"),
        ("|| no.status.phase == ()", "holds"),
        ("|| () == no.status.phase", "holds"),
        ("|| no.status.phase != ()", "does not"),
        ("|| ok.status.phase == ()", "does not"),
        ("|| ok.status.phase != ()", "holds"),
        ("|| k8s::get(\"none\") == ()", "holds"),
        ("|| ok.metadata.deletionTimestamp == ()", "holds"),
        ("|| #{a: no.n} == #{a: ()}", "holds"),
    ] {
        assert_eq!(verdict(closure), expected, "{closure}");
    }
}

#[test]
fn both_sides_missing_is_not_yet() {
    assert!(verdict("|| no.a == no.b").starts_with("not yet: `a` of"));
}

#[test]
fn a_plain_unit_is_an_error_and_no_waiting() {
    for closure in
        ["|| { fn_nothing(); }", "|| { let x = (); x.foo == 1 }", "|| { let x = (); if x { true } else { false } }"]
    {
        let closure = closure.replace("fn_nothing()", "let x = 1");
        assert!(verdict(&closure).starts_with("error:"), "{closure}: {}", verdict(&closure));
    }
}

#[test]
fn an_object_cannot_be_assigned_to() {
    let error = verdict("|| { let o = k8s::get(\"ok\"); o.status.n = 1; true }");
    assert!(error.contains("No writable property 'n'"), "{error}");
}

#[test]
fn outside_an_evaluation_a_missing_value_cannot_be_used() {
    let bench = Bench::new(&[]);
    for script in [
        "k8s::get(\"no\").a.b == 1",
        "\"x\" + k8s::get(\"no\").a.b",
        "let t = `x${k8s::get(\"no\").a.b}`; t.len()",
        "for x in k8s::get(\"no\").a.b { print(x); }",
        "k8s::get(\"no\").a.b.all(|x| x == 1)",
        "[1].all(|x| k8s::get(\"no\").a.b)",
        "fn f(x) { x } step(k8s::get(\"no\").a.b)",
        "expect(k8s::get(\"no\"), #{ a: #{ b: 1 } })",
    ] {
        let error = bench.engine.eval::<rhai::Dynamic>(script).expect_err(script);
        let error = format!("{error} {error:?}");
        assert!(
            ["`a.b` of Namespace/eu-1 is missing", "`a` of Namespace/eu-1 is missing", "this one gave ()", "step (())"]
                .iter()
                .any(|e| error.contains(e)),
            "{script}: {error}"
        );
    }
    assert_eq!(bench.engine.eval::<i64>("k8s::get(\"no\").a.b ?? 7").unwrap(), 7);
    assert!(bench.engine.eval::<bool>("[].all(|x| x == 1)").unwrap());
}

#[test]
fn a_captured_missing_value_keeps_its_path_in_another_thread() {
    let value = to_dynamic(json!({"a": null}), "Thing/x");
    let field = value.read_lock::<super::super::Obj>().unwrap().field("a");
    let text = std::thread::spawn(move || missing_of(&field).unwrap().text()).join().unwrap();
    assert_eq!(text, "`a` of Thing/x is missing");
}

#[test]
fn values_go_to_json_and_what_has_no_json_form_is_refused_by_name() {
    let bench = Bench::new(&[]);
    let value = |script: &str| from_dynamic(&bench.engine.eval::<rhai::Dynamic>(script).unwrap());
    let all = value(r#"#{a: [1, 2.5, "x", 'c', true, ()], o: k8s::get("ok").spec}"#).unwrap();
    let spec = json!({"replicas": 3, "share": 0.5, "paused": false});
    assert_eq!(all, json!({"a": [1, 2.5, "x", "c", true, null], "o": spec}));
    assert!(value("#{f: || 1}").unwrap_err().contains("closure"));
    assert!(value("#{f: k8s::get(\"no\").x}").unwrap_err().contains("`x` of Namespace/eu-1 is missing"));
    assert!(value("1..3").unwrap_err().contains("no JSON form"));
    assert!(from_dynamic(&missing_object("Pod/x")).unwrap_err().contains("Pod/x (not found)"));
    assert!(from_dynamic(&f64::NAN.into()).is_err());
}

#[test]
fn an_object_answers_about_its_fields() {
    let bench = Bench::new(&[]);
    for script in [
        r#"k8s::get("ok").spec.keys() == ["paused", "replicas", "share"]"#,
        r#"k8s::get("ok").spec.values() == [false, 3, 0.5]"#,
        r#"k8s::get("ok").spec.len() == 3"#,
        r#""replicas" in k8s::get("ok").spec"#,
        r#""replica" !in k8s::get("ok").spec"#,
        r#"k8s::get("ok").spec.contains("paused")"#,
        r#"k8s::get("ok").spec == k8s::get("ok").spec"#,
        r#"k8s::get("ok").spec == #{replicas: 3, share: 0.5, paused: false}"#,
        r#"#{replicas: 3.0, share: 0.5, paused: false} == k8s::get("ok").spec"#,
        r#"k8s::get("ok").spec != #{replicas: 3}"#,
        r#"k8s::get("ok").spec.to_json() == `{"paused":false,"replicas":3,"share":0.5}`"#,
        r#"let m = k8s::get("ok").to_map(); m.status.n = 9; m.status.n == 9"#,
        r#"k8s::get("ok").status.conditions[0].type == "Ready""#,
        r#"k8s::get("ok").status.conditions.len() == 2"#,
    ] {
        assert!(bench.engine.eval::<bool>(script).unwrap_or_else(|e| panic!("{script}: {e}")), "{script}");
    }
}

#[test]
fn an_ordinary_error_stays_an_error_with_its_place() {
    let error = try_verify("|| ok.status.conditions[5].type == 1").unwrap_err();
    assert!(error.to_string().contains("out of bounds"), "{error}");
    let error = try_verify("|| {\n throw \"no\" }").unwrap_err();
    assert!(error.to_string().contains("line 3"), "{error}");
    // A miss answered false took the script there.
    assert!(verdict("|| if no.x == 1 { true } else { throw \"no\" }").starts_with("not yet: `x`"));
}
