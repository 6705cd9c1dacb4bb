use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};
use http::Method;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Value, json};

use super::{
    Cluster, ClusterError, Inner, Patience,
    error::What,
    read::{JSON, METADATA_EVENTS},
    wire::Call,
};
use crate::{
    model::ObjectRef,
    object::{head, path::text, readiness},
};

/// How many objects are written at the same time.
const CONCURRENCY: usize = 8;
/// How long a new kind may take until it is served.
const SERVED: Duration = Duration::from_secs(30);
/// The same where nothing of the same call needs it.
const SOON: Duration = Duration::from_secs(1);

/// How an object is applied.
#[derive(Clone, Debug)]
pub struct ApplyOptions {
    /// Who will keep the fields.
    pub field_manager: String,
    /// Asks the server to check everything and keep nothing.
    pub dry_run: bool,
    /// Takes fields from other managers; never a default.
    pub force: bool,
    /// Takes fields from this manager, where it is the only one in the way.
    pub take_over: Option<String>,
    /// Asks the server to look for all that it could refuse. Not needed for an object that has passed a dry run which asked so:
    /// what it looks for then is known, and looking costs it a second reading of the object.
    pub strict: bool,
}

impl Default for ApplyOptions {
    fn default() -> Self {
        Self { field_manager: "runbook".into(), dry_run: false, force: false, take_over: None, strict: true }
    }
}

/// How an object is deleted.
#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    /// Only the object with this UID.
    pub uid: Option<String>,
    /// Asks the server to check everything and delete nothing.
    pub dry_run: bool,
}

/// What became of one object of many.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The object.
    pub reference: ObjectRef,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of an object.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The server took it and answered this.
    Applied(Value),
    /// It did not.
    Failed(ClusterError),
    /// Another one failed, or the end was asked for, before its turn.
    NotTried,
}

impl Cluster {
    /// Applies the object server-side and gives the server's answer.
    ///
    /// # Errors
    /// `Conflict` with the other managers and their fields, `Invalid`, `NotServed`, or what the server says.
    pub fn apply(&self, object: &Value, options: &ApplyOptions, patience: &Patience) -> Result<Value, ClusterError> {
        let (inner, object, options) = (self.inner.clone(), object.clone(), options.clone());
        let what = format!("apply {}", head(&object).reference());
        self.wait(patience, &what, async move { inner.apply(&object, &options).await })
    }

    /// Asks for each object whether the server would take it, eight at a time; nothing is kept, and none waits for another.
    /// Of what it would make of them only the metadata is asked for.
    ///
    /// # Errors
    /// The deadline or the cancel of `patience`; what the server says of an object stands in its own result.
    pub fn try_all(
        &self,
        objects: &[Arc<Value>],
        options: &ApplyOptions,
        patience: &Patience,
    ) -> Result<Vec<Result<(), ClusterError>>, ClusterError> {
        let objects = objects.to_vec();
        let (inner, options) = (self.inner.clone(), Arc::new(ApplyOptions { dry_run: true, ..options.clone() }));
        self.wait(patience, "dry run", async move {
            let tried = stream::iter(objects).map(|object| {
                let (inner, options) = (inner.clone(), options.clone());
                async move { inner.applied::<IgnoredAny>(&object, &options, METADATA_EVENTS).await.map(drop) }
            });
            Ok(tried.buffered(CONCURRENCY).collect().await)
        })
    }

