//! How an assertion comes true: evaluated when something that it read has changed, until its time is over.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::json;

use super::{
    Stop,
    executor::Run,
    park::{PARK, Parking, sampled},
    step::sort_of,
};
use crate::{
    effect::{Call, CommandAnswer, Sort, Watching, Woken},
    event::{Event, VerifyResult},
    model::{Body, Check, Evaluation, Observation, Read, StepId, Verdict, Verify},
    script::ErrorKind,
};

/// An evaluation may take this long even where the verify's own time is shorter.
const ONE_LOOK: Duration = Duration::from_secs(5);
/// Unwatchable reads are repeated at this pace, slowing down to the other.
const POLL: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// Errors that waiting rarely mends fail after so many in a row, over at least so long.
const HARD: (u32, Duration) = (4, Duration::from_secs(10));
/// An observation is journaled at most this often.
const SAY: Duration = Duration::from_secs(1);
/// Waking up later than this means that the process was stopped, not that the machine is busy.
const LATE: Duration = Duration::from_secs(1);
/// A watch that is about to be in sync again is looked at this soon.
const SYNC: Duration = Duration::from_millis(50);

/// One look at an assertion.
pub(super) struct Look {
    pub verdict: Verdict,
    pub observations: Vec<Observation>,
    pub reason: Option<String>,
    /// Whether something was read that no watch tells of.
    polled: bool,
    /// Whether it is the sort of error that waiting rarely mends.
    hard: bool,
    /// Whether it held, and did not count: a watch is being read anew.
    settling: bool,
    /// The commands that it read by and that failed.
    commands: Vec<(String, CommandAnswer)>,
}

impl Look {
    /// One that saw nothing.
    fn unknown() -> Self {
        Self {
            verdict: Verdict::Unknown,
            observations: vec![],
            reason: None,
            polled: false,
            hard: false,
            settling: false,
            commands: vec![],
        }
    }
}

impl Run {
    /// Looks once. `Err` only where the run has to end: cancelled, a lost lock, another cluster, a broken script.
    pub fn look(
        &self,
        body: &Body,
        step: Option<&StepId>,
        watching: Option<&Arc<Watching>>,
        until: Instant,
    ) -> Result<Look, Stop> {
        self.look_closely(body, step, watching, until).map_err(|(stop, _)| stop)
    }

    /// The same; with the end, whether no change could mend it: what the closure calls does not exist, or may never be
    /// called there.
    pub fn look_closely(
        &self,
        body: &Body,
        step: Option<&StepId>,
        watching: Option<&Arc<Watching>>,
        until: Instant,
    ) -> Result<Look, (Stop, bool)> {
        if let Some(watching) = watching {
            watching.begin();
        }
        let mut call = self.reading(watching).until(until.max(Instant::now() + ONE_LOOK));
        call.hints = matches!(body, Body::Assumption(_));
        self.look_through(call, body, step, watching)
    }

    /// The same, asking the server anew and for the names of what there is.
    fn look_hinting(&self, body: &Body, step: Option<&StepId>) -> Result<Look, Stop> {
        let mut call = self.reading(None).until(Instant::now() + ONE_LOOK);
        call.hints = true;
        self.look_through(call, body, step, None).map_err(|(stop, _)| stop)
    }

    fn look_through(
        &self,
        call: Call,
        body: &Body,
        step: Option<&StepId>,
        watching: Option<&Arc<Watching>>,
    ) -> Result<Look, (Stop, bool)> {
        let result = self.declared.evaluate(body, self.tag(body, step, &call));
        if let Some(watching) = watching {
            watching.end();
        }
        let polled = call.reads().iter().any(|read| matches!(read, Read::Polled(_)));
        let seen = |verdict, reason: String, hard| Look {
            verdict,
            observations: vec![],
            reason: Some(reason),
            polled,
            hard,
            settling: false,
            commands: call.failed_commands(),
        };
        if let Some(trouble) = call.trouble() {
            let look = match trouble.sort {
                Sort::Cancelled => return Err((Stop::Cancelled, false)),
                Sort::Unreachable | Sort::Deadline => seen(Verdict::Unknown, trouble.message, false),
                Sort::Hard => seen(Verdict::NotYet, trouble.message, true),
                sort => return Err((self.stop_of(step, sort, &trouble), false)),
            };
            return Ok(look);
        }
        match result {
            Ok(Evaluation { verdict, observations, reason, .. }) => {
                let commands = call.failed_commands();
                let reason = reason.or_else(|| call.remark().filter(|_| !verdict.holds()));
                Ok(Look { verdict, observations, reason, polled, hard: false, settling: false, commands })
            }
            Err(_) if self.cancel.is_cancelled() => Err((Stop::Cancelled, false)),
            Err(error) => {
                let hopeless = matches!(error.kind, ErrorKind::Mode | ErrorKind::Name)
                    || matches!(sort_of(&error), Some(Sort::WrongMode | Sort::Refused));
                let failure = self.failed(crate::event::FailureKind::Verify, &error);
                Err((Stop::Failed { failure: Box::new(failure), step: step.cloned() }, hopeless))
            }
        }
    }

