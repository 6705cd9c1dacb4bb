//! `HelmRelease`s: a Deployment and a Service named after the release; Ready once the Deployment is available.

use serde_json::{Value, json};

use super::super::meta;
use super::super::store::{Event, Key};
use super::desk::{Desk, condition_status, observed as condition};
use super::{Simulated, Told, flux};

pub(super) struct HelmReleases;

const RESOURCE: &str = "helmreleases.helm.toolkit.fluxcd.io";
const NAME: &str = "helm.toolkit.fluxcd.io/name";
const NAMESPACE: &str = "helm.toolkit.fluxcd.io/namespace";

/// The namespace that the release's objects go to.
fn target_namespace(object: &Value) -> &str {
    object["spec"]["targetNamespace"].as_str().unwrap_or_else(|| meta::namespace(object))
}

fn release_name(object: &Value) -> String {
    if let Some(name) = object["spec"]["releaseName"].as_str() {
        return name.to_owned();
    }
    match object["spec"]["targetNamespace"].as_str() {
        Some(namespace) => format!("{namespace}-{}", meta::name(object)),
        None => meta::name(object).to_owned(),
    }
}

fn chart(object: &Value) -> (String, String) {
    let spec = &object["spec"]["chart"]["spec"];
    let name = spec["chart"]
        .as_str()
        .or_else(|| object["spec"]["chartRef"]["name"].as_str())
        .unwrap_or_else(|| meta::name(object));
    (name.to_owned(), spec["version"].as_str().unwrap_or("0.1.0").to_owned())
}

fn is_attempted(object: &Value) -> bool {
    object["status"]["lastAttemptedGeneration"].as_i64() == Some(meta::generation(object))
}

/// What helm keeps of past revisions, newest first.
fn history(object: &Value) -> Vec<Value> {
    object["status"]["history"].as_array().cloned().unwrap_or_default()
}

fn with_new_revision(object: &Value, result: &str) -> Vec<Value> {
    let mut history = history(object);
    if is_attempted(object) && history.first().is_some_and(|newest| newest["status"] == result) {
        return history;
    }
    let (chart_name, chart_version) = chart(object);
    let version = history.first().and_then(|newest| newest["version"].as_i64()).unwrap_or_default() + 1;
    for older in history.iter_mut().filter(|older| older["status"] == "deployed") {
        older["status"] = "superseded".into();
    }
    let now = meta::now();
    history.insert(
        0,
        json!({
            "name": release_name(object), "namespace": target_namespace(object), "version": version, "status": result,
            "chartName": chart_name, "chartVersion": chart_version, "firstDeployed": now, "lastDeployed": now,
        }),
    );
    history.truncate(5);
    history
}

fn is_available(desk: &Desk<'_>, object: &Value) -> bool {
    let deployment = desk.get("deployments.apps", target_namespace(object), &release_name(object));
    deployment.is_some_and(|deployment| {
        let status = &deployment["status"];
        let wanted = deployment["spec"]["replicas"].as_i64().unwrap_or(1);
        status["observedGeneration"] == deployment["metadata"]["generation"]
            && status["updatedReplicas"].as_i64().unwrap_or_default() >= wanted
            && status["availableReplicas"].as_i64().unwrap_or_default() >= wanted
    })
}

/// What keeps the release from being tried at all, in Flux' words.
fn obstacle(desk: &Desk<'_>, object: &Value) -> Option<(&'static str, String)> {
    if let Some(why) = flux::unready_dependency(desk, object, RESOURCE) {
        return Some(("DependencyNotReady", why));
    }
    let reference = &object["spec"]["chart"]["spec"]["sourceRef"];
    let reference = if reference.is_null() { &object["spec"]["chartRef"] } else { reference };
    // a source that is not there at all is let be: playbooks for a sandbox need not bring one
    let (source, named) = flux::source(desk, object, reference);
    let source = source.filter(|source| condition_status(source, "Ready") == "False")?;
    let conditions = source["status"]["conditions"].as_array().into_iter().flatten();
    let why = conditions.into_iter().find(|c| c["type"] == "Ready").and_then(|c| c["message"].as_str());
    Some(("SourceNotReady", format!("{named} is not ready: {}", why.unwrap_or_default())))
}

