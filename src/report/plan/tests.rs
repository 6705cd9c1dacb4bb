use super::*;
use crate::{
    model::{Assumption, Confidence, Item, Param, Phase},
    report::fixture,
};

#[test]
fn the_document_has_all_eight_sections_and_the_checklist() {
    insta::assert_snapshot!("plan", markdown(&fixture::plan(), &[], Declared::On("staging")));
}

#[test]
fn what_the_playbook_leaves_out_is_asked_for_never_skipped() {
    let phase = |title: &str| Phase {
        title: title.into(),
        goal: None,
        no_gate: None,
        items: vec![Item::Step(Step { verifies: vec![], ..fixture::plan().steps().next().unwrap().clone() })],
        place: None,
    };
    let plan = Plan { title: "Bare".into(), phases: vec![phase("One")], ..Plan::default() };
    let finding = Finding::error("no-way-back", "step `x` has no way back")
        .at(fixture::place(9))
        .help("write `.undo(|| …)` or `.irreversible(\"…\")`");
    insta::assert_snapshot!("plan_bare", markdown(&plan, &[finding], Declared::Offline(None)));
    for section in 1..=8 {
        assert!(
            markdown(&Plan::default(), &[], Declared::Offline(None)).contains(&format!("\n## {section}. ")),
            "{section}"
        );
    }
}

#[test]
fn nothing_said_in_a_playbook_breaks_the_document() {
    let nasty = "x | y\n# z <b>\u{1b}[2J ` `` - q";
    let mut plan = fixture::plan();
    plan.title = nasty.into();
    plan.problem = Some(nasty.into());
    plan.current = vec![nasty.into()];
    plan.assumptions = vec![Assumption {
        text: nasty.into(),
        confidence: Confidence::High,
        probe: true,
        impact: Some(nasty.into()),
        source: Some(nasty.into()),
        place: fixture::place(1),
    }];
    plan.params = vec![Param { name: nasty.into(), value: Some(nasty.into()), ..plan.params[0].clone() }];
    let text = markdown(&plan, &[], Declared::Offline(None));
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text}");
    assert!(!text.contains("<b>") || text.contains("\\<b>"), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("# ")).count(), 1);
    for row in text.lines().filter(|line| line.contains("| high")) {
        let bars = row.replace("\\|", "").matches('|').count();
        assert_eq!(bars, 6, "{row}");
    }
}

#[test]
fn the_same_plan_gives_the_same_bytes() {
    let text = markdown(&fixture::plan(), &[], Declared::Offline(None));
    let again: Plan = serde_json::from_str(&serde_json::to_string(&fixture::plan()).unwrap()).unwrap();
    assert_eq!(markdown(&again, &[], Declared::Offline(None)), text);
}
