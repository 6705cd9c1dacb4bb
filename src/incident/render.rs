//! The record as Markdown. What the machine wrote stands between marks, so that a refresh never touches what people added.

use jiff::Timestamp;

use super::{GateEntry, Incident, Section};
use crate::{
    event::{Outcome, Staged},
    model::{
        Decision, Fact,
        markdown::{code, inline, table},
        text::{count, cut, one_line, visible},
    },
};

const MOST_ROWS: usize = 120;
const MOST_ITEMS: usize = 40;

/// The record.
pub fn render(incident: &Incident) -> String {
    let mut out = front_matter(incident);
    out.extend([String::new(), format!("# {}", title(incident)), String::new()]);
    machine(&mut out, "header", header(incident));
    out.extend([String::new(), "Severity and impact on users: *not captured; add what is known, or leave it*".into()]);
    for (section, heading, name, body) in [
        (Section::WhatHappened, "1. What happened", "what-happened", what_happened(incident)),
        (Section::Perspectives, "2. Perspectives", "perspectives", perspectives(incident)),
        (Section::Gaps, "3. Gaps", "gaps", listed(&incident.gaps, "None seen.")),
        (Section::Remediation, "4. Remediation", "remediation", remediation(incident)),
        (Section::Prevention, "5. Prevention", "prevention", prevention(incident)),
    ] {
        out.extend([String::new(), format!("## {heading}"), String::new()]);
        machine(&mut out, name, body);
        for prompt in incident.questions.iter().filter(|prompt| prompt.section == section) {
            out.extend([String::new(), format!("**{}**", inline(&prompt.text))]);
        }
    }
    for (heading, name, items) in [("Went well", "went-well", &incident.went_well), ("Lucky", "lucky", &incident.lucky)]
    {
        out.extend([String::new(), format!("## {heading}"), String::new()]);
        machine(&mut out, name, listed(items, "Not captured."));
    }
    out.push(String::new());
    out.join("\n")
}

fn machine(out: &mut Vec<String>, name: &str, body: Vec<String>) {
    out.push(format!("<!-- runbook:begin {name} -->"));
    out.extend(body);
    out.push(format!("<!-- runbook:end {name} -->"));
}

fn time(at: Timestamp) -> String {
    format!("{at:.0}")
}

/// YAML: all strings are JSON strings, which YAML reads as they are.
fn front_matter(incident: &Incident) -> Vec<String> {
    let text = |text: &str| serde_json::Value::from(one_line(text)).to_string();
    let or_null = |value: Option<String>| value.map_or_else(|| "null".into(), |value| text(&value));
    let resources: Vec<String> = incident.resources.iter().take(MOST_ITEMS).map(|object| text(object)).collect();
    vec![
        "---".into(),
        format!("id: {}", text(&incident.id)),
        format!("run: {}", text(incident.run.as_str())),
        format!("playbook: {}", text(&incident.playbook)),
        format!("status: {}", incident.status),
        "severity: null".into(),
        format!("context: {}", text(&incident.context)),
        format!("step: {}", or_null(incident.step.as_ref().map(ToString::to_string))),
        format!("started: {}", time(incident.started)),
        format!("detected: {}", incident.detected.map_or_else(|| "null".into(), time)),
        format!("ended: {}", incident.ended.map_or_else(|| "null".into(), time)),
        format!("fingerprint: {}", incident.fingerprint.short()),
        format!("resources: [{}]", resources.join(", ")),
        "related: []".into(),
        "lessons: []".into(),
        "---".into(),
    ]
}

fn title(incident: &Incident) -> String {
    format!("{} ({})", inline(&cut(&incident.symptom, 160)), inline(&incident.context))
}

