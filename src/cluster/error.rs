use std::fmt;

use http::StatusCode;
use serde_json::Value;

use crate::object::path::{at, text};

/// One cause in a server's refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The other field manager, for a conflict of server-side apply.
    pub manager: Option<String>,
    /// The field, e.g. `spec.replicas`; empty where none is named.
    pub field: String,
    /// The server's words.
    pub message: String,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.manager, self.field.is_empty()) {
            (Some(manager), _) => write!(f, "{} is kept by \"{manager}\"", self.field),
            (None, false) => write!(f, "{}: {}", self.field, self.message),
            (None, true) => f.write_str(&self.message),
        }
    }
}

/// Why the cluster did not do or say what was asked. `what` names the request, e.g. `get Deployment/web/site`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are what the messages say")]
pub enum ClusterError {
    /// No API of the server has this kind, also after discovery ran again.
    #[error("the server has no kind `{kind}`{}", did_you_mean(.nearest))]
    NotServed { kind: String, nearest: Vec<String> },
    /// Several API groups have this kind.
    #[error("`{kind}` is in several API groups: write {}", .groups.iter().map(|group| format!("`{kind}.{group}`")).collect::<Vec<_>>().join(" or "))]
    Ambiguous { kind: String, groups: Vec<String> },
    /// Not where the kind has it: a namespace is missing or too much, a port is not there.
    #[error("{message}")]
    Scope { message: String },
    /// 401.
    #[error("{what}: the server does not accept these credentials: {message}")]
    Unauthorized { what: String, message: String },
    /// 403.
    #[error("{what}: not permitted: {message}")]
    Forbidden { what: String, message: String },
    /// No answer that counts: connect, time-out, 429, 5xx, something that is not JSON.
    /// `sent` says that the request may have reached the server.
    #[error("{what}: the API server cannot be reached: {message}")]
    Unreachable { what: String, message: String, sent: bool },
    /// 409: another field manager keeps fields, or the object is not as it was.
    #[error("{what}: conflict: {}", list(.message, .causes))]
    Conflict { what: String, message: String, causes: Vec<Cause> },
    /// 422, or a field that the schema does not have.
    #[error("{what}: invalid: {}", list(.message, .causes))]
    Invalid { what: String, message: String, causes: Vec<Cause> },
    /// The object is not there, where it has to be.
    #[error("{what}: not found")]
    NotFound { what: String },
    /// The namespace is not there.
    #[error("{what}: namespace `{namespace}` does not exist")]
    NamespaceMissing { what: String, namespace: String },
    /// Any other refusal.
    #[error("{what}: refused ({code}{}): {message}", if .reason.is_empty() { String::new() } else { format!(" {}", .reason) })]
    Rejected { what: String, code: u16, reason: String, message: String },
    /// 410: the resourceVersion is too old.
    #[error("{what}: the resourceVersion is too old: {message}")]
    Gone { what: String, message: String },
    /// The run was asked to end before the answer came.
    #[error("{what}: cancelled")]
    Cancelled { what: String },
    /// The time was over before the answer came.
    #[error("{what}: no answer before the deadline")]
    Deadline { what: String },
    /// The kubeconfig cannot be used.
    #[error("{message}")]
    Config { message: String, help: Vec<String> },
    /// Not an object that could be sent.
    #[error("{message}")]
    Object { message: String },
}

impl ClusterError {
    /// Whether the server gave no answer that counts, so that the same request may do better later.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// Whether a change that ended so may have happened all the same.
    pub fn may_have_happened(&self) -> bool {
        matches!(self, Self::Unreachable { sent: true, .. } | Self::Cancelled { .. } | Self::Deadline { .. })
    }

    /// What to do about it, a line each.
    pub fn help(&self) -> Vec<String> {
        match self {
            Self::Config { help, .. } => help.clone(),
            Self::Unauthorized { .. } => vec!["renew the credentials of this kube-context, then try again".into()],
            Self::Conflict { causes, .. } => causes
                .iter()
                .find_map(|cause| cause.manager.as_ref())
                .map(|manager| vec![format!("leave the field out, or adopt it: #{{ take_over: \"{manager}\" }}")])
                .unwrap_or_default(),
            _ => vec![],
        }
    }
}

