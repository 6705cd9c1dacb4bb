//! What is asked of a context before the first change: many questions at once, and nothing that changes anything.

use std::{sync::Arc, time::Instant};

use serde_json::Value;

use super::{Door, EffectError};
use crate::{
    cluster::{ApplyOptions, Cluster, ClusterError, Patched, Patience, Permission, Place, Resource, Survey, Wish},
    event::Cancel,
    model::ObjectRef,
    object::edges::Impact,
};

/// A look at a context from outside of any step.
pub struct Lookout<'a> {
    cluster: &'a Cluster,
    patience: Patience,
}

/// Why a kind cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unserved {
    /// No API has it; the nearest that there are.
    Nowhere(Vec<String>),
    /// It is written otherwise than its kind is: with a namespace too much or missing, or in one of several groups.
    Written(String),
    /// It could not be asked.
    Unknown(String),
}

/// What a server says of a change that it was asked to only try.
#[derive(Clone, Debug, PartialEq)]
pub enum Tried {
    /// It would come to this.
    Accepted(Value),
    /// It would not be taken: the message, and what to do about it.
    Refused(String, Vec<String>),
    /// Its namespace is not there.
    NoNamespace(String),
    /// Its kind is not served.
    NotServed,
    /// It could not be tried.
    Unknown(String),
}

type Each<T> = Result<Vec<Result<T, EffectError>>, EffectError>;

impl<'a> Lookout<'a> {
    /// A look through this door, until the instant.
    ///
    /// # Errors
    /// The context has no cluster, or none that can be reached.
    pub fn at(door: &'a Door, cancel: &Cancel, until: Instant) -> Result<Self, EffectError> {
        let patience = Patience { deadline: Some(until), cancel: cancel.clone() };
        Ok(Self { cluster: door.cluster()?, patience })
    }

    /// Every kind that is served, in every version.
    ///
    /// # Errors
    /// What the server says.
    pub fn resources(&self) -> Result<Vec<Arc<Resource>>, EffectError> {
        Ok(self.cluster.resources(&self.patience)?)
    }

    /// The kind of a reference.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn kind_of(&self, object: &ObjectRef) -> Result<Arc<Resource>, Unserved> {
        self.cluster.resolve(object, &self.patience).map_err(unserved)
    }

    /// The kind of a manifest, in its version.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn kind_of_object(&self, object: &Value) -> Result<Arc<Resource>, Unserved> {
        self.cluster.resolve_object(object, &self.patience).map_err(unserved)
    }

    /// The name that the server knows this account by.
    pub fn account(&self) -> Option<String> {
        // its groups are of no use here
        let said = self.cluster.account(&self.patience).ok()?;
        Some(said.split(" (").next().unwrap_or(&said).to_owned())
    }

    /// Whether this account may do each.
    ///
    /// # Errors
    /// The time is over, or the run was cancelled.
    pub fn may_all(&self, wishes: Vec<(Arc<Resource>, Wish)>) -> Each<Permission> {
        Ok(each(self.cluster.may_all(wishes, &self.patience)?))
    }

    /// What the authorizer tells of this account's rules in each namespace.
    ///
    /// # Errors
    /// As [`Lookout::may_all`].
    pub fn rules_in(&self, namespaces: Vec<String>) -> Each<Value> {
        Ok(each(self.cluster.rules_in(namespaces, &self.patience)?))
    }

    /// The names that there are of each kind in each namespace.
    ///
    /// # Errors
    /// As [`Lookout::may_all`].
    pub fn names_in(&self, places: Vec<Place>) -> Each<Vec<String>> {
        Ok(each(self.cluster.names_in(places, &self.patience)?))
    }

    /// All objects of each kind in each namespace.
    ///
    /// # Errors
    /// As [`Lookout::may_all`].
    pub fn objects_in(&self, places: Vec<Place>) -> Each<Vec<Value>> {
        Ok(each(self.cluster.objects_in(places, &self.patience)?))
    }

    /// Each object as it is; none where there is none.
    ///
    /// # Errors
    /// As [`Lookout::may_all`].
    pub fn live(&self, wanted: Vec<(Arc<Resource>, ObjectRef)>) -> Each<Option<Value>> {
        Ok(each(self.cluster.get_all(wanted, &self.patience)?))
    }

    /// What each manifest would come to, adopting one manager's fields where that is asked for.
    ///
    /// # Errors
    /// As [`Lookout::may_all`].
    pub fn try_all(&self, objects: Vec<Value>, take_over: Option<&str>) -> Result<Vec<Tried>, EffectError> {
        let options = ApplyOptions { take_over: take_over.map(Into::into), ..ApplyOptions::default() };
        Ok(self.cluster.try_applies(objects, &options, &self.patience)?.into_iter().map(tried).collect())
    }

    /// What each patch would come to.
    ///
    /// # Errors
    /// As [`Lookout::may_all`].
    pub fn try_patches(&self, patches: Vec<Patched>) -> Result<Vec<Tried>, EffectError> {
        Ok(self.cluster.try_patches(patches, &self.patience)?.into_iter().map(tried).collect())
    }

    /// What depends on these objects, and all that was looked at to know.
    ///
    /// # Errors
    /// What the server says; a kind that cannot be listed is in [`Survey::unseen`].
    pub fn dependents(&self, of: &[ObjectRef]) -> Result<(Survey, Impact), EffectError> {
        Ok(self.cluster.dependents(of, &self.patience)?)
    }
}

impl std::fmt::Debug for Lookout<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lookout").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

fn each<T>(answers: Vec<Result<T, ClusterError>>) -> Vec<Result<T, EffectError>> {
    answers.into_iter().map(|answer| answer.map_err(Into::into)).collect()
}

fn unserved(error: ClusterError) -> Unserved {
    match error {
        ClusterError::NotServed { nearest, .. } => Unserved::Nowhere(nearest),
        error @ (ClusterError::Scope { .. } | ClusterError::Ambiguous { .. } | ClusterError::Object { .. }) => {
            Unserved::Written(error.to_string())
        }
        error => Unserved::Unknown(error.to_string()),
    }
}

fn tried(answer: Result<Value, ClusterError>) -> Tried {
    match answer {
        Ok(object) => Tried::Accepted(object),
        Err(ClusterError::NamespaceMissing { namespace, .. }) => Tried::NoNamespace(namespace),
        Err(ClusterError::NotServed { .. }) => Tried::NotServed,
        Err(error @ (ClusterError::Invalid { .. } | ClusterError::Conflict { .. })) => {
            Tried::Refused(error.to_string(), error.help())
        }
        // an admission denial; that this account may not change it is another question
        Err(ClusterError::Forbidden { what, message }) if !is_about_the_account(&message) => {
            Tried::Refused(format!("{what}: refused: {message}"), vec![])
        }
        Err(ref error @ ClusterError::Rejected { ref message, .. }) => {
            if message.contains("does not support dry run") {
                Tried::Unknown(error.to_string())
            } else {
                Tried::Refused(error.to_string(), error.help())
            }
        }
        Err(error) => Tried::Unknown(error.to_string()),
    }
}

/// Whether a 403 comes from the authorizer: `User "x" cannot patch resource "y" …`.
fn is_about_the_account(message: &str) -> bool {
    message.contains(" cannot ") && message.contains("resource \"")
}

impl Door {
    /// Whether the context has no cluster at all.
    pub fn is_elsewhere(&self) -> bool {
        self.parts.elsewhere.is_some()
    }
}
