use std::sync::Arc;

use super::*;
use crate::{
    model::{Item, Severity, Touch, Verb},
    script::{Setting, Sources, Texts, declare},
};

fn sources(text: &str) -> Arc<dyn Sources> {
    Arc::new(
        Texts::new("p.rhai", text)
            .with("lib/checks.rhai", "fn holds(o) { o.x == 1 }\nprivate fn hidden() { 1 }")
            .with("manifests/namespace.yaml", "kind: Namespace"),
    )
}

/// Everything that is found, one line each: rule, place, message and help.
fn found(text: &str) -> Vec<String> {
    let declared = declare(&sources(text), &Setting::default());
    let mut all = declared.findings.clone();
    all.extend(check(&declared));
    all.iter()
        .filter(|finding| !finding.rule.starts_with("no-"))
        .map(|finding| {
            let place = finding.place.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{} {place}: {}; {}", finding.rule, finding.message, finding.help.join("; "))
        })
        .collect()
}

fn missing(text: &str) -> Vec<String> {
    let declared = declare(&sources(text), &Setting::default());
    assert!(declared.complete, "{:?}", declared.findings);
    readiness(&declared.plan)
        .iter()
        .map(|finding| {
            let weight = if finding.severity == Severity::Note { " (note)" } else { "" };
            format!("{}{weight}", finding.rule)
        })
        .collect()
}

#[test]
fn everything_that_is_wrong_is_found_at_once() {
    let text = r#"import "lib/checks" as checks;
plan("p");
step("a")
    .change(|| json::parze("1"))
    .verify("v", || checks::hold(1) && nothing(2))
    .verify("w", || chekcs::holds(1))
    .undo(|| json::parse("1", 2));
step("b").change(|| [1].mapp(|x| x));
step("c").change(|| sleep(5));
"#;
    assert_eq!(
        found(text),
        [
            "unknown-function p.rhai:4:22: there is no function `json::parze`; did you mean `json::parse`?",
            "unknown-function p.rhai:5:29: there is no function `checks::hold`; did you mean `checks::holds`?",
            "unknown-function p.rhai:5:40: there is no function `nothing`; ",
            "unknown-module p.rhai:6:29: there is no module `chekcs`; did you mean `checks::holds`?",
            "wrong-argument-count p.rhai:7:20: `json::parse` takes 1 argument, and is called with 2 arguments; ",
            "unknown-function p.rhai:8:25: there is no method `mapp`; did you mean `map`?",
            "not-in-the-language p.rhai:9:21: `sleep` is not part of the playbook language; write a verify with `.within(\"2m\")`: it waits until something is so",
        ]
    );
}

