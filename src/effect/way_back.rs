//! The automatic way back of a step's effects: what `object::way_back` decides, looked at and sent through the door.
//! Each target of each effect is an effect of its own, journaled like any other and safe to send again: it acts only where
//! the object is still as the run left it. What stays is named with its reason, never forced.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::{Value, json};

use super::{
    Call, EffectError, Sort,
    hanging::Hanging,
    ledger::{Answer, Intent},
};
use crate::{
    cluster::{ApplyOptions, Cluster, ClusterError, DeleteOptions},
    event::{Applied, Before, EffectState, Outcome},
    model::{Digest, Left, ObjectRef, UndoItem},
    object::{
        self,
        way_back::{self, Restore},
    },
};

/// How often an object that keeps changing is looked at anew before it is left.
const TRIES: usize = 5;
/// Who applies a run's objects.
const MANAGER: &str = "runbook";

/// The automatic way back of one step.
pub struct WayBack {
    call: Call,
    made: BTreeSet<String>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    hanging: Hanging,
    /// How objects would be by now, where nothing is sent: none is gone.
    would: BTreeMap<String, Option<Value>>,
    /// Something is taken back before in a way that cannot be foreseen.
    unsure: bool,
}

/// What is to be done about one target.
enum Todo {
    Nothing,
    /// It is on its way already.
    Going,
    Delete(String),
    Patch(Value),
}

struct Decided {
    todo: Todo,
    item: UndoItem,
    live: Option<Value>,
}

/// Whether a target is as it was, once it was taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackAgain {
    /// What has to be so.
    pub text: String,
    /// Why it is not; none where it is.
    pub not_yet: Option<String>,
}

/// An object as it was looked at; none where it is gone.
struct Live(Option<Value>);

impl WayBack {
    /// Through this call; `made` are the UIDs of all that the run made.
    pub fn new(call: Call, made: BTreeSet<String>) -> Self {
        Self { call, made, seen: Mutex::default() }
    }

    /// What a step's effects would come to on their way back, the last one first. Nothing is sent; what an earlier call
    /// said counts as done.
    pub fn look(&self, effects: &[&EffectState]) -> Result<Vec<UndoItem>, EffectError> {
        let mut items = vec![];
        for effect in effects.iter().rev() {
            if let Some(item) = self.by_function(effect, false)? {
                items.extend(item);
                continue;
            }
            for (n, target) in effect.sent.targets.iter().enumerate().rev() {
                let Decided { todo, item, live } = self.decide(effect, n, None, true)?;
                let mut seen = self.seen();
                match todo {
                    Todo::Delete(uid) => {
                        seen.hanging.gone(uid);
                        seen.would.insert(target.clone(), None);
                    }
                    Todo::Patch(patch) => {
                        let mut live = live.unwrap_or_default();
                        json_patch::merge(&mut live, &patch);
                        seen.would.insert(target.clone(), Some(live));
                    }
                    Todo::Nothing | Todo::Going => {}
                }
                items.push(item);
            }
        }
        items.retain(|item| !item.back.is_empty() || !item.left.is_empty());
        Ok(items)
    }

    /// Says that what these effects made will be gone by a way back that cannot be foreseen.
    pub fn presume(&self, effects: &[&EffectState]) {
        let mut seen = self.seen();
        seen.unsure = true;
        for uid in made(effects.iter().copied()) {
            seen.hanging.gone(uid);
        }
    }

    /// Takes one effect back, its last target first; what a process before did is not done again.
    pub fn take(&self, effect: &EffectState) -> Result<Vec<UndoItem>, EffectError> {
        if let Some(items) = self.by_function(effect, true)? {
            return Ok(items);
        }
        let mut items = vec![];
        for n in (0..effect.sent.targets.len()).rev() {
            items.push(match unsendable(effect, n) {
                Some(item) => item,
                None => self.take_target(effect, n)?,
            });
        }
        items.retain(|item| !item.back.is_empty() || !item.left.is_empty());
        Ok(items)
    }

