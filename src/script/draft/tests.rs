use proptest::prelude::*;

use super::*;
use crate::{
    check::readiness,
    model::{Confidence, Doing, Resolution, WayBack},
    script::{Declared, Sources},
};

fn declared(answers: &Answers) -> (String, Declared) {
    let text = draft(answers, "p.rhai");
    let sources: Arc<dyn Sources> = Arc::new(Texts::new("p.rhai", &text));
    let declared = declare(&sources, &Setting::default());
    assert!(declared.complete && declared.findings.is_empty(), "{:?}\n{text}", declared.findings);
    (text, declared)
}

/// What stands against running it.
fn open(declared: &Declared) -> Vec<String> {
    readiness(&declared.plan).into_iter().map(|finding| finding.rule).collect()
}

const ANSWERS: &str = r#"
title: Deploy Grafana
problem: On-call has no dashboards
outcome: Grafana answers
verify: the route answers 200
contexts: [staging, main]
current: [Prometheus is installed]
target: Grafana is there
assumptions:
  - {assumption: the store is named vault, confidence: medium, impact: it never syncs}
  - it is reachable
risks:
  - {risk: the quota is exhausted, "on": [main], affects: [Namespace/monitoring], rollback: take it away}
decisions:
  - decision: How is it reached?
    options: [{option: a route, tradeoff: shares its fate}]
    chosen: a route
    because: it is there
questions:
  - {question: Who owns it?, resolved: the platform team}
phases:
  - title: One
    goal: it is there
    gate: Is it there?
    steps:
      - {title: Create, manual: create it, verify: [it is there, it answers], undo: delete it}
      - {title: Look}
rollback: take it all away
"#;

#[test]
fn what_was_answered_is_the_plan() {
    let (text, declared) = declared(&Answers::read(ANSWERS, "a.yaml").unwrap());
    let plan = &declared.plan;
    assert_eq!(plan.title, "Deploy Grafana");
    assert_eq!(plan.problem.as_deref(), Some("On-call has no dashboards"));
    assert_eq!(plan.contexts, ["staging", "main"]);
    assert_eq!(
        (plan.current.as_slice(), plan.rollback.as_slice()),
        (["Prometheus is installed".to_string()].as_slice(), ["take it all away".to_string()].as_slice())
    );
    assert_eq!(plan.assumptions[0].confidence, Confidence::Medium);
    assert_eq!(plan.assumptions[1].confidence, Confidence::Low, "what is not said to be inferred is assumed");
    assert_eq!(plan.risks[0].affects, ["Namespace/monitoring"]);
    assert_eq!(plan.decisions[0].chosen.as_ref().unwrap().0, "a route");
    let create = plan.steps().next().unwrap();
    assert_eq!(create.doing, Doing::Manual("create it".into()));
    assert_eq!(create.way_back, WayBack::Instructions("delete it".into()));
    assert!(plan.phases[0].ends_with_gate());
    assert!(text.starts_with("// Deploy Grafana\n"), "{text}");
}

#[test]
fn what_was_not_answered_is_an_open_question_in_words_and_nothing_is_invented() {
    let (text, declared) = declared(&Answers::read(ANSWERS, "a.yaml").unwrap());
    let asked: Vec<&str> = declared
        .plan
        .questions
        .iter()
        .filter(|question| question.resolution == Resolution::Open)
        .map(|question| question.text.as_str())
        .collect();
    assert_eq!(
        asked,
        [
            "What shows that the outcome is there? In words: the route answers 200",
            "What shows that step `one/create` worked? In words: it is there; it answers",
            "What shows that step `one/look` worked?",
            "What does step `one/look` do?",
        ]
    );
    assert!(open(&declared).iter().all(|rule| rule == "open-question"), "{:?}\n{text}", open(&declared));
}

#[test]
fn nothing_answered_is_a_playbook_of_questions() {
    for text in ["", "{}", TEMPLATE] {
        let answers = Answers::read(text, "a.yaml").unwrap();
        assert_eq!(answers, Answers::default(), "{text}");
        let (_, declared) = declared(&answers);
        let open = open(&declared);
        assert!(open.len() >= 8 && open.iter().all(|rule| rule == "open-question"), "{open:?}");
        assert!(declared.plan.missing().is_empty());
    }
}

