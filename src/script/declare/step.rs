use rhai::{Array, Dynamic, EvalAltResult, FnPtr, Module, NativeCallContext};
use serde_json::Value;

use super::{
    add,
    draft::Last,
    plan::WITHIN,
    scene::{Out, Scene, Text},
};
use crate::{
    effect::{OUTPUT, too_large},
    model::{Body, Check, Digest, Doing, Hold, Span, Step, StepId, Verify, WayBack},
    redact::was_secret,
    script::{ErrorKind, ScriptError, call, engine::here, observe},
};

/// What `step(…)` returns: it goes on building, and later closures ask it for `.output`.
#[derive(Clone)]
pub(in crate::script) struct StepHandle {
    number: usize,
    /// The step's id.
    pub(in crate::script) id: StepId,
}

/// How long a change may take where the playbook says nothing.
const TIMEOUT: Span = Span::seconds(600);

type Handle<'h> = &'h mut StepHandle;

pub(super) fn register(module: &mut Module) {
    module.set_custom_type::<StepHandle>("step");
    add(module, "step", step);
    add(module, "change", |context: NativeCallContext, step: Handle, closure: FnPtr| -> Out<StepHandle> {
        let scene = does(context, step, "change", Doing::Change)?;
        scene.keep(Body::Change(step.id.clone()), closure, ".change");
        Ok(step.clone())
    });
    add(module, "manual", |context: NativeCallContext, step: Handle, text: Text| -> Out<StepHandle> {
        does(context, step, "manual", Doing::Manual(text.to_string()))?;
        Ok(step.clone())
    });
    add(module, "verify", verify);
    add(
        module,
        "precheck",
        |context: NativeCallContext, step: Handle, text: Text, closure: FnPtr| -> Out<StepHandle> {
            check(context, step, "precheck", &text, closure, Span::default(), Last::Precheck)
        },
    );
    add(module, "skip_if", |context: NativeCallContext, step: Handle, text: Text, closure: FnPtr| -> Out<StepHandle> {
        check(context, step, "skip_if", &text, closure, Span::default(), Last::SkipIf)
    });
    add(module, "undone", |context: NativeCallContext, step: Handle, text: Text, closure: FnPtr| -> Out<StepHandle> {
        check(context, step, "undone", &text, closure, WITHIN, Last::Undone)
    });
    register_ways_back(module);
    register_times(module);
    add(module, "repair", |context: NativeCallContext, step: Handle, text: Text, closure: FnPtr| -> Out<StepHandle> {
        let scene = Scene::enter(context, "repair")?;
        scene.draft().steps[step.number].0.repair = Some(text.to_string());
        scene.keep(Body::Repair(step.id.clone()), closure, ".repair");
        Ok(step.clone())
    });
    add(module, "idempotent", |context: NativeCallContext, step: Handle| -> Out<StepHandle> {
        Scene::enter(context, "idempotent")?.draft().steps[step.number].0.idempotent = true;
        Ok(step.clone())
    });
    add(module, "touches", |context: NativeCallContext, step: Handle, list: Array| -> Out<StepHandle> {
        let scene = Scene::enter(context, "touches")?;
        let touches = scene.texts(list, "`.touches`");
        scene.draft().steps[step.number].0.touches.extend(touches);
        Ok(step.clone())
    });
    add(module, "note", |context: NativeCallContext, step: Handle, text: Text| -> Out<StepHandle> {
        Scene::enter(context, "note")?.draft().steps[step.number].0.notes.push(text.to_string());
        Ok(step.clone())
    });
    module.set_getter_fn("output", output_of);
    add(module, "output", output);
    add(module, "before", before);
}

fn step(context: NativeCallContext, title: Text) -> Out<StepHandle> {
    let scene = Scene::enter(context, "step")?;
    let id = StepId::of(&scene.draft().phase_title(), &title);
    let (id, first) = scene.draft().claim(id.as_str(), &scene.place);
    if first.is_some() {
        let mut finding = scene.finding(format!("two steps of this phase are called \"{title}\""));
        finding.rule("duplicate-step");
        finding.related(first, "the first one");
        finding.help("give each step its own title; in a loop, put the variable into it: `` step(`… ${name}`) ``");
    }
    let id = StepId::new(id);
    let step = Step {
        id: id.clone(),
        title: title.to_string(),
        place: scene.place.clone(),
        doing: Doing::Check,
        prechecks: vec![],
        skip_if: None,
        verifies: vec![],
        way_back: WayBack::Automatic,
        undone: vec![],
        until: None,
        repair: None,
        idempotent: false,
        timeout: TIMEOUT,
        api_down: None,
        touches: vec![],
        notes: vec![],
        digest: Digest::of([]),
        trial: vec![],
        partly_known: None,
    };
    let number = scene.draft().add_step(step);
    Ok(StepHandle { number, id })
}