fn header(incident: &Incident) -> Vec<String> {
    let sandbox = if incident.sandbox { ", the embedded sandbox" } else { "" };
    let of = |state: &str| incident.steps.iter().filter(|step| step.state == state).count();
    let kind = incident.failure.as_ref().map(|failure| failure.kind.words());
    let mut out = vec![format!("- Symptom: {}", inline(&incident.symptom))];
    out.extend(kind.map(|kind| format!("- In short: {kind}")));
    if incident.near_miss {
        out.push("- A near miss: nothing failed".into());
    }
    let cluster = incident.cluster.as_ref().map(|cluster| format!(", cluster {}", code(cluster))).unwrap_or_default();
    out.push(format!(
        "- Target: context {}, tier {}{sandbox}{cluster}",
        code(&incident.context),
        inline(&incident.tier)
    ));
    out.push(format!(
        "- Change: \"{}\" from {}, run {}",
        inline(&incident.title),
        code(&incident.playbook),
        code(incident.run.as_str())
    ));
    out.push(format!(
        "- Steps: {} verified, {} not verified, {} not reached",
        of("verified"),
        of("not verified"),
        of("not reached")
    ));
    out.push(match &incident.last_passing {
        Some(passed) => format!(
            "- Last verify that passed: \"{}\" of {}, {}",
            inline(&passed.verify),
            code(passed.step.as_str()),
            time(passed.at)
        ),
        None => "- Last verify that passed: none".into(),
    });
    match &incident.staged {
        Staged::NotRequired => {}
        Staged::By { run, context, at, differences, again } => {
            let differ = if differences.is_empty() {
                "nothing differs".into()
            } else {
                format!("differs in {}", differences.iter().map(|name| inline(name)).collect::<Vec<_>>().join(", "))
            };
            let soaked = if again.is_empty() { "" } else { "; its outcome held once more before this run" };
            let (run, context, at) = (code(run.as_str()), code(context), time(*at));
            out.push(format!("- Staged: run {run} on {context}, {at}; {differ}{soaked}"));
        }
        Staged::Skipped { reason } => out.push(format!("- Staged: skipped, \"{}\"", inline(reason))),
    }
    out.extend(incident.exit.map(|exit| format!("- Exit code: {exit}")));
    out
}

/// Lines as code, whatever they hold.
fn fenced(lines: &[String]) -> Vec<String> {
    let longest = lines.iter().flat_map(|line| line.split(|c| c != '`')).map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let mut out = vec![format!("{fence}text")];
    out.extend(lines.iter().flat_map(|line| visible(line).lines().map(str::to_string).collect::<Vec<_>>()));
    out.push(fence);
    out
}

fn what_happened(incident: &Incident) -> Vec<String> {
    let mut out = vec!["### Expected and observed".to_string(), String::new()];
    match &incident.failure {
        Some(failure) => out.extend(fenced(&failure.account())),
        None => out.push("Not captured: no failure was journaled.".into()),
    }
    if !incident.evidence.is_empty() {
        out.extend([String::new(), "### Evidence".into(), String::new()]);
        out.extend(incident.evidence.iter().take(MOST_ITEMS).map(|it| {
            let value = if it.captured { code(&cut(&it.value.to_string(), 400)) } else { "*not captured*".into() };
            format!("- {} of {}, from {}: {value}", inline(&it.sort), code(&it.about), inline(&it.source))
        }));
    }
    out.extend([String::new(), "### Timeline".into(), String::new()]);
    let rows = |moments: &[super::Moment]| -> Vec<Vec<String>> {
        moments.iter().map(|it| vec![time(it.at), inline(&it.text), inline(&it.source)]).collect()
    };
    let (all, head) = (&incident.timeline, ["Time", "What", "Source"]);
    if all.len() > MOST_ROWS {
        let (first, last) = (&all[..MOST_ROWS / 4], &all[all.len() - MOST_ROWS * 3 / 4..]);
        out.extend(table(&head, &rows(first)));
        out.extend([String::new(), format!("{} moments more in the sidecar.", all.len() - MOST_ROWS), String::new()]);
        out.extend(table(&head, &rows(last)));
    } else {
        out.extend(table(&head, &rows(all)));
    }
    out.extend([String::new(), "### Assumptions".into(), String::new()]);
    if incident.assumptions.is_empty() {
        out.push("None were declared.".into());
        return out;
    }
    let rows: Vec<Vec<String>> = incident
        .assumptions
        .iter()
        .map(|assumed| {
            vec![
                inline(&assumed.text),
                assumed.confidence.to_string(),
                assumed.reality.as_deref().map_or_else(|| "*not captured*".into(), inline),
                assumed.impact.as_deref().map_or_else(|| "*not captured*".into(), inline),
            ]
        })
        .collect();
    out.extend(table(&["Assumption", "Confidence", "Reality", "Impact"], &rows));
    out
}

fn perspectives(incident: &Incident) -> Vec<String> {
    if incident.gates.is_empty() {
        return vec!["No gate was reached.".into()];
    }
    let mut out = Vec::new();
    for (n, gate) in incident.gates.iter().enumerate() {
        if n > 0 {
            out.push(String::new());
        }
        out.extend(gate_card(gate));
    }
    out
}

