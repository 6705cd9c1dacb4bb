use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use serde_json::Value;

use super::{Door, EffectError, Ledger, Mode, Sort, Trial, Watching};
use crate::{
    cluster::Patience,
    event::Cancel,
    model::{Digest, Place, Read},
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
    trouble: Option<EffectError>,
    place: Option<Place>,
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

    pub(super) fn patience(&self) -> Patience {
        Patience { deadline: self.deadline, cancel: self.cancel.clone() }
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
