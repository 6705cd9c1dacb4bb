//! The embedding API: builder, load, start, resume, approve. It wires the other modules and decides nothing.

mod builder;
mod connect;
mod context;
mod doctor;
mod draft;
mod error;
mod handle;
mod notify;
mod order;
mod playbook;
mod resume;
mod sandbox;
mod undo;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

pub use builder::Builder;
pub use context::Context;
pub use draft::Draft;
pub use error::{Error, ErrorKind};
pub use handle::{Events, Run};
pub use order::Order;
pub use playbook::{Playbook, params_file};
pub use sandbox::{ContextSandbox, ServedSandbox};
pub use undo::Undo;

pub use crate::{
    cluster::{Followed, Survey},
    object::edges::{Direction, Impact},
    run::{Ended, Outlook},
    script::draft::{
        Answers, AssumptionAnswer, DecisionAnswer, PhaseAnswer, QuestionAnswer, RiskAnswer, StepAnswer, TEMPLATE,
    },
};

use builder::Inner;
use serde_json::Value;

use crate::{
    event::{Closed, Event, Life, Line, LockError, Message, Recorder, RunState, Said},
    incident,
    model::{ExitCode, Plan, RunId, StepId},
};

/// Everything that runs of one program share: where they are kept, who decides gates, which modules there are. Cheap to
/// clone; safe to use from any thread, inside a tokio runtime too.
#[derive(Clone)]
pub struct Runbook {
    inner: Arc<Inner>,
}

impl Runbook {
    /// What a program may choose; only [`Builder::store`] has no default.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Reads a playbook with all that it names. Nothing is contacted.
    ///
    /// # Errors
    /// A file that is missing or cannot be read, or a `runbook.toml` that is refused. What is wrong *in* a playbook is
    /// no error here: see [`Playbook::findings`].
    pub fn load(&self, path: impl AsRef<Path>) -> Result<Playbook, Error> {
        Playbook::load(&self.inner, path.as_ref())
    }

    /// A context of the `runbook.toml` that is found upwards from `folder`, or that the builder names, without a playbook.
    ///
    /// # Errors
    /// There is no `runbook.toml`, it is refused, or it has no such context.
    pub fn context(&self, name: &str, folder: impl AsRef<Path>) -> Result<Context, Error> {
        Context::find(&self.inner, name, folder.as_ref())
    }

    /// Goes on with a run where its journal ends, from its own copy of the bundle. No other process can write the run
    /// until what is given is started or dropped.
    ///
    /// # Errors
    /// No such run, a process that works on it, a damaged journal, or a playbook that is no longer the one that the run was started with.
    pub fn resume(&self, run: &str) -> Result<Order, Error> {
        self.resume_telling(run, &mut |_| {})
    }

    /// The same, with each line so far handed to `each`, without its text: a view that knows them shows the rest as if it
    /// had been there from the beginning. The journal is read once for both.
    ///
    /// # Errors
    /// As [`Runbook::resume`].
    pub fn resume_telling(&self, run: &str, each: &mut dyn FnMut(&Line)) -> Result<Order, Error> {
        Playbook::resume(&self.inner, &self.inner.store.find(run)?, each)
    }

    /// The plan that a run was started with, from its own copy of the playbook: declared offline for its context, with its
    /// parameters. The context and the parameters are given along, so that another plan can be declared like it.
    ///
    /// # Errors
    /// No such run, or one that never began; a copy that cannot be read.
    pub fn plan_of(&self, run: &str) -> Result<(Plan, String, BTreeMap<String, Value>), Error> {
        let run = self.inner.store.find(run)?;
        let (playbook, state) = Playbook::kept(&self.inner, &run)?;
        let context = state.target.as_ref().map(|target| target.name.clone()).unwrap_or_default();
        let params = state.settings.params;
        Ok((playbook.plan_for(&context, params.clone()).0, context, params))
    }