    /// Whether what was taken back of an effect is as it was; nothing about the targets of which something `stays`.
    pub fn check(&self, effect: &EffectState, stays: &BTreeSet<String>) -> Result<Vec<BackAgain>, EffectError> {
        let mut found = vec![];
        for n in (0..effect.sent.targets.len()).rev().filter(|n| unsendable(effect, *n).is_none()) {
            let target = &effect.sent.targets[n];
            if stays.contains(target) {
                continue;
            }
            let made = image(effect, target).is_none();
            let text = if made { format!("{target} is gone") } else { format!("{target} is as it was before") };
            let Decided { todo, item, live } = self.decide(effect, n, None, false)?;
            if !item.left.is_empty() {
                continue;
            }
            let not_yet = match todo {
                Todo::Nothing => None,
                Todo::Going | Todo::Delete(_) => Some(match finalizers(live.as_ref()) {
                    None => format!("{target} is still there"),
                    Some(names) => format!("{target} is still there: its finalizers {names} have not ended"),
                }),
                Todo::Patch(_) => Some(item.back.join(", ")),
            };
            found.push(BackAgain { text, not_yet });
        }
        Ok(found)
    }

    /// Whether what an effect of a `.undo` closure deleted is gone.
    pub fn deleted(&self, effect: &EffectState) -> Result<Vec<BackAgain>, EffectError> {
        let mut found = vec![];
        if effect.sent.native != "k8s::delete" {
            return Ok(found);
        }
        for (n, target) in effect.sent.targets.iter().enumerate() {
            let Some(image) = image(effect, target) else { continue };
            let live = self.live(effect, n)?;
            let there = live.as_ref().filter(|live| object::head(live).uid() == object::head(image).uid());
            let not_yet = there.map(|live| match finalizers(Some(live)) {
                None => format!("{target} is still there"),
                Some(names) => format!("{target} is still there: its finalizers {names} have not ended"),
            });
            found.push(BackAgain { text: format!("{target} is gone"), not_yet });
        }
        Ok(found)
    }

    /// What the native of an embedding program says about its own changes; none where it is not such a one.
    fn by_function(&self, effect: &EffectState, send: bool) -> Result<Option<Vec<UndoItem>>, EffectError> {
        let native = &effect.sent.native;
        let door = self.call.door(native)?;
        let Some((function, undo)) = door.parts.modules.iter().find_map(|module| module.way_back(native)) else {
            return Ok(None);
        };
        let item = |back: &[&str], left: Option<String>| {
            let left = left.into_iter().map(|why| Left::new(native, why)).collect();
            vec![UndoItem { what: native.clone(), back: back.iter().map(ToString::to_string).collect(), left }]
        };
        if effect.results.is_none() && !function.is_idempotent() {
            return Ok(Some(item(&[], Some("whether it happened is not known".into()))));
        }
        if effect.error.is_some() {
            return Ok(Some(vec![]));
        }
        if !send {
            return Ok(Some(item(&["is taken back by its program"], None)));
        }
        let name = format!("undo {native}");
        let intent = Intent {
            native: name.clone(),
            targets: vec![native.clone()],
            input: Digest::of_json(&effect.output),
            idempotent: function.is_idempotent(),
            place: effect.sent.place.clone(),
        };
        let answer = self.ledger()?.perform(
            intent,
            || Ok(vec![]),
            |_| {
                let (outcome, message) = match undo(std::slice::from_ref(&effect.output), &self.call) {
                    Ok(_) => (Outcome::Applied, None),
                    Err(message) => (Outcome::Failed, Some(message)),
                };
                let results = vec![Applied { target: native.clone(), outcome, message: message.clone(), after: None }];
                Ok(Answer { results, output: json!(message), error: None })
            },
        )?;
        Ok(Some(match answer.as_str() {
            Some(why) => item(&[], Some(format!("its program could not take it back: {why}"))),
            None => item(&["was taken back by its program"], None),
        }))
    }

