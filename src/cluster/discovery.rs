use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::Value;

use super::{
    Cluster, ClusterError, Inner, Patience,
    error::What,
    wire::{Call, encode},
};
use crate::{
    model::ObjectRef,
    object::{head, path::text, split_api_version},
};

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
    application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

/// One kind as the server serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version, e.g. `v1`.
    pub version: String,
    /// The kind, e.g. `Deployment`.
    pub kind: String,
    /// The plural in paths, e.g. `deployments`.
    pub plural: String,
    /// The singular, e.g. `deployment`.
    pub singular: String,
    /// Short names, e.g. `deploy`.
    pub short_names: Vec<String>,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// What may be asked of it: `get`, `list`, `watch`, `patch` …
    pub verbs: Vec<String>,
}

impl Resource {
    /// `apps/v1`, `v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The path of one object, or of the list where there is no name.
    pub(super) fn path(&self, namespace: Option<&str>, name: Option<&str>) -> String {
        let mut path = if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        };
        if let Some(namespace) = namespace.filter(|_| self.namespaced) {
            path.push_str("/namespaces/");
            path.push_str(&encode(namespace));
        }
        path.push('/');
        path.push_str(&self.plural);
        if let Some(name) = name {
            path.push('/');
            path.push_str(&encode(name));
        }
        path
    }

    fn is_called(&self, name: &str, rank: u8) -> bool {
        match rank {
            0 => self.kind == name,
            1 => [&self.kind, &self.plural, &self.singular].iter().any(|own| own.eq_ignore_ascii_case(name)),
            _ => self.short_names.iter().any(|short| short.eq_ignore_ascii_case(name)),
        }
    }

    /// Says what is wrong, where a namespace is missing or too much.
    fn check_scope(&self, namespace: Option<&str>, name: &str) -> Result<(), ClusterError> {
        let kind = &self.kind;
        let message = match (self.namespaced, namespace) {
            (true, None) => format!("{kind} is namespaced: write {kind}/<namespace>/{name}"),
            (false, Some(_)) => format!("{kind} is cluster-scoped: write {kind}/{name}"),
            _ => return Ok(()),
        };
        Err(ClusterError::Scope { message })
    }
}

/// What the server serves; read when first needed, and again when a kind is unknown.
#[derive(Default)]
pub(super) struct Discovery {
    served: Mutex<Option<Arc<Served>>>,
}

/// A kind as it was written, and its group.
type Named = (String, Option<String>);

/// Every kind in every version; the preferred version of a group comes first.
#[derive(Default)]
struct Served {
    resources: Vec<Arc<Resource>>,
    /// Groups, each with a version, whose own server did not answer: what kinds they have is not known.
    away: Vec<(String, String)>,
    /// What names were found to mean: a verify asks for the same ones again and again.
    named: Mutex<BTreeMap<Named, Arc<Resource>>>,
}

