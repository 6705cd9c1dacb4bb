//! How a context of `runbook.toml` becomes a door, and how a playbook is declared on it.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Error, ErrorKind, builder::Inner, sandbox::Reached};
use crate::{
    bundle::{self, Bundle, Config, StoreIn},
    check,
    cluster::{Cluster, ClusterEvidence, ClusterLock, KubeconfigSource, Reach, Seat},
    effect::{Door, DoorParts, EffectError, Elsewhere, HostRule, Manifests, RepoPlace, Sort},
    event::{Cancel, Evidence, Lock, LockError, Settings},
    http::Http,
    model::{Fault, Finding, Target},
    process::{
        self, Command, Environment, Hooks, PrivateKubeconfig, Reachable,
        rules::{self, ToolDecl},
    },
    redact::{Scrubber, Secret},
    run::{self, Connect, Connected, Ended},
    sandbox::{Kept, Sandbox},
    script::{self, Declared, Discover, Setting, SourceError, Sources},
};

/// One context of one playbook.
pub(super) struct Way {
    pub inner: Arc<Inner>,
    pub bundle: Arc<Bundle>,
    pub manifests: Manifests,
    pub config: Option<Arc<Config>>,
    pub context: String,
    /// What is told to the sandbox beside what `runbook.toml` tells it.
    pub faults: Vec<Fault>,
}

impl Way {
    /// The way of a playbook to a context.
    pub fn new(inner: &Arc<Inner>, bundle: Arc<Bundle>, config: Option<Arc<Config>>, context: &str) -> Self {
        let manifests = Manifests::default();
        Self { inner: inner.clone(), bundle, manifests, config, context: context.into(), faults: vec![] }
    }

    /// The context as it is declared. A playbook without `runbook.toml` reaches nothing.
    pub fn context(&self) -> Result<&bundle::Context, Error> {
        let Some(config) = &self.config else {
            return Err(Error::new(
                ErrorKind::Context,
                format!("context `{}` is declared nowhere: there is no runbook.toml", self.context),
            )
            .hint(format!("write one beside the playbook: [contexts.{}]", self.context)));
        };
        config.context(&self.context).map_err(|finding| {
            let mut error = Error::new(ErrorKind::Context, finding.message);
            for help in finding.help {
                error = error.hint(help);
            }
            error
        })
    }

    pub fn target(&self) -> Result<Target, Error> {
        let context = self.context()?;
        Ok(Target { name: context.name.clone(), tier: context.tier().to_string(), sandbox: context.sandbox })
    }

    /// A door that nothing can be reached through: for trials.
    fn closed_door(&self, target: &Target) -> Arc<Door> {
        Door::new(DoorParts {
            target: target.clone(),
            bundle: self.bundle.clone(),
            manifests: self.manifests.clone(),
            cluster: Box::new(|| Err(unseen("what the cluster holds"))),
            sandbox: None,
            http: Box::new(|| Err(unseen("what a host answers"))),
            hosts: self.hosts(),
            tools: self.tools(),
            environment: vec![],
            folder: None,
            env: vec![],
            talosconfig: None,
            elsewhere: None,
            repo: RepoPlace::default(),
            kubeconfig: Box::new(|| Err(unseen("what a command prints"))),
            modules: self.inner.modules.clone(),
            scrubber: self.inner.scrubber.clone(),
        })
    }

    fn hosts(&self) -> HostRule {
        let Some(config) = &self.config else { return HostRule::default() };
        let mut rule = HostRule::default();
        for (name, context) in &config.contexts {
            if *name == self.context {
                rule.own.clone_from(&context.hosts);
            } else {
                rule.others.push((name.clone(), context.hosts.clone()));
            }
        }
        rule
    }