    /// Applies many objects, eight at a time: namespaces and CRDs first, the others once these are there and served. When one
    /// fails, those in flight are finished and no more are started. One result for each object, in their order.
    pub fn apply_many(&self, objects: &[Arc<Value>], options: &ApplyOptions, patience: &Patience) -> Vec<Applied> {
        let (foundation, rest): (Vec<usize>, Vec<usize>) = (0..objects.len())
            .partition(|i| matches!(head(&objects[*i]).kind(), "Namespace" | "CustomResourceDefinition"));
        let mut outcomes: Vec<Outcome> = objects.iter().map(|_| Outcome::NotTried).collect();
        for stage in [&foundation, &rest] {
            let failed = outcomes.iter().any(|outcome| matches!(outcome, Outcome::Failed(_)));
            if failed || stage.is_empty() {
                continue;
            }
            for (i, outcome) in self.apply_stage(objects, stage.clone(), options, patience) {
                outcomes[i] = outcome;
            }
            if options.dry_run {
                continue;
            }
            // for what comes in a later call it is waited for a moment; whether it gets ready is a verify's business
            let longest = if rest.is_empty() { SOON } else { SERVED };
            for i in stage.iter().filter(|i| head(&objects[**i]).kind() == "CustomResourceDefinition") {
                if !matches!(outcomes[*i], Outcome::Applied(_)) {
                    continue;
                }
                match self.is_served(&objects[*i], longest, patience) {
                    Err(error) if !rest.is_empty() => outcomes[*i] = Outcome::Failed(error),
                    _ => {}
                }
            }
        }
        let references = objects.iter().map(|object| head(object).reference());
        references.zip(outcomes).map(|(reference, outcome)| Applied { reference, outcome }).collect()
    }

