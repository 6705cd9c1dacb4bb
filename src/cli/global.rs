use std::{env, io::IsTerminal as _, path::PathBuf};

use crate::runbook::{Builder, Error, Runbook};

/// What every command takes.
#[derive(clap::Args, Debug)]
pub struct Global {
    /// The runbook.toml in force, instead of the one found upwards from the playbook.
    #[arg(long, value_name = "FILE", env = "RUNBOOK_CONFIG", global = true, help_heading = "Options of every command")]
    pub config: Option<PathBuf>,
    /// The state folder: runs, locks, incident records, sandboxes.
    #[arg(
        long,
        value_name = "DIR",
        env = "RUNBOOK_STATE_DIR",
        global = true,
        help_heading = "Options of every command"
    )]
    pub state_dir: Option<PathBuf>,
    /// What stdout is: text for people, or JSON for programs.
    #[arg(
        short,
        long,
        value_name = "FORM",
        default_value = "text",
        global = true,
        help_heading = "Options of every command"
    )]
    pub output: Output,
}

/// What stdout is.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

impl Global {
    /// Whether a program reads stdout.
    pub fn json(&self) -> bool {
        self.output == Output::Json
    }

    /// A builder with this environment, this account and this state folder.
    pub fn builder(&self) -> Builder {
        let mut builder = Runbook::builder().store(self.state()).environment(env::vars_os());
        if let Some(config) = &self.config {
            builder = builder.config(config);
        }
        if let Ok(account) = env::var("USER").or_else(|_| env::var("LOGNAME")) {
            builder = builder.account(account);
        }
        builder.host(rustix::system::uname().nodename().to_string_lossy())
    }

    /// A library without gates or views: for commands that do not run anything.
    pub fn runbook(&self) -> Result<Runbook, Error> {
        self.builder().build()
    }

    fn state(&self) -> PathBuf {
        let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        self.state_dir.clone().unwrap_or_else(|| {
            set("XDG_STATE_HOME")
                .or_else(|| set("HOME").map(|home| home.join(".local/state")))
                .unwrap_or_else(env::temp_dir)
                .join("runbook")
        })
    }
}

/// Whether colours are wanted on a stream: <https://no-color.org>, <https://bixense.com/clicolors>.
pub fn colors(terminal: bool) -> bool {
    let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|is| is == value);
    !set("NO_COLOR") && !is("CLICOLOR", "0") && (terminal || set("CLICOLOR_FORCE") && !is("CLICOLOR_FORCE", "0"))
}

/// Whether stderr is a terminal.
pub fn stderr_is_terminal() -> bool {
    std::io::stderr().is_terminal()
}