    /// Looks at what was true before; again only while it cannot be seen.
    pub fn see(&self, body: &Body, step: &StepId, watching: &Arc<Watching>, until: Instant) -> Result<Look, Stop> {
        let mut pace = POLL.0;
        loop {
            let look = self.look(body, Some(step), Some(watching), Instant::now())?;
            if look.verdict != Verdict::Unknown || Instant::now() >= until {
                return Ok(look);
            }
            if watching.wait((Instant::now() + pace).min(until), &self.cancel) == Woken::Cancelled {
                return Err(Stop::Cancelled);
            }
            pace = (pace * 3 / 2).min(POLL.1);
        }
    }

    /// Waits for an assertion with no result of its own: a precheck, a `skip_if`.
    pub fn check(&self, body: &Body, check: &Check, step: &StepId) -> Result<Look, Stop> {
        let watching = Watching::new(self.door.clone());
        let until = Instant::now() + check.within.duration();
        let mut pace = POLL.0;
        loop {
            let look = self.look(body, Some(step), Some(&watching), until)?;
            if look.verdict.holds() || Instant::now() >= until {
                return Ok(look);
            }
            let next = if look.polled || look.hard || look.verdict == Verdict::Unknown { pace } else { POLL.1 };
            pace = (pace * 3 / 2).min(POLL.1);
            if watching.wait((Instant::now() + next).min(until), &self.cancel) == Woken::Cancelled {
                return Err(Stop::Cancelled);
            }
        }
    }

    /// Waits until a verify holds, and stays true where it has to, or its time is over. One that parks lets the process
    /// end meanwhile, and goes on here in the next one.
    pub fn hold(
        &self,
        body: &Body,
        verify: &Verify,
        step: Option<&StepId>,
        index: usize,
        held_before: bool,
    ) -> Result<VerifyResult, Stop> {
        let watching = Watching::new(self.door.clone());
        let result = self.hold_watching(body, verify, step, index, held_before, &watching)?;
        self.notice(step, watching.take_notes())?;
        Ok(result)
    }

    /// Why an assertion did not hold, where it read by commands that failed: what they printed last. All of it is kept.
    pub(super) fn told_by_commands(&self, look: &Look) -> Result<Option<String>, Stop> {
        if look.verdict.holds() || look.commands.is_empty() {
            return Ok(None);
        }
        let mut told = vec![];
        for (line, answer) in &look.commands {
            told.push(answer.told(line));
            let CommandAnswer { status, stdout, stderr, .. } = answer.clone().without_secrets();
            let value = json!({ "status": status, "stdout": stdout, "stderr": stderr });
            let (about, sort, source) = (line.clone(), Event::OUTPUT.to_owned(), "the command".to_owned());
            self.append(&Event::Evidence { about, sort, source, value })?;
        }
        if let Some(run) = self.with_state(|state| state.run.clone()) {
            told.push(format!("all that was printed: runbook show {run} --commands"));
        }
        Ok(Some(told.join("\n")))
    }

    /// Keeps what the API server warned of, and what else was worth telling.
    pub(super) fn notice(&self, step: Option<&StepId>, notes: Vec<String>) -> Result<(), Stop> {
        for text in notes.into_iter().chain(self.door.take_warnings()) {
            self.append(&Event::Noted { text, step: step.cloned(), via: "api".into() })?;
        }
        Ok(())
    }

