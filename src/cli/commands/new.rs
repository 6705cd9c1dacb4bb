use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use super::super::{ask, global::Global, prompt, say};
use crate::{
    model::{ExitCode, slug, text},
    report,
    runbook::{Answers, Draft, Error, ErrorKind, Runbook, TEMPLATE},
};

/// Asks for the eight sections of a plan, and writes a playbook: what is not answered becomes an open question of it.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The playbook to write; without it, the plan's title with .rhai. `-` is stdout.
    file: Option<PathBuf>,
    /// Answers from a YAML or JSON file instead of a terminal; `-` is stdin.
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// Prints an empty file of answers, which says what is asked.
    #[arg(long, conflicts_with_all = ["answers", "force"])]
    template: bool,
    /// Writes over a file that exists.
    #[arg(long)]
    force: bool,
}

impl Args {
    /// Exits with 2 where there is nobody to ask, where answers are not understood, and where a file is in the way.
    pub fn run(&self, global: &Global) -> Result<ExitCode, Error> {
        if self.template {
            say::result(TEMPLATE);
            return Ok(ExitCode::Done);
        }
        let runbook = global.runbook()?;
        if let Some(file) = &self.file {
            self.free(file)?;
        }
        let (answers, file) = match (&self.answers, prompt::is_interactive()) {
            (Some(from), _) => {
                let answers = read(from)?;
                let file = self.file.clone().map_or_else(|| named(&answers), Ok)?;
                self.free(&file)?;
                (answers, file)
            }
            (None, true) => match ask::answers(&runbook, self.file.as_deref(), self.force)? {
                Some(asked) => asked,
                None => return Ok(ExitCode::Interrupted),
            },
            (None, false) => {
                return Err(Error::new(ErrorKind::Usage, "there is no terminal to ask on")
                    .hint("write the answers down: runbook new --template > answers.yaml")
                    .hint("then: runbook new deploy-app.rhai --answers answers.yaml")
                    .hint("or at once: printf 'title: Deploy the app\\nproblem: …\\n' | runbook new --answers -"));
            }
        };
        let draft = runbook.draft(&answers, &file)?;
        let contradictions = draft.contradictions();
        if !contradictions.is_empty() {
            say::findings(&contradictions, &draft.playbook);
            return Err(Error::new(ErrorKind::Usage, "the answers contradict each other: nothing was written"));
        }
        self.write(&file, &draft.text)?;
        told(global, &runbook, &file, &draft)
    }

    /// Whether the file may be written.
    fn free(&self, file: &Path) -> Result<(), Error> {
        if is_stdout(file) || self.force || !file.exists() {
            return Ok(());
        }
        let message = format!("{} exists already: nothing was written", file.display());
        Err(Error::new(ErrorKind::Usage, message).hint("give another name, or --force to write over it"))
    }

    fn write(&self, file: &Path, text: &str) -> Result<(), Error> {
        if is_stdout(file) {
            say::result(text);
            return Ok(());
        }
        let written = if self.force {
            fs::write(file, text)
        } else {
            let new = fs::OpenOptions::new().write(true).create_new(true).open(file);
            new.and_then(|mut new| new.write_all(text.as_bytes()))
        };
        written.map_err(|error| {
            let error = Error::new(ErrorKind::Usage, format!("{} cannot be written: {error}", file.display()));
            error.hint("name a file in a folder that is there and can be written")
        })
    }
}

/// Says what was written, and what is open.
fn told(global: &Global, runbook: &Runbook, file: &Path, draft: &Draft) -> Result<ExitCode, Error> {
    let open = report::open_questions(&draft.playbook.plan());
    let shown = file.display();
    if is_stdout(file) {
        return Ok(ExitCode::Done);
    }
    let playbook = runbook.load(file)?;
    if global.json() {
        say::json(&serde_json::json!({
            "playbook": file, "digest": playbook.digest(), "ready": open.is_empty(), "open_questions": open,
            "findings": playbook.findings(),
        }));
        return Ok(ExitCode::Done);
    }
    let questions = text::count(open.len(), "open question");
    say::result(&format!("{shown}: written, {questions}\n"));
    for question in &open {
        say::tell(&format!("  §{} {}", question.section, text::one_line(&question.question)));
    }
    say::tell(&format!("runbook plan {shown}    the plan as a document"));
    say::tell(&format!("runbook check {shown}   what stands against running it"));
    Ok(ExitCode::Done)
}

fn is_stdout(file: &Path) -> bool {
    file == Path::new("-")
}

/// The answers in a file, or on stdin.
fn read(from: &Path) -> Result<Answers, Error> {
    let mut text = String::new();
    let (name, read) = if from == Path::new("-") {
        ("stdin".to_string(), io::stdin().read_to_string(&mut text).map(drop))
    } else {
        (from.display().to_string(), fs::read_to_string(from).map(|read| text = read))
    };
    read.map_err(|error| {
        Error::new(ErrorKind::Usage, format!("{name}: {error}"))
            .hint("an empty one: runbook new --template > answers.yaml")
    })?;
    Answers::read(&text, &name)
        .map_err(|findings| Error::new(ErrorKind::Usage, "the answers are not understood").findings_are(findings))
}

/// The file that a title gives.
fn named(answers: &Answers) -> Result<PathBuf, Error> {
    let name = slug(answers.title.as_deref().unwrap_or_default());
    if answers.title.is_none() || name.is_empty() {
        return Err(Error::new(
            ErrorKind::Usage,
            "neither a file nor a title is given: the playbook would have no name",
        )
        .hint("runbook new deploy-app.rhai --answers answers.yaml"));
    }
    Ok(format!("{name}.rhai").into())
}
