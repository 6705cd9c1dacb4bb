use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use super::{
    Stop,
    bind::{self, Connect, Connected},
    executor::Run,
    gate::Broker,
    identity::{refuse_shared, who},
    place,
    promotion::{self, Candidate, Requirement},
    resume::Resumption,
    soak::Soaked,
};
use crate::{
    bundle::Bundle,
    event::{
        Cancel, Clock, Event, Failure, FailureKind, Folder, Gates, Held, Lock, Log, LogError, Recorder, RunState,
        Settings, Sink, Staged, Store, StoreError,
    },
    model::{Digest, ExitCode, Finding, GateClass, Identity, Plan, RunId, Severity, slug},
    script::Declared,
};

/// What to do about a state folder that cannot be used.
pub const WRITABLE: &str = "make room or make the folder writable, or name another one in RUNBOOK_STATE_DIR";

/// What runs are made with: the extension points of the library.
#[derive(Clone)]
pub struct Crew {
    /// Where runs are kept.
    pub store: Arc<dyn Store>,
    /// One run that changes per cluster.
    pub lock: Arc<dyn Lock>,
    /// What the time is.
    pub clock: Arc<dyn Clock>,
    /// Who decides gates, each with the class that its answer counts as at most.
    pub gates: Vec<Broker>,
    /// Writes a run's incident record; gives its path.
    pub write_incident: Arc<dyn Fn(&RunId) -> Result<PathBuf, String> + Send + Sync>,
}

impl Crew {
    pub(super) fn brokers(&self) -> Vec<Arc<dyn Gates>> {
        self.gates.iter().map(|(_, broker)| broker.clone()).collect()
    }
}

/// What is to be run, and where.
pub struct Order {
    /// The playbook.
    pub bundle: Arc<Bundle>,
    /// Where it was read from.
    pub origin: Option<String>,
    /// The `runbook.toml` in force.
    pub config: Option<String>,
    /// What was asked for.
    pub settings: Settings,
    /// Whether bytes hold a known secret: such a file is not copied.
    pub holds_secret: Box<dyn Fn(&[u8]) -> bool + Send>,
    /// What could not be put into the bundle.
    pub unread: Vec<Finding>,
    /// Connects to the context and declares on it.
    pub connect: Arc<dyn Connect>,
    /// What the context asks of an earlier one.
    pub requirement: Option<Requirement>,
    /// The lowest class that any gate may have there.
    pub lowest: GateClass,
    /// Ends it.
    pub cancel: Cancel,
    /// Views.
    pub sinks: Vec<Box<dyn Sink>>,
    /// Gets the number of each line that views may see.
    pub told: Box<dyn Fn(u64) + Send>,
    /// Gets the run's id once there is one.
    pub named: Box<dyn Fn(&RunId) + Send>,
    /// The account that starts it.
    pub by: Option<String>,
    /// The machine.
    pub host: String,
    /// The state folder.
    pub folder: Option<Folder>,
    /// With which words the place is taken by force, where another run has it.
    pub break_lock: Option<String>,
    /// Whether a person is there who can wait: else a verify that may take long goes on waiting without a process.
    pub attended: bool,
    /// What is said along with a resume.
    pub resumption: Resumption,
    /// Tells somebody of an end: `waiting`, `failed` or `expired`, and its event as JSON.
    pub notify: Option<Notify>,
}

/// Tells somebody outside what a run came to; an error is noted and stops nothing.
pub type Notify = Box<dyn Fn(&str, &serde_json::Value) -> Result<(), String> + Send>;

/// What a run's process came to.
#[derive(Debug)]
#[non_exhaustive]
pub struct Ended {
    /// The run; none where it was refused before it began to exist.
    pub run: Option<RunId>,
    /// The code to exit with.
    pub exit: ExitCode,
    /// What happened, in words.
    pub message: String,
    /// What check or preflight found.
    pub findings: Vec<Finding>,
    /// What did not go as expected.
    pub failure: Option<Failure>,
    /// What to type.
    pub help: Vec<String>,
    /// The incident record.
    pub incident: Option<PathBuf>,
}

impl Ended {
    pub(crate) fn new(exit: ExitCode, message: impl Into<String>) -> Self {
        Self { run: None, exit, message: message.into(), findings: vec![], failure: None, help: vec![], incident: None }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }
}

/// Runs a playbook from its beginning.
pub fn start(crew: Crew, order: Order) -> Ended {
    match begin(crew, order) {
        Ok((run, staged)) => {
            let mut run = run;
            let result = run.bind(staged).and_then(|()| run.drive());
            run.finish(result)
        }
        Err(ended) => *ended,
    }
}

