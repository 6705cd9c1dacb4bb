use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    bind::{self, Connect},
    identity::elsewhere,
    start::{Ended, interrupted},
};
use crate::{
    effect::{Call, Door, Mode, Sort},
    event::{Cancel, Clock, RunState, VerifyResult},
    model::{Body, Discovery, ExitCode, Identity, Observation, Severity, Span, Target, Verdict, text::one_line},
    script::{self, Answer, Declared, Discover, ScriptError},
};

/// What cannot be seen is asked for again for so long.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long one look may take.
const ONE_LOOK: Duration = Duration::from_secs(5);
/// How long until the next one.
const PACE: Duration = Duration::from_millis(250);

/// The cluster that a run verified, looked at again once it had time to show what is wrong with the change.
pub(super) struct Soaked<'a> {
    /// The way of this playbook to any context.
    pub connect: &'a dyn Connect,
    /// The cluster that is to be changed now.
    pub here: (&'a str, Option<&'a Identity>),
    /// The staged run.
    pub staged: &'a RunState,
    /// Ends it.
    pub cancel: &'a Cancel,
    /// What the time is.
    pub clock: &'a dyn Clock,
}

impl Soaked<'_> {
    /// The outcome's verifies on the staged run's cluster, as they are now. They are declared as that run was: its params,
    /// its discovered values, what its steps returned. Refused (13) with what was seen where one does not hold.
    pub fn look(&self) -> Result<Vec<VerifyResult>, Box<Ended>> {
        let Some(target) = &self.staged.target else { return Ok(vec![]) };
        let (connected, identity) = elsewhere(self.connect.on(&target.name).as_ref(), self.here, self.cancel)
            .map_err(|ended| self.unseen(ended))?;
        if let (Some(then), Some(now)) = (&self.staged.identity, &identity)
            && then.uid != now.uid
        {
            let why = format!(
                "{} is another cluster than the one that it verified: kube-system has UID {}, it had {}",
                target.name, now.uid, then.uid
            );
            return Err(self.refuse(&why));
        }
        let declared = self.declared(target);
        if let Some(error) = declared.findings.iter().find(|finding| finding.severity == Severity::Error) {
            return Err(
                self.refuse(&format!("declared on {}, the playbook is not ready: {}", target.name, error.message))
            );
        }
        let mut results = vec![];
        for (n, verify) in declared.plan.verifies.iter().enumerate() {
            let result = self.verify(&declared, &connected.door, n, &verify.text)?;
            if !result.verdict.holds() {
                let word = if result.verdict == Verdict::Unknown { "could not be seen" } else { "no longer holds" };
                let seen = seen(&result.observations, result.reason.as_deref());
                return Err(self.refuse(&format!("\"{}\" {word} on {}: {seen}", verify.text, target.name)));
            }
            results.push(result);
        }
        Ok(results)
    }

    fn declared(&self, target: &Target) -> Declared {
        let answers =
            Arc::new(Answers(self.staged.plan.as_ref().map(|(plan, _)| plan.discoveries.clone()).unwrap_or_default()));
        let started = self.staged.started.unwrap_or_else(|| self.clock.now());
        self.connect.on(&target.name).declare(Some(answers), &self.staged.settings, started, self.cancel)
    }

    fn verify(&self, declared: &Declared, door: &Arc<Door>, n: usize, text: &str) -> Result<VerifyResult, Box<Ended>> {
        let (begun, body) = (Instant::now(), Body::Outcome(n));
        let mut evaluations = 0;
        loop {
            let call = Call::new(Mode::Read, Some(door.clone()), self.cancel.clone()).until(Instant::now() + ONE_LOOK);
            let mut tag = bind::tag(&body, &call, self.clock);
            let outputs: std::collections::HashMap<_, _> =
                self.staged.steps.iter().map(|(id, step)| (id.clone(), step.output.clone())).collect();
            tag.outputs = Some(Arc::new(move |step| outputs.get(step).cloned().flatten()));
            let result = declared.evaluate(&body, tag);
            evaluations += 1;
            if self.cancel.is_cancelled() {
                let words = "stopped before the run began; nothing was changed";
                return Err(Box::new(Ended::new(interrupted(self.cancel), words)));
            }
            let (verdict, observations, reason) = match (call.trouble(), result) {
                (Some(trouble), _) => {
                    let unseen = matches!(trouble.sort, Sort::Unreachable | Sort::Deadline);
                    let verdict = if unseen { Verdict::Unknown } else { Verdict::NotYet };
                    (verdict, vec![], Some(trouble.message))
                }
                (None, Ok(seen)) => (seen.verdict, seen.observations, seen.reason),
                (None, Err(error)) => (Verdict::NotYet, vec![], Some(error.message)),
            };
            if verdict == Verdict::Unknown && begun.elapsed() + PACE < PATIENCE {
                self.cancel.wait(PACE);
                continue;
            }
            return Ok(VerifyResult {
                text: text.into(),
                verdict,
                observations,
                reason,
                evaluations,
                took: Span::from(begun.elapsed()),
                flaps: 0,
                held_before: false,
            });
        }
    }

    /// Staging that cannot be looked at may be broken by what is to be done here; another cluster stays what it is.
    fn unseen(&self, ended: Box<Ended>) -> Box<Ended> {
        if ended.exit != ExitCode::PreflightFailed {
            return ended;
        }
        let mut refused = self.refuse(&format!("it could not be looked at: {}", ended.message));
        refused.help.extend(ended.help);
        refused
    }

    fn refuse(&self, why: &str) -> Box<Ended> {
        let run = self.staged.run.as_ref().map(ToString::to_string).unwrap_or_default();
        let message = format!("run {run} soaked, and what it verified is not so now: {why}; nothing was changed");
        Box::new(Ended::new(ExitCode::Refused, message).help(format!("runbook show {run}")))
    }
}

/// What was seen and what was expected, one comparison after the other.
fn seen(observations: &[Observation], reason: Option<&str>) -> String {
    let words = |seen: &Observation| match seen.expected {
        Some(_) => format!("{}: {}", one_line(&seen.expression), seen.brief()),
        None => seen.brief(),
    };
    let mut parts: Vec<String> = observations.iter().filter(|seen| seen.holds != Some(true)).map(words).collect();
    parts.extend(reason.map(one_line));
    parts.join("; ")
}

/// What the staged run's plan was made with.
struct Answers(Vec<Discovery>);

impl Discover for Answers {
    fn answer(
        &self,
        asked: &Discovery,
        _: &mut dyn FnMut(script::Call) -> Result<serde_json::Value, ScriptError>,
    ) -> Result<Answer, ScriptError> {
        let known = self.0.iter().find(|known| known.key() == asked.key());
        Ok(Answer {
            value: known.map(|known| known.value.clone()).unwrap_or_default(),
            failed: known.is_none().then(|| "the staged run did not ask it".into()),
        })
    }
}
