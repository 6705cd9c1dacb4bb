use super::{Bench, lines, verdict, verify};
use crate::model::Verdict;

const CHECKS: &str = r#"
fn both(o) { let n = o.status.n; n > 2 && named(o, "us") }
fn named(o, x) {
    o.metadata.name.starts_with(x) || o.metadata.name == `${x}-1`
}
fn h(o, v) { o.status.n == v && o.status.n < 2 }
fn make(o) { || o.status.n == 9 }
fn gone(o) { o.nope == 1 }
"#;

fn explained(closure: &str) -> (Verdict, Vec<String>) {
    let bench = Bench::new(&[("lib/checks", CHECKS)]);
    bench.load(&format!(
        "import \"lib/checks\" as checks; let o = k8s::get(\"ok\"); let want = \"Active\"; let flag = true;
         fn local(x) {{ x.status.phase == \"Gone\" }}
         fn own(x) {{ !(x.nope == 1) }}
         verify(\"it\", {closure});"
    ));
    let evaluation = bench.evaluate("it").unwrap_or_else(|e| panic!("{closure}: {e}"));
    (evaluation.verdict, lines(&evaluation.observations))
}

#[track_caller]
fn check(closure: &str, verdict: Verdict, expected: &[&str]) {
    let (got, lines) = explained(closure);
    assert_eq!(lines, expected, "{closure}");
    assert_eq!(got, verdict, "{closure}");
}

use Verdict::{DoesNotHold, Holds, NotYet};

#[test]
fn the_tree_of_the_last_expression_is_shown() {
    check(
        r#"|| o.status.phase == "Pending""#,
        DoesNotHold,
        &[r#"o.status.phase == "Pending" | "Active" == "Pending" false"#],
    );
    check(
        "|| o.status.phase == want && o.status.n > 5 && 1 == 2",
        DoesNotHold,
        &[r#"o.status.phase == want | "Active" == "Active" true"#, "o.status.n > 5 | 3 > 5 false"],
    );
    check(
        "|| !(o.status.phase == want) || o.status.n in [7, 8] || (o.status.n + 1) * 2 == 9",
        DoesNotHold,
        &[
            r#"o.status.phase == want | "Active" == "Active" true"#,
            "o.status.n in [7, 8] | 3 in [7,8] false",
            "(o.status.n + 1) * 2 == 9 | 8 == 9 false",
        ],
    );
    check("|| o.status.n !in [3]", DoesNotHold, &["o.status.n !in [3] | 3 !in [3] false"]);
    check("|| true", Holds, &[]);
}

#[test]
fn called_script_functions_are_followed_in_their_files() {
    check(
        "|| checks::both(o)",
        DoesNotHold,
        &[
            "n > 2 | 3 > 2 true",
            r#"o.metadata.name.starts_with(x) | "eu-1" starts_with "us" false"#,
            r#"o.metadata.name == `${x}-1` | "eu-1" == "us-1" false"#,
        ],
    );
    check(
        "|| checks::h(o, 4) || checks::h(o, 3) || local(o)",
        DoesNotHold,
        &[
            "o.status.n == v | 3 == 4 false",
            "o.status.n == v | 3 == 3 true",
            "o.status.n < 2 | 3 < 2 false",
            r#"x.status.phase == "Gone" | "Active" == "Gone" false"#,
        ],
    );
    let bench = Bench::new(&[("lib/checks", CHECKS)]);
    bench.load("import \"lib/checks\" as checks; verify(\"made\", checks::make(k8s::get(\"ok\")));");
    let evaluation = bench.evaluate("made").unwrap();
    assert_eq!(lines(&evaluation.observations), ["o.status.n == 9 | 3 == 9 false"]);
    assert_eq!(evaluation.observations[0].place.as_ref().unwrap().to_string(), "lib/checks.rhai:7:28");
}

#[test]
fn the_literal_or_frozen_side_is_the_expected_one() {
    check("|| 4 == o.status.n", DoesNotHold, &["4 == o.status.n | 3 == 4 false"]);
    check("|| want == o.metadata.name", DoesNotHold, &[r#"want == o.metadata.name | "eu-1" == "Active" false"#]);
    check("|| o.status.n == o.spec.replicas", Holds, &["o.status.n == o.spec.replicas | 3 == 3 true"]);
    check(
        "|| o.metadata.name.contains(\"us\")",
        DoesNotHold,
        &[r#"o.metadata.name.contains("us") | "eu-1" contains "us" false"#],
    );
    check("|| \"us\" in o.metadata.name", DoesNotHold, &[r#""us" in o.metadata.name | "eu-1" in "us" false"#]);
}

#[test]
fn bools_bound_by_let_and_branches_are_followed() {
    check(
        "|| { let p = o.status.phase; let ok = p == \"Nope\"; // and }\n if o.status.n == 3 { ok && 1 == 1 } else { true } }",
        DoesNotHold,
        &["o.status.n == 3 | 3 == 3 true", r#"p == "Nope" | "Active" == "Nope" false"#],
    );
    check(
        "|| { let a = o.status.n == 3; let b = a && o.status.n == 4; !b }",
        Holds,
        &["o.status.n == 3 | 3 == 3 true", "o.status.n == 4 | 3 == 4 false"],
    );
    check("|| { return o.status.n == 4; }", DoesNotHold, &["o.status.n == 4 | 3 == 4 false"]);
}

#[test]
fn a_helper_that_is_called_by_several_lets_is_told_apart() {
    let closure = |last: &str| {
        format!("|| {{ let a = checks::h(o, 4); let b = checks::h(o, 3); let c = checks::gone(o); {last} }}")
    };
    assert_eq!(explained(&closure("!b || a || !a")).0, Holds);
    assert_eq!(explained(&closure("b || a")).0, DoesNotHold, "nothing reads `c`");
    assert_eq!(explained(&closure("b || a || c")).0, NotYet);
    check(
        "|| { let a = checks::h(o, 4); let b = checks::h(o, 3); b || a }",
        DoesNotHold,
        &["o.status.n == v | 3 == 3 true", "o.status.n < 2 | 3 < 2 false", "o.status.n == v | 3 == 4 false"],
    );
}

#[test]
fn an_early_return_says_nothing_about_what_follows_it() {
    check("|| { if flag { return false; } o.status.list }", DoesNotHold, &["o.status.list | -  - ?"]);
    assert_eq!(explained("|| { if own(o) { return true; } own(o) || o.status.n == 3 }").0, NotYet);
}

#[test]
fn after_an_early_return_the_remaining_records_are_shown() {
    check(
        "|| { if o.status.n == 3 { return false; } o.status.n == 4 }",
        DoesNotHold,
        &["o.status.n == 3 | 3 == 3 true"],
    );
}

#[test]
fn what_was_compared_for_elements_stands_under_the_call() {
    check(
        "|| k8s::get(\"nodes\").all(|n| n.status.ready == \"True\")",
        DoesNotHold,
        &[
            "k8s::get(\"nodes\").all(|n| n.status.ready == \"True\") | - all - false (2 of 5 did not: node-b, node-e)",
            r#"  n.status.ready == "True" | "False" == "True" false (node-b)"#,
            r#"  n.status.ready == "True" | "Unknown" == "True" false (node-e)"#,
        ],
    );
    check(
        "|| k8s::get(\"nodes\").filter(|n| n.status.ready == \"True\").len() == 5",
        DoesNotHold,
        &[
            "k8s::get(\"nodes\").filter(|n| n.status.ready == \"True\").len() == 5 | 3 == 5 false",
            "  k8s::get(\"nodes\").filter(|n| n.status.ready == \"True\").len() == 5 | - filter - ? (2 of 5 did not: node-b, node-e)",
            r#"    n.status.ready == "True" | "False" == "True" false (node-b)"#,
            r#"    n.status.ready == "True" | "Unknown" == "True" false (node-e)"#,
        ],
    );
    check(
        "|| [1, 2].map(|x| x == 2) == [true, true]",
        DoesNotHold,
        &[
            "[1, 2].map(|x| x == 2) == [true, true] | [false,true] == [true,true] false",
            "  x == 2 | 1 == 2 false",
            "  x == 2 | 2 == 2 true",
        ],
    );
    check(
        "|| [1, 2].any(|x| x == 2)",
        Holds,
        &["[1, 2].any(|x| x == 2) | - any - true (2 did)", "  x == 2 | 2 == 2 true (2)"],
    );
}

#[test]
fn natives_that_answer_a_bool_give_their_reason() {
    check("|| is_up(2, 3) && o.status.n == 3", DoesNotHold, &["is_up(2, 3) | - is_up - false (2 of 3 are up)"]);
    check(
        "|| is_known() || is_up(3, 3)",
        Holds,
        &["is_known() | - is_known - ? (`is_known` cannot say yet)", "is_up(3, 3) | - is_up - true (3 of 3 are up)"],
    );
}

#[test]
fn a_miss_in_one_branch_leaves_the_other_its_say() {
    for (closure, verdict) in [
        ("|| o.nope == 1 || o.status.n == 3", Holds),
        ("|| o.nope.starts_with(\"a\") || o.status.n == 3", Holds),
        ("|| o.nope.any(|x| x == 1) || o.status.n == 3", Holds),
        ("|| o.nope == 1 || o.status.n == 4", NotYet),
        ("|| !(o.nope == 1)", NotYet),
        ("|| !(o.nope == 1) || o.status.n == 3", Holds),
        ("|| !(o.nope == 1 && o.status.n == 4)", Holds),
        ("|| !(o.nope == 1 || o.status.n == 3)", NotYet),
        ("|| o.nope == 1 && o.status.n == 3", NotYet),
        ("|| o.status.n == 3 && o.nope == 1", NotYet),
        ("|| o.status.n == 4 && o.nope == 1", DoesNotHold),
        ("|| flag && (o.nope == 1 || o.status.n == 3)", Holds),
        ("|| o.status.ready && (o.nope == 1 || o.status.n == 3)", Holds),
        ("|| o.nope == 1 || flag", Holds),
        ("|| (o.nope == 1 || o.status.ready) || o.status.n == 4", Holds),
        ("|| (o.nope == 1 || o[\"status\"][\"ready\"]) || o.status.n == 4", Holds),
        ("|| own(o) || o.status.n == 3", Holds),
        ("|| !checks::gone(o)", NotYet),
        ("|| checks::gone(o) || !checks::gone(o)", NotYet),
        ("|| { let a = o.nope == 1; a || o.status.n == 3 }", Holds),
        ("|| { let a = o.nope == 1; let n = if a { 3 } else { 4 }; a || n == 4 }", NotYet),
        ("|| { let a = o.nope == 1; let n = 3; if !a { n = 4; } a || n == 4 }", NotYet),
        ("|| { let a = o.nope == 1; a = a || o.status.n == 3; a }", NotYet),
        ("|| if o.nope == 1 { true } else { o.status.n == 3 }", NotYet),
        ("|| { if o.nope == 1 { return false; } o.status.n == 3 }", NotYet),
        ("|| [1].filter(|x| o.nope == x).len() == 0 || o.status.n == 3", NotYet),
        ("|| { let a = o.nope == 1; let a = a || o.status.n == 3; a }", Holds),
    ] {
        assert_eq!(explained(closure).0, verdict, "{closure}");
    }
}

#[test]
fn a_miss_is_shown_with_its_reason() {
    check(
        "|| o.status.phse == want || o.status.n == 4",
        NotYet,
        &[
            "o.status.phse == want | - == \"Active\" ? (`status.phse` of Namespace/eu-1 is missing; did you mean `phase`?)",
            "o.status.n == 4 | 3 == 4 false",
        ],
    );
}

#[test]
fn a_large_value_is_cut_with_a_remark() {
    let evaluation = verify("|| { let s = \"é\"; s.pad(5000, \"é\"); s == \"x\" }");
    let observed = evaluation.observations[0].observed.as_ref().unwrap().as_str().unwrap();
    assert!(observed.len() < 2200 && observed.contains("cut: 10000 bytes"), "{observed}");
    let evaluation = verify("|| { let a = []; a.pad(3000, 123456); a == [1] }");
    let observed = evaluation.observations[0].observed.as_ref().unwrap();
    assert!(observed.to_string().len() < 2500, "{observed}");
    assert!(observed.as_array().unwrap().last().unwrap().as_str().unwrap().contains("more)"), "{observed}");
}

#[test]
fn more_records_than_are_kept_do_not_change_the_verdict() {
    let loop_of = |last: &str| format!("|| {{ let n = 0; for i in 0..30000 {{ if i == 7 {{ n += 1; }} }} {last} }}");
    assert_eq!(verdict(&loop_of("n == 1")), "holds");
    assert_eq!(verdict(&loop_of("n == 2")), "does not");
    assert!(verdict(&loop_of("n == 1 || no.x == 1")).starts_with("holds"));
    assert!(verdict(&loop_of("no.x == 1 || n == 1")).starts_with("not yet"));
}

#[test]
fn recursion_in_the_tree_ends() {
    let bench = Bench::new(&[]);
    bench.load("fn f(n) { n < 1 || f(n - 1) && f(n - 1) } verify(\"deep\", || f(12) && !f(3));");
    assert_eq!(bench.evaluate("deep").unwrap().verdict, DoesNotHold);
    bench.load("let o = k8s::get(\"no\"); fn g(o, n) { if n < 1 { o.x == 1 } else { g(o, n - 1) || g(o, n - 1) } } verify(\"miss\", || g(o, 8));");
    assert_eq!(bench.evaluate("miss").unwrap().verdict, NotYet);
}
