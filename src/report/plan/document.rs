//! The plan document for programs: what [`markdown`] says to people, with stable names.

use serde::Serialize;

use super::{Declared, OpenQuestion, markdown, open_questions};
use crate::{
    model::{Digest, Finding, Plan, Severity},
    report::Picture,
};

/// `plan --output json`. Fields are only ever added.
#[derive(Clone, Debug, Serialize)]
pub struct Document {
    /// The plan's title.
    pub title: String,
    /// The context that it was declared for, as named; none where it was declared for the first that it names.
    pub context: Option<String>,
    /// Whether that context was asked: then discovered values, touches and what depends on them are what was seen there.
    pub bound: bool,
    /// Whether nothing stands against running it: no finding is an error.
    pub ready: bool,
    /// The digest of the plan: what approvals and records refer to.
    pub digest: Digest,
    /// The eight sections, in their order.
    pub sections: Vec<Section>,
    /// What has to be answered before it is ready, in words; what a section leaves out is among it.
    pub open_questions: Vec<OpenQuestion>,
    /// What check (and, on a context, looking there) found.
    pub findings: Vec<Finding>,
    /// Phases, steps, what they touch and what that reaches.
    pub graph: Picture,
    /// The plan's values.
    pub plan: Plan,
    /// The whole of it as Markdown.
    #[serde(skip)]
    pub(in crate::report) text: String,
}

/// One of the eight sections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Section {
    /// 1 to 8.
    pub number: u8,
    /// Its heading, e.g. `Objective`.
    pub title: String,
    /// Whether nothing is left out in it; of section 8, whether nothing is open.
    pub stated: bool,
    /// Its text, as Markdown.
    pub markdown: String,
}

impl Document {
    /// The document of a plan. `digest` is the one that a run of it would be bound with.
    pub fn new(plan: Plan, digest: Digest, findings: Vec<Finding>, declared: Declared<'_>, graph: Picture) -> Self {
        let open_questions = open_questions(&plan);
        let text = markdown(&plan, &findings, declared);
        let (context, bound) = match declared {
            Declared::On(context) => (Some(context), true),
            Declared::Offline(context) => (context, false),
        };
        Self {
            title: plan.title.clone(),
            context: context.map(Into::into),
            bound,
            ready: !findings.iter().any(|finding| finding.severity == Severity::Error),
            digest,
            sections: sections(&text, &open_questions),
            text,
            open_questions,
            findings,
            graph,
            plan,
        }
    }
}

fn sections(text: &str, open: &[OpenQuestion]) -> Vec<Section> {
    let parts = text.split("\n## ").skip(1);
    let numbered = parts.filter_map(|part| {
        let (heading, body) = part.split_once('\n').unwrap_or((part, ""));
        let (number, title) = heading.split_once(". ")?;
        Some((number.parse::<u8>().ok()?, title, body))
    });
    numbered
        .map(|(number, title, body)| Section {
            number,
            title: title.into(),
            stated: !open.iter().any(|question| question.section == number || number == 8),
            markdown: body.trim().into(),
        })
        .collect()
}
