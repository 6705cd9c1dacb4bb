//! The eight-section plan as Markdown, from the plan's values alone: the same plan gives the same bytes.

mod checklist;
mod diff;
mod document;
mod open;
mod phases;

use std::fmt::Write as _;

use crate::model::{
    Choice, Finding, Kind, Plan, Question, Resolution, Severity, Step, Verify,
    markdown::{code, inline, table},
    text::{count, cut},
};
use serde_json::Value;

pub use diff::{PlanChange, PlanChanged, changes_markdown, plan_changes};
pub use document::{Document, Section};
pub use open::{OpenFrom, OpenQuestion, open_questions};

const VALUE: usize = 160;

/// Where a plan was declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declared<'a> {
    /// Without asking anything, for this context, or for the first that it names.
    Offline(Option<&'a str>),
    /// On this context, which was asked.
    On(&'a str),
}

/// The plan document: objective, context and constraints, current state, target state, phases and tasks, validation,
/// rollback, open questions, and the checklist. `findings` are what check (and, on a context, preflight) found; of an
/// object that is there already they say at its step how it differs. A section that the playbook leaves out is asked for
/// in §8, never skipped.
pub fn markdown(plan: &Plan, findings: &[Finding], declared: Declared<'_>) -> String {
    let mut out = head(plan, findings, declared);
    objective(plan, &mut out);
    surroundings(plan, &mut out);
    for (heading, texts) in [("## 3. Current State", &plan.current), ("## 4. Target State", &plan.target)] {
        section(&mut out, heading);
        list_or_ask(texts, &mut out);
    }
    phases::render(plan, findings, &mut out);
    validation(plan, &mut out);
    rollback(plan, &mut out);
    questions(plan, findings, &mut out);
    checklist::render(plan, findings, &mut out);
    let mut text = out.join("\n");
    text.push('\n');
    text
}

fn section(out: &mut Vec<String>, heading: &str) {
    out.extend([String::new(), heading.into(), String::new()]);
}

fn list_or_ask(texts: &[String], out: &mut Vec<String>) {
    if texts.is_empty() {
        out.push("*Not stated: asked in §8.*".into());
    }
    out.extend(texts.iter().map(|text| format!("- {}", inline(text))));
}

fn head(plan: &Plan, findings: &[Finding], declared: Declared<'_>) -> Vec<String> {
    let title = if plan.title.trim().is_empty() { "Untitled plan".into() } else { inline(&plan.title) };
    let mut out = vec![format!("# {title}"), String::new()];
    // what is asked in §8 is counted there; what is an error in an emergency stops that, too
    let missing = plan.missing();
    let emergency = plan.kind == Kind::Emergency;
    let asked = |finding: &Finding| {
        let left_out = || missing.iter().any(|it| it.rule == finding.rule && it.message == finding.message);
        !emergency && (matches!(finding.rule.as_str(), "open-question" | "undecided") || left_out())
    };
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error && !asked(finding)).count();
    let open = open_questions(plan).len();
    out.push(match (errors, open) {
        (0, 0) => "> Ready: all eight sections stand, nothing is open.".into(),
        (0, open) if emergency => {
            format!("> An emergency: it may run; {} until its record is reviewed (§8).", stay_open(open))
        }
        (0, open) => format!("> Not ready: {} (§8).", stay_open(open)),
        (errors, 0) => format!("> Not ready: {} (§8).", count(errors, "error")),
        (errors, open) => format!("> Not ready: {}, {} (§8).", count(errors, "error"), stay_open(open)),
    });
    out.push(String::new());
    let gates = plan.phases.iter().flat_map(|phase| &phase.items);
    let gates = gates.filter(|item| matches!(item, crate::model::Item::Gate(_))).count();
    out.push(format!(
        "- {} in {}, {}",
        count(plan.steps().count(), "step"),
        count(plan.phases.len(), "phase"),
        count(gates, "stop-gate")
    ));
    out.push(match declared {
        Declared::On(context) => {
            format!("- Bound to context {}: what is discovered and touched was seen there", code(context))
        }
        Declared::Offline(context) => {
            let on = context.map(|context| format!(" for context {}", code(context))).unwrap_or_default();
            format!("- Declared offline{on}: values that a context would be asked for are samples")
        }
    });
    if plan.kind != Kind::Change {
        out.push(format!("- Kind: {}", format!("{:?}", plan.kind).to_lowercase()));
    }
    out.extend(plan.scope.iter().map(|scope| format!("- Scope: {}", code(scope))));
    out.extend(plan.labels.iter().map(|(key, label)| format!("- Label {}: {}", code(key), inline(label))));
    out
}

