//! Changes of objects that are there, and that nothing in the playbook read before.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::scene::{Change, Live, Scene};
use crate::{
    effect::{Call, Door, Look, Mode, Trial, Tried, Wanting},
    event::{Cancel, Clock},
    model::{Body, Finding, Item, ObjectRef, Read, StepId},
    object,
    script::Declared,
};

/// Objects that are named one by one.
const NAMED: usize = 3;
/// How long one closure may take; nobody is asked.
const LOOK: Duration = Duration::from_secs(2);

/// What a playbook's closures would read, in the order in which they would run.
pub(super) struct Reader<'a> {
    pub declared: &'a Declared,
    pub door: &'a Arc<Door>,
    pub cancel: &'a Cancel,
    pub clock: &'a dyn Clock,
}

/// A step changes what it has seen: by a discovery, an assumption's probe, an assertion before it or of an earlier step, or
/// what a gate before it shows. Its own verifies look only afterwards.
pub(super) fn check(scene: &Scene<'_>, reader: &Reader<'_>) -> Vec<Finding> {
    if !scene.changes.iter().any(alters) {
        return vec![];
    }
    let plan = &reader.declared.plan;
    // closures that ask for what the steps make go on as if it were there
    let trial = Arc::new(Trial::new());
    for change in &scene.changes {
        if let Some(object) = change.manifest() {
            trial.keep(object);
        }
        if let Live::Is(live) = &change.live {
            trial.keep(live);
        }
    }
    let looks = |body: Body| reader.looks(&body, &trial);
    let mut seen: Vec<Look> = vec![];
    seen.extend((0..plan.discoveries.len()).flat_map(|n| looks(Body::Discovery(n))));
    seen.extend((0..plan.assumptions.len()).flat_map(|n| looks(Body::Assumption(n))));
    let mut unread: BTreeMap<StepId, Vec<&Change>> = BTreeMap::new();
    for item in plan.phases.iter().flat_map(|phase| &phase.items) {
        let step = match item {
            Item::Gate(gate) => {
                seen.extend((0..gate.shows.len()).flat_map(|n| looks(Body::Show(gate.id.clone(), n))));
                continue;
            }
            Item::Step(step) => step,
        };
        seen.extend((0..step.prechecks.len()).flat_map(|n| looks(Body::Precheck(step.id.clone(), n))));
        seen.extend(step.skip_if.iter().flat_map(|_| looks(Body::SkipIf(step.id.clone()))));
        let own = scene.changes.iter().filter(|change| change.step == step.id && alters(change));
        for change in own.filter(|change| !seen.iter().any(|look| is_of(scene, look, change))) {
            unread.entry(step.id.clone()).or_default().push(change);
        }
        seen.extend((0..step.verifies.len()).flat_map(|n| looks(Body::Verify(step.id.clone(), n))));
    }
    plan.steps().filter_map(|step| Some(finding(&step.id, unread.get(&step.id)?))).collect()
}

impl Reader<'_> {
    fn looks(&self, body: &Body, trial: &Arc<Trial>) -> Vec<Look> {
        let mut call = Call::new(Mode::Read, Some(self.door.clone()), self.cancel.clone()).until(Instant::now() + LOOK);
        call.trial = Some(trial.clone());
        let tag = crate::run::bind::tag(body, &call, self.clock);
        // one that stops for want of a value has read what it asked for
        if matches!(body, Body::Discovery(_) | Body::Show(..)) {
            drop(self.declared.call(body, tag));
        } else {
            drop(self.declared.evaluate(body, tag));
        }
        let named = call.reads().into_iter().filter_map(|read| match read {
            Read::Object(reference) => reference.parse::<ObjectRef>().ok(),
            _ => None,
        });
        let named = named.map(|object| {
            let kind = object.group.map_or(object.kind.clone(), |group| format!("{}.{group}", object.kind));
            Look { kind, namespace: object.namespace, name: Some(object.name), part: None }
        });
        call.looks().into_iter().chain(named).collect()
    }
}

/// Whether the change makes something that is there other than it is.
pub(super) fn alters(change: &Change) -> bool {
    let Live::Is(live) = &change.live else { return false };
    match (&change.wanted.change, &change.tried) {
        _ if change.again => false,
        (Wanting::Applied(_) | Wanting::Fields { .. }, Some(Tried::Accepted(after))) => {
            change.wanted.native == "k8s::restart" || !object::diff(live, after).is_empty()
        }
        _ => true,
    }
}

/// Whether a look could have shown the object that is changed.
fn is_of(scene: &Scene<'_>, look: &Look, change: &Change) -> bool {
    let object = &change.wanted.object;
    let (kind, group) =
        look.kind.split_once('.').map_or((look.kind.as_str(), None), |(kind, group)| (kind, Some(group)));
    let written = ObjectRef::new(kind, look.namespace.as_deref(), look.name.as_deref().unwrap_or("x")).in_group(group);
    let same_kind = || match (scene.lookout.kind_of(&written), &change.kind) {
        (Ok(read), Ok(changed)) => read.kind == changed.kind && read.group == changed.group,
        _ => kind.eq_ignore_ascii_case(&object.kind),
    };
    look.part.is_none()
        && look.name.as_ref().is_none_or(|name| *name == object.name)
        && (look.namespace.is_none() || look.namespace == object.namespace)
        && same_kind()
}

fn finding(step: &StepId, changes: &[&Change]) -> Finding {
    let names: Vec<String> = changes.iter().take(NAMED).map(|change| change.name()).collect();
    let more = changes.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let them = if changes.len() == 1 { "it" } else { "them" };
    let message = format!(
        "step {step} changes {}{more}: {} there, and nothing in the playbook read {them} before",
        names.join(", "),
        if changes.len() == 1 { "it is" } else { "they are" },
    );
    let place = changes.first().and_then(|change| change.wanted.place.clone());
    Finding::warning("unread", message).at(place).of_step(step).help(format!(
        "look at {them} first: .precheck(\"…\", || k8s::get(\"{}\")…), .skip_if(…), or discover(…)",
        names.first().map(String::as_str).unwrap_or_default()
    ))
}
