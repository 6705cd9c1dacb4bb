use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{LogsOf, Source, manifest, uncertain};
use crate::{
    cluster::{ApplyOptions, Cluster, Watches, Woken},
    effect::{
        Call, EffectError, Mode, Sort, Wanted, Wanting,
        ledger::{Answer, Intent},
    },
    event::{Applied, Before, Outcome},
    model::{Place, Touch, Verb},
    object::{
        self,
        readiness::{self, State},
    },
};

/// Without a deadline of the step, a job is waited for as long.
const LONGEST: Duration = Duration::from_hours(1);
/// How much of its log is kept: its last lines.
const LINES: u32 = 200;

impl Call {
    /// Makes a Job and waits until it is complete; gives `#{ object, succeeded, log }`. One that fails, fails the step.
    /// Sent twice, it is one Job: what has its name already is refused the first time, and waited for after a crash.
    pub fn k8s_job(&self, source: &Source, place: Option<Place>) -> Result<Value, EffectError> {
        let native = "k8s::job";
        self.allow(native, Mode::Change)?;
        let mut objects = manifest::objects(self, native, source)?;
        let (Some(manifest::Manifest { object: job, file }), true) = (objects.pop(), objects.is_empty()) else {
            return Err(EffectError::new(
                Sort::Argument,
                format!("`{native}` takes one Job, and these are several objects"),
            )
            .help("apply the others with k8s::apply first"));
        };
        let head = object::head(&job);
        if (head.group(), head.kind()) != ("batch", "Job") {
            let message = format!("`{native}` takes a Job, and {} is none", object::reference(&job));
            return Err(EffectError::new(Sort::Argument, message));
        }
        let (reference, full) = (object::reference(&job).to_string(), head.full_reference());
        if let Some(trial) = &self.trial {
            let mut touch = Touch::new(Verb::Job, reference.as_str());
            touch.api_version = Some(head.api_version().into());
            touch.file = file.as_deref().map(Into::into);
            touch.remark = Some("what it did is done".into());
            trial.touch(touch);
            let wanted = Wanted::new(native, full, Wanting::Applied((*job).clone()), place);
            trial.want(Wanted { file: file.as_deref().map(Into::into), ..wanted });
            return Ok(json!({ "object": reference, "succeeded": 1, "log": "" }));
        }
        let cluster = self.door(native)?.cluster()?;
        let intent = Intent {
            native: native.into(),
            targets: vec![reference.clone()],
            input: self.digest_of(Value::clone(&job)),
            idempotent: true,
            place,
        };
        self.ledger(native)?.perform(
            intent,
            || {
                if self.outlast(|patience| cluster.get(&full, patience))?.is_some() {
                    let message =
                        format!("{reference} exists already, so that it would not run again; nothing was changed");
                    return Err(EffectError::new(Sort::Refused, message).help(format!(
                        "delete it in a step before this one: k8s::delete(\"{reference}\"), or give it another name"
                    )));
                }
                Ok(vec![Before { object: reference.clone(), image: None }])
            },
            |_| {
                let result =
                    |outcome, message, after| vec![Applied { target: reference.clone(), outcome, message, after }];
                let made = match cluster.apply(&job, &ApplyOptions::default(), &self.patience()) {
                    Ok(made) => made,
                    Err(error) if error.may_have_happened() => {
                        return Err(uncertain(native, &reference, &error.into()));
                    }
                    Err(error) => {
                        let error = EffectError { sort: Sort::Failed, ..error.into() };
                        let results = result(Outcome::Failed, Some(error.message.clone()), None);
                        return Ok(Answer { results, output: Value::Null, error: Some(error) });
                    }
                };
                let ended = self.wait_for_job(cluster, &full).map_err(|error| uncertain(native, &reference, &error))?;
                // what it said is shown where it can be had; how it ended does not depend on it
                let wanted = LogsOf { tail: Some(LINES), ..LogsOf::default() };
                let log = self.logs_of(cluster, &full, &wanted).unwrap_or_default();
                let log = self.door(native)?.parts.scrubber.scrub(&crate::process::plain(&log)).into_owned();
                let output = json!({ "object": reference, "succeeded": ended.succeeded, "log": log });
                let after = Some(object::image(&made));
                let Some(why) = ended.failed else {
                    return Ok(Answer { results: result(Outcome::Applied, None, after), output, error: None });
                };
                let last = log.lines().rev().find(|line| !line.trim().is_empty());
                let last = last.map(|line| format!("; the last it logged: {line}")).unwrap_or_default();
                let error = EffectError::new(Sort::Failed, format!("{reference} has failed: {why}{last}"))
                    .help(format!("before it is tried again: k8s::delete(\"{reference}\")"));
                let results = result(Outcome::Failed, Some(error.message.clone()), after);
                Ok(Answer { results, output, error: Some(error) })
            },
        )
    }

    /// Waits until the job is complete or has failed.
    fn wait_for_job(&self, cluster: &Cluster, job: &crate::model::ObjectRef) -> Result<Ended, EffectError> {
        let watches = Watches::new(cluster);
        let until = self.deadline.unwrap_or_else(|| Instant::now() + LONGEST);
        loop {
            watches.begin();
            let found = watches.get(job, &self.patience());
            watches.end();
            match found {
                Ok(Some(found)) => {
                    let status = readiness::status(&found, jiff::Timestamp::now());
                    let succeeded = found["status"]["succeeded"].as_i64().unwrap_or_default();
                    match status.status {
                        State::Current => return Ok(Ended { succeeded, failed: None }),
                        State::Failed => {
                            let failed = Some(format!("{}: {}", status.reason, status.message));
                            return Ok(Ended { succeeded, failed });
                        }
                        _ => {}
                    }
                }
                // its time-to-live is over: it ended, and how is not known any more
                Ok(None) => {
                    let message = format!("{job} is gone before it was seen to end");
                    return Err(EffectError::new(Sort::Uncertain, message));
                }
                Err(error) if error.is_unreachable() => {}
                Err(error) => return Err(error.into()),
            }
            match watches.wait(until, &self.cancel) {
                Woken::Changed => {}
                Woken::Cancelled => return Err(EffectError::new(Sort::Cancelled, "the run was cancelled")),
                Woken::Deadline => return Err(EffectError::new(Sort::Deadline, "its time is over")),
            }
        }
    }
}

/// How a job ended.
struct Ended {
    succeeded: i64,
    failed: Option<String>,
}
