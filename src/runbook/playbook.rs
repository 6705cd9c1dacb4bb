use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::Path,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use serde_json::Value;

use super::{
    Error, ErrorKind,
    builder::Inner,
    connect::{Reading, Way},
    context::unreached,
    order::Order,
};
use crate::{
    bundle::{Bundle, Config, StoreIn},
    check,
    cluster::{Patience, Survey},
    event::{Cancel, Lock, RunState, Settings},
    model::{Digest, Finding, Plan},
    run::{self, Connect as _, Outlook},
    script::{self, Declared, Setting, Sources},
};

/// A playbook with all that it is made of.
#[derive(Clone)]
pub struct Playbook {
    pub(super) inner: Arc<Inner>,
    pub(super) bundle: Arc<Bundle>,
    pub(super) config: Option<Arc<Config>>,
    /// What could not be put into the bundle.
    pub(super) unread: Arc<Vec<Finding>>,
    pub(super) declared: Arc<OnceLock<Vec<(String, Declared)>>>,
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
        for path in bundle.files().keys() {
            inner.scrubber.learn_urls(bundle.text(path).unwrap_or_default());
        }
        Ok(Self {
            inner: inner.clone(),
            bundle: Arc::new(bundle),
            config: config.map(Arc::new),
            unread: Arc::new(unread),
            declared: Arc::new(declared),
        })
    }

    /// Where a run has its place, where that is not this state folder.
    pub(super) fn lock_of(inner: &Arc<Inner>, state: &RunState) -> Result<Option<Arc<dyn Lock>>, Error> {
        let (Some(run), Some(target)) = (&state.run, &state.target) else { return Ok(None) };
        let bundle = Bundle::from_bytes(&inner.store.bundle(run, state.bundle.as_ref().filter(|_| state.changed))?)
            .map_err(|error| Error::new(ErrorKind::Internal, format!("the bundle of run {run}: {error}")))?;
        let config = config_of(inner, &bundle)?.map(Arc::new);
        let (bundle, context) = (Arc::new(bundle), target.name.clone());
        let way = Way::new(inner, bundle, config, &context);
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

    /// The plan as a run would meet it on a context now: with discovered values, a trial over what is there, and what
    /// preflight finds. Nothing is changed, and no run begins.
    ///
    /// # Errors
    /// The context is not declared, cannot be reached, or is another cluster than the pinned one.
    pub fn plan_on(&self, context: &str, params: BTreeMap<String, Value>, cancel: &Cancel) -> Result<Outlook, Error> {
        let settings = Settings { params, ..Settings::default() };
        let way: Arc<dyn run::Connect> = Arc::new(self.way(context));
        let mut outlook =
            run::outlook(&way, &settings, &self.inner.clock, cancel).map_err(|ended| Error::of(*ended))?;
        outlook.findings = run::together(&self.unread, &outlook.findings);
        Ok(outlook)
    }

    /// The digest of all that it is made of: its hash.
    pub fn digest(&self) -> Digest {
        self.bundle.digest()
    }

    /// The Kubernetes objects that its files declare, in the order of their paths. What is no manifest is left out, and
    /// so is what a file that holds secrets says beside its name.
    pub fn manifests(&self) -> Vec<Value> {
        let objects = check::manifests(&self.bundle, &BTreeSet::new());
        objects
            .into_iter()
            .map(|(_, _, mut object)| {
                let secret = object["kind"] == "Secret";
                if let Some(map) = object.as_object_mut().filter(|_| secret) {
                    map.retain(|key, _| matches!(key.as_str(), "apiVersion" | "kind" | "metadata" | "type"));
                }
                object
            })
            .collect()
    }

    /// Everything that a context holds, every kind listed once, Secrets without their values: what
    /// [`crate::report::Picture::of`] draws the dependencies from.
    ///
    /// # Errors
    /// The context is not declared, has no cluster, cannot be reached, or is another cluster than the pinned one.
    pub fn survey(&self, context: &str, cancel: &Cancel) -> Result<Survey, Error> {
        let connected = self.way(context).connect().map_err(Error::of)?;
        run::who(&connected, cancel).map_err(|ended| Error::of(*ended))?;
        let cluster = connected.door.cluster().map_err(|error| unreached(&error.message, error.help.clone()))?;
        let patience = Patience { deadline: None, cancel: cancel.clone() };
        cluster.survey(&patience).map_err(|error| unreached(&error.to_string(), error.help()))
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
        let text = script::excerpt::render(finding, &super::connect::Frozen(self.bundle.clone()), color, 100);
        self.inner.scrubber.scrub(&text).into_owned()
    }

    /// A run of it on a context, not started yet.
    pub fn run(&self, context: &str) -> Order {
        Order::new(self.clone(), context)
    }

    pub(super) fn way(&self, context: &str) -> Way {
        Way::new(&self.inner, self.bundle.clone(), self.config.clone(), context)
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
pub(super) fn config_of(inner: &Inner, bundle: &Bundle) -> Result<Option<Config>, Error> {
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
pub(super) fn complete(bundle: Bundle, unread: &mut Vec<Finding>) -> (Bundle, Option<Declared>) {
    let entry = bundle.entry().to_string();
    let reading = Arc::new(Reading { bundle: Mutex::new(bundle), entry });
    let sources: Arc<dyn Sources> = reading.clone();
    let declared = script::declare(&sources, &Setting::default());
    let mut bundle = reading.bundle.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let facts = declared.facts();
    for site in &facts.calls {
        if site.module == "cmd" {
            for argument in &site.listed {
                add_argument(&mut bundle, argument);
            }
        }
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

/// Adds what an argument of a command names. What is no file is an argument like any other.
fn add_argument(bundle: &mut Bundle, argument: &str) {
    let here = matches!(argument, "." | "./");
    let named_folder = || argument.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'));
    let path = match script::path_in(argument) {
        Some(path) => path,
        None if here => "",
        None if named_folder() && is_source(&bundle.root().join(argument)) => argument,
        None => return,
    };
    if here {
        for part in CHART.into_iter().chain(KUSTOMIZATIONS) {
            let _ = bundle.add(part);
        }
    } else if bundle.add(path).is_err() {
        return;
    }
    let folder = path.trim_start_matches("./").trim_end_matches('/');
    add_kustomized(bundle, folder, &mut BTreeSet::new());
}

const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
const CHART: [&str; 8] =
    ["Chart.yaml", "Chart.lock", "values.yaml", "values.schema.json", ".helmignore", "templates", "crds", "charts"];

/// Whether a folder holds manifests, a chart or a kustomization.
fn is_source(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names = entries.map(|entry| std::path::PathBuf::from(entry.file_name()));
    names.any(|name| name.extension().is_some_and(|it| ["yaml", "yml", "json"].iter().any(|known| it == *known)))
}

/// Adds what the `kustomization.yaml` of a folder takes in; what it cannot, the command is refused for.
fn add_kustomized(bundle: &mut Bundle, folder: &str, seen: &mut BTreeSet<String>) {
    let own = KUSTOMIZATIONS.iter().map(|name| format!("{folder}/{name}").trim_start_matches('/').to_owned());
    let Some(path) = own.into_iter().find(|path| bundle.add(path).is_ok() && seen.insert(path.clone())) else { return };
    let documents = crate::object::yaml::documents(bundle.text(&path).unwrap_or_default(), &path).unwrap_or_default();
    let taken = documents.iter().flat_map(|document| crate::object::repo::taken(&document.value));
    let paths: Vec<String> = taken.filter_map(|(_, what)| crate::object::repo::resolved(folder, &what)).collect();
    for path in paths {
        if bundle.root().join(&path).is_dir() {
            add_kustomized(bundle, &path, seen);
        } else {
            let _ = bundle.add(&path);
        }
    }
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

impl fmt::Debug for Playbook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Playbook").field("entry", &self.bundle.entry()).finish_non_exhaustive()
    }
}
