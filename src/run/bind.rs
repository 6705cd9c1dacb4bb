use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::{Stop, executor::Run, identity::elsewhere, start::Ended};
use crate::{
    effect::{Call, Door, Mode},
    event::{Cancel, Clock, Event, Evidence, FailureKind, Lock, LogError, Recorder, Settings, Staged},
    model::{Body, Discovery, Identity, Severity, Target},
    script::{self, Answer, Declared, Discover, ScriptError},
};

/// How long one `discover` may take.
pub(super) const DISCOVER: Duration = Duration::from_mins(1);

/// Connects to a context, and declares the playbook on it: with its params, its tools, its checks.
pub trait Connect: Send + Sync {
    /// The context's door.
    ///
    /// # Errors
    /// An undeclared context (31), a kubeconfig that cannot be used (2 or 31).
    fn connect(&self) -> Result<Connected, Ended>;

    /// The way of the same playbook to another context of its configuration.
    fn on(&self, context: &str) -> Arc<dyn Connect>;

    /// What was verified on another context, where that is kept on its cluster.
    ///
    /// # Errors
    /// Why it cannot be seen.
    fn verified(&self, context: &str) -> Result<Option<Arc<dyn Evidence>>, Ended> {
        let _ = context;
        Ok(None)
    }

    /// Declares the script, offline without `discover`, rehearses it and checks it.
    fn declare(
        &self,
        discover: Option<Arc<dyn Discover>>,
        settings: &Settings,
        started: Timestamp,
        cancel: &Cancel,
    ) -> Declared;
}

/// A context that can be worked on.
pub struct Connected {
    /// Which.
    pub target: Target,
    /// The way there.
    pub door: Arc<Door>,
    /// The UID that the context is pinned to.
    pub pinned: Option<String>,
    /// The other real contexts of the same `runbook.toml`, each with the UID that it is pinned to.
    pub others: Vec<(String, Option<String>)>,
    /// Where its place is taken, where that is not the state folder.
    pub lock: Option<Arc<dyn Lock>>,
    /// Where other machines see what was verified there.
    pub evidence: Option<Arc<dyn Evidence>>,
}

impl std::fmt::Debug for Connected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connected").field("target", &self.target).finish_non_exhaustive()
    }
}

impl Run {
    /// Declares the script again, each `discover` answered where it stands, and asks everything that can be asked before
    /// the first change.
    pub fn bind(&mut self, staged: Staged) -> Result<(), Stop> {
        self.declare_bound(false)?;
        let bound = Event::Bound {
            identity: self.identity.clone(),
            plan: Box::new((*self.plan).clone()),
            digest: self.plan.digest(),
            staged,
        };
        self.append(&bound)?;
        self.preflight()
    }

    /// Declares the script on the context. `again`: what the journal answers is asked once more, for comparison only. One
    /// that asks nothing and needs no secret declares there what it declared offline, at the same start time: it is not run
    /// again.
    pub fn declare_bound(&mut self, again: bool) -> Result<(), Stop> {
        if !(self.plan.discoveries.is_empty() && self.plan.secrets.is_empty()) {
            self.declare_asking(again)?;
        }
        self.go_on()?;
        let errors: Vec<_> = self.declared.findings.iter().filter(|f| f.severity == Severity::Error).cloned().collect();
        if let Some(first) = errors.first() {
            let message = format!("declared on {}, the playbook is not ready: {}", self.target.name, first.message);
            self.append(&Event::Preflight { findings: errors.clone(), trial: vec![] })?;
            return Err(Self::refused(FailureKind::Preflight, message));
        }
        Ok(())
    }

    pub(super) fn declare_asking(&mut self, again: bool) -> Result<(), Stop> {
        let asking = Arc::new(Asking {
            recorder: self.recorder.clone(),
            doors: Doors {
                here: self.target.name.clone(),
                identity: self.identity.clone(),
                door: self.door.clone(),
                connect: self.connect.clone(),
                elsewhere: Mutex::default(),
                cancel: self.cancel.clone(),
            },
            cancel: self.cancel.clone(),
            clock: self.crew.clock.clone(),
            lost: Mutex::new(None),
            again,
            different: Mutex::default(),
        });
        let (settings, started) = self.with_state(|state| (state.settings.clone(), state.started));
        let started = started.unwrap_or_else(|| self.crew.clock.now());
        let declared = self.connect.declare(Some(asking.clone()), &settings, started, &self.cancel);
        if let Some(error) = asking.lost.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(Stop::Journal(error));
        }
        self.go_on()?;
        for text in std::mem::take(&mut *asking.different.lock().unwrap_or_else(PoisonError::into_inner)) {
            self.append(&Event::Noted { text, step: None, via: "resume".into() })?;
        }
        self.plan = Arc::new(declared.plan.clone());
        self.declared = declared;
        Ok(())
    }
}

/// The ways to the contexts that a plan asks.
pub(super) struct Doors {
    /// The bound context's name.
    pub here: String,
    pub identity: Option<Identity>,
    pub door: Arc<Door>,
    pub connect: Arc<dyn Connect>,
    /// Doors of other contexts, each opened when first asked; or why not.
    pub elsewhere: Mutex<BTreeMap<String, Result<Arc<Door>, String>>>,
    pub cancel: Cancel,
}