fn did_you_mean(nearest: &[String]) -> String {
    if nearest.is_empty() {
        return String::new();
    }
    format!(": did you mean {}?", nearest.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or "))
}

fn list(message: &str, causes: &[Cause]) -> String {
    if causes.is_empty() {
        return message.to_owned();
    }
    causes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// What a request was, so that an error can name it.
#[derive(Clone, Debug)]
pub(super) struct What {
    /// `get Deployment/web/site`.
    pub text: String,
    /// The kind that is asked for, as a person would write it.
    pub kind: String,
    /// The namespace that the request is made in.
    pub namespace: Option<String>,
}

/// The error for an answer that is not a success.
pub(super) fn from_answer(code: StatusCode, body: &[u8], what: &What) -> ClusterError {
    let status: Option<Value> = serde_json::from_slice(body).ok().filter(|v: &Value| v["kind"] == "Status");
    match status {
        Some(status) => from_status(code.as_u16(), &status, what),
        None => from_text(code, body, what),
    }
}

fn from_text(code: StatusCode, body: &[u8], what: &What) -> ClusterError {
    let message = excerpt(body);
    let what_text = what.text.clone();
    match code.as_u16() {
        // an unserved path is answered in plain text
        404 => ClusterError::NotServed { kind: what.kind.clone(), nearest: vec![] },
        401 => ClusterError::Unauthorized { what: what_text, message },
        403 => ClusterError::Forbidden { what: what_text, message },
        410 => ClusterError::Gone { what: what_text, message },
        400..=499 if code != StatusCode::TOO_MANY_REQUESTS => {
            ClusterError::Rejected { what: what_text, code: code.as_u16(), reason: String::new(), message }
        }
        _ => {
            let sent = code != StatusCode::TOO_MANY_REQUESTS;
            ClusterError::Unreachable { what: what_text, message: format!("it answered {code}: {message}"), sent }
        }
    }
}

/// The error for a `Status` object, of an answer or of a watch.
pub(super) fn from_status(code: u16, status: &Value, what: &What) -> ClusterError {
    let code =
        status["code"].as_u64().and_then(|code| u16::try_from(code).ok()).filter(|code| *code > 0).unwrap_or(code);
    let message = text(status, "message").unwrap_or("no message").to_owned();
    let reason = text(status, "reason").unwrap_or_default().to_owned();
    let causes = causes(status);
    let what_text = what.text.clone();
    match code {
        401 => ClusterError::Unauthorized { what: what_text, message },
        403 => ClusterError::Forbidden { what: what_text, message },
        404 if at(status, "details.kind") == Some(&Value::from("namespaces")) && what.namespace.is_some() => {
            let namespace = what.namespace.clone().unwrap_or_default();
            ClusterError::NamespaceMissing { what: what_text, namespace }
        }
        // the server's words for a path that it does not serve
        404 if message.contains("could not find the requested resource") => {
            ClusterError::NotServed { kind: what.kind.clone(), nearest: vec![] }
        }
        404 => ClusterError::NotFound { what: what_text },
        409 if reason != "AlreadyExists" => ClusterError::Conflict { what: what_text, message, causes },
        410 => ClusterError::Gone { what: what_text, message },
        422 => ClusterError::Invalid { what: what_text, message, causes },
        // server-side apply answers 500 or 400 for a field that the schema does not have
        400 | 500 if message.contains("field not declared in schema") || message.contains("strict decoding error") => {
            ClusterError::Invalid { what: what_text, message, causes: vec![] }
        }
        429 | 500.. => {
            // 429 says that the request was not taken up
            let sent = code != 429;
            ClusterError::Unreachable { what: what_text, message: format!("it answered {code}: {message}"), sent }
        }
        _ => ClusterError::Rejected { what: what_text, code, reason, message },
    }
}

fn causes(status: &Value) -> Vec<Cause> {
    let Some(causes) = at(status, "details.causes").and_then(Value::as_array) else { return vec![] };
    causes
        .iter()
        .map(|cause| {
            let message = text(cause, "message").unwrap_or_default().to_owned();
            let manager = (text(cause, "reason") == Some("FieldManagerConflict"))
                // `conflict with "kubectl-client-side-apply" using apps/v1`
                .then(|| message.split('"').nth(1).unwrap_or(&message).to_owned());
            let field = text(cause, "field").unwrap_or_default().trim_start_matches('.').to_owned();
            Cause { manager, field, message }
        })
        .collect()
}

/// The first words of an answer that is not what it should be.
pub(super) fn excerpt(body: &[u8]) -> String {
    let body = String::from_utf8_lossy(&body[..body.len().min(400)]);
    let words = body.split_whitespace().collect::<Vec<_>>().join(" ");
    let short: String = words.chars().filter(|c| !c.is_control()).take(120).collect();
    if short.is_empty() { "an empty answer".into() } else { short }
}