    /// Opens the gate that a run waits at, on the evidence that it was opened with. The run goes on with `resume`, or at
    /// once where it is still waiting.
    ///
    /// # Errors
    /// The run waits at no gate, or at one whose class `approve` does not reach.
    pub fn approve(&self, run: &str, reason: Option<&str>) -> Result<RunId, Error> {
        let (run, state) = self.state_of(run)?;
        let gate = at_gate(&run, &state)?;
        if gate.card.class > crate::model::GateClass::Any {
            return Err(Error::new(
                ErrorKind::Refused,
                format!("gate \"{}\" is of class {}: `approve` does not open it", gate.card.question, gate.card.class),
            )
            .hint("it is decided by a person, on the terminal of the run"));
        }
        let now = self.inner.clock.now();
        let expires = now.checked_add(gate.card.expires.duration()).unwrap_or(now);
        let said = Said::Approve {
            gate: gate.card.gate.clone(),
            digest: gate.digest.clone(),
            expires,
            reason: reason.map(Into::into),
        };
        self.say(&run, said)
    }

    /// Keeps the gate that a run waits at shut.
    ///
    /// # Errors
    /// The run waits at no gate.
    pub fn reject(&self, run: &str, reason: Option<&str>) -> Result<RunId, Error> {
        let (run, state) = self.state_of(run)?;
        let gate = at_gate(&run, &state)?;
        let said =
            Said::Reject { gate: gate.card.gate.clone(), digest: gate.digest.clone(), reason: reason.map(Into::into) };
        self.say(&run, said)
    }

    /// Says that what a manual step asks for is done; its verifies run at the next resume, or at once.
    ///
    /// # Errors
    /// The run waits for no such step.
    pub fn done(&self, run: &str, step: &str, reason: Option<&str>) -> Result<RunId, Error> {
        let (run, state) = self.state_of(run)?;
        let waiting: Vec<&StepId> =
            state.steps.iter().filter(|(_, step)| undo::waits_for_hands(step)).map(|(id, _)| id).collect();
        let Some(id) = waiting.iter().find(|id| id.as_str() == step || id.as_str().ends_with(&format!("/{step}")))
        else {
            let mut error = Error::new(ErrorKind::Usage, format!("run {run} does not wait for a step `{step}`"));
            for id in &waiting {
                error = error.hint(format!("it waits for {id}"));
            }
            return Err(error);
        };
        let said = Said::Done { step: (*id).clone(), reason: reason.map(Into::into) };
        self.say(&run, said)
    }

