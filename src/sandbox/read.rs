//! Get and list: how stored objects are shown.

use std::borrow::Cow;
use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};

use super::kinds::Kind;
use super::meta;
use super::request::{Call, Place};
use super::secrets;
use super::selector::Selector;
use super::status::{ApiError, Cause};
use super::store::Store;
use super::table;

/// How much of an object a client asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Whole,
    /// Only type and metadata.
    Metadata,
}

impl Form {
    pub fn of(call: &Call) -> Self {
        if call.accept.contains("as=PartialObjectMetadata") { Self::Metadata } else { Self::Whole }
    }
}

/// The object in the version of the place and the form asked for.
pub(crate) fn shown<'a>(place: &Place, form: Form, object: &'a Value) -> Cow<'a, Value> {
    if form == Form::Metadata {
        return Cow::Owned(json!({
            "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"],
        }));
    }
    let version = place.api_version();
    if object["apiVersion"] == version.as_str() || object["kind"] != place.kind.kind.as_str() {
        return Cow::Borrowed(object);
    }
    let mut other = object.clone();
    other["apiVersion"] = version.into();
    Cow::Owned(other)
}

/// An item of a list of a built-in kind, which carries no type of its own.
struct Untyped<'a>(&'a Map<String, Value>);

impl Serialize for Untyped<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (field, value) in self.0.iter().filter(|(field, _)| !matches!(field.as_str(), "kind" | "apiVersion")) {
            map.serialize_entry(field, value)?;
        }
        map.end()
    }
}

/// `GET` of a collection, written out as JSON.
pub(crate) fn list(store: &Store, place: &Place, call: &Call) -> Result<Vec<u8>, ApiError> {
    let selector = Selector::parse(&place.kind, call.query.text("labelSelector"), call.query.text("fieldSelector"))?;
    options_fit(call, false)?;
    let (objects, version) = store.list(&place.kind.resource(), place.namespace.as_deref());
    check_version(call, version)?;
    let page = Page::of(call, version)?;
    let matching = objects.iter().filter(|object| selector.matches(object)).filter(|object| page.is_after(object));
    let mut items: Vec<&Arc<Value>> = matching.collect();
    let mut metadata = json!({"resourceVersion": page.version.to_string()});
    if place.kind.is_custom() && !table::wanted(call) {
        metadata["continue"] = "".into(); // what a server writes for these kinds only
    }
    if page.limit > 0 && items.len() > page.limit {
        let left = items.len() - page.limit;
        items.truncate(page.limit);
        if let Some(last) = items.last() {
            metadata["continue"] = page.token(last).into();
        }
        if call.query.text("labelSelector").is_empty() && call.query.text("fieldSelector").is_empty() {
            metadata["remainingItemCount"] = left.into();
        }
    }
    if table::wanted(call) {
        let objects: Vec<&Value> = items.iter().map(|object| &***object).collect();
        return serde_json::to_vec(&table::table(place, call.query.text("includeObject"), &metadata, &objects))
            .map_err(ApiError::internal);
    }
    written(place, Form::of(call), &metadata, &items)
}

/// Checks the options of a list or a watch against each other.
pub(crate) fn options_fit(call: &Call, watch: bool) -> Result<(), ApiError> {
    for name in ["limit", "timeoutSeconds"] {
        let text = call.query.text(name);
        if !text.is_empty() && text.parse::<i64>().is_err() {
            return Err(ApiError::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax")));
        }
    }
    let refused = |field: &str, reason: &'static str, message: String| {
        let cause = Cause { reason, field: field.to_owned(), message };
        Err(ApiError::invalid_as("meta.k8s.io", "ListOptions", "", &[cause]))
    };
    let forbidden = |field: &str, why: &str| refused(field, "FieldValueForbidden", format!("Forbidden: {why}"));
    let (rule, version) = (call.query.text("resourceVersionMatch"), call.query.text("resourceVersion"));
    let initial = call.query.all("sendInitialEvents").next().is_some();
    if !watch && initial {
        return forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list");
    }
    if watch && initial && rule != "NotOlderThan" {
        return forbidden(
            "resourceVersionMatch",
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        );
    }
    if watch && !initial && !rule.is_empty() {
        return forbidden(
            "resourceVersionMatch",
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        );
    }
    if watch || rule.is_empty() {
        return Ok(());
    }
    if version.is_empty() {
        return forbidden(
            "resourceVersionMatch",
            "resourceVersionMatch is forbidden unless resourceVersion is provided",
        );
    }
    match rule {
        "Exact" if version == "0" => {
            forbidden("resourceVersionMatch", "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"")
        }
        "Exact" | "NotOlderThan" => Ok(()),
        other => refused(
            "resourceVersionMatch",
            "FieldValueNotSupported",
            format!("Unsupported value: {other:?}: supported values: \"Exact\", \"NotOlderThan\", \"\""),
        ),
    }
}

/// A list object around the items.
pub(crate) fn written(place: &Place, form: Form, metadata: &Value, items: &[&Arc<Value>]) -> Result<Vec<u8>, ApiError> {
    let failed = |e: serde_json::Error| ApiError::internal(e);
    let head = match form {
        Form::Whole => {
            json!({"kind": place.kind.list_kind, "apiVersion": place.api_version(), "metadata": metadata})
        }
        Form::Metadata => {
            json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata})
        }
    };
    let mut out = serde_json::to_vec(&head).map_err(failed)?;
    out.pop(); // the closing brace comes after the items
    out.extend_from_slice(b",\"items\":[");
    for (place_in_list, object) in items.iter().enumerate() {
        if place_in_list > 0 {
            out.push(b',');
        }
        let object = shown(place, form, object);
        match object.as_object() {
            Some(map) if form == Form::Whole && !place.kind.is_custom() => {
                serde_json::to_writer(&mut out, &Untyped(map)).map_err(failed)?;
            }
            _ => serde_json::to_writer(&mut out, &*object).map_err(failed)?,
        }
    }
    out.extend_from_slice(b"]}");
    Ok(out)
}

