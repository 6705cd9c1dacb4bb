use rhai::{Array, FnPtr, Module, NativeCallContext};

use super::{
    add,
    scene::{Out, Scene, Text},
};
use crate::model::{Body, Kind, Plan, Span, Verify};

/// What `plan(…)` returns.
#[derive(Clone)]
pub(super) struct PlanHandle;

/// How long a verify has to come true where the playbook says nothing.
pub(super) const WITHIN: Span = Span::seconds(60);

type Set = fn(&mut Plan, String);

const TEXTS: [(&str, Set); 9] = [
    ("constraint", |plan, text| plan.constraints.push(text)),
    ("background", |plan, text| plan.background.push(text)),
    ("service", |plan, text| plan.services.push(text)),
    ("upstream", |plan, text| plan.upstream.push(text)),
    ("downstream", |plan, text| plan.downstream.push(text)),
    ("current", |plan, text| plan.current.push(text)),
    ("target", |plan, text| plan.target.push(text)),
    ("validation", |plan, text| plan.validation.push(text)),
    ("rollback", |plan, text| plan.rollback.push(text)),
];

type One = fn(&mut Plan) -> &mut Option<String>;

const ONCE: [(&str, One); 3] =
    [("problem", |plan| &mut plan.problem), ("outcome", |plan| &mut plan.outcome), ("scope", |plan| &mut plan.scope)];

pub(super) fn register(module: &mut Module) {
    module.set_custom_type::<PlanHandle>("plan");
    add(module, "plan", plan);
    for (name, set) in TEXTS {
        add(module, name, move |context: NativeCallContext, handle: &mut PlanHandle, text: Text| -> Out<PlanHandle> {
            set(&mut Scene::enter(context, name)?.draft().plan, text.to_string());
            Ok(handle.clone())
        });
        // several at once
        add(module, name, move |context: NativeCallContext, handle: &mut PlanHandle, list: Array| -> Out<PlanHandle> {
            let scene = Scene::enter(context, name)?;
            for text in scene.texts(list, name) {
                set(&mut scene.draft().plan, text);
            }
            Ok(handle.clone())
        });
    }
    for (name, field) in ONCE {
        add(module, name, move |context: NativeCallContext, handle: &mut PlanHandle, text: Text| -> Out<PlanHandle> {
            let scene = Scene::enter(context, name)?;
            let before = field(&mut scene.draft().plan).replace(text.to_string());
            if before.is_some() {
                scene.finding(format!("the plan's `{name}` is said twice"));
            }
            Ok(handle.clone())
        });
    }
    add(module, "verify", verify);
    add(module, "within", |context: NativeCallContext, handle: &mut PlanHandle, text: Text| -> Out<PlanHandle> {
        timed(context, handle, "within", &text, |verify, span| verify.within = span)
    });
    add(module, "stays", |context: NativeCallContext, handle: &mut PlanHandle, text: Text| -> Out<PlanHandle> {
        timed(context, handle, "stays", &text, |verify, span| verify.stays = Some(span))
    });
    add(module, "parks", |context: NativeCallContext, handle: &mut PlanHandle| -> Out<PlanHandle> {
        timed(context, handle, "parks", "0", |verify, _| verify.parks = true)
    });
    add(module, "contexts", |context: NativeCallContext, handle: &mut PlanHandle, list: Array| -> Out<PlanHandle> {
        let scene = Scene::enter(context, "contexts")?;
        let names = scene.texts(list, "`.contexts`");
        scene.draft().plan.contexts = names;
        Ok(handle.clone())
    });
    add(module, "kind", |context: NativeCallContext, handle: &mut PlanHandle, text: Text| -> Out<PlanHandle> {
        let scene = Scene::enter(context, "kind")?;
        match text.parse::<Kind>() {
            Ok(kind) => scene.draft().plan.kind = kind,
            Err(message) => drop(scene.finding(message)),
        }
        Ok(handle.clone())
    });
    add(
        module,
        "label",
        |context: NativeCallContext, handle: &mut PlanHandle, key: Text, value: Text| -> Out<PlanHandle> {
            Scene::enter(context, "label")?.draft().plan.labels.insert(key.into(), value.into());
            Ok(handle.clone())
        },
    );
}

fn plan(context: NativeCallContext, title: Text) -> Out<PlanHandle> {
    let scene = Scene::enter(context, "plan")?;
    let first = scene.draft().plan.place.clone();
    if first.is_some() {
        scene.finding("a playbook has one plan, and this is another").related(first, "the first plan");
    } else {
        let mut draft = scene.draft();
        draft.plan.title = title.to_string();
        draft.plan.place = Some(scene.place.clone());
    }
    Ok(PlanHandle)
}

fn verify(context: NativeCallContext, handle: &mut PlanHandle, text: Text, closure: FnPtr) -> Out<PlanHandle> {
    let scene = Scene::enter(context, "verify")?;
    let number = {
        let mut draft = scene.draft();
        draft.plan.verifies.push(Verify {
            text: text.to_string(),
            place: scene.place.clone(),
            within: WITHIN,
            stays: None,
            parks: false,
        });
        draft.plan.verifies.len() - 1
    };
    scene.keep(Body::Outcome(number), closure, ".verify");
    Ok(handle.clone())
}

fn timed(
    context: NativeCallContext,
    handle: &PlanHandle,
    name: &str,
    text: &str,
    set: impl Fn(&mut Verify, Span),
) -> Out<PlanHandle> {
    let scene = Scene::enter(context, name)?;
    if let Some(span) = scene.span(text) {
        let missing = match scene.draft().plan.verifies.last_mut() {
            Some(verify) => {
                set(verify, span);
                false
            }
            None => true,
        };
        if missing {
            scene.finding(format!("`.{name}` belongs after a `.verify`"));
        }
    }
    Ok(handle.clone())
}
