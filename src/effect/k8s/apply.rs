use std::{cell::Cell, sync::Arc};

use serde_json::{Value, json};

use super::{
    ChangeOptions, Source,
    manifest::{self, Manifest},
    uncertain,
};
use crate::{
    cluster::{self, ApplyOptions, Cluster, ClusterError, PatchKind},
    effect::{
        Call, EffectError, Mode, Sort, Wanted, Wanting,
        ledger::{Answer, Intent},
    },
    event::{Applied, Before, Outcome},
    model::{Place, Read, Touch, Verb},
    object,
};

/// How often fields are taken over from an object that is written to all the time.
const TRIES: u32 = 10;

/// What the server says of a change that it was asked to only try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DryRun {
    /// Whether it would accept all of it.
    pub ok: bool,
    /// What it would refuse, each naming the object.
    pub errors: Vec<String>,
}

/// What a dry run of many objects came to.
struct Rehearsed {
    /// What the server would refuse, each naming the object.
    errors: Vec<String>,
    /// Whether all could be tried.
    all: bool,
}

impl Call {
    /// Whether the server would accept a change, asked with `dryRun=All`.
    pub fn k8s_dry_run(&self, source: &Source) -> Result<DryRun, EffectError> {
        let native = "k8s::dry_run";
        self.allow(native, Mode::Read)?;
        let objects = manifest::objects(self, native, source)?;
        if self.is_blind() {
            return Ok(DryRun { ok: true, errors: vec![] });
        }
        let cluster = self.door(native)?.cluster()?;
        self.read(Read::Polled(format!("dry run of {}", object::reference(&objects[0].object))));
        let errors = self.rehearse(cluster, &objects, None)?.errors;
        Ok(DryRun { ok: errors.is_empty(), errors })
    }

