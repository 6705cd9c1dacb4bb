//! Answers in the language.

use super::{Answers, PhaseAnswer, StepAnswer};
use crate::model::{Kind, text::one_line};

/// The playbook's text. `gaps` are questions with the line that answers each.
pub(super) fn playbook(answers: &Answers, file: &str, gaps: &[(String, String)]) -> String {
    let title = answers.title.clone().unwrap_or_default();
    let mut out = vec![];
    if !title.is_empty() {
        out.push(format!("// {}", one_line(&title)));
        out.push("//".into());
    }
    out.push(format!(
        "//     runbook check {0}        what is open\n//     runbook plan {0}         the plan as a document",
        one_line(file)
    ));
    out.push(String::new());
    out.push(plan(answers, &title));
    for assumption in &answers.assumptions {
        let mut call = Call::new(&format!("assume({}, \"{}\")", quoted(&assumption.text), assumption.confidence));
        call.maybe("impact", assumption.impact.as_ref());
        call.maybe("source", assumption.source.as_ref());
        out.push(call.end());
    }
    for risk in &answers.risks {
        let mut call = Call::new(&format!("risk({})", quoted(&risk.text)));
        if !risk.on.is_empty() {
            call.list("on", &risk.on);
        }
        if !risk.affects.is_empty() {
            call.list("affects", &risk.affects);
        }
        call.maybe("unknown_blast_radius", risk.unknown_blast_radius.as_ref());
        call.maybe("rollback", risk.rollback.as_ref());
        out.push(call.end());
    }
    for decision in &answers.decisions {
        let mut call = Call::new(&format!("decision({})", quoted(&decision.text)));
        for (option, tradeoff) in &decision.options {
            call.raw(&format!("option({}, {})", quoted(option), quoted(tradeoff)));
        }
        if let Some(chosen) = &decision.chosen {
            let because = decision.because.clone().unwrap_or_default();
            call.raw(&format!("chosen({}, {})", quoted(chosen), quoted(&because)));
        }
        out.push(call.end());
    }
    for question in &answers.questions {
        let mut call = Call::new(&format!("question({})", quoted(&question.text)));
        call.maybe("resolved", question.resolved.as_ref());
        call.maybe("deferred", question.deferred.as_ref());
        out.push(call.end());
    }
    answers.phases.iter().for_each(|each| phase(each, &mut out));
    if !gaps.is_empty() {
        out.push(
            "// Open. An answer is written where it belongs, as the line says, and its question taken away.".into(),
        );
        out.extend(gaps.iter().map(|(question, line)| format!("question({}); // {line}", quoted(question))));
        out.push(String::new());
    }
    let mut text = out.join("\n").trim_end().to_string();
    text.push('\n');
    text
}

fn plan(answers: &Answers, title: &str) -> String {
    let mut call = Call::new(&format!("plan({})", quoted(title)));
    if let Some(kind) = answers.kind.filter(|kind| *kind != Kind::Change) {
        call.raw(&format!("kind({})", quoted(&format!("{kind:?}").to_lowercase())));
    }
    call.maybe("problem", answers.problem.as_ref());
    call.maybe("outcome", answers.outcome.as_ref());
    if !answers.contexts.is_empty() {
        call.list("contexts", &answers.contexts);
    }
    for (name, texts) in [
        ("background", &answers.background),
        ("service", &answers.services),
        ("upstream", &answers.upstream),
        ("downstream", &answers.downstream),
        ("constraint", &answers.constraints),
        ("current", &answers.current),
        ("target", &answers.target),
        ("validation", &answers.validation),
        ("rollback", &answers.rollback),
    ] {
        call.texts(name, texts);
    }
    call.end()
}

fn phase(phase: &PhaseAnswer, out: &mut Vec<String>) {
    let mut call = Call::new(&format!("phase({})", quoted(&phase.title)));
    call.maybe("goal", phase.goal.as_ref());
    call.maybe("no_gate", phase.no_gate.as_ref());
    out.push(call.end());
    phase.steps.iter().for_each(|each| out.push(step(each)));
    if let Some(question) = &phase.gate {
        out.push(Call::new(&format!("gate({})", quoted(question))).end());
    }
}

fn step(step: &StepAnswer) -> String {
    let mut call = Call::new(&format!("step({})", quoted(&step.title)));
    call.maybe("manual", step.manual.as_ref());
    call.maybe("undo", step.undo.as_ref());
    call.maybe("irreversible", step.irreversible.as_ref());
    for note in &step.notes {
        call.raw(&format!("note({})", quoted(note)));
    }
    call.end()
}

/// A call with the methods that follow it, one a line.
struct Call(Vec<String>);

impl Call {
    fn new(first: &str) -> Self {
        Self(vec![first.into()])
    }

    fn raw(&mut self, method: &str) {
        self.0.push(format!("    .{method}"));
    }

    fn maybe(&mut self, name: &str, text: Option<&String>) {
        if let Some(text) = text {
            self.raw(&format!("{name}({})", quoted(text)));
        }
    }

    fn texts(&mut self, name: &str, texts: &[String]) {
        match texts {
            [] => {}
            [one] => self.maybe(name, Some(one)),
            several => self.list(name, several),
        }
    }

    fn list(&mut self, name: &str, texts: &[String]) {
        let items: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
        let line = items.join(", ");
        if line.chars().count() <= 90 {
            self.raw(&format!("{name}([{line}])"));
        } else {
            self.raw(&format!("{name}([\n        {},\n    ])", items.join(",\n        ")));
        }
    }

    fn end(self) -> String {
        format!("{};\n", self.0.join("\n"))
    }
}

/// A text as a literal of the language that stands on one line, whatever is in it: nothing is interpolated, and what
/// cannot be seen is written by its number.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control()
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}') =>
            {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