    fn take_target(&self, effect: &EffectState, n: usize) -> Result<UndoItem, EffectError> {
        let target = &effect.sent.targets[n];
        let (before, after) = (image(effect, target), after(effect, n));
        let intent = Intent {
            native: format!("undo {}", effect.sent.native),
            targets: vec![target.clone()],
            input: Digest::of_json(&json!([before, after])),
            idempotent: true,
            place: effect.sent.place.clone(),
        };
        let found = RefCell::new(None);
        let answer = self.ledger()?.perform(
            intent,
            || {
                let live = self.live(effect, n)?;
                let image = live.as_ref().map(object::image);
                *found.borrow_mut() = Some(Live(live));
                Ok(vec![Before { object: target.clone(), image }])
            },
            |_| {
                let (item, after) = self.send(effect, n, found.take())?;
                let outcome = match (item.left.is_empty(), item.back.is_empty()) {
                    (false, _) => Outcome::Failed,
                    (true, true) => Outcome::Unchanged,
                    (true, false) => Outcome::Applied,
                };
                let message = item.left.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                let message = Some(message).filter(|message| !message.is_empty());
                let after = after.as_ref().map(object::image);
                let results = vec![Applied { target: target.clone(), outcome, message, after }];
                Ok(Answer { results, output: json!(item), error: None })
            },
        )?;
        Ok(serde_json::from_value(answer).unwrap_or_else(|_| UndoItem { what: target.clone(), ..UndoItem::default() }))
    }

    /// Deletes or puts back; looks again where the object changed meanwhile.
    fn send(
        &self,
        effect: &EffectState,
        n: usize,
        mut found: Option<Live>,
    ) -> Result<(UndoItem, Option<Value>), EffectError> {
        let target = &effect.sent.targets[n];
        let cluster = self.cluster()?;
        let mut refused: Vec<String> = vec![];
        let mut why = String::new();
        for _ in 0..TRIES {
            let Decided { todo, mut item, live } = self.decide(effect, n, found.take(), false)?;
            let sent = match todo {
                Todo::Nothing | Todo::Going => return Ok((item, None)),
                Todo::Delete(uid) => {
                    let reference = reference(live.as_ref(), target)?;
                    let options = DeleteOptions { uid: Some(uid.clone()), dry_run: false };
                    let sent = cluster.delete(&reference, &options, &self.call.patience()).map(|_| None);
                    if sent.is_ok() {
                        self.seen().hanging.gone(uid);
                    }
                    sent
                }
                Todo::Patch(patch) => {
                    let (mut patch, left_out) = way_back::without(&patch, &refused);
                    let stay = left_out
                        .iter()
                        .map(|field| Left::new(format!("{target} {field}"), "the API server does not let it go back"));
                    item.left.extend(stay);
                    item.back.retain(|words| !refused.iter().any(|field| words.starts_with(field.as_str())));
                    if patch.is_null() {
                        return Ok((item, None));
                    }
                    patch["metadata"]["resourceVersion"] =
                        live.as_ref().map(|live| live["metadata"]["resourceVersion"].clone()).unwrap_or_default();
                    let reference = reference(live.as_ref(), target)?;
                    let options = ApplyOptions { field_manager: MANAGER.into(), ..ApplyOptions::default() };
                    cluster.merge_patch(&reference, &patch, &options, &self.call.patience()).map(Some)
                }
            };
            match sent {
                Ok(after) => return Ok((item, after)),
                // it changed between the look and the write, or is gone
                Err(ClusterError::Conflict { message, .. }) => why = message,
                Err(ClusterError::NotFound { .. }) => why = "it went away meanwhile".into(),
                Err(ClusterError::Invalid { message, causes, .. })
                    if refused.is_empty() && causes.iter().any(|cause| !cause.field.is_empty()) =>
                {
                    refused = causes.into_iter().map(|cause| cause.field).filter(|field| !field.is_empty()).collect();
                    why = message;
                }
                Err(error) if error.may_have_happened() => {
                    return Err(EffectError::new(
                        Sort::Uncertain,
                        format!("the way back of {target} was sent and its answer is not known: {error}"),
                    ));
                }
                Err(error) => {
                    let error = EffectError::from(error);
                    if error.sort.is_final() {
                        return Err(error);
                    }
                    why = error.message;
                    break;
                }
            }
        }
        let left = vec![Left::new(target, format!("the API server did not take it back: {why}"))];
        Ok((UndoItem { what: target.clone(), back: vec![], left }, None))
    }