/// Refuses a resourceVersion that is no number, or from the future.
fn check_version(call: &Call, current: u64) -> Result<(), ApiError> {
    let asked = version_of(call)?;
    if asked > current {
        let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
        let details = json!({"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}], "retryAfterSeconds": 1});
        return Err(ApiError::new(504, "Timeout", message, Some(details)));
    }
    Ok(())
}

/// As [`check_version`], in the words of a read of one object.
pub(crate) fn version_fits(call: &Call, current: u64) -> Result<(), ApiError> {
    number_of(call)?;
    check_version(call, current)
}

fn number_of(call: &Call) -> Result<u64, ApiError> {
    let text = call.query.text("resourceVersion");
    if text.is_empty() {
        return Ok(0);
    }
    text.parse().map_err(|_| {
        let why =
            format!("resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax");
        ApiError::new(500, "", why, None)
    })
}

/// Where a watch starts; 0 when nothing is said.
pub(crate) fn watched_from(call: &Call) -> Result<u64, ApiError> {
    number_of(call)
}

/// The resourceVersion of a read; 0 when none is given.
fn version_of(call: &Call) -> Result<u64, ApiError> {
    let text = call.query.text("resourceVersion");
    if text.is_empty() {
        return Ok(0);
    }
    text.parse().map_err(|_| {
        let why = format!("Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax");
        ApiError::bad_request(format!("invalid resource version: resourceVersion: {why}"))
    })
}

/// Which part of a list is asked for.
struct Page {
    limit: usize,
    /// The version of the list's first page.
    version: u64,
    after: Option<(String, String)>,
}

impl Page {
    fn of(call: &Call, version: u64) -> Result<Self, ApiError> {
        let limit = call.query.text("limit").parse().unwrap_or_default();
        let token = call.query.text("continue");
        if token.is_empty() {
            return Ok(Self { limit, version, after: None });
        }
        let read =
            secrets::decode(token).and_then(|bytes| serde_json::from_slice::<(u64, String, String)>(&bytes).ok());
        let (version, namespace, name) = read.ok_or_else(|| {
            let why = if token.len() % 4 == 1 {
                "illegal base64 data at input byte 0"
            } else {
                "invalid character '\\u009e' looking for beginning of value"
            };
            ApiError::bad_request(format!("invalid continue token: continue key is not valid: {why}"))
        })?;
        if !matches!(call.query.text("resourceVersion"), "" | "0") {
            return Err(ApiError::bad_request("specifying resource version is not allowed when using continue"));
        }
        Ok(Self { limit, version, after: Some((namespace, name)) })
    }

    fn is_after(&self, object: &Value) -> bool {
        let Some((namespace, name)) = &self.after else {
            return true;
        };
        (meta::namespace(object), meta::name(object)) > (namespace.as_str(), name.as_str())
    }

    fn token(&self, last: &Value) -> String {
        secrets::encode(json!([self.version, meta::namespace(last), meta::name(last)]).to_string().as_bytes())
    }
}

/// The answer to a kind that is asked and not kept, such as an access review: everything is allowed here.
pub(crate) fn reviewed(kind: &Kind, mut review: Value) -> Value {
    let user = json!({"username": "sandbox", "groups": ["system:masters", "system:authenticated"]});
    review["status"] = match kind.kind.as_str() {
        "SelfSubjectReview" => json!({"userInfo": user}),
        "TokenReview" => json!({"authenticated": true, "user": user}),
        "SelfSubjectRulesReview" => json!({
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            "incomplete": false,
        }),
        _ => json!({"allowed": true}),
    };
    review
}
