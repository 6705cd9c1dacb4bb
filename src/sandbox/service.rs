//! The tower service: from an HTTP request to an HTTP response.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT, WARNING};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use serde_json::Value;
use tower::{BoxError, Service};

use super::read::{self, Form};
use super::request::{Call, Place, Query, Target, target};
use super::status::ApiError;
use super::store::Store;
use super::{Body, Sandbox, behind, discovery, openapi, patch, pods, protobuf, remove, table, watch, write};

/// The largest body a server takes, in bytes.
const LARGEST_BODY: usize = 3 * 1024 * 1024;

/// A [`Sandbox`] as a service: clone it freely, all clones answer from the same state.
#[derive(Debug, Clone)]
pub struct SandboxService {
    sandbox: Sandbox,
}

impl SandboxService {
    pub(crate) fn new(sandbox: Sandbox) -> Self {
        Self { sandbox }
    }
}

impl<B> Service<Request<B>> for SandboxService
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let sandbox = self.sandbox.clone();
        Box::pin(async move {
            sandbox.wake_controllers();
            let (head, body) = request.into_parts();
            let answer = match Limited::new(body, LARGEST_BODY).collect().await {
                Ok(body) => {
                    let mut call = Call {
                        method: head.method,
                        path: head.uri.path().to_owned(),
                        query: Query::parse(head.uri.query().unwrap_or_default()),
                        accept: header(&head.headers, ACCEPT.as_str()),
                        content_type: header(&head.headers, CONTENT_TYPE.as_str()),
                        user_agent: header(&head.headers, USER_AGENT.as_str()),
                        body: body.to_bytes(),
                        warnings: RefCell::default(),
                    };
                    let answered = as_json(&mut call).and_then(|()| answer(sandbox.store(), &call));
                    let answered = answered.unwrap_or_else(|error| refusal(&error));
                    Ok(as_accepted(warned(answered, &call), &call))
                }
                Err(error) if error.is::<LengthLimitError>() => Err(ApiError::too_large()),
                Err(error) => Err(ApiError::bad_request(format!("the body could not be read: {error}"))),
            };
            Ok(answer.unwrap_or_else(|error| refusal(&error)))
        })
    }
}

/// A body in protobuf becomes the JSON that it stands for.
fn as_json(call: &mut Call) -> Result<(), ApiError> {
    if call.content_type.split(';').next().unwrap_or_default().trim() == protobuf::SORT && !call.body.is_empty() {
        call.body = protobuf::object(&call.body)?.to_string().into();
        call.content_type = "application/json".into();
    }
    Ok(())
}

/// JSON is YAML, too: who asks for YAML first is told that it is.
fn as_accepted(mut response: Response<Body>, call: &Call) -> Response<Body> {
    let json = response.headers().get(CONTENT_TYPE).is_some_and(|sort| sort == "application/json");
    if json && call.accept.starts_with("application/yaml") {
        response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/yaml"));
    }
    response
}

/// The answer with the warnings that came up.
fn warned(mut response: Response<Body>, call: &Call) -> Response<Body> {
    for warning in call.warnings.borrow().iter() {
        if let Ok(value) = format!("299 - {warning:?}").parse() {
            response.headers_mut().append(WARNING, value);
        }
    }
    response
}

fn header(headers: &HeaderMap, name: &str) -> String {
    let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    values.join(",")
}

fn respond(code: u16, sort: &str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Full::new(body.into()).boxed_unsync());
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Ok(sort) = sort.parse() {
        response.headers_mut().insert(CONTENT_TYPE, sort);
    }
    response
}

pub(crate) fn refusal(error: &ApiError) -> Response<Body> {
    match error {
        ApiError::NoSuchPath => respond(404, "text/plain; charset=utf-8", "404 page not found\n"),
        ApiError::Status(_) => respond(error.code(), "application/json", error.body().to_string()),
    }
}

pub(crate) fn json(code: u16, value: &Value) -> Response<Body> {
    respond(code, "application/json", value.to_string())
}

fn answer(store: &Arc<Store>, call: &Call) -> Result<Response<Body>, ApiError> {
    match pods::answer(store, call).transpose()? {
        Some(pods::Answer::Text(text)) => return Ok(respond(200, "text/plain", text)),
        Some(pods::Answer::Json(code, body)) => return Ok(json(code, &body)),
        None => {}
    }
    if let Some((code, body)) = behind::answer(store, call).transpose()? {
        return Ok(json(code, &body));
    }
    let registry = store.registry();
    let target = target(&registry, &call.path)?;
    let documents = matches!(target, Target::Group(_) | Target::Core | Target::Groups);
    if !documents && !matches!(target, Target::Objects(_)) && !matches!(call.method, Method::GET | Method::HEAD) {
        return Err(ApiError::method_not_allowed());
    }
    let aggregated = discovery::wants_aggregated(&call.accept);
    match target {
        Target::Version => Ok(json(200, &discovery::version())),
        Target::Health => Ok(respond(200, "text/plain; charset=utf-8", "ok")),
        Target::Core if aggregated => {
            Ok(respond(200, discovery::AGGREGATED, discovery::aggregated(&registry, true).to_string()))
        }
        Target::Groups if aggregated => {
            Ok(respond(200, discovery::AGGREGATED, discovery::aggregated(&registry, false).to_string()))
        }
        Target::Core => Ok(json(200, &discovery::core())),
        Target::Groups => Ok(json(200, &discovery::groups(&registry))),
        Target::Group(group) => Ok(json(200, &discovery::group(&registry, &group))),
        Target::Resources(group, version) => Ok(json(200, &discovery::resources(&registry, &group, &version))),
        Target::OpenApi => Ok(json(200, &openapi::index(&registry))),
        Target::OpenApi2 if call.accept.contains(openapi::SECOND_IN_PROTOBUF) => {
            Ok(respond(200, &openapi::SECOND_IN_PROTOBUF.replace('@', "."), openapi::SECOND_EMPTY))
        }
        Target::OpenApi2 => Ok(json(200, &openapi::second(&registry))),
        Target::OpenApiOf(group, version) => match openapi::document(&registry, &group, &version) {
            Some(document) => Ok(json(200, &document)),
            None => Err(ApiError::NoSuchPath),
        },
        Target::Objects(place) => objects(store, &place, call),
        Target::Watched(place) => stream(store, &place, call),
    }
}

