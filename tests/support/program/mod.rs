//! The real binary in a world of its own: a home, a state folder and a folder of playbooks that nothing else uses, an
//! environment with nothing in it but these.
//!
//! ```ignore
//! let world = World::new();
//! world.playbook("greet", GREET);
//! world.run("run greet.rhai --context staging").exits(0).says("verified");
//! ```

#![allow(dead_code, reason = "each test binary uses its own part of this")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code outside of test functions")]

mod journal;
mod live;
mod outcome;

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
};

pub use crate::not_run::or_not_run;
use http_body_util::BodyExt as _;
pub use journal::Journal;
pub use live::{Live, eventually};
pub use outcome::{Outcome, normal};
use runbook::sandbox::{Options, Sandbox};
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt as _;

/// One worker for everything the tests' own servers and sandboxes do.
pub static RUNTIME: LazyLock<tokio::runtime::Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());

/// The sections that make a playbook ready, for the contexts staging and main.
pub const PLAN: &str = r#"plan("Say hello").problem("nobody was greeted").outcome("a ConfigMap says hello")
    .verify("the namespace is there", || k8s::exists("Namespace/default"))
    .contexts(["staging", "main"]).current("there is no ConfigMap").target("there is one");
phase("One").goal("it says hello");
"#;

/// One change, verified.
pub const GREET: &str = r#"step("Greet").change(|| k8s::apply("cm.yaml"))
    .verify("it says hello", || k8s::get("ConfigMap/default/hello").data.greeting == "hello").within("5s");
"#;

/// A change, a gate, and a change after it.
pub const TWO: &str = r#"step("Greet").change(|| k8s::apply("cm.yaml"))
    .verify("it says hello", || k8s::get("ConfigMap/default/hello").data.greeting == "hello").within("5s");
gate("Was anybody annoyed?");
phase("Two").goal("it says hello twice");
step("Greet again").change(|| k8s::apply("second.yaml"))
    .verify("it says hello again", || k8s::exists("ConfigMap/default/second")).within("5s");
"#;

/// Two sandboxes, staging and main.
pub const SANDBOXES: &str = "[contexts.staging]
sandbox = true
[contexts.main]
sandbox = true
";

/// A `ConfigMap` in `default`.
pub fn config_map(name: &str, greeting: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: default}}\ndata: {{greeting: {greeting}}}\n"
    )
}

/// Folders of one test; gone with it.
pub struct World {
    root: TempDir,
}

impl World {
    /// Two sandboxes, staging and main, and the manifests that [`GREET`] and [`TWO`] apply.
    pub fn new() -> Self {
        let world = Self { root: tempfile::Builder::new().prefix("runbook-cli-").tempdir().unwrap() };
        for folder in ["home", "playbooks"] {
            fs::create_dir(world.root.path().join(folder)).unwrap();
        }
        world.file("runbook.toml", SANDBOXES);
        world.file("cm.yaml", config_map("hello", "hello"));
        world.file("second.yaml", config_map("second", "hello"));
        world
    }

    /// The same, with a playbook `p.rhai` that is ready and has these items in its first phase.
    pub fn with(items: &str) -> Self {
        let world = Self::new();
        world.playbook("p", items);
        world
    }

    /// Writes a file into the folder of playbooks.
    pub fn file(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Writes a playbook that is ready, with these items in its first phase.
    pub fn playbook(&self, name: &str, items: &str) {
        self.file(&format!("{name}.rhai"), format!("{PLAN}{items}"));
    }

    /// A file in the folder of playbooks.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("playbooks").join(name)
    }

