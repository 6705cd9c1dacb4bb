use rhai::{FnPtr, Module, NativeCallContext};

use super::{
    add,
    scene::{Out, Scene, Text},
};
use crate::model::{Body, Gate, GateClass, GateId, Show};

/// What `gate(…)` returns.
#[derive(Clone)]
pub(super) struct GateHandle(usize);

pub(super) fn register(module: &mut Module) {
    module.set_custom_type::<GateHandle>("gate");
    add(module, "gate", gate);
    add(module, "class", |context: NativeCallContext, handle: &mut GateHandle, text: Text| -> Out<GateHandle> {
        let scene = Scene::enter(context, "class")?;
        match text.parse::<GateClass>() {
            Ok(class) => scene.draft().gates[handle.0].class = Some(class),
            Err(message) => drop(scene.finding(message)),
        }
        Ok(handle.clone())
    });
    add(module, "show", show);
    add(module, "expires", |context: NativeCallContext, handle: &mut GateHandle, text: Text| -> Out<GateHandle> {
        let scene = Scene::enter(context, "expires")?;
        if let Some(span) = scene.span(&text) {
            scene.draft().gates[handle.0].expires = Some(span);
        }
        Ok(handle.clone())
    });
}

fn gate(context: NativeCallContext, question: Text) -> Out<GateHandle> {
    let scene = Scene::enter(context, "gate")?;
    let id = GateId::of(&scene.draft().phase_title(), &question);
    let (id, first) = scene.draft().claim(id.as_str(), &scene.place);
    if first.is_some() {
        let mut finding = scene.finding(format!("two gates of this phase ask \"{question}\""));
        finding.rule("duplicate-gate");
        finding.related(first, "the first one");
    }
    let gate = Gate {
        id: GateId::new(id),
        question: question.to_string(),
        class: None,
        shows: vec![],
        expires: None,
        place: Some(scene.place.clone()),
    };
    let number = scene.draft().add_gate(gate);
    Ok(GateHandle(number))
}

fn show(context: NativeCallContext, handle: &mut GateHandle, text: Text, closure: FnPtr) -> Out<GateHandle> {
    let scene = Scene::enter(context, "show")?;
    let body = {
        let mut draft = scene.draft();
        let gate = &mut draft.gates[handle.0];
        gate.shows.push(Show { text: text.to_string(), place: scene.place.clone() });
        Body::Show(gate.id.clone(), gate.shows.len() - 1)
    };
    scene.keep(body, closure, ".show");
    Ok(handle.clone())
}
