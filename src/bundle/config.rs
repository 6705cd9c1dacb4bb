//! `runbook.toml`: which contexts there are, which tools, whom to notify.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::Value;
use toml::de::DeTable;

use super::{
    Repository, Window, nearest,
    tables::{Node, Reader},
};
use crate::model::{Digest, Fault, Finding, GateClass, Span};

/// The file's name.
const NAME: &str = "runbook.toml";

const CONTEXT: [&str; 18] = [
    "kube-context",
    "kubeconfig",
    "tier",
    "uid",
    "requires",
    "max-age",
    "soak",
    "gate",
    "window",
    "hosts",
    "sandbox",
    "store",
    "faults",
    "env",
    "talosconfig",
    "params",
    "git",
    "target",
];

/// What a `runbook.toml` says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Where it was read from.
    pub path: PathBuf,
    /// Its text.
    pub text: Arc<str>,
    /// The contexts, by name.
    pub contexts: BTreeMap<String, Context>,
    /// Commands that no built-in rule knows.
    pub tools: BTreeMap<String, ToolRules>,
    /// Whom to tell.
    pub notify: Option<Notify>,
    /// The GitOps repository that `repo` looks through.
    pub repo: Repository,
}

/// One context.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Context {
    /// Its name.
    pub name: String,
    /// The context of the kubeconfig; the one of the same name where unsaid.
    pub kube_context: Option<String>,
    /// The kubeconfig; `KUBECONFIG` or `~/.kube/config` where unsaid.
    pub kubeconfig: Option<PathBuf>,
    /// Its tier; its name where unsaid.
    pub tier: Option<String>,
    /// The UID of its `kube-system`.
    pub uid: Option<String>,
    /// The context that a bundle must have been verified on before.
    pub requires: Option<String>,
    /// How long such a run counts.
    pub max_age: Option<Span>,
    /// How long after such a run before this context.
    pub soak: Option<Span>,
    /// The lowest class that any gate may have here.
    pub gate: Option<GateClass>,
    /// When changes are made.
    pub window: Option<Window>,
    /// Hosts that belong to it, as patterns such as `*.example.com`.
    pub hosts: Vec<String>,
    /// Whether it is the embedded sandbox: no real cluster is touched.
    pub sandbox: bool,
    /// Where its place, its evidence and the heads of its journals are kept, as said; see [`Context::store`].
    pub store: Option<StoreIn>,
    /// Objects of the sandbox that are told not to become ready.
    pub faults: Vec<Fault>,
    /// Names of environment variables that its commands get.
    pub env: Vec<String>,
    /// The talosconfig.
    pub talosconfig: Option<PathBuf>,
    /// Values of parameters.
    pub params: BTreeMap<String, Value>,
    /// What Flux follows.
    pub git: Option<GitPlace>,
    /// What it is instead of a cluster, e.g. `project = "…"`.
    pub target: BTreeMap<String, String>,
}

/// Where runs of a context know each other by: its place, its evidence, the heads of their journals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreIn {
    /// The state folder: runs of this machine.
    #[default]
    Local,
    /// The cluster itself: runs of all machines.
    Cluster,
}

/// What Flux follows in a context.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GitPlace {
    /// The repository's folder.
    pub repo: PathBuf,
    /// The branch.
    pub branch: String,
    /// The path in it.
    pub path: String,
    /// Paths that other contexts follow too.
    pub shared: Vec<String>,
}

/// What a command that no built-in rule knows does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolRules {
    /// Beginnings of argument lists that only read; `*` stands for anything within one argument.
    pub read: Vec<Vec<String>>,
    /// Beginnings of argument lists that change something.
    pub change: Vec<Vec<String>>,
    /// Beginnings of argument lists whose output is secret.
    pub secret: Vec<Vec<String>>,
    /// What it gets of the cluster.
    pub cluster: Reach,
}

/// What a command gets of the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Nothing.
    #[default]
    None,
    /// The run's private kubeconfig.
    Kubeconfig,
}