    /// What there is to do about one target of an effect, by how it is now.
    fn decide(
        &self,
        effect: &EffectState,
        n: usize,
        live: Option<Live>,
        planning: bool,
    ) -> Result<Decided, EffectError> {
        let target = &effect.sent.targets[n];
        if let Some(item) = unsendable(effect, n) {
            return Ok(Decided { todo: Todo::Nothing, item, live: None });
        }
        let would = if planning { self.seen().would.get(target).cloned().map(Live) } else { None };
        let live = match live.or(would) {
            Some(Live(live)) => live,
            None => self.live(effect, n)?,
        };
        let mut item = UndoItem { what: target.clone(), ..UndoItem::default() };
        let (before, after) = (image(effect, target), after(effect, n));
        let left = |why: String| vec![Left::new(target, why)];
        let uid = |object: &Value| object::head(object).uid().map(str::to_owned);
        let todo = match (before, &live) {
            (None, None) => Todo::Nothing,
            (None, Some(live)) => {
                let own = match after {
                    Some(after) => uid(after) == uid(live),
                    // its answer is not known: the server tells who applied it
                    None => way_back::owned(live, MANAGER, &[]),
                };
                if !own {
                    item.left = left(match after {
                        Some(_) => "it is another object now than the one that this run made".into(),
                        None => "it is there, and it cannot be told whether this run made it".into(),
                    });
                    Todo::Nothing
                } else if object::head(live).deletion_timestamp().is_some() {
                    // that it is gone is still to be seen
                    item.back.push("is being deleted already".into());
                    Todo::Going
                } else if let Err(why) = way_back::deletable(live) {
                    item.left = left(why);
                    Todo::Nothing
                } else if let Some(why) = self.hangs(live, planning)? {
                    item.left = left(why);
                    Todo::Nothing
                } else {
                    let unsure = planning && self.seen().unsure && object::head(live).kind() == "Namespace";
                    let words = if unsure { "is deleted, if nothing else is in it then" } else { "is deleted" };
                    let mut words = words.to_owned();
                    let seen = self.seen();
                    if let [first, rest @ ..] = seen.hanging.unseen() {
                        let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
                        words.push_str(&format!("; whether {first}{more} name it could not be seen"));
                    }
                    drop(seen);
                    item.back.push(words);
                    uid(live).map_or(Todo::Nothing, Todo::Delete)
                }
            }
            (Some(_), None) => {
                item.left = left("it does not exist any more; a deleted object does not come back by itself".into());
                Todo::Nothing
            }
            (Some(before), Some(live)) => match changed(&effect.sent.native, before, after, live) {
                Ok(Restore { patch, back, left }) => {
                    item.back = back;
                    item.left =
                        left.into_iter().map(|(field, why)| Left::new(format!("{target} {field}"), why)).collect();
                    if patch.is_null() { Todo::Nothing } else { Todo::Patch(patch) }
                }
                Err(why) => {
                    item.left = left(why);
                    Todo::Nothing
                }
            },
        };
        Ok(Decided { todo, item, live })
    }

    fn hangs(&self, live: &Value, planning: bool) -> Result<Option<String>, EffectError> {
        let cluster = self.cluster()?;
        let mut seen = self.seen();
        if planning && seen.unsure && object::head(live).kind() == "Namespace" {
            return Ok(None);
        }
        match seen.hanging.on(cluster, live, &self.made, &self.call.patience()) {
            // what may not be seen may be there
            Err(error) if !error.sort.is_final() => {
                Ok(Some(format!("what hangs in or on it could not be seen: {}", error.message)))
            }
            other => other,
        }
    }

