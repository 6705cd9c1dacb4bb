//! This test binary once more, as the process that is killed.

use std::{
    fs::OpenOptions,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    sync::Arc,
};

use runbook::{
    effect::Module,
    event::{Gates, Store},
    journal::{Disk, FileLock, FileStore},
    model::{Decision, GateCard, GateClass},
    redact::Scrubber,
    runbook::{Error, Runbook},
};
use serde_json::{Value, json};

use crate::{
    journal,
    kill::{Kill, KillDisk, VARIABLE},
    play::Play,
};

/// The folder that a child works in.
const FOLDER: &str = "RUNBOOK_TEST_FOLDER";
/// What a child is asked to do.
const TASK: &str = "RUNBOOK_TEST_TASK";
/// What it plays, as JSON.
const PLAY: &str = "RUNBOOK_TEST_PLAY";

/// A process that is about to be started.
pub struct Child(Command);

impl Child {
    pub fn new(task: &str, folder: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child", "--nocapture"]).env(TASK, task).env(FOLDER, folder);
        command.stdout(Stdio::null()).stderr(Stdio::inherit());
        Self(command)
    }

    pub fn playing(mut self, play: &Play) -> Self {
        self.0.env(PLAY, serde_json::to_string(play).unwrap());
        self
    }

    /// Starts it, and leaves it to the caller.
    pub fn begins(mut self) -> std::process::Child {
        self.0.spawn().unwrap()
    }

    /// Starts it and waits for its end.
    pub fn ends(mut self, kill: Option<Kill>) -> ExitStatus {
        if let Some(kill) = kill {
            self.0.env(VARIABLE, kill.text());
        }
        self.0.status().unwrap()
    }
}

pub fn work() {
    let (Ok(task), Ok(folder)) = (std::env::var(TASK), std::env::var(FOLDER)) else { return };
    let folder = PathBuf::from(folder);
    let ended = match task.as_str() {
        "journal" => return journal::go_on(&folder),
        "start" => start(&folder),
        "resume" => resume(&folder),
        "undo" => undo(&folder),
        other => panic!("no task is called {other}"),
    };
    let words = ended.unwrap_or_else(|error| json!({ "exit": error.exit_code().code(), "message": error.to_string() }));
    std::fs::write(folder.join("ended.json"), words.to_string()).unwrap();
}

fn play() -> Play {
    serde_json::from_str(&std::env::var(PLAY).unwrap()).unwrap()
}

fn start(folder: &Path) -> Result<Value, Error> {
    let play = play();
    let mut order = runbook(folder, &play).load(&play.playbook)?.run("staging");
    for (name, value) in play.params {
        order = order.param(&name, value);
    }
    Ok(words(&order.start()?.wait()))
}

fn resume(folder: &Path) -> Result<Value, Error> {
    let runs = store(folder).runs().unwrap();
    let (run, _) = runs.into_iter().find(|(_, state)| state.as_ref().is_ok_and(|state| state.lines > 0)).unwrap();
    let run = runbook(folder, &play()).resume(run.as_str())?.start()?;
    Ok(words(&run.wait()))
}

fn undo(folder: &Path) -> Result<Value, Error> {
    let runs = store(folder).runs().unwrap();
    let (run, state) = runs.into_iter().find(|(_, state)| state.as_ref().is_ok_and(|state| state.lines > 0)).unwrap();
    let play = play();
    let mut undo = runbook(folder, &play).undo(run.as_str())?;
    // one that goes on knows how far it was asked to go
    if let Some(to) = play.to.filter(|_| state.unwrap().undoing.is_none()) {
        undo = undo.to(&to);
    }
    Ok(words(&undo.order().start()?.wait()))
}

fn words(ended: &runbook::run::Ended) -> Value {
    json!({ "exit": ended.exit.code(), "message": ended.message, "help": ended.help, "findings": ended.findings })
}

/// Where the runs of a folder are.
pub fn store(folder: &Path) -> FileStore {
    FileStore::new(folder.join("state"), Scrubber::new())
}

/// A program over this folder, as each child is one.
pub fn runbook(folder: &Path, play: &Play) -> Runbook {
    on_disk(folder, play, Arc::new(KillDisk::from_env()))
}

/// The same, on another disk.
pub fn on_disk(folder: &Path, play: &Play, disk: Arc<dyn Disk>) -> Runbook {
    let (state, scrubber) = (folder.join("state"), Scrubber::new());
    let mut builder = Runbook::builder()
        .store(&state)
        .scrubber(scrubber.clone())
        .runs_in(Arc::new(FileStore::new(&state, scrubber).on_disk(disk.clone())))
        .lock(Arc::new(FileLock::new(state).on_disk(disk)))
        .gates(GateClass::Any, Everyone)
        .module(tally(&folder.join("tally")));
    if let Some(path) = &play.path {
        builder = builder.environment([("PATH".into(), path.clone()), ("HOME".into(), folder.into())]);
    }
    if let Some(kubeconfig) = &play.kubeconfig {
        builder = builder.kubeconfig(kubeconfig);
    }
    builder.build().unwrap()
}

/// A native that may not be sent twice: what it does is seen in a file, a word per line.
fn tally(path: &Path) -> Module {
    let (written, read) = (path.to_owned(), path.to_owned());
    Module::new("tally")
        .change("append", move |arguments, _| {
            let file = OpenOptions::new().create(true).append(true).open(&written);
            let word = arguments[0].as_str().unwrap_or_default();
            file.and_then(|mut file| writeln!(file, "{word}")).map_err(|error| error.to_string())?;
            Ok(json!(word))
        })
        .read("count", move |arguments, _| {
            let text = std::fs::read_to_string(&read).unwrap_or_default();
            Ok(json!(text.lines().filter(|line| arguments[0] == **line).count()))
        })
}

struct Everyone;

impl Gates for Everyone {
    fn decide(&self, _: &GateCard, _: &dyn Fn() -> bool) -> Decision {
        Decision::Go { reason: None }
    }
}