/// What the release installs.
fn children(object: &Value) -> Vec<Value> {
    let name = release_name(object);
    let (chart_name, chart_version) = chart(object);
    let values = &object["spec"]["values"];
    let replicas = values["replicaCount"].as_i64().or_else(|| values["replicas"].as_i64()).unwrap_or(1);
    let port = values["service"]["port"].as_i64().unwrap_or(80);
    let image = match (values["image"]["repository"].as_str(), values["image"]["tag"].as_str()) {
        (repository, Some(tag)) => format!("{}:{tag}", repository.unwrap_or(&chart_name)),
        (Some(repository), None) => format!("{repository}:{chart_version}"),
        (None, None) => format!("{chart_name}:{chart_version}"),
    };
    let selector = json!({"app.kubernetes.io/name": chart_name, "app.kubernetes.io/instance": name});
    let mut labels = selector.clone();
    labels["app.kubernetes.io/managed-by"] = "Helm".into();
    labels["helm.sh/chart"] = format!("{chart_name}-{chart_version}").into();
    labels[NAME] = meta::name(object).into();
    labels[NAMESPACE] = meta::namespace(object).into();
    let metadata = json!({
        "name": name, "namespace": target_namespace(object), "labels": labels,
        "annotations": {"meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": target_namespace(object)},
        // Uninstalled with the release.
        "ownerReferences": [{
            "apiVersion": object["apiVersion"], "kind": "HelmRelease", "name": meta::name(object), "uid": meta::uid(object),
        }],
    });
    vec![
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
            "spec": {
                "replicas": replicas, "selector": {"matchLabels": selector},
                "template": {
                    "metadata": {"labels": selector},
                    "spec": {"containers": [{"name": chart_name, "image": image, "ports": [{"name": "http", "containerPort": 8080}]}]},
                },
            },
        }),
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": metadata,
            "spec": {"selector": selector, "ports": [{"name": "http", "port": port, "targetPort": "http"}]},
        }),
    ]
}

impl Simulated for HelmReleases {
    fn resource(&self) -> &'static str {
        RESOURCE
    }

    fn manager(&self) -> &'static str {
        "helm-controller"
    }

    fn suspended(&self, object: &Value) -> bool {
        flux::is_suspended(object)
    }

    fn tend(&self, desk: &Desk<'_>, object: &Value, told: &Told) {
        if *told == Told::Settle && obstacle(desk, object).is_none() {
            for child in children(object) {
                desk.apply(&child, Simulated::manager(self));
            }
        }
    }

    fn progress(&self, object: &Value) -> Option<Value> {
        if is_attempted(object) && !flux::is_asked(object) {
            return None;
        }
        let action = if history(object).is_empty() { "install" } else { "upgrade" };
        let message = format!("Running '{action}' action with timeout of 5m0s");
        Some(flux::reconciling(object, &message, &["history", "lastAttemptedGeneration"]))
    }

    fn settled(&self, desk: &Desk<'_>, object: &Value, fault: Option<&str>) -> Option<Value> {
        let (chart_name, chart_version) = chart(object);
        let name = release_name(object);
        let mut status = json!({
            "observedGeneration": meta::generation(object),
            "lastAttemptedGeneration": meta::generation(object),
            "lastAttemptedRevision": chart_version,
            "storageNamespace": target_namespace(object),
            "helmChart": format!("{}/{}-{}", meta::namespace(object), meta::namespace(object), meta::name(object)),
        });
        flux::handled(object, &mut status);
        if let Some((reason, message)) = obstacle(desk, object) {
            return Some(flux::failed(object, reason, &message, &["history", "lastAttemptedGeneration"]));
        }
        if fault.is_none() && !is_available(desk, object) {
            return None;
        }
        let history = with_new_revision(object, if fault.is_some() { "failed" } else { "deployed" });
        let newest = &history[0];
        let first = newest["version"] == 1;
        let (action, done, failed) = if first {
            ("install", "InstallSucceeded", "InstallFailed")
        } else {
            ("upgrade", "UpgradeSucceeded", "UpgradeFailed")
        };
        let what = format!(
            "release {}/{name}.v{} with chart {chart_name}@{chart_version}",
            target_namespace(object),
            newest["version"]
        );
        status["conditions"] = if let Some(message) = fault {
            let text = format!("Helm {action} failed for {what}: {message}");
            let retries = format!("Failed to {action} after 1 attempt(s)");
            status["failures"] = 1.into();
            status[if first { "installFailures" } else { "upgradeFailures" }] = 1.into();
            json!([
                condition(object, "Ready", "False", failed, &text),
                condition(object, "Released", "False", failed, &text),
                condition(object, "Stalled", "True", "RetriesExceeded", &retries),
            ])
        } else {
            let text = format!("Helm {action} succeeded for {what}");
            json!([condition(object, "Ready", "True", done, &text), condition(object, "Released", "True", done, &text)])
        };
        status["history"] = history.into();
        Some(status)
    }

    fn concerned(&self, desk: &Desk<'_>, event: &Event) -> Vec<Key> {
        if !matches!(&*event.key.resource, "deployments.apps" | "services") {
            let chart = "/spec/chart/spec/sourceRef";
            return [chart, "/spec/chartRef"].iter().flat_map(|at| flux::naming(desk, event, RESOURCE, at)).collect();
        }
        let labels = &event.new["metadata"]["labels"];
        let named = labels[NAMESPACE].as_str().zip(labels[NAME].as_str());
        named.map(|(namespace, name)| Key::new(RESOURCE, namespace, name)).into_iter().collect()
    }
}
