use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::super::{commands::run::Params, global::Global, say};
use crate::{
    event::Cancel,
    model::{Digest, ExitCode, Finding, Plan, Severity},
    report::{self, Declared, Document, Picture},
    runbook::{Error, ErrorKind, Outlook, Playbook, Runbook},
};

/// Writes the plan as a document: the eight sections, what is open, and what the change touches; with --context, with what is
/// found there.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The playbook, a .rhai file.
    playbook: PathBuf,
    /// The context to ask: adds discovered values, a trial over what is there, and what preflight finds; changes nothing.
    /// Without it, the plan is declared for the first context that it names.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// A page instead of Markdown: one HTML file that needs no network, with a picture of what the change touches.
    #[arg(long, conflicts_with = "diff")]
    html: bool,
    /// What changed since another version of the plan: a playbook, a file of `plan -o json`, or a run.
    #[arg(long, value_name = "OLD")]
    diff: Option<String>,
    #[command(flatten)]
    params: Params,
}

impl Args {
    /// Exits with 13 where the playbook would be refused; the document is written all the same.
    pub fn run(&self, global: &Global) -> Result<ExitCode, Error> {
        if self.html && global.json() {
            return Err(Error::new(ErrorKind::Usage, "--html and --output json are two forms of one document")
                .hint("leave one of them out"));
        }
        let runbook = global.runbook()?;
        let playbook = runbook.load(&self.playbook)?;
        let params = self.params.read()?;
        if let Some(context) = &self.context {
            known(context, &playbook)?;
        }
        if let Some(old) = &self.diff {
            return self.differs(global, &runbook, &playbook, old, params);
        }
        let mut seen = self.look(&playbook, params)?;
        if self.html || global.json() {
            self.survey(&playbook, &mut seen);
        }
        let refused = seen.findings.iter().any(|finding| finding.severity == Severity::Error);
        let declared = seen.declared(self.context.as_deref());
        if !self.html && !global.json() {
            say::result(&report::markdown(&seen.plan, &seen.findings, declared));
            say::findings(&seen.findings, &playbook);
        } else {
            let picture = Picture::of(&seen.plan, playbook.manifests(), seen.held);
            let document = Document::new(seen.plan, seen.digest, seen.findings, declared, picture);
            if self.html {
                say::result(&report::html(&document));
            } else {
                say::json(&document);
            }
        }
        Ok(if refused { ExitCode::Refused } else { ExitCode::Done })
    }

    /// The plan on its context, where one is named and can be asked; else as it is declared offline.
    fn look(&self, playbook: &Playbook, params: BTreeMap<String, Value>) -> Result<Seen, Error> {
        let named = self.context.as_deref().filter(|context| playbook.contexts().iter().any(|known| known == context));
        let cancel = Cancel::new();
        let unasked = match named.map(|context| playbook.plan_on(context, params.clone(), &cancel)) {
            Some(Ok(Outlook { plan, digest, findings })) => {
                return Ok(Seen { plan, digest, findings, bound: true, held: None });
            }
            Some(Err(error)) if error.exit_code() == ExitCode::WrongContext => return Err(error),
            // what can be said without the context is said
            Some(Err(error)) => Some(error),
            None => None,
        };
        let mut seen = Seen::offline(declared(playbook, self.context.as_deref(), params));
        seen.findings.extend(unasked.map(|error| {
            let why = format!("this is the plan without its context, which could not be asked: {error}");
            Finding::warning("unchecked", why)
        }));
        Ok(seen)
    }

    /// Looks at what the context holds, for what depends on the touched objects; what could not be looked at is a note.
    fn survey(&self, playbook: &Playbook, seen: &mut Seen) {
        let named = self.context.as_deref().filter(|context| playbook.contexts().iter().any(|known| known == context));
        let note = |words: String| Finding::note("unseen", words);
        match named.map(|context| playbook.survey(context, &Cancel::new())) {
            Some(Ok(survey)) => {
                let unseen = survey.unseen.into_iter();
                seen.findings.extend(unseen.map(|(kind, why)| note(format!("{kind} was not looked at: {why}"))));
                seen.held = Some(survey.objects);
            }
            Some(Err(error)) => {
                seen.findings.push(note(format!("what depends on the touched objects was not looked at: {error}")));
            }
            None => {}
        }
    }

