//! What a plan is about to meet: its changes as a trial over the context finds them, each with what is there now.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    apis, blast, definitions, differences, hosts, keepers, permissions, quota, references, tools, tries,
    unchecked::Doubts, unread,
};
use crate::{
    effect::{Call, Commanded, Door, Look, Lookout, Mode, Resource, Sort, Trial, Tried, Unserved, Wanted, Wanting},
    event::{Cancel, Clock, Seen},
    model::{Body, Doing, Finding, ObjectRef, Place, Step, StepId, Touch, Verb, Verdict},
    object,
    run::trial,
    script::{Declared, ErrorKind},
};

/// How long all of it may take.
const LONGEST: Duration = Duration::from_mins(1);

/// What is found out ahead of a plan's first change.
#[derive(Debug, Default)]
pub struct Ahead {
    /// What the trial over the context found that each step touches.
    pub steps: Vec<Seen>,
    /// Everything found.
    pub findings: Vec<Finding>,
}

/// What is there now.
#[derive(Clone, Debug)]
pub(super) enum Live {
    Is(Value),
    Absent,
    /// It was not, or could not be, read.
    Unknown,
}

/// One change of one step, and what the context says about it.
pub(super) struct Change {
    pub step: StepId,
    pub wanted: Wanted,
    pub kind: Result<Arc<Resource>, Unserved>,
    pub live: Live,
    /// What the server says of it; none where it was not asked.
    pub tried: Option<Tried>,
    /// Whether an earlier step changes the same object: what is there now is not what it will meet.
    pub again: bool,
    /// What before it may bring what is not there yet: a command, a chart, something done by hand.
    pub after: Option<String>,
}

impl Change {
    /// The object that is applied.
    pub fn manifest(&self) -> Option<&Value> {
        match &self.wanted.change {
            Wanting::Applied(object) => Some(object),
            _ => None,
        }
    }

    /// `Deployment/web/app`, without its group.
    pub fn name(&self) -> String {
        self.wanted.object.clone().in_group(None).to_string()
    }

    /// The name, and the file that it comes from.
    pub fn title(&self) -> String {
        let from = self.wanted.file.as_ref().map(|file| format!(" ({file})")).unwrap_or_default();
        format!("{}{from}", self.name())
    }

    /// A finding about it; a warning where something before it may change that.
    pub fn finding(&self, rule: &str, message: String) -> Finding {
        match &self.after {
            Some(before) => {
                Finding::warning(rule, message).help(format!("it may be there by then: {before} comes before"))
            }
            None => Finding::error(rule, message),
        }
        .at(self.wanted.place.clone())
        .of_step(&self.step)
    }
}

/// A plan's changes and reads, over one context.
pub(super) struct Scene<'a> {
    pub lookout: Lookout<'a>,
    pub door: &'a Door,
    /// The server's version, and its minor number.
    pub version: Option<&'a str>,
    pub changes: Vec<Change>,
    /// What verifies read, each with the step that it belongs to.
    pub looks: Vec<(StepId, Look)>,
    /// References that steps name in `.touches`.
    pub named: Vec<(StepId, Place, ObjectRef)>,
    /// Manifests of the bundle that no step was seen to apply.
    pub untouched: Vec<(String, u32, Value)>,
    /// What could not be asked.
    pub doubts: Doubts,
}