#[test]
fn answers_that_nothing_asks_for_are_refused_all_at_once_with_the_nearest() {
    let text = "titel: x\nproblem: [a]\noutcome: 5\nphases:\n  - {title: a, steps: [{title: b, verfy: c, undo: d, irreversible: e}]}\n  - goal: g\nassumptions: [{assumption: x, confidence: high}, {assumption: z, confidence: sure}]\nrisks: no\ndecisions: [{decision: d, options: [{option: tea}], chosen: te}]\n";
    let findings = Answers::read(text, "a.yaml").unwrap_err();
    let said: Vec<String> = findings.iter().map(|f| format!("{}; {}", f.message, f.help.join("; "))).collect();
    for words in [
        "nothing asks for `titel`; did you mean `title`?",
        "problem: a text was expected, not a list",
        "outcome: a text was expected, not a number; put it into quotes",
        "phases[0].steps[0]: nothing asks for `verfy`; did you mean `verify`?",
        "phases[0].steps[0]: it is taken back, and is said to be irreversible",
        "phases[1]: it has no `title`",
        "assumptions[0]: \"high\" is for what a probe verifies",
        "assumptions[1]: `sure` is not a confidence",
        "risks: a list was expected, not true or false",
        "decisions[0]: \"te\" is chosen, and is not one of the options; did you mean \"tea\"?",
    ] {
        assert!(said.iter().any(|line| line.contains(words)), "{words}\n{said:#?}");
    }
    let broken = Answers::read("title: [", "a.yaml").unwrap_err();
    assert!(broken[0].place.as_ref().unwrap().to_string().starts_with("a.yaml:"), "{broken:?}");
}

fn nasty() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "\"",
        "\\",
        "`",
        "${x}",
        "\n",
        "\r\n",
        "\t",
        "\u{0}",
        "\u{1b}[2J",
        "*/",
        "//",
        "/*",
        "é",
        "日本",
        "\u{202e}",
        "\u{2028}",
        "'",
        ";",
        ")",
        "|| 1",
        "x",
        "\\u0041",
        "\u{1f600}",
        " ",
    ]);
    prop::collection::vec(parts, 1..8).prop_map(|parts| format!("a{}z", parts.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn whatever_is_typed_is_in_the_plan_as_it_was_typed(text in nasty(), other in nasty()) {
        let answers = Answers {
            title: Some(text.clone()),
            problem: Some(other.clone()),
            verify: vec![text.clone()],
            contexts: vec![text.clone()],
            constraints: vec![text.clone(), other.clone()],
            risks: vec![RiskAnswer { text: text.clone(), rollback: Some(other.clone()), ..RiskAnswer::default() }],
            questions: vec![QuestionAnswer { text: other.clone(), resolved: Some(text.clone()), deferred: None }],
            phases: vec![PhaseAnswer {
                title: format!("phase {text}"),
                goal: Some(other.clone()),
                steps: vec![StepAnswer {
                    title: format!("step {other}"),
                    manual: Some(text.clone()),
                    undo: Some(other.clone()),
                    notes: vec![text.clone()],
                    ..StepAnswer::default()
                }],
                ..PhaseAnswer::default()
            }],
            ..Answers::default()
        };
        let (_, declared) = declared(&answers);
        let plan = &declared.plan;
        prop_assert_eq!(&plan.title, &text);
        prop_assert_eq!(plan.problem.as_ref(), Some(&other));
        prop_assert_eq!(plan.contexts.as_slice(), std::slice::from_ref(&text));
        prop_assert_eq!(&plan.constraints, &[text.clone(), other.clone()]);
        prop_assert_eq!(&plan.risks[0].text, &text);
        prop_assert_eq!(&plan.questions[0].resolution, &Resolution::Resolved(text.clone()));
        prop_assert_eq!(&plan.phases[0].title, &format!("phase {text}"));
        let step = plan.steps().next().unwrap();
        prop_assert_eq!(&step.title, &format!("step {other}"));
        prop_assert_eq!(&step.doing, &Doing::Manual(text.clone()));
        prop_assert_eq!(step.notes.as_slice(), std::slice::from_ref(&text));
        prop_assert!(open(&declared).iter().all(|rule| rule == "open-question"), "{:?}", open(&declared));
    }
}
