//! The four traps of the engine, and what else closures see when they run later.

use super::*;

#[test]
fn a_loop_variable_is_captured_as_it_is_in_each_turn() {
    let declared = sound(
        "plan(\"p\"); for n in [\"a\", \"b\"] { let m = #{ deep: [n] }; step(n).change(|| [n, m.deep[0]]); m.deep[0] = \"later\"; }",
    );
    assert_eq!(change(&declared, "steps/a").unwrap(), json!(["a", "a"]));
    assert_eq!(change(&declared, "steps/b").unwrap(), json!(["b", "b"]));
}

#[test]
fn a_closure_sees_imports_constants_and_functions_when_it_runs_later() {
    let sources = Texts::new(
        "p.rhai",
        "import \"lib\" as lib;\nconst A = 1;\nfn own() { global::A + lib::one() }\nplan(\"p\");\nstep(\"s\").change(|| own() + lib::one());\nstep(\"t\").change(lib::made(5));\nstep(\"u\").change(lib::EXPORTED);\nlib::declares(7);",
    )
    .with(
        "lib.rhai",
        "const B = 10;\nfn one() { global::B }\nfn made(n) { || n + one() }\nexport const EXPORTED = || 3;\nfn declares(n) { step(\"from a module\").change(|| [n, 1].map(|x| x + one())); }",
    );
    let declared = declare(&(Arc::new(sources) as Arc<dyn Sources>), &Setting::default());
    assert_eq!(rules(&declared), Vec::<&str>::new(), "{:#?}", declared.findings);
    assert_eq!(change(&declared, "steps/s").unwrap(), json!(21));
    assert_eq!(change(&declared, "steps/t").unwrap(), json!(15));
    assert_eq!(change(&declared, "steps/u").unwrap(), json!(3));
    assert_eq!(change(&declared, "steps/from-a-module").unwrap(), json!([17, 11]));
}

#[test]
fn identical_closures_at_one_place_of_two_modules_are_refused() {
    let module = "fn made() { || 1 + 1 }";
    let sources = Texts::new("p.rhai", "import \"a\" as a; import \"b\" as b; plan(\"p\");")
        .with("a.rhai", module)
        .with("b.rhai", module);
    let declared = declare(&(Arc::new(sources) as Arc<dyn Sources>), &Setting::default());
    assert_eq!(rules(&declared), ["identical-closures"]);
}

#[test]
fn natives_do_not_run_while_a_script_is_compiled() {
    // `time::now()` gives the run's start while declaring; a branch that is not taken must not even look
    let declared = declared("plan(\"p\"); if false { k8s_is_not_called(); json::parse(\"not json\"); }");
    assert!(declared.findings.iter().all(|finding| finding.rule != "native"), "{:?}", declared.findings);
}

#[test]
fn results_of_earlier_steps_are_read_when_a_closure_runs() {
    let declared = sound(
        "plan(\"p\"); let a = step(\"a\").change(|| 1); step(\"b\").change(|| a.output.uid).verify(\"v\", || output() == 5);",
    );
    let body = Body::Change(step("steps/b"));
    let mut call = Call::new(body.clone());
    call.outputs = Some(Arc::new(|id| (id.as_str() == "steps/a").then(|| json!({"uid": "u-1"}))));
    assert_eq!(declared.call(&body, call).unwrap(), json!("u-1"));
    assert!(change(&declared, "steps/b").unwrap_err().message.contains("steps/a has no output"));
    let body = Body::Verify(step("steps/b"), 0);
    let mut call = Call::new(body.clone());
    call.output = Some(json!(5));
    assert!(declared.evaluate(&body, call).unwrap().verdict.holds());
}

#[test]
fn calls_from_several_threads_do_not_see_each_others_call() {
    let declared = sound("plan(\"p\"); fn deep() { output() } step(\"s\").change(|| [1, 2].map(|x| deep()));");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let declared = declared.clone();
            scope.spawn(move || {
                for turn in 0..200 {
                    let body = Body::Change(step("steps/s"));
                    let mut call = Call::new(body.clone());
                    let own = thread * 1000 + turn;
                    call.output = Some(json!(own));
                    assert_eq!(declared.call(&body, call).unwrap(), json!([own, own]));
                }
            });
        }
    });
}