impl Scene<'_> {
    pub fn minor(&self) -> Option<u32> {
        self.version.and_then(object::api::minor)
    }

    /// The change before this one, or of the same step, that makes an object of this kind and name.
    pub fn made_by(&self, n: usize, kind: &str, namespace: Option<&str>, name: &str) -> bool {
        let before =
            self.changes.iter().enumerate().filter(|(m, change)| *m < n || change.step == self.changes[n].step);
        before.map(|(_, change)| change).any(|change| {
            let object = &change.wanted.object;
            matches!(change.wanted.change, Wanting::Applied(_))
                && object.kind == kind
                && object.name == name
                && (namespace.is_none() || object.namespace.is_none() || object.namespace.as_deref() == namespace)
        })
    }

    /// References of a kind that are nearest to one that is not there: of what is there, and of what is made on the way.
    pub fn nearest(&self, object: &ObjectRef) -> Vec<String> {
        let there = self.lookout.kind_of(object).ok().and_then(|kind| {
            let namespace = object.namespace.clone().filter(|_| kind.namespaced);
            self.lookout.names_in(vec![(kind, namespace)]).ok()?.pop()?.ok()
        });
        let made = self.changes.iter().filter(|change| change.manifest().is_some()).map(|change| &change.wanted.object);
        let made = made.filter(|made| made.kind == object.kind && made.namespace == object.namespace);
        let there = there.unwrap_or_default();
        let names = there.iter().map(String::as_str).chain(made.map(|made| made.name.as_str()));
        let near = nearest(&object.name, names).into_iter();
        near.map(|name| ObjectRef { name, group: None, ..object.clone() }.to_string()).collect()
    }

    /// The change before this one, or of the same step, that makes the definition of this kind.
    pub fn defined_by(&self, n: usize, group: &str, kind: &str) -> Option<&Change> {
        let before =
            self.changes.iter().enumerate().filter(|(m, change)| *m < n || change.step == self.changes[n].step);
        // the last one is the one that is met
        before.map(|(_, change)| change).rfind(|change| {
            change.manifest().is_some_and(|object| {
                object["kind"] == "CustomResourceDefinition"
                    && object["spec"]["group"] == group
                    && object["spec"]["names"]["kind"] == kind
            })
        })
    }
}

/// Tries every change over the context and asks what stands in its way: kinds, tools, permissions, quota, references, what is
/// there already and who keeps it. A playbook that changes nothing is not looked at.
pub fn look_ahead(
    declared: &Declared,
    door: &Arc<Door>,
    version: Option<&str>,
    cancel: &Cancel,
    clock: &dyn Clock,
) -> Ahead {
    let plan = &declared.plan;
    let steps: Vec<&Step> = plan.steps().filter(|step| step.doing == Doing::Change).collect();
    let mut ahead = Ahead::default();
    if steps.is_empty() || cancel.is_cancelled() {
        return ahead;
    }
    let until = Instant::now() + LONGEST;
    let reaches =
        |touch: &Touch| !matches!(touch.verb, Verb::Run | Verb::Post | Verb::Write | Verb::Commit | Verb::Module);
    let asks = steps
        .iter()
        .any(|step| step.partly_known.is_some() || step.trial.iter().any(reaches) || !step.touches.is_empty());
    let over_context = asks && !door.is_elsewhere();
    let (trial, lookout) = if over_context {
        match Lookout::at(door, cancel, until).and_then(|lookout| lookout.resources().map(|_| lookout)) {
            Ok(lookout) => (Trial::over_context(), Some(lookout)),
            Err(error) => {
                let message = format!("what the cluster holds could not be checked: {}", error.message);
                ahead.findings.push(Finding::warning("unchecked", message));
                (Trial::new(), None)
            }
        }
    } else {
        (Trial::new(), None)
    };
    let trial = Arc::new(trial);
    let skipped = |step: &StepId| lookout.is_some() && is_skipped(declared, door, cancel, clock, step);
    let wanted: Vec<StepId> = steps.iter().map(|step| step.id.clone()).filter(|step| !skipped(step)).collect();
    let tried = trial::each(declared, &trial, door, cancel, clock, &wanted);
    ahead.steps = seen(declared, &tried);
    let Reads { mut commands, looks, refused, mut urls } = reads(declared, door, cancel, clock, &tried);
    ahead.findings.extend(refused);
    commands.extend(tried.iter().flat_map(|tried| tried.commands.iter().map(|it| (tried.step.clone(), it.clone()))));
    ahead.findings.extend(tools::check(door, declared, &commands));
    urls.extend(tried.iter().flat_map(|tried| tried.urls.iter().cloned()));
    ahead.findings.extend(hosts::check(door, declared, urls, cancel, clock));
    let Some(lookout) = lookout else { return ahead };
    let scene = scene(declared, door, version, lookout, &tried, looks);
    if cancel.is_cancelled() {
        return ahead;
    }
    ahead.findings.extend(apis::check(&scene));
    ahead.findings.extend(permissions::check(&scene));
    ahead.findings.extend(keepers::check(&scene));
    ahead.findings.extend(definitions::check(&scene));
    ahead.findings.extend(differences::check(&scene));
    ahead.findings.extend(references::check(&scene));
    ahead.findings.extend(quota::check(&scene));
    ahead.findings.extend(unread::check(&scene, &unread::Reader { declared, door, cancel, clock }));
    ahead.findings.extend(blast::check(&scene, plan));
    ahead.findings.extend(scene.doubts.findings());
    let mut once: Vec<Finding> = vec![];
    for finding in std::mem::take(&mut ahead.findings) {
        if !once.contains(&finding) {
            once.push(finding);
        }
    }
    ahead.findings = once;
    ahead
}

