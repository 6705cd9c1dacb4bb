//! What a run's commands printed, whole: for whom the last lines that a failure shows are not enough.

use std::{collections::BTreeMap, fmt::Write as _};

use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;
use serde_json::Value;

use crate::{
    event::{Event, Line},
    model::{StepId, text::visible},
};

/// One command: `cmd::run`, `k8s::exec`, or one that a verify read by and that failed. Of what it printed the journal keeps the
/// first and last 64 KiB, without secrets and control sequences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Printed {
    /// When it ended.
    pub at: Timestamp,
    /// During which step.
    pub step: Option<StepId>,
    /// The command, as it was written.
    pub command: String,
    /// Its exit status; a signal's number, negative, where one ended it.
    pub status: i64,
    /// What it printed.
    pub stdout: String,
    /// What it said.
    pub stderr: String,
}

/// Gathers the commands of a run from its lines.
#[derive(Debug, Default)]
pub struct Commands {
    step: Option<StepId>,
    running: BTreeMap<u32, String>,
    sent: BTreeMap<u32, String>,
    printed: Vec<Printed>,
}

impl Commands {
    /// Takes the next line.
    pub fn line(&mut self, line: &Line) {
        let Some(event) = &line.event else { return };
        match event {
            Event::StepStarted { step, .. } | Event::UndoStepStarted { step, .. } => self.step = Some(step.clone()),
            Event::ChildStarted { command, pid, .. } => drop(self.running.insert(*pid, command.join(" "))),
            Event::ChildEnded { pid, status, stdout, stderr } => {
                let command = self.running.remove(pid).unwrap_or_else(|| format!("process {pid}"));
                self.keep(line.t, command, i64::from(*status), stdout.clone(), stderr.clone());
            }
            // a command in a container is no process of this machine
            Event::Effect { effect, step } if effect.native == "k8s::exec" => {
                self.step = Some(step.clone());
                self.sent.insert(effect.seq, effect.targets.join(", "));
            }
            Event::Effected { seq, output, .. } => {
                if let Some(command) = self.sent.remove(seq) {
                    self.answered(line.t, command, output);
                }
            }
            Event::Evidence { about, sort, value, .. } if sort == Event::OUTPUT => {
                self.answered(line.t, about.clone(), value);
            }
            _ => {}
        }
    }

    fn answered(&mut self, at: Timestamp, command: String, answer: &Value) {
        let text = |field: &str| answer[field].as_str().unwrap_or_default().to_owned();
        if let Some(status) = answer["status"].as_i64() {
            self.keep(at, command, status, text("stdout"), text("stderr"));
        }
    }

    fn keep(&mut self, at: Timestamp, command: String, status: i64, stdout: String, stderr: String) {
        self.printed.push(Printed { at, step: self.step.clone(), command, status, stdout, stderr });
    }

    /// The commands, in the order in which they ended.
    pub fn printed(&self) -> &[Printed] {
        &self.printed
    }

    /// The commands as text; times in `zone`.
    pub fn text(&self, zone: &TimeZone) -> String {
        if self.printed.is_empty() {
            return "the run's journal holds nothing that a command printed\n".into();
        }
        let mut out = String::new();
        for one in &self.printed {
            let at = one.at.to_zoned(zone.clone());
            let step = one.step.as_ref().map(|step| format!(", step {step}")).unwrap_or_default();
            let how = match one.status {
                ..0 if one.stderr == Event::UNSEEN_END => "status unknown".into(),
                ..0 => format!("ended by signal {}", one.status.unsigned_abs()),
                _ => format!("status {}", one.status),
            };
            let _ = writeln!(out, "$ {}", visible(&one.command));
            let _ = writeln!(out, "{}{step}: {how}", at.strftime("%Y-%m-%d %H:%M:%S%:z"));
            for (stream, said) in [("stdout", &one.stdout), ("stderr", &one.stderr)] {
                let said = visible(said);
                if !said.trim().is_empty() {
                    let _ = writeln!(out, "--- {stream}\n{}", said.trim_end());
                }
            }
            out.push('\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::{Part, Sent};

    fn told(events: Vec<Event>) -> Commands {
        let mut commands = Commands::default();
        for (n, event) in (1..).zip(events) {
            let t = "2026-01-02T03:04:05Z".parse().unwrap();
            commands.line(&Line { n, t, kind: event.kind().into(), event: Some(event), text: String::new() });
        }
        commands
    }

    #[test]
    fn each_command_is_told_with_its_step_its_status_and_all_that_it_printed() {
        let step = StepId::of("One", "Run");
        let started =
            Event::ChildStarted { command: vec!["flux".into(), "diff".into()], pid: 7, started: None, boot: None };
        let sent = Sent {
            seq: 2,
            native: "k8s::exec".into(),
            targets: vec!["Pod/web/shop: migrate".into()],
            input: crate::model::Digest::of(""),
            idempotent: false,
            before: vec![],
            at: None,
            place: None,
            part: Part::Change,
        };
        let commands = told(vec![
            Event::StepStarted { step: step.clone(), attempt: 1 },
            started,
            Event::ChildEnded { pid: 7, status: 1, stdout: String::new(), stderr: "one\n\u{1b}two\n".into() },
            Event::Effect { step: step.clone(), effect: sent },
            Event::Effected {
                step,
                seq: 2,
                results: vec![],
                output: json!({ "status": 0, "stdout": "done", "stderr": "" }),
                error: None,
                part: Part::Change,
            },
            Event::Evidence {
                about: "flux check".into(),
                sort: Event::OUTPUT.into(),
                source: "the command".into(),
                value: json!({ "status": -9, "stdout": "", "stderr": "" }),
            },
            Event::Evidence {
                about: "Pod/web/shop".into(),
                sort: "events".into(),
                source: "the API server".into(),
                value: json!([]),
            },
        ]);
        assert_eq!(
            commands.text(&TimeZone::UTC),
            "$ flux diff
2026-01-02 03:04:05+00:00, step one/run: status 1
--- stderr
one
\\x1btwo

$ Pod/web/shop: migrate
2026-01-02 03:04:05+00:00, step one/run: status 0
--- stdout
done

$ flux check
2026-01-02 03:04:05+00:00, step one/run: ended by signal 9

"
        );
        assert!(told(vec![]).text(&TimeZone::UTC).contains("nothing that a command printed"));
    }
}