    fn hold_watching(
        &self,
        body: &Body,
        verify: &Verify,
        step: Option<&StepId>,
        index: usize,
        held_before: bool,
        watching: &Arc<Watching>,
    ) -> Result<VerifyResult, Stop> {
        let begun = Instant::now();
        let parking = Parking::of(self, verify, step, index);
        let asked = Asked { body, verify, step, index, watching };
        let mut wait = Wait::new(begun + parking.left(verify.within));
        let mut held = parking.held();
        let mut confirmed = false;
        let result = |look: Look, wait: &Wait, remark: Option<String>| VerifyResult {
            text: verify.text.clone(),
            verdict: look.verdict,
            observations: look.observations,
            reason: look.reason.or(remark),
            evaluations: wait.evaluations,
            took: parking.took(begun),
            flaps: wait.flaps,
            held_before,
        };
        if let Some(reason) = self.waived(step, &verify.text) {
            // what it comes to is shown, and decides nothing
            let look = match self.one_more(&asked, begun, &mut wait) {
                Ok(look) => Look { reason: None, ..look },
                Err(Stop::Failed { .. }) => Look::unknown(),
                Err(stop) => return Err(stop),
            };
            return Ok(result(look, &wait, Some(format!("waived: {reason}"))));
        }
        loop {
            let mut look = self.one_more(&asked, wait.until, &mut wait)?;
            if look.verdict.holds() {
                let Some(stays) = verify.stays else {
                    if wait.said.is_some() && self.waits_for_more(&asked) {
                        self.say(&asked, &look, &mut wait, Duration::ZERO)?;
                    }
                    return Ok(result(look, &wait, None));
                };
                let left = parking.left_of_stays(stays, held);
                if left.is_zero() {
                    return Ok(result(look, &wait, held.map(|since| sampled(stays, since))));
                }
                if parking.parks && left > PARK {
                    return Err(parking.park(self, &asked, held.or_else(|| Some(self.now()))));
                }
                match self.stays(&asked, left, &mut wait)? {
                    None => return Ok(result(look, &wait, held.map(|since| sampled(stays, since)))),
                    Some(turned) => {
                        // what could not be seen did not turn false
                        wait.flaps += u32::from(turned.verdict != Verdict::Unknown);
                        look = turned;
                    }
                }
            } else if held.is_some() && look.verdict != Verdict::Unknown && !look.settling {
                wait.flaps += 1;
            }
            held = held.filter(|_| look.verdict == Verdict::Unknown || look.settling);
            let given_up = wait.hard.is_some_and(|(count, since)| count >= HARD.0 && since.elapsed() >= HARD.1);
            if Instant::now() >= wait.until || given_up {
                // a watch that broke without a word brings nothing: the server itself has the last word
                if look.verdict != Verdict::Unknown && !given_up && !confirmed && watching.is_watching() {
                    confirmed = true;
                    watching.relist();
                    continue;
                }
                let look = self.last_words(&asked, look)?;
                let told = self.told_by_commands(&look)?;
                return Ok(result(look, &wait, told));
            }
            if parking.parks && begun.elapsed() >= PARK {
                return Err(parking.park(self, &asked, held));
            }
            let until = if parking.parks { wait.until.min(begun + PARK) } else { wait.until };
            self.pause(watching, &look, until, &mut wait)?;
        }
    }

    /// What did not hold, said once more: with the names that may have been meant of what does not exist.
    fn last_words(&self, asked: &Asked<'_>, look: Look) -> Result<Look, Stop> {
        if !matches!(look.verdict, Verdict::NotYet | Verdict::DoesNotHold) || look.polled || look.hard {
            return Ok(look);
        }
        match self.look_hinting(asked.body, asked.step) {
            Ok(again) if again.verdict == look.verdict => Ok(again),
            Err(Stop::Cancelled) => Err(Stop::Cancelled),
            // what has come true by now was not in time
            _ => Ok(look),
        }
    }

    /// Watches that it stays true; the look that saw it turn, where it did.
    fn stays(&self, asked: &Asked<'_>, stays: Duration, wait: &mut Wait) -> Result<Option<Look>, Stop> {
        let mut end = Instant::now() + stays;
        let (mut last, mut settling) = (false, false);
        loop {
            if Instant::now() >= end && !last {
                // what the watches brought is confirmed by one more list before it counts
                asked.watching.relist();
                last = true;
            } else if last {
                return Ok(None);
            }
            if !last {
                wait.pace = POLL.0;
                let next = match (settling, wait.polled) {
                    (true, _) => Instant::now() + SYNC,
                    (false, true) => Instant::now() + POLL.0,
                    (false, false) => end,
                };
                let next = wait.owes.map_or(next, |owed| next.min(owed)).min(end);
                let begun = Instant::now();
                if asked.watching.wait(next, &self.cancel) == Woken::Cancelled {
                    return Err(Stop::Cancelled);
                }
                let stood = stood_still(begun, next);
                end += stood;
                wait.until += stood;
                if Instant::now() >= end {
                    continue;
                }
            }
            let look = self.one_more(asked, end, wait)?;
            settling = look.settling;
            if settling {
                // it did not turn: whether it holds is known once the watch is there again
                last = false;
            } else if !look.verdict.holds() {
                return Ok(Some(look));
            }
        }
    }

