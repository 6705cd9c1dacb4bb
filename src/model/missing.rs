//! What a plan leaves out, as questions: the one list that the check refuses by and that the document asks in §8.

use super::{Doing, Kind, Place, Plan, Resolution, Step, StepId, WayBack};

/// Something that one of the eight sections leaves out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The rule that refuses it, e.g. `no-outcome`.
    pub rule: &'static str,
    /// The section that it belongs into, 1 to 8.
    pub section: u8,
    /// What is asked for, in words.
    pub question: String,
    /// What is missing, as a lowercase fragment that names the thing.
    pub message: String,
    /// What to write, in words and code.
    pub help: String,
    /// The call that answers it, e.g. `.outcome("…")`.
    pub line: &'static str,
    /// Where it is missing.
    pub place: Option<Place>,
    /// The step that it is about.
    pub step: Option<StepId>,
    /// Whether an emergency owes it as well.
    pub always: bool,
    /// Whether a plan owes it at all: else it may be left out, and is asked for only where a plan is begun.
    pub owed: bool,
}

impl Plan {
    /// Everything that the eight sections leave out, in the order of the sections. What the playbook asks itself, in the
    /// same words, is an open question already and not asked twice.
    pub fn missing(&self) -> Vec<Missing> {
        let mut all = self.left_out();
        all.retain(|missing| missing.owed);
        all.retain(|missing| missing.always && self.kind == Kind::Emergency || self.asks(missing).is_none());
        all
    }

    /// What an open question of the playbook stands for, where it asks for something that a section leaves out.
    pub fn stands_for(&self, question: &str) -> Option<Missing> {
        self.left_out().into_iter().find(|missing| question.starts_with(&missing.question))
    }

    fn asks(&self, missing: &Missing) -> Option<&super::Question> {
        let open = self.questions.iter().filter(|question| question.resolution == Resolution::Open);
        open.into_iter().find(|question| question.text.starts_with(&missing.question))
    }

    /// The same, with what may be left out, and what the playbook asks itself.
    pub fn left_out(&self) -> Vec<Missing> {
        let mut all = Asked { place: self.place.clone(), missing: vec![] };
        self.sections_one_to_four(&mut all);
        self.phases_left_out(&mut all);
        for step in self.steps() {
            verify_left_out(step, &mut all);
            way_back_left_out(step, &mut all);
        }
        self.risks_left_out(&mut all);
        all.missing
    }

    fn sections_one_to_four(&self, all: &mut Asked) {
        if self.title.trim().is_empty() {
            all.ask("no-title", 1, "What is the change called?", "the plan has no title")
                .help("give `plan(\"…\")` a title", "plan(\"…\")");
        }
        if self.problem.is_none() {
            all.ask(
                "no-problem",
                1,
                "What happens today, and for whom?",
                "the plan does not say which problem it solves",
            )
            .help(
                "add `.problem(\"what is wrong now, and for whom\")`: the problem, not the solution",
                ".problem(\"…\")",
            )
            .always();
        }
        if self.outcome.is_none() {
            all.ask(
                "no-outcome",
                1,
                "What can be observed once it is done?",
                "the plan does not say what is true in the end",
            )
            .help("add `.outcome(\"what can be seen when it is done\")`", ".outcome(\"…\")");
        }
        if self.verifies.is_empty() {
            all.ask("no-outcome-verify", 1, "What shows that the outcome is there?", "nothing verifies the outcome")
                .help("add `.verify(\"what shows it\", || …)` to the plan", ".verify(\"…\", || …)")
                .optional();
        }
        if self.contexts.is_empty() {
            all.ask(
                "no-contexts",
                2,
                "On which contexts does it run, in which order?",
                "the plan does not say where it runs",
            )
            .help(
                "which cluster needs this? add `.contexts([\"staging\", \"main\"])`, in the order in which it is promoted",
                ".contexts([\"…\"])",
            )
            .always();
        }
        if self.current.is_empty() {
            all.ask("no-current", 3, "What is the current state?", "the plan does not say what there is today")
                .help("add `.current(\"what there is today\")`", ".current(\"…\")");
        }
        if self.target.is_empty() {
            all.ask("no-target", 4, "What is the target state?", "the plan does not say what there is afterwards")
                .help("add `.target(\"what there is afterwards\")`", ".target(\"…\")");
        }
    }

