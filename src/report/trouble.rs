//! What goes wrong, in words: findings of preflight, failures, what was seen of the objects of a step that failed. Each is told
//! once, where it happens; the last words say no more of it than its gist.

use serde_json::Value;

use super::{
    follow::{Counts, Follow},
    words::{Entry, Mark, block, entry},
};
use crate::{
    event::{Applied, Event, Failure, FailureKind, Outcome},
    model::{
        Finding, Severity, StepId,
        text::{cut, one_line, visible},
    },
};

/// Events of one object that are told.
const EVENTS: usize = 5;
/// Lines of a log that are told.
const LOGGED: usize = 8;

/// The findings of preflight, what stops the run first, each with what to do about it.
pub(super) fn preflight(findings: &[Finding]) -> Vec<Entry> {
    if findings.is_empty() {
        return vec![entry(Mark::Detail, "preflight", "nothing found")];
    }
    let mut out = vec![entry(Mark::News, "preflight", Counts::of(findings).words())];
    let mut findings: Vec<&Finding> = findings.iter().collect();
    findings.sort_by_key(|finding| match finding.severity {
        Severity::Error => 0,
        Severity::Warning => 1,
        Severity::Note => 2,
    });
    for finding in findings {
        let (mark, word) = match finding.severity {
            Severity::Error => (Mark::Bad, "error"),
            Severity::Warning => (Mark::Odd, "warning"),
            Severity::Note => (Mark::News, "note"),
        };
        let place = finding.place.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
        let mut lines = finding.message.lines().map(one_line);
        out.push(entry(mark, "preflight", format!("{word}: {}{place}", lines.next().unwrap_or_default())));
        out.extend(block("preflight", lines.map(|line| format!("  {line}")).collect()));
        out.extend(block("preflight", finding.help.iter().map(|help| format!("  help: {}", one_line(help))).collect()));
    }
    out
}

/// A failure of the run itself; what preflight found stands above it.
pub(super) fn of_run(before: &Follow, failure: &Failure) -> Vec<Entry> {
    let told = failure.kind == FailureKind::Preflight && before.found.as_ref().is_some_and(|found| found.errors > 0);
    if told { vec![] } else { failed("run", failure) }
}

/// A failure in full.
pub(super) fn failed(about: &str, failure: &Failure) -> Vec<Entry> {
    let mut account = failure.account();
    let head = if account.is_empty() { String::new() } else { account.remove(0) };
    let mut out = vec![entry(Mark::Bad, about, format!("failed: {head}"))];
    out.extend(block(about, account));
    out
}

/// How an effect was answered. Its error is the step's failure, which follows, or is told by [`went_on`].
pub(super) fn effected(step: &StepId, native: &str, results: &[Applied], error: Option<&str>) -> Entry {
    let text = format!("{native}: {}", applied(results, error));
    entry(Mark::Detail, step.as_str(), text)
}

fn applied(results: &[Applied], error: Option<&str>) -> String {
    let of = |outcome| results.iter().filter(move |result| result.outcome == outcome);
    // others than the one that the step's failure tells
    let own = |result: &&Applied| result.message.as_deref().is_some_and(|message| error != Some(message));
    let mut parts = Vec::new();
    for (outcome, word) in [
        (Outcome::Applied, "applied"),
        (Outcome::Unchanged, "unchanged"),
        (Outcome::Failed, "failed"),
        (Outcome::NotTried, "not tried"),
    ] {
        match of(outcome).count() {
            0 => {}
            // its message, which follows, names it
            1 if outcome == Outcome::Failed && of(outcome).all(|result| own(&result)) => {}
            1 => parts.extend(of(outcome).map(|result| format!("{word} {}", cut(&one_line(&result.target), 120)))),
            n => parts.push(format!("{n} {word}")),
        }
    }
    parts.extend(of(Outcome::Failed).filter(own).take(3).filter_map(|result| {
        let message = cut(&one_line(result.message.as_ref()?), 300);
        Some(if message.contains(&result.target) { message } else { format!("failed {}: {message}", result.target) })
    }));
    match (parts.is_empty(), error) {
        (true, Some(_)) => "failed".into(),
        (true, None) => "ended".into(),
        (false, _) => parts.join(", "),
    }
}

