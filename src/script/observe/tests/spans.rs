use rhai::{ASTNode, Expr, Position};

use super::{Bench, lines, verify};
use crate::script::text::Text;

/// The source texts of all closures of a script, in order.
fn closures(source: &str) -> Vec<String> {
    let engine = Bench::new(&[]).engine;
    let ast = engine.compile(source).unwrap();
    let text = Text::new(&engine, source);
    let mut found: Vec<(Position, String)> = Vec::new();
    ast.walk(&mut |path: &[ASTNode]| {
        if let Some(ASTNode::Expr(Expr::DynamicConstant(value, position))) = path.last()
            && value.is_fnptr()
        {
            found.push((*position, text.closure(*position).unwrap().to_owned()));
        }
        true
    });
    found.sort();
    found.into_iter().map(|(_, text)| text).collect()
}

#[test]
fn a_closure_ends_where_it_ends() {
    for (source, expected) in [
        ("f(|| 1 + 2\n  + 3)", "|| 1 + 2\n  + 3"),
        ("f(|| a == b && c || d, 5)", "|| a == b && c || d"),
        ("f(|a, b| a ==\n b || `${a}}`.len() > 2, 5)", "|a, b| a ==\n b || `${a}}`.len() > 2"),
        ("f(\"é\", || \"ü\" == 'ö', 5)", "|| \"ü\" == 'ö'"),
        ("f(|| { 1 } /* after */ )", "|| { 1 }"),
        ("f(|| { // a } and a \"\n 1 })", "|| { // a } and a \"\n 1 }"),
        ("f(|| g(1) /* after */ , 2)", "|| g(1)"),
        ("f(|| `x${if p == \"z\" { \"}\" } else { `{${q}` }}y`)", "|| `x${if p == \"z\" { \"}\" } else { `{${q}` }}y`"),
        ("f(|| #{a: [1, 2], b: (3)}, 1)", "|| #{a: [1, 2], b: (3)}"),
        ("let x = || 1; x", "|| 1"),
        ("let x = || { 1 };", "|| { 1 }"),
        ("f(|x| x[0], 1)", "|x| x[0]"),
    ] {
        assert_eq!(closures(source), [expected], "{source}");
    }
    assert_eq!(closures("f(|| [1].all(|x| x == 1), || 2)"), ["|| [1].all(|x| x == 1)", "|x| x == 1", "|| 2"]);
}

#[test]
fn the_text_of_a_comparison_is_what_was_written() {
    for (closure, expected) in [
        ("|| (ok.status.n + 1) * (2) == (9 + (1))", "(ok.status.n + 1) * (2) == (9 + (1))"),
        ("|| `a${ok.status.n}b` == \"q\" /* c */ && true", "`a${ok.status.n}b` == \"q\""),
        ("|| ok.status.phase == `x${ok.status.n}`", "ok.status.phase == `x${ok.status.n}`"),
        ("|| \"é\" == \"ü\" && 1 == 1", "\"é\" == \"ü\""),
        ("|| !(ok.status.n == 3) && true", "ok.status.n == 3"),
        ("|| { if true { } ok.status.n == 4 }", "ok.status.n == 4"),
        ("|| if ok.status.n == 4 { true } else { false }", "ok.status.n == 4"),
        ("|| { let x = ok.status.n == 4; x }", "ok.status.n == 4"),
        ("|| ok.status ==\n   #{n: 4}", "ok.status ==\n   #{n: 4}"),
        ("|| (ok.status.n ?? 0) == 4", "(ok.status.n ?? 0) == 4"),
        ("|| ok.status.conditions[0].type == \"X\"", "ok.status.conditions[0].type == \"X\""),
        (
            "|| ok.status.conditions.filter(|c| c.type == \"Q\" || c.type == \"R\").len() > 1",
            "ok.status.conditions.filter(|c| c.type == \"Q\" || c.type == \"R\").len() > 1",
        ),
        ("|| { return ok.status.n == 4; }", "ok.status.n == 4"),
        ("|| 4 in [1, if true { 2 } else { 3 }]", "4 in [1, if true { 2 } else { 3 }]"),
        ("|| ok.spec.paused && true", "ok.spec.paused"),
        ("|| flag && false", "flag"),
    ] {
        let evaluation = verify(closure);
        assert_eq!(evaluation.observations[0].expression, expected, "{closure}: {:?}", lines(&evaluation.observations));
    }
}

#[test]
fn places_beyond_what_rhai_counts_do_no_harm() {
    let engine = Bench::new(&[]).engine;
    let source = format!("let x = \"{}\"; f(|| x == 1)", "y".repeat(70_000));
    let text = Text::new(&engine, &source);
    for column in [1, 9, 65_535] {
        let _ = text.around(Position::new(1, column));
        let _ = text.closure(Position::new(1, column));
    }
    assert!(text.around(Position::new(9, 9)).is_none());
}