impl Doors {
    /// The door of a context of the plan; the run's own where none is named.
    pub fn door(&self, context: Option<&str>) -> Result<Arc<Door>, String> {
        let Some(context) = context.filter(|name| *name != self.here) else { return Ok(self.door.clone()) };
        let mut doors = self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner);
        let opened = doors.entry(context.into()).or_insert_with(|| {
            let here = (self.here.as_str(), self.identity.as_ref());
            let there = elsewhere(self.connect.on(context).as_ref(), here, &self.cancel);
            there.map(|(there, _)| there.door).map_err(|ended| [vec![ended.message], ended.help].concat().join("; "))
        });
        opened.clone()
    }
}

/// Answers `discover` on the bound context: from the journal where it has the answer, else by asking.
struct Asking {
    recorder: Arc<Mutex<Recorder>>,
    doors: Doors,
    cancel: Cancel,
    clock: Arc<dyn Clock>,
    lost: Mutex<Option<LogError>>,
    /// Whether what the journal answers is asked once more.
    again: bool,
    /// What is answered differently now.
    different: Mutex<Vec<String>>,
}

impl Asking {
    /// Asks what the journal has answered, and keeps what is different.
    fn compare(
        &self,
        asked: &Discovery,
        value: &serde_json::Value,
        ask: &mut dyn FnMut(script::Call) -> Result<serde_json::Value, ScriptError>,
    ) {
        let name = &asked.name;
        let now = self.doors.door(asked.context.as_deref()).and_then(|door| {
            let call = Call::new(Mode::Read, Some(door), self.cancel.clone()).until(Instant::now() + DISCOVER);
            ask(tag(&Body::Discovery(asked.turn), &call, self.clock.as_ref())).map_err(|error| error.message)
        });
        let text = match now {
            Ok(now) => {
                let now = self.doors.door.scrubbed(now);
                if now == *value {
                    return;
                }
                let brief = |value| crate::model::text::value(value, 300);
                format!("\"{name}\" is {} now; the journal's {} is used", brief(&now), brief(value))
            }
            Err(why) => format!("\"{name}\" is not answered now ({why}); what the journal has is used"),
        };
        self.different.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }
}

impl Discover for Asking {
    fn answer(
        &self,
        asked: &Discovery,
        ask: &mut dyn FnMut(script::Call) -> Result<serde_json::Value, ScriptError>,
    ) -> Result<Answer, ScriptError> {
        let known = {
            let recorder = self.recorder.lock().unwrap_or_else(PoisonError::into_inner);
            recorder.state().discovered.get(&asked.key()).cloned()
        };
        if let Some((value, failed)) = known {
            if self.again && failed.is_none() && !self.cancel.is_cancelled() {
                self.compare(asked, &value, ask);
            }
            return Ok(Answer { value, failed });
        }
        // the sample keeps the rest of the plan together, so that everything is still reported at once
        let unknown = |why| Answer { value: serde_json::Value::Null, failed: Some(why) };
        let answer = match self.doors.door(asked.context.as_deref()) {
            Err(why) => unknown(why),
            Ok(door) => {
                let call = Call::new(Mode::Read, Some(door), self.cancel.clone()).until(Instant::now() + DISCOVER);
                match ask(tag(&Body::Discovery(asked.turn), &call, self.clock.as_ref())) {
                    Ok(value) => Answer { value, failed: None },
                    Err(error) if self.cancel.is_cancelled() => return Err(error),
                    Err(error) => unknown(error.message),
                }
            }
        };
        // what was not asked because of Ctrl-C is asked by the resume
        if self.cancel.is_cancelled() && answer.failed.is_some() {
            return Ok(answer);
        }
        let event = Event::Discovered {
            name: asked.name.clone(),
            turn: asked.turn,
            context: asked.context.clone(),
            value: answer.value.clone(),
            failed: answer.failed.clone(),
            place: asked.place.clone(),
        };
        let mut recorder = self.recorder.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = recorder.append(&event) {
            *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
        Ok(answer)
    }
}

/// A call as its script knows it.
pub(super) fn tag(body: &Body, call: &Call, clock: &dyn Clock) -> script::Call {
    let cancel = call.cancel.clone();
    let mut tag = script::Call::new(body.clone()).through(Arc::new(call.clone()));
    tag.deadline = call.deadline;
    tag.cancelled = Some(Arc::new(move || cancel.is_cancelled()));
    tag.now = Some(clock.now());
    tag
}

/// What is locked: the cluster, narrowed by the plan's scope.
pub(super) fn place(target: &Target, identity: Option<&Identity>, scope: Option<&str>) -> String {
    let cluster = identity.map_or(target.name.as_str(), |identity| identity.uid.as_str());
    scope.map_or_else(|| cluster.to_string(), |scope| format!("{cluster}/{scope}"))
}

/// Six random hex digits.
pub(super) fn random_hex() -> String {
    let mut bytes = [0u8; 3];
    // without randomness the clock's lowest digits are as good: the folder's creation refuses a name that is taken
    if getrandom::fill(&mut bytes).is_err() {
        let nanos = Timestamp::now().subsec_nanosecond().to_le_bytes();
        bytes.copy_from_slice(&nanos[..3]);
    }
    format!("{:02x}{:02x}{:02x}", bytes[0], bytes[1], bytes[2])
}
