use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    Cluster, ClusterError, Inner, Patience, Resource,
    error::What,
    wire::{Answered, Call, READ, encode},
};
use crate::{
    model::ObjectRef,
    object::path::{at, int, text},
};

/// At most so much of an answer is read.
const MOST: usize = 1024 * 1024;
/// So much of a caller's time is left to find out why nothing was answered.
const SPARE: Duration = Duration::from_secs(1);
/// What the API server says where it would ask a service and has nobody to ask.
const NO_ENDPOINTS: &str = "no endpoints available";

/// What a service or pod answered through the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxied {
    /// Its status code; 503 where nobody could be asked, 504 where nobody answered in time.
    pub status: u16,
    /// Its headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Its body as text, the first MiB; where nobody answered, why.
    pub body: String,
    /// Whether nobody answered.
    pub nobody: bool,
}

impl Proxied {
    fn nobody(status: u16, why: impl Into<String>) -> Self {
        Self { status, headers: BTreeMap::new(), body: why.into(), nobody: true }
    }
}

impl Cluster {
    /// Asks a service or pod through the API server: `GET` of a path with its query. Any answer of it counts, whatever its
    /// code. That nobody stands behind it, or answers in time, is told as a gateway tells it, by 503 and 504; none where there
    /// is no such object. A port is a number or a name; a service with one port needs none to be said.
    ///
    /// # Errors
    /// `Scope` where the object has no such port, or several and none was said; else what the API server itself says.
    pub fn proxy(
        &self,
        reference: &ObjectRef,
        scheme: Option<&str>,
        port: Option<&str>,
        path: &str,
        patience: &Patience,
    ) -> Result<Option<Proxied>, ClusterError> {
        let (inner, reference) = (self.inner.clone(), reference.clone());
        let (scheme, port) = (scheme.map(ToOwned::to_owned), port.map(ToOwned::to_owned));
        let path = path.trim_start_matches('/').to_owned();
        let left = patience.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let limit = left.map_or(READ, |left| READ.min(left.saturating_sub(SPARE).max(left / 2)));
        self.wait(patience, &format!("GET /{path} of {reference}"), async move {
            let resource = inner.resolve(&reference).await?;
            let behind = Behind { inner: &inner, reference, resource, scheme, path, limit };
            behind.ask(port).await
        })
    }
}

/// One question to what stands behind an object.
struct Behind<'a> {
    inner: &'a Inner,
    reference: ObjectRef,
    resource: Arc<Resource>,
    scheme: Option<String>,
    path: String,
    limit: Duration,
}

