//! Problem and outcome, or a solution in their place: a phrase that names what to build is asked about, once, and kept.
//! It is scored by its words; nothing here stops a run.

mod words;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::model::{Finding, Kind, Plan, text::one_line};
use words::Words;

/// Kinds whose objects are what a plan is about, not what it is done with.
const WORKLOADS: [&str; 8] =
    ["Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job", "Pod", "HelmRelease", "Kustomization"];

/// From so many points on a phrase is taken for a solution, where no problem is in it.
const FIRES: i32 = 2;

/// What a phrase comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Score {
    points: i32,
    /// Whether it says what somebody can not do, what is seen, or what is needed for what.
    problem: bool,
}

impl Score {
    fn fires(self) -> bool {
        self.points >= FIRES && !self.problem
    }
}

/// One question about a problem or an outcome that names what to build, and a hint where "the cluster" could be several.
pub(super) fn check(plan: &Plan, found: &mut Vec<Finding>) {
    // at such an hour nobody is asked how a thing is worded
    if plan.kind == Kind::Emergency {
        return;
    }
    let own = own_names(plan);
    let slots = [("problem", &plan.problem), ("outcome", &plan.outcome)];
    let stated = || slots.iter().filter_map(|(slot, text)| Some((*slot, text.as_deref()?)));
    let solutions: Vec<(&str, &str)> = stated().filter(|(_, text)| score(text, &own).fires()).collect();
    if !solutions.is_empty() {
        found.push(asked(plan, &solutions));
    }
    if plan.contexts.len() > 1
        && let Some((slot, _)) = stated().find(|(_, text)| Words::of(text).names_no_cluster())
    {
        let contexts = crate::script::suggest::list(&plan.contexts);
        let message = format!("the {slot} speaks of \"the cluster\", and the plan has {contexts}");
        found.push(
            Finding::note("which-cluster", message)
                .at(plan.place.clone())
                .help("which one needs this: name it, or say \"each cluster\""),
        );
    }
}

fn asked(plan: &Plan, solutions: &[(&str, &str)]) -> Finding {
    let question = match plan.kind {
        Kind::Maintenance | Kind::Mandated | Kind::Drill => "What happens if not done, by when?",
        Kind::Change | Kind::Emergency => "What happens today, for whom, without this?",
    };
    let slots: Vec<String> = solutions.iter().map(|(slot, _)| format!("the {slot}")).collect();
    let reads = if slots.len() == 1 { "reads like a solution" } else { "read like solutions" };
    let phrases: Vec<String> = solutions.iter().map(|(_, text)| format!("\"{}\"", one_line(text))).collect();
    let message = format!("{} {reads}: {}", slots.join(" and "), phrases.join(", "));
    let mut finding = Finding::warning("idea-names-a-solution", message).at(plan.place.clone()).help(question);
    for (n, phrase) in phrases.iter().enumerate() {
        finding = finding.help(format!("kept as candidate approach #{}: {phrase}", n + 1));
    }
    finding
}

/// Names of what the plan is about: its services, its contexts, the workloads that its steps touch.
fn own_names(plan: &Plan) -> BTreeSet<String> {
    let workloads = plan.steps().flat_map(|step| &step.trial).filter_map(|touch| {
        let (kind, name) = touch.target.split_once('/')?;
        WORKLOADS.contains(&kind.split('.').next()?).then(|| name.rsplit('/').next().unwrap_or(name))
    });
    let named = plan.services.iter().chain(&plan.contexts).map(String::as_str);
    named.chain(workloads).map(str::to_lowercase).filter(|name| !name.trim().is_empty()).collect()
}

/// The points of a phrase: what is built and with what counts for a solution; what somebody can not do, what is seen, what
/// it is needed for, what it is measured by and where it came from count against it.
fn score(text: &str, own: &BTreeSet<String>) -> Score {
    let words = Words::of(text).without(own);
    let problem = words.inability() || words.symptom() || words.needs_for();
    let count = |is: bool, points: i32| if is { points } else { 0 };
    let points = count(words.leads_with_a_build_verb(), 2)
        + count(words.mechanism(), 1)
        + count(words.means(), 1)
        + count(words.lacks_a_mechanism(), 1)
        + count(problem, -2)
        + count(words.so_that() || words.measure(), -2)
        + count(words.incident_link(), -1);
    Score { points, problem }
}
