//! Label and field selectors of lists, watches and collection deletes.

use serde_json::Value;

use super::kinds::Kind;
use super::meta;
use super::status::ApiError;

/// What an object has to match.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Selector {
    labels: Vec<Requirement>,
    /// Path, wanted value, whether it must be equal.
    fields: Vec<(String, String, bool)>,
}

#[derive(Debug, Clone, PartialEq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
    Greater(i64),
    Less(i64),
}

impl Selector {
    /// Reads both selectors of a request; empty text selects everything.
    pub fn parse(kind: &Kind, labels: &str, fields: &str) -> Result<Self, ApiError> {
        Ok(Self { labels: parse_labels(labels)?, fields: parse_fields(kind, fields)? })
    }

    pub fn matches(&self, object: &Value) -> bool {
        self.labels.iter().all(|requirement| requirement.matches(object))
            && self.fields.iter().all(|(path, wanted, equal)| (field_text(object, path) == *wanted) == *equal)
    }
}

impl Requirement {
    fn matches(&self, object: &Value) -> bool {
        let value = object["metadata"]["labels"].get(&self.key).and_then(Value::as_str);
        let number = || value.and_then(|text| text.parse::<i64>().ok());
        match &self.test {
            Test::In(wanted) => value.is_some_and(|value| wanted.iter().any(|w| w == value)),
            Test::NotIn(unwanted) => value.is_none_or(|value| unwanted.iter().all(|w| w != value)),
            Test::Exists => value.is_some(),
            Test::Absent => value.is_none(),
            Test::Greater(bound) => number().is_some_and(|n| n > *bound),
            Test::Less(bound) => number().is_some_and(|n| n < *bound),
        }
    }
}

/// Whether a `LabelSelector` of an object, with `matchLabels` and `matchExpressions`, selects these labels.
pub(crate) fn selects(selector: &Value, labels: &Value) -> bool {
    let equal = selector["matchLabels"].as_object().into_iter().flatten();
    let listed = selector["matchExpressions"].as_array().into_iter().flatten();
    equal.into_iter().all(|(key, value)| labels.get(key) == Some(value))
        && listed.into_iter().all(|one| {
            let value = one["key"].as_str().and_then(|key| labels.get(key));
            let among = value.is_some_and(|value| one["values"].as_array().is_some_and(|list| list.contains(value)));
            match one["operator"].as_str() {
                Some("In") => among,
                Some("NotIn") => !among,
                Some("Exists") => value.is_some(),
                Some("DoesNotExist") => value.is_none(),
                _ => false,
            }
        })
}

/// Splits at commas that are not inside parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (place, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..place]);
                start = place + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn parse_labels(text: &str) -> Result<Vec<Requirement>, ApiError> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    split(text).into_iter().map(|part| requirement(part.trim())).collect()
}

