use crate::model::{Confidence, Finding, Kind, Plan, Resolution, Severity, WayBack};

/// What is missing before the plan may run: all eight sections have to stand. An emergency needs a problem, a context,
/// and a verify and a way back per step; the other sections become notes, questions that stay open until its record is
/// reviewed.
pub fn readiness(plan: &Plan) -> Vec<Finding> {
    let mut found = Found { emergency: plan.kind == Kind::Emergency, findings: vec![] };
    if plan.place.is_none() {
        found.now(
            Finding::error("no-plan", "the playbook declares no plan")
                .help("begin with `plan(\"title\").problem(\"…\").outcome(\"…\").contexts([\"staging\", \"main\"]);`"),
        );
    }
    for missing in plan.missing() {
        // a playbook without a plan misses all of it
        if plan.place.is_none() && missing.place.is_none() {
            continue;
        }
        let mut finding = Finding::error(missing.rule, missing.message).at(missing.place).help(missing.help);
        finding.step = missing.step;
        if missing.always { found.now(finding) } else { found.later(finding) }
    }
    holds(plan, &mut found);
    thinking(plan, &mut found);
    found.findings
}

fn holds(plan: &Plan, found: &mut Found) {
    for step in plan.steps() {
        if let (Some(_), WayBack::Irreversible(_)) = (step.until, &step.way_back) {
            let message =
                format!("step \"{}\" is a hold, which is given back, and is said to be irreversible", step.title);
            found.now(
                Finding::error("hold-without-way-back", message)
                    .at(step.place.clone())
                    .of_step(&step.id)
                    .help("leave out `.until(…)`, or add `.undo(|| …)`"),
            );
        }
    }
}

fn thinking(plan: &Plan, found: &mut Found) {
    for question in plan.questions.iter().filter(|question| question.resolution == Resolution::Open) {
        let finding = Finding::error("open-question", format!("the question \"{}\" is open", question.text))
            .at(question.place.clone());
        found.later(match plan.stands_for(&question.text) {
            Some(missing) => finding.help(format!("{}, and take the question away", missing.help)),
            None => finding.help("add `.resolved(\"the answer\")` or `.deferred(\"until when\")`"),
        });
    }
    for decision in plan.decisions.iter().filter(|decision| decision.chosen.is_none()) {
        let message = format!("\"{}\" is not decided", decision.text);
        let finding = Finding::error("undecided", message).at(decision.place.clone());
        found.later(finding.help("add `.chosen(\"the option\", \"because\")`"));
    }
    for assumption in plan.assumptions.iter().filter(|it| it.confidence == Confidence::High && !it.probe) {
        let message = format!("\"{}\" is assumed with high confidence, and nothing verifies it", assumption.text);
        let finding = Finding::error("unproven-confidence", message).at(assumption.place.clone());
        found.later(finding.help("give `assume` a probe, `|| …`, or say \"medium\""));
    }
}

struct Found {
    emergency: bool,
    findings: Vec<Finding>,
}

impl Found {
    /// Missing in every plan.
    fn now(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Missing in a plan that is no emergency.
    fn later(&mut self, mut finding: Finding) {
        if self.emergency {
            finding.severity = Severity::Note;
        }
        self.findings.push(finding);
    }
}
