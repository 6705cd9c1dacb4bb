//! §5: phases, their steps and stop-gates.

use std::fmt::Write as _;

use super::{asserted, section};
use crate::model::{
    Doing, Finding, Gate, Hold, Item, Phase, Plan, Span, Step, Touch, WayBack,
    markdown::{code, inline},
    text::count,
};

const MOST_TOUCHES: usize = 12;
const TIMEOUT: Span = Span::seconds(600);

/// The section.
pub fn render(plan: &Plan, findings: &[Finding], out: &mut Vec<String>) {
    section(out, "## 5. Phases & Tasks");
    if plan.phases.is_empty() {
        out.push("*No steps: asked in §8.*".into());
    }
    for (n, phase) in plan.phases.iter().enumerate() {
        if out.last().is_some_and(|line| !line.is_empty()) {
            out.push(String::new());
        }
        one(n, phase, n + 1 == plan.phases.len(), findings, out);
    }
}

fn one(n: usize, phase: &Phase, last: bool, findings: &[Finding], out: &mut Vec<String>) {
    let title = if phase.title.trim().is_empty() { "Steps".into() } else { inline(&phase.title) };
    out.extend([format!("### 5.{} {title}", n + 1), String::new()]);
    let goal = phase.goal.as_deref().map_or("*not stated: asked in §8*".into(), inline);
    out.extend([format!("**Goal:** {goal}"), String::new()]);
    let mut number = 0;
    for item in &phase.items {
        match item {
            Item::Step(it) => {
                number += 1;
                step(number, it, findings, out);
            }
            Item::Gate(it) => gate(it, out),
        }
    }
    if !phase.ends_with_gate() {
        let why = match (&phase.no_gate, last) {
            (Some(reason), _) => format!("**No stop-gate:** {}", inline(reason)),
            (None, true) => "**End:** the outcome's verifies decide.".into(),
            (None, false) => "**Stop-gate:** go or no-go before the next phase.".into(),
        };
        if out.last().is_some_and(|line| !line.is_empty()) {
            out.push(String::new());
        }
        out.push(why);
    }
}

fn step(number: usize, step: &Step, findings: &[Finding], out: &mut Vec<String>) {
    // a list item's content is as deep as its marker is wide
    let marker = format!("{number}. ");
    let pad = " ".repeat(marker.len());
    out.push(format!("{marker}**{}** {}", inline(&step.title), code(step.id.as_str())));
    let mut lines = Vec::new();
    let mut line = |text: String| lines.push(format!("{pad}- {text}"));
    for check in &step.prechecks {
        line(format!("precheck: {}", inline(&check.text)));
    }
    if let Some(check) = &step.skip_if {
        line(format!("change skipped where: {}", inline(&check.text)));
    }
    match &step.doing {
        Doing::Change => match step.trial.as_slice() {
            [] if step.partly_known.is_some() => line("change: what it touches is not known beforehand".into()),
            [] => line("change: what it touches is found by the trial".into()),
            [one] => line(format!("change: {}", touched(one))),
            several => line(format!("change: touches {}", count(several.len(), "object"))),
        },
        Doing::Manual(instructions) => line(format!("by hand: {}", inline(instructions))),
        Doing::Check => line("changes nothing".into()),
    }
    if step.trial.len() > 1 {
        lines.extend(step.trial.iter().take(MOST_TOUCHES).map(|touch| format!("{pad}  - {}", touched(touch))));
    }
    if step.trial.len() > MOST_TOUCHES {
        lines.push(format!("{pad}  - and {} more", step.trial.len() - MOST_TOUCHES));
    }
    let mut line = |text: String| lines.push(format!("{pad}- {text}"));
    for object in &step.touches {
        line(format!("also touches {}", code(object)));
    }
    if let Some(why) = &step.partly_known {
        line(format!("partly known: {}", inline(why)));
    }
    // what a context holds of it already, and how that is not what is wanted
    let there = findings.iter().filter(|finding| finding.rule == "exists" && finding.step.as_ref() == Some(&step.id));
    for finding in there {
        line(format!("already there: {}", inline(&finding.message)));
    }
    if step.verifies.is_empty() {
        line("verify: *none: asked in §8*".into());
    }
    for verify in &step.verifies {
        line(format!("verify: {}", asserted(verify)));
    }
    line(format!("way back: {}", way_back(step)));
    for check in &step.undone {
        line(format!("taken back when: {}", inline(&check.text)));
    }
    match step.until {
        Some(Hold::Phase) => line("a hold: given back when the phase ends well".into()),
        Some(Hold::Run) => line("a hold: given back when the run ends well".into()),
        None => {}
    }
    if let Some(text) = &step.repair {
        line(format!("repair, where asked for: {}", inline(text)));
    }
    if step.timeout != TIMEOUT {
        line(format!("the change may take {}", step.timeout));
    }
    if let Some(down) = step.api_down {
        line(format!("the API server may be away for {down}"));
    }
    for note in &step.notes {
        line(format!("note: {}", inline(note)));
    }
    out.extend(lines);
}

/// A touch in words.
pub fn touched(touch: &Touch) -> String {
    let verb = format!("{:?}", touch.verb).to_lowercase();
    let mut text = format!("{verb} {}", code(&touch.target));
    if let Some(file) = &touch.file {
        let _ = write!(text, " from {}", code(file));
    }
    if !touch.way_back {
        text.push_str(", no automatic way back");
    }
    if let Some(remark) = &touch.remark {
        let _ = write!(text, " ({})", inline(remark));
    }
    text
}

/// How a step is taken back, in words.
pub fn way_back(step: &Step) -> String {
    match (&step.way_back, &step.doing) {
        (_, Doing::Check) => "nothing to take back".into(),
        (WayBack::Closure, _) => "its own `.undo`".into(),
        (WayBack::Instructions(text), _) => format!("by hand: {}", inline(text)),
        (WayBack::Irreversible(reason), _) => format!("none: {}", inline(reason)),
        (WayBack::Automatic, Doing::Manual(_)) => "*not stated: asked in §8*".into(),
        (WayBack::Automatic, _) => {
            let without = step.trial.iter().filter(|touch| !touch.way_back).map(|touch| code(&touch.target));
            match (step.trial.is_empty(), without.collect::<Vec<_>>()) {
                (_, without) if !without.is_empty() => format!("*none for {}: asked in §8*", without.join(", ")),
                _ if step.has_no_way_back() => "*not known for all that it touches: asked in §8*".into(),
                (true, _) => "automatic, where there is one".into(),
                (false, _) => "automatic".into(),
            }
        }
    }
}

fn gate(gate: &Gate, out: &mut Vec<String>) {
    if out.last().is_some_and(|line| !line.is_empty()) {
        out.push(String::new());
    }
    out.push(format!("**Stop-gate:** {}", inline(&gate.question)));
    let mut about = Vec::new();
    about.extend(gate.class.map(|class| format!("class {class}")));
    about.extend(gate.expires.map(|span| format!("an approval counts for {span}")));
    about.extend(gate.shows.iter().map(|show| format!("shows {}", inline(&show.text))));
    if !about.is_empty() {
        out.push(String::new());
        out.extend(about.into_iter().map(|line| format!("- {line}")));
    }
    out.push(String::new());
}
