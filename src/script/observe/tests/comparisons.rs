use super::{lines, try_verify, verdict, verify};

#[test]
fn values_compare_by_their_kind() {
    for (closure, expected) in [
        ("|| 1 == 1", true),
        ("|| 1 == 1.0", true),
        ("|| 1.5 < 2", true),
        ("|| 2 <= 1.5", false),
        ("|| \"a\" < \"b\"", true),
        ("|| 'a' < 'b'", true),
        ("|| 'a' == \"a\"", true),
        ("|| true == true", true),
        ("|| [1, 2.0] == [1.0, 2]", true),
        ("|| [1, 2] == [1]", false),
        ("|| #{a: [1]} == #{a: [1.0]}", true),
        ("|| #{a: 1} != #{b: 1}", true),
        ("|| 1 in [1, 2]", true),
        ("|| 1 !in [1, 2]", false),
        ("|| \"a\" in #{a: 1}", true),
        ("|| \"b\" in \"abc\"", true),
        ("|| 'b' in \"abc\"", true),
        ("|| \"abc\".contains('b')", true),
        ("|| 3 in 1..5", true),
        ("|| 5 in 1..=5", true),
        ("|| 5 in 1..5", false),
        ("|| (0..3) == (0..3)", true),
        ("|| blob(2) == blob(2)", true),
        ("|| 1 == ()", false),
        ("|| () == ()", true),
        ("|| [3, 1, 2].contains(2)", true),
        ("|| [3, 1, 2].index_of(2) == 2", true),
        ("|| { let a = [1, 2]; a == a }", true),
        ("|| \"abc\".starts_with(\"ab\")", true),
        ("|| \"abc\".starts_with('a')", true),
        ("|| \"abc\".ends_with(\"ab\")", false),
        ("|| [1, 2].any(|x| x == 2)", true),
        ("|| [1, 2].some(|x| x == 3)", false),
        ("|| [1, 2].all(|x| x < 3)", true),
        ("|| [].all(|x| x < 3)", true),
        ("|| [1, 2].all(|| this < 3)", true),
        ("|| [1, 2].all(|x, i| x == i + 1)", true),
        ("|| [1, 2, 3].filter(|x| x > 1).len() == 2", true),
        ("|| [1, 2, 3].map(|x| x * 2) == [2, 4, 6]", true),
        ("|| max(1, 2) == 2", true),
    ] {
        let evaluation = verify(closure);
        assert_eq!(evaluation.verdict.holds(), expected, "{closure}");
        let first = &evaluation.observations[0];
        assert!(first.place.is_some(), "{closure}: not recorded");
        assert_eq!(first.holds, Some(expected), "{closure}: {first:?}");
        assert!(!first.operator.is_empty(), "{closure}: not recorded");
    }
}

#[test]
fn mixed_types_are_an_error_at_the_operator() {
    for (closure, words) in [
        ("|| 1 != \"0\"", "cannot compare an integer (1) with a string (\"0\"): write `parse_int(…)`"),
        ("|| true == 1", "cannot compare a bool (true) with an integer (1)"),
        ("|| [1, \"a\"] == [1, 2]", "cannot compare a string"),
        ("|| #{a: 1} == #{a: \"1\"}", "cannot compare"),
        ("|| \"x\" in [1, 2]", "cannot compare"),
        ("|| 1 in \"abc\"", "cannot look for an integer (1) in a string"),
        ("|| true < false", "cannot orde"),
        ("|| [1] < [2]", "cannot order a list and a list"),
        ("|| Fn(\"a\") == Fn(\"a\")", "cannot compare a closure"),
        ("|| ok.spec == 1", "cannot compare an object with an integer (1)"),
        ("|| { try { 1 == \"a\" } catch {} true }", "cannot compare"),
        ("|| expect(ok, #{spec: #{replicas: \"3\"}})", "`spec.replicas`: cannot compare"),
        ("|| 1 < ()", "cannot order an integer (1) and `()`"),
    ] {
        let error = try_verify(closure).expect_err(closure).to_string();
        assert!(error.contains(words), "{closure}: {error}");
        assert!(error.contains("main.rhai") && error.contains("line 2"), "{closure}: {error}");
    }
}

#[test]
fn the_result_must_be_true_or_false() {
    for (closure, kind) in [("|| 5", "intege"), ("|| \"yes\"", "string"), ("|| { let x = 1; }", "gave nothing")] {
        let error = try_verify(closure).expect_err(closure).to_string();
        assert!(error.contains(kind) && error.contains("end it with a comparison"), "{closure}: {error}");
    }
}