fn does<'c>(context: NativeCallContext<'c>, step: &StepHandle, name: &str, doing: Doing) -> Out<Scene<'c>> {
    let scene = Scene::enter(context, name)?;
    let before = std::mem::replace(&mut scene.draft().steps[step.number].0.doing, doing);
    if before != Doing::Check {
        scene.finding("a step has one `.change` or one `.manual`").help("make it two steps");
    }
    Ok(scene)
}

fn verify(context: NativeCallContext, step: Handle, text: Text, closure: FnPtr) -> Out<StepHandle> {
    let scene = Scene::enter(context, "verify")?;
    let number = {
        let mut draft = scene.draft();
        let (declared, last) = &mut draft.steps[step.number];
        *last = Some(Last::Verify);
        declared.verifies.push(Verify {
            text: text.to_string(),
            place: scene.place.clone(),
            within: WITHIN,
            stays: None,
            parks: false,
        });
        declared.verifies.len() - 1
    };
    scene.keep(Body::Verify(step.id.clone(), number), closure, ".verify");
    Ok(step.clone())
}

fn check(
    context: NativeCallContext,
    step: &StepHandle,
    name: &str,
    text: &str,
    closure: FnPtr,
    within: Span,
    kind: Last,
) -> Out<StepHandle> {
    let scene = Scene::enter(context, name)?;
    let check = Check { text: text.into(), place: scene.place.clone(), within };
    let (body, twice) = {
        let mut draft = scene.draft();
        let (declared, last) = &mut draft.steps[step.number];
        *last = Some(kind);
        let id = step.id.clone();
        match kind {
            Last::SkipIf => (Body::SkipIf(id), declared.skip_if.replace(check).is_some()),
            Last::Undone => {
                declared.undone.push(check);
                (Body::Undone(id, declared.undone.len() - 1), false)
            }
            Last::Precheck | Last::Verify => {
                declared.prechecks.push(check);
                (Body::Precheck(id, declared.prechecks.len() - 1), false)
            }
        }
    };
    if twice {
        scene.finding("a step has one `.skip_if`").help("join the two conditions with `&&`");
    }
    scene.keep(body, closure, &format!(".{name}"));
    Ok(step.clone())
}

fn register_ways_back(module: &mut Module) {
    let way = |scene: &Scene, step: &StepHandle, way: WayBack| {
        let before = std::mem::replace(&mut scene.draft().steps[step.number].0.way_back, way);
        if before != WayBack::Automatic {
            scene.finding("a step has one `.undo` or one `.irreversible`");
        }
    };
    add(module, "undo", move |context: NativeCallContext, step: Handle, closure: FnPtr| -> Out<StepHandle> {
        let scene = Scene::enter(context, "undo")?;
        way(&scene, step, WayBack::Closure);
        scene.keep(Body::Undo(step.id.clone()), closure, ".undo");
        Ok(step.clone())
    });
    add(module, "undo", move |context: NativeCallContext, step: Handle, text: Text| -> Out<StepHandle> {
        way(&Scene::enter(context, "undo")?, step, WayBack::Instructions(text.to_string()));
        Ok(step.clone())
    });
    add(module, "irreversible", move |context: NativeCallContext, step: Handle, text: Text| -> Out<StepHandle> {
        way(&Scene::enter(context, "irreversible")?, step, WayBack::Irreversible(text.to_string()));
        Ok(step.clone())
    });
    add(module, "until", |context: NativeCallContext, step: Handle, text: Text| -> Out<StepHandle> {
        let scene = Scene::enter(context, "until")?;
        let hold = match text.as_str() {
            "phase" => Hold::Phase,
            "run" => Hold::Run,
            _ => {
                scene.finding(format!("`.until` is \"phase\" or \"run\", not \"{text}\""));
                return Ok(step.clone());
            }
        };
        scene.draft().steps[step.number].0.until = Some(hold);
        Ok(step.clone())
    });
}

fn register_times(module: &mut Module) {
    add(module, "within", |context: NativeCallContext, step: Handle, text: Text| -> Out<StepHandle> {
        let scene = Scene::enter(context, "within")?;
        if let Some(span) = scene.span(&text) {
            let belongs = {
                let mut draft = scene.draft();
                let (declared, last) = &mut draft.steps[step.number];
                let within = match last {
                    Some(Last::Verify) => declared.verifies.last_mut().map(|verify| &mut verify.within),
                    Some(Last::Precheck) => declared.prechecks.last_mut().map(|check| &mut check.within),
                    Some(Last::SkipIf) => declared.skip_if.as_mut().map(|check| &mut check.within),
                    Some(Last::Undone) => declared.undone.last_mut().map(|check| &mut check.within),
                    None => None,
                };
                within.map(|within| *within = span).is_some()
            };
            if !belongs {
                scene.finding("`.within` belongs after a `.verify`, `.precheck` or `.undone`");
            }
        }
        Ok(step.clone())
    });
    add(module, "stays", |context: NativeCallContext, step: Handle, text: Text| -> Out<StepHandle> {
        let scene = Scene::enter(context, "stays")?;
        if let Some(span) = scene.span(&text) {
            last_verify(&scene, step, "stays", |verify| verify.stays = Some(span));
        }
        Ok(step.clone())
    });
    add(module, "parks", |context: NativeCallContext, step: Handle| -> Out<StepHandle> {
        last_verify(&Scene::enter(context, "parks")?, step, "parks", |verify| verify.parks = true);
        Ok(step.clone())
    });
    add(module, "timeout", |context: NativeCallContext, step: Handle, text: Text| -> Out<StepHandle> {
        let scene = Scene::enter(context, "timeout")?;
        if let Some(span) = scene.span(&text) {
            scene.draft().steps[step.number].0.timeout = span;
        }
        Ok(step.clone())
    });
    add(module, "api_down", |context: NativeCallContext, step: Handle, text: Text| -> Out<StepHandle> {
        let scene = Scene::enter(context, "api_down")?;
        if let Some(span) = scene.span(&text) {
            scene.draft().steps[step.number].0.api_down = Some(span);
        }
        Ok(step.clone())
    });
}