fn gate_card(gate: &GateEntry) -> Vec<String> {
    let card = &gate.card;
    let mut out = vec![format!("### Gate: {}", inline(&card.question)), String::new()];
    out.push(format!("- Shown {}, evidence {}, class {}", time(gate.shown), code(gate.digest.short()), card.class));
    for fact in card.facts.iter().take(MOST_ITEMS) {
        out.push(match fact {
            Fact::Verify { step, text, verdict, held_before, flaps, .. } => {
                let flaps = if *flaps > 0 { format!(", {}", count(*flaps as usize, "flap")) } else { String::new() };
                let before = if *held_before { ", held before the change" } else { "" };
                format!("- Verify \"{}\" of {}: {}{flaps}{before}", inline(text), code(step), verdict.words())
            }
            Fact::Shown { text, value } => {
                format!("- Shown: {}: {}", inline(text), code(&cut(&value.to_string(), 200)))
            }
            Fact::Acknowledge { text } => format!("- To be acknowledged: {}", inline(text)),
            Fact::Known { text } => format!("- Known: {}", inline(text)),
        });
    }
    if card.facts.len() > MOST_ITEMS {
        out.push(format!("- {} facts more in the sidecar", card.facts.len() - MOST_ITEMS));
    }
    if !card.next.is_empty() {
        let next: Vec<String> = card.next.iter().map(|title| inline(title)).collect();
        out.push(format!("- Next: {}", next.join(", ")));
    }
    out.push("- Options: go, no-go, not now".into());
    let words =
        |reason: &Option<String>| reason.as_ref().map(|text| format!(", \"{}\"", inline(text))).unwrap_or_default();
    let via = gate.via.as_deref().map(|via| format!(" through {}", inline(via))).unwrap_or_default();
    out.push(match &gate.decision {
        Some(Decision::Go { reason }) => format!("- Choice: go{via}{}", words(reason)),
        Some(Decision::NoGo { reason }) => format!("- Choice: no-go{via}{}", words(reason)),
        Some(Decision::NotNow) | None => "- Choice: none yet".into(),
    });
    out
}

fn listed(items: &[String], none: &str) -> Vec<String> {
    if items.is_empty() {
        return vec![none.into()];
    }
    let mut out: Vec<String> = items.iter().take(MOST_ITEMS).map(|item| format!("- {}", inline(item))).collect();
    if items.len() > MOST_ITEMS {
        out.push(format!("- {} more in the sidecar", items.len() - MOST_ITEMS));
    }
    out
}

fn remediation(incident: &Incident) -> Vec<String> {
    let mut out = vec!["What the run had changed:".to_string(), String::new()];
    if incident.changed.is_empty() {
        out.push("- Nothing".into());
    }
    for changed in incident.changed.iter().take(MOST_ITEMS) {
        let target = |(target, what): &(String, Option<Outcome>)| {
            let word = match what {
                Some(Outcome::Applied) => "applied",
                Some(Outcome::Unchanged) => "unchanged",
                Some(Outcome::Failed) => "not accepted",
                Some(Outcome::NotTried) => "not tried",
                None => "uncertain",
            };
            format!("{} {word}", code(target))
        };
        let mut targets: Vec<String> = changed.targets.iter().take(8).map(target).collect();
        if changed.targets.len() > 8 {
            targets.push(format!("{} more", changed.targets.len() - 8));
        }
        out.push(format!(
            "- {}, {}: {}; way back: {}",
            code(changed.step.as_str()),
            code(&changed.native),
            targets.join(", "),
            inline(&changed.way_back)
        ));
    }
    if incident.changed.len() > MOST_ITEMS {
        out.push(format!("- {} effects more in the sidecar", incident.changed.len() - MOST_ITEMS));
    }
    out.push(String::new());
    // what the journal shows after the symptom, without saying what led to it
    let after = incident.detected.map(|detected| {
        let later = incident.timeline.iter().filter(|moment| moment.at > detected);
        later.filter(|moment| moment.text.contains("verified") || moment.text.contains("resumed")).collect::<Vec<_>>()
    });
    match after {
        Some(after) if !after.is_empty() => {
            out.extend(["Observed after the symptom:".into(), String::new()]);
            out.extend(after.iter().take(MOST_ITEMS).map(|it| format!("- {} {}", time(it.at), inline(&it.text))));
        }
        _ => out.push("Observed after the symptom: *not captured*".into()),
    }
    out
}

fn prevention(incident: &Incident) -> Vec<String> {
    let mut out = vec!["Suggestions of the machine, from what it saw; not lessons:".to_string(), String::new()];
    out.extend(listed(&incident.suggestions, "- None"));
    out
}
