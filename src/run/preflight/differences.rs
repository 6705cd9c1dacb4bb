//! What exists already and how it differs; what the server says when it is asked to only try a change.

use super::{
    definitions::definition_of,
    scene::{Change, Live, Scene, meant},
};
use crate::{
    effect::{Tried, Wanting},
    model::{Finding, ObjectRef, text},
    object,
};

/// Objects that are told one by one; the others are counted.
const MOST: usize = 20;
/// Fields of one object that are told.
const FIELDS: usize = 5;

pub(super) fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings = vec![];
    let mut differing = 0;
    for (n, change) in scene.changes.iter().enumerate() {
        findings.extend(refused(scene, n, change));
        findings.extend(missing(scene, n, change));
        if let Some(words) = difference(change) {
            differing += 1;
            if differing <= MOST {
                let finding = Finding::note("exists", words).at(change.wanted.place.clone()).of_step(&change.step);
                findings.push(finding);
            }
        }
    }
    if differing > MOST {
        findings.push(Finding::note("exists", format!("{} more objects are there and differ", differing - MOST)));
    }
    findings
}

/// A change that the server would not take.
fn refused(scene: &Scene<'_>, n: usize, change: &Change) -> Option<Finding> {
    match change.tried.as_ref()? {
        // it goes by the definition that is there now
        Tried::Refused(message, _) if message.contains(": invalid: ") && definition_of(scene, n).is_some() => None,
        Tried::Refused(message, help) => {
            let from = change.wanted.file.as_ref().map(|file| format!(" ({file})")).unwrap_or_default();
            let message = format!("the API server would not accept it: {message}{from}");
            // what the schema does not have, no policy admits
            let admitted = message.contains(": refused").then(|| admission_changes(scene, n)).flatten();
            let mut finding = match admitted {
                Some(before) => Finding::warning("refused", message)
                    .help(format!("what may be admitted is changed before: {before}"))
                    .at(change.wanted.place.clone())
                    .of_step(&change.step),
                None => change.finding("refused", message),
            };
            finding.help.extend(help.iter().cloned());
            Some(finding)
        }
        Tried::NoNamespace(namespace) if !scene.made_by(n, "Namespace", None, namespace) => {
            let message = format!("{}: namespace `{namespace}` does not exist", change.title());
            let near = scene.nearest(&ObjectRef::new("Namespace", None, namespace.as_str()));
            Some(
                meant(change.finding("refused", message), near)
                    .help("where it is new, make it in a step before: k8s::apply of a Namespace"),
            )
        }
        _ => None,
    }
}

/// An earlier change of what decides about admission: quotas, policies, webhooks, namespaces' labels.
fn admission_changes(scene: &Scene<'_>, n: usize) -> Option<String> {
    const DECIDE: [&str; 8] = [
        "ResourceQuota",
        "LimitRange",
        "Namespace",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
        "MutatingWebhookConfiguration",
        "MutatingAdmissionPolicy",
    ];
    let before = scene.changes[..n].iter().find(|change| {
        let same = change.wanted.object.kind != "Namespace"
            || Some(&change.wanted.object.name) == scene.changes[n].wanted.object.namespace.as_ref();
        same && DECIDE.contains(&change.wanted.object.kind.as_str())
    })?;
    Some(format!("{} in step {}", before.name(), before.step))
}

/// An object that has to be there and is not, or the other way round.
fn missing(scene: &Scene<'_>, n: usize, change: &Change) -> Option<Finding> {
    let (native, object) = (&change.wanted.native, &change.wanted.object);
    match (&change.wanted.change, &change.live) {
        (Wanting::Fields { .. } | Wanting::Acted, Live::Absent)
            if !scene.made_by(n, &object.kind, object.namespace.as_deref(), &object.name) =>
        {
            let finding = change.finding("missing", format!("{native}: {} does not exist", change.name()));
            Some(meant(finding, scene.nearest(object)))
        }
        (Wanting::Applied(_), Live::Is(_)) if native == "k8s::job" => {
            let name = change.name();
            let finding = Finding::error("exists", format!("{name} exists already, so that it would not run again"))
                .at(change.wanted.place.clone())
                .of_step(&change.step);
            Some(
                finding.help(format!(
                    "delete it in a step before this one: k8s::delete(\"{name}\"), or give it another name"
                )),
            )
        }
        _ => None,
    }
}

/// How what is there differs from what is wanted.
fn difference(change: &Change) -> Option<String> {
    let Live::Is(live) = &change.live else { return None };
    let after = match (&change.wanted.change, &change.tried) {
        _ if change.wanted.native == "k8s::restart" => return None,
        (_, Some(Tried::Accepted(after))) => after.clone(),
        (Wanting::Fields { fields, .. }, None) => {
            let mut after = live.clone();
            object::merge(&mut after, fields);
            after
        }
        _ => return None,
    };
    let fields = object::diff(live, &after);
    if fields.is_empty() {
        return None;
    }
    let value =
        |value: Option<&serde_json::Value>| value.map_or_else(|| "(none)".into(), |value| text::value(value, 60));
    let shown = fields
        .iter()
        .take(FIELDS)
        .map(|field| format!("{}: {} → {}", field.path, value(field.before.as_ref()), value(field.after.as_ref())));
    let shown = shown.collect::<Vec<_>>().join("; ");
    let more = if fields.len() > FIELDS { format!("; and {} more", fields.len() - FIELDS) } else { String::new() };
    Some(format!("{} is there already and differs: {shown}{more}", change.title()))
}
