use std::{
    collections::BTreeMap,
    fmt,
    path::Path,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use serde_json::Value;

use super::{
    Error, ErrorKind, Run,
    builder::Inner,
    connect::{Reading, Way},
    handle::Shared,
};
use crate::{
    bundle::{Bundle, Config, StoreIn},
    event::{Cancel, Lock, Opened, RunState, Settings, Sink},
    model::{Digest, Finding, GateClass, Plan, RunId},
    run::{self, Connect as _, Requirement},
    script::{self, Declared, Setting, Sources},
};

/// A playbook with all that it is made of.
#[derive(Clone)]
pub struct Playbook {
    inner: Arc<Inner>,
    bundle: Arc<Bundle>,
    config: Option<Arc<Config>>,
    /// What could not be put into the bundle.
    unread: Arc<Vec<Finding>>,
    declared: Arc<OnceLock<Vec<(String, Declared)>>>,
}

impl Playbook {
    pub(super) fn load(inner: &Arc<Inner>, path: &Path) -> Result<Self, Error> {
        let bundle = Bundle::load(path).map_err(|error| {
            let finding = error.finding(None);
            let mut it = Error::new(ErrorKind::Usage, finding.message);
            for help in finding.help {
                it = it.hint(help);
            }
            it
        })?;
        let config = Config::find(bundle.root(), inner.config.as_deref())
            .map_err(|error| Error::new(ErrorKind::Usage, "the configuration is refused").findings_are(error.0))?;
        let mut unread = vec![];
        let (mut bundle, endless) = complete(bundle, &mut unread);
        // a declaration that does not end is not begun again
        let declared = endless.map_or_else(OnceLock::new, |declared| {
            unread.extend(declared.findings.clone());
            OnceLock::from(vec![(String::new(), declared)])
        });
        if let Some(config) = &config {
            bundle.set_config(config);
        }
        Ok(Self {
            inner: inner.clone(),
            bundle: Arc::new(bundle),
            config: config.map(Arc::new),
            unread: Arc::new(unread),
            declared: Arc::new(declared),
        })
    }

    /// A run's own copy of its playbook, made to go on.
    pub(super) fn resume(inner: &Arc<Inner>, run: &RunId) -> Result<Order, Error> {
        let opened = inner.store.open(run)?;
        let state = &opened.state;
        if state.run.is_none() {
            return Err(not_begun(run));
        }
        let damaged = |error: &dyn fmt::Display| {
            Error::new(ErrorKind::Internal, format!("the bundle of run {run} cannot be read: {error}"))
        };
        let mut bundle = Bundle::from_bytes(&inner.store.bundle(run)?).map_err(|error| damaged(&error))?;
        bundle
            .read_again()
            .map_err(|error| Error::new(ErrorKind::Refused, format!("run {run} cannot go on: {error}")))?;
        if let Some(origin) = &state.origin {
            refuse_changed(run, &bundle, Path::new(origin))?;
        }
        let config = config_of(inner, &bundle)?;
        let playbook = Self {
            inner: inner.clone(),
            bundle: Arc::new(bundle),
            config: config.map(Arc::new),
            unread: Arc::default(),
            declared: Arc::default(),
        };
        let context = state.target.as_ref().map(|target| target.name.clone()).unwrap_or_default();
        let mut order = playbook.run(&context);
        order.settings = Settings { until: None, ..state.settings.clone() };
        order.resumes = Some(opened);
        Ok(order)
    }

    /// Where a run has its place, where that is not this state folder.
    pub(super) fn lock_of(inner: &Arc<Inner>, state: &RunState) -> Result<Option<Arc<dyn Lock>>, Error> {
        let (Some(run), Some(target)) = (&state.run, &state.target) else { return Ok(None) };
        let bundle = Bundle::from_bytes(&inner.store.bundle(run)?)
            .map_err(|error| Error::new(ErrorKind::Internal, format!("the bundle of run {run}: {error}")))?;
        let config = config_of(inner, &bundle)?.map(Arc::new);
        let way = Way { inner: inner.clone(), bundle: Arc::new(bundle), config, context: target.name.clone() };
        if way.context()?.store() == StoreIn::Local {
            return Ok(None);
        }
        way.connect().map(|connected| connected.lock).map_err(|ended| Error::new(ErrorKind::Internal, ended.message))
    }

    /// What is found in it, for every context that it names, all at once. Nothing is contacted.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = (*self.unread).clone();
        for (_, declared) in self.declared() {
            for finding in run::together(&self.unread, &declared.findings) {
                if !findings.contains(&finding) {
                    findings.push(finding);
                }
            }
        }
        findings.sort_by(|a, b| a.place.cmp(&b.place));
        findings
    }

    /// The plan as declared offline, for the first context that it names.
    pub fn plan(&self) -> Plan {
        self.declared().first().map(|(_, declared)| declared.plan.clone()).unwrap_or_default()
    }

    /// The plan as declared offline for a context.
    pub fn plan_for(&self, context: &str, params: BTreeMap<String, Value>) -> (Plan, Vec<Finding>) {
        let settings = Settings { params, ..Settings::default() };
        let declared = self.way(context).declare(None, &settings, self.inner.clock.now(), &Cancel::new());
        (declared.plan, declared.findings)
    }

    /// The digest of all that it is made of: its hash.
    pub fn digest(&self) -> Digest {
        self.bundle.digest()
    }

    /// The contexts that `runbook.toml` declares.
    pub fn contexts(&self) -> Vec<String> {
        self.config.as_ref().map(|config| config.contexts.keys().cloned().collect()).unwrap_or_default()
    }

    /// The text of one of its scripts, for excerpts; embedded modules included.
    pub fn source(&self, path: &str) -> Option<Arc<str>> {
        self.bundle.text(path).ok().map(Arc::from)
    }

    /// A finding with the lines of the script that it is about, for people.
    pub fn explain(&self, finding: &Finding, color: bool) -> String {
        script::excerpt::render(finding, &super::connect::Frozen(self.bundle.clone()), color, 100)
    }

    /// A run of it on a context, not started yet.
    pub fn run(&self, context: &str) -> Order {
        Order {
            playbook: self.clone(),
            context: context.into(),
            settings: Settings::default(),
            sinks: vec![],
            cancel: Cancel::new(),
            break_lock: None,
            resumes: None,
        }
    }

    fn way(&self, context: &str) -> Way {
        Way {
            inner: self.inner.clone(),
            bundle: self.bundle.clone(),
            config: self.config.clone(),
            context: context.into(),
        }
    }

    /// Declared offline for each context that the plan names and `runbook.toml` declares; once without one where there
    /// is none.
    fn declared(&self) -> &[(String, Declared)] {
        self.declared.get_or_init(|| {
            let now = self.inner.clock.now();
            let cancel = Cancel::new();
            let named = self.way("").declare(None, &Settings::default(), now, &cancel);
            let wanted: Vec<String> = self
                .config
                .iter()
                .flat_map(|config| config.contexts.values())
                .filter(|context| named.plan.contexts.iter().any(|c| *c == context.name || c == context.tier()))
                .map(|context| context.name.clone())
                .collect();
            let mut order: Vec<String> = wanted;
            order.sort_by_key(|name| named.plan.contexts.iter().position(|c| c == name));
            if order.is_empty() {
                return vec![(String::new(), named)];
            }
            order
                .into_iter()
                .map(|name| {
                    let declared = self.way(&name).declare(None, &Settings::default(), now, &cancel);
                    (name, declared)
                })
                .collect()
        })
    }
}