    /// The hosts, and the API servers of all contexts that the kubeconfig has, as far as it can be read.
    fn hosts_and_servers(&self, own: &bundle::Context) -> HostRule {
        let mut rule = self.hosts();
        let place = |url: &str| crate::http::place_of(url).ok();
        let servers = |context: &bundle::Context| self.source(context).servers().unwrap_or_default();
        let kube_context = |context: &bundle::Context| context.kube_context.clone().unwrap_or(context.name.clone());
        let declared = self.config.iter().flat_map(|config| config.contexts.values());
        for context in declared.filter(|context| !context.sandbox && context.target.is_empty()) {
            let Some((_, url)) = servers(context).into_iter().find(|(name, _)| *name == kube_context(context)) else {
                continue;
            };
            if context.name == own.name {
                rule.server = place(&url);
            } else {
                rule.servers.extend(place(&url).map(|server| (format!("context {}", context.name), server)));
            }
        }
        let named =
            servers(own).into_iter().filter_map(|(name, url)| Some((format!("kube-context {name}"), place(&url)?)));
        rule.servers.extend(named);
        rule
    }

    /// Hosts that the scripts ask by their full name and that the context does not declare; a sandbox reaches none.
    fn undeclared_hosts(&self, declared: &Declared) -> Vec<Finding> {
        let Ok(context) = self.context() else { return vec![] };
        let facts = declared.facts();
        let literal = facts.calls.iter().filter(|site| site.module == "http");
        let mut asked = literal.filter_map(|site| Some((site.literal.as_ref()?, &site.place))).peekable();
        if context.sandbox || asked.peek().is_none() {
            return vec![];
        }
        let rule = self.hosts_and_servers(context);
        let mut found: Vec<Finding> = vec![];
        for finding in asked.filter_map(|(url, at)| Some(rule.finding(&context.name, url)?.at(at.clone()))) {
            if !found.iter().any(|known| known.message == finding.message) {
                found.push(finding);
            }
        }
        found
    }

    /// Where a context's kubeconfig is read from.
    fn source(&self, context: &bundle::Context) -> KubeconfigSource {
        context.kubeconfig.as_ref().map_or_else(|| self.inner.kubeconfig(), KubeconfigSource::file)
    }

    /// The contexts that are clusters, each with its tier.
    fn clusters(&self) -> Vec<(String, String)> {
        let contexts = self.config.iter().flat_map(|config| config.contexts.values());
        let clusters = contexts.filter(|context| context.target.is_empty());
        clusters.map(|context| (context.name.clone(), context.tier().to_owned())).collect()
    }

    /// Where the GitOps repository is: as `[repo]` says, else where Flux follows the context, else above the playbook.
    fn repo(&self, context: &bundle::Context) -> RepoPlace {
        let Some(config) = &self.config else { return RepoPlace::default() };
        let own = config.contexts.iter().map(|(name, context)| {
            let params = context.params.iter().map(|(name, value)| {
                let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
                (format!("param {name}"), text)
            });
            let hosts = context.hosts.iter().enumerate();
            let hosts = hosts.map(|(n, host)| (format!("host {n}"), host.trim_start_matches("*.").to_owned()));
            (name.clone(), params.chain(hosts).collect())
        });
        let folders = [Some(self.bundle.root()), config.path.parent()];
        RepoPlace {
            path: config.repo.path.clone().or_else(|| context.git.as_ref().map(|git| git.repo.clone())),
            from: folders
                .into_iter()
                .flatten()
                .filter(|path| !path.as_os_str().is_empty())
                .map(PathBuf::from)
                .collect(),
            clusters: config.repo.clusters.clone(),
            references: config.repo.references.clone(),
            own: own.collect(),
        }
    }

    fn tools(&self) -> std::collections::BTreeMap<String, ToolDecl> {
        let Some(config) = &self.config else { return std::collections::BTreeMap::new() };
        let decl = |rules: &bundle::ToolRules| ToolDecl {
            read: rules.read.clone(),
            change: rules.change.clone(),
            secret: rules.secret.clone(),
            cluster: match rules.cluster {
                bundle::Reach::Kubeconfig => rules::Cluster::Kubeconfig,
                bundle::Reach::None => rules::Cluster::None,
            },
        };
        config.tools.iter().map(|(name, rules)| (name.clone(), decl(rules))).collect()
    }