    /// The object as it is now, in the version in which it was answered.
    fn live(&self, effect: &EffectState, n: usize) -> Result<Option<Value>, EffectError> {
        let target = &effect.sent.targets[n];
        let cluster = self.cluster()?;
        let like = after(effect, n).or_else(|| image(effect, target));
        let found = if let Some(like) = like {
            self.call.outlast(|patience| cluster.get_like(like, patience))
        } else {
            let reference = reference(None, target)?;
            self.call.outlast(|patience| cluster.get(&reference, patience))
        };
        match found {
            Ok(found) => {
                if let Some(object) = &found {
                    self.call.learn(object);
                }
                Ok(found)
            }
            // its definition is gone, and it with it
            Err(ClusterError::NotServed { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn cluster(&self) -> Result<&Cluster, EffectError> {
        self.call.door("the way back")?.cluster()
    }

    fn ledger(&self) -> Result<&super::Ledger, EffectError> {
        self.call
            .ledger
            .as_deref()
            .ok_or_else(|| EffectError::new(Sort::WrongMode, "a way back is only possible in an undo".to_owned()))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for WayBack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WayBack").field("made", &self.made.len()).finish_non_exhaustive()
    }
}

/// The UIDs of what effects made, as far as they were answered.
pub fn made<'a>(effects: impl IntoIterator<Item = &'a EffectState>) -> BTreeSet<String> {
    let mut uids = BTreeSet::new();
    for effect in effects {
        for n in 0..effect.sent.targets.len() {
            if image(effect, &effect.sent.targets[n]).is_none()
                && let Some(uid) = after(effect, n).and_then(|after| object::head(after).uid())
            {
                uids.insert(uid.to_owned());
            }
        }
    }
    uids
}

/// What is known of a target without looking: there is nothing to take back, or nothing that can be.
fn unsendable(effect: &EffectState, n: usize) -> Option<UndoItem> {
    let target = &effect.sent.targets[n];
    let nothing = UndoItem { what: target.clone(), ..UndoItem::default() };
    let result = effect.results.as_ref().and_then(|results| results.get(n));
    if result.is_some_and(|result| result.outcome != Outcome::Applied && !may_have_changed(effect, result.outcome)) {
        return Some(nothing);
    }
    if let Err(why) = way_back::native(&effect.sent.native) {
        let why =
            if effect.results.is_none() { format!("{why}; whether it happened is not known") } else { why.into() };
        return Some(UndoItem { left: vec![Left::new(target, why)], ..nothing });
    }
    if effect.sent.before.iter().all(|before| before.object != *target) {
        let left = vec![Left::new(target, "what was there before was not kept")];
        return Some(UndoItem { left, ..nothing });
    }
    None
}

/// A command or request that failed may have changed something all the same.
fn may_have_changed(effect: &EffectState, outcome: Outcome) -> bool {
    outcome == Outcome::Failed && !effect.sent.native.starts_with("k8s::")
}

fn changed(native: &str, before: &Value, after: Option<&Value>, live: &Value) -> Result<Restore, String> {
    // these leave the object itself alone
    if !["k8s::label", "k8s::annotate"].contains(&native) {
        way_back::restorable(live)?;
    }
    let same = |other: &Value| object::head(other).uid() == object::head(live).uid();
    if !same(after.unwrap_or(before)) {
        return Err("it is another object now than the one that this run changed".into());
    }
    Ok(match after {
        Some(after) => way_back::restore(before, after, live, &|_| true),
        // its answer is not known: what this program set is what the server says that it set
        None => way_back::restore(before, live, live, &|path| way_back::owned(live, MANAGER, path)),
    })
}

fn image<'a>(effect: &'a EffectState, target: &str) -> Option<&'a Value> {
    effect.sent.before.iter().find(|before| before.object == target)?.image.as_ref()
}

fn after(effect: &EffectState, n: usize) -> Option<&Value> {
    effect.results.as_ref()?.get(n)?.after.as_ref()
}

fn reference(live: Option<&Value>, target: &str) -> Result<ObjectRef, EffectError> {
    match live {
        Some(live) => Ok(object::head(live).full_reference()),
        None => {
            target.parse().map_err(|error: crate::model::RefError| EffectError::new(Sort::Argument, error.to_string()))
        }
    }
}

fn finalizers(object: Option<&Value>) -> Option<String> {
    let names = object?["metadata"]["finalizers"].as_array()?;
    Some(names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")).filter(|names| !names.is_empty())
}