/// The `runbook.toml` that a run goes by: the one that was named, the one it began with, or the bundle's copy.
fn config_of(inner: &Inner, bundle: &Bundle) -> Result<Option<Config>, Error> {
    let config = match (&inner.config, bundle.config()) {
        (Some(path), _) => Some(Config::read(path)),
        (None, Some((path, _))) if path.exists() => Some(Config::read(path)),
        (None, Some((path, text))) => Some(Config::parse(path, text)),
        (None, None) => None,
    };
    config
        .transpose()
        .map_err(|error| Error::new(ErrorKind::Usage, "the configuration is refused").findings_are(error.0))
}

/// Adds everything that a playbook names: imports, files given to natives, `files(…)` patterns. What cannot be added is
/// a finding. A declaration that did not end in its time is given back.
fn complete(bundle: Bundle, unread: &mut Vec<Finding>) -> (Bundle, Option<Declared>) {
    let entry = bundle.entry().to_string();
    let reading = Arc::new(Reading { bundle: Mutex::new(bundle), entry });
    let sources: Arc<dyn Sources> = reading.clone();
    let declared = script::declare(&sources, &Setting::default());
    let mut bundle = reading.bundle.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let facts = declared.facts();
    for site in &facts.calls {
        let Some(path) = site.literal.as_ref().filter(|text| !text.contains('\n')) else { continue };
        let added = match (site.module.as_str(), site.name.as_str()) {
            ("", "files") => bundle.add_glob(path),
            ("k8s", "apply" | "dry_run") => bundle.add(path),
            // a literal that is given to a helper may be a path as well; only what is there counts
            _ if path.contains(['/', '.']) && !path.contains(char::is_whitespace) => {
                let _ = bundle.add(path);
                continue;
            }
            _ => continue,
        };
        if let Err(error) = added {
            unread.push(error.finding(Some(site.place.clone())));
        }
    }
    for import in &facts.imports {
        let path = import.path.as_deref().unwrap_or_default();
        if let Some(text) = path.strip_prefix("std/").and_then(script::stdlib::text) {
            bundle.add_source(path, text);
        }
    }
    let endless = declared.findings.iter().any(|finding| finding.rule == "deadline");
    (bundle, endless.then_some(declared))
}

