use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use serde_json::Value;

use super::{CommandAnswer, Door, EffectError, Ledger, Mode, Sort, Trial, Watching};
use crate::{
    cluster::Patience,
    event::Cancel,
    model::{Digest, Place, Read},
    process::rules::{self, Class},
    redact::{REPLACEMENT, was_secret},
};

/// One call of one closure: what it may do, through which door, for how long; and what it read and ran into.
#[derive(Clone)]
pub struct Call {
    /// What it may do.
    pub mode: Mode,
    /// To where; none while only declaring.
    pub door: Option<Arc<Door>>,
    /// Ends it when the run is cancelled.
    pub cancel: Cancel,
    /// Ends it when its time is over.
    pub deadline: Option<Instant>,
    /// Where effects are journaled; none in a trial and where nothing may change.
    pub ledger: Option<Arc<Ledger>>,
    /// The rehearsal that it is part of.
    pub trial: Option<Arc<Trial>>,
    /// The watches that a verify reads through.
    pub watches: Option<Arc<Watching>>,
    /// Whether what does not exist is worth a look at what does: one more list.
    pub hints: bool,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    reads: Vec<Read>,
    looks: Vec<Look>,
    commands: Vec<Commanded>,
    urls: Vec<(String, Option<Place>)>,
    trouble: Option<EffectError>,
    remark: Option<String>,
    place: Option<Place>,
    failed: Vec<(String, CommandAnswer)>,
}

/// What a read asks the API server for: a list of this kind, or a part of one object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Look {
    /// The kind as it was written, with its group where that was named.
    pub kind: String,
    /// The namespace; none: all, or cluster-scoped.
    pub namespace: Option<String>,
    /// One object; none: any.
    pub name: Option<String>,
    /// What of the object is asked for by `get`: `proxy`, `log`; none: the object, by a list.
    pub part: Option<&'static str>,
}

/// A command that a closure would run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Commanded {
    /// The tool.
    pub tool: String,
    /// The subcommand's words, as the tool's rules know them.
    pub subcommand: String,
    /// The whole command.
    pub argv: Vec<String>,
    /// Whether the tool has rules of its own.
    pub has_rules: bool,
}

/// What a call ran into that its script cannot talk away.
pub type Trouble = EffectError;

impl Call {
    /// A call in this mode, through this door.
    pub fn new(mode: Mode, door: Option<Arc<Door>>, cancel: Cancel) -> Self {
        Self {
            mode,
            door,
            cancel,
            deadline: None,
            ledger: None,
            trial: None,
            watches: None,
            hints: false,
            seen: Arc::default(),
        }
    }

    /// Ends it at this instant.
    #[must_use]
    pub fn until(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// What it read so far.
    pub fn reads(&self) -> Vec<Read> {
        let mut reads = self.seen().reads.clone();
        reads.sort();
        reads.dedup();
        reads
    }

    /// The first thing it ran into that a verify cannot be decided without.
    pub fn trouble(&self) -> Option<Trouble> {
        self.seen().trouble.clone()
    }

    /// The commands that it read by and that ended with another status than 0, as they were run last.
    pub fn failed_commands(&self) -> Vec<(String, CommandAnswer)> {
        self.seen().failed.clone()
    }

    /// Keeps what a command that only reads answered, where it failed.
    pub(super) fn answered(&self, line: String, answer: &CommandAnswer) {
        let mut seen = self.seen();
        seen.failed.retain(|(known, _)| *known != line);
        if answer.status != 0 {
            seen.failed.push((line, answer.clone()));
        }
    }

    /// Where the native that runs now was called; natives set it, so that a deadline can name it.
    pub fn at(&self, place: Option<Place>) {
        self.seen().place = place;
    }

    /// Where the last native was called.
    pub fn place(&self) -> Option<Place> {
        self.seen().place.clone()
    }

    /// Refuses a native that does not belong here, and says what to write instead.
    pub fn allow(&self, native: &str, needs: Mode) -> Result<(), EffectError> {
        let allowed = match needs {
            Mode::Declare => true,
            Mode::Read => self.mode != Mode::Declare,
            Mode::Change => self.mode == Mode::Change,
        };
        if !allowed {
            let message = match needs {
                Mode::Change => format!("`{native}` changes the system and was called {}", self.mode.words()),
                _ => format!("`{native}` reads the system and was called {}", self.mode.words()),
            };
            let help = match (needs, self.mode) {
                (Mode::Change, Mode::Declare) => format!("put it into a step: .change(|| {native}(…))"),
                (Mode::Change, _) => format!("move it to the step's .change(|| {native}(…)); a verify only looks"),
                _ => format!(
                    "put it into a closure (.verify(\"…\", || {native}(…))), or look it up before declaring: \
                     discover(\"…\", sample, || {native}(…))"
                ),
            };
            return Err(EffectError::new(Sort::WrongMode, message).help(help));
        }
        self.go_on()
    }

    /// Ends the call where the run was cancelled or its time is over.
    pub fn go_on(&self) -> Result<(), EffectError> {
        if self.cancel.is_cancelled() {
            return Err(self.ran_into(EffectError::new(Sort::Cancelled, "the run was cancelled")));
        }
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(self.ran_into(EffectError::new(Sort::Deadline, "its time is over")));
        }
        Ok(())
    }

