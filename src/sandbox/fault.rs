//! Faults: which objects are told not to become ready, and for how long that has been so.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch;

use super::kinds::{Kind, Registry};
use crate::model::{Fault, FaultHow};

/// The faults in force, and a bell for when they change.
#[derive(Debug)]
pub(crate) struct Faults {
    told: RwLock<Arc<[Fault]>>,
    changed: watch::Sender<u64>,
}

impl Faults {
    pub fn new(faults: Vec<Fault>) -> Self {
        Self { told: RwLock::new(faults.into()), changed: watch::Sender::new(0) }
    }

    pub fn now(&self) -> Arc<[Fault]> {
        Arc::clone(&self.told.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn set(&self, faults: Vec<Fault>) {
        *self.told.write().unwrap_or_else(PoisonError::into_inner) = faults.into();
        self.changed.send_modify(|count| *count += 1);
    }

    /// Does something while no fault is in force.
    pub fn lifted<T>(&self, work: impl FnOnce() -> T) -> T {
        let told = self.now();
        self.set(Vec::new());
        let done = work();
        self.set(told.to_vec());
        done
    }

    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

fn is_named(sort: &str, kind: &Kind) -> bool {
    let (name, group) = sort.split_once('.').map_or((sort, None), |(name, group)| (name, Some(group)));
    let named = name.eq_ignore_ascii_case(&kind.kind)
        || name == kind.plural
        || kind.short_names.iter().any(|short| short == name);
    named && group.is_none_or(|group| group == kind.group)
}

/// Whether a name fits a pattern in which `*` stands for anything.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name
            .strip_prefix(start)
            .is_some_and(|left| (0..=left.len()).any(|at| left.get(at..).is_some_and(|tail| fits(rest, tail)))),
    }
}

/// What a fault makes of an object, where it is told to one of this kind, namespace and name.
pub(crate) fn of<'a>(faults: &'a [Fault], kind: &Kind, namespace: &str, name: &str) -> Option<&'a FaultHow> {
    let hit = |fault: &&Fault| {
        let parts: Vec<&str> = fault.target.split('/').collect();
        match parts.as_slice() {
            [sort, only] => is_named(sort, kind) && !kind.namespaced && fits(only, name),
            [sort, ns, own] => is_named(sort, kind) && *ns == namespace && fits(own, name),
            _ => false,
        }
    };
    faults.iter().find(hit).map(|fault| &fault.how)
}

/// Why a fault would never do anything; `controlled` are the resources that a controller looks after.
pub(crate) fn trouble(registry: &Registry, controlled: &[&str], fault: &Fault) -> Option<String> {
    let sort = fault.target.split('/').next().unwrap_or_default();
    let named: Vec<&Arc<Kind>> = registry.all().filter(|kind| is_named(sort, kind)).collect();
    let Some(kind) = named.iter().find(|kind| controlled.contains(&&*kind.resource())).or(named.first()) else {
        let nearest = registry
            .all()
            .map(|kind| (strsim::jaro_winkler(&kind.kind.to_lowercase(), &sort.to_lowercase()), kind))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let near = nearest.filter(|(score, _)| *score > 0.75);
        let help = near.map(|(_, kind)| format!("; did you mean {}?", kind.kind)).unwrap_or_default();
        return Some(format!("the sandbox serves no kind `{sort}`{help}"));
    };
    let example = if kind.namespaced { "namespace/name" } else { "name" };
    if kind.namespaced != (fault.target.matches('/').count() == 2) {
        let scope = if kind.namespaced { "namespaced" } else { "cluster-scoped" };
        return Some(format!("{} is {scope}: write {}/{example}", kind.kind, kind.kind));
    }
    if !controlled.contains(&&*kind.resource()) {
        return Some(format!(
            "nothing makes a {} ready in the sandbox, so nothing can keep it from it; tell it to what depends on it",
            kind.kind
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_what_stands_between_its_stars() {
        for (pattern, name, yes) in [
            ("api", "api", true),
            ("api", "apis", false),
            ("*", "anything", true),
            ("api-*", "api-7d9f-x", true),
            ("*-x", "api-7d9f-x", true),
            ("a*9*x", "api-7d9f-x", true),
            ("b*", "api", false),
        ] {
            assert_eq!(fits(pattern, name), yes, "{pattern} {name}");
        }
    }

    #[test]
    fn a_fault_that_would_do_nothing_says_so() {
        let registry = Registry::new([].into_iter());
        let trouble = |text: &str| trouble(&registry, &["deployments.apps"], &text.parse().expect("a fault"));
        assert_eq!(trouble("deploy/web/api: stall"), None);
        assert!(trouble("Deploymnt/web/api: stall").is_some_and(|why| why.contains("did you mean Deployment?")));
        assert!(trouble("Deployment/api: stall").is_some_and(|why| why.contains("Deployment/namespace/name")));
        assert!(trouble("ConfigMap/web/api: stall").is_some_and(|why| why.contains("ConfigMap")));
    }
}