    /// Keeps something unexpected that was seen, with the run and its present step.
    ///
    /// # Errors
    /// No such run, or its folder cannot be written.
    pub fn note(&self, run: &str, text: &str) -> Result<RunId, Error> {
        let (run, state) = self.state_of(run)?;
        let closed = state.is_closed();
        self.say(&run, Said::Note { text: text.into(), step: state.current })?;
        // no process comes for what is said to a run that is closed
        if closed && let Ok(opened) = self.inner.store.open(&run) {
            let absorbed = Recorder::new(opened.log, opened.state, vec![], Box::new(|_| {})).absorb();
            absorbed.map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))?;
        }
        Ok(run)
    }

    /// Gives a run up: it keeps its place no more, and what it changed stays. Gives what is left behind: the steps that
    /// are done or begun; none are known of a run whose journal cannot be read. One that ended before its first line is gone.
    ///
    /// # Errors
    /// The run is closed already, or a process works on it.
    pub fn abandon(&self, run: &str, reason: &str) -> Result<Vec<StepId>, Error> {
        let run = self.inner.store.find(run)?;
        let free =
            |run: &RunId| self.inner.lock.free(run).map_err(|error| Error::new(ErrorKind::Internal, error.to_string()));
        let opened = match self.inner.store.open(&run) {
            Ok(opened) => opened,
            // nothing can be said in such a journal any more; its place is not held forever
            Err(crate::event::StoreError::Damaged { .. }) => return free(&run).map(|()| vec![]),
            Err(error) => return Err(error.into()),
        };
        if opened.state.run.is_none() {
            // its process ended before the first line: nothing happened in it, and nothing can be said in it
            drop(opened);
            self.inner.store.discard(&run)?;
            return free(&run).map(|()| vec![]);
        }
        let given_up = self.gives_up_elsewhere(&run, &opened.state);
        if opened.state.is_closed() {
            // what could not be reached when it was given up is given up now
            if opened.state.life == Life::Closed(Closed::Abandoned) && given_up.is_ok_and(|given_up| given_up) {
                return Ok(vec![]);
            }
            return Err(
                Error::new(ErrorKind::Usage, format!("run {run} is closed")).hint(format!("runbook show {run}"))
            );
        }
        if let Err(LockError::Held { holder, .. }) = &given_up {
            let message = format!("run {run} is being run by another process ({})", holder.place());
            return Err(Error::new(ErrorKind::Locked, message)
                .hint("end it where it runs; if its process is gone, try again in a few seconds"));
        }
        let left: Vec<StepId> = opened
            .state
            .steps
            .iter()
            .filter(|(_, step)| !step.effects.is_empty() || step.by_hand)
            .map(|(id, _)| id.clone())
            .collect();
        let mut recorder = Recorder::new(opened.log, opened.state, vec![], Box::new(|_| {}));
        let closed = Event::Closed {
            how: Closed::Abandoned,
            reason: Some(reason.into()),
            exit: ExitCode::Done,
            exceptions: vec![],
        };
        recorder
            .absorb()
            .and_then(|_| recorder.record(&closed))
            .map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))?;
        free(&run)?;
        given_up.map(|_| left).map_err(|error| {
            let message = format!(
                "run {run} is given up; its place on the cluster is not, so runs of other machines are still refused: {error}"
            );
            Error::new(ErrorKind::Internal, message)
                .hint(format!("once the cluster answers: runbook abandon {run} --reason \"…\""))
        })
    }

    /// Gives up a run's place on its cluster; false where it has none there.
    fn gives_up_elsewhere(&self, run: &RunId, state: &RunState) -> Result<bool, LockError> {
        let refused = |error: Error| LockError::Refused { message: error.to_string(), help: error.hints().to_vec() };
        match Playbook::lock_of(&self.inner, state).map_err(refused)? {
            Some(lock) => lock.free(run).map(|()| true),
            None => Ok(false),
        }
    }

    /// All runs, the latest first; one that cannot be read is there with its error.
    ///
    /// # Errors
    /// The state folder cannot be read.
    pub fn runs(&self) -> Result<Vec<(RunId, Result<RunState, Error>)>, Error> {
        let runs = self.inner.store.runs()?;
        Ok(runs.into_iter().map(|(run, state)| (run, state.map_err(Error::from))).collect())
    }

    /// The one run that `name` names, in full or by a unique part.
    ///
    /// # Errors
    /// None or several have this name.
    pub fn find(&self, name: &str) -> Result<RunId, Error> {
        Ok(self.inner.store.find(name)?)
    }

    /// What the lines of a run fold to.
    ///
    /// # Errors
    /// No such run, or a damaged journal.
    pub fn state(&self, run: &RunId) -> Result<RunState, Error> {
        Ok(self.inner.store.state(run)?)
    }

    /// Whether a process works on the run now.
    pub fn is_live(&self, run: &RunId) -> bool {
        self.inner.store.is_live(run)
    }

    /// Hands each line of a run to `each`, from line `from` on, until it says false: a replay goes through the same views
    /// as a live run.
    ///
    /// # Errors
    /// No such run, or a damaged journal.
    pub fn show(&self, run: &RunId, from: u64, each: &mut dyn FnMut(&Line) -> bool) -> Result<(), Error> {
        Ok(self.inner.store.read(run, from, &mut |line| each(&line))?)
    }

    /// Writes the incident records of runs whose process died without one; gives their paths.
    ///
    /// # Errors
    /// The state folder cannot be read.
    pub fn write_missing_incidents(&self) -> Result<Vec<PathBuf>, Error> {
        let mut written = vec![];
        for (run, state) in self.inner.store.runs()? {
            let Ok(state) = state else { continue };
            let died = state.life == Life::Running && !self.inner.store.is_live(&run);
            if died && state.incident.is_none() && incident::due(&state) {
                written.extend(self.inner.write_incident(&run).ok());
            }
        }
        Ok(written)
    }

    fn state_of(&self, run: &str) -> Result<(RunId, RunState), Error> {
        let run = self.inner.store.find(run)?;
        let state = self.inner.store.state(&run)?;
        Ok((run, state))
    }

    /// Guards what the run's `secret(…)`s are here, so that nothing said to it is written with them.
    fn learn_secrets(&self, run: &RunId) {
        let Some((plan, _)) = self.inner.store.state(run).ok().and_then(|state| state.plan) else { return };
        let root =
            self.inner.store.bundle(run, None).ok().and_then(|bytes| crate::bundle::Bundle::from_bytes(&bytes).ok());
        let root = root.map(|bundle| bundle.root().to_path_buf()).unwrap_or_default();
        // a command that gives one may ask for a touch: not for a note
        for param in plan.secrets.iter().filter(|param| !param.from.starts_with("cmd ")) {
            if let Ok(secret) = connect::read_secret(&self.inner, &root, &param.from) {
                self.inner.scrubber.learn(&secret);
            }
        }
    }

    fn say(&self, run: &RunId, said: Said) -> Result<RunId, Error> {
        self.learn_secrets(run);
        let at = self.inner.clock.now();
        let id = format!("{}-{}", at.as_nanosecond(), builder::random_id());
        let message = Message { id, at, by: self.inner.account.clone(), said };
        self.inner.store.post(run, &message)?;
        Ok(run.clone())
    }
}

