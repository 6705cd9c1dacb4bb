//! Assumed values: each probe is evaluated where the run stands; what is assumed without one is said.

use std::time::{Duration, Instant};

use crate::{
    event::Event,
    model::{Body, Confidence, Finding, Verdict},
    run::{Stop, executor::Run},
};

/// How long a probe may take.
const PROBE: Duration = Duration::from_secs(30);

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
                let (verdict, observations, reason) = match look {
                    Ok(look) => (look.verdict, look.observations, look.reason),
                    // a probe that is broken is a finding like any other, so that the rest is still reported
                    Err(Stop::Failed { failure, .. }) => (Verdict::Unknown, vec![], Some(failure.message)),
                    Err(stop) => return Err(stop),
                };
                let reality = (!verdict.holds()).then(|| reality(&observations, reason.as_deref()));
                if let Some(reality) = &reality {
                    let impact =
                        assumption.impact.as_ref().map(|i| format!("; if it is not so: {i}")).unwrap_or_default();
                    findings.push(
                        Finding::error("assumption", format!("assumed: {}; found: {reality}{impact}", assumption.text))
                            .at(assumption.place.clone()),
                    );
                }
                event = Event::Probed {
                    index,
                    text: assumption.text.clone(),
                    verdict: Some(verdict),
                    observations,
                    reality,
                };
            } else if assumption.confidence == Confidence::Low {
                findings.push(
                    Finding::warning("assumption", format!("assumed without a probe: {}", assumption.text))
                        .at(assumption.place.clone()),
                );
            }
            self.append(&event)?;
        }
        Ok(findings)
    }
}

/// What a probe found instead, in words.
fn reality(observations: &[crate::model::Observation], reason: Option<&str>) -> String {
    let mut parts: Vec<String> = observations
        .iter()
        .filter(|observation| observation.holds != Some(true))
        .map(|observation| match (&observation.reason, &observation.observed) {
            (Some(reason), _) => reason.clone(),
            (None, Some(observed)) => format!("{} is {observed}", observation.expression),
            (None, None) => format!("{} does not hold", observation.expression),
        })
        .collect();
    parts.extend(reason.map(str::to_string));
    if parts.is_empty() { "it does not hold".into() } else { parts.join("; ") }
}
