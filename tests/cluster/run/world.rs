//! The binary in a world of its own: home, state folder, playbooks and an environment with nothing in it but these.

use std::{
    fs,
    io::Write as _,
    os::unix::{
        fs::{OpenOptionsExt as _, PermissionsExt as _},
        process::ExitStatusExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::apiserver;

/// Far more than anything takes, so that a busy machine fails no test.
const TIME: Duration = Duration::from_mins(2);

/// Waits until `found` finds something; fails where it never does.
#[track_caller]
pub fn eventually<T>(what: &str, found: impl FnMut() -> Option<T>) -> T {
    apiserver::eventually(TIME, found).unwrap_or_else(|| panic!("never: {what}"))
}

/// A playbook that is ready, for these contexts, with these items in its first phase.
pub fn play(contexts: &str, outcome: &str, items: &str) -> String {
    format!(
        "plan(\"Try\").problem(\"it was not tried\").outcome(\"it is tried\").verify(\"it is there\", || {outcome})
    .contexts([{contexts}]).current(\"it is not there\").target(\"it is there\");
phase(\"One\").goal(\"it is there\");
{items}\n"
    )
}

/// Folders of one test; gone with it.
pub struct World {
    root: TempDir,
    /// More of the environment: names and values.
    pub env: Vec<(&'static str, PathBuf)>,
}

/// How a process ended and what it said.
#[must_use]
#[derive(Debug)]
pub struct Outcome {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// A process at work; ended when it is dropped.
pub struct Live {
    child: Child,
    err: PathBuf,
    out: PathBuf,
}

/// What a `waiter` waits for.
pub struct Pipe(PathBuf);

impl Pipe {
    /// Does something while the tool waits, and lets it end then.
    pub fn meanwhile(self, act: impl FnOnce()) {
        // without somebody who reads, it cannot be opened
        let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap();
        let open = || fs::OpenOptions::new().write(true).custom_flags(flags).open(&self.0).ok();
        let mut pipe = eventually("somebody who waits", open);
        act();
        pipe.write_all(b"go").unwrap();
    }
}

/// A run's journal, as it stands in the file.
pub struct Journal(pub Vec<Value>);

impl World {
    /// With this `runbook.toml`, and a kubeconfig with these contexts: name, cluster.
    pub fn new(toml: &str, contexts: &[(&str, &apiserver::Cluster)]) -> Self {
        let mut world = Self { root: tempfile::Builder::new().prefix("runbook-run-").tempdir().unwrap(), env: vec![] };
        for folder in ["home", "work", "tmp"] {
            fs::create_dir(world.root.path().join(folder)).unwrap();
        }
        world.file("runbook.toml", toml);
        world.kubeconfig(contexts, None);
        world.env.push(("KUBECONFIG", world.path("kubeconfig")));
        world
    }

    /// Writes the kubeconfig anew.
    pub fn kubeconfig(&self, contexts: &[(&str, &apiserver::Cluster)], current: Option<&str>) {
        let files: Vec<(&str, PathBuf)> =
            contexts.iter().map(|(name, cluster)| (*name, cluster.kubeconfig())).collect();
        self.kubeconfig_of(&files, current);
    }

    /// Writes the kubeconfig anew, each context from a kubeconfig with one.
    pub fn kubeconfig_of(&self, contexts: &[(&str, PathBuf)], current: Option<&str>) {
        let mut merged = json!({ "apiVersion": "v1", "kind": "Config", "clusters": [], "users": [], "contexts": [] });
        for (name, file) in contexts {
            let mut one: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
            for (list, part) in [("clusters", "cluster"), ("users", "user")] {
                merged[list].as_array_mut().unwrap().push(json!({ "name": name, part: one[list][0][part].take() }));
            }
            let context = json!({ "name": name, "context": { "cluster": name, "user": name } });
            merged["contexts"].as_array_mut().unwrap().push(context);
        }
        if let Some(current) = current {
            merged["current-context"] = current.into();
        }
        self.file("kubeconfig", &merged.to_string());
    }

    /// Writes a file beside the playbooks.
    pub fn file(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A file beside the playbooks.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("work").join(name)
    }

    /// Where private kubeconfigs are written.
    pub fn tmp(&self) -> PathBuf {
        self.root.path().join("tmp")
    }

    /// Has the programs of a folder found before all others.
    pub fn programs(&mut self, folder: &Path) {
        let before =
            self.env.iter().rev().find(|(name, _)| *name == "PATH").map(|(_, path)| path.clone().into_os_string());
        let path = before.or_else(|| std::env::var_os("PATH")).unwrap_or_default();
        let folders = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&path));
        self.env.push(("PATH", std::env::join_paths(folders).unwrap().into()));
    }

    /// Makes a tool `waiter`, which `runbook.toml` has to declare: it waits until somebody has written to the pipe that is
    /// given back.
    pub fn waiter(&mut self) -> Pipe {
        let pipe = self.root.path().join("home/pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        self.executable("bin/waiter", "#!/bin/sh\ncat \"$HOME/pipe\"\n");
        self.programs(&self.path("bin"));
        Pipe(pipe)
    }

    /// Writes a program beside the playbooks.
    pub fn executable(&self, name: &str, text: &str) {
        self.file(name, text);
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The text of all incident records.
    pub fn incidents(&self) -> String {
        let Ok(entries) = fs::read_dir(self.root.path().join("state/incidents")) else { return String::new() };
        let files =
            entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "md"));
        files.map(|file| fs::read_to_string(file).unwrap()).collect()
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runbook"));
        command.args(words(line)).current_dir(self.path("")).env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("TZ", "UTC");
        command.env("HOME", self.root.path().join("home")).env("TMPDIR", self.tmp());
        command.env("RUNBOOK_STATE_DIR", self.root.path().join("state")).envs(self.env.iter().cloned());
        command
    }

    /// Another machine's state folder.
    pub fn machine(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Runs a command line to its end on a machine with this state folder.
    pub fn run_on(&self, machine: &str, line: &str) -> Outcome {
        self.start_on(machine, line).ends()
    }

    /// Starts a command line on a machine with this state folder and a home of its own.
    pub fn start_on(&self, machine: &str, line: &str) -> Live {
        let (state, home) = (self.machine(machine), self.machine(&format!("home-of-{machine}")));
        fs::create_dir_all(&home).unwrap();
        let mut command = self.command(line);
        command.env("RUNBOOK_STATE_DIR", state).env("HOME", home);
        self.spawn(command)
    }

    /// Runs a command line to its end; `'…'` keeps words together.
    pub fn run(&self, line: &str) -> Outcome {
        self.start(line).ends()
    }

    /// Starts a command line.
    pub fn start(&self, line: &str) -> Live {
        self.spawn(self.command(line))
    }

    fn spawn(&self, mut command: Command) -> Live {
        let file = |end: &str| {
            let dir = self.root.path();
            tempfile::Builder::new().prefix("said-").suffix(end).tempfile_in(dir).unwrap().keep().unwrap()
        };
        let ((out, out_path), (err, err_path)) = (file(".out"), file(".err"));
        let child = command.stdout(out).stderr(err).spawn().unwrap();
        Live { child, err: err_path, out: out_path }
    }

    /// The ids of all runs.
    pub fn runs(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.root.path().join("state/runs")) else { return vec![] };
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The run that there is beside these.
    #[track_caller]
    pub fn new_run(&self, known: &[String]) -> String {
        eventually("a new run", || self.runs().into_iter().find(|run| !known.contains(run)))
    }

    /// The journal of a run, as far as it is whole.
    pub fn journal(&self, run: &str) -> Journal {
        self.journal_on("state", run)
    }

    /// The same on a machine with this state folder.
    pub fn journal_on(&self, machine: &str, run: &str) -> Journal {
        let path = self.machine(machine).join("runs").join(run).join("journal.jsonl");
        let text = fs::read_to_string(path).unwrap_or_default();
        Journal(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    /// Waits for a line of this kind in a run's journal that is as wanted, and gives it.
    #[track_caller]
    pub fn sees(&self, run: &str, kind: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        eventually(kind, || self.journal(run).0.into_iter().find(|line| line["k"] == kind && wanted(&line["p"])))
    }
}

impl Journal {
    /// The payloads of all lines of this kind.
    pub fn of(&self, kind: &str) -> Vec<Value> {
        self.0.iter().filter(|line| line["k"] == kind).map(|line| line["p"].clone()).collect()
    }

    /// What became of each target of each effect, in order.
    pub fn outcomes(&self) -> Vec<String> {
        let results =
            self.of("effected").into_iter().flat_map(|p| p["results"].as_array().cloned().unwrap_or_default());
        results.map(|result| result["outcome"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

impl Live {
    /// Ends it at once, as a crash would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Whether it still works.
    pub fn works(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end.
    #[track_caller]
    pub fn ends(mut self) -> Outcome {
        let status = apiserver::eventually(TIME, || self.child.try_wait().unwrap());
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        let (out, err) = (read(&self.out), read(&self.err));
        let status = status.unwrap_or_else(|| panic!("it does not end; it said:\n{err}"));
        Outcome { code: status.code().unwrap_or_else(|| 128 + status.signal().unwrap()), out, err }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Outcome {
    #[track_caller]
    pub fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "--- stdout\n{}\n--- stderr\n{}", self.out, self.err);
        self
    }

    /// On stderr, however a line is broken.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat(&self.err).contains(&flat(text)), "stderr does not say \"{text}\":\n{}", self.err);
        self
    }
}

/// The words of a command line; `'…'` keeps them together.
fn words(line: &str) -> Vec<String> {
    let parts = line.split('\'').enumerate();
    parts.fold(vec![], |mut words, (n, part)| {
        if n % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
        words
    })
}