/// Tells of kinds that are on their way out.
fn tell_deprecated(place: &Place, call: &Call) {
    let (kind, version) = (&place.kind, &place.version);
    if kind.resource() == "endpoints" {
        let told = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice";
        call.warnings.borrow_mut().push(told.to_owned());
    }
    let Some(entry) = kind.version_entry(version).filter(|entry| entry["deprecated"] == true) else {
        return;
    };
    let told = entry["deprecationWarning"].as_str().map_or_else(
        || {
            let old = format!("{} {} is deprecated", place.api_version(), kind.kind);
            let better = kind.versions.first().filter(|better| *better != version);
            better.map_or(old.clone(), |better| format!("{old}; use {} {}", kind.api_version(better), kind.kind))
        },
        str::to_owned,
    );
    call.warnings.borrow_mut().push(told);
}

/// Refuses a client that takes nothing of what there is.
fn acceptable(call: &Call) -> Result<(), ApiError> {
    let known = |part: &str| {
        let sort = part.split(';').next().unwrap_or_default().trim();
        matches!(sort, "" | "*/*" | "application/json" | "application/yaml")
            || sort.starts_with("application/vnd.kubernetes.protobuf")
    };
    if call.accept.split(',').any(known) {
        return Ok(());
    }
    let message = "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, application/vnd.kubernetes.protobuf, application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";
    Err(ApiError::new(406, "NotAcceptable", message, Some(serde_json::json!({}))))
}

fn objects(store: &Arc<Store>, place: &Place, call: &Call) -> Result<Response<Body>, ApiError> {
    acceptable(call)?;
    tell_deprecated(place, call);
    if place.kind.create_only {
        return review(place, call);
    }
    if place.kind.read_only && call.method != Method::GET {
        return Err(ApiError::method_not_allowed());
    }
    if place.subresource == "finalize" && call.method != Method::PUT {
        return Err(ApiError::method_not_allowed());
    }
    let form = Form::of(call);
    let one = |code: u16, object: &Value| {
        if table::wanted(call) && object["kind"] == place.kind.kind.as_str() {
            let metadata = serde_json::json!({"resourceVersion": super::meta::resource_version(object)});
            return json(code, &table::table(place, call.query.text("includeObject"), &metadata, &[object]));
        }
        json(code, &read::shown(place, form, object))
    };
    let Some(name) = place.name.as_deref() else {
        return match call.method {
            Method::GET if call.query.flag("watch") => stream(store, place, call),
            Method::GET => Ok(respond(200, "application/json", read::list(store, place, call)?)),
            Method::POST if place.kind.namespaced && place.namespace.is_none() => Err(ApiError::method_not_allowed()),
            Method::POST => Ok(one(201, &*write::create(store, place, call)?)),
            Method::DELETE
                if place.kind.verbs().contains(&"deletecollection")
                    && (place.namespace.is_some() || !place.kind.namespaced) =>
            {
                let gone = remove::delete_collection(store, place, call)?;
                let mut metadata = serde_json::json!({"resourceVersion": store.list("", None).1.to_string()});
                if place.kind.is_custom() {
                    metadata["continue"] = "".into();
                }
                let items: Vec<_> = gone.iter().collect();
                Ok(respond(200, "application/json", read::written(place, form, &metadata, &items)?))
            }
            _ => Err(ApiError::method_not_allowed()),
        };
    };
    let scale = place.subresource == "scale";
    match call.method {
        Method::GET => {
            read::version_fits(call, store.list("", None).1)?;
            let object = store.get(&place.key(name)).ok_or_else(|| ApiError::not_found(&place.kind, name))?;
            if scale { Ok(json(200, &patch::scale_of(place, &object))) } else { Ok(one(200, &object)) }
        }
        Method::PUT if place.subresource == "finalize" => {
            let whole = Place { subresource: String::new(), ..place.clone() };
            Ok(one(200, &*write::replace(store, &whole, call, name)?))
        }
        Method::PUT if scale => Ok(json(200, &*patch::put_scale(store, place, call, name)?)),
        Method::PUT => Ok(one(200, &*write::replace(store, place, call, name)?)),
        Method::PATCH => {
            let (object, made) = patch::patch(store, place, call, name)?;
            Ok(one(if made { 201 } else { 200 }, &object))
        }
        Method::DELETE if place.subresource.is_empty() => Ok(one(200, &*remove::delete(store, place, call, name)?)),
        _ => Err(ApiError::method_not_allowed()),
    }
}

fn stream(store: &Arc<Store>, place: &Place, call: &Call) -> Result<Response<Body>, ApiError> {
    let mut response = Response::new(watch::start(store, place, call)?);
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    Ok(response)
}

fn review(place: &Place, call: &Call) -> Result<Response<Body>, ApiError> {
    if place.name.is_some() {
        return Err(ApiError::no_such_resource());
    }
    if call.method != Method::POST {
        return Err(ApiError::method_not_allowed());
    }
    let review = write::parsed(place, call)?;
    Ok(json(201, &read::reviewed(&place.kind, review)))
}
