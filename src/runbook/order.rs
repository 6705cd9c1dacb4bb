use std::{fmt, sync::Arc};

use serde_json::Value;

use super::{Error, ErrorKind, Run, handle::Shared, notify, playbook::Playbook};
use crate::{
    bundle::StoreIn,
    event::{Cancel, OnFailure, Opened, Settings, Sink, Stated},
    model::{Fault, GateClass, RunId, UndoPlan},
    run::{self, Ask, Changed, Requirement, Resumption, Settle, Waive},
};

/// A run that is about to be started.
pub struct Order {
    pub(super) playbook: Playbook,
    context: String,
    pub(super) settings: Settings,
    sinks: Vec<Box<dyn Sink>>,
    cancel: Cancel,
    break_lock: Option<String>,
    attended: bool,
    resumption: Resumption,
    /// The run that it goes on with, held for writing from here on.
    pub(super) resumes: Option<Opened>,
    /// The run that it takes back, and how far.
    pub(super) undoes: Option<(RunId, Ask)>,
    /// The original of its playbook, where that is not what the run was started with.
    pub(super) differs: Option<Box<Differs>>,
}

/// A playbook that is not what its run was started with.
pub(super) struct Differs {
    /// As it is now.
    pub playbook: Playbook,
    /// Its files that differ, a line each.
    pub files: Vec<String>,
    /// What is said where that is not accepted.
    pub error: Error,
}

impl Order {
    pub(super) fn new(playbook: Playbook, context: &str) -> Self {
        Self {
            playbook,
            context: context.into(),
            settings: Settings::default(),
            sinks: vec![],
            cancel: Cancel::new(),
            break_lock: None,
            attended: true,
            resumption: Resumption::default(),
            resumes: None,
            undoes: None,
            differs: None,
        }
    }

    /// Gives a parameter; a text is read as what the parameter is.
    #[must_use]
    pub fn param(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.settings.params.insert(name.into(), value.into());
        self
    }

    /// Goes without a staging run; the reason is on record and must be acknowledged at the start gate.
    #[must_use]
    pub fn skip_staging(mut self, reason: &str) -> Self {
        self.settings.skip_staging = Some(reason.into());
        self
    }

    /// Tells an object of the sandbox not to become ready, as long as this process works on the run:
    /// `HelmRelease/monitoring/grafana: install retries exhausted`, `…: stall`, `…: flap 5s`.
    #[must_use]
    pub fn fault(mut self, fault: &Fault) -> Self {
        self.settings.faults.push(fault.to_string());
        self
    }

    /// Stops after this step, by id or title, as at a gate.
    #[must_use]
    pub fn until(mut self, step: &str) -> Self {
        self.settings.until = Some(step.into());
        self
    }

    /// Takes the place by force where another run has it, which stops that run before its next change. The reason is on
    /// record with this run.
    #[must_use]
    pub fn break_lock(mut self, reason: &str) -> Self {
        self.break_lock = Some(reason.into());
        self
    }

    /// Says that nobody is there who waits: a verify that may take longer than a quarter of an hour lets the run wait
    /// without a process, as one that `.parks()` always does.
    #[must_use]
    pub fn unattended(mut self) -> Self {
        self.attended = false;
        self
    }

    /// On resume: says what became of a step that is uncertain or failed, by its id or title. The run ends *done with
    /// exceptions*.
    #[must_use]
    pub fn settle(mut self, step: &str, outcome: Stated, reason: &str) -> Self {
        self.resumption.settle = Some(Settle { step: step.into(), outcome, reason: reason.into() });
        self
    }

    /// On resume: lets one verify not hold, by its text and, where several have it, its step. Takes a decision of the
    /// context's gate class; the run ends *done with exceptions*.
    #[must_use]
    pub fn waive(mut self, verify: &str, step: Option<&str>, reason: &str) -> Self {
        let step = step.map(Into::into);
        self.resumption.waive = Some(Waive { verify: verify.into(), step, reason: reason.into() });
        self
    }

    /// On resume: goes on with the playbook as it is now, where it is not what the run was started with. Done steps keep
    /// what they did.
    #[must_use]
    pub fn accept_changes(mut self) -> Self {
        if let Some(differs) = self.differs.take() {
            self.playbook = differs.playbook;
            self.resumption.changed = Some(Changed { files: differs.files });
        }
        self
    }

    /// On resume and undo: goes on with the same cluster reached by another server or CA.
    #[must_use]
    pub fn accept_route(mut self, reason: &str) -> Self {
        self.resumption.accept_route = Some(reason.into());
        self
    }

