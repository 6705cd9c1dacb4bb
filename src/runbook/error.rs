use std::fmt;

use crate::{
    event::StoreError,
    model::{ExitCode, Finding},
    run::Ended,
};

/// What sort of thing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// What was asked for does not exist or is not said in full: a file, a run, a context.
    Usage,
    /// The playbook or the configuration is refused.
    Refused,
    /// Another run or process is in the way.
    Locked,
    /// It is not the context that it has to be.
    Context,
    /// The state folder, the journal, or runbook itself.
    Internal,
}

/// An error of the library. Opaque: its parts are asked for.
pub struct Error(Box<Parts>);

struct Parts {
    kind: ErrorKind,
    message: String,
    hints: Vec<String>,
    findings: Vec<Finding>,
    exit: Option<ExitCode>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self(Box::new(Parts { kind, message, hints: vec![], findings: vec![], exit: None, source: None }))
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hints.push(hint.into());
        self
    }

    pub(crate) fn findings_are(mut self, findings: Vec<Finding>) -> Self {
        self.0.findings = findings;
        self
    }

    pub(crate) fn because(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(Box::new(source));
        self
    }

    /// What sort of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What to write or type next, a line each.
    pub fn hints(&self) -> &[String] {
        &self.0.hints
    }

    /// What was found in the playbook or the configuration.
    pub fn findings(&self) -> &[Finding] {
        &self.0.findings
    }

    /// The code that the command line exits with.
    pub fn exit_code(&self) -> ExitCode {
        self.0.exit.unwrap_or(match self.0.kind {
            ErrorKind::Usage => ExitCode::Usage,
            ErrorKind::Refused => ExitCode::Refused,
            ErrorKind::Locked => ExitCode::Locked,
            ErrorKind::Context => ExitCode::WrongContext,
            ErrorKind::Internal => ExitCode::Internal,
        })
    }

    pub(crate) fn exits(mut self, exit: ExitCode) -> Self {
        self.0.exit = Some(exit);
        self
    }

    /// The end of a run that did not begin, where none was to begin.
    pub(crate) fn of(ended: Ended) -> Self {
        let kind = match ended.exit {
            ExitCode::WrongContext | ExitCode::PreflightFailed => ErrorKind::Context,
            ExitCode::Locked => ErrorKind::Locked,
            ExitCode::Refused => ErrorKind::Refused,
            ExitCode::Usage => ErrorKind::Usage,
            _ => ErrorKind::Internal,
        };
        let error = Self::new(kind, ended.message).findings_are(ended.findings).exits(ended.exit);
        ended.help.into_iter().fold(error, Self::hint)
    }

    /// The same as the end of a run that did not begin.
    pub(crate) fn ended(self) -> Ended {
        let exit = self.exit_code();
        let parts = *self.0;
        let mut ended = Ended::new(exit, parts.message);
        ended.help = parts.hints;
        ended.findings = parts.findings;
        ended
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error").field("kind", &self.0.kind).field("message", &self.0.message).finish_non_exhaustive()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let hints: Vec<String> = match &error {
            StoreError::NoRun { nearest, .. } => {
                nearest.iter().map(|name| format!("did you mean {name}?")).chain(["runbook runs".into()]).collect()
            }
            StoreError::Several { runs, .. } => runs.clone(),
            StoreError::Io { .. } => vec![crate::run::WRITABLE.into()],
            _ => vec![],
        };
        let kind = match &error {
            StoreError::NoRun { .. } | StoreError::Several { .. } => ErrorKind::Usage,
            StoreError::Busy { .. } => ErrorKind::Locked,
            _ => ErrorKind::Internal,
        };
        let mut it = Self::new(kind, error.to_string()).because(error);
        it.0.hints = hints;
        it
    }
}
