//! Faults: objects that are told not to become ready.

use super::kinds::Kind;

/// One object that does not become ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// `Kind/namespace/name`, or `Kind/name` for cluster-scoped kinds.
    pub target: String,
    /// What happens instead.
    pub how: FaultHow,
}

/// What a fault does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultHow {
    /// The object fails with this message.
    Fail(String),
    /// The object stays in progress.
    Stall,
}

impl Fault {
    pub(crate) fn hits(&self, kind: &Kind, namespace: &str, name: &str) -> bool {
        let mut parts = self.target.split('/');
        let (sort, rest): (&str, Vec<&str>) = (parts.next().unwrap_or_default(), parts.collect());
        let sort = sort.split('.').next().unwrap_or_default();
        let named = sort.eq_ignore_ascii_case(&kind.kind)
            || sort == kind.plural
            || kind.short_names.iter().any(|short| short == sort);
        let placed = match rest.as_slice() {
            [only] => !kind.namespaced && *only == name,
            [ns, own] => *ns == namespace && *own == name,
            _ => false,
        };
        named && placed
    }
}
