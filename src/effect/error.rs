use crate::model::ExitCode;

/// What sort of thing stopped a native.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sort {
    /// It may not be called here.
    WrongMode,
    /// An argument is not what it has to be.
    Argument,
    /// It is refused, and asking again changes nothing: no rule for a command, a path outside the bundle.
    Refused,
    /// The API refused to answer: an unknown kind, no permission. A verify waits for it a little.
    Hard,
    /// Nobody answered: connect, timeout, 429, 5xx, garbage. A verify waits for it as long as it may.
    Unreachable,
    /// An effect was answered with a failure.
    Failed,
    /// It is not known what became of an effect.
    Uncertain,
    /// It is not the cluster that it was, or a host of another context.
    Identity,
    /// The run's lock was lost.
    Lock,
    /// The journal could not be written.
    Journal,
    /// A value is not known in a trial.
    Unseen,
    /// The run was cancelled.
    Cancelled,
    /// The time of the closure is over.
    Deadline,
}

impl Sort {
    /// Whether no script may catch it: the closure ends here.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Argument | Self::Hard | Self::Failed | Self::Refused | Self::WrongMode)
    }

    /// The code that a run ended by it exits with.
    pub fn exit(self) -> ExitCode {
        match self {
            Self::Uncertain => ExitCode::Unknown,
            Self::Identity => ExitCode::WrongContext,
            Self::Lock => ExitCode::Locked,
            Self::Journal => ExitCode::Internal,
            Self::Cancelled => ExitCode::Interrupted,
            _ => ExitCode::StepFailed,
        }
    }
}

/// Why a native did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EffectError {
    /// What sort of thing.
    pub sort: Sort,
    /// What happened, naming the thing.
    pub message: String,
    /// What to write or type instead.
    pub help: Vec<String>,
}

impl EffectError {
    /// An error of this sort.
    pub fn new(sort: Sort, message: impl Into<String>) -> Self {
        Self { sort, message: message.into(), help: vec![] }
    }

    /// Adds what to write or type instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }
}

impl From<crate::event::LogError> for EffectError {
    fn from(error: crate::event::LogError) -> Self {
        Self::new(Sort::Journal, error.to_string())
    }
}
