use std::fmt::Write as _;

use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

use super::Verbs;
use crate::{
    event::{Closed, Life, RunState},
    model::{ExitCode, RunId, text::one_line},
};

/// One run in the list of runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The run.
    pub run: String,
    /// The plan's title.
    pub title: String,
    /// The playbook.
    pub playbook: String,
    /// The context's name.
    pub context: String,
    /// `running`, `at a gate` (its process asks), `died`, `waiting`, `stopped`, `done`, `undone`, `abandoned`, `unreadable`.
    pub state: String,
    /// Why: the gate's question, the failure, the reason.
    pub why: Option<String>,
    /// When it was started.
    pub started: Option<Timestamp>,
    /// Since when it is in that state.
    pub since: Option<Timestamp>,
    /// Steps verified, and steps of the plan.
    pub steps: (usize, Option<usize>),
    /// The code of the last process that ended.
    pub exit: Option<ExitCode>,
    /// Steps whose temporary changes nothing has given back yet.
    #[serde(default)]
    pub held: Vec<String>,
    /// The command to type next.
    pub next: Option<String>,
}

/// A run's row. `live` says whether a process works on it now; an error stands for a run that cannot be read.
pub fn row(run: &RunId, state: Result<&RunState, String>, live: bool, verbs: Verbs) -> Row {
    let show = verbs.has("show").then(|| format!("runbook show {run}"));
    let empty = Row {
        run: run.to_string(),
        title: String::new(),
        playbook: String::new(),
        context: String::new(),
        state: "unreadable".into(),
        why: None,
        started: None,
        since: None,
        steps: (0, None),
        exit: None,
        held: vec![],
        next: None,
    };
    let state = match state {
        Ok(state) => state,
        Err(error) => return Row { why: Some(one_line(&error)), ..empty },
    };
    let resume = verbs.has("resume").then(|| format!("runbook resume {run}"));
    let undo = verbs.has("undo").then(|| format!("runbook undo {run}"));
    // what is being taken back does not go on before that has ended
    let go_on = if state.undoing.is_some() { undo.or(resume.clone()) } else { resume.clone() };
    let (word, next) = match state.life {
        // its process asks at a prompt; it can be approved from elsewhere as well
        Life::Running if live && state.at_gate.is_some() => ("at a gate", show),
        Life::Running if live => ("running", show),
        // without a line there is nothing to go on with
        Life::Running if state.run.is_none() => {
            ("died", verbs.has("abandon").then(|| format!("runbook abandon {run} --reason \"…\"")))
        }
        Life::Running => ("died", go_on.or(show)),
        Life::Waiting => {
            let open = state.at_gate.as_ref().and_then(|gate| state.gates.get(gate));
            let approvable = open.is_some_and(|gate| gate.card.class <= crate::model::GateClass::Any);
            // an answer that is already there only wants the run to go on
            let answered = state.at_gate.is_some() && !state.unused.is_empty();
            let approve = (approvable && !answered && verbs.has("approve")).then(|| format!("runbook approve {run}"));
            let by_hand = state.to_do_by_hand().filter(|_| verbs.has("done"));
            match by_hand {
                Some(step) => ("waiting", Some(format!("runbook done {run} {step} --reason \"…\""))),
                None if open.is_none() || answered => ("waiting", go_on.or(show)),
                None => ("waiting", approve.or(show)),
            }
        }
        Life::Stopped => ("stopped", go_on.or(show)),
        Life::Closed(Closed::Done) => ("done", show),
        Life::Closed(Closed::Undone) => ("undone", show),
        Life::Closed(Closed::Abandoned) => ("abandoned", show),
    };
    let why = match (&state.at_gate, &state.reason, &state.current) {
        (Some(gate), _, _) if matches!(state.life, Life::Waiting | Life::Running) => {
            state.gates.get(gate).map(|gate| format!("gate: {}", gate.card.question))
        }
        (_, Some(reason), _) => Some(reason.clone()),
        (_, None, Some(step)) => Some(format!("step {step}")),
        _ => None,
    };
    let done = state.steps.keys().filter(|step| state.is_done(step)).count();
    Row {
        title: one_line(&state.title),
        playbook: one_line(&state.playbook),
        context: state.target.as_ref().map(|target| one_line(&target.name)).unwrap_or_default(),
        state: word.into(),
        why: why.map(|why| one_line(&why)),
        started: state.started,
        since: state.updated,
        steps: (done, state.plan.as_ref().map(|(plan, _)| plan.steps().count())),
        exit: state.exit,
        held: if state.is_closed() { vec![] } else { state.held().iter().map(|step| step.id.to_string()).collect() },
        next,
        ..empty
    }
}