impl Discovery {
    fn cached(&self) -> Option<Arc<Served>> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, served: &Arc<Served>) {
        *self.served.lock().unwrap_or_else(PoisonError::into_inner) = Some(served.clone());
    }

    pub(super) fn forget(&self) {
        *self.served.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Served {
    fn find(&self, name: &str, group: Option<&str>) -> Result<Arc<Resource>, ClusterError> {
        let key = (name.to_owned(), group.map(ToOwned::to_owned));
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(resource) = named.get(&key) {
            return Ok(resource.clone());
        }
        let resource = self.search(name, group)?;
        named.insert(key, resource.clone());
        Ok(resource)
    }

    fn search(&self, name: &str, group: Option<&str>) -> Result<Arc<Resource>, ClusterError> {
        for rank in 0..3 {
            // the first of each group is its preferred version
            let mut by_group: BTreeMap<&str, &Arc<Resource>> = BTreeMap::new();
            for resource in &self.resources {
                if resource.is_called(name, rank) && group.is_none_or(|group| group == resource.group) {
                    by_group.entry(&resource.group).or_insert(resource);
                }
            }
            let Some((first, resource)) = by_group.first_key_value() else { continue };
            // the core group sorts first, and a kind that it has is the one that is meant
            if by_group.len() == 1 || first.is_empty() {
                return Ok((*resource).clone());
            }
            let groups = by_group.keys().map(ToString::to_string).collect();
            return Err(ClusterError::Ambiguous { kind: name.into(), groups });
        }
        self.is_away(group.unwrap_or_default(), None)?;
        Err(ClusterError::NotServed { kind: dotted(name, group), nearest: self.nearest(name, group) })
    }

    /// Says so where a group's own server did not answer, so that nothing is known of its kinds.
    fn is_away(&self, group: &str, version: Option<&str>) -> Result<(), ClusterError> {
        let is = |(away, its): &&(String, String)| away == group && version.is_none_or(|version| version == its);
        match self.away.iter().find(is) {
            Some((group, version)) => Err(ClusterError::Unreachable {
                what: what().text,
                message: format!("the server behind {group}/{version} did not answer"),
                sent: false,
            }),
            None => Ok(()),
        }
    }

    fn find_version(&self, group: &str, version: &str, kind: &str) -> Result<Arc<Resource>, ClusterError> {
        let same_kind = |r: &&Arc<Resource>| r.group == group && r.kind == kind;
        if let Some(resource) = self.resources.iter().filter(same_kind).find(|r| r.version == version) {
            return Ok(resource.clone());
        }
        self.is_away(group, Some(version))?;
        let written = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        let mut nearest: Vec<String> =
            self.resources.iter().filter(same_kind).map(|r| format!("{} {kind}", r.api_version())).collect();
        if nearest.is_empty() {
            nearest = self.nearest(kind, None);
        }
        Err(ClusterError::NotServed { kind: format!("{written} {kind}"), nearest })
    }

    /// At most three real kinds, the nearest first.
    fn nearest(&self, name: &str, group: Option<&str>) -> Vec<String> {
        let wanted = name.to_lowercase();
        let mut scored: Vec<(f64, String)> = self
            .resources
            .iter()
            .map(|r| {
                let names = [&r.kind, &r.plural, &r.singular];
                let score =
                    names.iter().map(|own| strsim::jaro_winkler(&wanted, &own.to_lowercase())).fold(0.0, f64::max);
                (score, dotted(&r.kind, group.is_some().then_some(r.group.as_str())))
            })
            .filter(|(score, _)| *score > 0.82)
            .collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        scored.dedup_by(|a, b| a.1 == b.1);
        scored.into_iter().map(|(_, kind)| kind).take(3).collect()
    }
}

/// `Ingress.networking.k8s.io` → `Ingress` and its group.
fn split_kind(kind: &str) -> (&str, Option<&str>) {
    kind.split_once('.').map_or((kind, None), |(name, group)| (name, Some(group)))
}

fn dotted(kind: &str, group: Option<&str>) -> String {
    group.filter(|group| !group.is_empty()).map_or_else(|| kind.to_owned(), |group| format!("{kind}.{group}"))
}

impl Cluster {
    /// The kind of a reference (kind, plural, singular or short name, with or without group), and whether it is written
    /// with the namespace that it needs. Asks the server when first needed, and again when the kind is unknown.
    ///
    /// # Errors
    /// `NotServed` with the nearest real kinds, `Ambiguous`, `Scope`, or what the server says.
    pub fn resolve(&self, reference: &ObjectRef, patience: &Patience) -> Result<Arc<Resource>, ClusterError> {
        // what is known needs no trip to the runtime
        let known =
            self.inner.discovery.cached().map(|served| served.find(&reference.kind, reference.group.as_deref()));
        if let Some(Ok(resource)) = known {
            resource.check_scope(reference.namespace.as_deref(), &reference.name)?;
            return Ok(resource);
        }
        let (inner, reference) = (self.inner.clone(), reference.clone());
        self.wait(patience, &format!("resolve {reference}"), async move { inner.resolve(&reference).await })
    }

    /// The kind by its name alone: `HelmRelease`, `deploy`, `Ingress.networking.k8s.io`.
    ///
    /// # Errors
    /// As [`Cluster::resolve`].
    pub fn resolve_kind(&self, kind: &str, patience: &Patience) -> Result<Arc<Resource>, ClusterError> {
        let (name, group) = split_kind(kind);
        if let Some(Ok(resource)) = self.inner.discovery.cached().map(|served| served.find(name, group)) {
            return Ok(resource);
        }
        let (inner, kind) = (self.inner.clone(), kind.to_owned());
        self.wait(patience, &format!("resolve {kind}"), async move { inner.resolve_kind(&kind).await })
    }

    /// The kind of a manifest, in the version that it is written in.
    ///
    /// # Errors
    /// As [`Cluster::resolve`]; `NotServed` names the versions that are served.
    pub fn resolve_object(&self, object: &Value, patience: &Patience) -> Result<Arc<Resource>, ClusterError> {
        let (inner, object) = (self.inner.clone(), object.clone());
        let what = format!("resolve {}", head(&object).reference());
        self.wait(patience, &what, async move { inner.resolve_object(&object).await })
    }

    /// Every kind that the server serves, in every version.
    ///
    /// # Errors
    /// What the server says.
    pub fn resources(&self, patience: &Patience) -> Result<Vec<Arc<Resource>>, ClusterError> {
        let inner = self.inner.clone();
        self.wait(patience, "discover the API", async move { Ok(inner.served(false).await?.resources.clone()) })
    }

    /// Forgets what the server serves, so that the next call asks again.
    pub fn rediscover(&self) {
        self.inner.discovery.forget();
    }
}

impl Inner {
    pub(super) async fn resolve(&self, reference: &ObjectRef) -> Result<Arc<Resource>, ClusterError> {
        let find = |served: &Served| served.find(&reference.kind, reference.group.as_deref());
        let resource = self.look_up(find).await?;
        resource.check_scope(reference.namespace.as_deref(), &reference.name)?;
        Ok(resource)
    }

    pub(super) async fn resolve_kind(&self, kind: &str) -> Result<Arc<Resource>, ClusterError> {
        let (name, group) = split_kind(kind);
        self.look_up(|served| served.find(name, group)).await
    }

    pub(super) async fn resolve_object(&self, object: &Value) -> Result<Arc<Resource>, ClusterError> {
        let head = head(object);
        for (part, value) in [("apiVersion", head.api_version()), ("kind", head.kind()), ("metadata.name", head.name())]
        {
            if value.is_empty() {
                return Err(ClusterError::Object { message: format!("the object has no {part}: {}", brief(object)) });
            }
        }
        let (group, version) = split_api_version(head.api_version());
        let resource = self.look_up(|served| served.find_version(group, version, head.kind())).await?;
        resource.check_scope(head.namespace(), head.name()).map_err(|error| match error {
            ClusterError::Scope { .. } if resource.namespaced => ClusterError::Scope {
                message: format!("{}/{} is namespaced: write metadata.namespace", head.kind(), head.name()),
            },
            ClusterError::Scope { .. } => ClusterError::Scope {
                message: format!("{}/{} is cluster-scoped: leave metadata.namespace out", head.kind(), head.name()),
            },
            other => other,
        })?;
        Ok(resource)
    }

    /// Looks in what is known, and asks the server again before it says that there is no such kind.
    async fn look_up(
        &self,
        find: impl Fn(&Served) -> Result<Arc<Resource>, ClusterError>,
    ) -> Result<Arc<Resource>, ClusterError> {
        let known = self.discovery.cached();
        match known.as_deref().map(&find) {
            Some(Err(ClusterError::NotServed { .. } | ClusterError::Unreachable { .. })) | None => {
                find(&*self.served(true).await?)
            }
            Some(found) => found,
        }
    }

    /// Every kind, in every version.
    pub(super) async fn all(&self) -> Result<Vec<Arc<Resource>>, ClusterError> {
        Ok(self.served(false).await?.resources.clone())
    }

    async fn served(&self, refresh: bool) -> Result<Arc<Served>, ClusterError> {
        if let (Some(served), false) = (self.discovery.cached(), refresh) {
            return Ok(served);
        }
        let (mut resources, mut away) = (vec![], vec![]);
        for root in ["/api", "/apis"] {
            let mut call = Call::get(root, what());
            call.accept = AGGREGATED;
            let answer = self.call(call).await?;
            if text(&answer, "kind") == Some("APIGroupDiscoveryList") {
                aggregated(&answer, &mut resources, &mut away);
            } else {
                self.one_by_one(&answer, &mut resources, &mut away).await?;
            }
        }
        let served = Arc::new(Served { resources, away, named: Mutex::default() });
        self.discovery.keep(&served);
        Ok(served)
    }

    /// Discovery as servers before 1.26 answer it: one request for each group and version.
    async fn one_by_one(
        &self,
        root: &Value,
        out: &mut Vec<Arc<Resource>>,
        away: &mut Vec<(String, String)>,
    ) -> Result<(), ClusterError> {
        let mut versions: Vec<String> = strings(&root["versions"]);
        for group in root["groups"].as_array().into_iter().flatten() {
            let preferred = text(group, "preferredVersion.groupVersion").map(ToOwned::to_owned);
            let all = group["versions"].as_array().into_iter().flatten().filter_map(|v| text(v, "groupVersion"));
            let others: Vec<String> = all.filter(|v| Some(*v) != preferred.as_deref()).map(ToOwned::to_owned).collect();
            versions.extend(preferred);
            versions.extend(others);
        }
        for api_version in versions {
            let root = if api_version.contains('/') { "/apis" } else { "/api" };
            match self.call(Call::get(format!("{root}/{api_version}"), what())).await {
                Ok(list) => plain(&api_version, &list, out),
                // an aggregated API whose server is away must not hide all the others
                Err(error) if error.is_unreachable() && api_version.contains('/') => {
                    let (group, version) = split_api_version(&api_version);
                    away.push((group.to_owned(), version.to_owned()));
                }
                Err(ClusterError::NotServed { .. } | ClusterError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn what() -> What {
    What { text: "discover the API".into(), kind: "discovery".into(), namespace: None }
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(ToOwned::to_owned).collect()
}

fn aggregated(list: &Value, out: &mut Vec<Arc<Resource>>, away: &mut Vec<(String, String)>) {
    for group in list["items"].as_array().into_iter().flatten() {
        let name = text(group, "metadata.name").unwrap_or_default();
        for version in group["versions"].as_array().into_iter().flatten() {
            if text(version, "freshness") == Some("Stale") {
                away.push((name.to_owned(), text(version, "version").unwrap_or_default().to_owned()));
            }
            for resource in version["resources"].as_array().into_iter().flatten() {
                let own = |key: &str, other: &str| {
                    text(resource, key).filter(|own| !own.is_empty()).unwrap_or(other).to_owned()
                };
                let Some(kind) = text(resource, "responseKind.kind") else { continue };
                out.push(Arc::new(Resource {
                    group: own("responseKind.group", name),
                    version: own("responseKind.version", text(version, "version").unwrap_or_default()),
                    kind: kind.to_owned(),
                    plural: text(resource, "resource").unwrap_or_default().to_owned(),
                    singular: text(resource, "singularResource").unwrap_or_default().to_owned(),
                    short_names: strings(&resource["shortNames"]),
                    namespaced: text(resource, "scope") == Some("Namespaced"),
                    verbs: strings(&resource["verbs"]),
                }));
            }
        }
    }
}

fn plain(api_version: &str, list: &Value, out: &mut Vec<Arc<Resource>>) {
    let (group, version) = split_api_version(api_version);
    for resource in list["resources"].as_array().into_iter().flatten() {
        let plural = text(resource, "name").unwrap_or_default();
        // `pods/log` and the like are parts of another resource
        if plural.is_empty() || plural.contains('/') {
            continue;
        }
        out.push(Arc::new(Resource {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: text(resource, "kind").unwrap_or_default().to_owned(),
            plural: plural.to_owned(),
            singular: text(resource, "singularName").unwrap_or_default().to_owned(),
            short_names: strings(&resource["shortNames"]),
            namespaced: resource["namespaced"].as_bool().unwrap_or_default(),
            verbs: strings(&resource["verbs"]),
        }));
    }
}

fn brief(object: &Value) -> String {
    object.to_string().chars().take(80).collect()
}
