use std::{fmt, sync::Arc};

/// A text that only a native opens, at the door to the outside. It cannot be shown, printed or serialised.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Closes a text.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text itself. What it is written into must be the thing that needs it: a request, a child's stdin or
    /// environment, never a line, a message or an argument.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(super::REPLACEMENT)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(super::REPLACEMENT)
    }
}
