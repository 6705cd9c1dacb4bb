use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rhai::{Dynamic, FnPtr, Module, NativeCallContext};
use serde_json::Value;

use super::{
    add,
    scene::{Out, Scene, Text},
};
use crate::{
    model::{Body, Discovery, Place},
    script::{Call, ErrorKind, ScriptError, closure::Closure, declared, value},
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
    /// The answer to the `turn`-th discover of this name, from 0. `ask` runs its closure with the call that it is given,
    /// whose mode and body are set. An error ends the declaration.
    fn answer(
        &self,
        name: &str,
        turn: usize,
        place: &Place,
        ask: &mut dyn FnMut(Call) -> Result<Value, ScriptError>,
    ) -> Result<Answer, ScriptError>;
}

pub(super) fn register(module: &mut Module) {
    add(module, "discover", discover);
}

fn discover(context: NativeCallContext, name: Text, sample: Dynamic, closure: FnPtr) -> Out<Dynamic> {
    let scene = Scene::enter(context, "discover")?;
    let sample_value = value::to_json(&sample).unwrap_or_else(|why| {
        scene.finding(format!("the sample of discover \"{name}\" cannot be kept: {why}"));
        Value::Null
    });
    let (number, turn) = {
        let draft = scene.draft();
        let turn = draft.plan.discoveries.iter().filter(|discovery| *discovery.name == *name).count();
        (draft.plan.discoveries.len(), turn)
    };
    let mut discovery = Discovery {
        name: name.to_string(),
        turn,
        value: sample_value,
        sample: true,
        failed: None,
        place: scene.place.clone(),
    };
    scene.keep(Body::Discovery(number), closure, "discover");
    if let Some(discover) = scene.declaring.setting.discover.clone() {
        let kept = scene.draft().closures.get(&Body::Discovery(number)).cloned();
        let answer = ask(&scene, &*discover, &discovery, number, kept).map_err(ScriptError::raise)?;
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
        declared::to_result(&value, &closure.place)
    };
    discover.answer(&discovery.name, discovery.turn, &discovery.place, &mut ask)
}
