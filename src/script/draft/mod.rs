//! A playbook from answers: what was said becomes the plan, what was not becomes an open question, nothing is invented.
//! `answers` reads them, `write` puts them into the language; what is left out is found by declaring the result.

mod answers;
mod write;

use std::{collections::BTreeMap, sync::Arc};

pub use answers::{
    Answers, AssumptionAnswer, DecisionAnswer, PhaseAnswer, QuestionAnswer, RiskAnswer, StepAnswer, TEMPLATE,
};

use super::{Setting, Texts, declare};
use crate::model::{Plan, StepId};

/// The playbook's text. It declares, and what stands against running it is open questions alone, unless the answers
/// contradict each other (two steps of one title, a choice that is no option): then check says so.
pub fn draft(answers: &Answers, file: &str) -> String {
    let first = write::playbook(answers, file, &[]);
    let declared = declare(&(Arc::new(Texts::new(file, &first)) as Arc<dyn super::Sources>), &Setting::default());
    write::playbook(answers, file, &gaps(answers, &declared.plan))
}

/// What the sections leave out, as questions; words that an assertion still has to be made of stand in them.
fn gaps(answers: &Answers, plan: &Plan) -> Vec<(String, String)> {
    let mut said: BTreeMap<(&str, Option<StepId>), String> = BTreeMap::new();
    let mut undone = vec![];
    if !answers.verify.is_empty() {
        said.insert(("no-outcome-verify", None), answers.verify.join("; "));
    }
    for (phase, answered) in plan.phases.iter().zip(&answers.phases) {
        for (step, answered) in phase.steps().zip(&answered.steps) {
            if !answered.verify.is_empty() {
                said.insert(("no-verify", Some(step.id.clone())), answered.verify.join("; "));
            }
            if answered.manual.is_none() {
                undone.push((format!("What does step `{}` do?", step.id), ".change(|| …)".into()));
            }
        }
    }
    let missing = plan.left_out().into_iter().map(|missing| {
        let words = said.get(&(missing.rule, missing.step.clone()));
        let words = words.map(|words| format!(" In words: {words}")).unwrap_or_default();
        (format!("{}{words}", missing.question), missing.line.to_string())
    });
    missing.chain(undone).collect()
}

#[cfg(test)]
mod tests;