fn stay_open(n: usize) -> String {
    if n == 1 { "1 question stays open".into() } else { format!("{n} questions stay open") }
}

fn objective(plan: &Plan, out: &mut Vec<String>) {
    section(out, "## 1. Objective");
    for (word, text) in [("Problem", &plan.problem), ("Outcome", &plan.outcome)] {
        let text = text.as_deref().map_or("*not stated: asked in §8*".into(), inline);
        out.extend([format!("**{word}:** {text}"), String::new()]);
    }
    if plan.verifies.is_empty() {
        out.push("**Shown by:** the verifies of its steps".into());
    } else {
        out.extend(["**Shown by:**".into(), String::new()]);
        out.extend(plan.verifies.iter().map(|verify| format!("- {}", asserted(verify))));
    }
}

fn asserted(verify: &Verify) -> String {
    let mut text = format!("{} — within {}", inline(&verify.text), verify.within);
    if let Some(stays) = verify.stays {
        let _ = write!(text, ", then stays so for {stays}");
    }
    if verify.parks {
        text.push_str(", may be waited for without a process");
    }
    text
}

fn surroundings(plan: &Plan, out: &mut Vec<String>) {
    section(out, "## 2. Context & Constraints");
    if plan.contexts.is_empty() {
        out.push("- Contexts: *not stated: asked in §8*".into());
    } else {
        let contexts: Vec<String> = plan.contexts.iter().map(|context| code(context)).collect();
        out.push(format!("- Contexts, in the order of promotion: {}", contexts.join(" → ")));
    }
    for (word, texts) in [
        ("Background", &plan.background),
        ("Service", &plan.services),
        ("Depends on", &plan.upstream),
        ("Depended on by", &plan.downstream),
        ("Constraint", &plan.constraints),
    ] {
        out.extend(texts.iter().map(|text| format!("- {word}: {}", inline(text))));
    }
    parameters(plan, out);
    discovered(plan, out);
    assumptions(plan, out);
    risks(plan, out);
}

fn parameters(plan: &Plan, out: &mut Vec<String>) {
    if plan.params.is_empty() && plan.secrets.is_empty() {
        return;
    }
    section(out, "### Parameters");
    let shown = |value: &Value| code(&cut(&value.to_string(), VALUE));
    let params = plan.params.iter().map(|param| {
        let mut from = param.from.clone().unwrap_or_default();
        if param.per_context && from != "per_context" {
            from.push_str(" (declared per context)");
        }
        let mut about = param.about.as_deref().map(inline).unwrap_or_default();
        if !param.one_of.is_empty() {
            let choices: Vec<String> = param.one_of.iter().map(shown).collect();
            about = format!("{about} one of {}", choices.join(", ")).trim().to_string();
        }
        let value = param.value.as_ref().map_or_else(|| "*required: none given*".into(), shown);
        vec![code(&param.name), value, inline(&from), about]
    });
    let secrets = plan.secrets.iter().map(|secret| {
        let about = secret.about.as_deref().map(inline).unwrap_or_default();
        vec![code(&secret.name), "*secret*".into(), code(&secret.from), about]
    });
    out.extend(table(&["Name", "Value", "From", "About"], &params.chain(secrets).collect::<Vec<_>>()));
}

fn discovered(plan: &Plan, out: &mut Vec<String>) {
    if plan.discoveries.is_empty() {
        return;
    }
    section(out, "### Discovered values");
    let rows = plan.discoveries.iter().map(|found| {
        let how = match (&found.failed, found.sample) {
            (Some(failed), _) => format!("sample; asking did not succeed: {}", inline(&cut(failed, VALUE))),
            (None, true) => "sample: not asked yet".into(),
            (None, false) => "found".into(),
        };
        let turn = if found.turn == 0 { String::new() } else { format!(" (turn {})", found.turn + 1) };
        let on = found.context.as_ref().map(|context| format!(" on {}", inline(context))).unwrap_or_default();
        vec![format!("{}{turn}{on}", inline(&found.name)), code(&cut(&found.value.to_string(), VALUE)), how]
    });
    out.extend(table(&["Name", "Value", "How it is known"], &rows.collect::<Vec<_>>()));
}

fn assumptions(plan: &Plan, out: &mut Vec<String>) {
    section(out, "### Assumptions");
    if plan.assumptions.is_empty() {
        out.push("None declared.".into());
        return;
    }
    let rows = plan.assumptions.iter().map(|assumed| {
        vec![
            inline(&assumed.text),
            assumed.confidence.to_string(),
            if assumed.probe { "asked before the first change" } else { "none" }.into(),
            assumed.source.as_deref().map(inline).unwrap_or_default(),
            assumed.impact.as_deref().map(inline).unwrap_or_default(),
        ]
    });
    out.extend(table(
        &["Assumption", "Confidence", "Probe", "Source", "Impact if it is not so"],
        &rows.collect::<Vec<_>>(),
    ));
}