/// Whom to tell when a run waits or fails.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notify {
    /// When: `waiting`, `failed`, `expired`.
    pub on: Vec<String>,
    /// The command that gets the event as JSON on its stdin.
    pub run: Vec<String>,
}

/// A `runbook.toml` that cannot be used, with everything that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(pub Vec<Finding>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, finding) in self.0.iter().enumerate() {
            let newline = if n > 0 { "\n" } else { "" };
            let place = finding.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
            write!(f, "{newline}{place}{}", finding.message)?;
            for help in &finding.help {
                write!(f, "; {help}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// The file in force: `explicit` (from `--config` or `RUNBOOK_CONFIG`), else the first `runbook.toml` in `folder`
    /// or above it. None where there is none.
    pub fn find(folder: &Path, explicit: Option<&Path>) -> Result<Option<Self>, ConfigError> {
        if let Some(path) = explicit {
            return Self::read(path).map(Some);
        }
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        match folder.ancestors().map(|above| above.join(NAME)).find(|path| path.is_file()) {
            Some(path) => Self::read(&path).map(Some),
            None => Ok(None),
        }
    }

    /// Reads one file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |why: String| {
            let finding = Finding::error("config-unreadable", format!("`{}` could not be read: {why}", path.display()));
            ConfigError(vec![
                finding.help("name the file with --config FILE, or put a runbook.toml beside the playbook"),
            ])
        };
        let bytes = super::read::read(path, &path.display().to_string()).map_err(|error| match error {
            super::BundleError::Unreadable { source, .. } => unreadable(source.to_string()),
            error => unreadable(error.to_string()),
        })?;
        let text = String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8 text".into()))?;
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Self::parse(&path, &text)
    }

    /// Reads the text of the file at `path`.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let shown = path.display().to_string();
        let mut reader = Reader::new(&shown, text);
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            reader.error("config-syntax", error.span().unwrap_or(0..0), error.message().to_owned(), None);
        }
        let mut config = Self { path: path.into(), text: text.into(), ..Self::default() };
        if errors.is_empty() {
            config.document(&mut reader, document.get_ref());
        }
        if reader.findings.is_empty() { Ok(config) } else { Err(ConfigError(reader.findings)) }
    }

    /// The context of this name.
    #[allow(clippy::result_large_err, reason = "asked once a command; a finding is what its callers show")]
    pub fn context(&self, name: &str) -> Result<&Context, Finding> {
        self.contexts.get(name).ok_or_else(|| {
            let file = self.path.display();
            let finding = Finding::error("undeclared-context", format!("context `{name}` is not declared in {file}"));
            let names: Vec<&str> = self.contexts.keys().map(String::as_str).collect();
            match (nearest(name, names.iter().copied()).first(), names.is_empty()) {
                (Some(near), _) => finding.help(format!("did you mean --context {near}?")),
                (None, false) => finding.help(format!("there are: {}", names.join(", "))),
                (None, true) => finding,
            }
            .help(format!("to declare it, write [contexts.{name}] into {file}"))
        })
    }

    /// The digest of its text.
    pub fn digest(&self) -> Digest {
        Digest::of(&*self.text)
    }

    fn document<'t>(&mut self, reader: &mut Reader<'t>, table: &'t DeTable<'t>) {
        let mut repo = None;
        for (name, node) in reader.members("", table, Some(&["contexts", "tools", "notify", "repo"])) {
            match name.as_str() {
                "contexts" => {
                    let nodes = reader.table(&node, None);
                    for (name, node) in &nodes {
                        let context = self.read_context(reader, name, node);
                        self.contexts.insert(name.clone(), context);
                    }
                    self.across(reader, &nodes);
                }
                "tools" => {
                    for (name, node) in reader.table(&node, None) {
                        self.tools.insert(name, tool(reader, &node));
                    }
                }
                "notify" => self.notify = Some(notify(reader, &node)),
                _ => repo = Some(node),
            }
        }
        self.read_repo(reader, repo.as_ref());
    }

    fn read_context<'t>(&self, reader: &mut Reader<'t>, name: &str, node: &Node<'t>) -> Context {
        let mut context = Context { name: name.into(), ..Context::default() };
        let mut faults_at = None;
        for (key, node) in reader.table(node, Some(&CONTEXT)) {
            match key.as_str() {
                "kube-context" => context.kube_context = reader.text(&node),
                "kubeconfig" => context.kubeconfig = reader.text(&node).map(|path| self.on_disk(&path)),
                "tier" => context.tier = reader.text(&node),
                "uid" => context.uid = reader.text(&node),
                "requires" => context.requires = reader.text(&node),
                "max-age" => context.max_age = reader.parsed(&node),
                "soak" => context.soak = reader.parsed(&node),
                "gate" => context.gate = reader.parsed(&node),
                "window" => context.window = reader.parsed(&node),
                "hosts" => context.hosts = reader.texts(&node),
                "sandbox" => context.sandbox = reader.flag(&node).unwrap_or_default(),
                "store" => match reader.text(&node).as_deref() {
                    Some("local") => context.store = Some(StoreIn::Local),
                    Some("cluster") => context.store = Some(StoreIn::Cluster),
                    None => {}
                    Some(_) => reader.wrong(&node, "must be \"local\" or \"cluster\""),
                },
                "faults" => {
                    for (target, node) in reader.table(&node, None) {
                        let Some(how) = reader.text(&node) else { continue };
                        match Fault::new(&target, &how) {
                            Ok(fault) => context.faults.push(fault),
                            Err(error) => reader.wrong(&node, &format!("cannot be used: {error}")),
                        }
                    }
                    if !context.faults.is_empty() {
                        faults_at = Some(node);
                    }
                }
                "env" => context.env = reader.texts(&node),
                "talosconfig" => context.talosconfig = reader.text(&node).map(|path| self.on_disk(&path)),
                "params" => {
                    for (name, node) in reader.table(&node, None) {
                        context.params.extend(reader.json(&node).map(|value| (name, value)));
                    }
                }
                "git" => context.git = Some(self.git(reader, &node)),
                _ => {
                    for (name, node) in reader.table(&node, Some(&["project", "remote"])) {
                        context.target.extend(reader.text(&node).map(|value| (name, value)));
                    }
                }
            }
        }
        if context.store == Some(StoreIn::Cluster) && !context.target.is_empty() {
            let why = "has no cluster (target) and keeps its places in it (store = \"cluster\")";
            reader.wrong_key(node, why, Some("store = \"local\"".into()));
        }
        if let Some(node) = faults_at.filter(|_| !context.sandbox) {
            let help = "faults are told to a sandbox only: write sandbox = true, or leave them out";
            reader.wrong_key(&node, "is told to a context that is no sandbox", Some(help.into()));
        }
        if context.sandbox && (context.kube_context.is_some() || context.kubeconfig.is_some()) {
            let why = "is the embedded sandbox (sandbox = true) and names a kubeconfig or kube-context too";
            reader.wrong_key(node, why, Some("leave one of them out".into()));
        }
        context
    }

    fn git<'t>(&self, reader: &mut Reader<'t>, node: &Node<'t>) -> GitPlace {
        let mut git = GitPlace { repo: self.on_disk("."), ..GitPlace::default() };
        for (key, node) in reader.table(node, Some(&["repo", "branch", "path", "shared"])) {
            match key.as_str() {
                "repo" => git.repo = reader.text(&node).map(|path| self.on_disk(&path)).unwrap_or_default(),
                "branch" => git.branch = reader.text(&node).unwrap_or_default(),
                "path" => git.path = reader.text(&node).unwrap_or_default(),
                _ => git.shared = reader.texts(&node),
            }
        }
        git
    }

    /// What can only be seen across contexts: `requires`, and two names for one cluster.
    fn across(&self, reader: &mut Reader<'_>, nodes: &[(String, Node<'_>)]) {
        let mut uids: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, node) in nodes {
            let Some(context) = self.contexts.get(name) else { continue };
            if let Some(required) = &context.requires {
                if !self.contexts.contains_key(required) {
                    let near =
                        nearest(required, self.contexts.keys().map(String::as_str).filter(|other| other != name));
                    let help = near.first().map(|near| format!("did you mean `{near}`?"));
                    reader.wrong_key(node, &format!("requires `{required}`, which is not declared"), help);
                } else if self.comes_back_to(name) {
                    reader.wrong_key(node, "requires itself in the end", None);
                }
            }
            if let Some(other) = context.uid.as_deref().and_then(|uid| uids.insert(uid, name)) {
                reader.wrong_key(node, &format!("has the same uid as `{other}`: two names for one cluster"), None);
            }
        }
    }

    fn comes_back_to(&self, name: &str) -> bool {
        let mut at = name;
        for _ in 0..=self.contexts.len() {
            match self.contexts.get(at).and_then(|context| context.requires.as_deref()) {
                Some(next) if next == name => return true,
                Some(next) => at = next,
                None => return false,
            }
        }
        false
    }

    /// A path as it is written in the file: relative to its folder, `~/` the home folder.
    pub(super) fn on_disk(&self, path: &str) -> PathBuf {
        if let (Some(rest), Some(home)) = (path.strip_prefix("~/"), std::env::home_dir()) {
            return home.join(rest);
        }
        self.path.parent().unwrap_or(Path::new("")).join(path)
    }
}

