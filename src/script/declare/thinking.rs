//! What is known, taken for true, weighed and feared: questions, decisions, assumptions and risks.

use rhai::{Array, FnPtr, Module, NativeCallContext};

use super::{
    add,
    scene::{Out, Scene, Text},
};
use crate::{
    model::{Assumption, Body, Choice, Confidence, Question, Resolution, Risk},
    script::suggest,
};

/// Words of a question, and what they make of it.
type Way = (&'static str, fn(String) -> Resolution);
/// A field of a risk by its word.
type Field<T> = (&'static str, fn(&mut Risk) -> &mut T);

#[derive(Clone)]
struct QuestionHandle(usize);
#[derive(Clone)]
struct DecisionHandle(usize);
#[derive(Clone)]
struct AssumptionHandle(usize);
#[derive(Clone)]
struct RiskHandle(usize);

pub(super) fn register(module: &mut Module) {
    register_questions(module);
    register_decisions(module);
    register_assumptions(module);
    register_risks(module);
}

fn register_questions(module: &mut Module) {
    module.set_custom_type::<QuestionHandle>("question");
    add(module, "question", |context: NativeCallContext, text: Text| -> Out<QuestionHandle> {
        let scene = Scene::enter(context, "question")?;
        let mut draft = scene.draft();
        draft.plan.questions.push(Question {
            text: text.to_string(),
            resolution: Resolution::Open,
            place: scene.place.clone(),
        });
        Ok(QuestionHandle(draft.plan.questions.len() - 1))
    });
    let ways: [Way; 2] = [("resolved", Resolution::Resolved), ("deferred", Resolution::Deferred)];
    for (name, resolution) in ways {
        add(
            module,
            name,
            move |context: NativeCallContext, handle: &mut QuestionHandle, text: Text| -> Out<QuestionHandle> {
                let scene = Scene::enter(context, name)?;
                scene.draft().plan.questions[handle.0].resolution = resolution(text.to_string());
                Ok(handle.clone())
            },
        );
    }
}

fn register_decisions(module: &mut Module) {
    module.set_custom_type::<DecisionHandle>("decision");
    add(module, "decision", |context: NativeCallContext, text: Text| -> Out<DecisionHandle> {
        let scene = Scene::enter(context, "decision")?;
        let mut draft = scene.draft();
        draft.plan.decisions.push(Choice {
            text: text.to_string(),
            options: vec![],
            chosen: None,
            place: scene.place.clone(),
        });
        Ok(DecisionHandle(draft.plan.decisions.len() - 1))
    });
    add(
        module,
        "option",
        |context: NativeCallContext, handle: &mut DecisionHandle, text: Text, tradeoff: Text| -> Out<DecisionHandle> {
            let scene = Scene::enter(context, "option")?;
            scene.draft().plan.decisions[handle.0].options.push((text.to_string(), tradeoff.to_string()));
            Ok(handle.clone())
        },
    );
    add(
        module,
        "chosen",
        |context: NativeCallContext, handle: &mut DecisionHandle, text: Text, because: Text| -> Out<DecisionHandle> {
            let scene = Scene::enter(context, "chosen")?;
            let options: Vec<String> = {
                let mut draft = scene.draft();
                let decision = &mut draft.plan.decisions[handle.0];
                decision.chosen = Some((text.to_string(), because.to_string()));
                decision.options.iter().map(|(option, _)| option.clone()).collect()
            };
            if !options.iter().any(|option| *option == *text) {
                let mut finding = scene.finding(format!("\"{text}\" is chosen, and is not one of the options"));
                match suggest::nearest(&text, options.iter().map(String::as_str)) {
                    Some(near) => finding.help(format!("did you mean \"{near}\"?")),
                    None => finding.help("add it before: `.option(\"…\", \"its trade-off\")`"),
                }
            }
            Ok(handle.clone())
        },
    );
}

fn register_assumptions(module: &mut Module) {
    module.set_custom_type::<AssumptionHandle>("assumption");
    add(module, "assume", |context: NativeCallContext, text: Text, confidence: Text| -> Out<AssumptionHandle> {
        assume(context, &text, &confidence, None)
    });
    add(
        module,
        "assume",
        |context: NativeCallContext, text: Text, confidence: Text, probe: FnPtr| -> Out<AssumptionHandle> {
            assume(context, &text, &confidence, Some(probe))
        },
    );
    add(
        module,
        "impact",
        |context: NativeCallContext, handle: &mut AssumptionHandle, text: Text| -> Out<AssumptionHandle> {
            Scene::enter(context, "impact")?.draft().plan.assumptions[handle.0].impact = Some(text.to_string());
            Ok(handle.clone())
        },
    );
    add(
        module,
        "source",
        |context: NativeCallContext, handle: &mut AssumptionHandle, text: Text| -> Out<AssumptionHandle> {
            Scene::enter(context, "source")?.draft().plan.assumptions[handle.0].source = Some(text.to_string());
            Ok(handle.clone())
        },
    );
}

fn assume(context: NativeCallContext, text: &str, confidence: &str, probe: Option<FnPtr>) -> Out<AssumptionHandle> {
    let scene = Scene::enter(context, "assume")?;
    let confidence = confidence.parse::<Confidence>().unwrap_or_else(|message| {
        scene.finding(message);
        Confidence::Low
    });
    let number = {
        let mut draft = scene.draft();
        draft.plan.assumptions.push(Assumption {
            text: text.into(),
            confidence,
            probe: probe.is_some(),
            impact: None,
            source: None,
            place: scene.place.clone(),
        });
        draft.plan.assumptions.len() - 1
    };
    if let Some(probe) = probe {
        scene.keep(Body::Assumption(number), probe, "assume");
    }
    Ok(AssumptionHandle(number))
}

fn register_risks(module: &mut Module) {
    module.set_custom_type::<RiskHandle>("risk");
    add(module, "risk", |context: NativeCallContext, text: Text| -> Out<RiskHandle> {
        let scene = Scene::enter(context, "risk")?;
        let mut draft = scene.draft();
        draft.plan.risks.push(Risk {
            text: text.to_string(),
            on: vec![],
            affects: vec![],
            unknown_blast_radius: None,
            rollback: None,
            place: scene.place.clone(),
        });
        Ok(RiskHandle(draft.plan.risks.len() - 1))
    });
    let lists: [Field<Vec<String>>; 2] = [("on", |risk| &mut risk.on), ("affects", |risk| &mut risk.affects)];
    for (name, field) in lists {
        add(module, name, move |context: NativeCallContext, handle: &mut RiskHandle, list: Array| -> Out<RiskHandle> {
            let scene = Scene::enter(context, name)?;
            let texts = scene.texts(list, name);
            field(&mut scene.draft().plan.risks[handle.0]).extend(texts);
            Ok(handle.clone())
        });
    }
    let texts: [Field<Option<String>>; 2] =
        [("unknown_blast_radius", |risk| &mut risk.unknown_blast_radius), ("rollback", |risk| &mut risk.rollback)];
    for (name, field) in texts {
        add(module, name, move |context: NativeCallContext, handle: &mut RiskHandle, text: Text| -> Out<RiskHandle> {
            *field(&mut Scene::enter(context, name)?.draft().plan.risks[handle.0]) = Some(text.to_string());
            Ok(handle.clone())
        });
    }
}