/// Everything that is asked before the run begins to exist.
fn begin(mut crew: Crew, order: Order) -> Result<(Run, Staged), Box<Ended>> {
    // what does not end while it is declared is not declared again
    if order.unread.iter().any(|finding| finding.rule == "deadline") {
        refuse_errors(&order.unread)?;
    }
    let started = crew.clock.now();
    let offline = order.connect.declare(None, &order.settings, started, &order.cancel);
    if order.cancel.is_cancelled() {
        return Err(Box::new(Ended::new(
            interrupted(&order.cancel),
            "stopped before the run began; nothing was changed",
        )));
    }
    let mut findings = together(&order.unread, &offline.findings);
    // a plan can be read without them; bound it would be refused, so no run begins
    findings.iter_mut().filter(|finding| finding.rule == "missing-param").for_each(|finding| {
        finding.severity = Severity::Error;
    });
    refuse_errors(&findings)?;
    let connected = order.connect.connect().map_err(Box::new)?;
    refuse_unnamed(&offline.plan, &connected.target)?;
    refuse_unknown_step(&offline.plan, order.settings.until.as_deref())?;
    let identity = who(&connected, &order.cancel).map_err(untouched)?;
    refuse_shared(&connected, identity.as_ref(), crew.store.as_ref(), order.config.as_deref())?;
    let staged = staged(&crew, &order, &offline.plan, &connected, identity.as_ref())?;
    let run = RunId::new(format!("{}-{}", slug(stem(&order.bundle)), bind::random_hex()));
    let holder = order.holder(run.clone(), &connected.target.name, started);
    let at = bind::place(&connected.target, identity.as_ref(), offline.plan.scope.as_deref());
    let bytes = order
        .bundle
        .to_bytes(order.holds_secret.as_ref())
        .map_err(|error| Box::new(Ended::new(ExitCode::Internal, error.to_string())))?;
    let log = crew.store.create(&run, &bytes).map_err(|error| unwritable(&error))?;
    crew.lock = connected.lock.clone().unwrap_or(crew.lock);
    // after the run's folder is there: a holder without one counts as gone
    let (held, broken) = match place::occupy(crew.lock.as_ref(), &at, &holder) {
        Ok(occupied) => occupied,
        Err(ended) => {
            drop(log);
            crew.store.discard(&run).map_err(|error| unwritable(&error))?;
            return Err(ended);
        }
    };
    (order.named)(&run);
    let opened = Event::Opened {
        run,
        playbook: order.bundle.entry().to_string(),
        origin: order.origin.clone(),
        config: order.config.clone(),
        title: offline.plan.title.clone(),
        target: connected.target.clone(),
        bundle: order.bundle.digest(),
        started: holder.since,
        program: env!("CARGO_PKG_VERSION").into(),
        settings: order.settings.clone(),
        by: order.by.clone(),
    };
    let run = Run::joined(crew, order, (log, RunState::default()), Stood { connected, identity, offline, held });
    run.append(&opened)
        .and_then(|()| run.broke(broken, holder.broke.as_deref().unwrap_or_default()))
        .map_err(|error| unjournaled(&error))?;
    Ok((run, staged))
}

/// What could not be read and what was found, each place once: a file that is missing is not said to be undeclared too.
pub fn together(unread: &[Finding], found: &[Finding]) -> Vec<Finding> {
    let known = |place| unread.iter().any(|finding| finding.place.is_some() && finding.place == place);
    unread.iter().chain(found.iter().filter(|finding| !known(finding.place.clone()))).cloned().collect()
}

pub(super) fn interrupted(cancel: &Cancel) -> ExitCode {
    if cancel.reason() == Some("SIGTERM") { ExitCode::Terminated } else { ExitCode::Interrupted }
}

/// What is said where no cluster could be made out.
pub(super) fn untouched(mut ended: Box<Ended>) -> Box<Ended> {
    ended.message.push_str("; nothing was changed");
    ended
}

pub(super) fn staged(
    crew: &Crew,
    order: &Order,
    plan: &Plan,
    connected: &Connected,
    identity: Option<&Identity>,
) -> Result<Staged, Box<Ended>> {
    let Some(need) = &order.requirement else { return Ok(Staged::NotRequired) };
    if let Some(reason) = &order.settings.skip_staging {
        return Ok(Staged::Skipped { reason: reason.clone() });
    }
    let bundle: Digest = order.bundle.digest();
    let candidate = Candidate {
        bundle: &bundle,
        plan,
        file: order.bundle.entry(),
        context: &connected.target.name,
        sandbox: connected.target.sandbox,
        identity,
        // runs of other machines count too, so the time is the cluster's
        now: connected.door.server_now().unwrap_or_else(|| crew.clock.now()),
    };
    let found = promotion::evidence(crew.store.as_ref(), need, &candidate, order.connect.as_ref());
    let (mut staged, state) = found.map_err(|unmet| {
        let mut ended = Ended::new(ExitCode::Refused, unmet.message);
        ended.help = unmet.help;
        Box::new(ended)
    })?;
    if need.soak.is_some()
        && let Staged::By { again, .. } = &mut staged
    {
        let soaked = Soaked {
            connect: order.connect.as_ref(),
            here: (&connected.target.name, identity),
            staged: &state,
            cancel: &order.cancel,
            clock: crew.clock.as_ref(),
        };
        *again = soaked.look()?;
    }
    Ok(staged)
}