fn last_verify(scene: &Scene, step: &StepHandle, name: &str, set: impl FnOnce(&mut Verify)) {
    let belongs = {
        let mut draft = scene.draft();
        let (declared, last) = &mut draft.steps[step.number];
        match (last, declared.verifies.last_mut()) {
            (Some(Last::Verify), Some(verify)) => {
                set(verify);
                true
            }
            _ => false,
        }
    };
    if !belongs {
        scene.finding(format!("`.{name}` belongs after a `.verify`"));
    }
}

/// Why an output is not there, with what to write: the journal keeps no secrets and nothing large, in the first process as
/// after a resume.
fn refused(output: &Value, what: &str) -> Option<(String, String)> {
    if was_secret(output) {
        let help = "let the change return what is needed of it, without the secret: `.change(|| cmd::run([…]).status)`";
        return Some((format!("{what} held a secret, which is not kept"), help.into()));
    }
    let bytes = too_large(output)?;
    let help = "let the change return what is needed of it: `.change(|| k8s::apply(\"manifests\").len())`";
    Some((format!("{what} was {bytes} bytes long, and no more than {OUTPUT} are kept"), help.into()))
}

/// An earlier step's result, when a later closure asks for it.
fn output_of(context: NativeCallContext, step: &mut StepHandle) -> Result<Dynamic, Box<EvalAltResult>> {
    let error = |kind, message: String| ScriptError::new(kind, message).at(here(&context));
    let Some(call) = call::current(&context) else {
        return Err(error(
            ErrorKind::Mode,
            format!("the output of step {} is not there yet: nothing has run", step.id),
        )
        .help("read `.output` inside a closure: `.change(|| … earlier.output …)`")
        .raise());
    };
    match call.outputs.as_ref().and_then(|outputs| outputs(&step.id)) {
        Some(value) => match refused(&value, &format!("the output of step {}", step.id)) {
            Some((why, help)) => Err(error(ErrorKind::Native, why).help(help).raise()),
            None => Ok(observe::to_dynamic(value, "output")),
        },
        None => Err(error(ErrorKind::Native, format!("step {} has no output: it has not run", step.id)).raise()),
    }
}

/// What this step's change returned.
fn output(context: NativeCallContext) -> Result<Dynamic, Box<EvalAltResult>> {
    let error = |kind, message: &str| ScriptError::new(kind, message).at(here(&context));
    let Some(call) = call::current(&context) else {
        return Err(error(ErrorKind::Mode, "`output()` is known only inside a step's closures")
            .help("write `.verify(\"…\", || output() == …)`, or `let s = step(…)` and later `s.output`")
            .raise());
    };
    match &call.output {
        Some(value) => match refused(value, "this step's output") {
            Some((why, help)) => Err(error(ErrorKind::Native, &why).help(help).raise()),
            None => Ok(observe::to_dynamic(value.clone(), "output()")),
        },
        // a verify is looked at before the change as well: not yet, and no mistake
        None => Err(error(ErrorKind::Native, "there is no output yet: this step's change has not run").raise()),
    }
}

/// An object as it was before this step.
fn before(context: NativeCallContext, reference: Text) -> Result<Dynamic, Box<EvalAltResult>> {
    let error = |message: &str| ScriptError::new(ErrorKind::Mode, message).at(here(&context));
    let Some(before) = call::current(&context).and_then(|call| call.before.clone()) else {
        return Err(error("`before(…)` is known only inside a step's closures")
            .help("write `.verify(\"…\", || k8s::get(…).spec != before(…).spec)`")
            .raise());
    };
    match before(&reference) {
        Ok(Some(value)) => Ok(observe::to_dynamic(value, &reference)),
        // a verify is looked at before the change as well: not yet, and no mistake
        Ok(None) => Ok(observe::missing_because(&*reference, "was not there, or this step has not changed it yet")),
        Err(failure) => Err(failure.at(here(&context)).raise()),
    }
}
