//! Errors as a Kubernetes API server words them: `Status` objects, or plain text for paths that are not served.

use serde_json::{Value, json};

use super::kinds::Kind;

/// A request that was not carried out: what the client gets to read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ApiError {
    /// A `Status` object with its HTTP code.
    Status(Box<Failure>),
    /// `404 page not found`, as text: no such path or kind is served.
    NoSuchPath,
}

/// The content of a failing `Status`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failure {
    pub code: u16,
    pub reason: &'static str,
    pub message: String,
    pub details: Option<Value>,
}

/// One cause under `details.causes` of an `Invalid` status.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cause {
    pub reason: &'static str,
    pub field: String,
    pub message: String,
}

impl Cause {
    pub fn required(field: &str, detail: &str) -> Self {
        let message = if detail.is_empty() { "Required value".to_owned() } else { format!("Required value: {detail}") };
        Self { reason: "FieldValueRequired", field: field.to_owned(), message }
    }

    pub fn invalid(field: &str, value: &Value, detail: &str) -> Self {
        Self {
            reason: "FieldValueInvalid",
            field: field.to_owned(),
            message: format!("Invalid value: {value}: {detail}"),
        }
    }
}

/// `deployments.apps`: how a server names a resource in a message.
pub(crate) fn qualified(group: &str, plural: &str) -> String {
    if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") }
}

fn details(group: &str, kind: &str, name: &str) -> Value {
    let mut map = serde_json::Map::new();
    if !name.is_empty() {
        map.insert("name".into(), name.into());
    }
    if !group.is_empty() {
        map.insert("group".into(), group.into());
    }
    map.insert("kind".into(), kind.into());
    Value::Object(map)
}

impl ApiError {
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>, details: Option<Value>) -> Self {
        Self::Status(Box::new(Failure { code, reason, message: message.into(), details }))
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message, None)
    }

    pub fn not_found(kind: &Kind, name: &str) -> Self {
        Self::named(404, "NotFound", kind, name, "not found")
    }

    pub fn namespace_not_found(name: &str) -> Self {
        Self::new(404, "NotFound", format!("namespaces {name:?} not found"), Some(details("", "namespaces", name)))
    }

    pub fn already_exists(kind: &Kind, name: &str) -> Self {
        Self::named(409, "AlreadyExists", kind, name, "already exists")
    }

    /// The name is taken by an object on its way out.
    pub fn being_deleted(kind: &Kind, name: &str) -> Self {
        let message =
            format!("object is being deleted: {} {name:?} already exists", qualified(&kind.group, &kind.plural));
        Self::new(409, "AlreadyExists", message, Some(details(&kind.group, &kind.plural, name)))
    }

    fn named(code: u16, reason: &'static str, kind: &Kind, name: &str, what: &str) -> Self {
        let message = format!("{} {name:?} {what}", qualified(&kind.group, &kind.plural));
        Self::new(code, reason, message, Some(details(&kind.group, &kind.plural, name)))
    }

    pub fn conflict(kind: &Kind, name: &str, why: &str) -> Self {
        let message =
            format!("Operation cannot be fulfilled on {} {name:?}: {why}", qualified(&kind.group, &kind.plural));
        Self::new(409, "Conflict", message, Some(details(&kind.group, &kind.plural, name)))
    }

    /// As [`Self::conflict`], in the words of a failed delete, which name the kind.
    pub fn delete_conflict(kind: &Kind, name: &str, why: &str) -> Self {
        let message =
            format!("Operation cannot be fulfilled on {} {name:?}: {why}", qualified(&kind.group, &kind.kind));
        Self::new(409, "Conflict", message, Some(details(&kind.group, &kind.kind, name)))
    }

    pub fn modified(kind: &Kind, name: &str) -> Self {
        Self::conflict(
            kind,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    pub fn forbidden(kind: &Kind, name: &str, why: &str, causes: Option<Value>) -> Self {
        let mut about = details(&kind.group, &kind.plural, name);
        if let Some(causes) = causes {
            about["causes"] = causes;
        }
        let message = format!("{} {name:?} is forbidden: {why}", qualified(&kind.group, &kind.plural));
        Self::new(403, "Forbidden", message, Some(about))
    }

    pub fn invalid(kind: &Kind, name: &str, causes: &[Cause]) -> Self {
        Self::invalid_as(&kind.group, &kind.kind, name, causes)
    }

    /// `Invalid` for things that are not of a served kind, such as request options.
    pub fn invalid_as(group: &str, kind: &str, name: &str, causes: &[Cause]) -> Self {
        let mut lines: Vec<String> = causes.iter().map(|c| format!("{}: {}", c.field, c.message)).collect();
        lines.dedup();
        let what = match lines.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let listed: Vec<Value> =
            causes.iter().map(|c| json!({"reason": c.reason, "message": c.message, "field": c.field})).collect();
        let mut about = details(group, kind, name);
        about["causes"] = Value::Array(listed);
        let message = format!("{} {name:?} is invalid: {what}", qualified(group, kind));
        Self::new(422, "Invalid", message, Some(about))
    }

    pub fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(405, "MethodNotAllowed", message, Some(json!({})))
    }

    /// A group that is served has no such resource.
    pub fn no_such_resource() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource", Some(json!({})))
    }

    pub fn unsupported_media_type(accepted: &[&str]) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {}",
            accepted.join(", ")
        );
        Self::new(415, "UnsupportedMediaType", message, None)
    }

    pub fn too_large() -> Self {
        Self::new(413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728", Some(json!({})))
    }

    /// The watch cannot start where it is asked to: its past is forgotten.
    pub fn expired(asked: u64, oldest: u64) -> Self {
        Self::new(410, "Expired", format!("too old resource version: {asked} ({oldest})"), None)
    }

    pub fn internal(message: impl std::fmt::Display) -> Self {
        let message = format!("Internal error occurred: {message}");
        let about = json!({"causes": [{"message": message}]});
        Self::new(500, "InternalError", message, Some(about))
    }

    /// The HTTP code.
    pub fn code(&self) -> u16 {
        match self {
            Self::Status(failure) => failure.code,
            Self::NoSuchPath => 404,
        }
    }

    /// The `Status` object; a path that is not served has one too, for watch streams.
    pub fn body(&self) -> Value {
        match self {
            Self::NoSuchPath => json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": "the server could not find the requested resource", "reason": "NotFound", "details": {}, "code": 404,
            }),
            Self::Status(failure) => {
                let mut body = json!({
                    "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                    "message": failure.message, "code": failure.code,
                });
                if !failure.reason.is_empty() {
                    body["reason"] = failure.reason.into();
                }
                if let Some(details) = &failure.details {
                    body["details"] = details.clone();
                }
                body
            }
        }
    }
}

/// The `Status` of a delete that removed the object.
pub(crate) fn deleted(kind: &Kind, name: &str, uid: &str) -> Value {
    let mut about = details(&kind.group, &kind.plural, name);
    about["uid"] = uid.into();
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": about})
}