#[test]
fn what_is_right_is_not_found() {
    let text = r#"import "lib/checks" as checks;
plan("p").problem("x").outcome("y").verify("v", || true).contexts(["a"]).current("c").target("t");
fn own(a, b) { a + b }
let handlers = #{ go: |x| x };
phase("x").goal("y");
for n in [1, 2] {
    step(`s ${n}`)
        .change(|| { let total = 0; [1, 2].for_each(|x| total += x); own(total, n).to_string().len() })
        .verify("v", || checks::holds(#{ x: n }) || json::parse("1") == 1 && [1].any(|x| x == 1) && handlers.go(1) == 1)
        .within("1m").irreversible("it is not");
}
"#;
    assert_eq!(found(text), Vec::<String>::new());
    assert_eq!(missing(text), Vec::<String>::new());
}

#[test]
fn an_assignment_to_a_captured_variable_is_found() {
    let text = "plan(\"p\");\nlet count = 0;\nlet own = 0;\nstep(\"s\").change(|| { count += 1; let own = 1; own = 2; [1].for_each(|x| count = x); });";
    assert_eq!(
        found(text).iter().map(|line| line.split(';').next().unwrap().to_string()).collect::<Vec<_>>(),
        [
            "lost-assignment p.rhai:4:23: `count` is captured by the change of step steps/s",
            "lost-assignment p.rhai:4:74: `count` is captured by the change of step steps/s",
        ]
    );
}

#[test]
fn try_switch_and_empty_defaults_in_a_verify_are_found_through_functions() {
    let text = "plan(\"p\");\nfn f(x) { switch x { 1 => true, _ => false } }\nfn free(x) { try { x } catch { } }\nstep(\"s\").change(|| free(1)).verify(\"v\", || { try { f(1) } catch { } (1 ?? ()) == 1 });";
    let lines = found(text);
    assert_eq!(lines.len(), 3, "{lines:#?}");
    for (line, what) in lines.iter().zip(["p.rhai:2:11: `switch`", "p.rhai:4:47: `try`", "`?? ()`"]) {
        assert!(line.starts_with("hidden-in-verify") && line.contains(what), "{line}");
    }
}

#[test]
fn imports_that_are_computed_or_inside_are_found() {
    let text = "plan(\"p\");\nlet p = \"lib/\";\nif false { import p + \"checks\" as a; }\nstep(\"s\").change(|| { import \"lib/checks\" as b; b::holds(1) });";
    let lines = found(text);
    assert!(lines[0].starts_with("computed-import p.rhai:3:12"), "{lines:#?}");
    assert!(lines[1].starts_with("import-inside p.rhai:4:23"), "{lines:#?}");
}

#[test]
fn files_that_are_not_there_are_found_with_the_nearest_one() {
    let text = "plan(\"p\");\nstep(\"s\").change(|| { k8s::apply(\"manifests/namspace.yaml\"); k8s::apply(\"manifests\"); k8s::apply(\"manifests/namespace.yaml\") });\nfiles(\"manifests/*.yml\");";
    let lines: Vec<String> = found(text).into_iter().filter(|line| line.starts_with("missing-file")).collect();
    assert_eq!(
        lines,
        [
            "missing-file p.rhai:3:1: no file matches \"manifests/*.yml\"; ",
            "missing-file p.rhai:2:28: there is no file `manifests/namspace.yaml` beside the playbook; did you mean `manifests/namespace.yaml`?",
        ]
    );
}

#[test]
fn a_function_that_takes_over_in_is_refused() {
    assert!(found("plan(\"p\");\nfn contains(a, b) { true }")[0].starts_with("takes-over-in p.rhai:2:19"));
}

#[test]
fn each_of_the_eight_sections_has_to_stand() {
    assert_eq!(missing("let x = 1;"), ["no-plan"]);
    let sections = ["no-problem", "no-outcome", "no-contexts", "no-current", "no-target", "no-steps"];
    assert_eq!(missing("plan(\"p\");"), sections);
    assert_eq!(missing("plan(\" \");")[0], "no-title");
    let bare = r#"plan("p").problem("x").outcome("y").verify("v", || true).contexts(["a"]).current("c").target("t");
question("q"); decision("d").option("a", "b"); assume("x", "high"); risk("r");
phase("one"); step("hand").manual("do it"); step("look").verify("v", || true);
phase("two").goal("g");"#;
    let all = [
        "no-goal",
        "no-steps",
        "no-verify",
        "no-way-back",
        "no-blast-radius",
        "no-rollback",
        "open-question",
        "undecided",
        "unproven-confidence",
    ];
    assert_eq!(missing(bare), all);
    let emergency = bare.replace(".problem", ".kind(\"emergency\").problem");
    let expected = all.map(|rule| match rule {
        "no-verify" | "no-way-back" => rule.to_string(),
        rule => format!("{rule} (note)"),
    });
    assert_eq!(missing(&emergency), expected);
}

#[test]
fn what_a_section_leaves_out_is_not_asked_twice() {
    let bare = r#"plan("p").problem("x").outcome("y").verify("v", || true).contexts(["a"]).target("t");
phase("one").goal("g"); step("look");"#;
    assert_eq!(missing(bare), ["no-current", "no-verify"]);
    let asked = format!(
        "{bare}\nquestion(\"What is the current state?\"); question(\"What shows that step `one/look` worked? A look\");"
    );
    assert_eq!(missing(&asked), ["open-question", "open-question"]);
    let declared = declare(&sources(&asked), &Setting::default());
    let help = &readiness(&declared.plan)[0].help[0];
    assert!(help.contains(".current(") && help.contains("take the question away"), "{help}");
    // an answer is not the section
    let answered = asked.replace("state?\");", "state?\").resolved(\"none\");");
    assert_eq!(missing(&answered), ["no-current", "open-question"]);
    // what an emergency owes is no note
    let emergency = asked.replace(".problem", ".kind(\"emergency\").problem");
    assert_eq!(missing(&emergency), ["no-verify", "open-question (note)", "open-question (note)"]);
}

#[test]
fn an_automatic_way_back_counts_only_where_every_touch_has_one() {
    let text = "plan(\"p\").problem(\"x\").outcome(\"y\").verify(\"v\", || true).contexts([\"a\"]).current(\"c\").target(\"t\"); phase(\"x\").goal(\"g\"); step(\"s\").change(|| 1).verify(\"v\", || true);";
    let mut plan = declare(&sources(text), &Setting::default()).plan;
    let rules = |plan: &crate::model::Plan| readiness(plan).iter().map(|f| f.message.clone()).collect::<Vec<_>>();
    let mut touch = |way_back: bool, partly: Option<&str>| {
        let Item::Step(step) = &mut plan.phases[0].items[0] else { panic!("a step") };
        let mut apply = Touch::new(Verb::Apply, "Namespace/x");
        apply.way_back = way_back;
        step.trial = vec![apply];
        step.partly_known = partly.map(Into::into);
        rules(&plan)
    };
    assert_eq!(touch(true, None), Vec::<String>::new());
    assert_eq!(touch(false, None), ["step \"s\" has no way back: apply Namespace/x has no automatic one"]);
    assert_eq!(touch(true, Some("it stopped")).len(), 1);
}

#[test]
fn a_hold_has_a_way_back() {
    let text = r#"plan("p").problem("x").outcome("y").verify("v", || true).contexts(["a"]).current("c").target("t"); phase("one").goal("g");
step("hold").change(|| 1).verify("v", || true).irreversible("it is read").until("run");"#;
    assert_eq!(missing(text), ["hold-without-way-back"]);
    assert!(missing(&text.replace(".irreversible(\"it is read\")", ".undo(|| 1)")).is_empty());
}