fn at_gate<'a>(run: &RunId, state: &'a RunState) -> Result<&'a crate::event::GateState, Error> {
    let gate = state.at_gate.as_ref().and_then(|id| state.gates.get(id)).filter(|_| !state.is_closed());
    gate.ok_or_else(|| {
        Error::new(ErrorKind::Usage, format!("run {run} waits at no gate")).hint(format!("runbook show {run}"))
    })
}

impl Inner {
    pub(super) fn write_incident(&self, run: &RunId) -> Result<PathBuf, String> {
        let mut lines = vec![];
        self.store
            .read(run, 1, &mut |line| {
                lines.push(line);
                true
            })
            .map_err(|error| error.to_string())?;
        let record = incident::build(&lines).ok_or("nothing happened in it that a record is about")?;
        let folder = self.store.incidents();
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let files =
            incident::files(&record).map(|(name, bytes)| (name, self.scrubber.scrub_bytes(&bytes).into_owned()));
        // a second failure of the same sort in the same minute has a record of its own; the same one is not written twice
        let suffix = (1..1000u32)
            .map(|n| if n == 1 { String::new() } else { format!("-{n}") })
            .find(|suffix| {
                files.iter().all(|(name, bytes)| {
                    std::fs::read(folder.join(numbered(name, suffix))).map_or(true, |there| there == *bytes)
                })
            })
            .unwrap_or_default();
        let mut first = None;
        for (name, bytes) in files {
            let path = folder.join(numbered(&name, &suffix));
            std::fs::write(&path, bytes).map_err(|error| format!("{}: {error}", path.display()))?;
            first.get_or_insert(path);
        }
        first.ok_or_else(|| "there is nothing to write".into())
    }
}

/// A file name with a suffix before its ending.
fn numbered(name: &str, suffix: &str) -> String {
    name.rsplit_once('.').map_or_else(|| format!("{name}{suffix}"), |(stem, ending)| format!("{stem}{suffix}.{ending}"))
}

impl fmt::Debug for Runbook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runbook").finish_non_exhaustive()
    }
}