/// A run whose journal has no line says neither what it runs nor where.
fn not_begun(run: &RunId) -> Error {
    Error::new(ErrorKind::Usage, format!("run {run} ended before its first line: nothing was changed"))
        .hint("start it again: runbook run PLAYBOOK --context NAME")
        .hint(format!("runbook abandon {run} --reason \"…\""))
}

fn refuse_changed(run: &RunId, bundle: &Bundle, origin: &Path) -> Result<(), Error> {
    // without the original there is nothing to compare with: the copy is the playbook
    let Ok(now) = Bundle::load(origin) else { return Ok(()) };
    let (now, _) = complete(now, &mut vec![]);
    if now.digest() == bundle.digest() {
        return Ok(());
    }
    let changes = now.changed_since(bundle);
    let mut error =
        Error::new(ErrorKind::Refused, format!("{} is not what run {run} was started with", origin.display()));
    for change in &changes {
        let diff = change.diff.as_ref().map(|diff| format!("\n{diff}")).unwrap_or_default();
        error = error.hint(format!("{}: {:?}{diff}", change.path, change.kind).to_lowercase());
    }
    Err(error.hint(format!("put it back as it was, or give the run up: runbook abandon {run} --reason \"…\"")))
}

/// Parameters from a YAML file: a map of names and values.
///
/// # Errors
/// A file that cannot be read, or is no such map.
pub fn params_file(path: &Path) -> Result<BTreeMap<String, Value>, Error> {
    let name = path.display().to_string();
    let text =
        std::fs::read_to_string(path).map_err(|error| Error::new(ErrorKind::Usage, format!("{name}: {error}")))?;
    let documents = crate::object::yaml::documents(&text, &name)
        .map_err(|error| Error::new(ErrorKind::Usage, error.to_string()))?;
    match documents.into_iter().next().map(|document| document.value) {
        Some(Value::Object(map)) => Ok(map.into_iter().collect()),
        None => Ok(BTreeMap::new()),
        Some(_) => Err(Error::new(ErrorKind::Usage, format!("{name}: parameters are a map of names and values"))),
    }
}

/// A run that is about to be started.
pub struct Order {
    playbook: Playbook,
    context: String,
    settings: Settings,
    sinks: Vec<Box<dyn Sink>>,
    cancel: Cancel,
    break_lock: Option<String>,
    /// The run that it goes on with, held for writing from here on.
    resumes: Option<Opened>,
}

impl Order {
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
    /// The context is not declared, or the playbook does not name it. Whatever else is in the way is what the run came
    /// to: see [`Run::wait`].
    pub fn start(self) -> Result<Run, Error> {
        let way = self.playbook.way(&self.context);
        let context = way.context()?;
        let inner = self.playbook.inner.clone();
        let requirement = context.requires.as_ref().map(|required| Requirement {
            context: required.clone(),
            max_age: context.max_age,
            soak: context.soak,
        });
        let lowest = context.gate.unwrap_or(GateClass::Auto);
        // only other machines need to know it
        let folder = if context.store() == StoreIn::Cluster { inner.folder().ok() } else { None };
        let shared = Arc::new(Shared::default());
        let (told, named) = (shared.clone(), shared.clone());
        let scrubber = inner.scrubber.clone();
        let order = run::Order {
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
        };
        let handle = Run::new(shared.clone(), self.cancel, inner.store.clone());
        let resumes = self.resumes;
        std::thread::Builder::new()
            .name("runbook-run".into())
            // scripts recurse on this stack
            .stack_size(16 << 20)
            .spawn(move || {
                let ended = match resumes {
                    Some(opened) => run::resume(inner.crew(), order, opened),
                    None => run::start(inner.crew(), order),
                };
                shared.ended(ended);
            })
            .map_err(|error| Error::new(ErrorKind::Internal, format!("no thread could be started: {error}")))?;
        Ok(handle)
    }
}

impl fmt::Debug for Playbook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Playbook").field("entry", &self.bundle.entry()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order").field("context", &self.context).field("resumes", &self.resumes).finish_non_exhaustive()
    }
}
