//! Everything that is open in a plan: its own questions, decisions without a choice, and what the sections leave out.

use serde::Serialize;

use crate::model::{Place, Plan, Resolution};

/// Something that has to be answered before the plan is ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OpenQuestion {
    /// The section that the answer belongs into, 1 to 8.
    pub section: u8,
    /// Where it comes from.
    pub from: OpenFrom,
    /// The question, in words.
    pub question: String,
    /// What to write, e.g. `.outcome("…")`.
    pub write: String,
    /// Where it is declared, or missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// Where an open question comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OpenFrom {
    /// The playbook asks it.
    Question,
    /// A decision without a choice.
    Decision,
    /// A section leaves it out.
    Section,
}

/// Everything that is open, in the order in which §8 lists it.
pub fn open_questions(plan: &Plan) -> Vec<OpenQuestion> {
    let asked = plan.questions.iter().filter(|question| question.resolution == Resolution::Open).map(|question| {
        let missing = plan.stands_for(&question.text);
        OpenQuestion {
            section: missing.as_ref().map_or(8, |missing| missing.section),
            from: OpenFrom::Question,
            question: question.text.clone(),
            write: missing.map_or(".resolved(\"…\")", |missing| missing.line).into(),
            place: Some(question.place.clone()),
        }
    });
    let left_out = plan.missing().into_iter().map(|missing| OpenQuestion {
        section: missing.section,
        from: OpenFrom::Section,
        question: missing.question,
        write: missing.line.into(),
        place: missing.place,
    });
    let undecided = plan.decisions.iter().filter(|decision| decision.chosen.is_none()).map(|decision| OpenQuestion {
        section: 8,
        from: OpenFrom::Decision,
        question: decision.text.clone(),
        write: ".chosen(\"…\", \"because …\")".into(),
        place: Some(decision.place.clone()),
    });
    asked.chain(left_out).chain(undecided).collect()
}
