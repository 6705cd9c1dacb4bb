use crate::model::{Confidence, Doing, Finding, Kind, Place, Plan, Resolution, Severity, Step, WayBack};

/// What is missing before the plan may run: all eight sections have to stand. An emergency needs a problem, a context,
/// and a verify and a way back per step; the other sections become notes, questions that stay open until its record is
/// reviewed.
pub fn readiness(plan: &Plan) -> Vec<Finding> {
    let mut found = Missing { emergency: plan.kind == Kind::Emergency, findings: vec![] };
    objective(plan, &mut found);
    for phase in &plan.phases {
        if phase.goal.is_none() {
            found.later("no-goal", format!("phase \"{}\" has no goal", phase.title), phase.place.as_ref()).help(
                match phase.place {
                    Some(_) => "add `.goal(\"what is true when it is done\")`".into(),
                    None => {
                        "write `phase(\"title\").goal(\"what is true when it is done\");` before the first step".into()
                    }
                },
            );
        }
        if phase.steps().next().is_none() {
            found.later("no-steps", format!("phase \"{}\" has no steps", phase.title), phase.place.as_ref());
        }
    }
    for step in plan.steps() {
        if step.verifies.is_empty() {
            found
                .now("no-verify", format!("step \"{}\" has no verify", step.title), Some(&step.place))
                .help("add `.verify(\"what is true afterwards\", || …)`".into());
            found.of(step);
        }
        way_back(step, &mut found);
    }
    thinking(plan, &mut found);
    found.findings
}

fn objective(plan: &Plan, found: &mut Missing) {
    let Some(place) = &plan.place else {
        found.now("no-plan", "the playbook declares no plan".into(), None).help(
            "begin with `plan(\"title\").problem(\"…\").outcome(\"…\").contexts([\"staging\", \"main\"]);`".into(),
        );
        return;
    };
    if plan.problem.is_none() {
        found
            .now("no-problem", "the plan does not say which problem it solves".into(), Some(place))
            .help("add `.problem(\"what is wrong now, and for whom\")`: the problem, not the solution".into());
    }
    if plan.outcome.is_none() {
        found
            .later("no-outcome", "the plan does not say what is true in the end".into(), Some(place))
            .help("add `.outcome(\"what can be seen when it is done\")`".into());
    }
    if plan.contexts.is_empty() {
        found.now("no-contexts", "the plan does not say where it runs".into(), Some(place)).help(
            "which cluster needs this? add `.contexts([\"staging\", \"main\"])`, in the order in which it is promoted"
                .into(),
        );
    }
    if plan.steps().next().is_none() {
        found
            .now("no-steps", "the plan has no steps".into(), Some(place))
            .help("add `step(\"title\").change(|| …).verify(\"…\", || …)`".into());
    }
}

fn way_back(step: &Step, found: &mut Missing) {
    if let (Some(_), WayBack::Irreversible(_)) = (step.until, &step.way_back) {
        let message = format!("step \"{}\" is a hold, which is given back, and is said to be irreversible", step.title);
        found
            .now("hold-without-way-back", message, Some(&step.place))
            .help("leave out `.until(…)`, or add `.undo(|| …)`".into());
        found.of(step);
    }
    if step.way_back != WayBack::Automatic {
        return;
    }
    let message = match &step.doing {
        Doing::Check => return,
        Doing::Manual(_) => format!("step \"{}\" is done by hand and has no way back", step.title),
        Doing::Change => match (step.trial.iter().find(|touch| !touch.way_back), &step.partly_known) {
            (Some(touch), _) => format!("step \"{}\" has no way back: {touch} has no automatic one", step.title),
            (None, Some(why)) => {
                format!("step \"{}\" has no way back, and what it touches is only partly known: {why}", step.title)
            }
            (None, None) => return,
        },
    };
    found
        .now("no-way-back", message, Some(&step.place))
        .help("add `.undo(|| …)`, `.undo(\"what to do by hand\")`, or `.irreversible(\"why\")`".into());
    found.of(step);
}

fn thinking(plan: &Plan, found: &mut Missing) {
    for risk in &plan.risks {
        if risk.affects.is_empty() && risk.unknown_blast_radius.is_none() {
            found
                .later("no-blast-radius", format!("the risk \"{}\" has no blast radius", risk.text), Some(&risk.place))
                .help("add `.affects([\"Kind/namespace/name\"])` or `.unknown_blast_radius(\"why\")`".into());
        }
        if risk.rollback.is_none() {
            found
                .later("no-rollback", format!("the risk \"{}\" has no rollback", risk.text), Some(&risk.place))
                .help("add `.rollback(\"what to do if it happens\")`".into());
        }
    }
    for question in plan.questions.iter().filter(|question| question.resolution == Resolution::Open) {
        found
            .later("open-question", format!("the question \"{}\" is open", question.text), Some(&question.place))
            .help("add `.resolved(\"the answer\")` or `.deferred(\"until when\")`".into());
    }
    for decision in plan.decisions.iter().filter(|decision| decision.chosen.is_none()) {
        found
            .later("undecided", format!("\"{}\" is not decided", decision.text), Some(&decision.place))
            .help("add `.chosen(\"the option\", \"because\")`".into());
    }
    for assumption in plan.assumptions.iter().filter(|it| it.confidence == Confidence::High && !it.probe) {
        found
            .later(
                "unproven-confidence",
                format!("\"{}\" is assumed with high confidence, and nothing verifies it", assumption.text),
                Some(&assumption.place),
            )
            .help("give `assume` a probe, `|| …`, or say \"medium\"".into());
    }
}

struct Missing {
    emergency: bool,
    findings: Vec<Finding>,
}

impl Missing {
    /// Missing in every plan.
    fn now(&mut self, rule: &str, message: String, place: Option<&Place>) -> &mut Self {
        self.findings.push(Finding::error(rule, message).at(place.cloned()));
        self
    }

    /// Missing in a plan that is no emergency.
    fn later(&mut self, rule: &str, message: String, place: Option<&Place>) -> &mut Self {
        self.now(rule, message, place);
        if let (true, Some(last)) = (self.emergency, self.findings.last_mut()) {
            last.severity = Severity::Note;
        }
        self
    }

    fn help(&mut self, help: String) {
        if let Some(last) = self.findings.last_mut() {
            last.help.push(help);
        }
    }

    fn of(&mut self, step: &Step) {
        if let Some(last) = self.findings.last_mut() {
            last.step = Some(step.id.clone());
        }
    }
}