    fn setting(
        &self,
        target: Target,
        settings: &Settings,
        started: Timestamp,
        cancel: &Cancel,
        bound: bool,
    ) -> Setting {
        let mut setting = Setting {
            context: Some(target),
            params: settings.params.clone(),
            now: Some(started),
            ..Setting::default()
        };
        if let Some(config) = &self.config {
            setting.contexts =
                config.contexts.values().map(|context| (context.name.clone(), context.tier().to_string())).collect();
            setting.config_params =
                config.contexts.values().map(|context| (context.name.clone(), context.params.clone())).collect();
        }
        let cancel = cancel.clone();
        setting.cancelled = Some(Arc::new(move || cancel.is_cancelled()));
        setting.modules.clone_from(&self.inner.modules);
        let (inner, root) = (self.inner.clone(), self.bundle.root().to_path_buf());
        // a plan needs no secret before it is bound
        setting.secrets = bound.then(|| -> script::Secrets {
            Arc::new(move |param| {
                let secret = read_secret(&inner, &root, &param.from)?;
                inner.scrubber.learn(&secret);
                Ok(secret)
            })
        });
        setting
    }
}

impl Way {
    /// The same playbook's way to another context.
    fn beside(&self, context: &str) -> Self {
        Self::new(&self.inner, self.bundle.clone(), self.config.clone(), context)
    }

    /// What runs of other machines know each other by, where the context's cluster keeps it.
    fn in_cluster(
        &self,
        context: &bundle::Context,
        door: &Arc<Door>,
    ) -> Result<Option<(Arc<dyn Lock>, Arc<dyn Evidence>)>, Ended> {
        if context.store() == StoreIn::Local {
            return Ok(None);
        }
        let folder = self.inner.folder().map_err(|message| {
            Error::new(ErrorKind::Internal, format!("no place can be kept, so nothing is changed: {message}"))
                .hint(run::WRITABLE)
                .ended()
        })?;
        let door = door.clone();
        let reach: Reach = Arc::new(move || {
            door.cluster().cloned().map_err(|error| match error.sort {
                Sort::Unreachable => LockError::Unreachable { message: error.message },
                _ => LockError::Refused { message: error.message, help: error.help },
            })
        });
        let seat = Seat { host: self.inner.host.clone(), folder };
        let lock = ClusterLock::new(reach.clone(), self.inner.lock.clone(), self.inner.store.clone(), seat);
        Ok(Some((Arc::new(lock), Arc::new(ClusterEvidence::new(reach)))))
    }

    /// The kubeconfig that commands of a run get, written at the first one: exactly one context.
    fn private_kubeconfig(
        &self,
        reached: Option<&Reached>,
        target: &Target,
        elsewhere: Option<Elsewhere>,
        source: KubeconfigSource,
        kube_context: String,
    ) -> Box<dyn Fn() -> Result<PrivateKubeconfig, EffectError> + Send + Sync> {
        let io = |message: String| EffectError::new(Sort::Hard, message);
        if let Some(Reached::Served(_, file)) = reached {
            let file = file.clone();
            Box::new(move || {
                let config = std::fs::read(&file).map_err(|error| error.to_string());
                let config = config.and_then(|text| serde_json::from_slice(&text).map_err(|error| error.to_string()));
                let config: Value = config.map_err(|why| io(format!("the served sandbox's kubeconfig: {why}")))?;
                PrivateKubeconfig::write(&config).map_err(|error| io(format!("the private kubeconfig: {error}")))
            })
        } else if let Some(Reached::Here(kept)) = reached.cloned() {
            let (runtime, name, server) = (self.inner.clone(), target.name.clone(), Mutex::new(None));
            Box::new(move || {
                let handle = runtime.runtime().map_err(io)?;
                let served = handle
                    .block_on(opened(&kept, &name)?.serve())
                    .map_err(|error| io(format!("the sandbox cannot be served to commands: {error}")))?;
                runtime.scrubber.learn(&Secret::new(served.token()));
                let config = super::sandbox::kubeconfig(&name, &served.url());
                // served for as long as the door is there
                *server.lock().unwrap_or_else(PoisonError::into_inner) = Some(served);
                PrivateKubeconfig::write(&config).map_err(|error| io(format!("the private kubeconfig: {error}")))
            })
        } else {
            let name = target.name.clone();
            Box::new(move || {
                if let Some(place) = &elsewhere {
                    return Err(without_cluster(&name, place));
                }
                let text = source.only(&kube_context)?;
                let mut config: Value = serde_json::from_str(&text).map_err(|error| io(error.to_string()))?;
                // the name that commands are given is the context's own
                config["contexts"][0]["name"] = json!(name);
                config["current-context"] = json!(name);
                PrivateKubeconfig::write(&config).map_err(|error| io(format!("the private kubeconfig: {error}")))
            })
        }
    }
}

