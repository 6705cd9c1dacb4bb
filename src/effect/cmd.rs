//! `cmd` natives: a command has a rule or is declared, gets the run's own kubeconfig and environment, and leads a process
//! group that is journaled before it is waited for.

use std::time::Instant;

use serde_json::{Value, json};

use super::{
    Call, EffectError, Mode, Sort, last_words,
    ledger::{Answer, Intent},
};
use crate::{
    event::{Applied, Event, Outcome, Part},
    model::{Place, Read, RunId, StepId, Touch, Verb},
    process::{
        self, Command, Ended, Environment, Finished, Hooks, Reachable, Started,
        rules::{self, Class, Kind, Reach},
    },
    redact::REPLACEMENT,
};

/// What a command gets besides its arguments: the place for secrets, which no argument may hold.
#[derive(Clone, Debug, Default)]
pub struct CommandInput {
    /// Environment variables.
    pub env: Vec<(String, String)>,
    /// What it reads on stdin.
    pub stdin: Option<String>,
}

/// What a command did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandAnswer {
    /// Its exit status; a signal's number, negative, where one ended it.
    pub status: i32,
    /// What it printed, scrubbed: the first and last 64 KiB.
    pub stdout: String,
    /// The same of its stderr.
    pub stderr: String,
    /// Whether what it printed is secret by type: values of Secrets, machine configs, what `[tools]` declares so.
    pub secret: bool,
}

impl CommandAnswer {
    /// The answer as it may be written: where what was printed is secret, something else stands for it.
    #[must_use]
    pub fn without_secrets(mut self) -> Self {
        for printed in [&mut self.stdout, &mut self.stderr] {
            if self.secret && !printed.trim().is_empty() {
                *printed = REPLACEMENT.into();
            }
        }
        self
    }

    /// How the command ended, and the last that it printed: a line, with more below it where there is more. Of what is
    /// secret by type the last line on stderr.
    pub fn told(&self, line: &str) -> String {
        if !self.secret {
            return last_words::ended(line, self.status, &self.stdout, &self.stderr);
        }
        let last = self.stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let stdout = if self.stdout.trim().is_empty() { "" } else { REPLACEMENT };
        last_words::ended(line, self.status, stdout, last)
    }
}

impl Call {
    /// Runs a command that only reads. A status other than 0 is an answer, not an error.
    pub fn cmd_read(&self, argv: &[String], input: &CommandInput) -> Result<CommandAnswer, EffectError> {
        let native = "cmd::read";
        self.allow(native, Mode::Read)?;
        self.may_be_given(native, argv, input)?;
        let class = self.classify(native, argv)?;
        self.holds_files(native, &class)?;
        given(input)?;
        if class.kind != Kind::Read {
            return Err(EffectError::new(Sort::WrongMode, format!("`{}` changes something", argv.join(" ")))
                .help("run it in a step's change: .change(|| cmd::run([…]))"));
        }
        self.commanded(&class, argv);
        if self.trial.is_some() {
            return Ok(CommandAnswer { status: 0, stdout: String::new(), stderr: String::new(), secret: class.secret });
        }
        self.read(Read::Polled(argv.join(" ")));
        if class.reach == Reach::Kubeconfig {
            self.door(native)?.not_another(&self.patience()).map_err(|error| self.ran_into(error))?;
        }
        let answer = self.spawn(&class, argv, input, None, &mut |_| Ok(()))?;
        self.answered(self.scrubbed(&argv.join(" ")), &answer);
        Ok(answer)
    }