fn risks(plan: &Plan, out: &mut Vec<String>) {
    section(out, "### Risks");
    if plan.risks.is_empty() {
        out.push("None declared.".into());
    }
    for risk in &plan.risks {
        out.push(format!("- **{}**", inline(&risk.text)));
        if !risk.on.is_empty() {
            out.push(format!("  - on: {}", risk.on.iter().map(|c| code(c)).collect::<Vec<_>>().join(", ")));
        }
        out.push(match (&risk.unknown_blast_radius, risk.affects.is_empty()) {
            (Some(why), _) => {
                format!("  - blast radius: unknown, {}; acknowledged at the start gate", inline(why))
            }
            (None, true) => "  - blast radius: *not stated: asked in §8*".into(),
            (None, false) => {
                let affects: Vec<String> = risk.affects.iter().map(|object| code(object)).collect();
                format!("  - blast radius: {}", affects.join(", "))
            }
        });
        let back = risk.rollback.as_deref().map_or("*not stated: asked in §8*".into(), inline);
        out.push(format!("  - way back: {back}"));
    }
}

fn validation(plan: &Plan, out: &mut Vec<String>) {
    section(out, "## 6. Validation & Testing");
    let verifies: usize = plan.steps().map(|step| step.verifies.len()).sum();
    out.push(format!(
        "- Each step is verified before the next begins: {} in {}",
        if verifies == 1 { "1 verify".into() } else { format!("{verifies} verifies") },
        count(plan.steps().count(), "step")
    ));
    out.push("- At each stop-gate all verifies so far are evaluated again".into());
    out.extend(plan.verifies.iter().map(|verify| format!("- At the end: {}", asserted(verify))));
    out.extend(plan.validation.iter().map(|text| format!("- {}", inline(text))));
}

fn rollback(plan: &Plan, out: &mut Vec<String>) {
    section(out, "## 7. Rollback Plan");
    out.extend(plan.rollback.iter().map(|text| format!("- {}", inline(text))));
    let steps: Vec<&Step> = plan.steps().filter(|step| !matches!(step.doing, crate::model::Doing::Check)).collect();
    if steps.is_empty() {
        if plan.rollback.is_empty() {
            out.push("*No step changes anything: there is nothing to take back.*".into());
        }
        return;
    }
    if !plan.rollback.is_empty() {
        out.push(String::new());
    }
    out.extend(["Step by step, the last first:".into(), String::new()]);
    for (n, step) in steps.iter().rev().enumerate() {
        out.push(format!("{}. {}: {}", n + 1, inline(&step.title), phases::way_back(step)));
    }
}

fn questions(plan: &Plan, findings: &[Finding], out: &mut Vec<String>) {
    section(out, "## 8. Open Questions");
    let before = out.len();
    out.extend(plan.questions.iter().map(question));
    let left_out = plan.missing().into_iter();
    out.extend(left_out.map(|it| format!("- [ ] §{}: {} ({})", it.section, inline(&it.question), code(it.line))));
    for decision in &plan.decisions {
        choice(decision, out);
    }
    if out.len() == before {
        out.push("None.".into());
    }
    if findings.is_empty() {
        return;
    }
    section(out, "### Found by the check");
    for finding in findings {
        let severity = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        let place = finding.place.as_ref().map(|place| format!(" — {}", code(&place.to_string()))).unwrap_or_default();
        out.push(format!("- **{severity}** {}{place}", inline(&finding.message)));
        out.extend(finding.help.iter().map(|help| format!("  - {}", inline(help))));
    }
}

fn question(question: &Question) -> String {
    let text = inline(&question.text);
    match &question.resolution {
        Resolution::Open => format!("- [ ] {text}"),
        Resolution::Resolved(answer) => format!("- [x] {text} — {}", inline(answer)),
        Resolution::Deferred(until) => format!("- [x] {text} — *deferred until {}*", inline(until)),
    }
}

fn choice(decision: &Choice, out: &mut Vec<String>) {
    let tick = if decision.chosen.is_some() { "x" } else { " " };
    let answer = match &decision.chosen {
        Some((option, because)) => format!(" — **{}**, because {}", inline(option), inline(because)),
        None => " — *not decided*".into(),
    };
    out.push(format!("- [{tick}] {}{answer}", inline(&decision.text)));
    for (option, tradeoff) in &decision.options {
        out.push(format!("  - option: {} ({})", inline(option), inline(tradeoff)));
    }
}

#[cfg(test)]
mod tests;
