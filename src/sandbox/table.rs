//! Tables: objects as rows of a few columns, which is how kubectl asks for what it prints.

use serde_json::{Value, json};

use super::kinds::Kind;
use super::meta;
use super::request::{Call, Place};

/// Name, type, format and priority of a column, and what stands in it.
struct Column<'a> {
    name: &'a str,
    sort: &'a str,
    format: &'a str,
    priority: i64,
    cell: Cell<'a>,
}

enum Cell<'a> {
    /// A place, as a path of a printer column.
    Path(&'a str),
    /// Worked out from the object.
    Made(fn(&Value) -> Value),
}

/// Whether the client takes tables.
pub(crate) fn wanted(call: &Call) -> bool {
    call.accept.split(',').next().is_some_and(|first| first.contains("as=Table"))
}

/// A table of the objects.
pub(crate) fn table(place: &Place, include: &str, metadata: &Value, objects: &[&Value]) -> Value {
    let columns = columns(&place.kind, &place.version);
    let definitions: Vec<Value> = columns
        .iter()
        .map(|c| json!({"name": c.name, "type": c.sort, "format": c.format, "priority": c.priority, "description": ""}))
        .collect();
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let cells: Vec<Value> = columns.iter().map(|column| cell(column, object)).collect();
            let mut row = json!({"cells": cells});
            match include {
                "None" => row["object"] = Value::Null,
                "Object" => {
                    let mut whole = (*object).clone();
                    whole["apiVersion"] = place.api_version().into();
                    row["object"] = whole;
                }
                _ => {
                    row["object"] = json!({
                        "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"],
                    });
                }
            }
            row
        })
        .collect();
    // The kinds of this group have a writer of tables of their own, which begins with nothing.
    let bare = rows.is_empty() && place.kind.group == "rbac.authorization.k8s.io";
    let rows = if bare { Value::Null } else { Value::Array(rows) };
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "columnDefinitions": definitions,
        "rows": rows,
    })
}

fn cell(column: &Column<'_>, object: &Value) -> Value {
    match column.cell {
        Cell::Made(made) => made(object),
        Cell::Path(path) => {
            let found = at(object, path);
            match found {
                Some(Value::String(text)) if column.sort == "date" => age(text).into(),
                Some(value @ (Value::Number(_) | Value::Bool(_) | Value::String(_))) => match (column.sort, value) {
                    ("string", Value::Number(number)) => number.to_string().into(),
                    ("string", Value::Bool(flag)) => flag.to_string().into(),
                    _ => value.clone(),
                },
                Some(value @ (Value::Array(_) | Value::Object(_))) => value.to_string().into(),
                _ if column.sort == "date" && column.name == "Created At" => Value::Null,
                _ => Value::Null,
            }
        }
    }
}

/// The value at a printer column's path: fields, and items told by one field's value.
fn at<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    let mut found = object;
    let mut rest = path.trim_start_matches('.');
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            let (test, after) = inside.split_once(']')?;
            rest = after.trim_start_matches('.');
            found = match test.strip_prefix("?(@.").and_then(|test| test.strip_suffix(')')) {
                Some(test) => {
                    let (field, wanted) = test.split_once("==")?;
                    let wanted = wanted.trim().trim_matches(['"', '\'']);
                    found.as_array()?.iter().find(|item| item[field.trim()] == wanted)?
                }
                None => found.get(test.parse::<usize>().ok()?)?,
            };
            continue;
        }
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        // A dot may be escaped, as in the names of annotations.
        let mut name = rest[..end].to_owned();
        rest = rest[end..].strip_prefix('.').unwrap_or(&rest[end..]);
        while name.ends_with('\\') {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            name.pop();
            name = format!("{name}.{}", &rest[..end]);
            rest = rest[end..].strip_prefix('.').unwrap_or(&rest[end..]);
        }
        found = found.get(&name)?;
    }
    Some(found)
}

/// How long ago a time is, in a server's short form.
fn age(since: &str) -> String {
    let Ok(since) = since.parse::<jiff::Timestamp>() else {
        return "<invalid>".to_owned();
    };
    let seconds = (jiff::Timestamp::now().as_second() - since.as_second()).max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match () {
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 && seconds % 60 != 0 => format!("{minutes}m{}s", seconds % 60),
        () if hours < 3 => format!("{minutes}m"),
        () if hours < 8 && minutes % 60 != 0 => format!("{hours}h{}m", minutes % 60),
        () if days < 2 => format!("{hours}h"),
        () if days < 8 && hours % 24 != 0 => format!("{days}d{}h", hours % 24),
        () if days < 730 => format!("{days}d"),
        () => format!("{}y", days / 365),
    }
}

fn created(object: &Value) -> Value {
    age(meta::field(object, "creationTimestamp")).into()
}

