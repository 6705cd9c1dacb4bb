//! Assumed values: each probe is evaluated where the run stands; what is assumed without one is said.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    event::Event,
    model::{
        Assumption, Body, Confidence, Finding, Observation, Verdict,
        text::{one_line, value},
    },
    run::{Stop, executor::Run},
};

/// How long a probe may take.
const PROBE: Duration = Duration::from_secs(30);
/// So many names are told where one is not among them.
const NEAREST: usize = 3;
/// So much of a value is told.
const MOST: usize = 200;

impl Run {
    /// Evaluates every assumption's probe and journals what it found.
    pub(super) fn assumptions(&self) -> Result<Vec<Finding>, Stop> {
        let mut findings = vec![];
        for (index, assumption) in self.plan.assumptions.iter().enumerate() {
            let mut event = Event::Probed {
                index,
                text: assumption.text.clone(),
                verdict: None,
                observations: vec![],
                reality: None,
            };
            if assumption.probe {
                let look = self.look(&Body::Assumption(index), None, None, Instant::now() + PROBE);
                let (verdict, observations, reason, help) = match look {
                    Ok(look) => {
                        let told = self.told_by_commands(&look)?;
                        (look.verdict, look.observations, look.reason.or(told), vec![])
                    }
                    // a probe that is broken is a finding like any other, so that the rest is still reported
                    Err(Stop::Failed { failure, .. }) => {
                        (Verdict::Unknown, vec![], Some(failure.message), failure.help)
                    }
                    Err(stop) => return Err(stop),
                };
                let reality = (!verdict.holds()).then(|| reality(&observations, reason.as_deref()));
                if let Some(reality) = &reality {
                    let mut finding = unmet(assumption, reality);
                    finding.help.extend(help);
                    findings.push(finding);
                }
                event = Event::Probed {
                    index,
                    text: assumption.text.clone(),
                    verdict: Some(verdict),
                    observations,
                    reality,
                };
            } else if assumption.confidence == Confidence::Low {
                let message = format!("assumed without a probe: {}", assumption.text);
                let finding = Finding::warning("assumption", message).at(assumption.place.clone());
                findings.push(finding.help("acknowledged at the start gate; a probe would ask: assume(…, || …)"));
            }
            self.append(&event)?;
        }
        Ok(findings)
    }
}

/// What was assumed, what is so, what follows: a line each.
fn unmet(assumption: &Assumption, reality: &str) -> Finding {
    let mut lines =
        vec![format!("assumed: {} ({})", assumption.text, assumption.confidence), format!("found: {reality}")];
    lines.extend(assumption.impact.iter().map(|impact| format!("impact: {impact}")));
    lines.extend(assumption.source.iter().map(|source| format!("source: {source}")));
    let lines: Vec<String> = lines.iter().map(|line| one_line(line)).collect();
    Finding::error("assumption", lines.join("\n")).at(assumption.place.clone())
}

/// What a probe found instead, in words.
fn reality(observations: &[Observation], reason: Option<&str>) -> String {
    let odd = observations.iter().filter(|observation| observation.holds != Some(true));
    let mut parts: Vec<String> = odd.map(found).collect();
    parts.extend(reason.map(str::to_string));
    // one thing that is missing may show in several comparisons
    let mut said = BTreeSet::new();
    parts.retain(|part| said.insert(part.clone()));
    if parts.is_empty() { "it does not hold".into() } else { parts.join("; ") }
}

fn found(observation: &Observation) -> String {
    if let Some(reason) = &observation.reason {
        return reason.clone();
    }
    let Some(observed) = &observation.observed else { return format!("{} does not hold", observation.expression) };
    match (&observation.expected, observed) {
        // which of the two is the literal side depends on how it is written
        (Some(wanted), Value::Array(among)) | (Some(Value::Array(among)), wanted) if observation.operator == "in" => {
            not_among(wanted, among)
        }
        (Some(Value::Array(none)), Value::Array(are)) if none.is_empty() => {
            are.iter().map(plain).collect::<Vec<_>>().join("; ")
        }
        _ => format!("{} is {}", observation.expression, value(observed, MOST)),
    }
}

/// What is not in a list, with what is: the nearest names first.
fn not_among(wanted: &Value, among: &[Value]) -> String {
    let wanted = plain(wanted);
    let mut names: Vec<String> = among.iter().map(plain).filter(|name| !name.is_empty()).collect();
    if names.is_empty() {
        return format!("there is no `{wanted}`; there is nothing");
    }
    let near = |name: &String| strsim::jaro_winkler(&wanted, name);
    names.sort_by(|a, b| near(b).total_cmp(&near(a)).then_with(|| a.cmp(b)));
    let more = names.len().saturating_sub(NEAREST);
    names.truncate(NEAREST);
    let are = if names.len() + more == 1 { "is" } else { "are" };
    let mut told: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    told.extend((more > 0).then(|| format!("{more} more")));
    let last = told.pop().unwrap_or_default();
    let told = if told.is_empty() { last } else { format!("{} and {last}", told.join(", ")) };
    format!("there is no `{wanted}`; there {are} {told}")
}

/// A value in one line, as it would be said.
fn plain(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn observed(operator: &str, expected: Value, observed: Value) -> Observation {
        Observation {
            place: None,
            expression: "x".into(),
            operator: operator.into(),
            expected: Some(expected),
            observed: Some(observed),
            holds: Some(false),
            reason: None,
            inner: vec![],
        }
    }

    #[test]
    fn what_is_not_in_a_list_is_told_with_the_nearest_that_are() {
        let told = |wanted: &str, among: Value| {
            let one = reality(&[observed("in", json!(wanted), among.clone())], None);
            assert_eq!(one, reality(&[observed("in", among, json!(wanted))], None), "written either way");
            one
        };
        assert_eq!(
            told("talos:apply", json!(["flux:apply", "talos:apply-node", "kube:x", "talos:upgrade-node"])),
            "there is no `talos:apply`; there are `talos:apply-node`, `flux:apply`, `talos:upgrade-node` and 1 more"
        );
        assert_eq!(told("kopia-config", json!(["", "kopia"])), "there is no `kopia-config`; there is `kopia`");
        assert_eq!(told("kopia.repository.f", json!([])), "there is no `kopia.repository.f`; there is nothing");
    }

    #[test]
    fn errors_where_there_should_be_none_are_told_as_they_are() {
        assert_eq!(reality(&[observed("==", json!([]), json!(["unknown field a", "b"]))], None), "unknown field a; b");
        assert_eq!(reality(&[observed("==", json!(1), json!(2))], Some("so")), "x is 2; so");
        assert_eq!(reality(&[], None), "it does not hold");
    }

    #[test]
    fn assumed_found_impact_and_source_stand_on_lines_of_their_own() {
        let assumption = Assumption {
            text: "the store is named onepassword".into(),
            confidence: crate::model::Confidence::Medium,
            probe: true,
            impact: Some("nothing syncs".into()),
            source: Some("a\nguide".into()),
            place: crate::model::Place::new("p.rhai", 1, 1),
        };
        assert_eq!(
            unmet(&assumption, "it is not there").message,
            "assumed: the store is named onepassword (medium)\nfound: it is not there\nimpact: nothing syncs\nsource: a ⏎ guide"
        );
    }
}
