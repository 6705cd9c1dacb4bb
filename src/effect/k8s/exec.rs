use serde_json::{Value, json};

use super::{parse, uncertain};
use crate::{
    effect::{
        Call, CommandAnswer, EffectError, Mode, Sort, Wanted, Wanting, last_words,
        ledger::{Answer, Intent},
    },
    event::{Applied, Outcome},
    model::{ObjectRef, Place, Read, Touch, Verb},
    process,
};

/// Where in a pod a command runs, and what it reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecInput {
    /// The container; none: the pod's default one.
    pub container: Option<String>,
    /// What it reads on stdin: the place for secrets, which no argument may hold.
    pub stdin: Option<String>,
    /// Its author says that it changes nothing: it may run wherever something is read.
    pub reads: bool,
}

impl Call {
    /// Runs a command in a container; gives `#{ status, stdout, stderr }`. A status other than 0 fails the step; of a command
    /// that only reads it is an answer.
    pub fn k8s_exec(
        &self,
        reference: &str,
        argv: &[String],
        input: &ExecInput,
        place: Option<Place>,
    ) -> Result<Value, EffectError> {
        let native = "k8s::exec";
        if !input.reads {
            self.allow(native, Mode::Change).map_err(|error| {
                error.help(format!("where the command changes nothing, say so: {native}(…, […], #{{ reads: true }})"))
            })?;
        }
        self.allow(native, Mode::Read)?;
        let pod = parse(reference)?;
        if !["pod", "pods", "po"].contains(&pod.kind.to_lowercase().as_str()) || pod.namespace.is_none() {
            let message = format!("`{native}` runs a command in one pod: \"Pod/namespace/name\", not \"{reference}\"");
            return Err(EffectError::new(Sort::Argument, message)
                .help("a pod of a workload: k8s::list(\"Pod\", #{ namespace: …, labels: \"app=…\" })[0]"));
        }
        Self::refuse_stand_in(native, "an argument or input", &json!([argv, input.stdin]))?;
        let line = argv.join(" ");
        if input.reads {
            return self.read_by(native, reference, &pod, argv, input);
        }
        if let Some(trial) = &self.trial {
            let mut touch = Touch::new(Verb::Exec, reference);
            touch.tool = Some(line);
            touch.remark = Some("a command has no automatic way back".into());
            trial.touch(touch);
            trial.want(Wanted::new(native, pod, Wanting::Acted, place));
            return Ok(json!({ "status": 0, "stdout": "", "stderr": "" }));
        }
        let door = self.door(native)?;
        let cluster = door.cluster()?;
        let scrub = |text: &str| door.parts.scrubber.scrub(&process::plain(text)).into_owned();
        let target = format!("{reference}: {}", scrub(&line));
        let intent = Intent {
            native: native.into(),
            targets: vec![target.clone()],
            input: self.digest_of(json!([argv, input.container, input.stdin])),
            idempotent: false,
            place,
        };
        let ledger = self.ledger(native)?;
        ledger.perform(
            intent,
            || {
                let found = self.outlast(|patience| cluster.get(&pod, patience))?;
                found.map(|_| vec![]).ok_or_else(|| self.absent(native, cluster, &pod))
            },
            |_| {
                let done =
                    cluster.exec(&pod, input.container.as_deref(), argv, input.stdin.as_deref(), &self.patience());
                let failed = |error: EffectError| {
                    let message = Some(error.message.clone());
                    let result = Applied { target: target.clone(), outcome: Outcome::Failed, message, after: None };
                    (vec![result], error)
                };
                match done {
                    Ok(done) => {
                        let (stdout, stderr) = (scrub(&done.stdout), scrub(&done.stderr));
                        let output = json!({ "status": done.status, "stdout": stdout, "stderr": stderr });
                        if done.status == 0 {
                            let result = Applied {
                                target: target.clone(),
                                outcome: Outcome::Applied,
                                message: None,
                                after: None,
                            };
                            return Ok(Answer { results: vec![result], output, error: None });
                        }
                        let message = last_words::ended(&target, done.status, &stdout, &stderr);
                        let (run, ..) = ledger.current();
                        let error = EffectError::new(Sort::Failed, message)
                            .help(format!("all that it printed: runbook show {run} --commands"));
                        let (results, error) = failed(error);
                        Ok(Answer { results, output, error: Some(error) })
                    }
                    Err(error) if error.may_have_happened() => Err(uncertain(native, &target, &error.into())),
                    Err(error) => {
                        let (results, error) = failed(EffectError { sort: Sort::Failed, ..error.into() });
                        Ok(Answer { results, output: Value::Null, error: Some(error) })
                    }
                }
            },
        )
    }

    /// A command that only reads: nothing is journaled before it, and it may be sent again.
    fn read_by(
        &self,
        native: &str,
        reference: &str,
        pod: &ObjectRef,
        argv: &[String],
        input: &ExecInput,
    ) -> Result<Value, EffectError> {
        if self.trial.is_some() {
            return Err(EffectError::new(Sort::Unseen, format!("what {reference} answers is not known in a trial")));
        }
        let door = self.door(native)?;
        let scrub = |text: &str| door.parts.scrubber.scrub(&process::plain(text)).into_owned();
        self.read(Read::Polled(format!("{reference}: {}", scrub(&argv.join(" ")))));
        let cluster = door.cluster()?;
        let found = cluster.get(pod, &self.patience()).map_err(|error| self.ran_into(error.into()))?;
        if found.is_none() {
            return Err(self.ran_into(EffectError::new(Sort::Hard, self.k8s_missing(reference))));
        }
        let done = cluster.exec(pod, input.container.as_deref(), argv, input.stdin.as_deref(), &self.patience());
        let done = done.map_err(|error| self.ran_into(error.into()))?;
        let (stdout, stderr) = (scrub(&done.stdout), scrub(&done.stderr));
        let answer = CommandAnswer { status: done.status, stdout, stderr, secret: false };
        self.answered(format!("{reference}: {}", scrub(&argv.join(" "))), &answer);
        Ok(json!({ "status": answer.status, "stdout": answer.stdout, "stderr": answer.stderr }))
    }
}