fn count(value: &Value) -> i64 {
    let length = value.as_object().map(serde_json::Map::len).or_else(|| value.as_array().map(Vec::len));
    i64::try_from(length.unwrap_or_default()).unwrap_or(i64::MAX)
}

fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or_default()
}

fn containers(object: &Value, field: &str) -> Value {
    let list = object.pointer("/spec/template/spec/containers").and_then(Value::as_array);
    let names: Vec<&str> = list.into_iter().flatten().filter_map(|one| one[field].as_str()).collect();
    names.join(",").into()
}

fn selector(value: &Value) -> Value {
    let Some(map) = value.as_object().filter(|map| !map.is_empty()) else {
        return "<none>".into();
    };
    let parts: Vec<String> =
        map.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    parts.join(",").into()
}

fn ports(object: &Value) -> Value {
    let list = object["spec"]["ports"].as_array();
    let shown = |port: &Value| {
        let (number, protocol) = (&port["port"], port["protocol"].as_str().unwrap_or_default());
        match port["nodePort"].as_i64() {
            Some(node) => format!("{number}:{node}/{protocol}"),
            None => format!("{number}/{protocol}"),
        }
    };
    let shown: Vec<String> = list.into_iter().flatten().map(shown).collect();
    if shown.is_empty() { "<none>".into() } else { shown.join(",").into() }
}

fn external(object: &Value) -> Value {
    let addresses: Vec<&str> = object
        .pointer("/status/loadBalancer/ingress")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|one| one["ip"].as_str().or_else(|| one["hostname"].as_str()))
        .collect();
    match object["spec"]["type"].as_str() {
        Some("ExternalName") => object["spec"]["externalName"].clone(),
        Some("LoadBalancer") if addresses.is_empty() => "<pending>".into(),
        Some("LoadBalancer") => addresses.join(",").into(),
        _ => "<none>".into(),
    }
}

/// `pods: 1/3, requests.cpu: 500m/2`: what is used of a quota, or of its limits.
fn allowance(quota: &Value, limits: bool) -> Value {
    let status = &quota["status"];
    let hard = status["hard"].as_object().into_iter().flatten();
    let of = hard.filter(|(name, _)| name.starts_with("limits.") == limits).map(|(name, hard)| {
        format!("{name}: {}/{}", status["used"][name].as_str().unwrap_or("0"), hard.as_str().unwrap_or_default())
    });
    of.collect::<Vec<_>>().join(", ").into()
}