    /// Runs a command that changes something. A status other than 0 fails the step.
    pub fn cmd_run(&self, argv: &[String], input: &CommandInput, place: Option<Place>) -> Result<Value, EffectError> {
        let native = "cmd::run";
        self.allow(native, Mode::Change)?;
        self.may_be_given(native, argv, input)?;
        let class = self.classify(native, argv)?;
        self.holds_files(native, &class)?;
        given(input)?;
        self.commanded(&class, argv);
        let line = argv.join(" ");
        if let Some(trial) = &self.trial {
            if class.kind != Kind::Read {
                let mut touch = Touch::new(Verb::Run, line);
                touch.tool = Some(format!("{} {}", class.tool, class.subcommand).trim_end().to_string());
                touch.remark = Some(
                    if class.held_to_context {
                        "a command has no automatic way back"
                    } else {
                        "not held to the context"
                    }
                    .into(),
                );
                trial.touch(touch);
            }
            return Ok(json!({ "status": 0, "stdout": "", "stderr": "" }));
        }
        let Some(ledger) = &self.ledger else {
            return Err(EffectError::new(Sort::WrongMode, format!("`{native}` is only possible in a step of a run")));
        };
        let target = self.door(native)?.parts.scrubber.scrub(&line).into_owned();
        let intent = Intent {
            native: native.into(),
            targets: vec![target.clone()],
            input: self.digest_of(json!([argv, input.env, input.stdin])),
            idempotent: class.kind == Kind::Read,
            place,
        };
        ledger.perform(
            intent,
            // before it is journaled: what is refused was not sent
            || self.held(&class).and_then(|_| self.workplace(native, &class)).map(|_| vec![]),
            |_| {
                let mut pid = 0;
                let (run, step, part, seq) = ledger.current();
                let answer = self.spawn(&class, argv, input, Some((&run, mark(&step, part, seq))), &mut |child| {
                    pid = child.pid;
                    let event = Event::ChildStarted {
                        command: argv.iter().map(|a| self.scrubbed(a)).collect(),
                        pid,
                        started: child.start_time,
                        boot: Some(child.boot_id.clone()).filter(|boot| !boot.is_empty()),
                    };
                    // durable, so that a resume finds a child that outlived its parent
                    ledger.recorder().commit(&event).map_err(EffectError::from)
                })?;
                // why it failed is said all the same
                let told = answer.told(&target);
                let answer = answer.without_secrets();
                ledger.recorder().append(&Event::ChildEnded {
                    pid,
                    status: answer.status,
                    stdout: answer.stdout.clone(),
                    stderr: answer.stderr.clone(),
                })?;
                let error = (answer.status != 0).then(|| {
                    EffectError::new(Sort::Failed, told)
                        .help(format!("all that it printed: runbook show {run} --commands"))
                });
                let outcome = if error.is_some() { Outcome::Failed } else { Outcome::Applied };
                let message = error.as_ref().map(ToString::to_string);
                Ok(Answer {
                    results: vec![Applied { target: target.clone(), outcome, message, after: None }],
                    output: json!({ "status": answer.status, "stdout": answer.stdout, "stderr": answer.stderr }),
                    error,
                })
            },
        )
    }

    /// Refuses arguments that other processes may not see, and input that is no value any more.
    fn may_be_given(&self, native: &str, argv: &[String], input: &CommandInput) -> Result<(), EffectError> {
        Self::refuse_stand_in(native, "an argument or input", &json!([argv, input.env, input.stdin]))?;
        let scrubber = &self.door(native)?.parts.scrubber;
        if argv.iter().any(|argument| scrubber.finds_telling(argument)) {
            return Err(EffectError::new(
                Sort::Refused,
                format!("`{native}` takes no secret as an argument, where other processes see it"),
            )
            .help("give it as #{ env: #{ NAME: value } } or #{ stdin: value }"));
        }
        Ok(())
    }

    fn classify(&self, native: &str, argv: &[String]) -> Result<Class, EffectError> {
        let door = self.door(native)?;
        rules::classify(argv, &door.parts.tools).map_err(|refused| EffectError {
            sort: Sort::Refused,
            message: refused.message,
            help: refused.help,
        })
    }

