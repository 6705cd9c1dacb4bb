//! At most seven questions, chosen by what happened. All ask what or how; none has to be answered.

use super::{Incident, Prompt, Section};
use crate::{
    event::{FailureKind, Staged},
    model::{Decision, text::one_line},
};

const MOST: usize = 7;

/// The questions, in the order of the sections.
pub fn choose(incident: &Incident) -> Vec<Prompt> {
    let mut pool =
        vec![(Section::WhatHappened, "What happened, in sequence, that is not in the timeline?".to_string())];
    pool.extend(by_kind(incident));
    if let Some(gate) = incident.gates.iter().rev().find(|gate| gate.decision.is_some()) {
        let question = one_line(&gate.card.question);
        pool.push(match gate.decision {
            Some(Decision::NoGo { .. }) => {
                (Section::Perspectives, format!("What did the evidence at \"{question}\" show that spoke for a no-go?"))
            }
            _ => (Section::Perspectives, format!("What did the evidence at \"{question}\" lead you to expect next?")),
        });
    }
    pool.push((Section::Remediation, "What restored the service, and how was that confirmed?".into()));
    pool.push((
        Section::Prevention,
        "What check, default or document is to change, and how is it known to be done?".into(),
    ));
    pool.push((Section::WhatHappened, "What was surprising?".into()));
    pool.push((Section::Gaps, "What information or tooling would have helped?".into()));
    match &incident.staged {
        Staged::NotRequired => {}
        Staged::By { context, .. } => pool.push((
            Section::Gaps,
            format!(
                "What did the run on {} cover, and how does {} differ from it?",
                one_line(context),
                one_line(&incident.context)
            ),
        )),
        Staged::Skipped { .. } => {
            pool.push((
                Section::Perspectives,
                "What was known about the change at the time staging was skipped?".into(),
            ));
        }
    }
    if let Some(assumed) = incident.assumptions.iter().find(|assumed| assumed.verdict.is_none()) {
        let text = one_line(&assumed.text);
        pool.push((Section::Gaps, format!("What shows now whether \"{text}\" is so, and how can a probe ask for it?")));
    }
    pool.truncate(MOST);
    pool.sort_by_key(|(section, _)| *section);
    pool.into_iter().map(|(section, text)| Prompt { section, text }).collect()
}

fn by_kind(incident: &Incident) -> Vec<(Section, String)> {
    let Some(failure) = &incident.failure else {
        return vec![(Section::WhatHappened, "What was seen when the run came to its end?".into())];
    };
    let verify = failure.verifies.iter().find(|verify| !verify.verdict.holds());
    let verify = verify.map_or_else(|| "the verify".into(), |verify| format!("\"{}\"", one_line(&verify.text)));
    let objects = match incident.resources.as_slice() {
        [] => "the objects involved".to_string(),
        [one] => one.clone(),
        [first, ..] => format!("{first} and the others"),
    };
    match failure.kind {
        FailureKind::Verify => vec![
            (
                Section::WhatHappened,
                format!("What was {verify} expected to show, and what does it say about {objects}?"),
            ),
            (Section::Gaps, format!("What was known about {objects} before the change, and where did it stand?")),
        ],
        FailureKind::Regression => vec![
            (Section::WhatHappened, format!("What else acted on {objects} between the two observations?")),
            (Section::Gaps, format!("How long is {verify} true in everyday running?")),
        ],
        FailureKind::Precheck => vec![
            (Section::WhatHappened, "What was different from when the plan was written?".into()),
            (Section::Gaps, "How can the precheck's condition be seen while planning?".into()),
        ],
        FailureKind::Change => vec![
            (Section::WhatHappened, "What did the answer to the change say, and how was it understood?".into()),
            (Section::Gaps, format!("What does a dry run of {objects} say?")),
        ],
        FailureKind::Unknown => vec![
            (Section::WhatHappened, format!("What state were {objects} found in, and how was it found out?")),
            (Section::Gaps, "What was unreachable, and from when to when?".into()),
        ],
        FailureKind::Identity => vec![
            (Section::WhatHappened, "What cluster was reached, and how did its name lead there?".into()),
            (Section::Gaps, "What was the scope: what was touched on which cluster?".into()),
        ],
        FailureKind::Preflight => vec![
            (Section::WhatHappened, "What did the finding show that was not expected?".into()),
            (Section::Gaps, "How can this be asked earlier, while planning?".into()),
        ],
        FailureKind::Lock => vec![
            (Section::WhatHappened, "What else worked on this cluster at the time, and how was it found out?".into()),
            (Section::Gaps, format!("What state were {objects} left in?")),
        ],
        FailureKind::Journal | FailureKind::Internal => vec![
            (Section::WhatHappened, "What was the state of the machine and its disk at the time?".into()),
            (Section::Gaps, "What else was written to, and how far did it get?".into()),
        ],
        FailureKind::Undo => vec![
            (Section::WhatHappened, format!("What was left of the change, and what holds {objects} there?")),
            (Section::Gaps, "What did the way back need that was not there?".into()),
        ],
        FailureKind::Cancelled => vec![
            (Section::WhatHappened, "What was seen just before the cancel?".into()),
            (Section::Gaps, format!("What state were {objects} left in?")),
        ],
    }
}
