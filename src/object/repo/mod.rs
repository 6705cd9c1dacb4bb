//! A GitOps repository by what its files say, without I/O: which objects they hold, on which lines, of which cluster.
//! `references` finds who names a resource, by meaning and by text; `similar` finds patterns to follow; `compare` finds what
//! one cluster's folder has and the other has not. Values that sops encrypted are never kept.

mod compare;
mod document;
mod kustomize;
mod mentions;
mod references;
mod shape;
mod similar;
mod typical;

pub use compare::{Compared, Declared, Differing, Field, Side};
pub use document::{File, Repo, Unread};
pub use kustomize::{is_kustomization, resolved, taken};
pub use references::{Reference, Wanted};
pub use similar::{Like, Similar};

#[cfg(test)]
mod tests;
