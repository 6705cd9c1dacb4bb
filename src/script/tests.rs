//! The language as a whole: what a playbook declares, what its closures see later, and what a person sees when
//! something is wrong.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::*;
use crate::model::{Body, Finding, Item, Resolution, StepId, Target, WayBack};

mod closures;
mod language;
mod messages;

/// A playbook in memory.
fn playbook(text: &str) -> Arc<dyn Sources> {
    Arc::new(Texts::new("p.rhai", text))
}

fn declared(text: &str) -> Declared {
    declare(&playbook(text), &Setting::default())
}

/// Declared without findings.
fn sound(text: &str) -> Declared {
    let declared = declared(text);
    assert_eq!(rules(&declared), Vec::<&str>::new(), "{:#?}", declared.findings);
    declared
}

fn rules(declared: &Declared) -> Vec<&str> {
    declared.findings.iter().map(|finding| finding.rule.as_str()).collect()
}

fn step(id: &str) -> StepId {
    StepId::new(id)
}

/// What the change of a step returns.
fn change(declared: &Declared, id: &str) -> Result<Value, ScriptError> {
    let body = Body::Change(step(id));
    declared.call(&body, Call::new(body.clone()))
}

fn verify(declared: &Declared, id: &str) -> Result<crate::model::Evaluation, ScriptError> {
    let body = Body::Verify(step(id), 0);
    declared.evaluate(&body, Call::new(body.clone()))
}

fn only(declared: &Declared) -> &Finding {
    assert_eq!(declared.findings.len(), 1, "{:#?}", declared.findings);
    &declared.findings[0]
}
