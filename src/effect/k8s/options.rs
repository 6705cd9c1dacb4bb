use super::super::{EffectError, Sort};

/// What a change says about those who keep the object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeOptions {
    /// Why it is changed although a controller keeps it.
    pub despite_owner: Option<String>,
    /// The field manager whose fields are adopted; only for `apply`.
    pub take_over: Option<String>,
}

/// What a drain may evict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DrainOptions {
    /// Also pods that nothing brings back.
    pub unmanaged: bool,
    /// Also pods whose emptyDir volumes are lost with them.
    pub empty_dirs: bool,
}

impl ChangeOptions {
    /// Reasons have words in them.
    pub(super) fn check(&self, native: &str) -> Result<(), EffectError> {
        let empty = |text: &Option<String>| text.as_ref().is_some_and(|text| text.trim().is_empty());
        if empty(&self.despite_owner) {
            let message =
                format!("`{native}` wants a reason: #{{ despite_owner: \"why it is changed all the same\" }}");
            return Err(EffectError::new(Sort::Argument, message));
        }
        if empty(&self.take_over) {
            let message = format!("`{native}` wants a field manager: #{{ take_over: \"kubectl-client-side-apply\" }}");
            return Err(EffectError::new(Sort::Argument, message));
        }
        Ok(())
    }
}
