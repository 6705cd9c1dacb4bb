//! The checklist: ticked by what the tool saw, not by boxes that someone filled in.

use std::fmt::Write as _;

use super::section;
use crate::model::{Finding, Plan, Question, text::count};

/// One line of it.
struct Item {
    seen: bool,
    what: &'static str,
    why: String,
}

/// The section.
pub fn render(plan: &Plan, findings: &[Finding], out: &mut Vec<String>) {
    section(out, "## Checklist");
    out.extend(["Ticked by what was seen in the playbook.".into(), String::new()]);
    for item in items(plan, findings) {
        out.push(format!("- [{}] {} — {}", if item.seen { 'x' } else { ' ' }, item.what, item.why));
    }
}

fn items(plan: &Plan, findings: &[Finding]) -> Vec<Item> {
    let item = |what, (seen, why): (bool, String)| Item { seen, what, why };
    vec![
        item("Problem and outcome, not a solution", problem(plan, findings)),
        item("The cluster is named", cluster(plan)),
        item("Explored before proposing", explored(plan)),
        item("What could go wrong, and its blast radius", risks(plan)),
        item("Staging first is decided", staging(plan)),
        item("Small steps, each verified", steps(plan)),
        item("Questions ask what and how", questions(plan, findings)),
    ]
}

fn found<'a>(findings: &'a [Finding], part: &str) -> Option<&'a Finding> {
    findings.iter().find(|finding| finding.rule.split('-').any(|word| word == part))
}

fn problem(plan: &Plan, findings: &[Finding]) -> (bool, String) {
    if let Some(finding) = found(findings, "idea") {
        return (false, super::inline(&finding.message));
    }
    match (&plan.problem, &plan.outcome) {
        (Some(_), Some(_)) => (true, "both are stated".into()),
        (Some(_), None) => (false, "no outcome is stated".into()),
        (None, Some(_)) => (false, "no problem is stated".into()),
        (None, None) => (false, "neither is stated".into()),
    }
}

fn cluster(plan: &Plan) -> (bool, String) {
    match plan.contexts.len() {
        0 => (false, "no context is named".into()),
        n => (true, count(n, "context")),
    }
}

fn explored(plan: &Plan) -> (bool, String) {
    let probes = plan.assumptions.iter().filter(|assumed| assumed.probe).count();
    let checks = plan.steps().map(|step| step.prechecks.len() + usize::from(step.skip_if.is_some())).sum::<usize>();
    let asked = plan.discoveries.iter().filter(|found| !found.sample && found.failed.is_none()).count();
    let seen = !plan.current.is_empty() && plan.discoveries.len() + probes + checks > 0;
    let mut why = format!(
        "current state {}, {} discovered, {}, {}",
        if plan.current.is_empty() { "not stated" } else { "stated" },
        count(plan.discoveries.len(), "value"),
        count(probes, "probed assumption"),
        count(checks, "precheck")
    );
    if asked > 0 {
        let _ = write!(why, "; {asked} answered by the context");
    }
    (seen, why)
}

fn risks(plan: &Plan) -> (bool, String) {
    let whole = plan
        .risks
        .iter()
        .filter(|risk| (!risk.affects.is_empty() || risk.unknown_blast_radius.is_some()) && risk.rollback.is_some())
        .count();
    match plan.risks.len() {
        0 => (false, "no risk is stated".into()),
        n => (whole == n, format!("{whole} of {} with blast radius and way back", count(n, "risk"))),
    }
}

fn staging(plan: &Plan) -> (bool, String) {
    let is_staging = |name: &String| name.contains("staging");
    let decided = plan
        .decisions
        .iter()
        .any(|decision| decision.chosen.is_some() && decision.text.to_lowercase().contains("staging"));
    match plan.contexts.as_slice() {
        [] => (decided, if decided { "decided in §8".into() } else { "no context is named".into() }),
        [only] if is_staging(only) => (true, format!("it runs on {} only", super::code(only))),
        [only] if decided => (true, format!("it runs on {} only, decided in §8", super::code(only))),
        [only] => (false, format!("it runs on {} only: no context goes first", super::code(only))),
        [first, ..] => (true, format!("{} goes first", super::code(first))),
    }
}

fn steps(plan: &Plan) -> (bool, String) {
    let all = plan.steps().count();
    let verified = plan.steps().filter(|step| !step.verifies.is_empty()).count();
    let largest = plan.steps().map(|step| step.trial.len()).max().unwrap_or(0);
    let mut why = format!("{verified} of {} verified", count(all, "step"));
    if largest > 0 {
        let _ = write!(why, ", at most {} touched by one", count(largest, "object"));
    }
    (all > 0 && verified == all, why)
}

fn questions(plan: &Plan, findings: &[Finding]) -> (bool, String) {
    if let Some(finding) = found(findings, "blame") {
        return (false, super::inline(&finding.message));
    }
    let asks = |question: &&Question| {
        let first = question.text.split_whitespace().next().unwrap_or_default().to_lowercase();
        first.starts_with("why") && question.text.to_lowercase().contains("n't")
    };
    match plan.questions.iter().find(asks) {
        Some(question) => (false, format!("\"{}\" reads better as what or how", super::inline(&question.text))),
        None => (true, "nothing asks for a person".into()),
    }
}
