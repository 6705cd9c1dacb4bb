use serde::Serialize;

use super::{ExitCode, Identity};

/// How one thing that runs stand on is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// As it should be.
    Ok,
    /// Not there, and nothing says that it has to be.
    Absent,
    /// Runs are possible, and something about it is worth a look.
    Warning,
    /// A run would be refused or fail by it.
    Failed,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checkup {
    /// What: `kube-context`, `clock`, a tool's name.
    pub name: String,
    /// How it is.
    pub health: Health,
    /// What was seen.
    pub text: String,
    /// What to do, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub help: Vec<String>,
}

impl Checkup {
    /// A thing that is as it should be.
    pub fn ok(name: &str, text: impl Into<String>) -> Self {
        Self { name: name.into(), health: Health::Ok, text: text.into(), help: vec![] }
    }

    /// A thing that is like this.
    pub fn is(health: Health, name: &str, text: impl Into<String>) -> Self {
        Self { health, ..Self::ok(name, text) }
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }
}

/// A context as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ContextDiagnosis {
    /// Its name.
    pub name: String,
    /// Which cluster it is, where it could be reached.
    pub identity: Option<Identity>,
    /// Whether it is not the cluster that it has to be.
    pub wrong: bool,
    /// What was looked at, in order.
    pub checkups: Vec<Checkup>,
}

/// What runs would stand on: this machine, and the contexts that were asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// The program, the state folder, `runbook.toml`, tools.
    pub machine: Vec<Checkup>,
    /// Each context.
    pub contexts: Vec<ContextDiagnosis>,
}

impl Diagnosis {
    /// The code that says it: 31 where a context is another cluster, 12 where something fails, else 0.
    pub fn exit(&self) -> ExitCode {
        let all = self.contexts.iter().flat_map(|context| &context.checkups).chain(&self.machine);
        if self.contexts.iter().any(|context| context.wrong) {
            ExitCode::WrongContext
        } else if all.into_iter().any(|checkup| checkup.health == Health::Failed) {
            ExitCode::PreflightFailed
        } else {
            ExitCode::Done
        }
    }
}

/// A UID that was written into `runbook.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pinned {
    /// The context.
    pub context: String,
    /// Its UID now.
    pub uid: String,
    /// The one that it was pinned to before.
    pub before: Option<String>,
}