    /// Runs a command to its end in its own process group, with the run's kubeconfig and an allow-listed environment.
    fn spawn(
        &self,
        class: &Class,
        argv: &[String],
        input: &CommandInput,
        mark: Option<(&RunId, String)>,
        started: &mut dyn FnMut(&Started) -> Result<(), EffectError>,
    ) -> Result<CommandAnswer, EffectError> {
        let door = self.door("cmd")?;
        let (reach, context) = self.held(class)?;
        let workplace = self.workplace("cmd", class)?;
        let mut env = Environment::new(door.parts.environment.iter().cloned(), &door.parts.env, &reach);
        for (name, value) in &input.env {
            env = env.with(name, value).map_err(|why| EffectError::new(Sort::Refused, why))?;
        }
        if let Some((run, effect)) = mark {
            env = env.marked(run.as_str(), &effect);
        }
        let command_line = class.command(argv, context.as_deref(), false);
        let mut command = Command::new(&command_line, env.variables());
        command.timeout = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        command.stdin = input.stdin.as_ref().map(String::as_bytes);
        command.cwd = workplace.path();
        let mut refused = None;
        let mut hooks = Hooks {
            on_start: &mut |child| {
                started(child).map_err(|error| {
                    let message = error.message.clone();
                    refused = Some(error);
                    std::io::Error::other(message)
                })
            },
            on_line: None,
            // what is secret as a whole is given whole, and written by nobody
            filter: &|text| if class.secret { text.to_owned() } else { self.scrubbed(text) },
            on_cancel: Some(&|wake| Box::new(self.cancel.on_cancel(wake))),
        };
        let result = process::run(&command, &mut hooks);
        if let Some(error) = refused {
            return Err(self.ran_into(error));
        }
        let line = self.scrubbed(&argv.join(" "));
        let Finished { ended, stdout, stderr, .. } = result.map_err(|error| {
            let sort = if error.nothing_was_started() { Sort::Refused } else { Sort::Uncertain };
            self.ran_into(EffectError::new(sort, error.to_string()))
        })?;
        let status = match ended {
            Ended::Exited(status) => status,
            Ended::Signalled(signal) => -signal,
            Ended::Deadline => {
                return Err(
                    self.ran_into(EffectError::new(Sort::Deadline, format!("`{line}` was ended: its time is over")))
                );
            }
            Ended::Cancelled => {
                return Err(self.ran_into(EffectError::new(
                    Sort::Cancelled,
                    format!("`{line}` was ended: the run was cancelled"),
                )));
            }
        };
        let stderr = if class.secret { self.scrubbed(&stderr) } else { stderr };
        Ok(CommandAnswer { status, stdout, stderr, secret: class.secret })
    }

    /// A text without known secrets.
    pub fn scrubbed(&self, text: &str) -> String {
        self.door.as_ref().map_or_else(|| text.into(), |door| door.parts.scrubber.scrub(text).into_owned())
    }
}

/// What became of a child that an earlier process left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// It had ended by itself.
    Gone,
    /// It still ran, and was ended.
    Ended,
    /// It still runs, and could not be ended.
    Remains,
}

/// Refuses a variable that decides what a tool reaches, before anything is started or journaled.
fn given(input: &CommandInput) -> Result<(), EffectError> {
    let mut env = Environment::new([], &[], &Reachable::default());
    for (name, value) in &input.env {
        env = env.with(name, value).map_err(|why| EffectError::new(Sort::Refused, why))?;
    }
    Ok(())
}

/// Ends the process group of a child that an earlier process started, where it still lives.
pub fn end_child(pid: u32, start_time: Option<u64>, boot: Option<String>) -> Left {
    end(&Started { pid, start_time, boot_id: boot.unwrap_or_default() })
}

/// Ends the process groups of a command whose process ended before it could note that it started one; gives each with
/// what became of it.
pub fn end_unnoted(run: &RunId, step: &StepId, part: Part, seq: u32) -> Vec<(u32, Left)> {
    let left = process::of_effect(run.as_str(), &mark(step, part, seq));
    left.iter().map(|child| (child.pid, end(child))).collect()
}

fn end(child: &Started) -> Left {
    if !child.is_alive() {
        Left::Gone
    } else if child.end(std::time::Duration::from_secs(5)) {
        Left::Ended
    } else {
        Left::Remains
    }
}

/// Which effect a command is, as its environment says it: the effects of a step's closures are each numbered from 1.
fn mark(step: &StepId, part: Part, seq: u32) -> String {
    match part {
        Part::Change => format!("{step}/{seq}"),
        Part::Repair => format!("{step}/repair/{seq}"),
        Part::Undo => format!("{step}/undo/{seq}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_is_secret_by_type_the_last_error_is_told_and_nothing_is_kept() {
        let answer = CommandAnswer {
            status: 1,
            stdout: "token: hunter22\n".into(),
            stderr: "  machine:\n+   key: hunter22\nerror: it is not valid\n".into(),
            secret: true,
        };
        assert_eq!(answer.told("talosctl patch mc"), "`talosctl patch mc` ended with status 1: error: it is not valid");
        let kept = answer.without_secrets();
        assert_eq!((&*kept.stdout, &*kept.stderr), (REPLACEMENT, REPLACEMENT));
        let quiet = CommandAnswer { status: 2, stdout: "\n".into(), stderr: String::new(), secret: true };
        assert_eq!(quiet.told("a"), "`a` ended with status 2: it printed nothing");
        assert_eq!(quiet.without_secrets().stdout, "\n");
    }
}