impl Connect for Way {
    fn on(&self, context: &str) -> Arc<dyn Connect> {
        Arc::new(self.beside(context))
    }

    fn connect(&self) -> Result<Connected, Ended> {
        let target = self.target().map_err(Error::ended)?;
        let context = self.context().map_err(Error::ended)?;
        let config_path = self.config.as_ref().map(|config| config.path.as_path());
        let io = |message: String| EffectError::new(Sort::Hard, message);
        let inner = self.inner.clone();
        let kube_context = context.kube_context.clone().unwrap_or_else(|| context.name.clone());
        let mut source = self.source(context);
        let elsewhere = elsewhere(context).filter(|_| !context.sandbox);
        let sandbox = if context.sandbox {
            let mut faults = context.faults.clone();
            faults.extend(self.faults.iter().cloned());
            let sandbox = inner.sandbox(&context.name, config_path, &faults).map_err(Error::ended)?;
            if let (Reached::Served(..), Some(fault)) = (&sandbox, self.faults.first()) {
                let message =
                    format!("the sandbox of {} is served by another process, which has its faults", context.name);
                return Err(Error::new(ErrorKind::Locked, message)
                    .hint(format!("runbook sandbox serve --context {} --fault '{fault}'", context.name))
                    .ended());
            }
            Some(sandbox)
        } else if elsewhere.is_some() {
            None
        } else {
            // that the kubeconfig has no such context is said before anything else is looked at
            let names = source.contexts().map_err(|error| unusable(&target, &error))?;
            if !names.contains(&kube_context) {
                source.only(&kube_context).map_err(|error| unusable(&target, &error))?;
            }
            None
        };
        let hosts = if sandbox.is_none() { self.hosts_and_servers(context) } else { self.hosts() };
        if sandbox.is_none() && elsewhere.is_none() {
            // read once: what becomes of the files while the run goes on leads neither it nor its commands elsewhere
            source = source.frozen(&kube_context).map_err(|error| unusable(&target, &error))?;
            // whatever prints it, it is not written
            let text = source.only(&kube_context).map_err(|error| unusable(&target, &error))?;
            learn_credentials(&inner.scrubber, &serde_json::from_str(&text).unwrap_or_default());
        }
        let (served, only, kube) = (sandbox.clone(), source.clone(), kube_context.clone());
        let name = context.name.clone();
        let runtime = inner.clone();
        let (place, none) = (elsewhere.clone(), target.name.clone());
        let cluster: Box<dyn Fn() -> Result<Cluster, EffectError> + Send + Sync> = Box::new(move || {
            if let Some(place) = &place {
                return Err(without_cluster(&none, place));
            }
            let handle = runtime.runtime().map_err(io)?;
            match &served {
                Some(Reached::Here(kept)) => {
                    let sandbox = opened(kept, &name)?;
                    sandbox.start_controllers(&handle);
                    Ok(Cluster::sandbox(&handle, &sandbox))
                }
                Some(Reached::Served(_, file)) => Ok(Cluster::connect(&handle, &KubeconfigSource::file(file), &name)?),
                None => Ok(Cluster::connect(&handle, &only, &kube)?),
            }
        });
        let runtime = inner.clone();
        let private = self.private_kubeconfig(sandbox.as_ref(), &target, elsewhere.clone(), source, kube_context);
        let root = self.bundle.root();
        let door = Door::new(DoorParts {
            target: target.clone(),
            bundle: self.bundle.clone(),
            manifests: self.manifests.clone(),
            cluster,
            sandbox: sandbox.map(|sandbox| sandbox.front()),
            http: Box::new(move || Ok(Http::new(runtime.runtime().map_err(io)?))),
            hosts,
            tools: self.tools(),
            environment: self.inner.environment.clone(),
            folder: (!root.as_os_str().is_empty()).then(|| PathBuf::from(root)),
            env: context.env.clone(),
            talosconfig: context.talosconfig.clone(),
            elsewhere: elsewhere.clone(),
            repo: self.repo(context),
            kubeconfig: private,
            modules: self.inner.modules.clone(),
            scrubber: self.inner.scrubber.clone(),
        });
        let (lock, evidence) = self.in_cluster(context, &door)?.unzip();
        let real = self.config.iter().flat_map(|config| config.contexts.values()).filter(|other| !other.sandbox);
        let others =
            real.filter(|other| other.name != context.name).map(|other| (other.name.clone(), other.uid.clone()));
        let others = if context.sandbox { vec![] } else { others.collect() };
        Ok(Connected { target, door, pinned: context.uid.clone(), others, lock, evidence })
    }

