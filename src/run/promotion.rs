use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::bind::Connect;
use crate::{
    event::{Closed, Life, RunState, Staged, Store},
    model::{Digest, Identity, Plan, RunId, Span},
};

/// What a context asks of an earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The context or tier that has to be verified first.
    pub context: String,
    /// How long such a run counts.
    pub max_age: Option<Span>,
    /// How long after it.
    pub soak: Option<Span>,
}

/// Why no earlier run counts, with the nearest one there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// What is missing.
    pub message: String,
    /// What to type.
    pub help: Vec<String>,
}

/// This run, as far as a staging run is compared with it.
pub(super) struct Candidate<'a> {
    pub bundle: &'a Digest,
    pub plan: &'a Plan,
    pub file: &'a str,
    pub context: &'a str,
    pub sandbox: bool,
    pub identity: Option<&'a Identity>,
    pub now: Timestamp,
}

/// Looks for a run that verified the same bundle with the same params on the required context: first in this state
/// folder, then on that context's cluster, where what other machines verified is kept there; and there, too, whether a run
/// of this folder was taken back by a copy of it since. Gives that run with it.
pub(super) fn evidence(
    store: &dyn Store,
    need: &Requirement,
    this: &Candidate<'_>,
    connect: &dyn Connect,
) -> Result<(Staged, RunState), Unmet> {
    let runs = store.runs().map_err(|error| Unmet { message: error.to_string(), help: vec![] })?;
    let mut all: Vec<(RunId, RunState)> = runs.into_iter().filter_map(|(id, state)| Some((id, state.ok()?))).collect();
    let there = match connect.verified(&need.context) {
        Ok(there) => there.map_or(Ok(vec![]), |there| there.runs().map_err(|error| error.to_string())),
        Err(ended) => Err(ended.message),
    };
    let unseen = there.as_ref().err().cloned();
    for (id, state) in there.unwrap_or_default() {
        match all.iter_mut().find(|(known, _)| *known == id) {
            Some((_, known)) if state.life != Life::Closed(Closed::Done) => *known = state,
            // a run whose journal is here says more
            Some(_) => {}
            None => all.push((id, state)),
        }
    }
    among(all, need, this).map_err(|mut unmet| {
        if let Some(why) = unseen {
            unmet.help.push(format!("what other machines verified on {} could not be seen: {why}", need.context));
        }
        unmet
    })
}

fn among(runs: Vec<(RunId, RunState)>, need: &Requirement, this: &Candidate<'_>) -> Result<(Staged, RunState), Unmet> {
    let params = comparable(this.plan);
    let mut nearest: Option<(u8, String)> = None;
    let mut miss = |rank: u8, why: String| {
        if nearest.as_ref().is_none_or(|(best, _)| rank > *best) {
            nearest = Some((rank, why));
        }
    };
    for (id, state) in runs {
        let Some(target) = &state.target else { continue };
        if target.name != need.context && target.tier != need.context {
            continue;
        }
        if state.bundle.as_ref() != Some(this.bundle) {
            if state.playbook == this.file {
                miss(1, format!("run {id} verified another version of this playbook"));
            }
            continue;
        }
        if state.undoing.is_some() || state.life == Life::Closed(Closed::Undone) {
            miss(2, format!("run {id} was taken back since"));
            continue;
        }
        if state.life != Life::Closed(Closed::Done) {
            miss(2, format!("run {id} has not ended with its outcome verified"));
            continue;
        }
        if !state.exceptions.is_empty() {
            miss(3, format!("run {id} ended with exceptions: {}", state.exceptions.join(", ")));
            continue;
        }
        if target.sandbox && !this.sandbox {
            miss(3, format!("run {id} was on a sandbox, which counts only for a sandbox"));
            continue;
        }
        let same_cluster = match (&state.identity, this.identity) {
            (Some(then), Some(now)) => then.uid == now.uid,
            _ => false,
        };
        if same_cluster {
            miss(3, format!("run {id} was on this very cluster"));
            continue;
        }
        let (Some((plan, _)), Some(at)) = (&state.plan, state.updated) else { continue };
        let then = comparable(plan);
        if then != params {
            miss(4, format!("run {id} had other parameters: {}", differing(&then, &params).join(", ")));
            continue;
        }
        let age = std::time::Duration::try_from(this.now.duration_since(at)).unwrap_or_default();
        if need.max_age.is_some_and(|max| age > max.duration()) {
            miss(5, format!("run {id} ended {} ago; it counts for {}", round(age), need.max_age.unwrap_or_default()));
            continue;
        }
        if need.soak.is_some_and(|soak| age < soak.duration()) {
            miss(
                6,
                format!(
                    "run {id} ended {} ago; {} asks for {} before it counts",
                    round(age),
                    this.context,
                    need.soak.unwrap_or_default()
                ),
            );
            continue;
        }
        let context = target.name.clone();
        let staged = Staged::By { run: id, context, at, differences: differences(&state, this.plan), again: vec![] };
        return Ok((staged, state));
    }
    let why = nearest.map_or_else(|| format!("there is no run of it on {}", need.context), |(_, why)| why);
    Err(Unmet {
        message: format!("{} wants this playbook verified on {} first: {why}", this.context, need.context),
        help: vec![
            format!("runbook run {} --context {}", this.file, need.context),
            "or go without, with the reason on record: --skip-staging \"…\"".into(),
        ],
    })
}

/// Parameters that have to be the same: those not declared per context.
fn comparable(plan: &Plan) -> BTreeMap<String, Value> {
    plan.params
        .iter()
        .filter(|param| !param.per_context)
        .map(|param| (param.name.clone(), param.value.clone().unwrap_or_default()))
        .collect()
}

fn differing(then: &BTreeMap<String, Value>, now: &BTreeMap<String, Value>) -> Vec<String> {
    let names = then.keys().chain(now.keys()).collect::<std::collections::BTreeSet<_>>();
    names
        .into_iter()
        .filter(|name| then.get(*name) != now.get(*name))
        .map(|name| {
            let show = |params: &BTreeMap<String, Value>| params.get(name).map_or("absent".into(), ToString::to_string);
            format!("{name} was {}, is {}", show(then), show(now))
        })
        .collect()
}

/// What is declared per context, and steps that exist only here.
fn differences(then: &RunState, now: &Plan) -> Vec<String> {
    let Some((plan, _)) = &then.plan else { return vec![] };
    let mut out = vec![];
    for param in now.params.iter().filter(|param| param.per_context) {
        let was = plan.params.iter().find(|p| p.name == param.name).and_then(|p| p.value.clone());
        if was != param.value {
            let show = |value: &Option<Value>| value.as_ref().map_or("absent".into(), ToString::to_string);
            out.push(format!("{} was {}, is {} (declared per context)", param.name, show(&was), show(&param.value)));
        }
    }
    for step in now.steps().filter(|step| plan.step(&step.id).is_none()) {
        out.push(format!("step \"{}\" exists only here", step.title));
    }
    for step in plan.steps().filter(|step| now.step(&step.id).is_none()) {
        out.push(format!("step \"{}\" existed only there", step.title));
    }
    out
}

fn round(age: std::time::Duration) -> Span {
    Span::seconds(age.as_secs())
}
