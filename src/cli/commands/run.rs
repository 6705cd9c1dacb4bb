use std::{collections::BTreeMap, path::PathBuf};

use serde_json::Value;

use super::super::{
    global::Global,
    prompt, say, signals,
    view::{self, View},
};
use crate::{
    event::OnFailure,
    model::{ExitCode, Fault, GateClass},
    report::Progress,
    runbook::{Error, ErrorKind, Order, params_file},
};

/// Runs a playbook on one named context, stopping at every stop-gate.
#[derive(clap::Args, Debug)]
#[command(override_usage = "runbook run [OPTIONS] --context <NAME> <PLAYBOOK>")]
pub struct Args {
    /// The playbook, a .rhai file.
    playbook: PathBuf,
    /// The context, as runbook.toml declares it. Always said, never guessed.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    #[command(flatten)]
    params: Params,
    /// Goes without a run on the context that this one requires; the reason is kept and shown.
    #[arg(long, value_name = "REASON")]
    skip_staging: Option<String>,
    /// An object of the sandbox that is told not to become ready: 'Kind/namespace/name: what went wrong', '…: stall',
    /// '…: flap 5s'.
    #[arg(long = "fault", value_name = "FAULT")]
    faults: Vec<Fault>,
    #[command(flatten)]
    force: Force,
    #[command(flatten)]
    watch: Watch,
}

/// What is done about a run that is in the way.
#[derive(clap::Args, Debug)]
pub struct Force {
    /// Takes the place from the run that has it, which stops before its next change; the reason is kept and shown.
    #[arg(long, value_name = "REASON")]
    break_lock: Option<String>,
}

/// Parameters of a playbook.
#[derive(clap::Args, Debug)]
pub struct Params {
    /// A parameter of the playbook.
    #[arg(short = 'p', long = "param", value_name = "NAME=VALUE")]
    param: Vec<String>,
    /// Parameters from a YAML file; -p wins.
    #[arg(long, value_name = "FILE")]
    params: Option<PathBuf>,
}

/// How a run is watched.
#[derive(clap::Args, Debug)]
pub struct Watch {
    /// Stops after this step, by id or title, as at a gate.
    #[arg(long, value_name = "STEP")]
    until: Option<String>,
    /// What is done about a failure: stop (nothing further changes), undo (the run takes itself back, up to the first thing
    /// that may not be taken back by itself), repair (the step's .repair is tried, once).
    #[arg(long, value_name = "WHAT", value_parser = on_failure)]
    on_failure: Option<OnFailure>,
    /// How progress is shown: auto, plain, tty, json, quiet.
    #[arg(long, value_name = "KIND", default_value = "auto")]
    progress: Progress,
}

fn on_failure(word: &str) -> Result<OnFailure, String> {
    match word {
        "stop" => Ok(OnFailure::Stop),
        "undo" => Ok(OnFailure::Undo),
        "repair" => Ok(OnFailure::Repair),
        _ => Err("it is stop, undo or repair".into()),
    }
}

impl Args {
    pub fn run(&self, global: &Global) -> Result<ExitCode, Error> {
        let terminal = prompt::Terminal::default();
        let runbook = global.builder().gates(GateClass::Human, terminal.clone()).build()?;
        terminal.notes_to(runbook.clone());
        let playbook = runbook.load(&self.playbook)?;
        let Some(context) = &self.context else {
            let missing = "--context is missing: where a playbook runs is always said, never guessed";
            let start = Error::new(ErrorKind::Usage, missing);
            let command = format!("runbook run {}", self.playbook.display());
            let names = playbook.contexts().into_iter().filter(|name| playbook.plan().contexts.contains(name));
            return Err(names.fold(start, |error, name| error.hint(format!("{command} --context {name}"))));
        };
        let mut order = playbook.run(context);
        for (name, value) in self.params.read()? {
            order = order.param(&name, value);
        }
        if let Some(reason) = &self.skip_staging {
            if reason.trim().is_empty() {
                return Err(Error::new(ErrorKind::Usage, "--skip-staging wants a reason, which is kept and shown"));
            }
            order = order.skip_staging(reason);
        }
        let order = self.faults.iter().fold(self.force.on(order)?, Order::fault);
        let view = self.watch.view(global);
        self.watch.run(order, &terminal, view)
    }
}

impl Watch {
    /// The view that was asked for.
    pub fn view(&self, global: &Global) -> View {
        view::view(self.progress, global.json())
    }

    /// Shown this way, and nothing else.
    pub fn shown(progress: Progress) -> Self {
        Self { until: None, on_failure: None, progress }
    }

    /// Starts it, shows it, and waits for its end.
    pub fn run(&self, order: Order, terminal: &prompt::Terminal, mut view: View) -> Result<ExitCode, Error> {
        view.begins();
        terminal.at(prompt::Place {
            context: order.context().into(),
            suspend: view.suspend.clone(),
            shown: view.people,
            cancel: order.canceller(),
        });
        let (suspend, people) = (view.suspend.clone(), view.people);
        let mut order = order;
        if !prompt::is_interactive() {
            order = order.unattended();
        }
        if let Some(step) = &self.until {
            order = order.until(step);
        }
        if let Some(on_failure) = self.on_failure {
            order = order.on_failure(on_failure);
        }
        for sink in view.sinks {
            order = order.sink(sink);
        }
        let playbook = order.playbook().clone();
        signals::watch(order.canceller(), suspend, people);
        let run = order.start()?;
        let ended = run.wait();
        drop(view.ticker);
        // a run that exists was told by its views; that its journal is lost no line can tell
        let lost = ended.exit == ExitCode::Internal && ended.failure.is_none();
        if ended.run.is_none() || lost || self.progress == Progress::Quiet && ended.exit != ExitCode::Done {
            say::ended(&ended, &playbook);
        } else if !ended.findings.is_empty() {
            say::findings(&ended.findings, &playbook);
        }
        Ok(ended.exit)
    }
}

impl Force {
    /// The same order with what was asked for.
    pub fn on(&self, order: Order) -> Result<Order, Error> {
        match &self.break_lock {
            None => Ok(order),
            Some(reason) if reason.trim().is_empty() => {
                Err(Error::new(ErrorKind::Usage, "--break-lock wants a reason, which is kept and shown"))
            }
            Some(reason) => Ok(order.break_lock(reason)),
        }
    }
}

impl Params {
    /// All of them, by name.
    pub fn read(&self) -> Result<BTreeMap<String, Value>, Error> {
        let mut params = BTreeMap::new();
        if let Some(path) = &self.params {
            params.extend(params_file(path)?);
        }
        for param in &self.param {
            let Some((name, value)) = param.split_once('=') else {
                return Err(Error::new(ErrorKind::Usage, format!("`-p {param}` has no value"))
                    .hint(format!("-p {param}=VALUE")));
            };
            params.insert(name.trim().into(), Value::String(value.into()));
        }
        Ok(params)
    }
}