/// That a script went on after an effect that failed, which no failure tells then.
pub(super) fn went_on(before: &Follow, event: &Event) -> Option<Entry> {
    let (step, error) = before.missed.as_ref().filter(|_| before.goes_on_with(event))?;
    Some(entry(Mark::Odd, step.as_str(), format!("its script went on after this: {}", cut(&one_line(error), 400))))
}

/// What was collected about a failure: what the API server warned of is told, the rest is in the journal.
pub(super) fn evidence(about: &str, sort: &str, source: &str, value: &Value) -> Vec<Entry> {
    let line = |mark, text: String| entry(mark, "evidence", text);
    let error = value.get("error").and_then(Value::as_str);
    if let Some(error) = error {
        return vec![line(Mark::Odd, format!("{sort} of {about} could not be had: {error}"))];
    }
    match (sort, value) {
        // many kinds have none
        ("status", Value::String(said)) if said != Event::NO_STATUS => {
            vec![line(Mark::News, format!("{about}: {said}"))]
        }
        ("events", Value::Array(events)) => {
            let text = |event: &Value, field: &str| event[field].as_str().unwrap_or_default().to_owned();
            let mut warnings: Vec<String> = vec![];
            for event in events.iter().filter(|event| event["type"] == "Warning") {
                let words = format!("{about}: {}: {}", text(event, "reason"), text(event, "message"));
                if !warnings.contains(&words) {
                    warnings.push(words);
                }
            }
            if warnings.is_empty() {
                return vec![line(Mark::Detail, format!("no event of {about} is a warning"))];
            }
            let told = warnings.iter().take(EVENTS);
            told.map(|words| line(Mark::Odd, format!("warning event of {}", cut(words, 400)))).collect()
        }
        (Event::LOGS, Value::String(log)) => {
            let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
            let last = lines.iter().skip(lines.len().saturating_sub(LOGGED));
            let last = last.map(|text| format!("  {}", cut(&visible(text), 400))).collect();
            std::iter::once(line(Mark::News, format!("the last that {about} logged:")))
                .chain(block("evidence", last))
                .collect()
        }
        (Event::OUTPUT, _) => vec![line(Mark::Detail, format!("what `{about}` printed is kept"))],
        _ => vec![line(Mark::Detail, format!("{sort} of {about}, from {source}"))],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(sort: &str, value: &Value) -> Vec<(Mark, String)> {
        let entries = evidence("Pod/web/shop", sort, "the API server", value);
        entries.into_iter().map(|entry| (entry.mark, entry.text)).collect()
    }

    #[test]
    fn of_what_was_collected_the_telling_parts_are_told() {
        let words = |words: &str| words.to_owned();
        let event = |sort: &str| json!({ "type": sort, "reason": "BackOff", "message": "pull of\nimage failed" });
        let warned = words("warning event of Pod/web/shop: BackOff: pull of ⏎ image failed");
        assert_eq!(
            told("events", &json!([event("Warning"), event("Normal"), event("Warning")])),
            [(Mark::Odd, warned)]
        );
        let none = words("no event of Pod/web/shop is a warning");
        assert_eq!(told("events", &json!([event("Normal")])), [(Mark::Detail, none)]);
        let gone = words("Pod/web/shop: it does not exist");
        assert_eq!(told("status", &json!("it does not exist")), [(Mark::News, gone)]);
        assert_eq!(told("status", &json!(Event::NO_STATUS))[0].0, Mark::Detail);
        assert_eq!(told("status", &json!({ "phase": "Failed" }))[0].0, Mark::Detail);
        let refused = words("events of Pod/web/shop could not be had: not permitted");
        assert_eq!(told("events", &json!({ "error": "not permitted" })), [(Mark::Odd, refused)]);
    }

    #[test]
    fn of_a_log_its_last_lines_are_told_harmlessly() {
        let log = (1..=20).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n\n") + "\n\u{1b}[2Jend\n";
        let told = told(Event::LOGS, &json!(log));
        assert_eq!(told[0], (Mark::News, "the last that Pod/web/shop logged:".into()));
        let lines: Vec<&str> = told[1..].iter().map(|(_, text)| text.trim()).collect();
        assert_eq!(lines.len(), LOGGED);
        assert_eq!((lines[0], lines[LOGGED - 1]), ("line 14", "\\x1b[2Jend"));
    }
}