#[allow(clippy::too_many_lines)] // a table: one row a column
fn columns<'a>(kind: &'a Kind, version: &str) -> Vec<Column<'a>> {
    let made = |name, sort, priority, cell: fn(&Value) -> Value| Column {
        name,
        sort,
        format: "",
        priority,
        cell: Cell::Made(cell),
    };
    let name = Column { name: "Name", sort: "string", format: "name", priority: 0, cell: Cell::Path(".metadata.name") };
    let text = |name, cell| made(name, "string", 0, cell);
    let wide = |name, cell| made(name, "string", 1, cell);
    let whole = |name, cell| made(name, "string", 0, cell);
    let mut columns = vec![name];
    if kind.is_custom() {
        let listed = kind.version_entry(version).and_then(|entry| entry["additionalPrinterColumns"].as_array());
        match listed {
            Some(listed) => columns.extend(listed.iter().map(|column| Column {
                name: column["name"].as_str().unwrap_or_default(),
                sort: column["type"].as_str().unwrap_or("string"),
                format: column["format"].as_str().unwrap_or_default(),
                priority: column["priority"].as_i64().unwrap_or_default(),
                cell: Cell::Path(column["jsonPath"].as_str().unwrap_or_default()),
            })),
            None => columns.push(Column {
                name: "Age",
                sort: "date",
                format: "",
                priority: 0,
                cell: Cell::Path(".metadata.creationTimestamp"),
            }),
        }
        return columns;
    }
    let ready = |object: &Value| -> Value {
        format!("{}/{}", number(object, "/status/readyReplicas"), number(object, "/spec/replicas")).into()
    };
    let age = text("Age", created);
    match kind.resource().as_str() {
        "configmaps" => {
            columns.push(whole("Data", |o| (count(&o["data"]) + count(&o["binaryData"])).into()));
            columns.push(age);
        }
        "resourcequotas" => {
            columns.extend([text("Request", |o| allowance(o, false)), text("Limit", |o| allowance(o, true)), age]);
        }
        "secrets" => {
            columns.push(text("Type", |o| o["type"].clone()));
            columns.push(whole("Data", |o| count(&o["data"]).into()));
            columns.push(age);
        }
        "namespaces" => {
            columns.push(text("Status", |o| o["status"]["phase"].clone()));
            columns.push(age);
        }
        "serviceaccounts" => {
            columns.push(age);
        }
        "services" => columns.extend([
            text("Type", |o| o["spec"]["type"].clone()),
            text("Cluster-IP", |o| o["spec"].get("clusterIP").cloned().unwrap_or_else(|| "<none>".into())),
            text("External-IP", external),
            text("Port(s)", ports),
            age,
            wide("Selector", |o| selector(&o["spec"]["selector"])),
        ]),
        "deployments.apps" => columns.extend([
            text("Ready", ready),
            whole("Up-to-date", |o| number(o, "/status/updatedReplicas").into()),
            whole("Available", |o| number(o, "/status/availableReplicas").into()),
            age,
            wide("Containers", |o| containers(o, "name")),
            wide("Images", |o| containers(o, "image")),
            wide("Selector", |o| selector(&o["spec"]["selector"]["matchLabels"])),
        ]),
        "statefulsets.apps" => columns.extend([
            text("Ready", ready),
            age,
            wide("Containers", |o| containers(o, "name")),
            wide("Images", |o| containers(o, "image")),
        ]),
        "replicasets.apps" => columns.extend([
            whole("Desired", |o| number(o, "/spec/replicas").into()),
            whole("Current", |o| number(o, "/status/replicas").into()),
            whole("Ready", |o| number(o, "/status/readyReplicas").into()),
            age,
            wide("Containers", |o| containers(o, "name")),
            wide("Images", |o| containers(o, "image")),
            wide("Selector", |o| selector(&o["spec"]["selector"]["matchLabels"])),
        ]),
        "daemonsets.apps" => columns.extend([
            whole("Desired", |o| number(o, "/status/desiredNumberScheduled").into()),
            whole("Current", |o| number(o, "/status/currentNumberScheduled").into()),
            whole("Ready", |o| number(o, "/status/numberReady").into()),
            whole("Up-to-date", |o| number(o, "/status/updatedNumberScheduled").into()),
            whole("Available", |o| number(o, "/status/numberAvailable").into()),
            text("Node Selector", |o| selector(&o["spec"]["template"]["spec"]["nodeSelector"])),
            age,
            wide("Containers", |o| containers(o, "name")),
            wide("Images", |o| containers(o, "image")),
            wide("Selector", |o| selector(&o["spec"]["selector"]["matchLabels"])),
        ]),
        "pods" => {
            columns.extend([
                text("Ready", |o| {
                    let list = o["status"]["containerStatuses"].as_array();
                    let ready = list.into_iter().flatten().filter(|one| one["ready"] == true).count();
                    format!("{ready}/{}", count(&o["spec"]["containers"])).into()
                }),
                text("Status", |o| {
                    if meta::is_terminating(o) { "Terminating".into() } else { o["status"]["phase"].clone() }
                }),
                text("Restarts", |o| {
                    let list = o["status"]["containerStatuses"].as_array();
                    let sum: i64 = list.into_iter().flatten().filter_map(|one| one["restartCount"].as_i64()).sum();
                    sum.to_string().into()
                }),
                age,
                wide("IP", |o| o["status"].get("podIP").cloned().unwrap_or_else(|| "<none>".into())),
                wide("Node", |o| o["spec"].get("nodeName").cloned().unwrap_or_else(|| "<none>".into())),
                wide("Nominated Node", |_| "<none>".into()),
                wide("Readiness Gates", |_| "<none>".into()),
            ]);
        }
        "leases.coordination.k8s.io" => {
            columns.push(text("Holder", |o| o["spec"]["holderIdentity"].as_str().unwrap_or_default().into()));
            columns.push(age);
        }
        "roles.rbac.authorization.k8s.io" | "clusterroles.rbac.authorization.k8s.io" => columns.push(Column {
            name: "Created At",
            sort: "date",
            format: "",
            priority: 0,
            cell: Cell::Made(|o| o["metadata"]["creationTimestamp"].clone()),
        }),
        "nodes" => columns.extend([
            text("Status", |o| {
                let list = o["status"]["conditions"].as_array();
                let ready = list.into_iter().flatten().any(|c| c["type"] == "Ready" && c["status"] == "True");
                let state = if ready { "Ready" } else { "NotReady" };
                let off = if o["spec"]["unschedulable"] == true { ",SchedulingDisabled" } else { "" };
                format!("{state}{off}").into()
            }),
            text("Roles", |_| "<none>".into()),
            age,
            text("Version", |o| o["status"]["nodeInfo"]["kubeletVersion"].clone()),
        ]),
        "jobs.batch" => columns.extend([
            text("Status", |o| {
                let list = o["status"]["conditions"].as_array();
                let is = |kind: &str| list.into_iter().flatten().any(|c| c["type"] == kind && c["status"] == "True");
                let word = ["Complete", "Failed", "Suspended"].into_iter().find(|kind| is(kind));
                word.unwrap_or("Running").into()
            }),
            text("Completions", |o| {
                format!("{}/{}", number(o, "/status/succeeded"), number(o, "/spec/completions")).into()
            }),
            text("Duration", |_| "".into()),
            age,
        ]),
        _ => columns.push(age),
    }
    columns
}
