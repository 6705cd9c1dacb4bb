use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rhai::{Dynamic, FnPtr, Map, Module, NativeCallContext};
use serde_json::Value;

use super::{
    add,
    scene::{Out, Scene, Text},
};
use crate::{
    model::{Body, Discovery},
    script::{Call, ErrorKind, ScriptError, closure::Closure, declared, engine::here, guard::Guard, value},
};

/// How long one discover may take.
const TIME: Duration = Duration::from_mins(1);

/// What a bound context answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The value.
    pub value: Value,
    /// Why it could not be asked: the sample is used, and preflight reports it.
    pub failed: Option<String>,
}

/// Answers `discover` while a plan is declared for a bound context: by asking the cluster, or from the journal.
pub trait Discover: Send + Sync {
    /// The answer to a `discover`, known by [`Discovery::key`]. `ask` runs its closure with the call that it is given,
    /// whose mode and body are set. An error ends the declaration.
    fn answer(
        &self,
        asked: &Discovery,
        ask: &mut dyn FnMut(Call) -> Result<Value, ScriptError>,
    ) -> Result<Answer, ScriptError>;
}

pub(super) fn register(module: &mut Module) {
    add(module, "discover", discover);
    add(module, "on_all", on_all);
}

/// Explores: `let nodes = discover("nodes", ["node-a", "node-b"], || k8s::list("Node").map(|n| n.metadata.name))`.
/// Offline it gives its sample; on a context, what its closure reads there, once: a resume has it from the journal.
///
/// With `.on_all()` right behind it the closure reads every context of the plan, and a map from their names to what each
/// answered is given: `discover("versions", "11.2.0", || …).on_all()` is `#{ main: "11.1.0", staging: "11.2.0" }`.
/// `.contexts([…])` stands before it. Variables that the closure captures are the same everywhere. The value of `discover`
/// is a plain one, so `.on_all()` counts only where it is written behind the call itself, and not behind a variable.
fn discover(context: NativeCallContext, name: Text, sample: Dynamic, closure: FnPtr) -> Out<Dynamic> {
    let scene = Scene::enter(context, "discover")?;
    let sample_value = value::to_json(&sample).unwrap_or_else(|why| {
        scene.finding(format!("the sample of discover \"{name}\" cannot be kept: {why}"));
        Value::Null
    });
    let (number, turn) = {
        let draft = scene.draft();
        let same = draft.plan.discoveries.iter().filter(|discovery| *discovery.name == *name);
        (draft.plan.discoveries.len(), same.map(|discovery| discovery.turn + 1).max().unwrap_or_default())
    };
    let discovery = Discovery {
        name: name.to_string(),
        turn,
        context: None,
        value: sample_value,
        sample: true,
        failed: None,
        place: scene.place.clone(),
    };
    scene.keep(Body::Discovery(number), closure, "discover");
    if !scene.declaring.library.asks_everywhere(&scene.place) {
        return answered(&scene, number, discovery, sample);
    }
    let mut found = Map::new();
    for context in contexts(&scene) {
        let discovery = Discovery { context: Some(context.clone()), ..discovery.clone() };
        found.insert(context.into(), answered(&scene, number, discovery, sample.clone())?);
    }
    Ok(found.into())
}

/// The map that the `discover` before it gave.
fn on_all(context: NativeCallContext, found: Dynamic) -> Out<Dynamic> {
    let scene = Scene::enter(context, "on_all")?;
    if scene.declaring.library.follows_discover(&here(&scene.context)) {
        return Ok(found);
    }
    Err(ScriptError::new(ErrorKind::Declaration, "`.on_all()` stands right behind `discover(…)`, and nowhere else")
        .at(scene.place.clone())
        .help("write `discover(\"name\", sample, || …).on_all()`")
        .raise())
}

/// The contexts that the plan names so far; a tier stands for all that are declared with it.
fn contexts(scene: &Scene) -> Vec<String> {
    let named = scene.draft().plan.contexts.clone();
    if named.is_empty() {
        scene
            .finding("`.on_all()` asks every context of the plan, and none is named yet")
            .help("write plan(…).contexts([…]) before it");
    }
    let known = &scene.declaring.setting.contexts;
    let mut contexts: Vec<String> = vec![];
    for name in named {
        let mut meant = vec![name.clone()];
        if !known.iter().any(|(context, _)| *context == name) {
            let of_tier: Vec<String> =
                known.iter().filter(|(_, tier)| *tier == name).map(|(context, _)| context.clone()).collect();
            if !of_tier.is_empty() {
                meant = of_tier;
            }
        }
        meant.retain(|context| !contexts.contains(context));
        contexts.append(&mut meant);
    }
    contexts
}

/// Asks once, where there is who answers, and keeps the answer with the plan.
fn answered(scene: &Scene, number: usize, mut discovery: Discovery, sample: Dynamic) -> Out<Dynamic> {
    if let Some(discover) = scene.declaring.setting.discover.clone() {
        let kept = scene.draft().closures.get(&Body::Discovery(number)).cloned();
        let answer = ask(scene, &*discover, &discovery, number, kept).map_err(ScriptError::raise)?;
        if answer.failed.is_none() {
            (discovery.value, discovery.sample) = (answer.value, false);
        }
        discovery.failed = answer.failed;
    }
    let value = if discovery.sample { sample } else { value::from_json(&discovery.value) };
    scene.draft().plan.discoveries.push(discovery);
    Ok(value)
}

fn ask(
    scene: &Scene,
    discover: &dyn Discover,
    discovery: &Discovery,
    number: usize,
    closure: Option<Closure>,
) -> Result<Answer, ScriptError> {
    let engine = scene.context.engine();
    let library: &Arc<_> = &scene.declaring.library;
    let mut ask = |mut call: Call| -> Result<Value, ScriptError> {
        let Some(closure) = &closure else {
            return Err(ScriptError::new(ErrorKind::Declaration, "this discover has no closure"));
        };
        call.mode = crate::script::Mode::Read;
        call.body = Body::Discovery(number);
        call.cancelled = call.cancelled.or_else(|| scene.declaring.setting.cancelled.clone());
        call.deadline = call.deadline.or_else(|| Instant::now().checked_add(TIME));
        let value = declared::run(engine, library, closure, call)?;
        declared::to_result(&value, &Body::Discovery(number), &closure.place)
    };
    // connecting takes its own time as well, not the declaration's
    let _guard = Guard::enter(scene.declaring.setting.cancelled.clone(), None, None);
    discover.answer(discovery, &mut ask)
}
