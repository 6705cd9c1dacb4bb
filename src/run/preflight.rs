use std::time::{Duration, Instant};

use jiff::SignedDuration;

use super::{Stop, executor::Run};
use crate::{
    event::{Event, FailureKind},
    model::{Body, Confidence, Finding, Severity, Verdict},
};

/// How long a probe may take.
const PROBE: Duration = Duration::from_secs(30);
/// How far this machine's clock may be off the API server's.
const SKEW: SignedDuration = SignedDuration::from_secs(30);

impl Run {
    /// Everything that can be found out before the first change, all of it together.
    pub fn preflight(&mut self) -> Result<(), Stop> {
        let mut findings: Vec<Finding> = self.declared.findings.clone();
        findings.extend(self.discoveries());
        findings.extend(self.door.clock_skew().and_then(skewed));
        findings.extend(self.assumptions()?);
        let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
        self.append(&Event::Preflight { findings: findings.clone() })?;
        if errors == 0 {
            return Ok(());
        }
        let first =
            findings.iter().find(|f| f.severity == Severity::Error).map(|f| f.message.clone()).unwrap_or_default();
        let more = if errors > 1 { format!(" (and {} more)", errors - 1) } else { String::new() };
        Err(Self::refused(FailureKind::Preflight, format!("preflight found: {first}{more}; nothing was changed")))
    }

    fn discoveries(&self) -> Vec<Finding> {
        self.plan
            .discoveries
            .iter()
            .filter_map(|discovery| {
                let why = discovery.failed.as_ref()?;
                let on = discovery.context.as_ref().map(|context| format!(" on {context}")).unwrap_or_default();
                let message = format!("\"{}\" could not be discovered{on}: {why}", discovery.name);
                Some(Finding::error("discovery", message).at(discovery.place.clone()))
            })
            .collect()
    }

    fn assumptions(&self) -> Result<Vec<Finding>, Stop> {
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

/// Soak, max-age, expiry and Leases go by the server's clock, timestamps in the journal by the machine's.
fn skewed(skew: SignedDuration) -> Option<Finding> {
    let off = skew.abs();
    if off <= SKEW {
        return None;
    }
    let way = if skew.is_positive() { "ahead of" } else { "behind" };
    let message =
        format!("this machine's clock is {off:#} {way} the API server's; times in the journal are this machine's");
    Some(Finding::warning("clock-skew", message).help("set the clock, e.g. with NTP: timedatectl set-ntp true"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_off_by_more_than_half_a_minute_is_a_finding() {
        let found = |seconds| skewed(SignedDuration::from_secs(seconds)).map(|finding| finding.message);
        assert_eq!((found(30), found(-30)), (None, None));
        assert!(found(31).unwrap().contains("31s ahead of the API server's"), "{:?}", found(31));
        assert!(found(-7200).unwrap().contains("2h behind the API server's"), "{:?}", found(-7200));
    }
}