    fn phases_left_out(&self, all: &mut Asked) {
        if self.steps().next().is_none() {
            all.ask("no-steps", 5, "Which steps are there?", "the plan has no steps")
                .help("add `step(\"title\").change(|| …).verify(\"…\", || …)`", "step(\"…\")")
                .always();
        }
        for phase in &self.phases {
            let title = &phase.title;
            if phase.goal.is_none() {
                let help = match phase.place {
                    Some(_) => "add `.goal(\"what is true when it is done\")`",
                    None => "write `phase(\"title\").goal(\"what is true when it is done\");` before the first step",
                };
                let question = format!("What is the goal of phase \"{title}\"?");
                all.ask("no-goal", 5, question, format!("phase \"{title}\" has no goal"))
                    .at(phase.place.as_ref())
                    .help(help, ".goal(\"…\")");
            }
            if phase.steps().next().is_none() {
                let question = format!("Which steps does phase \"{title}\" have?");
                all.ask("no-steps", 5, question, format!("phase \"{title}\" has no steps"))
                    .at(phase.place.as_ref())
                    .help("add `step(\"title\")` after it, or take the phase away", "step(\"…\")");
            }
        }
    }

    fn risks_left_out(&self, all: &mut Asked) {
        for risk in &self.risks {
            let text = &risk.text;
            if risk.affects.is_empty() && risk.unknown_blast_radius.is_none() {
                let question = format!("What would the risk \"{text}\" affect?");
                all.ask("no-blast-radius", 2, question, format!("the risk \"{text}\" has no blast radius"))
                    .at(Some(&risk.place))
                    .help(
                        "add `.affects([\"Kind/namespace/name\"])` or `.unknown_blast_radius(\"why\")`",
                        ".affects([\"…\"])",
                    );
            }
            if risk.rollback.is_none() {
                let question = format!("What is the way back from the risk \"{text}\"?");
                all.ask("no-rollback", 7, question, format!("the risk \"{text}\" has no rollback"))
                    .at(Some(&risk.place))
                    .help("add `.rollback(\"what to do if it happens\")`", ".rollback(\"…\")");
            }
        }
    }
}

fn verify_left_out(step: &Step, all: &mut Asked) {
    if step.verifies.is_empty() {
        let question = format!("What shows that step `{}` worked?", step.id);
        all.ask("no-verify", 6, question, format!("step \"{}\" has no verify", step.title))
            .of(step)
            .help("add `.verify(\"what is true afterwards\", || …)`", ".verify(\"…\", || …)")
            .always();
    }
}

fn way_back_left_out(step: &Step, all: &mut Asked) {
    if step.way_back != WayBack::Automatic {
        return;
    }
    let title = &step.title;
    let message = match &step.doing {
        Doing::Check => return,
        Doing::Manual(_) => format!("step \"{title}\" is done by hand and has no way back"),
        Doing::Change => match (step.trial.iter().find(|touch| !touch.way_back), &step.partly_known) {
            (Some(touch), _) => format!("step \"{title}\" has no way back: {touch} has no automatic one"),
            (None, Some(why)) => {
                format!("step \"{title}\" has no way back, and what it touches is only partly known: {why}")
            }
            (None, None) => return,
        },
    };
    all.ask("no-way-back", 7, format!("What is the way back of step `{}`?", step.id), message)
        .of(step)
        .help("add `.undo(|| …)`, `.undo(\"what to do by hand\")`, or `.irreversible(\"why\")`", ".undo(…)")
        .always();
}

impl Step {
    /// Whether it changes something, and neither it nor what the trial saw of it says how that is taken back.
    pub fn has_no_way_back(&self) -> bool {
        let mut all = Asked { place: None, missing: vec![] };
        way_back_left_out(self, &mut all);
        !all.missing.is_empty()
    }
}

struct Asked {
    place: Option<Place>,
    missing: Vec<Missing>,
}

impl Asked {
    fn ask(
        &mut self,
        rule: &'static str,
        section: u8,
        question: impl Into<String>,
        message: impl Into<String>,
    ) -> Asking<'_> {
        self.missing.push(Missing {
            rule,
            section,
            question: question.into(),
            message: message.into(),
            help: String::new(),
            line: "",
            place: self.place.clone(),
            step: None,
            always: false,
            owed: true,
        });
        Asking(self.missing.last_mut().expect("one was pushed just now"))
    }
}

struct Asking<'a>(&'a mut Missing);

impl Asking<'_> {
    fn at(self, place: Option<&Place>) -> Self {
        self.0.place = place.cloned();
        self
    }

    fn of(self, step: &Step) -> Self {
        self.0.step = Some(step.id.clone());
        self.at(Some(&step.place))
    }

    fn help(self, help: &str, line: &'static str) -> Self {
        self.0.help = help.into();
        self.0.line = line;
        self
    }

    fn always(self) {
        self.0.always = true;
    }

    fn optional(self) {
        self.0.owed = false;
    }
}
