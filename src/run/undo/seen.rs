//! That a way back did what it should is seen, not assumed.

use std::time::{Duration, Instant};

use super::super::{Stop, executor::Run};
use crate::{
    effect::{BackAgain, EffectError, Sort},
    event::{Failure, FailureKind, VerifyResult},
    model::{Body, Span, Step, Verdict, text::count},
};

/// How long objects may take to be gone or as they were.
const WITHIN: Duration = Duration::from_mins(1);
/// Looked again at this pace, slowing down to the other.
const POLL: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// More objects than this are told as a number.
const MANY: usize = 8;

impl Run {
    /// Waits until all of it is as it was.
    pub(super) fn comes_back(
        &self,
        look: impl Fn() -> Result<Vec<BackAgain>, EffectError>,
    ) -> Result<Vec<VerifyResult>, Stop> {
        let (begun, mut pace, mut evaluations) = (Instant::now(), POLL.0, 0);
        loop {
            evaluations += 1;
            let (found, unknown) = match look() {
                Ok(found) => (found, None),
                Err(error) if error.sort == Sort::Cancelled => return Err(Stop::Cancelled),
                Err(error) => (vec![], Some(error.message)),
            };
            let back = unknown.is_none() && found.iter().all(|it| it.not_yet.is_none());
            if back || begun.elapsed() >= WITHIN {
                let result = |text: String, verdict, reason| VerifyResult {
                    text,
                    verdict,
                    observations: vec![],
                    reason,
                    evaluations,
                    took: Span::from(begun.elapsed()),
                    flaps: 0,
                    held_before: false,
                };
                if let Some(why) = unknown {
                    return Ok(vec![result("what was taken back is as it was".into(), Verdict::Unknown, Some(why))]);
                }
                if back && found.len() > MANY {
                    let text = format!("{} are gone or as they were before", count(found.len(), "object"));
                    return Ok(vec![result(text, Verdict::Holds, None)]);
                }
                let not = |it: &BackAgain| if it.not_yet.is_none() { Verdict::Holds } else { Verdict::DoesNotHold };
                return Ok(found.into_iter().map(|it| result(it.text.clone(), not(&it), it.not_yet)).collect());
            }
            if self.cancel.wait(pace) {
                return Err(Stop::Cancelled);
            }
            pace = (pace * 3 / 2).min(POLL.1);
        }
    }

    /// The step's own `.undone`, each within its time.
    pub(super) fn undone(&self, step: &Step) -> Result<Vec<VerifyResult>, Stop> {
        let mut results = vec![];
        for (n, check) in step.undone.iter().enumerate() {
            let begun = Instant::now();
            let look = self.check(&Body::Undone(step.id.clone(), n), check, &step.id)?;
            let told = self.told_by_commands(&look)?;
            results.push(VerifyResult {
                text: check.text.clone(),
                verdict: look.verdict,
                observations: look.observations,
                reason: look.reason.or(told),
                evaluations: 1,
                took: Span::from(begun.elapsed()),
                flaps: 0,
                held_before: false,
            });
        }
        Ok(results)
    }

    /// What did not come back, as what happened.
    pub(super) fn not_back(&self, step: Option<&Step>, verifies: &[VerifyResult]) -> Option<Failure> {
        let first = verifies.iter().find(|verify| !verify.verdict.holds())?;
        let words = if first.verdict == Verdict::Unknown { "could not be seen" } else { "did not hold in its time" };
        let title = step.map(|step| format!(" of step \"{}\"", step.title)).unwrap_or_default();
        let mut failure = Failure::new(FailureKind::Undo, format!("undone \"{}\"{title} {words}", first.text));
        let place = step.and_then(|step| {
            step.undone
                .iter()
                .find(|check| check.text == first.text)
                .map_or(Some(&step.place), |check| Some(&check.place))
        });
        failure.place = place.cloned();
        failure.excerpt = place.and_then(|place| self.declared.excerpt(place));
        failure.verifies = verifies.to_vec();
        Some(failure)
    }
}