fn requirement(part: &str) -> Result<Requirement, ApiError> {
    let wrong = |why: &str| ApiError::bad_request(format!("unable to parse requirement: {why}"));
    let made = |key: &str, test: Test| {
        let key = key.trim();
        let words: Vec<&str> = key.split_whitespace().collect();
        if key.is_empty() {
            let sign = part.chars().next().map(String::from).unwrap_or_default();
            return Err(ApiError::bad_request(format!("found '{sign}', expected: !, identifier, or 'end of string'")));
        }
        if let [_, second, ..] = words.as_slice() {
            return Err(wrong(&format!("found '{second}', expected: in, notin, =, ==, !=, gt, lt")));
        }
        if super::admit::label_key_misfit("", key).is_none() {
            Ok(Requirement { key: key.to_owned(), test })
        } else {
            Err(wrong(&format!(
                "<nil>: Invalid value: {key:?}: a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )))
        }
    };
    let one = |value: &str| match value.split_whitespace().nth(1) {
        Some(second) => Err(ApiError::bad_request(format!("found '{second}', expected: ',' or 'end of string'"))),
        None => Ok(vec![value.trim().to_owned()]),
    };
    if let Some(key) = part.strip_prefix('!') {
        return made(key, Test::Absent);
    }
    if let Some((key, value)) = part.split_once("!=") {
        return made(key, Test::NotIn(one(value)?));
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return made(key, Test::In(one(value)?));
    }
    for (sign, greater) in [('>', true), ('<', false)] {
        if let Some((key, value)) = part.split_once(sign) {
            let bound = value.trim().parse().map_err(|_| {
                let value = value.trim();
                wrong(&format!(
                    "values[0]: Invalid value: {value:?}: for 'Gt', 'Lt' operators, the value must be an integer"
                ))
            })?;
            return made(key, if greater { Test::Greater(bound) } else { Test::Less(bound) });
        }
    }
    if let Some(open) = part.find('(') {
        let close =
            part.rfind(')').filter(|close| *close > open).ok_or_else(|| wrong("found '', expected: ',' or ')'"))?;
        let values = part[open + 1..close].split(',').map(|v| v.trim().to_owned()).collect();
        let mut words = part[..open].split_whitespace();
        let key = words.next().unwrap_or_default();
        return match words.next() {
            Some("in") => made(key, Test::In(values)),
            Some("notin") => made(key, Test::NotIn(values)),
            other => {
                Err(wrong(&format!("found '{}', expected: in, notin, =, ==, !=, gt, lt", other.unwrap_or_default())))
            }
        };
    }
    made(part, Test::Exists)
}

fn parse_fields(kind: &Kind, text: &str) -> Result<Vec<(String, String, bool)>, ApiError> {
    let mut fields = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (path, value, equal) = if let Some((path, value)) = part.split_once("!=") {
            (path, value, false)
        } else if let Some((path, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
            (path, value, true)
        } else {
            return Err(ApiError::bad_request(format!("invalid selector: '{text}'; can't understand '{part}'")));
        };
        if !selectable(kind, path) {
            return Err(not_selectable(kind, path));
        }
        fields.push((path.to_owned(), value.to_owned(), equal));
    }
    Ok(fields)
}

fn selectable(kind: &Kind, path: &str) -> bool {
    if path == "metadata.name" || (path == "metadata.namespace" && kind.namespaced) {
        return true;
    }
    more_fields(kind).contains(&path)
}

fn not_selectable(kind: &Kind, path: &str) -> ApiError {
    let known = if kind.namespaced { r#""metadata.name", "metadata.namespace""# } else { r#""metadata.name""# };
    ApiError::bad_request(if more_fields(kind).is_empty() {
        format!("{path:?} is not a known field selector: only {known}")
    } else {
        format!("field label not supported: {path}")
    })
}

/// What can be selected by beside name and namespace.
fn more_fields(kind: &Kind) -> &'static [&'static str] {
    match kind.resource().as_str() {
        "pods" => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "status.phase",
            "status.podIP",
        ],
        "events" => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        "secrets" => &["type"],
        "namespaces" => &["status.phase"],
        "nodes" => &["spec.unschedulable"],
        "replicationcontrollers" => &["status.replicas"],
        "jobs.batch" => &["status.successful"],
        "services" => &["spec.clusterIP", "spec.type"],
        _ => &[],
    }
}

fn field_text(object: &Value, path: &str) -> String {
    match meta::at(object, path) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(flag)) => flag.to_string(),
        _ if path == "spec.unschedulable" => "false".to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::kinds::Registry;
    use super::*;
    use serde_json::json;

    fn selects(labels: &str, fields: &str) -> Result<bool, ApiError> {
        let registry = Registry::new(std::iter::empty());
        let kind = registry.by_resource("pods").expect("built in");
        let pod =
            json!({"metadata": {"name": "a", "labels": {"app": "web", "tier": "3"}}, "status": {"phase": "Running"}});
        Ok(Selector::parse(kind, labels, fields)?.matches(&pod))
    }

    #[test]
    fn every_form_of_label_selector_is_understood() {
        for (selector, expected) in [
            ("", true),
            ("app=web", true),
            ("app==web", true),
            ("app!=web", false),
            ("other!=web", true),
            ("app", true),
            ("!app", false),
            ("!other", true),
            ("app in (web,api)", true),
            ("app notin (web, api)", false),
            ("tier>2", true),
            ("tier<2", false),
            ("app=web,tier in (1,2)", false),
            ("app in (web),tier", true),
        ] {
            assert_eq!(selects(selector, ""), Ok(expected), "{selector}");
        }
    }

    #[test]
    fn field_selectors_are_those_of_the_kind() {
        assert_eq!(selects("", "metadata.name=a,status.phase!=Failed"), Ok(true));
        assert_eq!(selects("", "metadata.name=b"), Ok(false));
        assert_eq!(selects("", "spec.color=red"), Err(ApiError::bad_request("field label not supported: spec.color")));
    }

    #[test]
    fn a_broken_label_selector_is_a_bad_request() {
        for broken in ["=", "a in web", "a b c (x)", "tier>x", "a in (x"] {
            assert!(selects(broken, "").is_err(), "{broken}");
        }
    }
}
