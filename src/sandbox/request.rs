//! A request as the API understands it: query parameters and the place that a path names.

use std::cell::RefCell;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;

use super::apply::{Manager, Operation};
use super::kinds::{Kind, Registry};
use super::status::{ApiError, Cause};
use super::store::Key;

/// A whole request, its body read.
#[derive(Debug)]
pub(crate) struct Call {
    pub method: Method,
    pub path: String,
    pub query: Query,
    pub accept: String,
    pub content_type: String,
    pub user_agent: String,
    pub body: Bytes,
    /// What the client is told beside the answer.
    pub warnings: RefCell<Vec<String>>,
}

impl Call {
    /// Who a write is recorded for, when it is not an apply.
    pub fn updater(&self, place: &Place) -> Manager {
        let given = self.query.text("fieldManager");
        let agent = self.user_agent.split('/').next().filter(|agent| !agent.is_empty()).unwrap_or("unknown");
        Manager {
            operation: Operation::Update,
            name: if given.is_empty() { agent } else { given }.to_owned(),
            subresource: place.subresource.clone(),
            api_version: place.api_version(),
        }
    }

    /// Whether nothing is to be kept; `options` is the type that an error names.
    pub fn dry_run(&self, options: &str) -> Result<bool, ApiError> {
        dry_run(options, self.query.all("dryRun"))
    }
}

/// Judges values of `dryRun`: only `All` is known.
pub(crate) fn dry_run<'a>(options: &str, values: impl Iterator<Item = &'a str>) -> Result<bool, ApiError> {
    let given: Vec<&str> = values.collect();
    if given.iter().any(|value| *value != "All") {
        let shown: Vec<String> = given.iter().map(|value| format!("{value:?}")).collect();
        let cause = Cause {
            reason: "FieldValueNotSupported",
            field: "dryRun".into(),
            message: format!("Unsupported value: [{}]: supported values: \"All\"", shown.join(",")),
        };
        return Err(ApiError::invalid_as("meta.k8s.io", options, "", &[cause]));
    }
    Ok(!given.is_empty())
}

/// Decoded query parameters, in their order.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(name, true), decode(value, true))
                })
                .collect(),
        )
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first value, or the empty string.
    pub fn text<'a>(&'a self, name: &'a str) -> &'a str {
        self.all(name).next().unwrap_or_default()
    }

    pub fn flag(&self, name: &str) -> bool {
        matches!(self.text(name), "true" | "1")
    }
}