/// Names that may have been meant: those that are alike, else all where there are few.
pub(super) fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let score = |name: &str| {
        let part = !wanted.is_empty() && (name.contains(wanted) || wanted.contains(name));
        strsim::jaro_winkler(wanted, name) + if part { 1.0 } else { 0.0 }
    };
    let mut all: Vec<(f64, &str)> = names.map(|name| (score(name), name)).collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    all.dedup();
    // what is much less alike than the nearest was not meant
    let best = all.first().map_or(0.0, |(score, _)| *score);
    let alike = all.iter().filter(|(score, _)| *score > 0.8 && *score > best - 0.1).count();
    let shown = if alike == 0 && all.len() <= 3 { all.len() } else { alike.min(3) };
    all.into_iter().take(shown).map(|(_, name)| name.to_owned()).collect()
}

/// Adds what may have been meant.
pub(super) fn meant(finding: Finding, near: Vec<String>) -> Finding {
    if near.is_empty() {
        return finding;
    }
    let near: Vec<String> = near.into_iter().map(|name| format!("`{name}`")).collect();
    finding.help(format!("did you mean {}?", near.join(" or ")))
}

/// Whether a step is passed over on this context as it is now.
fn is_skipped(declared: &Declared, door: &Arc<Door>, cancel: &Cancel, clock: &dyn Clock, id: &StepId) -> bool {
    if declared.plan.step(id).is_none_or(|step| step.skip_if.is_none()) {
        return false;
    }
    let body = Body::SkipIf(id.clone());
    let call = Call::new(Mode::Read, Some(door.clone()), cancel.clone()).until(Instant::now() + Duration::from_secs(5));
    let evaluation = declared.evaluate(&body, crate::run::bind::tag(&body, &call, clock));
    evaluation.is_ok_and(|evaluation| evaluation.verdict == Verdict::Holds && call.trouble().is_none())
}

fn seen(declared: &Declared, tried: &[trial::Tried]) -> Vec<Seen> {
    let seen = tried.iter().map(|tried| {
        let mut touches = tried.touches.clone();
        let named = declared.plan.step(&tried.step).into_iter().flat_map(|step| &step.trial);
        // what the offline trial saw beyond the point where this one stopped is still touched
        if tried.stopped.is_some() {
            touches.extend(named.filter(|touch| !tried.touches.contains(touch)).cloned());
        }
        let partly_known = tried.stopped.as_ref().map(|error| error.message.clone());
        Seen { step: tried.step.clone(), touches, partly_known }
    });
    seen.collect()
}

/// What the steps' assertions read and run.
#[derive(Default)]
struct Reads {
    commands: Vec<(StepId, Commanded)>,
    looks: Vec<(StepId, Look)>,
    /// What they may not do.
    refused: Vec<Finding>,
    /// The origins of the URLs that they ask.
    urls: Vec<(String, Option<Place>)>,
}

