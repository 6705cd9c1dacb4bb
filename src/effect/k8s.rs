//! Kubernetes natives: reads through the verify's watches where there are any, effects through the ledger.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::{
    Call, EffectError, Mode, Sort, Source,
    ledger::{Answer, Intent},
    manifest,
};
use crate::{
    cluster::{self, ApplyOptions, Cluster, ClusterError, DeleteOptions, Selector},
    event::{Applied, Before, Outcome},
    model::{Digest, ObjectRef, Place, Read, Touch, Verb},
    object::{self, readiness},
    redact::Secret,
};

/// More objects of one kind and namespace than this are read with one list.
const MANY: usize = 8;
/// How long a server that does not answer is waited for before an effect.
const OUTLAST: Duration = Duration::from_secs(15);

/// Whether an object is ready, and what its controller says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Ready as kstatus means it; none where there is no object.
    pub ready: bool,
    /// In words: the controller's message, or that there is no object.
    pub reason: String,
}

/// What the server says of a change that it was asked to only try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DryRun {
    /// Whether it would accept all of it.
    pub ok: bool,
    /// What it would refuse, each naming the object.
    pub errors: Vec<String>,
}

impl Call {
    /// An object, or none where it does not exist.
    pub fn k8s_get(&self, native: &str, reference: &str) -> Result<Option<Arc<Value>>, EffectError> {
        self.allow(native, Mode::Read)?;
        let parsed = parse(reference)?;
        if let Some(trial) = &self.trial {
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
        Ok(found)
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
        if self.trial.is_some() {
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
        Ok(found)
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
            return Ok(Readiness { ready: false, reason: format!("{reference} does not exist") });
        };
        let status = readiness::status(&object, jiff::Timestamp::now());
        let words = [status.status.word(), &status.reason, &status.message];
        let words: Vec<&str> = words.into_iter().filter(|text| !text.is_empty()).collect();
        Ok(Readiness { ready: status.is_ready(), reason: words.join(": ") })
    }

    /// The events of an object, oldest first.
    pub fn k8s_events(&self, reference: &str) -> Result<Vec<Value>, EffectError> {
        let native = "k8s::events";
        self.allow(native, Mode::Read)?;
        if self.trial.is_some() {
            return Ok(vec![]);
        }
        self.read(Read::Polled(format!("events of {reference}")));
        let events = self.door(native)?.cluster()?.events(&parse(reference)?, &self.patience());
        events.map_err(|error| self.ran_into(error.into()))
    }

    /// Whether the server would accept a change, asked with `dryRun=All`.
    pub fn k8s_dry_run(&self, source: &Source) -> Result<DryRun, EffectError> {
        let native = "k8s::dry_run";
        self.allow(native, Mode::Read)?;
        let objects = manifest::objects(self, native, source)?;
        if self.trial.is_some() {
            return Ok(DryRun { ok: true, errors: vec![] });
        }
        let cluster = self.door(native)?.cluster()?;
        self.read(Read::Polled(format!("dry run of {}", object::reference(&objects[0].0))));
        let errors = self.rehearse(cluster, &objects)?;
        Ok(DryRun { ok: errors.is_empty(), errors })
    }

    /// Applies objects server-side; gives what became of each.
    pub fn k8s_apply(&self, source: &Source, place: Option<Place>) -> Result<Value, EffectError> {
        let native = "k8s::apply";
        self.allow(native, Mode::Change)?;
        let objects = manifest::objects(self, native, source)?;
        if let Some(trial) = &self.trial {
            for (object, file) in &objects {
                let mut touch = Touch::new(Verb::Apply, object::reference(object).to_string());
                touch.api_version = object["apiVersion"].as_str().map(Into::into);
                touch.file.clone_from(file);
                touch.way_back = object::way_back::automatic(object).is_ok();
                touch.remark = object::way_back::automatic(object).err().map(Into::into);
                trial.touch(touch);
                trial.keep(object);
            }
            return Ok(shown(&objects.iter().map(|(object, _)| answer_of(object, true)).collect::<Vec<_>>()));
        }
        let cluster = self.door(native)?.cluster()?;
        let values: Vec<Value> = objects.iter().map(|(object, _)| object.clone()).collect();
        let intent = Intent {
            native: native.into(),
            targets: values.iter().map(|object| object::reference(object).to_string()).collect(),
            input: self.digest_of(&json!(values)),
            idempotent: true,
            place,
        };
        self.ledger(native)?.perform(
            intent,
            || {
                if objects.len() > 1 {
                    let errors = self.rehearse(cluster, &objects)?;
                    if !errors.is_empty() {
                        return Err(EffectError::new(
                            Sort::Failed,
                            format!(
                                "the API server would not accept it, and nothing was written: {}",
                                errors.join("; ")
                            ),
                        ));
                    }
                }
                self.images(cluster, &values)
            },
            |before| self.send_all(native, cluster, &values, before),
        )
    }

    /// Deletes an object by its uid, or every object of a manifest in the bundle, the last first, an effect each; absent
    /// already is fine.
    pub fn k8s_delete(&self, reference: &str, place: Option<Place>) -> Result<Value, EffectError> {
        let native = "k8s::delete";
        if manifest::is_named_by(self, reference) {
            let objects = self.references(native, Mode::Change, reference)?;
            let deleted = objects.iter().rev().map(|object| self.k8s_delete(object, place.clone()));
            return Ok(shown(&deleted.collect::<Result<Vec<_>, _>>()?));
        }
        self.allow(native, Mode::Change)?;
        let parsed = parse(reference)?;
        if let Some(trial) = &self.trial {
            let mut touch = Touch::new(Verb::Delete, reference);
            touch.remark = Some("a deleted object does not come back by itself".into());
            trial.touch(touch);
            return Ok(json!({ "object": reference, "deleted": true }));
        }
        let cluster = self.door(native)?.cluster()?;
        let intent = Intent {
            native: native.into(),
            targets: vec![reference.into()],
            input: Digest::of(reference),
            idempotent: true,
            place,
        };
        self.ledger(native)?.perform(
            intent,
            || {
                let found = self.outlast(|patience| cluster.get(&parsed, patience))?;
                Ok(vec![Before { object: reference.into(), image: found.map(|object| object::image(&object)) }])
            },
            |before| {
                // the object that was there when the effect was first journaled, not one that was made since
                let uid = before.first().and_then(|b| b.image.as_ref()?["metadata"]["uid"].as_str().map(String::from));
                let (outcome, error) = match uid {
                    None => (Outcome::Unchanged, None),
                    Some(uid) => {
                        let options = DeleteOptions { uid: Some(uid), dry_run: false };
                        match cluster.delete(&parsed, &options, &self.patience()) {
                            Ok(Some(_)) => (Outcome::Applied, None),
                            Ok(None) => (Outcome::Unchanged, None),
                            Err(error) if error.may_have_happened() => {
                                return Err(uncertain(native, reference, &error.into()));
                            }
                            Err(error) => (Outcome::Failed, Some(EffectError::from(error))),
                        }
                    }
                };
                let message = error.as_ref().map(ToString::to_string);
                Ok(Answer {
                    results: vec![Applied { target: reference.into(), outcome, message, after: None }],
                    output: json!({ "object": reference, "deleted": outcome == Outcome::Applied }),
                    error,
                })
            },
        )
    }

    /// The objects of a manifest in the bundle.
    fn references(&self, native: &str, needs: Mode, path: &str) -> Result<Vec<String>, EffectError> {
        self.allow(native, needs)?;
        let objects = manifest::objects(self, native, &Source::Text(path.into()))?;
        Ok(objects.iter().map(|(object, _)| object::reference(object).to_string()).collect())
    }

    /// The digest of what is sent, without the secrets in it: those of a weak one could be found by trying.
    pub(super) fn digest_of(&self, input: &Value) -> Digest {
        let mut input = input.clone();
        if let Some(door) = &self.door {
            door.parts.scrubber.scrub_value(&mut input);
        }
        Digest::of_json(&input)
    }

    /// Remembers the values of a Secret that was seen, so that nothing is written with them.
    pub(super) fn learn(&self, object: &Value) {
        if object["kind"] != "Secret" {
            return;
        }
        let Some(door) = &self.door else { return };
        for text in object["data"].as_object().into_iter().flat_map(serde_json::Map::values).filter_map(Value::as_str) {
            door.parts.scrubber.learn(&Secret::new(text));
            if let Ok(bytes) = BASE64_STANDARD.decode(text) {
                door.parts.scrubber.learn_bytes(&bytes);
            }
        }
        for text in object["stringData"].as_object().into_iter().flat_map(serde_json::Map::values) {
            if let Some(text) = text.as_str() {
                door.parts.scrubber.learn(&Secret::new(text));
            }
        }
    }

    fn ledger(&self, native: &str) -> Result<&super::Ledger, EffectError> {
        self.ledger.as_deref().ok_or_else(|| {
            EffectError::new(
                Sort::WrongMode,
                format!("`{native}` changes the system, which only a step of a run may do"),
            )
        })
    }

    /// Tries all objects without writing any; what the server would refuse. An object whose namespace or kind is made
    /// by another one of them cannot be tried, and counts as accepted.
    fn rehearse(&self, cluster: &Cluster, objects: &[(Value, Option<String>)]) -> Result<Vec<String>, EffectError> {
        let made =
            |kind: &str, name: &str| objects.iter().any(|(o, _)| o["kind"] == kind && o["metadata"]["name"] == name);
        let dry_run = ApplyOptions { dry_run: true, ..ApplyOptions::default() };
        let mut errors = vec![];
        for (object, file) in objects {
            match cluster.apply(object, &dry_run, &self.patience()) {
                Ok(_) => {}
                Err(ClusterError::NamespaceMissing { namespace, .. }) if made("Namespace", &namespace) => {}
                Err(ClusterError::NotServed { .. })
                    if objects.iter().any(|(crd, _)| {
                        crd["kind"] == "CustomResourceDefinition" && crd["spec"]["names"]["kind"] == object["kind"]
                    }) => {}
                Err(error) => {
                    let error = EffectError::from(error);
                    if error.sort.is_final() {
                        return Err(self.ran_into(error));
                    }
                    let from = file.as_ref().map(|file| format!(" ({file})")).unwrap_or_default();
                    errors.push(format!("{}{from}: {error}", object::reference(object)));
                }
            }
        }
        Ok(errors)
    }

    /// What is there before an apply: one read per object, or one list where many are of one kind and namespace.
    fn images(&self, cluster: &Cluster, objects: &[Value]) -> Result<Vec<Before>, EffectError> {
        let mut lists: BTreeMap<(String, Option<String>), Option<Vec<Value>>> = BTreeMap::new();
        let group = |object: &Value| {
            let full = object::head(object).full_reference();
            let kind = full.group.as_ref().map_or(full.kind.clone(), |group| format!("{}.{group}", full.kind));
            (kind, full.namespace)
        };
        for object in objects {
            lists.entry(group(object)).or_default();
        }
        for (key, list) in &mut lists {
            if objects.iter().filter(|object| group(object) == *key).count() > MANY {
                let (kind, namespace) = key;
                let all = Selector::default();
                *list = match self.outlast(|patience| cluster.list(kind, namespace.as_deref(), &all, patience)) {
                    Ok(listed) => Some(listed.items),
                    Err(error) if is_made_here(&error, objects) => Some(vec![]),
                    Err(error) => return Err(error.into()),
                };
            }
        }
        let mut images = Vec::with_capacity(objects.len());
        for object in objects {
            let reference = object::reference(object);
            let found = match lists.get(&group(object)).and_then(Option::as_ref) {
                Some(list) => list.iter().find(|known| object::reference(known) == reference).cloned(),
                None => match self.outlast(|patience| cluster.get(&object::head(object).full_reference(), patience)) {
                    Ok(found) => found,
                    Err(error) if is_made_here(&error, objects) => None,
                    Err(error) => return Err(error.into()),
                },
            };
            images.push(Before { object: reference.to_string(), image: found.map(|object| object::image(&object)) });
        }
        Ok(images)
    }

    /// Reads what an effect needs to know before it is sent. A server that is busy for a moment is waited for: nothing
    /// was sent yet, so asking again is safe.
    fn outlast<T>(&self, read: impl Fn(&cluster::Patience) -> Result<T, ClusterError>) -> Result<T, ClusterError> {
        let patience = self.patience();
        let end = Instant::now() + OUTLAST;
        let end = patience.deadline.map_or(end, |deadline| end.min(deadline));
        let mut pause = Duration::from_millis(100);
        loop {
            match read(&patience) {
                Err(error) if error.is_unreachable() && Instant::now() + pause < end && !self.cancel.is_cancelled() => {
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
                other => return other,
            }
        }
    }

    /// Applies all, finishes what is in flight when one fails and starts no more.
    fn send_all(
        &self,
        native: &str,
        cluster: &Cluster,
        objects: &[Value],
        before: &[Before],
    ) -> Result<Answer, EffectError> {
        let answers = cluster.apply_many(objects, &ApplyOptions::default(), &self.patience());
        let mut results = Vec::with_capacity(objects.len());
        let mut outputs = Vec::with_capacity(objects.len());
        let mut first: Option<EffectError> = None;
        for (n, (object, answer)) in objects.iter().zip(answers).enumerate() {
            let target = object::reference(object).to_string();
            let (outcome, message, after) = match answer.outcome {
                cluster::Outcome::Applied(after) => {
                    let was = before.get(n).and_then(|before| before.image.as_ref());
                    let same = was.is_some_and(|was| cluster::unchanged(was, &after));
                    outputs.push(answer_of(&after, !same));
                    (if same { Outcome::Unchanged } else { Outcome::Applied }, None, Some(object::image(&after)))
                }
                cluster::Outcome::Failed(error) if error.may_have_happened() => {
                    return Err(uncertain(native, &target, &error.into()));
                }
                cluster::Outcome::Failed(error) => {
                    let error = EffectError::from(error);
                    let message = error.message.clone();
                    first.get_or_insert(error);
                    (Outcome::Failed, Some(message), None)
                }
                cluster::Outcome::NotTried => (Outcome::NotTried, None, None),
            };
            results.push(Applied { target, outcome, message, after });
        }
        Ok(Answer { results, output: shown(&outputs), error: first })
    }
}

/// Whether a read failed only because its namespace or kind is about to be made.
fn is_made_here(error: &ClusterError, objects: &[Value]) -> bool {
    match error {
        ClusterError::NamespaceMissing { .. } => true,
        ClusterError::NotServed { .. } => objects.iter().any(|o| object::head(o).kind() == "CustomResourceDefinition"),
        _ => false,
    }
}

fn selected(selector: &Selector) -> String {
    let parts = [&selector.labels, &selector.fields].into_iter().flatten().map(String::as_str).collect::<Vec<_>>();
    if parts.is_empty() { String::new() } else { format!(" where {}", parts.join(",")) }
}

fn parse(reference: &str) -> Result<ObjectRef, EffectError> {
    reference.parse().map_err(|error: crate::model::RefError| EffectError::new(Sort::Argument, error.to_string()))
}

fn uncertain(native: &str, target: &str, error: &EffectError) -> EffectError {
    EffectError::new(
        if error.sort == Sort::Cancelled { Sort::Cancelled } else { Sort::Uncertain },
        format!("{native} {target} was sent and its answer is not known: {error}"),
    )
}

/// What a script gets of an applied object; small, because it is journaled as the step's output.
fn answer_of(object: &Value, changed: bool) -> Value {
    let meta = &object["metadata"];
    json!({
        "object": object::reference(object).to_string(),
        "kind": object["kind"],
        "name": meta["name"],
        "namespace": meta["namespace"],
        "uid": meta["uid"],
        "generation": meta["generation"],
        "changed": changed,
    })
}

/// One object as itself, several as a list.
fn shown(outputs: &[Value]) -> Value {
    match outputs {
        [one] => one.clone(),
        many => Value::Array(many.to_vec()),
    }
}

impl From<ClusterError> for EffectError {
    fn from(error: ClusterError) -> Self {
        let sort = match &error {
            ClusterError::Unreachable { .. } => Sort::Unreachable,
            ClusterError::Cancelled { .. } => Sort::Cancelled,
            ClusterError::Deadline { .. } => Sort::Deadline,
            ClusterError::Conflict { .. } | ClusterError::Invalid { .. } | ClusterError::Rejected { .. } => {
                Sort::Failed
            }
            _ => Sort::Hard,
        };
        let help = error.help();
        Self { sort, message: error.to_string(), help }
    }
}