    pub fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    pub fn state(&self) -> PathBuf {
        self.root.path().join("state")
    }

    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// A command of the binary: nothing of this process's environment, no input, no terminal.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runbook"));
        command.args(words(line)).current_dir(self.path("")).env_clear().stdin(Stdio::null());
        command.envs(self.environment());
        command
    }

    pub fn environment(&self) -> Vec<(OsString, OsString)> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let pairs: [(&str, OsString); 5] = [
            ("PATH", path),
            ("HOME", self.home().into()),
            ("RUNBOOK_STATE_DIR", self.state().into()),
            ("TMPDIR", self.root.path().into()),
            ("TZ", "UTC".into()),
        ];
        pairs.into_iter().map(|(name, value)| (name.into(), value)).collect()
    }

    /// Runs a command line to its end; `'…'` keeps words together.
    pub fn run(&self, line: &str) -> Outcome {
        self.start(line).ends()
    }

    /// Starts a command line.
    pub fn start(&self, line: &str) -> Live {
        self.spawn(self.command(line))
    }

    /// Starts a command that was made by [`World::command`].
    pub fn spawn(&self, command: Command) -> Live {
        Live::spawn(command, self.root.path())
    }

    /// `p.rhai` on staging, up to where it stops.
    pub fn go(&self) -> Outcome {
        self.run("run p.rhai --context staging")
    }

    /// The ids of all runs.
    pub fn runs(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.state().join("runs")) else { return vec![] };
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The one run that there is.
    #[track_caller]
    pub fn only(&self) -> String {
        let runs = self.runs();
        let [run] = runs.as_slice() else { panic!("there is not one run: {runs:?}") };
        run.clone()
    }

    /// The journal of a run, each line proven.
    #[track_caller]
    pub fn journal(&self, run: &str) -> Journal {
        Journal::read(&self.state().join("runs").join(run).join("journal.jsonl"))
    }

    /// The lines of a run's journal that have an end, whatever stands behind them.
    pub fn journal_of_whole_lines(&self, run: &str) -> String {
        let path = self.state().join("runs").join(run).join("journal.jsonl");
        let text = String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        text.rfind('\n').map_or_else(String::new, |end| text[..=end].to_owned())
    }

    /// The incident records of this kind (`md`, `json`), as texts.
    pub fn records(&self, kind: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.state().join("incidents")) else { return vec![] };
        let paths = entries.map(|entry| entry.unwrap().path());
        paths
            .filter(|path| path.extension().is_some_and(|e| e == kind))
            .map(|p| fs::read_to_string(p).unwrap())
            .collect()
    }

    /// What a context's sandbox holds below this path, or nothing where it was never begun.
    pub fn object(&self, context: &str, path: &str) -> Option<Value> {
        let sandbox = self.sandbox(context)?;
        object(&sandbox, path)
    }

    /// Makes an object of the namespace `default` be like this, behind the back of every run.
    pub fn change(&self, context: &str, kind: &str, name: &str, manifest: &str) {
        let plural = format!("{}s", kind.to_lowercase());
        let path = format!("/api/v1/namespaces/default/{plural}/{name}?fieldManager=tests&force=true");
        let sandbox = self.sandbox(context).unwrap();
        let request = http::Request::patch(path).header("content-type", "application/apply-patch+yaml");
        let request = request.body(http_body_util::Full::new(bytes::Bytes::from(manifest.to_owned()))).unwrap();
        let answer = RUNTIME.block_on(async move { sandbox.service().oneshot(request).await.unwrap() });
        assert!(answer.status().is_success(), "{}", answer.status());
    }

    fn sandbox(&self, context: &str) -> Option<Sandbox> {
        let mut folders = fs::read_dir(self.state().join("sandbox")).ok()?.map(|entry| entry.unwrap());
        let folder = folders.find(|entry| entry.file_name().to_string_lossy().starts_with(&format!("{context}-")))?;
        Some(Sandbox::open(folder.path().join("state.redb"), Options::default()).unwrap())
    }

    /// Fails if a run sent an effect, or if the sandbox of staging or main holds what playbooks here make.
    #[track_caller]
    pub fn nothing_changed(&self) {
        for run in self.runs() {
            let effects = self.journal(&run).of("effect").len();
            assert_eq!(effects, 0, "run {run} sent effects");
        }
        for context in ["staging", "main"] {
            for name in ["hello", "second"] {
                let found = self.object(context, &format!("/api/v1/namespaces/default/configmaps/{name}"));
                assert!(found.is_none(), "{context} holds ConfigMap {name}");
            }
        }
    }

    /// Fails if something was sent to staging that no journal line tells of, or if an effect has no result.
    #[track_caller]
    pub fn everything_is_journaled(&self, context: &str) {
        let mut told = vec![];
        for run in self.runs() {
            let journal = self.journal(&run);
            assert_eq!(
                journal.of("effect").len(),
                journal.of("effected").len(),
                "run {run} has an effect without result"
            );
            for effect in journal.of("effect") {
                told.extend(
                    effect["effect"]["targets"].as_array().unwrap().iter().map(|t| t.as_str().unwrap().to_owned()),
                );
            }
        }
        for name in ["hello", "second"] {
            if self.object(context, &format!("/api/v1/namespaces/default/configmaps/{name}")).is_some() {
                let target = format!("ConfigMap/default/{name}");
                assert!(told.contains(&target), "{target} is there, and no journal tells of it");
            }
        }
    }
}

/// An object of a sandbox.
pub fn object(sandbox: &Sandbox, path: &str) -> Option<Value> {
    let request = http::Request::get(path).body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap();
    let service = sandbox.service();
    RUNTIME.block_on(async move {
        let answer = service.oneshot(request).await.unwrap();
        let found = answer.status().is_success();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        found.then(|| serde_json::from_slice(&body).unwrap())
    })
}

/// The words of a command line; `'…'` keeps them together.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![];
    for (n, part) in line.split('\'').enumerate() {
        if n % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}
