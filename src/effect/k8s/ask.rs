//! Questions that no watch answers: logs, permissions, what is served, what a service says.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::{Value, json};

use super::parse;
use crate::{
    cluster::{Cluster, ClusterError, LogOptions, Selector, Wish},
    effect::{Call, EffectError, HttpReply, Mode, Sort},
    model::{ObjectRef, Read},
    object::{self, path::text},
};

/// Which logs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogsOf {
    /// One container; none: the one that the pod names as its default, or its first.
    pub container: Option<String>,
    /// The last so many lines of each container; 1000 where none is said.
    pub tail: Option<u32>,
    /// The last so many seconds.
    pub since: Option<u64>,
    /// Before the last restart.
    pub previous: bool,
}

/// Whether this account may do something, and in which words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// Whether it may.
    pub allowed: bool,
    /// What was asked and what was said.
    pub reason: String,
}

impl Call {
    /// The log of a pod, or of every pod of a workload, one after the other by their names.
    pub fn k8s_logs(&self, reference: &str, wanted: &LogsOf) -> Result<String, EffectError> {
        let native = "k8s::logs";
        self.allow(native, Mode::Read)?;
        let parsed = parse(reference)?;
        // the pods of a workload have names that nobody knows beforehand
        let pod = ["pod", "pods", "po"].contains(&parsed.kind.to_lowercase().as_str()).then_some(parsed.name.as_str());
        self.looked_into("log", "Pod".into(), parsed.namespace.as_deref(), pod);
        if self.is_blind() {
            return Err(EffectError::new(Sort::Unseen, format!("what {reference} has logged is not known in a trial")));
        }
        self.read(Read::Polled(format!("logs of {reference}")));
        let cluster = self.door(native)?.cluster()?;
        let logs = self.logs_of(cluster, &parsed, wanted);
        let logs = logs.map_err(|error| self.ran_into(error))?;
        Ok(self.door(native)?.parts.scrubber.scrub(&logs).into_owned())
    }

    /// The pods that a workload selects, or the pod itself; none of what selects none, and of what does not exist.
    pub fn k8s_pods_of(&self, reference: &str) -> Result<Vec<Value>, EffectError> {
        let native = "k8s::list";
        self.allow(native, Mode::Read)?;
        let parsed = parse(reference)?;
        let cluster = self.door(native)?.cluster()?;
        let found = cluster.get(&parsed, &self.patience()).map_err(|error| self.ran_into(error.into()))?;
        let pods = found.map(|object| self.pods_selected_by(cluster, &parsed, object)).transpose()?;
        Ok(pods.flatten().unwrap_or_default())
    }

    /// The pods of an object; none where it is no pod and has no selector.
    fn pods_selected_by(
        &self,
        cluster: &Cluster,
        reference: &ObjectRef,
        object: Value,
    ) -> Result<Option<Vec<Value>>, EffectError> {
        if object::head(&object).kind() == "Pod" {
            return Ok(Some(vec![object]));
        }
        let Some(labels) = labels_of(&object) else { return Ok(None) };
        let selector = Selector { labels: Some(labels), fields: None };
        Ok(Some(cluster.list("Pod", reference.namespace.as_deref(), &selector, &self.patience())?.items))
    }

    pub(super) fn logs_of(
        &self,
        cluster: &Cluster,
        reference: &ObjectRef,
        wanted: &LogsOf,
    ) -> Result<String, EffectError> {
        let patience = self.patience();
        let gone = || EffectError::new(Sort::Hard, format!("logs of {reference}: it does not exist"));
        let object = cluster.get(reference, &patience)?.ok_or_else(gone)?;
        let Some(pods) = self.pods_selected_by(cluster, reference, object)? else {
            let message = format!("{reference} has no pods that a selector finds: name a Pod, or a workload");
            return Err(EffectError::new(Sort::Argument, message));
        };
        let mut all = String::new();
        for pod in &pods {
            let options = LogOptions {
                container: wanted.container.clone().or_else(|| default_container(pod)),
                tail: Some(wanted.tail.unwrap_or(1000)),
                since: wanted.since,
                previous: wanted.previous,
            };
            let name = object::reference(pod);
            let log = cluster.logs(&name, &options, &patience).map_err(|error| match error {
                // a container that has not started, or none of that name: soon, or never
                ClusterError::Rejected { message, .. } => {
                    EffectError::new(Sort::Hard, format!("logs of {name}: {message}"))
                }
                error => error.into(),
            })?;
            if !all.is_empty() && !all.ends_with('\n') {
                all.push('\n');
            }
            all.push_str(&log);
        }
        Ok(all)
    }