    /// Refuses to send what stands where a secret was: the world would get the words instead of the value.
    pub(super) fn refuse_stand_in(native: &str, what: &str, value: &Value) -> Result<(), EffectError> {
        if !was_secret(value) {
            return Ok(());
        }
        let message =
            format!("`{native}` was given {what} with {REPLACEMENT} in it: a secret stood there and was not kept");
        Err(EffectError::new(Sort::Refused, message).help(
            "take the value from where it comes from: secret(\"…\", #{ env | file | cmd }), or k8s::get of its Secret",
        ))
    }

    /// The door, which a call while declaring does not have.
    pub(super) fn door(&self, native: &str) -> Result<&Arc<Door>, EffectError> {
        self.door.as_ref().ok_or_else(|| {
            EffectError::new(Sort::WrongMode, format!("`{native}` needs a context and there is none here"))
                .help("run `runbook plan --context NAME` or `runbook run --context NAME`")
        })
    }

    /// Whether what the context holds is not to be seen: a trial over an empty sandbox.
    pub(super) fn is_blind(&self) -> bool {
        self.trial.as_ref().is_some_and(|trial| !trial.sees_context())
    }

    pub(super) fn patience(&self) -> Patience {
        Patience { deadline: self.deadline, cancel: self.cancel.clone() }
    }

    /// What it asked the API server for, each once.
    pub fn looks(&self) -> Vec<Look> {
        let mut looks = self.seen().looks.clone();
        looks.sort();
        looks.dedup();
        looks
    }

    /// The commands that it ran or, in a trial, would run; each once.
    pub fn commands(&self) -> Vec<Commanded> {
        let mut commands = self.seen().commands.clone();
        commands.sort();
        commands.dedup();
        commands
    }

    pub(super) fn looked(&self, kind: String, namespace: Option<&str>, name: Option<&str>) {
        let look = Look { kind, namespace: namespace.map(Into::into), name: name.map(Into::into), part: None };
        self.seen().looks.push(look);
    }

    /// The same of a part of an object, or of any of a kind.
    pub(super) fn looked_into(&self, part: &'static str, kind: String, namespace: Option<&str>, name: Option<&str>) {
        let (namespace, name) = (namespace.map(Into::into), name.map(Into::into));
        self.seen().looks.push(Look { kind, namespace, name, part: Some(part) });
    }

    pub(super) fn commanded(&self, class: &Class, argv: &[String]) {
        let (tool, subcommand) = (class.tool.clone(), class.subcommand.clone());
        let has_rules = rules::has_rules(&class.tool);
        self.seen().commands.push(Commanded { tool, subcommand, argv: argv.to_vec(), has_rules });
    }

    /// The origins of the URLs that it would ask in a trial, with where it does; each once.
    pub fn urls(&self) -> Vec<(String, Option<Place>)> {
        let mut urls = self.seen().urls.clone();
        urls.sort();
        urls.dedup();
        urls
    }

    pub(super) fn asked(&self, url: String) {
        let mut seen = self.seen();
        let place = seen.place.clone();
        seen.urls.push((url, place));
    }

    pub(super) fn read(&self, read: Read) {
        self.seen().reads.push(read);
    }

    /// Remembers what a verify cannot be decided without; the first one counts.
    pub(super) fn ran_into(&self, error: EffectError) -> EffectError {
        let mut seen = self.seen();
        if seen.trouble.is_none() && (error.sort.is_final() || error.sort == Sort::Hard) {
            seen.trouble = Some(error.clone());
        }
        error
    }

    /// Keeps why an answer is what it is, where no compared value shows it; the last one counts.
    pub(super) fn remarked(&self, why: String) {
        self.seen().remark = Some(why);
    }

    /// Why the last answer was what it was, where it said so.
    pub fn remark(&self) -> Option<String> {
        self.seen().remark.clone()
    }

    /// The digest of what is sent, without the secrets in it: those of a weak one could be found by trying.
    pub(super) fn digest_of(&self, mut input: Value) -> Digest {
        if let Some(door) = &self.door {
            door.parts.scrubber.scrub_value(&mut input);
        }
        Digest::of(input.to_string())
    }

    pub(super) fn ledger(&self, native: &str) -> Result<&Ledger, EffectError> {
        self.ledger.as_deref().ok_or_else(|| {
            EffectError::new(
                Sort::WrongMode,
                format!("`{native}` changes the system, which only a step of a run may do"),
            )
        })
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("mode", &self.mode).field("trial", &self.trial.is_some()).finish_non_exhaustive()
    }
}
