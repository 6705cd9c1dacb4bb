//! The request files: cases, each with a namespace of its own, and their requests one after the other.
//!
//! ```text
//! # a comment
//! == what the case shows
//! POST @cm {metadata: {name: a}}           a body in YAML; indented lines go on with the line above
//! GET @cm/a [table]                        a word in brackets sets the Accept header of a GET
//! APPLY:boss @cm/a?force=true {data: {}}   server-side apply as `boss`, type and name filled in
//! PATCH:merge @cm/a raw {"data":           a body sent as it stands
//! KEEP old /metadata/uid                   a value of the last answer, from then on `$old`
//! SETUP POST @sa {metadata: {name: b}}     must succeed, is not compared
//! WAIT @things                             asks until it is there, is not compared
//! SETTLE                                   a moment for a server to hear of what it decides by, which nothing tells
//! differs: why                             the next request answers differently, and that stays so
//! ```
//!
//! `@cm` and its kin are paths of a kind in the case's namespace, `$ns` is that namespace, `$id` a word of the case's own for
//! names of things outside of it.

use serde_json::{Value, json};

/// Paths that requests name by a word: word, path, apiVersion, kind.
const WORDS: &[(&str, &str, &str, &str)] = &[
    ("cm", "/api/v1/namespaces/$ns/configmaps", "v1", "ConfigMap"),
    ("secret", "/api/v1/namespaces/$ns/secrets", "v1", "Secret"),
    ("po", "/api/v1/namespaces/$ns/pods", "v1", "Pod"),
    ("svc", "/api/v1/namespaces/$ns/services", "v1", "Service"),
    ("sa", "/api/v1/namespaces/$ns/serviceaccounts", "v1", "ServiceAccount"),
    ("pvc", "/api/v1/namespaces/$ns/persistentvolumeclaims", "v1", "PersistentVolumeClaim"),
    ("quota", "/api/v1/namespaces/$ns/resourcequotas", "v1", "ResourceQuota"),
    ("ev", "/api/v1/namespaces/$ns/events", "v1", "Event"),
    ("limits", "/api/v1/namespaces/$ns/limitranges", "v1", "LimitRange"),
    ("ep", "/api/v1/namespaces/$ns/endpoints", "v1", "Endpoints"),
    ("ns", "/api/v1/namespaces", "v1", "Namespace"),
    ("node", "/api/v1/nodes", "v1", "Node"),
    ("pv", "/api/v1/persistentvolumes", "v1", "PersistentVolume"),
    ("deploy", "/apis/apps/v1/namespaces/$ns/deployments", "apps/v1", "Deployment"),
    ("rs", "/apis/apps/v1/namespaces/$ns/replicasets", "apps/v1", "ReplicaSet"),
    ("sts", "/apis/apps/v1/namespaces/$ns/statefulsets", "apps/v1", "StatefulSet"),
    ("ds", "/apis/apps/v1/namespaces/$ns/daemonsets", "apps/v1", "DaemonSet"),
    ("job", "/apis/batch/v1/namespaces/$ns/jobs", "batch/v1", "Job"),
    ("cj", "/apis/batch/v1/namespaces/$ns/cronjobs", "batch/v1", "CronJob"),
    ("ing", "/apis/networking.k8s.io/v1/namespaces/$ns/ingresses", "networking.k8s.io/v1", "Ingress"),
    ("netpol", "/apis/networking.k8s.io/v1/namespaces/$ns/networkpolicies", "networking.k8s.io/v1", "NetworkPolicy"),
    ("pdb", "/apis/policy/v1/namespaces/$ns/poddisruptionbudgets", "policy/v1", "PodDisruptionBudget"),
    (
        "hpa",
        "/apis/autoscaling/v2/namespaces/$ns/horizontalpodautoscalers",
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
    ),
    ("role", "/apis/rbac.authorization.k8s.io/v1/namespaces/$ns/roles", "rbac.authorization.k8s.io/v1", "Role"),
    ("cr", "/apis/rbac.authorization.k8s.io/v1/clusterroles", "rbac.authorization.k8s.io/v1", "ClusterRole"),
    (
        "rb",
        "/apis/rbac.authorization.k8s.io/v1/namespaces/$ns/rolebindings",
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
    ),
    ("sc", "/apis/storage.k8s.io/v1/storageclasses", "storage.k8s.io/v1", "StorageClass"),
    ("pc", "/apis/scheduling.k8s.io/v1/priorityclasses", "scheduling.k8s.io/v1", "PriorityClass"),
    ("lease", "/apis/coordination.k8s.io/v1/namespaces/$ns/leases", "coordination.k8s.io/v1", "Lease"),
    (
        "crd",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
    ),
    ("thing", "/apis/$id.example.com/v1/namespaces/$ns/things", "$id.example.com/v1", "Thing"),
];

/// What a case does next.
#[derive(Debug, Clone)]
pub enum Step {
    Request(Request),
    Keep { name: String, pointer: String },
    Wait { path: String },
    Settle,
}

#[derive(Debug, Clone)]
pub struct Request {
    /// Where it stands in its file.
    pub line: usize,
    pub method: String,
    pub path: String,
    pub accept: String,
    pub content_type: String,
    pub body: String,
    /// Whether the answer is compared.
    pub compared: bool,
    /// Why it differs, when that is known.
    pub differs: Option<String>,
}