    /// Whether this account may do `verb` to an object, or to a kind in a namespace: the server's own answer.
    pub fn k8s_can(&self, verb: &str, what: &str, namespace: Option<&str>) -> Result<Allowed, EffectError> {
        let native = "k8s::can";
        self.allow(native, Mode::Read)?;
        // `pods/log` as in kubectl, `Deployment/web/app` as everywhere
        let (kind, object) = match what.parse::<ObjectRef>() {
            Ok(object) => (dotted(&object), Some(object)),
            Err(_) => (what.to_owned(), None),
        };
        let (verb, subresource) = match verb.split_once('/') {
            Some((verb, subresource)) => (verb, Some(subresource)),
            None => (verb, None),
        };
        if self.is_blind() {
            return Ok(Allowed { allowed: true, reason: "not asked in a trial".into() });
        }
        self.read(Read::Polled(format!("may {verb} {what}")));
        let cluster = self.door(native)?.cluster()?;
        let resource = cluster.resolve_kind(&kind, &self.patience());
        let resource = resource.map_err(|error| self.ran_into(error.into()))?;
        let wish = Wish {
            verb: verb.into(),
            namespace: object.as_ref().and_then(|object| object.namespace.clone()).or(namespace.map(Into::into)),
            name: object.map(|object| object.name),
            subresource: subresource.map(Into::into),
        };
        let answer = cluster.may(&resource, &wish, &self.patience());
        let answer = answer.map_err(|error| self.ran_into(error.into()))?;
        let place = namespace.map(|namespace| format!(" in {namespace}")).unwrap_or_default();
        let words = if answer.allowed { "is permitted" } else { "is not permitted" };
        let why = if answer.reason.is_empty() { String::new() } else { format!(": {}", answer.reason) };
        let asked = subresource.map_or_else(|| verb.to_owned(), |subresource| format!("{verb}/{subresource}"));
        Ok(Allowed { allowed: answer.allowed, reason: format!("{asked} of {what}{place} {words}{why}") })
    }

    /// What the server serves under a kind's name: `#{ served, kind, group, version, versions, plural, namespaced, verbs }`.
    pub fn k8s_api(&self, kind: &str) -> Result<Value, EffectError> {
        let native = "k8s::api";
        self.allow(native, Mode::Read)?;
        if self.is_blind() {
            return Err(EffectError::new(Sort::Unseen, format!("whether {kind} is served is not known in a trial")));
        }
        self.read(Read::Polled(format!("api {kind}")));
        let cluster = self.door(native)?.cluster()?;
        let found = match cluster.resolve_kind(kind, &self.patience()) {
            Ok(found) => found,
            Err(ClusterError::NotServed { nearest, .. }) => {
                return Ok(json!({ "served": false, "versions": [], "nearest": nearest }));
            }
            Err(error) => return Err(self.ran_into(error.into())),
        };
        let all = cluster.resources(&self.patience()).map_err(|error| self.ran_into(error.into()))?;
        let same = all.iter().filter(|other| other.group == found.group && other.kind == found.kind);
        let versions: Vec<&str> = same.map(|other| other.version.as_str()).collect();
        Ok(json!({
            "served": true,
            "kind": found.kind,
            "group": found.group,
            "version": found.version,
            "versions": versions,
            "plural": found.plural,
            "namespaced": found.namespaced,
            "verbs": found.verbs,
        }))
    }

