//! The eight sections, asked for on a terminal: each may be skipped, and Ctrl-C writes nothing.

use std::path::{Path, PathBuf};

use inquire::{InquireError, MultiSelect, Select, Text, validator::Validation};

use super::say;
use crate::{
    model::{Confidence, slug},
    runbook::{
        Answers, AssumptionAnswer, Error, ErrorKind, PhaseAnswer, QuestionAnswer, RiskAnswer, Runbook, StepAnswer,
    },
};

/// Why asking ended.
enum Stop {
    /// Ctrl-C.
    Interrupted,
    Error(Error),
}

type Asked<T> = Result<T, Stop>;

impl From<InquireError> for Stop {
    fn from(error: InquireError) -> Self {
        match error {
            InquireError::OperationInterrupted => Self::Interrupted,
            other => Self::Error(Error::new(ErrorKind::Usage, format!("the terminal cannot be asked: {other}"))),
        }
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Asks for everything; none where it was interrupted. `file` is what the playbook is going to be called, where that is
/// known; else it is asked for as well.
pub fn answers(runbook: &Runbook, file: Option<&Path>, force: bool) -> Result<Option<(Answers, PathBuf)>, Error> {
    match all(runbook, file, force) {
        Ok(asked) => Ok(Some(asked)),
        Err(Stop::Interrupted) => {
            say::tell("nothing was written");
            Ok(None)
        }
        Err(Stop::Error(error)) => Err(error),
    }
}

fn all(runbook: &Runbook, file: Option<&Path>, force: bool) -> Asked<(Answers, PathBuf)> {
    say::tell(
        "The eight sections of a plan. Enter alone leaves an answer open: it becomes a question of the playbook.",
    );
    let beside = file.map_or(PathBuf::from("playbook.rhai"), Path::to_path_buf);
    let mut answers = Answers { title: line("What is the change called?", "")?, ..Answers::default() };
    say::tell("\n1. Objective");
    answers.problem = line("What happens today, and for whom?", "the problem, not the solution")?;
    answers.outcome = line("What can be observed once it is done?", "")?;
    solution(runbook, &answers, &beside)?;
    answers.verify = lines("What shows that the outcome is there?", "in words")?;
    say::tell("\n2. Context & constraints");
    answers.contexts = contexts(runbook, &beside)?;
    answers.services = lines("Which services are involved?", "")?;
    answers.upstream = lines("What does it depend on?", "")?;
    answers.downstream = lines("What depends on it?", "")?;
    answers.constraints = lines("What are the constraints?", "")?;
    while let Some(text) = line("What is taken for true?", "an assumption; Enter alone when there are no more")? {
        answers.assumptions.push(assumption(text)?);
    }
    while let Some(text) = line("What could go wrong?", "a risk; Enter alone when there are no more")? {
        answers.risks.push(RiskAnswer {
            text,
            affects: lines("  What would it affect?", "object references: Kind/namespace/name")?,
            rollback: line("  What is the way back from it?", "")?,
            ..RiskAnswer::default()
        });
    }
    say::tell("\n3. Current state");
    answers.current = lines("What is the current state?", "")?;
    say::tell("\n4. Target state");
    answers.target = lines("What is the target state?", "")?;
    say::tell("\n5. Phases & tasks");
    phases(&mut answers)?;
    say::tell("\n6. Validation & testing");
    answers.validation = lines("How is the whole validated?", "beside each step's verify")?;
    say::tell("\n7. Rollback plan");
    answers.rollback = lines("How is the change as a whole taken back?", "")?;
    say::tell("\n8. Open questions");
    while let Some(text) = line("What is not known yet?", "a question; Enter alone when there are no more")? {
        let deferred =
            line("  Until when is it put off?", "Enter alone: it has to be answered before the change runs")?;
        answers.questions.push(QuestionAnswer { text, deferred, ..QuestionAnswer::default() });
    }
    let file = match file {
        Some(file) => file.to_path_buf(),
        None => name(&answers, force)?,
    };
    Ok((answers, file))
}

/// One line; none where it is left open.
fn line(question: &str, help: &str) -> Asked<Option<String>> {
    let mut text = Text::new(question);
    if !help.is_empty() {
        text = text.with_help_message(help);
    }
    let typed = text.prompt_skippable()?.unwrap_or_default();
    Ok(Some(typed.trim().to_string()).filter(|typed| !typed.is_empty()))
}

/// A line that no other may be like: what ids are made of.
fn title(question: &str, help: &str, taken: Vec<String>) -> Asked<Option<String>> {
    let differs = move |typed: &str| {
        let own = slug(typed.trim());
        Ok(if typed.trim().is_empty() || !taken.contains(&own) {
            Validation::Valid
        } else {
            Validation::Invalid("there is one of this title already".into())
        })
    };
    let typed = Text::new(question).with_help_message(help).with_validator(differs).prompt_skippable()?;
    Ok(typed.map(|typed| typed.trim().to_string()).filter(|typed| !typed.is_empty()))
}

/// Lines, until one is empty.
fn lines(question: &str, help: &str) -> Asked<Vec<String>> {
    let mut all = vec![];
    let mut again = line(question, help)?;
    while let Some(text) = again {
        all.push(text);
        again = line("  and?", "Enter alone when there is no more")?;
    }
    Ok(all)
}

/// The one question that a solution instead of a problem brings up.
fn solution(runbook: &Runbook, answers: &Answers, file: &Path) -> Asked<()> {
    let draft = runbook.draft(answers, file)?;
    let findings = draft.playbook.findings();
    if let Some(finding) = findings.iter().find(|finding| finding.rule.split('-').any(|word| word == "idea")) {
        say::tell(&format!("  {}", finding.message));
        finding.help.iter().for_each(|help| say::tell(&format!("  {help}")));
    }
    Ok(())
}

fn contexts(runbook: &Runbook, beside: &Path) -> Asked<Vec<String>> {
    let question = "On which contexts does it run, in which order?";
    let folder = beside.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let known = runbook.contexts(folder)?;
    if known.is_empty() {
        let typed = line(question, "names with commas between them, e.g. staging, main")?.unwrap_or_default();
        return Ok(typed.split(',').map(str::trim).filter(|name| !name.is_empty()).map(Into::into).collect());
    }
    let picked =
        MultiSelect::new(question, known).with_help_message("space picks, Enter goes on; in the order of promotion");
    Ok(picked.prompt_skippable()?.unwrap_or_default())
}

fn assumption(text: String) -> Asked<AssumptionAnswer> {
    let sure = Select::new("  How sure is it?", vec!["low: assumed", "medium: inferred"]);
    let sure = sure.with_help_message("what a probe verifies is high: that is written in the playbook");
    let medium = sure.prompt_skippable()?.is_some_and(|picked| picked.starts_with("medium"));
    Ok(AssumptionAnswer {
        text,
        confidence: if medium { Confidence::Medium } else { Confidence::Low },
        impact: line("  What follows if it is not so?", "")?,
        source: line("  Where is it from?", "")?,
    })
}

fn phases(answers: &mut Answers) -> Asked<()> {
    let taken = |answers: &Answers| answers.phases.iter().map(|phase| slug(&phase.title)).collect();
    while let Some(called) =
        title("What is the next phase called?", "Enter alone when there are no more", taken(answers))?
    {
        let mut phase = PhaseAnswer { title: called, goal: line("  What is its goal?", "")?, ..PhaseAnswer::default() };
        loop {
            let taken = phase.steps.iter().map(|step| slug(&step.title)).collect();
            let Some(called) = title("  What is its next step called?", "Enter alone when there are no more", taken)?
            else {
                break;
            };
            phase.steps.push(StepAnswer {
                title: called,
                manual: line("    What is done?", "")?,
                verify: lines("    What shows that it worked?", "in words")?,
                undo: line("    How is it taken back?", "")?,
                ..StepAnswer::default()
            });
        }
        phase.gate = line("  What is decided at its end?", "the question of its stop-gate")?;
        answers.phases.push(phase);
    }
    Ok(())
}

/// What the playbook is called, where nothing of this name is in the way.
fn name(answers: &Answers, force: bool) -> Asked<PathBuf> {
    let slug = slug(answers.title.as_deref().unwrap_or("playbook"));
    let free = move |typed: &str| {
        Ok(if typed.trim().is_empty() {
            Validation::Invalid("a playbook has a name".into())
        } else if !force && Path::new(typed.trim()).exists() {
            Validation::Invalid("it exists already; --force writes over it".into())
        } else {
            Validation::Valid
        })
    };
    let offer = format!("{}.rhai", if slug.is_empty() { "playbook" } else { &slug });
    let typed = Text::new("Where is it written?").with_default(&offer).with_validator(free).prompt()?;
    Ok(typed.trim().into())
}