#[test]
fn all_over_an_empty_list_of_the_cluster_says_nothing() {
    for closure in [
        "|| k8s::get(\"empty\").all(|p| p.x == 1)",
        "|| { let l = k8s::get(\"empty\"); l.filter(|p| p.x == 1).map(|p| p.y).all(|p| p == 1) }",
        "|| k8s::get(\"nodes\")[0].status.taints.all(|t| t.key == \"x\")",
        "|| k8s::get(\"nodes\").filter(|n| n.status.cpu == 5).all(|n| n.status.cpu == 1)",
    ] {
        assert!(verdict(closure).starts_with("not yet: the list is empty"), "{closure}: {}", verdict(closure));
    }
    assert_eq!(verdict("|| k8s::get(\"empty\").all(|p| p.x == 1, #{ allow_empty: true })"), "holds");
    assert_eq!(verdict("|| k8s::get(\"empty\").any(|p| p.x == 1)"), "does not");
    assert!(verdict("|| [1].all(|p| p == 1, #{ allow_emtpy: true })").contains("`all` has no option `allow_emtpy`"));
}

#[test]
fn an_element_without_the_field_leaves_the_others_their_say() {
    assert_eq!(verdict("|| k8s::get(\"halfway\").any(|n| n.status.ready == \"True\")"), "holds");
    assert_eq!(verdict("|| k8s::get(\"halfway\").all(|n| n.status.ready == \"False\")"), "does not");
    let missing = "`[1].status.ready` of nodes is missing (there is no `[1].status`)";
    assert_eq!(
        verdict("|| k8s::get(\"halfway\").all(|n| n.status.ready == \"True\")"),
        format!("not yet: 1 of 3 not yet: node-b: {missing}")
    );
    assert_eq!(
        verdict("|| k8s::get(\"halfway\").any(|n| n.status.ready == \"Maybe\")"),
        format!("not yet: 2 of 3 did not: node-a, node-c; 1 not yet: node-b: {missing}")
    );
}

#[test]
fn expect_names_every_path_that_differs() {
    let evaluation = verify(
        "|| expect(ok, #{ spec: #{ replicas: 4, paused: false }, status: #{ phase: \"Gone\", observed: 1,
            conditions: [#{ type: \"Ready\", status: \"False\" }] } })",
    );
    assert!(!evaluation.verdict.holds());
    let lines = lines(&evaluation.observations);
    assert!(lines[0].contains("expect"), "{lines:?}");
    assert!(lines[0].contains("4 of 6 paths are not as expected: spec.replicas, status.conditions[0].status, status.observed, status.phase"), "{lines:?}");
    assert_eq!(
        lines[1..],
        [
            "  spec.replicas | 3 == 4 false",
            "  status.conditions[0].status | \"True\" == \"False\" false",
            "  status.observed | - == 1 ? (`status.observed` of Namespace/eu-1 is missing)",
            "  status.phase | \"Active\" == \"Gone\" false",
        ]
    );
    assert_eq!(verdict("|| expect(ok, #{ spec: #{ replicas: 3 } })"), "holds");
    assert!(verdict("|| expect(ok, #{ status: #{ phse: 1 } })").ends_with("did you mean `phase`?"));
    assert_eq!(verdict("|| expect(ok.status, #{ conditions: [#{ type: \"Z\" }] })"), "does not");
    assert_eq!(verdict("|| expect(#{ a: 1, b: 2 }, #{ a: 1 })"), "holds");
}

#[test]
fn absent_asserts_that_a_path_does_not_exist() {
    assert_eq!(verdict("|| absent(ok, \"spec.suspend\")"), "holds");
    assert_eq!(verdict("|| absent(no, \"spec.suspend.x\")"), "holds");
    assert_eq!(verdict("|| absent(ok, \"metadata.deletionTimestamp\")"), "holds");
    assert_eq!(verdict("|| !absent(ok, \"spec.replicas\")"), "holds");
    assert_eq!(verdict("|| absent(k8s::get(\"none\"), \"spec\")"), "not yet: Namespace/none (not found)");
    let evaluation = verify("|| absent(ok, \"spec.replicas\")");
    assert_eq!(
        lines(&evaluation.observations),
        ["absent(ok, \"spec.replicas\") | - absent - false (`spec.replicas` is 3)"]
    );
}
