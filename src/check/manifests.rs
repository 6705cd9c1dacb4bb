use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    bundle::Bundle,
    model::{Finding, Place},
    object::{api, head, yaml},
};

/// Every object that a manifest of the bundle holds, with its file and line, but for these files. What is no manifest is left
/// out.
pub fn manifests(bundle: &Bundle, but: &BTreeSet<&str>) -> Vec<(String, u32, Value)> {
    read(bundle, |file, _| !but.contains(file))
}

fn read(bundle: &Bundle, wanted: impl Fn(&str, &str) -> bool) -> Vec<(String, u32, Value)> {
    let mut found = vec![];
    for file in bundle.files().keys() {
        let is_manifest = [".yaml", ".yml", ".json"].iter().any(|ending| file.ends_with(ending));
        let Some(text) =
            bundle.text(file).ok().filter(|text| is_manifest && text.contains("apiVersion") && wanted(file, text))
        else {
            continue;
        };
        for document in yaml::documents(text, file).unwrap_or_default() {
            let line = u32::try_from(document.line).unwrap_or_default();
            let items = match &document.value["items"] {
                Value::Array(items) if head(&document.value).kind().ends_with("List") => items.clone(),
                _ => vec![document.value],
            };
            let whole = items.into_iter().filter(|object| yaml::complete(object, "").is_ok());
            found.extend(whole.map(|object| (file.clone(), line, object)));
        }
    }
    found
}

/// API versions of the bundle's manifests that are gone or going, and those that are served only when they are switched on.
/// Which of them a cluster serves is found out in preflight.
pub fn apis(bundle: &Bundle) -> Vec<Finding> {
    // most manifests need no second look
    let telling =
        |_: &str, text: &str| ["alpha", "beta", "Endpoints", "ComponentStatus"].iter().any(|word| text.contains(word));
    let mut found: Vec<Finding> = vec![];
    for (file, line, object) in read(bundle, telling) {
        let (version, kind) = (head(&object).api_version(), head(&object).kind());
        let finding = if let Some(outdated) = api::outdated(version, kind) {
            Finding::warning("deprecated-api", outdated.words(version, kind, None)).help(outdated.help(kind))
        } else if let Some(early) = api::early(version, kind) {
            let words =
                format!("{version} {kind} is {}: a cluster serves it only where it is switched on", early.stage());
            Finding::note("early-api", words)
                .help(format!("kube-apiserver {}", early.switched_on()))
                .help(format!("Kubernetes has {kind} as {}", early.versions()))
        } else {
            continue;
        };
        // each once a file
        if !found.iter().any(|it| it.message == finding.message && it.place.as_ref().is_some_and(|at| at.file == file))
        {
            found.push(finding.at(Place::new(file, line, 0)));
        }
    }
    found
}