    /// Whether a kind is served in one of these versions; else with those that are, and how one that is not is switched on.
    pub fn k8s_api_in(&self, kind: &str, versions: &[String]) -> Result<Allowed, EffectError> {
        let found = self.k8s_api(kind)?;
        let served: Vec<&str> = found["versions"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if let Some(one) = versions.iter().find(|version| served.contains(&version.as_str())) {
            return Ok(Allowed { allowed: true, reason: format!("{kind} is served as {one}") });
        }
        let mut reason = match (served.as_slice(), versions) {
            ([], [one]) => format!("{kind} is not served as {one}, nor in any other version"),
            ([], _) => format!("{kind} is not served"),
            (served, _) => format!("{kind} is served as {}, not as {}", served.join(" and "), versions.join(" or ")),
        };
        let name = kind.split('.').next().unwrap_or(kind);
        let known = object::api::all_early(name);
        if let Some(first) = known.first() {
            let version = self.door("k8s::api")?.cluster()?.version(&self.patience());
            let version = version.map_err(|error| self.ran_into(error.into()))?;
            let minor = object::api::minor(&version);
            let _ = write!(reason, "; Kubernetes has it as {}, and this is {version}", first.versions());
            let wanted = |early: &&object::api::Early| versions.iter().any(|version| version == early.version);
            let has = |early: &&object::api::Early| minor.is_none_or(|minor| minor >= early.since);
            // what is asked for, else what there is to ask for
            let one = known.iter().rev().filter(wanted).find(has).or_else(|| known.iter().rev().find(has));
            if let Some(one) = one {
                let _ = write!(reason, "; {} is switched on by kube-apiserver {}", one.version, one.switched_on());
            }
        } else if let Some(nearest) = found["nearest"].as_array().filter(|nearest| !nearest.is_empty()) {
            let nearest: Vec<String> =
                nearest.iter().filter_map(Value::as_str).map(|kind| format!("`{kind}`")).collect();
            let are = if nearest.len() == 1 { "is" } else { "are" };
            let _ = write!(reason, "; there {are} {}", nearest.join(" and "));
        }
        Ok(Allowed { allowed: false, reason })
    }

    /// Asks a Service or Pod through the API server's proxy; `port` is a number or a name, `scheme` http or https. None where
    /// there is no such object.
    pub fn k8s_http(
        &self,
        reference: &str,
        path: &str,
        port: Option<&str>,
        scheme: Option<&str>,
    ) -> Result<Option<HttpReply>, EffectError> {
        let native = "k8s::http";
        self.allow(native, Mode::Read)?;
        let parsed = parse(reference)?;
        if let Some(scheme) = scheme.filter(|scheme| !["http", "https"].contains(scheme)) {
            let message = format!("`{native}` asks by http or https, and not by `{scheme}`");
            return Err(EffectError::new(Sort::Argument, message));
        }
        self.looked_into("proxy", dotted(&parsed), parsed.namespace.as_deref(), Some(&parsed.name));
        if self.is_blind() {
            return Ok(Some(HttpReply { status: 200, headers: BTreeMap::new(), body: String::new() }));
        }
        self.read(Read::Polled(format!("GET {path} of {reference}")));
        let cluster = self.door(native)?.cluster()?;
        let resource = cluster.resolve(&parsed, &self.patience()).map_err(|error| self.ran_into(error.into()))?;
        if !resource.group.is_empty() || !matches!(resource.kind.as_str(), "Service" | "Pod") {
            let message = format!("`{native}` asks a Service or a Pod, and {reference} is neither");
            return Err(EffectError::new(Sort::Argument, message));
        }
        let answer = cluster.proxy(&parsed, scheme, port, path, &self.patience()).map_err(|error| {
            // the API server has refused to ask: soon it may, or never
            let sort = if matches!(error, ClusterError::Rejected { .. }) { Some(Sort::Hard) } else { None };
            let error = EffectError::from(error);
            self.ran_into(EffectError { sort: sort.unwrap_or(error.sort), ..error })
        })?;
        if let Some(answer) = answer.as_ref().filter(|answer| answer.nobody) {
            self.remarked(format!("GET {path} of {reference}: {}", answer.body));
        }
        Ok(answer.map(|answer| HttpReply { status: answer.status, headers: answer.headers, body: answer.body }))
    }
}

pub(super) fn dotted(object: &ObjectRef) -> String {
    object.group.as_ref().map_or_else(|| object.kind.clone(), |group| format!("{}.{group}", object.kind))
}

/// The labels that a workload's pods carry, as a selector.
fn labels_of(object: &Value) -> Option<String> {
    let labels = object["spec"]["selector"]["matchLabels"].as_object()?;
    let pairs: Vec<String> =
        labels.iter().filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?))).collect();
    (!pairs.is_empty()).then(|| pairs.join(","))
}

/// The container that is meant where none is named.
fn default_container(pod: &Value) -> Option<String> {
    let named = pod["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"].as_str();
    let first = pod["spec"]["containers"].get(0).and_then(|container| text(container, "name"));
    named.or(first).map(ToOwned::to_owned)
}
