use std::sync::Arc;

use serde_json::Value;

use super::manifest;
use super::{ask::dotted, parse, selected};
use crate::{
    cluster::Selector,
    effect::{Call, EffectError, Mode, Sort, Trial},
    model::{ObjectRef, Read},
    object::{
        self,
        edges::{Direction, Impact},
        readiness,
    },
};

/// Whether an object is ready, and what its controller says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Ready as kstatus means it; none where there is no object.
    pub ready: bool,
    /// In words: the controller's message, or that there is no object.
    pub reason: String,
}

/// A list as earlier steps of a trial would have left it. What a selector would select of what they make is not known.
fn as_left(trial: &Trial, listed: Vec<Arc<Value>>, kind: &str, namespace: Option<&str>, all: bool) -> Vec<Arc<Value>> {
    let known: Vec<String> = listed.iter().map(|object| object::reference(object).to_string()).collect();
    let left = listed.iter().zip(&known).filter_map(|(object, name)| trial.as_left(name, Some(object)));
    let mut left: Vec<Arc<Value>> = left.map(Arc::new).collect();
    if all {
        let made = trial.made(kind, namespace).into_iter();
        left.extend(made.filter(|object| !known.contains(&object::reference(object).to_string())).map(Arc::new));
    }
    left
}

impl Call {
    /// An object, or none where it does not exist.
    pub fn k8s_get(&self, native: &str, reference: &str) -> Result<Option<Arc<Value>>, EffectError> {
        self.allow(native, Mode::Read)?;
        let parsed = parse(reference)?;
        self.looked(dotted(&parsed), parsed.namespace.as_deref(), Some(&parsed.name));
        if let Some(trial) = self.trial.as_ref().filter(|_| self.is_blind()) {
            return Ok(trial.kept(reference).map(Arc::new));
        }
        self.read(Read::Object(reference.into()));
        let cluster = self.door(native)?.cluster()?;
        let found = match &self.watches {
            Some(watching) => watching.watches()?.get(&parsed, &self.patience()),
            None => cluster.get(&parsed, &self.patience()).map(|found| found.map(Arc::new)),
        };
        let found = found.map_err(|error| self.ran_into(error.into()))?;
        if let Some(object) = &found {
            self.learn(object);
        }
        match &self.trial {
            Some(trial) => Ok(trial.as_left(reference, found.as_deref()).map(Arc::new)),
            None => Ok(found),
        }
    }

    /// All objects of a kind, in a namespace or everywhere, that a selector selects.
    pub fn k8s_list(
        &self,
        kind: &str,
        namespace: Option<&str>,
        selector: &Selector,
    ) -> Result<Vec<Arc<Value>>, EffectError> {
        let native = "k8s::list";
        self.allow(native, Mode::Read)?;
        self.looked(kind.to_owned(), namespace, None);
        if self.is_blind() {
            return Err(EffectError::new(
                Sort::Unseen,
                format!("what {kind} objects there are is not known in a trial"),
            ));
        }
        self.read(Read::List(format!("{kind} in {}{}", namespace.unwrap_or("all namespaces"), selected(selector))));
        let cluster = self.door(native)?.cluster()?;
        let found = match &self.watches {
            Some(watching) => watching.watches()?.list(kind, namespace, selector, &self.patience()),
            None => cluster
                .list(kind, namespace, selector, &self.patience())
                .map(|listed| listed.items.into_iter().map(Arc::new).collect()),
        };
        let found = found.map_err(|error| self.ran_into(error.into()))?;
        for object in &found {
            self.learn(object);
        }
        match &self.trial {
            Some(trial) => {
                let kind = cluster.resolve_kind(kind, &self.patience()).map_err(|error| self.ran_into(error.into()))?;
                Ok(as_left(trial, found, &kind.kind, namespace, *selector == Selector::default()))
            }
            None => Ok(found),
        }
    }

    /// Whether an object is ready, or every object of a manifest in the bundle; the reason is of the first that is not.
    pub fn k8s_ready(&self, reference: &str) -> Result<Readiness, EffectError> {
        if manifest::is_named_by(self, reference) {
            let mut answer = Readiness { ready: true, reason: String::new() };
            for object in self.references("k8s::ready", Mode::Read, reference)? {
                let found = self.k8s_ready(&object)?;
                // all are read, so that a verify watches all of them
                if answer.ready {
                    answer = found;
                }
            }
            return Ok(answer);
        }
        let Some(object) = self.k8s_get("k8s::ready", reference)? else {
            return Ok(Readiness { ready: false, reason: self.k8s_missing(reference) });
        };
        let status = readiness::status(&object, jiff::Timestamp::now());
        let words = [status.status.word(), &status.reason, &status.message];
        let words: Vec<&str> = words.into_iter().filter(|text| !text.is_empty()).collect();
        Ok(Readiness { ready: status.is_ready(), reason: words.join(": ") })
    }

    /// How far an object is as its kind means it, and what its controller says; `NotFound` where it does not exist.
    pub fn k8s_status(&self, reference: &str) -> Result<readiness::Status, EffectError> {
        let object = self.k8s_get("k8s::status", reference)?;
        Ok(readiness::status_of(object.as_deref(), jiff::Timestamp::now()))
    }

    /// In words, that an object does not exist; where this is asked for, with the names that there are.
    pub fn k8s_missing(&self, reference: &str) -> String {
        let nearest = || {
            let cluster = self.door("k8s::get").ok()?.cluster().ok()?;
            let parsed = parse(reference).ok()?;
            let names = cluster.nearest(&parsed, &self.patience()).ok()?;
            let there = names.iter().map(|name| format!("`{}`", ObjectRef { name: name.clone(), ..parsed.clone() }));
            let there: Vec<String> = there.collect();
            let are = if there.len() == 1 { "is" } else { "are" };
            (!there.is_empty()).then(|| format!("there {are} {}", there.join(" and ")))
        };
        match self.hints.then(nearest).flatten() {
            Some(there) => format!("{reference} does not exist; {there}"),
            None => format!("{reference} does not exist"),
        }
    }

    /// The events of an object, oldest first.
    pub fn k8s_events(&self, reference: &str) -> Result<Vec<Value>, EffectError> {
        let native = "k8s::events";
        self.allow(native, Mode::Read)?;
        self.read(Read::Object(reference.into()));
        if self.is_blind() {
            return Ok(vec![]);
        }
        self.read(Read::Polled(format!("events of {reference}")));
        let events = self.door(native)?.cluster()?.events(&parse(reference)?, &self.patience());
        events.map_err(|error| self.ran_into(error.into()))
    }

    /// What depends on an object, or what it needs: nearest first, itself first of all.
    pub fn k8s_impact(&self, native: &str, reference: &str, direction: Direction) -> Result<Impact, EffectError> {
        self.allow(native, Mode::Read)?;
        self.read(Read::Object(reference.into()));
        if self.is_blind() {
            return Err(EffectError::new(Sort::Unseen, format!("what depends on {reference} is not known in a trial")));
        }
        self.read(Read::Polled(format!("what depends on {reference}")));
        let reach = self.door(native)?.cluster()?.impact(&[parse(reference)?], direction, &self.patience());
        Ok(reach.map_err(|error| self.ran_into(error.into()))?.impact)
    }
}