    /// Waits until the kind of a definition is served.
    fn is_served(&self, definition: &Value, longest: Duration, patience: &Patience) -> Result<(), ClusterError> {
        let (inner, reference) = (self.inner.clone(), head(definition).full_reference());
        let kind = ["spec.names.kind", "spec.group"].map(|path| text(definition, path).unwrap_or_default()).join(".");
        let what = format!("wait until {kind} is served");
        self.wait(patience, &what.clone(), async move {
            let end = Instant::now() + longest;
            loop {
                let found = inner.get(&reference).await?;
                let state = found.map(|found| readiness::status(&found, jiff::Timestamp::now()));
                match state {
                    Some(state) if state.is_ready() => {
                        // discovery is some milliseconds behind
                        inner.discovery.forget();
                        if inner.resolve_kind(&kind).await.is_ok() {
                            return Ok(());
                        }
                    }
                    Some(state) if state.status == readiness::State::Failed => {
                        let message = format!("{}: {}", state.reason, state.message);
                        return Err(ClusterError::Invalid { what, message, causes: vec![] });
                    }
                    _ => {}
                }
                if Instant::now() >= end {
                    let message = format!("not so after {} s", longest.as_secs());
                    return Err(ClusterError::Invalid { what, message, causes: vec![] });
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
    }

    fn apply_stage(
        &self,
        objects: &[Arc<Value>],
        stage: Vec<usize>,
        options: &ApplyOptions,
        patience: &Patience,
    ) -> Vec<(usize, Outcome)> {
        let (inner, options, cancel) = (self.inner.clone(), Arc::new(options.clone()), patience.cancel.clone());
        // a cancel lets those in flight end: their outcome is worth the wait
        let waiting = Patience { deadline: patience.deadline, cancel: crate::event::Cancel::new() };
        let work: Vec<(usize, Arc<Value>)> = stage.iter().map(|i| (*i, objects[*i].clone())).collect();
        // outside of the future, so that what has ended is known when the deadline cuts the others off
        let ended: Arc<Mutex<BTreeMap<usize, Option<Outcome>>>> = Arc::default();
        let results = ended.clone();
        let cut = self.wait(&waiting, "apply", async move {
            let failed = AtomicBool::new(false);
            stream::iter(work)
                .for_each_concurrent(CONCURRENCY, |(i, object)| {
                    let (inner, options, cancel, failed, results) = (&inner, &options, &cancel, &failed, &results);
                    async move {
                        if failed.load(Ordering::Acquire) || cancel.is_cancelled() {
                            return;
                        }
                        lock(results).insert(i, None);
                        let outcome = match inner.apply(&object, options).await {
                            Ok(answer) => Outcome::Applied(answer),
                            Err(error) => {
                                failed.store(true, Ordering::Release);
                                Outcome::Failed(error)
                            }
                        };
                        lock(results).insert(i, Some(outcome));
                    }
                })
                .await;
            Ok(())
        });
        let mut ended = lock(&ended);
        let unknown = |error: &ClusterError| Outcome::Failed(error.clone());
        let outcome = |i: usize, ended: &mut BTreeMap<usize, Option<Outcome>>| match (ended.remove(&i), &cut) {
            (Some(Some(outcome)), _) => outcome,
            (Some(None), Err(error)) => unknown(error),
            (Some(None), Ok(())) | (None, _) => Outcome::NotTried,
        };
        stage.into_iter().map(|i| (i, outcome(i, &mut ended))).collect()
    }

    /// Deletes the object (its dependents in the background) and gives what the server answered; none where it was not there.
    ///
    /// # Errors
    /// `Conflict` where the UID is another, or what the server says.
    pub fn delete(
        &self,
        reference: &ObjectRef,
        options: &DeleteOptions,
        patience: &Patience,
    ) -> Result<Option<Value>, ClusterError> {
        let (inner, reference, options) = (self.inner.clone(), reference.clone(), options.clone());
        self.wait(patience, &format!("delete {reference}"), async move { inner.delete(&reference, &options).await })
    }
}

impl Inner {
    pub(super) async fn apply(&self, object: &Value, options: &ApplyOptions) -> Result<Value, ClusterError> {
        self.applied(object, options, JSON).await
    }

    /// Applies the object and reads as much of the answer as is asked for.
    async fn applied<T: DeserializeOwned>(
        &self,
        object: &Value,
        options: &ApplyOptions,
        accept: &'static str,
    ) -> Result<T, ClusterError> {
        match (self.apply_once(object, options, options.force, accept).await, &options.take_over) {
            (Err(ClusterError::Conflict { causes, .. }), Some(manager))
                if !causes.is_empty() && causes.iter().all(|cause| cause.manager.as_ref() == Some(manager)) =>
            {
                self.apply_once(object, options, true, accept).await
            }
            (answer, _) => answer,
        }
    }

    async fn apply_once<T: DeserializeOwned>(
        &self,
        object: &Value,
        options: &ApplyOptions,
        force: bool,
        accept: &'static str,
    ) -> Result<T, ClusterError> {
        let resource = self.resolve_object(object).await?;
        let reference = head(object).reference();
        let path = resource.path(reference.namespace.as_deref(), Some(&reference.name));
        let mut call = Call::get(path, What::of("apply", &reference, &resource));
        call.method = Method::PATCH;
        call.accept = accept;
        call.body = Some(("application/apply-patch+yaml", object.to_string().into_bytes()));
        let call = writing(call, options).query("force", force.to_string());
        self.call_as(call).await.map_err(|error| self.unserved(error))
    }

    async fn delete(&self, reference: &ObjectRef, options: &DeleteOptions) -> Result<Option<Value>, ClusterError> {
        let resource = self.resolve(reference).await?;
        let path = resource.path(reference.namespace.as_deref(), Some(&reference.name));
        let mut body = json!({ "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background" });
        if let Some(uid) = &options.uid {
            body["preconditions"] = json!({ "uid": uid });
        }
        if options.dry_run {
            body["dryRun"] = json!(["All"]);
        }
        let mut call = Call::get(path, What::of("delete", reference, &resource));
        call.method = Method::DELETE;
        call.body = Some(("application/json", body.to_string().into_bytes()));
        if options.dry_run {
            call = call.query("dryRun", "All");
        }
        match self.call(call).await {
            // a Status says that it is gone; the object, that finalizers still hold it
            Ok(answer) => Ok(Some(answer)),
            Err(ClusterError::NotFound { .. } | ClusterError::NamespaceMissing { .. }) => Ok(None),
            Err(error) => Err(self.unserved(error)),
        }
    }
}

pub(super) fn writing(call: Call, options: &ApplyOptions) -> Call {
    let mut call = call
        .query("fieldManager", &options.field_manager)
        .query("fieldValidation", if options.strict { "Strict" } else { "Ignore" });
    if options.dry_run {
        call = call.query("dryRun", "All");
    }
    call
}

/// Whether two answers of the server stand for the same state, so that an apply changed nothing.
pub fn unchanged(before: &Value, after: &Value) -> bool {
    let version = |object| text(object, "metadata.resourceVersion");
    version(before).is_some() && version(before) == version(after)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
