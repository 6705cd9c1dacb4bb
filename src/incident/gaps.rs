//! What can be seen of what was not known; what went well; drafts for checks. Facts, each with where it stands.

use super::Incident;
use crate::model::{
    Confidence, Plan, Verdict,
    text::{count, one_line},
};

/// Low-confidence assumptions, verifies that say nothing, flaps, and what could not be seen.
pub fn gaps(incident: &Incident, plan: Option<&Plan>, lost: &[String]) -> Vec<String> {
    let mut out = Vec::new();
    for assumed in &incident.assumptions {
        if assumed.probe && assumed.verdict.is_none() {
            out.push(format!("assumption \"{}\": its probe was not evaluated", one_line(&assumed.text)));
        } else if !assumed.probe && assumed.confidence != Confidence::High {
            out.push(format!(
                "assumption \"{}\" had {} confidence and no probe",
                one_line(&assumed.text),
                assumed.confidence
            ));
        }
    }
    for step in &incident.steps {
        for verify in &step.verifies {
            let text = one_line(&verify.text);
            if verify.held_before {
                out.push(format!("verify \"{text}\" of {} held before the change: evidence of nothing", step.id));
            }
            if verify.flaps > 0 {
                out.push(format!(
                    "verify \"{text}\" of {} turned false {} after it had held",
                    step.id,
                    count(verify.flaps as usize, "time")
                ));
            }
            if verify.verdict == Verdict::Unknown {
                out.push(format!("verify \"{text}\" of {}: not captured, nothing answered", step.id));
            }
        }
    }
    let failed = plan.zip(incident.step.as_ref()).and_then(|(plan, id)| plan.step(id));
    if let Some(step) = failed {
        if let Some(text) = &step.partly_known {
            out.push(format!("what step {} touches was partly known beforehand: {}", step.id, one_line(text)));
        }
        if step.prechecks.is_empty() {
            out.push(format!("step {} has no precheck", step.id));
        }
    }
    for gate in &incident.gates {
        for note in &gate.not_shown {
            out.push(format!(
                "a note was kept before the gate \"{}\" and is not on its card: {note}",
                one_line(&gate.card.question)
            ));
        }
    }
    for changed in incident.changed.iter().filter(|changed| changed.targets.iter().any(|(_, what)| what.is_none())) {
        out.push(format!("the outcome of {} in {}: not captured", one_line(&changed.native), changed.step));
    }
    for evidence in incident.evidence.iter().filter(|evidence| !evidence.captured) {
        let answer = evidence.value.get("error").and_then(|error| error.as_str()).map(one_line);
        let answer = answer.map(|answer| format!(" (\"{answer}\")")).unwrap_or_default();
        out.push(format!("{} of {}: not captured{answer}", evidence.sort, evidence.about));
    }
    if incident.failure.is_some() && incident.evidence.is_empty() {
        out.push("events, conditions and logs at the time of the symptom: not captured".into());
    }
    for (kind, n) in &incident.unknown {
        out.push(format!(
            "{} of kind `{}`: unknown to this program",
            count(usize::try_from(*n).unwrap_or(0), "journal line"),
            one_line(kind)
        ));
    }
    out.extend(lost.iter().map(|line| format!("journal: {}", one_line(line))));
    out
}

/// Drafts for checks.
pub fn suggestions(incident: &Incident) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(failure) = &incident.failure {
        out.extend(failure.help.iter().map(|help| one_line(help)));
    }
    for assumed in &incident.assumptions {
        let text = one_line(&assumed.text);
        match (assumed.probe, assumed.verdict) {
            (false, _) => {
                out.push(format!("give the assumption a probe: assume(\"{text}\", \"{}\", || …)", assumed.confidence));
            }
            (true, Some(verdict)) if !verdict.holds() => {
                out.push(format!("turn the probe of \"{text}\" into a precheck of the steps that rest on it"));
            }
            _ => {}
        }
    }
    for step in &incident.steps {
        for verify in &step.verifies {
            let text = one_line(&verify.text);
            if verify.held_before && step.skipped.is_none() {
                out.push(format!("for \"{text}\" of {}, compare something that the change makes true", step.id));
            }
            if verify.flaps > 0 {
                out.push(format!("for \"{text}\" of {}, a longer .stays(…)", step.id));
            }
        }
    }
    out
}

/// What stopped the run, and what it did not touch.
pub fn went_well(incident: &Incident) -> Vec<String> {
    let of = |state: &str| incident.steps.iter().filter(|step| step.state == state).count();
    let mut out = Vec::new();
    match (of("verified"), incident.steps.len()) {
        (_, 0) => {}
        (verified, all) => out.push(format!("{verified} of {} verified", count(all, "step"))),
    }
    if incident.failure.is_some() {
        out.push("the run stopped where the symptom was seen".into());
    }
    match of("not reached") {
        0 => {}
        n => out.push(format!("{} not reached and so not changed", count(n, "step"))),
    }
    if incident.changed.is_empty() {
        out.push("nothing was changed".into());
    }
    out
}

/// What passed although it was close.
pub fn lucky(incident: &Incident) -> Vec<String> {
    let flapped = incident.steps.iter().filter(|step| step.state == "verified");
    let flapped = flapped.flat_map(|step| step.verifies.iter().map(move |verify| (step, verify)));
    flapped
        .filter(|(_, verify)| verify.flaps > 0)
        .map(|(step, verify)| {
            format!(
                "\"{}\" of {} passed after {}",
                one_line(&verify.text),
                step.id,
                count(verify.flaps as usize, "flap")
            )
        })
        .collect()
}
