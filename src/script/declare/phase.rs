use rhai::{Module, NativeCallContext};

use super::{
    add,
    scene::{Out, Scene, Text},
};
use crate::model::{Phase, slug};

/// What `phase(…)` returns.
#[derive(Clone)]
pub(super) struct PhaseHandle(usize);

pub(super) fn register(module: &mut Module) {
    module.set_custom_type::<PhaseHandle>("phase");
    add(module, "phase", phase);
    add(module, "goal", |context: NativeCallContext, handle: &mut PhaseHandle, text: Text| -> Out<PhaseHandle> {
        Scene::enter(context, "goal")?.draft().phases[handle.0].goal = Some(text.to_string());
        Ok(handle.clone())
    });
    add(module, "no_gate", |context: NativeCallContext, handle: &mut PhaseHandle, text: Text| -> Out<PhaseHandle> {
        Scene::enter(context, "no_gate")?.draft().phases[handle.0].no_gate = Some(text.to_string());
        Ok(handle.clone())
    });
}

fn phase(context: NativeCallContext, title: Text) -> Out<PhaseHandle> {
    let scene = Scene::enter(context, "phase")?;
    let twin =
        scene.draft().phases.iter().find(|phase| slug(&phase.title) == slug(&title)).and_then(|p| p.place.clone());
    if twin.is_some() {
        let mut finding = scene.finding(format!("two phases are called \"{title}\""));
        finding.rule("duplicate-phase");
        finding.related(twin, "the first one");
        finding.help("give each phase its own title: step ids begin with it");
    }
    let place = Some(scene.place.clone());
    let number =
        scene.draft().open(Phase { title: title.to_string(), goal: None, no_gate: None, items: vec![], place });
    Ok(PhaseHandle(number))
}
