//! What is wrong with quotas, limit ranges and autoscalers: names, amounts and how they stand to each other.

use serde_json::Value;

use super::super::status::Cause;
use super::{list, texts};
use crate::object::{
    Quantity,
    usage::{self, Amounts},
};

const SCOPES: [&str; 7] = [
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
];

/// Names that a quota may limit though they belong to no domain.
fn is_standard(name: &str) -> bool {
    let plain = name.trim_start_matches("requests.").trim_start_matches("limits.");
    usage::about(name).is_some()
        && !name.starts_with("count/")
        && (!name.contains('.')
            || matches!(plain, "cpu" | "memory" | "ephemeral-storage" | "storage")
            || name.starts_with("services."))
}

fn is_counted(name: &str) -> bool {
    name.starts_with("count/")
        || is_standard(name) && !["cpu", "memory", "storage"].iter().any(|amount| name.ends_with(amount))
}

pub(super) fn quota(spec: &Value, found: &mut Vec<Cause>) {
    let hard = spec["hard"].as_object().cloned().unwrap_or_default();
    for (name, value) in &hard {
        let field = format!("spec.hard[{name}]");
        if !is_standard(name) && !name.contains('/') {
            for what in ["must be a standard resource type or fully qualified", "must be a standard resource for quota"]
            {
                found.push(Cause::invalid(&field, &name.as_str().into(), what));
            }
        }
        let Some(amount) = usage::quantity(value) else { continue };
        if amount < Quantity::default() {
            found.push(Cause::invalid(&field, &amount.to_string().into(), "must be greater than or equal to 0"));
        }
        if is_counted(name) && !amount.is_whole() {
            found.push(Cause::invalid(&field, &amount.to_string().into(), "must be an integer"));
        }
    }
    let scopes = &spec["scopes"];
    let mut against = |what: &str| found.push(Cause::invalid("spec.scopes", scopes, what));
    for (_, scope) in list(spec, "scopes") {
        let scope = scope.as_str().unwrap_or_default();
        if !SCOPES.contains(&scope) {
            against("unsupported scope");
            continue;
        }
        for name in hard.keys().filter(|name| is_standard(name)) {
            let fits = if scope == "BestEffort" { name == "pods" } else { usage::about(name) == Some("pods") };
            if !fits {
                against("unsupported scope applied to resource");
            }
        }
    }
    let has = |scope: &str| scopes.as_array().is_some_and(|all| all.iter().any(|one| one == scope));
    for (one, other) in [("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")] {
        if has(one) && has(other) {
            against("conflicting scopes");
        }
    }
}

pub(super) fn limits(spec: &Value, found: &mut Vec<Cause>) {
    let mut sorts: Vec<&str> = Vec::new();
    for (place, limit) in list(spec, "limits") {
        let at = format!("spec.limits[{place}]");
        let sort = texts(limit, "type");
        if sorts.contains(&sort) {
            let message = format!("Duplicate value: {sort:?}");
            found.push(Cause { reason: "FieldValueDuplicate", field: format!("{at}.type"), message });
        }
        sorts.push(sort);
        let is_set = |field: &str| limit[field].as_object().is_some_and(|map| !map.is_empty());
        if sort == "Pod" {
            for field in ["default", "defaultRequest"].into_iter().filter(|field| is_set(field)) {
                let message = "Forbidden: may not be specified when `type` is 'Pod'".to_owned();
                found.push(Cause { reason: "FieldValueForbidden", field: format!("{at}.{field}"), message });
            }
        }
        if sort == "PersistentVolumeClaim" && limit["min"]["storage"].is_null() && limit["max"]["storage"].is_null() {
            let what = "either minimum or maximum storage value is required, but neither was provided";
            found.push(Cause::required(&format!("{at}.limits"), what));
        }
        if sort != "Pod" {
            bounds(&at, limit, found);
        }
    }
}

/// How the least, the most and the defaults of one limit stand to each other.
fn bounds(at: &str, limit: &Value, found: &mut Vec<Cause>) {
    let of = |field: &str| usage::amounts(&limit[field]);
    let (min, max, default, request) = (of("min"), of("max"), of("default"), of("defaultRequest"));
    let mut names: Vec<&String> = [&min, &max, &default, &request].into_iter().flat_map(Amounts::keys).collect();
    names.sort();
    names.dedup();
    for name in names {
        let (min, max) = (min.get(name), max.get(name));
        let (default, request) = (default.get(name), request.get(name));
        let mut against = |field: &str, shown: &Quantity, what: String| {
            found.push(Cause::invalid(&format!("{at}.{field}[{name}]"), &shown.to_string().into(), &what));
        };
        if let (Some(min), Some(max)) = (min, max)
            && min > max
        {
            against("min", min, format!("min value {min} is greater than max value {max}"));
        }
        if let (Some(request), Some(min)) = (request, min)
            && min > request
        {
            against(
                "defaultRequest",
                request,
                format!("min value {min} is greater than default request value {request}"),
            );
        }
        if let (Some(request), Some(max)) = (request, max)
            && request > max
        {
            against(
                "defaultRequest",
                request,
                format!("default request value {request} is greater than max value {max}"),
            );
        }
        if let (Some(request), Some(default)) = (request, default)
            && request > default
        {
            let what = format!("default request value {request} is greater than default limit value {default}");
            against("defaultRequest", request, what);
        }
        if let (Some(default), Some(min)) = (default, min)
            && min > default
        {
            against("default", min, format!("min value {min} is greater than default value {default}"));
        }
        if let (Some(default), Some(max)) = (default, max)
            && default > max
        {
            against("default", max, format!("default value {default} is greater than max value {max}"));
        }
    }
    for (name, ratio) in of("maxLimitRequestRatio") {
        if ratio < Quantity::count(1) {
            let what = format!("ratio {ratio} is less than 1");
            found.push(Cause::invalid(&format!("{at}.maxLimitRequestRatio[{name}]"), &ratio.to_string().into(), &what));
        }
    }
}

pub(super) fn autoscaler(spec: &Value, found: &mut Vec<Cause>) {
    let most = spec["maxReplicas"].as_i64().unwrap_or_default();
    if most < 1 {
        found.push(Cause::invalid("spec.maxReplicas", &most.into(), "must be greater than 0"));
    }
    if most < spec["minReplicas"].as_i64().unwrap_or(1) {
        let what = "must be greater than or equal to `minReplicas`";
        found.push(Cause::invalid("spec.maxReplicas", &most.into(), what));
    }
    let target = &spec["scaleTargetRef"];
    for field in ["kind", "name"] {
        if texts(target, field).is_empty() {
            found.push(Cause::required(&format!("spec.scaleTargetRef.{field}"), ""));
        }
    }
    let version = texts(target, "apiVersion");
    if !version.contains('/') {
        let what = "apiVersion must specify API group";
        found.push(Cause::invalid("spec.scaleTargetRef.apiVersion", &version.into(), what));
    }
}