/// The list as text: one line a run, what it waits for or failed at below it. `width` is the terminal's, in columns.
pub fn runs(rows: &[Row], zone: &TimeZone, width: usize) -> String {
    if rows.is_empty() {
        return "There are no runs yet.\n".into();
    }
    let cells: Vec<[String; 6]> = rows
        .iter()
        .map(|row| {
            let steps = match row.steps {
                (done, Some(all)) => format!("{done}/{all}"),
                (done, None) => done.to_string(),
            };
            let since = row.since.map(|at| at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M %:z").to_string());
            [
                row.run.clone(),
                row.context.clone(),
                row.state.clone(),
                steps,
                since.unwrap_or_default(),
                row.title.clone(),
            ]
        })
        .collect();
    let head = ["RUN", "CONTEXT", "STATE", "STEPS", "SINCE", "TITLE"].map(String::from);
    let widths: Vec<usize> =
        (0..6).map(|n| cells.iter().chain([&head]).map(|row| row[n].chars().count()).max().unwrap_or(0)).collect();
    let mut out = String::new();
    let push = |out: &mut String, line: &str| {
        out.push_str(&fit(line.trim_end(), width));
        out.push('\n');
    };
    let join = |row: &[String; 6]| {
        row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect::<Vec<_>>().join("  ")
    };
    push(&mut out, &join(&head));
    for (row, cells) in rows.iter().zip(&cells) {
        push(&mut out, &join(cells));
        if let Some(why) = row.why.as_ref().filter(|_| row.state != "done") {
            push(&mut out, &format!("  {why}"));
        }
        if !row.held.is_empty() {
            push(&mut out, &format!("  held: {}", row.held.join(", ")));
            let _ = writeln!(out, "  runbook undo {} --holds", row.run);
        }
        // a command is only of use whole
        if let Some(next) = row.next.as_ref().filter(|_| !["done", "undone", "abandoned"].contains(&row.state.as_str()))
        {
            let _ = writeln!(out, "  {next}");
        }
    }
    out
}

fn fit(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.to_string();
    }
    let mut cut: String = line.chars().take(width.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{self, Story};

    fn state(story: &Story) -> RunState {
        let mut state = RunState::default();
        story.lines.iter().for_each(|line| state.take(line).unwrap());
        state
    }

    #[test]
    fn the_list_says_where_each_run_stands_and_what_to_type() {
        let rows = [
            row(&fixture::run(), Ok(&state(&fixture::waiting())), false, Verbs::ALL),
            row(&RunId::new("deploy-app-000001"), Ok(&state(&fixture::failed())), false, Verbs::ALL),
            row(&RunId::new("deploy-app-000002"), Ok(&state(&fixture::done())), false, Verbs::ALL),
            row(
                &RunId::new("x-000003"),
                Err("journal.jsonl:7: the line does not prove itself".into()),
                false,
                Verbs::ALL,
            ),
        ];
        insta::assert_snapshot!("runs_120", runs(&rows, &TimeZone::UTC, 120));
        insta::assert_snapshot!("runs_40", runs(&rows, &TimeZone::UTC, 40));
        let json = serde_json::to_value(&rows[0]).unwrap();
        assert_eq!((&json["state"], &json["steps"][0]), (&"waiting".into(), &2.into()));
    }

    #[test]
    fn a_process_that_died_is_told_from_one_that_works() {
        let mut story = fixture::waiting();
        story.lines.pop();
        assert_eq!(row(&fixture::run(), Ok(&state(&story)), true, Verbs::ALL).state, "at a gate");
        story.lines.pop();
        let state = state(&story);
        assert_eq!(row(&fixture::run(), Ok(&state), true, Verbs::ALL).state, "running");
        let died = row(&fixture::run(), Ok(&state), false, Verbs::ALL);
        assert_eq!((died.state.as_str(), died.next.as_deref()), ("died", Some("runbook resume deploy-app-7f3a2c")));
        let never_began = row(&fixture::run(), Ok(&RunState::default()), false, Verbs::ALL);
        assert_eq!(never_began.next.as_deref(), Some("runbook abandon deploy-app-7f3a2c --reason \"…\""));
    }

    #[test]
    fn no_runs_is_said() {
        assert_eq!(runs(&[], &TimeZone::UTC, 80), "There are no runs yet.\n");
    }
}