    /// Says what is done about a failure; the default is to stop.
    #[must_use]
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.settings.on_failure = on_failure;
        self
    }

    /// Adds a view, which is told of each line on the run's own thread.
    #[must_use]
    pub fn sink(mut self, sink: Box<dyn Sink>) -> Self {
        self.sinks.push(sink);
        self
    }

    /// What asks for its end, to be kept beside the handle: a signal handler's.
    pub fn canceller(&self) -> Cancel {
        self.cancel.clone()
    }

    /// The name of the context that it works on.
    pub fn context(&self) -> &str {
        &self.context
    }

    /// The playbook that it runs.
    pub fn playbook(&self) -> &Playbook {
        &self.playbook
    }

    /// Starts it on a thread of its own.
    ///
    /// # Errors
    /// The context is not declared, or the playbook of a run that goes on is not what it was started with. Whatever else
    /// is in the way is what the run came to: see [`Run::wait`].
    pub fn start(mut self) -> Result<Run, Error> {
        if let Some(differs) = self.differs {
            return Err(differs.error);
        }
        let inner = self.playbook.inner.clone();
        // a run that a process works on is said to be so before anything else is looked at
        let undoes = match self.undoes.take() {
            Some((run, ask)) => Some((inner.store.open(&run)?, ask)),
            None => None,
        };
        let (resumes, shared) = (self.resumes.take(), Arc::new(Shared::default()));
        let handle = Run::new(shared.clone(), self.cancel.clone(), inner.store.clone());
        let order = self.order(&shared)?;
        std::thread::Builder::new()
            .name("runbook-run".into())
            // scripts recurse on this stack
            .stack_size(16 << 20)
            .spawn(move || {
                let ended = match (resumes, undoes) {
                    (_, Some((opened, ask))) => run::undo(inner.crew(), order, opened, &ask),
                    (Some(opened), None) => run::resume(inner.crew(), order, opened),
                    (None, None) => run::start(inner.crew(), order),
                };
                shared.ended(ended);
            })
            .map_err(|error| Error::new(ErrorKind::Internal, format!("no thread could be started: {error}")))?;
        Ok(handle)
    }

    /// What is to be taken back of its run.
    pub(super) fn ask(&mut self) -> &mut Ask {
        &mut self.undoes.get_or_insert_with(|| (RunId::new(""), Ask::default())).1
    }

    /// What taking its run back would do.
    pub(super) fn ways_back(mut self) -> Result<UndoPlan, Error> {
        let inner = self.playbook.inner.clone();
        let (run, ask) = self.undoes.take().unwrap_or_else(|| (RunId::new(""), Ask::default()));
        let order = self.order(&Arc::default())?;
        run::ways_back(&inner.crew(), &order, &run, &ask).map_err(|ended| Error::of(*ended))
    }

    /// What the run's thread gets.
    fn order(self, shared: &Arc<Shared>) -> Result<run::Order, Error> {
        let mut way = self.playbook.way(&self.context);
        way.faults = self.settings.faults.iter().filter_map(|fault| fault.parse().ok()).collect();
        let context = way.context()?;
        if let (Some(fault), false) = (way.faults.first(), context.sandbox) {
            let message = format!("'{fault}' can be told to a sandbox only, and {} is a real cluster", context.name);
            return Err(Error::new(ErrorKind::Usage, message).hint("leave --fault out"));
        }
        let inner = self.playbook.inner.clone();
        let requirement = context.requires.as_ref().map(|required| Requirement {
            context: required.clone(),
            max_age: context.max_age,
            soak: context.soak,
        });
        let lowest = context.gate.unwrap_or(GateClass::Auto);
        // only other machines need to know it
        let folder = if context.store() == StoreIn::Cluster { inner.folder().ok() } else { None };
        let (told, named) = (shared.clone(), shared.clone());
        let scrubber = inner.scrubber.clone();
        Ok(run::Order {
            bundle: self.playbook.bundle.clone(),
            origin: self.playbook.bundle.origin().map(|path| path.display().to_string()),
            config: self.playbook.config.as_ref().map(|config| config.path.display().to_string()),
            settings: self.settings,
            holds_secret: Box::new(move |bytes| scrubber.scrub_bytes(bytes) != bytes),
            connect: Arc::new(way),
            unread: (*self.playbook.unread).clone(),
            requirement,
            lowest,
            cancel: self.cancel.clone(),
            sinks: self.sinks,
            told: Box::new(move |line| told.told(line)),
            named: Box::new(move |run| named.named(run)),
            by: inner.account.clone(),
            host: inner.host.clone(),
            folder,
            break_lock: self.break_lock,
            attended: self.attended,
            resumption: self.resumption,
            notify: self.playbook.config.as_ref().and_then(|config| notify::teller(&inner, config)),
        })
    }
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order").field("context", &self.context).field("resumes", &self.resumes).finish_non_exhaustive()
    }
}
