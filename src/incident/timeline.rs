//! A line in neutral words: what was journaled, not what it means.

use jiff::Timestamp;
use serde_json::Value;

use super::Moment;
use crate::{
    event::{Applied, Event, Line, Outcome, Said},
    model::{
        Decision, Observation, Verdict,
        text::{count, cut, one_line, value},
    },
};

const MOST: usize = 300;

/// What a line says, where it belongs into a timeline. `last` is the verdict of the same verify before.
pub fn moment(line: &Line, last: Option<Verdict>) -> Option<Moment> {
    let text = words(line.event.as_ref()?, last)?;
    Some(Moment { at: line.t, source: format!("journal line {}", line.n), text: cut(&one_line(&text), MOST) })
}

fn words(event: &Event, last: Option<Verdict>) -> Option<String> {
    Some(match event {
        Event::Opened { playbook, target, .. } => format!("run of {playbook} on {} opened", target.name),
        Event::Discovered { name, context, value: found, failed, .. } => {
            let on = context.as_ref().map(|context| format!(" on {context}")).unwrap_or_default();
            match failed {
                None => format!("discovered {name}{on}: {}", value(found, 120)),
                Some(answer) => format!("{name} not discovered{on}: {answer}"),
            }
        }
        Event::Bound { plan, digest, .. } => {
            format!("bound; plan {} with {}", digest.short(), count(plan.steps().count(), "step"))
        }
        Event::Probed { text, verdict: Some(verdict), .. } => format!("probe of \"{text}\": {}", verdict.words()),
        Event::Preflight { findings, .. } => format!("preflight ended with {}", count(findings.len(), "finding")),
        Event::Resumed { skip, .. } => format!("resumed; {} done before", count(skip.len(), "step")),
        Event::GateOpened { card, digest } => format!("gate \"{}\" shown, evidence {}", card.question, digest.short()),
        Event::GateDecided { decision, via, .. } => match decision {
            Decision::Go { .. } => format!("gate decided: go, through {via}"),
            Decision::NoGo { .. } => format!("gate decided: no-go, through {via}"),
            Decision::NotNow => return None,
        },
        Event::Received { message } => match &message.said {
            Said::Approve { gate, .. } => format!("an approval of {gate} was received"),
            Said::Reject { gate, .. } => format!("a rejection of {gate} was received"),
            Said::Done { step, .. } => format!("{step} was reported as done by hand"),
            Said::Note { text, .. } => format!("note: {text}"),
        },
        Event::PhaseStarted { title, .. } => format!("phase \"{title}\" began"),
        Event::StepStarted { step, attempt } => format!("step {step} began, attempt {attempt}"),
        Event::StepSkipped { step, text, .. } => format!("change of {step} skipped: {text}"),
        Event::Effected { step, results, error, .. } => {
            let error = error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
            format!("effect of {step}: {}{error}", applied(results))
        }
        Event::StepManual { step, .. } => format!("step {step} asks for something done by hand"),
        Event::StepDoneByHand { step, .. } => format!("step {step} done by hand"),
        Event::Observed { text, verdict, observations, reason, .. } => {
            if last == Some(*verdict) {
                return None;
            }
            let seen = seen(*verdict, observations, reason.as_deref());
            format!("verify \"{text}\": {}{seen}", verdict.words())
        }
        Event::StepSettled { step, outcome, .. } => format!("outcome of step {step} stated as {}", outcome.word()),
        Event::Waived { text, .. } => format!("verify \"{text}\" waived"),
        Event::Parked { text, until, .. } => format!("verify \"{text}\" parked until {until:.0}"),
        Event::PlaybookChanged { bundle, .. } => format!("playbook changed; bundle {}", bundle.short()),
        Event::RouteAccepted { identity, .. } => format!("another route accepted: {}", identity.server),
        Event::LockBroken { holder, reason } => {
            format!("the place was taken from run {} by force: {reason}", holder.run)
        }
        Event::StepVerified { step, .. } => format!("step {step} verified"),
        Event::StepFailed { step, failure } => format!("step {step}: {}", failure.gist()),
        Event::RepairStarted { step, text } => format!("repair of {step} began: {text}"),
        Event::RepairEnded { step, .. } => format!("repair of {step} ended"),
        Event::UndoStarted { steps, on_failure, .. } => {
            let by = if *on_failure { ", by the run itself" } else { "" };
            format!("undo of {} began{by}", count(steps.len(), "step"))
        }
        Event::UndoStepEnded { step, left, failure, .. } => match (failure, left.as_slice()) {
            (Some(failure), _) => format!("way back of {step}: {}", failure.gist()),
            (None, []) => format!("step {step} taken back"),
            (None, left) => {
                let words = left.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                format!("step {step} taken back in part; stays: {words}")
            }
        },
        Event::OutcomeVerified { .. } => "outcome verified".into(),
        Event::Failed { failure } => format!("run: {}", failure.gist()),
        Event::Evidence { about, sort, .. } => format!("{sort} of {about} collected"),
        Event::ChildEnded { status, .. } if *status != 0 => format!("a command ended with {status}"),
        Event::Noted { text, .. } => format!("note: {text}"),
        Event::Cancelled { reason } => format!("cancelled by {reason}"),
        Event::Waiting { reason, exit, .. } => format!("waits ({}): {reason}", exit.code()),
        Event::Stopped { reason, exit } => format!("stopped ({}): {reason}", exit.code()),
        Event::Closed { exit, .. } => format!("closed ({})", exit.code()),
        _ => return None,
    })
}

/// What decided a verdict, in brackets.
pub fn seen(verdict: Verdict, observations: &[Observation], reason: Option<&str>) -> String {
    let telling = observations.iter().find(|seen| seen.holds != Some(true) && !verdict.holds());
    match (telling.or(observations.last()), reason) {
        (Some(seen), _) => format!(" ({})", seen.brief()),
        (None, Some(reason)) => format!(" ({reason})"),
        (None, None) => String::new(),
    }
}

fn applied(results: &[Applied]) -> String {
    let mut parts = Vec::new();
    for (outcome, word) in [
        (Outcome::Applied, "applied"),
        (Outcome::Unchanged, "unchanged"),
        (Outcome::Failed, "not accepted"),
        (Outcome::NotTried, "not tried"),
    ] {
        let of: Vec<&str> =
            results.iter().filter(|result| result.outcome == outcome).map(|result| result.target.as_str()).collect();
        match of.as_slice() {
            [] => {}
            [one] => parts.push(format!("{one} {word}")),
            several => parts.push(format!("{} {word}", several.len())),
        }
    }
    if parts.is_empty() { "ended".into() } else { parts.join(", ") }
}

/// What an API server's events say, with their own times: often the only trace of what was before the run.
pub fn of_events(about: &str, value: &Value) -> Vec<Moment> {
    let items = value.as_array().or_else(|| value.get("items").and_then(Value::as_array));
    let text = |event: &Value, keys: &[&str]| {
        keys.iter().find_map(|key| event.get(*key).and_then(Value::as_str)).map(str::to_string)
    };
    let time = |event: &Value| -> Option<Timestamp> {
        text(event, &["lastTimestamp", "eventTime", "firstTimestamp", "time", "at"])?.parse().ok()
    };
    items
        .into_iter()
        .flatten()
        .filter_map(|event| {
            let reason = text(event, &["reason"]).unwrap_or_default();
            let message = text(event, &["message", "note"]).unwrap_or_default();
            Some(Moment {
                at: time(event)?,
                source: format!("event of {}", one_line(about)),
                text: cut(&one_line(&format!("{reason} {message}")), MOST),
            })
        })
        .collect()
}
