//! Whether every kind is served in the version that is written; what alpha, beta and outdated ones need.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{scene::Scene, unchecked::About};
use crate::{
    effect::{Tried, Unserved, Wanting},
    model::{Finding, Place},
    object::{api, head, split_api_version},
};

pub(super) fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings = vec![];
    let mut said: BTreeSet<(String, String)> = BTreeSet::new();
    for (n, change) in scene.changes.iter().enumerate() {
        let object = &change.wanted.object;
        match (&change.kind, change.manifest()) {
            (Ok(_), Some(manifest)) => {
                let (version, kind) = (head(manifest).api_version(), head(manifest).kind());
                if said.insert((version.into(), kind.into()))
                    && let Some(finding) = outdated(version, kind, scene.minor(), true)
                {
                    findings.push(finding.at(change.wanted.place.clone()).of_step(&change.step));
                }
            }
            (Ok(_), None) => {}
            (Err(Unserved::Unknown(why)), _) => scene.doubts.add(About::Kind, change.name(), why),
            (Err(Unserved::Written(why)), _) => {
                findings.push(change.finding("api", format!("{}: {why}", change.title())));
            }
            (Err(Unserved::Nowhere(nearest)), manifest) => {
                let version = manifest.map(|manifest| head(manifest).api_version()).unwrap_or_default();
                if manifest.is_some() {
                    let (group, version) = split_api_version(version);
                    if let Some(definition) = scene.defined_by(n, group, &object.kind) {
                        let serves = definition.manifest().and_then(|definition| defined(definition, version));
                        findings.extend(serves.map(|message| {
                            Finding::error("api", format!("{}: {message}", change.title()))
                                .at(change.wanted.place.clone())
                                .of_step(&change.step)
                        }));
                        continue;
                    }
                }
                if matches!(change.wanted.change, Wanting::Deleted) && change.after.is_none() && manifest.is_none() {
                    // what has no kind is not there; still, nobody would write that on purpose
                    findings.push(unserved(
                        scene,
                        change.finding("api", nowhere(scene, &object.kind, "", &change.title())),
                        "",
                        &object.kind,
                        nearest,
                    ));
                    continue;
                }
                let finding = change.finding("api", nowhere(scene, &object.kind, version, &change.title()));
                findings.push(unserved(scene, finding, version, &object.kind, nearest));
            }
        }
    }
    for (step, place, object) in &scene.named {
        let kind = scene.lookout.kind_of(object);
        if let Err(Unserved::Unknown(why)) = &kind {
            scene.doubts.add(About::Kind, object.to_string(), why);
        }
        if let Err(Unserved::Nowhere(nearest)) = kind {
            let message =
                format!("{object}, which the step says it touches, is of a kind that the API server does not serve");
            let finding = Finding::warning("api", message).at(place.clone()).of_step(step);
            findings.push(unserved(scene, finding, "", &object.kind, &nearest));
        }
    }
    for (file, line, object) in &scene.untouched {
        let (version, kind) = (head(object).api_version(), head(object).kind());
        // what only tools read is served by nobody
        if split_api_version(version).0.contains("config.") || !said.insert((version.into(), kind.into())) {
            continue;
        }
        let place = Place::new(file, *line, 0);
        match scene.lookout.kind_of_object(object) {
            Ok(_) => findings.extend(outdated(version, kind, scene.minor(), true).map(|finding| finding.at(place))),
            Err(Unserved::Nowhere(nearest)) => {
                let finding = Finding::warning("api", nowhere(scene, kind, version, file)).at(place);
                findings.push(unserved(scene, finding, version, kind, &nearest));
            }
            Err(Unserved::Unknown(why)) => {
                scene.doubts.add(About::Kind, format!("{} ({file})", head(object).reference()), &why);
            }
            Err(Unserved::Written(_)) => {}
        }
    }
    findings.extend(warned(scene, &findings));
    findings
}

/// What check says of a kind in general gives way to what this API server serves.
pub(in crate::run) fn settle(findings: &mut Vec<Finding>) {
    let unserved: Vec<String> =
        findings.iter().filter(|finding| finding.rule == "api").map(|finding| finding.message.clone()).collect();
    findings.retain(|finding| {
        let subject = finding.message.split(" is ").next().unwrap_or_default();
        let general = matches!(finding.rule.as_str(), "deprecated-api" | "early-api");
        !(general && unserved.iter().any(|message| message.ends_with(subject)))
    });
}