/// A context that the plan does not name is not one of its contexts, however well it is declared.
pub(super) fn refuse_unnamed(plan: &Plan, target: &crate::model::Target) -> Result<(), Box<Ended>> {
    if plan.contexts.is_empty() || plan.contexts.iter().any(|named| *named == target.name || *named == target.tier) {
        return Ok(());
    }
    let message = format!("the playbook is not for context {}: it names {}", target.name, plan.contexts.join(", "));
    let help = format!("name it in the plan: .contexts([…, \"{}\"])", target.name);
    Err(Box::new(Ended::new(ExitCode::WrongContext, message).help(help)))
}

/// A run that is to stop after a step which is not there would not stop.
pub(super) fn refuse_unknown_step(plan: &Plan, until: Option<&str>) -> Result<(), Box<Ended>> {
    let Some(until) = until else { return Ok(()) };
    if plan.steps().any(|step| step.id.as_str() == until || step.title == until) {
        return Ok(());
    }
    let near = plan
        .steps()
        .map(|step| step.id.as_str())
        .max_by(|a, b| strsim::jaro_winkler(a, until).total_cmp(&strsim::jaro_winkler(b, until)));
    let ended = Ended::new(ExitCode::Usage, format!("--until {until}: the playbook has no such step"));
    Err(Box::new(match near {
        Some(near) => ended.help(format!("did you mean {near}?")),
        None => ended,
    }))
}

pub(super) fn refuse_errors(findings: &[Finding]) -> Result<(), Box<Ended>> {
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    if errors == 0 {
        return Ok(());
    }
    let words = if errors == 1 { "1 finding".to_string() } else { format!("{errors} findings") };
    let mut ended = Ended::new(ExitCode::Refused, format!("the playbook is refused: {words}; nothing was changed"));
    ended.findings = findings.to_vec();
    Err(Box::new(ended))
}

pub(super) fn unwritable(error: &StoreError) -> Box<Ended> {
    Box::new(
        Ended::new(ExitCode::Internal, format!("no journal can be kept, so nothing is changed: {error}"))
            .help(WRITABLE),
    )
}

pub(super) fn unjournaled(error: &LogError) -> Box<Ended> {
    Box::new(Ended::new(ExitCode::Internal, format!("{error}; nothing is changed")).help(WRITABLE))
}

pub(super) fn name(state: &RunState) -> String {
    state.run.as_ref().map(ToString::to_string).unwrap_or_default()
}

fn stem(bundle: &Bundle) -> &str {
    let entry = bundle.entry();
    entry.rsplit('/').next().unwrap_or(entry).trim_end_matches(".rhai")
}

/// What stands once a run has its place.
pub(super) struct Stood {
    pub connected: Connected,
    pub identity: Option<Identity>,
    pub offline: Declared,
    pub held: Box<dyn Held>,
}

impl Run {
    /// A run that is not bound yet: its plan is the one that was declared offline.
    pub(super) fn joined(crew: Crew, order: Order, journal: (Box<dyn Log>, RunState), stood: Stood) -> Self {
        let (log, state) = journal;
        let Stood { connected, identity, offline, held } = stood;
        Self {
            crew,
            recorder: Arc::new(Mutex::new(Recorder::new(log, state, order.sinks, order.told))),
            plan: Arc::new(offline.plan.clone()),
            declared: offline,
            door: connected.door,
            connect: order.connect,
            cancel: order.cancel,
            target: connected.target,
            identity,
            lowest: order.lowest,
            held: Arc::new(Mutex::new(held)),
            evidence: connected.evidence,
            until: order.settings.until,
            attended: order.attended,
            by: order.by,
            resumption: order.resumption,
            notify: order.notify,
            on_failure: order.settings.on_failure,
        }
    }

    /// What preflight and a changed playbook are reported as.
    pub(super) fn refused(kind: FailureKind, message: String) -> Stop {
        Stop::Failed { failure: Box::new(Failure::new(kind, message)), step: None }
    }
}