#[derive(Debug, Clone)]
pub struct Case {
    pub name: String,
    pub steps: Vec<Step>,
}

/// Reads a request file.
pub fn cases(area: &str, text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut differs = None;
    for (line, text) in logical_lines(text) {
        if let Some(name) = text.strip_prefix("== ") {
            cases.push(Case { name: name.to_owned(), steps: Vec::new() });
            continue;
        }
        if let Some(why) = text.strip_prefix("differs: ") {
            differs = Some(why.to_owned());
            continue;
        }
        let case = cases.last_mut().unwrap_or_else(|| panic!("{area}:{line}: a request before the first case"));
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((&text, ""));
        case.steps.push(match word {
            "KEEP" => {
                let (name, pointer) =
                    rest.split_once(' ').unwrap_or_else(|| panic!("{area}:{line}: KEEP name pointer"));
                Step::Keep { name: name.to_owned(), pointer: pointer.to_owned() }
            }
            "WAIT" => Step::Wait { path: expanded(rest.trim()).0 },
            "SETTLE" => Step::Settle,
            "SETUP" => Step::Request(Request { compared: false, ..request(area, line, rest) }),
            _ => Step::Request(Request { differs: differs.take(), ..request(area, line, &text) }),
        });
    }
    cases
}

/// Lines with those that go on with them; comments and empty lines left out.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        match lines.last_mut() {
            Some((_, last)) if line.starts_with(' ') => {
                last.push('\n');
                last.push_str(line);
            }
            _ => lines.push((number + 1, line.to_owned())),
        }
    }
    lines
}

/// The path that a word stands for, with its apiVersion and kind.
fn expanded(path: &str) -> (String, Option<(&'static str, &'static str)>) {
    let Some(rest) = path.strip_prefix('@') else {
        return (path.to_owned(), None);
    };
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
    let found = WORDS.iter().find(|row| row.0 == &rest[..end]);
    let (_, base, api_version, kind) = found.unwrap_or_else(|| panic!("no path is known as @{}", &rest[..end]));
    (format!("{base}{}", &rest[end..]), Some((api_version, kind)))
}

fn accept(word: &str) -> String {
    match word {
        "table" => "application/json;as=Table;v=v1;g=meta.k8s.io,application/json".into(),
        "metadata" => "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io".into(),
        "metadata-list" => "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io".into(),
        "aggregated" => "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList".into(),
        "yaml" => "application/yaml".into(),
        other => other.to_owned(),
    }
}

fn request(area: &str, line: usize, text: &str) -> Request {
    let (verb, rest) = text.split_once(char::is_whitespace).unwrap_or_else(|| panic!("{area}:{line}: no path: {text}"));
    let rest = rest.trim_start();
    let (path, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let (mut path, named) = expanded(path);
    // What is indented keeps its indentation: it may be YAML of many lines.
    let mut rest = rest.trim_end();
    let mut wanted = "application/json".to_owned();
    if verb == "GET"
        && let Some((word, after)) = rest.trim_start().strip_prefix('[').and_then(|r| r.split_once(']'))
    {
        wanted = accept(word);
        rest = after.trim();
    }
    let (method, sort) = verb.split_once(':').unwrap_or((verb, ""));
    let content_type = match (method, sort) {
        ("APPLY", _) => "application/apply-patch+yaml".to_owned(),
        ("PATCH", sort) => match sort {
            "merge" | "strategic-merge" | "json" => format!("application/{sort}-patch+json"),
            other => other.to_owned(),
        },
        (_, "") => "application/json".to_owned(),
        (_, other) => other.to_owned(),
    };
    let body = if rest.is_empty() {
        String::new()
    } else if let Some(raw) = rest.trim_start().strip_prefix("raw ") {
        raw.to_owned()
    } else {
        let mut value: Value = serde_yaml::from_str(rest).unwrap_or_else(|e| panic!("{area}:{line}: {e}\n{rest}"));
        if let (Some((api_version, kind)), "APPLY") = (named, method) {
            let name = path.split('?').next().unwrap_or_default().split('/');
            let name = name.skip_while(|part| !part.starts_with('v') || part.len() > 8).collect::<Vec<_>>();
            let at = if name.get(1) == Some(&"namespaces") && name.len() > 3 { 4 } else { 2 };
            fill(&mut value, &[("apiVersion", json!(api_version)), ("kind", json!(kind))]);
            if let Some(name) = name.get(at) {
                fill(&mut value, &[("metadata", json!({}))]);
                fill(&mut value["metadata"], &[("name", json!(name))]);
            }
        } else if let (Some((api_version, kind)), "POST" | "PUT") = (named, method)
            && value.is_object()
            && !path.contains("/scale")
        {
            fill(&mut value, &[("apiVersion", json!(api_version)), ("kind", json!(kind))]);
        }
        value.to_string()
    };
    if method == "APPLY" {
        let sign = if path.contains('?') { '&' } else { '?' };
        path = format!("{path}{sign}fieldManager={}", if sort.is_empty() { "one" } else { sort });
    }
    let method = if method == "APPLY" { "PATCH" } else { method }.to_owned();
    Request { line, method, path, accept: wanted, content_type, body, compared: true, differs: None }
}

fn fill(value: &mut Value, fields: &[(&str, Value)]) {
    if let Some(map) = value.as_object_mut() {
        for (field, given) in fields {
            map.entry(*field).or_insert_with(|| given.clone());
        }
    }
}