fn nowhere(scene: &Scene<'_>, kind: &str, version: &str, what: &str) -> String {
    let kind = if version.is_empty() { format!("the kind {kind}") } else { format!("{version} {kind}") };
    let server = scene.version.map(|version| format!(" ({version})")).unwrap_or_default();
    format!("{what}: the API server{server} does not serve {kind}")
}

/// Adds what would be served instead, and how what is not served is switched on.
fn unserved(scene: &Scene<'_>, finding: Finding, api_version: &str, kind: &str, nearest: &[String]) -> Finding {
    let (group, _) = split_api_version(api_version);
    let mut finding = finding;
    let served = versions(scene, group, kind);
    if api_version.is_empty() || served.is_empty() {
        if !nearest.is_empty() {
            let names: Vec<String> = nearest.iter().map(|kind| format!("`{kind}`")).collect();
            finding = finding.help(format!("did you mean {}?", names.join(" or ")));
        }
    } else {
        finding = finding.help(format!("versions that are served: {}", served.join(", ")));
    }
    if let Some(outdated) = api::outdated(api_version, kind) {
        finding = finding.help(format!("{}: {}", outdated.words(api_version, kind, None), outdated.help(kind)));
    }
    let early = api::early(api_version, kind).or_else(|| api::versions(group, kind));
    if let Some(early) = early {
        finding = finding.help(format!("Kubernetes has {kind} as {}", early.versions()));
        if early.version != "v1" {
            let older = scene.minor().is_some_and(|minor| minor < early.since);
            let words =
                if older { format!("after an upgrade to Kubernetes 1.{}: ", early.since) } else { String::new() };
            finding = finding.help(format!(
                "{} is {}; {words}kube-apiserver {}",
                early.version,
                early.stage(),
                early.switched_on()
            ));
        }
    }
    finding
}

/// The versions of a kind that are served.
fn versions(scene: &Scene<'_>, group: &str, kind: &str) -> Vec<String> {
    let all = scene.lookout.resources().unwrap_or_default();
    all.iter().filter(|it| it.group == group && it.kind == kind).map(|it| it.api_version()).collect()
}

/// What is wrong with a version of a kind that is defined on the way.
fn defined(definition: &Value, version: &str) -> Option<String> {
    let versions = definition["spec"]["versions"].as_array()?;
    let served: Vec<&str> =
        versions.iter().filter(|it| it["served"] == true).filter_map(|it| it["name"].as_str()).collect();
    (!served.contains(&version))
        .then(|| format!("its definition, which comes before it, serves {} and not {version}", served.join(", ")))
}

/// An API version that is gone or going.
fn outdated(api_version: &str, kind: &str, minor: Option<u32>, served: bool) -> Option<Finding> {
    let outdated = api::outdated(api_version, kind)?;
    let mut words = outdated.words(api_version, kind, minor);
    if served && words.contains("no more since") {
        words = format!("{api_version} {kind} is deprecated");
    }
    Some(Finding::warning("deprecated-api", words).help(outdated.help(kind)))
}

/// What the server itself warned of while it tried the changes.
fn warned(scene: &Scene<'_>, findings: &[Finding]) -> Vec<Finding> {
    let said = |text: &str| {
        let mut known = findings.iter().filter(|finding| finding.rule == "deprecated-api");
        known.any(|finding| {
            let subject = finding.message.split(" is ").next().unwrap_or_default();
            text.starts_with(subject)
        })
    };
    let tried =
        scene.changes.iter().any(|change| matches!(change.tried, Some(Tried::Accepted(_) | Tried::Refused(..))));
    if !tried {
        return vec![];
    }
    let warnings = scene.door.take_warnings().into_iter().filter(|text| !said(text));
    let rule = |text: &str| if text.contains("deprecated") { "deprecated-api" } else { "api-warning" };
    warnings.map(|text| Finding::warning(rule(&text), format!("the API server warns: {text}"))).collect()
}