/// Undoes percent encoding; broken escapes stay as they are.
pub(crate) fn decode(text: &str, plus_is_space: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut place = 0;
    while let Some(&byte) = bytes.get(place) {
        let escape = (byte == b'%').then(|| bytes.get(place + 1..place + 3)).flatten();
        let decoded =
            escape.and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        if let Some(decoded) = decoded {
            out.push(decoded);
            place += 3;
        } else {
            out.push(if byte == b'+' && plus_is_space { b' ' } else { byte });
            place += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// What a path names among the objects.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub kind: Arc<Kind>,
    pub version: String,
    /// `None` for cluster-scoped kinds and for all namespaces.
    pub namespace: Option<String>,
    pub name: Option<String>,
    /// Empty, `status`, `scale` or `finalize`.
    pub subresource: String,
}

impl Place {
    pub fn api_version(&self) -> String {
        self.kind.api_version(&self.version)
    }

    pub fn key(&self, name: &str) -> Key {
        Key::new(&self.kind.resource(), self.namespace.as_deref().unwrap_or_default(), name)
    }
}

/// All that a path can mean.
#[derive(Debug)]
pub(crate) enum Target {
    Version,
    Health,
    /// `/api`
    Core,
    /// `/apis`
    Groups,
    /// `/apis/<group>`
    Group(String),
    /// `/api/v1`, `/apis/<group>/<version>`
    Resources(String, String),
    Objects(Place),
    /// `/api/v1/watch/…`
    Watched(Place),
    /// `/openapi/v2`
    OpenApi2,
    /// `/openapi/v3`
    OpenApi,
    /// `/openapi/v3/apis/<group>/<version>`
    OpenApiOf(String, String),
}

/// Reads a path.
pub(crate) fn target(registry: &Registry, path: &str) -> Result<Target, ApiError> {
    let parts: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(|part| decode(part, false)).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["version"] => Ok(Target::Version),
        ["readyz" | "livez" | "healthz", ..] => Ok(Target::Health),
        ["openapi", "v2"] => Ok(Target::OpenApi2),
        ["openapi", "v3"] => Ok(Target::OpenApi),
        ["openapi", "v3", "api", version] => Ok(Target::OpenApiOf(String::new(), (*version).to_owned())),
        ["openapi", "v3", "apis", group, version] => Ok(Target::OpenApiOf((*group).to_owned(), (*version).to_owned())),
        // The old form of a watch.
        ["api", version, "watch", rest @ ..] => watched(below(registry, "", version, rest)?),
        ["apis", group, version, "watch", rest @ ..] => watched(below(registry, group, version, rest)?),
        ["api"] => Ok(Target::Core),
        ["apis"] => Ok(Target::Groups),
        ["api", version, rest @ ..] => below(registry, "", version, rest),
        ["apis", group] if served(registry, group, None) => Ok(Target::Group((*group).to_owned())),
        ["apis", group, version, rest @ ..] => below(registry, group, version, rest),
        _ => Err(ApiError::NoSuchPath),
    }
}

fn watched(target: Target) -> Result<Target, ApiError> {
    match target {
        Target::Objects(place) => Ok(Target::Watched(place)),
        _ => Err(ApiError::NoSuchPath),
    }
}

fn served(registry: &Registry, group: &str, version: Option<&str>) -> bool {
    registry.of_group(group).any(|kind| version.is_none_or(|version| kind.versions.iter().any(|v| v == version)))
}

fn below(registry: &Registry, group: &str, version: &str, rest: &[&str]) -> Result<Target, ApiError> {
    if rest.is_empty() {
        let found = served(registry, group, Some(version));
        let built_in = registry.of_group(group).any(|kind| !kind.is_custom());
        return match found {
            true => Ok(Target::Resources(group.into(), version.into())),
            false if built_in => Err(ApiError::no_such_resource()),
            false => Err(ApiError::NoSuchPath),
        };
    }
    let (namespace, plural, name, subresource) = match rest {
        ["namespaces"] => (None, "namespaces", None, ""),
        ["namespaces", name] => (None, "namespaces", Some(*name), ""),
        ["namespaces", name, sub @ ("status" | "finalize")] if group.is_empty() => {
            (None, "namespaces", Some(*name), *sub)
        }
        ["namespaces", namespace, plural] => (Some(*namespace), *plural, None, ""),
        ["namespaces", namespace, plural, name] => (Some(*namespace), *plural, Some(*name), ""),
        ["namespaces", namespace, plural, name, sub] => (Some(*namespace), *plural, Some(*name), *sub),
        [plural] => (None, *plural, None, ""),
        [plural, name] => (None, *plural, Some(*name), ""),
        [plural, name, sub] => (None, *plural, Some(*name), *sub),
        _ => return Err(ApiError::NoSuchPath),
    };
    // A built-in group answers for all paths below it; other paths are nobody's.
    let nothing = || {
        let built_in = registry.of_group(group).any(|kind| !kind.is_custom());
        if built_in { ApiError::no_such_resource() } else { ApiError::NoSuchPath }
    };
    let kind = registry.find(group, version, plural).ok_or_else(nothing)?;
    let scope_fits = if kind.namespaced { namespace.is_some() || name.is_none() } else { namespace.is_none() };
    let subresource_served = match subresource {
        "" => true,
        "status" => kind.status,
        "scale" => kind.scale.is_some(),
        "finalize" => kind.resource() == "namespaces",
        _ => false,
    };
    if let Some(name) = name.filter(|_| kind.is_custom() && scope_fits && !subresource_served)
        && matches!(subresource, "status" | "scale")
    {
        return Err(ApiError::not_found(kind, name));
    }
    if !scope_fits || !subresource_served {
        return Err(nothing());
    }
    Ok(Target::Objects(Place {
        kind: Arc::clone(kind),
        version: version.to_owned(),
        namespace: namespace.map(str::to_owned),
        name: name.map(str::to_owned),
        subresource: subresource.to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: &str) -> Option<Place> {
        match target(&Registry::new(std::iter::empty()), path) {
            Ok(Target::Objects(place)) => Some(place),
            _ => None,
        }
    }

    #[test]
    fn a_path_names_kind_namespace_name_and_subresource() {
        let found = place("/apis/apps/v1/namespaces/web/deployments/front/scale").expect("served");
        assert_eq!(found.key("front"), Key::new("deployments.apps", "web", "front"));
        assert_eq!(found.subresource, "scale");
        assert_eq!(place("/api/v1/namespaces/web").expect("served").name.as_deref(), Some("web"));
        assert_eq!(place("/api/v1/namespaces/web/status").expect("served").subresource, "status");
    }

    #[test]
    fn what_is_not_served_has_no_place() {
        for path in [
            "/api/v1/widgets",
            "/api/v2/pods",
            "/apis/apps/v1/namespaces/a/deployments/x/exec",
            "/api/v1/namespaces/a/nodes/n",
            "/api/v1/configmaps/x",
            "/api/v1/namespaces/a/configmaps/x/status",
            "/%zz",
            "//",
            "/api/v1/namespaces/a/b/c/d/e",
        ] {
            assert!(place(path).is_none(), "{path}");
        }
    }

    #[test]
    fn query_values_are_decoded() {
        let query = Query::parse("labelSelector=app%3Dweb%2Ctier+in+%28a%29&dryRun=All&broken=%2");
        assert_eq!(query.text("labelSelector"), "app=web,tier in (a)");
        assert_eq!(query.text("broken"), "%2");
        assert_eq!(dry_run("CreateOptions", query.all("dryRun")), Ok(true));
    }
}