    /// One more evaluation, counted, and journaled where it says something new. A pass out of sync does not count.
    fn one_more(&self, asked: &Asked<'_>, until: Instant, wait: &mut Wait) -> Result<Look, Stop> {
        let mut look = self.look(asked.body, asked.step, Some(asked.watching), until)?;
        wait.evaluations += 1;
        if let Some(since) = asked.watching.unreachable_since() {
            // what the watches brought last says nothing about now
            wait.unknown.get_or_insert(since);
            if look.verdict != Verdict::Unknown {
                look.verdict = Verdict::Unknown;
                look.reason = Some("the API server cannot be reached".into());
            }
        } else if look.verdict.holds() && !asked.watching.in_sync() {
            look.verdict = Verdict::NotYet;
            look.reason = Some("a watch is being read anew".into());
            look.settling = true;
        }
        wait.hard = match (look.hard, wait.hard) {
            (false, _) => None,
            (true, Some((count, since))) => Some((count + 1, since)),
            (true, None) => Some((1, Instant::now())),
        };
        if look.verdict == Verdict::Unknown {
            let since = *wait.unknown.get_or_insert_with(|| self.crew.clock.now());
            let reason = look.reason.take().unwrap_or_default();
            look.reason = Some(format!("unknown since {since:.0}: {reason}"));
        } else {
            wait.unknown = None;
        }
        wait.polled = look.polled || look.hard || look.verdict == Verdict::Unknown;
        // that it holds is said by the step's end, unless it has to stay so
        let tells = !look.verdict.holds() || asked.verify.stays.is_some();
        if tells && !look.settling {
            self.say(asked, &look, wait, SAY)?;
        }
        Ok(look)
    }

    /// Whether another verify of the step comes after this one, while views go on to show this one.
    fn waits_for_more(&self, asked: &Asked<'_>) -> bool {
        let step = asked.step.and_then(|step| self.plan.step(step));
        step.is_some_and(|step| step.verifies.len() > asked.index + 1)
    }

    /// Journals what is new, at most once in `pace`.
    fn say(&self, asked: &Asked<'_>, look: &Look, wait: &mut Wait, pace: Duration) -> Result<(), Stop> {
        let news = (look.verdict, look.observations.clone(), look.reason.clone());
        wait.owes = None;
        match &wait.said {
            Some((_, said)) if *said == news || said.0.holds() && look.verdict.holds() => return Ok(()),
            // said when its time has come, if it is still so
            Some((at, _)) if at.elapsed() < pace => {
                wait.owes = Some(*at + pace);
                return Ok(());
            }
            _ => {}
        }
        self.append(&Event::Observed {
            step: asked.step.cloned(),
            verify: asked.index,
            text: asked.verify.text.clone(),
            verdict: look.verdict,
            observations: look.observations.clone(),
            reason: look.reason.clone(),
        })?;
        wait.said = Some((Instant::now(), news));
        Ok(())
    }

    fn pause(&self, watching: &Arc<Watching>, look: &Look, until: Instant, wait: &mut Wait) -> Result<(), Stop> {
        let next = if look.verdict != Verdict::Unknown && !watching.in_sync() {
            Instant::now() + SYNC
        } else if wait.polled {
            let next = Instant::now() + wait.pace;
            wait.pace = (wait.pace * 3 / 2).min(POLL.1);
            next
        } else {
            // watches wake it by themselves; no watch tells of the time, which a condition may be about as well
            Instant::now() + POLL.1
        };
        let next = wait.owes.map_or(next, |owed| next.min(owed)).min(until);
        let begun = Instant::now();
        if watching.wait(next, &self.cancel) == Woken::Cancelled {
            return Err(Stop::Cancelled);
        }
        wait.until += stood_still(begun, next);
        Ok(())
    }
}

/// How long deadlines stand still, as the process itself was stopped in a wait that began then and was to end at
/// `asked`: nobody looked, so it has that wait again. In a suspended machine the steady clock stands still by itself.
fn stood_still(begun: Instant, asked: Instant) -> Duration {
    if asked.elapsed() > LATE { begun.elapsed() } else { Duration::ZERO }
}

/// What one wait waits for, and by what it is woken.
pub(super) struct Asked<'a> {
    body: &'a Body,
    pub verify: &'a Verify,
    pub step: Option<&'a StepId>,
    pub index: usize,
    watching: &'a Arc<Watching>,
}

/// What one wait has seen so far.
struct Wait {
    /// When its time is over.
    until: Instant,
    evaluations: u32,
    flaps: u32,
    hard: Option<(u32, Instant)>,
    pace: Duration,
    said: Option<(Instant, (Verdict, Vec<Observation>, Option<String>))>,
    /// When the last observation, which came too soon after another, is to be said.
    owes: Option<Instant>,
    unknown: Option<Timestamp>,
    polled: bool,
}

impl Wait {
    fn new(until: Instant) -> Self {
        Self {
            until,
            evaluations: 0,
            flaps: 0,
            hard: None,
            pace: POLL.0,
            said: None,
            owes: None,
            unknown: None,
            polled: false,
        }
    }
}