    /// Applies objects server-side; gives what became of each.
    pub fn k8s_apply(
        &self,
        source: &Source,
        options: &ChangeOptions,
        place: Option<Place>,
    ) -> Result<Value, EffectError> {
        let native = "k8s::apply";
        self.allow(native, Mode::Change)?;
        options.check(native)?;
        let objects = manifest::objects(self, native, source)?;
        if let Some(trial) = &self.trial {
            for Manifest { object, file } in &objects {
                let mut touch = Touch::new(Verb::Apply, object::reference(object).to_string());
                touch.api_version = object["apiVersion"].as_str().map(Into::into);
                touch.file = file.as_deref().map(Into::into);
                touch.way_back = object::way_back::automatic(object).is_ok();
                touch.remark = object::way_back::automatic(object).err().map(Into::into);
                touch.despite_owner.clone_from(&options.despite_owner);
                trial.touch(touch);
                trial.keep(object);
                let change = Wanting::Applied((**object).clone());
                trial.want(Wanted {
                    file: file.as_deref().map(Into::into),
                    despite_owner: options.despite_owner.clone(),
                    take_over: options.take_over.clone(),
                    ..Wanted::new(native, object::head(object).full_reference(), change, place.clone())
                });
            }
            return Ok(shown(objects.iter().map(|manifest| answer_of(&manifest.object, true)).collect()));
        }
        let cluster = self.door(native)?.cluster()?;
        let values: Vec<Arc<Value>> = objects.iter().map(|manifest| manifest.object.clone()).collect();
        let all: Vec<&Value> = values.iter().map(|value| &**value).collect();
        let intent = Intent {
            native: native.into(),
            targets: values.iter().map(|object| object::reference(object).to_string()).collect(),
            input: self.digest_of(match &options.take_over {
                Some(manager) => json!([all, manager]),
                None => json!(all),
            }),
            idempotent: true,
            place,
        };
        // what a dry run has looked at strictly need not be looked at twice
        let strict = Cell::new(true);
        self.ledger(native)?.perform(
            intent,
            || {
                if objects.len() > 1 {
                    let Rehearsed { errors, all } = self.rehearse(cluster, &objects, options.take_over.as_deref())?;
                    strict.set(!all);
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
                let there = self.there(cluster, &values)?;
                let known = values.iter().zip(&there).filter_map(|(value, live)| Some((value, live.as_ref()?)));
                for (value, live) in known {
                    self.refuse_kept(native, cluster, live, Some(value), options)?;
                }
                let before = values.iter().zip(there).map(|(value, live)| Before {
                    object: object::reference(value).to_string(),
                    image: live.map(object::into_image),
                });
                Ok(before.collect())
            },
            |sent| {
                if let Some(manager) = &options.take_over {
                    self.take_over(cluster, &values, manager)?;
                }
                let take_over = options.take_over.clone();
                let by = ApplyOptions { take_over, strict: strict.get(), ..ApplyOptions::default() };
                self.send_all(native, cluster, &values, &sent.before, &by)
            },
        )
    }

    /// Tries all objects without writing any; what the server would refuse. An object whose namespace or kind is made
    /// by another one of them cannot be tried, and counts as accepted.
    fn rehearse(
        &self,
        cluster: &Cluster,
        manifests: &[Manifest],
        take_over: Option<&str>,
    ) -> Result<Rehearsed, EffectError> {
        let objects: Vec<Arc<Value>> = manifests.iter().map(|manifest| manifest.object.clone()).collect();
        let made = |kind: &str, name: &str| objects.iter().any(|o| o["kind"] == kind && o["metadata"]["name"] == name);
        let take_over = take_over.map(ToOwned::to_owned);
        let dry_run = ApplyOptions { dry_run: true, take_over, ..ApplyOptions::default() };
        let tried =
            cluster.try_all(&objects, &dry_run, &self.patience()).map_err(|error| self.ran_into(error.into()))?;
        let mut rehearsed = Rehearsed { errors: vec![], all: true };
        for (Manifest { object, file }, tried) in manifests.iter().zip(tried) {
            let tried = match tried {
                // a server that is away for a moment is waited for
                Err(error) if error.is_unreachable() => {
                    self.outlast(|patience| cluster.apply(object, &dry_run, patience)).map(drop)
                }
                tried => tried,
            };
            match tried {
                Ok(()) => {}
                Err(ClusterError::NamespaceMissing { namespace, .. }) if made("Namespace", &namespace) => {
                    rehearsed.all = false;
                }
                Err(ClusterError::NotServed { .. })
                    if objects.iter().any(|crd| {
                        crd["kind"] == "CustomResourceDefinition" && crd["spec"]["names"]["kind"] == object["kind"]
                    }) =>
                {
                    rehearsed.all = false;
                }
                Err(error) => {
                    let error = EffectError::from(error);
                    if error.sort.is_final() {
                        return Err(self.ran_into(error));
                    }
                    let from = file.as_ref().map(|file| format!(" ({file})")).unwrap_or_default();
                    rehearsed.errors.push(format!("{}{from}: {error}", object::reference(object)));
                }
            }
        }
        Ok(rehearsed)
    }

    /// Makes the fields that `manager` kept this program's own, without changing any: what the manifests leave out goes then.
    fn take_over(&self, cluster: &Cluster, objects: &[Arc<Value>], manager: &str) -> Result<(), EffectError> {
        let by = ApplyOptions::default();
        for live in self.there(cluster, objects)?.into_iter().flatten() {
            let reference = object::head(&live).full_reference();
            let mut tries = 0;
            let mut seen = Some(live);
            while let Some(live) = seen.take() {
                let Some(managers) = object::kept::taken_over(&live, manager, &by.field_manager) else { break };
                let patch = json!([
                    { "op": "replace", "path": "/metadata/managedFields", "value": managers },
                    { "op": "replace", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"] },
                ]);
                tries += 1;
                match cluster.patch(&reference, None, PatchKind::Json, &patch, &by, &self.patience()) {
                    // its controller wrote meanwhile: who keeps what is to be read again
                    Err(ClusterError::Conflict { .. }) if tries < TRIES => {
                        seen = cluster.get(&reference, &self.patience())?;
                    }
                    answer => drop(answer?),
                }
            }
        }
        Ok(())
    }

    /// Applies all, finishes what is in flight when one fails and starts no more.
    fn send_all(
        &self,
        native: &str,
        cluster: &Cluster,
        objects: &[Arc<Value>],
        before: &[Before],
        by: &ApplyOptions,
    ) -> Result<Answer, EffectError> {
        let answers = cluster.apply_many(objects, by, &self.patience());
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
                    (if same { Outcome::Unchanged } else { Outcome::Applied }, None, Some(object::into_image(after)))
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
        Ok(Answer { results, output: shown(outputs), error: first })
    }
}

/// What a script gets of an applied object; small, because it is journaled as the step's output.
pub(super) fn answer_of(object: &Value, changed: bool) -> Value {
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
pub(super) fn shown(mut outputs: Vec<Value>) -> Value {
    match outputs.pop() {
        Some(one) if outputs.is_empty() => one,
        last => {
            outputs.extend(last);
            Value::Array(outputs)
        }
    }
}