    /// Exits with 3 where the plans differ.
    fn differs(
        &self,
        global: &Global,
        runbook: &Runbook,
        playbook: &Playbook,
        old: &str,
        params: BTreeMap<String, Value>,
    ) -> Result<ExitCode, Error> {
        let (context, path) = (self.context.as_deref(), Path::new(old));
        // both are declared alike: for one context, with the same parameters
        let (before, after) = if !path.is_file() {
            let (before, there, given) = runbook.plan_of(old).map_err(|error| {
                error
                    .hint(format!("{old} is no file either: --diff takes a playbook, a file of plan -o json, or a run"))
            })?;
            let params = if params.is_empty() { given } else { params };
            (before, declared(playbook, Some(context.unwrap_or(&there)), params).0)
        } else if path.extension().is_some_and(|extension| extension == "rhai") {
            let before = runbook.load(path)?;
            (declared(&before, context, params.clone()).0, declared(playbook, context, params).0)
        } else {
            (written(path)?, declared(playbook, context, params).0)
        };
        let changes = report::plan_changes(&before, &after);
        if global.json() {
            say::json(&serde_json::json!({
                "old": old, "old_digest": before.digest(), "digest": after.digest(), "differences": changes,
            }));
        } else {
            say::result(&report::changes_markdown(&after.title, &changes));
        }
        Ok(if changes.is_empty() { ExitCode::Done } else { ExitCode::Differences })
    }
}

/// A plan, and what was seen of it.
struct Seen {
    plan: Plan,
    digest: Digest,
    findings: Vec<Finding>,
    /// Whether the context was asked.
    bound: bool,
    /// What the context holds, where it was asked for.
    held: Option<Vec<Value>>,
}

impl Seen {
    fn offline((plan, findings): (Plan, Vec<Finding>)) -> Self {
        Self { digest: plan.digest(), plan, findings, bound: false, held: None }
    }

    fn declared<'a>(&self, context: Option<&'a str>) -> Declared<'a> {
        match context {
            Some(context) if self.bound => Declared::On(context),
            context => Declared::Offline(context),
        }
    }
}

/// The plan and what is found in it, offline.
fn declared(playbook: &Playbook, context: Option<&str>, params: BTreeMap<String, Value>) -> (Plan, Vec<Finding>) {
    match context {
        Some(context) => playbook.plan_for(context, params),
        None if params.is_empty() => (playbook.plan(), playbook.findings()),
        None => {
            let first = playbook.plan().contexts.first().cloned().unwrap_or_default();
            playbook.plan_for(&first, params)
        }
    }
}

/// The plan in a file that `plan -o json` wrote.
fn written(path: &Path) -> Result<Plan, Error> {
    let refused = |why: String| {
        Error::new(ErrorKind::Usage, format!("{}: {why}", path.display()))
            .hint("write one: runbook plan PLAYBOOK -o json > plan.json")
    };
    let text = fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
    let mut value: Value = serde_json::from_str(&text).map_err(|error| refused(format!("no JSON: {error}")))?;
    let plan = value.get_mut("plan").map(Value::take).unwrap_or(value);
    serde_json::from_value(plan).map_err(|error| refused(format!("no plan: {error}")))
}

/// Refuses a context that nothing names.
fn known(context: &str, playbook: &Playbook) -> Result<(), Error> {
    let known = [playbook.contexts(), playbook.plan().contexts].concat();
    if known.iter().any(|name| name == context) {
        return Ok(());
    }
    let near =
        known.iter().max_by(|a, b| strsim::jaro_winkler(a, context).total_cmp(&strsim::jaro_winkler(b, context)));
    let message = format!("context `{context}` is named neither by runbook.toml nor by the playbook");
    let error = Error::new(ErrorKind::Context, message);
    Err(match near {
        Some(near) => error.hint(format!("did you mean --context {near}?")),
        None => error,
    })
}