    fn verified(&self, context: &str) -> Result<Option<Arc<dyn Evidence>>, Ended> {
        let way = self.beside(context);
        let declared = way.context().map_err(Error::ended)?;
        if declared.store() == StoreIn::Local {
            return Ok(None);
        }
        Ok(way.connect()?.evidence)
    }

    fn declare(
        &self,
        discover: Option<Arc<dyn Discover>>,
        settings: &Settings,
        started: Timestamp,
        cancel: &Cancel,
    ) -> Declared {
        let target = self.target().unwrap_or_else(|_| Target {
            name: self.context.clone(),
            tier: self.context.clone(),
            sandbox: false,
        });
        let mut setting = self.setting(target.clone(), settings, started, cancel, discover.is_some());
        setting.discover = discover;
        let sources: Arc<dyn Sources> = Arc::new(Frozen(self.bundle.clone()));
        let mut declared = script::declare(&sources, &setting);
        let door = self.closed_door(&target);
        let trial = run::rehearse(&mut declared, &door, cancel, self.inner.clock.as_ref());
        declared.findings.extend(trial);
        let checked = check::check(&declared);
        declared.findings.extend(checked);
        declared.findings.extend(self.undeclared_hosts(&declared));
        declared.findings.extend(check::other_cluster(&declared.plan, &self.clusters()));
        declared.findings.extend(check::apis(&self.bundle));
        declared
    }
}

/// Remembers what a kubeconfig proves itself with, so that nothing is written with it.
fn learn_credentials(scrubber: &Scrubber, config: &Value) {
    let entries = |list: &str| config[list].as_array().cloned().unwrap_or_default();
    for user in entries("users").iter().map(|entry| &entry["user"]) {
        for key in ["token", "password", "client-key-data"] {
            let Some(value) = user[key].as_str() else { continue };
            scrubber.learn(&Secret::new(value));
            if let (true, Ok(bytes)) = (key == "client-key-data", BASE64_STANDARD.decode(value)) {
                scrubber.learn_bytes(&bytes);
            }
        }
        if let Some(bytes) = user["tokenFile"].as_str().and_then(|path| std::fs::read(path).ok()) {
            scrubber.learn_bytes(&bytes);
        }
        for value in user["auth-provider"]["config"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| value.as_str().filter(|_| key.ends_with("-token")))
        {
            scrubber.learn(&Secret::new(value));
        }
    }
    for cluster in entries("clusters").iter().map(|entry| &entry["cluster"]) {
        for key in ["server", "proxy-url"] {
            scrubber.learn_urls(cluster[key].as_str().unwrap_or_default());
        }
    }
}

