//! Jobs: Pods that end by themselves, up to the number of completions.

use serde_json::{Value, json};

use super::super::meta;
use super::super::store::{Event, Key};
use super::deployment::owner_in;
use super::desk::{Desk, condition_status, key_of};
use super::pod;
use super::template::{self, with_counts};
use super::{Simulated, Told};

pub(super) struct Jobs;

pub(super) const RESOURCE: &str = "jobs.batch";

fn is_over(job: &Value) -> bool {
    condition_status(job, "Complete") == "True" || condition_status(job, "Failed") == "True"
}

fn phases(desk: &Desk<'_>, job: &Value) -> (i64, i64, i64, i64) {
    let (mut active, mut ready, mut succeeded, mut failed) = (0, 0, 0, 0);
    for pod in desk.owned(pod::RESOURCE, job) {
        match pod["status"]["phase"].as_str() {
            Some("Succeeded") => succeeded += 1,
            Some("Failed") => failed += 1,
            _ => active += 1,
        }
        ready += i64::from(pod::is_ready(&pod));
    }
    (active, ready, succeeded, failed)
}

fn condition(job: &Value, kind: &str, reason: &str, message: &str) -> Value {
    let mut condition = meta::condition(job, kind, "True", reason, message);
    condition["lastProbeTime"] = condition["lastTransitionTime"].clone();
    condition
}

impl Simulated for Jobs {
    fn resource(&self) -> &'static str {
        RESOURCE
    }

    fn is_sum(&self) -> bool {
        true
    }

    fn tend(&self, desk: &Desk<'_>, job: &Value, told: &Told) {
        let (active, _, succeeded, failed) = phases(desk, job);
        if is_over(job) {
            return;
        }
        if job["spec"]["suspend"] == true {
            for pod in desk.owned(pod::RESOURCE, job).iter().filter(|pod| !pod::is_over(pod)) {
                desk.remove(&key_of(pod::RESOURCE, pod));
            }
            return;
        }
        let at_once = job["spec"]["parallelism"].as_i64().unwrap_or(1);
        let wanted = job["spec"]["completions"].as_i64().unwrap_or(at_once);
        let retries = if told.failure().is_some() { 0 } else { job["spec"]["backoffLimit"].as_i64().unwrap_or(6) };
        if failed > retries {
            return;
        }
        for _ in 0..(wanted - succeeded - active).min(at_once - active) {
            let mut pod = template::pod(job, &job["spec"]["template"], &format!("{}-", meta::name(job)));
            for (name, value) in [
                ("batch.kubernetes.io/controller-uid", meta::uid(job)),
                ("batch.kubernetes.io/job-name", meta::name(job)),
                ("controller-uid", meta::uid(job)),
                ("job-name", meta::name(job)),
            ] {
                template::label(&mut pod, name, value);
            }
            if let Err(why) = desk.create(pod) {
                tracing::debug!(why, "no Pod for Job {}", meta::name(job));
                return;
            }
        }
    }

    fn settled(&self, desk: &Desk<'_>, job: &Value, fault: Option<&str>) -> Option<Value> {
        if is_over(job) {
            return Some(job["status"].clone());
        }
        let old = &job["status"];
        let mut status = json!({});
        if job["spec"]["suspend"] == true {
            status["conditions"] = json!([condition(job, "Suspended", "JobSuspended", "Job suspended")]);
            return Some(status);
        }
        let (active, ready, succeeded, failed) = phases(desk, job);
        status["startTime"] = if old["startTime"].is_null() { meta::now().into() } else { old["startTime"].clone() };
        status["uncountedTerminatedPods"] = json!({});
        status["terminating"] = 0.into();
        status["ready"] = ready.into();
        let at_once = job["spec"]["parallelism"].as_i64().unwrap_or(1);
        let wanted = job["spec"]["completions"].as_i64().unwrap_or(at_once);
        if succeeded >= wanted {
            status["completionTime"] = meta::now().into();
            let message = "Reached expected number of succeeded pods";
            status["conditions"] = json!([
                condition(job, "SuccessCriteriaMet", "CompletionsReached", message),
                condition(job, "Complete", "CompletionsReached", message),
            ]);
        } else if let Some(message) = fault.filter(|_| failed > 0) {
            let message = format!("Job has reached the specified backoff limit: {message}");
            status["conditions"] = json!([
                condition(job, "FailureTarget", "BackoffLimitExceeded", &message),
                condition(job, "Failed", "BackoffLimitExceeded", &message),
            ]);
        } else if fault.is_some() && active == 0 && succeeded == 0 {
            return None;
        }
        Some(with_counts(status, &[("active", active), ("succeeded", succeeded), ("failed", failed)]))
    }

    fn concerned(&self, _desk: &Desk<'_>, event: &Event) -> Vec<Key> {
        owner_in(event, pod::RESOURCE, "Job", RESOURCE)
    }
}