#[test]
fn a_closure_that_does_not_end_is_ended_and_nothing_swallows_it() {
    let declared = sound("plan(\"p\"); step(\"s\").change(|| { try { [1].map(|x| { loop { } }) } catch { } 5 });");
    let body = Body::Change(step("steps/s"));
    let call = Call::new(body.clone()).until(Instant::now() + Duration::from_millis(30));
    assert_eq!(declared.call(&body, call).unwrap_err().kind, ErrorKind::Deadline);
    let mut call = Call::new(body.clone());
    let calls = std::sync::atomic::AtomicU32::new(0);
    call.cancelled = Some(Arc::new(move || calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) > 3));
    assert_eq!(declared.call(&body, call).unwrap_err().kind, ErrorKind::Cancelled);
}

#[test]
fn a_declaration_inside_a_closure_is_refused_when_it_runs() {
    let declared = sound("plan(\"p\"); step(\"s\").change(|| { step(\"inner\"); });");
    let error = change(&declared, "steps/s").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Mode);
    assert!(error.message.contains("the change of step steps/s"), "{error}");
}

#[test]
fn a_verify_that_does_not_end_in_true_or_false_is_an_error_at_its_place() {
    for (body, found) in [("1", "int"), ("()", "nothing"), ("let ok = true", "nothing"), ("\"true\"", "string")] {
        let declared = sound(&format!("plan(\"p\");\nstep(\"s\").verify(\"v\", || {{ {body} }});"));
        let error = verify(&declared, "steps/s").unwrap_err();
        assert_eq!(error.kind, ErrorKind::Result);
        assert!(error.message.contains(found), "{error}");
        assert_eq!(error.place.unwrap().to_string(), "p.rhai:2:23");
    }
    assert!(
        verify(&sound("plan(\"p\"); step(\"s\").verify(\"v\", || { 1 == 1; });"), "steps/s").unwrap().verdict.holds()
    );
}

#[test]
fn a_comparison_of_mixed_types_is_an_error_and_not_a_verdict() {
    for body in ["1 != \"0\"", "try { 1 == \"1\" } catch { } true", "[1, \"a\"] == [\"1\", \"a\"]"] {
        let declared = sound(&format!("plan(\"p\");\nstep(\"s\").verify(\"v\", || {{ {body} }});"));
        let error = verify(&declared, "steps/s").expect_err(body);
        assert_eq!((error.kind, error.place.as_ref().map(|place| place.line)), (ErrorKind::Result, Some(2)), "{error}");
    }
    // whole numbers and others compare by value
    assert!(verify(&sound("plan(\"p\"); step(\"s\").verify(\"v\", || 1 == 1.0);"), "steps/s").unwrap().verdict.holds());
}

#[test]
fn a_missing_field_is_not_yet_and_names_its_path() {
    let declared =
        sound("plan(\"p\"); step(\"s\").change(|| 1).verify(\"v\", || output().status.phase != \"Pending\");");
    let body = Body::Verify(step("steps/s"), 0);
    let mut call = Call::new(body.clone());
    call.output = Some(json!({"status": {"phse": "Active"}}));
    let evaluation = declared.evaluate(&body, call).unwrap();
    assert_eq!(evaluation.verdict, crate::model::Verdict::NotYet);
    let words = serde_json::to_string(&evaluation).unwrap();
    assert!(words.contains("status.phase") && words.contains("phse"), "{words}");
}

#[test]
fn text_made_of_a_missing_field_ends_a_change() {
    let declared = sound(
        "plan(\"p\"); let a = step(\"a\").change(|| 1);\nstep(\"b\").change(|| { let n = `pvc-${a.output.nmae}`; n });",
    );
    let body = Body::Change(step("steps/b"));
    let mut call = Call::new(body.clone());
    call.outputs = Some(Arc::new(|_| Some(json!({"name": "x"}))));
    let error = declared.call(&body, call).unwrap_err();
    assert!(error.message.contains("`nmae` of ") && error.message.contains("did you mean `name`?"), "{error:?}");
    assert_eq!(error.place.unwrap().to_string(), "p.rhai:2:37");
}