/// Reads a secret from where it is declared to come from: `env NAME`, `file PATH`.
pub(super) fn read_secret(inner: &Inner, root: &Path, from: &str) -> Result<Secret, String> {
    match from.split_once(' ') {
        Some(("env", name)) => {
            let value = inner.environment.iter().find(|(key, _)| key == name).map(|(_, value)| value);
            let value = value.ok_or_else(|| format!("the environment has no {name}"))?;
            value.to_str().map(Secret::new).ok_or_else(|| format!("{name} is not text"))
        }
        Some(("file", path)) => {
            let path = root.join(path);
            let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            // the line end belongs to the editor, not to the secret
            Ok(Secret::new(text.trim_end_matches(['\r', '\n'])))
        }
        Some(("cmd", line)) => {
            let argv: Vec<String> = line.split_whitespace().map(Into::into).collect();
            let env = Environment::new(inner.environment.iter().cloned(), &[], &Reachable::default());
            let mut command = Command::new(&argv, env.variables());
            command.timeout = Some(SECRET);
            let mut hooks =
                Hooks { on_start: &mut |_| Ok(()), on_line: None, filter: &|text| text.to_string(), on_cancel: None };
            let finished = process::run(&command, &mut hooks).map_err(|error| error.to_string())?;
            if !finished.ended.is_success() {
                return Err(format!("`{line}` did not end with status 0"));
            }
            Ok(Secret::new(finished.stdout.trim_end_matches(['\r', '\n'])))
        }
        _ => Err(format!("`{from}` is not a place that secrets are read from: use env, file or cmd")),
    }
}

/// How long a command that gives a secret may take: some ask for a touch.
const SECRET: std::time::Duration = std::time::Duration::from_mins(1);

fn unseen(what: &str) -> EffectError {
    EffectError::new(Sort::Unseen, format!("{what} is not known in a trial"))
}

fn unusable(target: &Target, error: &crate::cluster::ClusterError) -> Ended {
    let mut it = Error::new(ErrorKind::Context, format!("context {}: {error}", target.name));
    for help in error.help() {
        it = it.hint(help);
    }
    it.ended()
}

/// Scripts of a bundle that is complete.
pub(super) struct Frozen(pub Arc<Bundle>);

impl Sources for Frozen {
    fn text(&self, path: &str) -> Result<Arc<str>, SourceError> {
        self.0.text(path).map(Arc::from).map_err(|error| source_error(path, &error))
    }

    fn entry(&self) -> &str {
        self.0.entry()
    }

    fn paths(&self) -> Vec<String> {
        self.0.files().keys().cloned().collect()
    }
}

/// Scripts of a bundle that is being read: what is asked for is added.
pub(super) struct Reading {
    pub bundle: Mutex<Bundle>,
    pub entry: String,
}

impl Sources for Reading {
    fn text(&self, path: &str) -> Result<Arc<str>, SourceError> {
        let mut bundle = self.bundle.lock().unwrap_or_else(PoisonError::into_inner);
        bundle.add(path).and_then(|_| bundle.text(path).map(Arc::from)).map_err(|error| source_error(path, &error))
    }

    fn entry(&self) -> &str {
        &self.entry
    }

    fn paths(&self) -> Vec<String> {
        self.bundle.lock().unwrap_or_else(PoisonError::into_inner).files().keys().cloned().collect()
    }
}

fn source_error(path: &str, error: &bundle::BundleError) -> SourceError {
    match error {
        bundle::BundleError::Missing { .. } | bundle::BundleError::NotInBundle { .. } => {
            SourceError::Missing(path.into())
        }
        error => SourceError::Unreadable(path.into(), error.to_string()),
    }
}

/// What a context is that has no cluster.
/// The sandbox of a context, for an effect or a read that needs it.
fn opened(kept: &Kept, context: &str) -> Result<Sandbox, EffectError> {
    kept.open().map_err(|error| {
        let error = super::sandbox::unusable(context, &error);
        let told = EffectError::new(Sort::Hard, error.to_string());
        error.hints().iter().fold(told, EffectError::help)
    })
}

fn elsewhere(context: &bundle::Context) -> Option<Elsewhere> {
    let part = |name: &str| context.target.get(name).cloned();
    part("project").map(Elsewhere::Project).or_else(|| part("remote").map(Elsewhere::Repository))
}

fn without_cluster(context: &str, place: &Elsewhere) -> EffectError {
    let what = match place {
        Elsewhere::Project(project) => format!("the GCP project {project}"),
        Elsewhere::Repository(remote) => format!("the Git repository {remote}"),
    };
    EffectError::new(
        Sort::Refused,
        format!("context {context} is {what} and has no cluster, so that k8s and kubectl are refused there"),
    )
    .help("a context of its own for the cluster: [contexts.NAME] kube-context = \"…\"")
}