impl Context {
    /// Its tier: its name where none is declared.
    pub fn tier(&self) -> &str {
        self.tier.as_deref().unwrap_or(&self.name)
    }

    /// Where runs of it know each other by: in the cluster where it requires another context or has gates above `any`,
    /// unless it says otherwise or has no cluster of its own.
    pub fn store(&self) -> StoreIn {
        let guarded = self.requires.is_some() || self.gate.is_some_and(|gate| gate > GateClass::Any);
        let has_cluster = !self.sandbox && self.target.is_empty();
        self.store.unwrap_or(if guarded && has_cluster { StoreIn::Cluster } else { StoreIn::Local })
    }
}

fn tool<'t>(reader: &mut Reader<'t>, node: &Node<'t>) -> ToolRules {
    let mut rules = ToolRules::default();
    for (key, node) in reader.table(node, Some(&["read", "change", "secret", "cluster"])) {
        let prefixes =
            |reader: &mut Reader<'t>| reader.list(&node).iter().map(|item| reader.texts(item)).collect::<Vec<_>>();
        match key.as_str() {
            "read" => rules.read = prefixes(reader),
            "change" => rules.change = prefixes(reader),
            "secret" => rules.secret = prefixes(reader),
            _ => match reader.text(&node).as_deref() {
                Some("none") | None => {}
                Some("kubeconfig") => rules.cluster = Reach::Kubeconfig,
                Some(_) => reader.wrong(&node, "must be \"none\" or \"kubeconfig\""),
            },
        }
    }
    rules
}

fn notify<'t>(reader: &mut Reader<'t>, node: &Node<'t>) -> Notify {
    let mut notify = Notify::default();
    for (key, node) in reader.table(node, Some(&["on", "run"])) {
        if key == "run" {
            notify.run = reader.texts(&node);
            continue;
        }
        for item in reader.list(&node) {
            match reader.text(&item) {
                Some(word) if ["waiting", "failed", "expired"].contains(&word.as_str()) => notify.on.push(word),
                Some(_) => reader.wrong(&item, "must be \"waiting\", \"failed\" or \"expired\""),
                None => {}
            }
        }
    }
    if notify.run.is_empty() {
        reader.wrong_key(node, "needs `run`", Some("write run = [\"command\", \"argument\"]".into()));
    }
    notify
}