/// What the steps' assertions read and run, without asking anybody: each is evaluated once over what the steps would make.
fn reads(declared: &Declared, door: &Arc<Door>, cancel: &Cancel, clock: &dyn Clock, tried: &[trial::Tried]) -> Reads {
    let trial = Arc::new(Trial::new());
    for wanted in tried.iter().flat_map(|tried| &tried.wanted) {
        if let Wanting::Applied(object) = &wanted.change {
            trial.keep(object);
        }
    }
    let mut reads = Reads::default();
    for step in declared.plan.steps() {
        let prechecks = (0..step.prechecks.len()).map(|n| Body::Precheck(step.id.clone(), n));
        let verifies = (0..step.verifies.len()).map(|n| Body::Verify(step.id.clone(), n));
        for body in prechecks.chain(verifies) {
            let mut call = Call::new(Mode::Read, Some(door.clone()), cancel.clone())
                .until(Instant::now() + Duration::from_secs(2));
            call.trial = Some(trial.clone());
            let mut tag = crate::run::bind::tag(&body, &call, clock);
            // nothing is changed yet, so there is nothing from before
            tag.before = Some(Arc::new(|_| Ok(None)));
            if let Err(error) = declared.evaluate(&body, tag)
                && (trial::sort_of(&error) == Some(Sort::Refused) || error.kind == ErrorKind::Mode)
            {
                let mut finding =
                    Finding::error("verify", error.message.clone()).at(error.place.clone()).of_step(&step.id);
                finding.help.clone_from(&error.help);
                reads.refused.push(finding);
            }
            reads.urls.extend(call.urls());
            reads.commands.extend(call.commands().into_iter().map(|command| (step.id.clone(), command)));
            reads.looks.extend(call.looks().into_iter().map(|look| (step.id.clone(), look)));
        }
    }
    reads
}

fn scene<'a>(
    declared: &Declared,
    door: &'a Arc<Door>,
    version: Option<&'a str>,
    lookout: Lookout<'a>,
    tried: &[trial::Tried],
    looks: Vec<(StepId, Look)>,
) -> Scene<'a> {
    let mut changes: Vec<Change> = vec![];
    let mut known: BTreeSet<ObjectRef> = BTreeSet::new();
    let mut before: Option<String> = None;
    for step in declared.plan.steps() {
        if matches!(step.doing, Doing::Manual(_)) {
            before = Some(format!("step {}, done by hand,", step.id));
        }
        let Some(tried) = tried.iter().find(|tried| tried.step == step.id) else { continue };
        for wanted in &tried.wanted {
            let kind = match &wanted.change {
                Wanting::Applied(object) => lookout.kind_of_object(object),
                _ => lookout.kind_of(&wanted.object),
            };
            let mut wanted = wanted.clone();
            if let Ok(kind) = &kind {
                // `ns/web` is Namespace/web
                let object = ObjectRef::new(&kind.kind, wanted.object.namespace.as_deref(), &wanted.object.name);
                wanted.object = object.in_group(Some(&kind.group));
            }
            let again = !known.insert(wanted.object.clone().in_group(None));
            let (step, after) = (step.id.clone(), before.clone());
            changes.push(Change { step, wanted, kind, live: Live::Unknown, tried: None, again, after });
        }
        if let Some(opaque) = opaque(tried) {
            before = Some(format!("step {} ({opaque})", step.id));
        }
    }
    let named = declared.plan.steps().flat_map(|step| {
        let references = step.touches.iter().filter_map(|text| text.parse().ok());
        references.map(|reference| (step.id.clone(), step.place.clone(), reference))
    });
    let named = named.collect();
    let untouched = untouched(door, &changes);
    let mut scene = Scene { lookout, door, version, changes, looks, named, untouched, doubts: Doubts::default() };
    tries::read(&mut scene);
    tries::dry_run(&mut scene);
    scene
}

/// What of a step may make objects that no trial sees.
fn opaque(tried: &trial::Tried) -> Option<String> {
    const CARRIERS: [&str; 6] = ["HelmRelease", "Kustomization", "Application", "Job", "HelmChart", "Subscription"];
    if tried.stopped.is_some() {
        return Some("not all of what it does is known".into());
    }
    let command = tried.touches.iter().find(|touch| {
        matches!(touch.verb, Verb::Run | Verb::Exec | Verb::Module | Verb::Post | Verb::Commit | Verb::Job)
    });
    if let Some(command) = command {
        return Some(command.tool.clone().unwrap_or_else(|| command.target.clone()));
    }
    let carried = tried.wanted.iter().find(|wanted| CARRIERS.contains(&wanted.object.kind.as_str()));
    carried.map(|wanted| wanted.object.clone().in_group(None).to_string())
}

/// Manifests of the bundle that no change applies.
fn untouched(door: &Door, changes: &[Change]) -> Vec<(String, u32, Value)> {
    let applied: BTreeSet<&str> = changes.iter().filter_map(|change| change.wanted.file.as_deref()).collect();
    crate::check::manifests(door.bundle(), &applied)
}
