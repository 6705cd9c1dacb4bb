//! `[notify]` of `runbook.toml`: a command that gets what a run came to as JSON on its stdin.

use std::{sync::Arc, time::Duration};

use super::builder::Inner;
use crate::{
    bundle::Config,
    process::{self, Command, Ended, Environment, Hooks, Reachable},
    run,
};

/// How long it may take to tell somebody: the run's process waits for it.
const TELL: Duration = Duration::from_secs(10);

/// What tells, where the configuration asks for it.
pub(super) fn teller(inner: &Arc<Inner>, config: &Arc<Config>) -> Option<run::Notify> {
    config.notify.as_ref()?;
    let (inner, config) = (inner.clone(), config.clone());
    Some(Box::new(move |word, event| match &config.notify {
        Some(notify) if notify.on.iter().any(|on| on == word) => tell(&inner, &config, &notify.run, event),
        _ => Ok(()),
    }))
}

fn tell(inner: &Inner, config: &Config, argv: &[String], event: &serde_json::Value) -> Result<(), String> {
    let line = argv.join(" ");
    let env = Environment::new(inner.environment.iter().cloned(), &[], &Reachable::default());
    let text = inner.scrubber.scrub(&event.to_string()).into_owned();
    let mut command = Command::new(argv, env.variables());
    command.timeout = Some(TELL);
    command.grace = Duration::from_secs(1);
    command.stdin = Some(text.as_bytes());
    command.cwd = config.path.parent().filter(|folder| folder.is_dir());
    let mut hooks = Hooks {
        on_start: &mut |_| Ok(()),
        on_line: None,
        filter: &|text| inner.scrubber.scrub(text).into_owned(),
        on_cancel: None,
    };
    let finished = process::run(&command, &mut hooks).map_err(|error| error.to_string())?;
    let last = finished.stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it printed nothing");
    match finished.ended {
        Ended::Exited(0) => Ok(()),
        Ended::Exited(status) => Err(format!("`{line}` ended with status {status}: {last}")),
        Ended::Signalled(signal) => Err(format!("`{line}` was ended by signal {signal}: {last}")),
        Ended::Deadline | Ended::Cancelled => {
            Err(format!("`{line}` was ended: it took longer than {} s", TELL.as_secs()))
        }
    }
}