impl Behind<'_> {
    async fn ask(&self, port: Option<String>) -> Result<Option<Proxied>, ClusterError> {
        let service = self.resource.kind == "Service";
        let named = port.as_ref().is_some_and(|port| port.parse::<u16>().is_err());
        let port = match port {
            // the API server knows the ports of services by name, and those of pods by number alone
            Some(name) if named && !service => {
                let Some(pod) = self.object().await? else { return Ok(None) };
                Some(self.port_of_pod(&pod, &name)?)
            }
            port => port,
        };
        let error = match tokio::time::timeout(self.limit, self.through(port.as_deref())).await {
            Err(_) => return self.silent().await,
            Ok(Ok(Answered::Behind(answer))) => return Ok(Some(answer)),
            Ok(Ok(Answered::Nobody(why))) if service && why.contains(NO_ENDPOINTS) => {
                return self.no_endpoints(port.as_deref(), why).await;
            }
            Ok(Ok(Answered::Nobody(why))) => return Ok(Some(Proxied::nobody(503, why))),
            Ok(Err(error)) => error,
        };
        match &error {
            ClusterError::NotFound { .. } | ClusterError::NamespaceMissing { .. } => {
                // what is there all the same never had endpoints made for it
                let nobody = |_| Proxied::nobody(503, format!("{NO_ENDPOINTS} for {}", self.reference));
                Ok(self.object().await?.map(nobody))
            }
            ClusterError::Unreachable { message, .. } if service && message.contains("no service port") => {
                match self.object().await? {
                    Some(object) => Err(self.other_ports(&object, port.as_deref())),
                    None => Ok(None),
                }
            }
            // a pod that has no address yet
            ClusterError::Rejected { message, .. } if !service && message.contains("address not allowed") => {
                match self.object().await? {
                    Some(pod) if text(&pod, "status.podIP").unwrap_or_default().is_empty() => {
                        let phase = text(&pod, "status.phase").unwrap_or("Pending");
                        let why = format!("{} has no address yet: it is {phase}", self.reference);
                        Ok(Some(Proxied::nobody(503, why)))
                    }
                    Some(_) => Err(error),
                    None => Ok(None),
                }
            }
            _ => Err(error),
        }
    }

    /// Sends the question to one port.
    async fn through(&self, port: Option<&str>) -> Result<Answered<Proxied>, ClusterError> {
        let name = &self.reference.name;
        let name = match (self.scheme.as_deref(), port) {
            (Some(scheme), port) => format!("{scheme}:{name}:{}", port.unwrap_or_default()),
            (None, Some(port)) => format!("{name}:{port}"),
            (None, None) => name.clone(),
        };
        let base = self.resource.path(self.reference.namespace.as_deref(), None);
        let mut what = What::of("GET", &self.reference, &self.resource);
        what.text = self.what();
        let mut call = Call::get(format!("{base}/{}/proxy/{}", encode(&name), self.path), what);
        call.accept = "*/*";
        Ok(match self.inner.answer(call, MOST).await? {
            Answered::Nobody(why) => Answered::Nobody(why),
            Answered::Behind((head, bytes)) => {
                let headers = head.headers.iter().filter_map(|(name, value)| {
                    Some((name.as_str().to_ascii_lowercase(), value.to_str().ok()?.to_owned()))
                });
                Answered::Behind(Proxied {
                    status: head.status.as_u16(),
                    headers: headers.collect(),
                    body: String::from_utf8_lossy(&bytes).into_owned(),
                    nobody: false,
                })
            }
        })
    }

    fn what(&self) -> String {
        format!("GET /{} of {}", self.path, self.reference)
    }

    async fn object(&self) -> Result<Option<Value>, ClusterError> {
        self.inner.get_of(&self.resource, &self.reference).await
    }

    /// Nothing came in time: from what is asked, where the API server answers by itself.
    async fn silent(&self) -> Result<Option<Proxied>, ClusterError> {
        let why = format!("no answer within {:.0} s", self.limit.as_secs_f64());
        match self.object().await {
            Ok(None) => Ok(None),
            Err(ClusterError::Unreachable { .. }) => {
                Err(ClusterError::Unreachable { what: self.what(), message: why, sent: true })
            }
            _ => Ok(Some(Proxied::nobody(504, why))),
        }
    }

    /// A service has nobody to ask at this port: nobody yet, or it is no port of its.
    async fn no_endpoints(&self, port: Option<&str>, why: String) -> Result<Option<Proxied>, ClusterError> {
        let service = match self.object().await {
            Ok(Some(service)) => service,
            Ok(None) => return Ok(None),
            // who may ask it and not look at it learns no more
            Err(_) => return Ok(Some(Proxied::nobody(503, why))),
        };
        let ports = ports(at(&service, "spec.ports"), "port");
        let only = match (port, ports.as_slice()) {
            (None, [(name, _)]) if !name.is_empty() => name,
            (None, [_]) => return Ok(Some(Proxied::nobody(503, why))),
            (Some(port), _) if ports.iter().any(|(name, number)| name == port || *number == port) => {
                return Ok(Some(Proxied::nobody(503, why)));
            }
            _ => return Err(self.other_ports(&service, port)),
        };
        // without a port the API server finds one that has no name
        match tokio::time::timeout(self.limit, self.through(Some(only))).await {
            Err(_) => self.silent().await,
            Ok(Ok(Answered::Behind(answer))) => Ok(Some(answer)),
            Ok(Ok(Answered::Nobody(why))) => Ok(Some(Proxied::nobody(503, why))),
            Ok(Err(error)) => Err(error),
        }
    }

    /// The number of a pod's port of this name.
    fn port_of_pod(&self, pod: &Value, wanted: &str) -> Result<String, ClusterError> {
        let found = container_ports(pod).into_iter().find(|(name, _)| name == wanted);
        found.map(|(_, number)| number).ok_or_else(|| self.other_ports(pod, Some(wanted)))
    }

    /// That the object does not have the port, or several, and which there are.
    fn other_ports(&self, object: &Value, port: Option<&str>) -> ClusterError {
        let ports = match self.resource.kind.as_str() {
            "Service" => ports(at(object, "spec.ports"), "port"),
            _ => container_ports(object),
        };
        let names = ports.iter().map(|(name, number)| match name.as_str() {
            "" => number.clone(),
            name => format!("`{name}` ({number})"),
        });
        let names: Vec<String> = names.collect();
        let has = if names.is_empty() { "it names none".into() } else { format!("it has {}", names.join(" and ")) };
        let message = match port {
            Some(port) => format!("{}: it has no port `{port}`; {has}", self.what()),
            None => format!("{}: say which port, #{{ port: … }}: {has}", self.what()),
        };
        ClusterError::Scope { message }
    }
}

/// Names and numbers of a list of ports.
fn ports(list: Option<&Value>, number: &str) -> Vec<(String, String)> {
    let list = list.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|port| Some((text(port, "name").unwrap_or_default().to_owned(), int(port, number)?.to_string())))
        .collect()
}

fn container_ports(pod: &Value) -> Vec<(String, String)> {
    let containers =
        ["spec.containers", "spec.initContainers"].into_iter().filter_map(|path| at(pod, path)?.as_array());
    containers.flatten().flat_map(|container| ports(at(container, "ports"), "containerPort")).collect()
}
