//! A verify that goes on waiting without a process: its time runs by the clock, and what happened meanwhile was not seen.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{Stop, executor::Run, verify::Asked};
use crate::{
    event::{Event, Parked},
    model::{ExitCode, Span, StepId, Verify, text::one_line},
};

/// A verify that parks is watched so long before the process ends: much is true at once.
pub(super) const PARK: Duration = Duration::from_secs(3);
/// A longer wait is not sat through where nobody is there.
const LONG: Duration = Duration::from_mins(15);

/// What is known of one verify's wait across processes.
pub(super) struct Parking {
    /// Whether the process may end while it waits.
    pub parks: bool,
    /// How an earlier process left it.
    known: Option<Parked>,
    now: Timestamp,
}

impl Parking {
    pub fn of(run: &Run, verify: &Verify, step: Option<&StepId>, index: usize) -> Self {
        Self {
            parks: verify.parks || !run.attended && verify.within.duration() > LONG,
            known: run.with_state(|state| {
                let known = state.parked.get(&(step.cloned(), index));
                // in another version of the playbook it may be another verify
                known.filter(|known| known.text == verify.text).cloned()
            }),
            now: run.now(),
        }
    }

    fn since(&self) -> Timestamp {
        self.known.as_ref().map_or(self.now, |known| known.since)
    }

    /// Since when it holds, where an earlier process saw that it does.
    pub fn held(&self) -> Option<Timestamp> {
        self.known.as_ref().and_then(|known| known.held)
    }

    /// How much of its time is left.
    pub fn left(&self, within: Span) -> Duration {
        within.duration().saturating_sub(between(self.since(), self.now))
    }

    /// How much longer it has to stay true.
    pub fn left_of_stays(&self, stays: Span, held: Option<Timestamp>) -> Duration {
        held.map_or(stays.duration(), |since| stays.duration().saturating_sub(between(since, self.now)))
    }

    /// How long it was waited for, by this process and the ones before.
    pub fn took(&self, begun: Instant) -> Span {
        Span::from(begun.elapsed() + between(self.since(), self.now))
    }

    /// Leaves it to the next process.
    pub fn park(&self, run: &Run, asked: &Asked<'_>, held: Option<Timestamp>) -> Stop {
        let verify = asked.verify;
        let (from, span) = match held {
            Some(held) => (held, verify.stays.unwrap_or_default()),
            None => (self.since(), verify.within),
        };
        let until = from.checked_add(span.duration()).unwrap_or(Timestamp::MAX);
        let parked = Parked { text: verify.text.clone(), since: self.since(), until, held };
        if self.known.as_ref() != Some(&parked) {
            let Parked { text, since, until, held } = parked;
            let event = Event::Parked { step: asked.step.cloned(), verify: asked.index, text, since, until, held };
            if let Err(error) = run.append(&event) {
                return error.into();
            }
        }
        let of = asked.step.and_then(|step| run.plan.step(step));
        let of = of.map_or_else(|| "the outcome".to_owned(), |step| format!("step \"{}\"", step.title));
        let (word, since) = match held {
            Some(held) => ("to stay true", held),
            None => ("to come true", self.since()),
        };
        let text = one_line(&verify.text);
        Stop::Waiting {
            reason: format!("waiting for \"{text}\" of {of} {word}, since {since:.0}, until {until:.0}"),
            gate: None,
            step: asked.step.cloned(),
            exit: ExitCode::Waiting,
        }
    }
}

/// That it stayed true was seen at both ends, and not in between.
pub(super) fn sampled(stays: Span, since: Timestamp) -> String {
    format!("sampled: true at {since:.0} and now; that it stayed so for {stays} was not observed")
}

fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}
