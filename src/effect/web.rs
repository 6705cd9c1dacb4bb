//! `http` natives: a sandbox answers from its routes and refuses the rest; a real context refuses another one's hosts.

use std::{collections::BTreeMap, time::Instant};

use super::{Call, EffectError, HostRule, Mode, Sort};
use crate::{
    http::{self, HttpError},
    model::Read,
};

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpReply {
    /// The status code.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body as text, its first MiB.
    pub body: String,
}

impl HostRule {
    /// The other context that a host belongs to, where it does not belong to this one.
    pub fn belongs_elsewhere(&self, host: &str) -> Option<&str> {
        if self.is_own(host) {
            return None;
        }
        self.others
            .iter()
            .find(|(_, patterns)| patterns.iter().any(|pattern| http::host_matches(pattern, host)))
            .map(|(name, _)| name.as_str())
    }

    /// Whether a host is declared for this context.
    pub fn is_own(&self, host: &str) -> bool {
        self.own.iter().any(|pattern| http::host_matches(pattern, host))
    }
}

impl Call {
    /// Asks a URL.
    pub fn http_get(&self, url: &str, headers: &[(String, String)]) -> Result<HttpReply, EffectError> {
        let native = "http::get";
        self.allow(native, Mode::Read)?;
        if self.trial.is_some() {
            return Ok(HttpReply { status: 200, headers: BTreeMap::new(), body: String::new() });
        }
        let door = self.door(native)?;
        door.parts.scrubber.learn_urls(url);
        self.read(Read::Polled(format!("GET {}", door.parts.scrubber.scrub(url))));
        let (host, path) =
            http::host_and_path(url).map_err(|error| EffectError::new(Sort::Argument, error.to_string()))?;
        if let Some(other) = door.parts.hosts.belongs_elsewhere(&host) {
            return Err(self.ran_into(
                EffectError::new(
                    Sort::Identity,
                    format!("{host} belongs to context {other}; this run works on {}", door.target().name),
                )
                .help(format!("declare it for this context: [contexts.{}] hosts = [\"{host}\"]", door.target().name)),
            ));
        }
        if let Some(sandbox) = &door.parts.sandbox {
            let answer = sandbox.answer_http("GET", &host, &path);
            return match answer.map_err(|why| self.ran_into(EffectError::new(Sort::Unreachable, why)))? {
                Some((status, body)) => Ok(HttpReply { status, headers: BTreeMap::new(), body }),
                // the route may appear: a verify waits for it
                None => Err(self.ran_into(
                    EffectError::new(
                        Sort::Hard,
                        format!("{host} is not routed in the sandbox, and a sandbox run reaches no other host"),
                    )
                    .help("the sandbox answers for the hostnames of its HTTPRoutes and Ingresses"),
                )),
            };
        }
        let request = http::Request {
            headers,
            timeout: self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())),
            on_cancel: Some(&|wake| Box::new(self.cancel.on_cancel(wake))),
            ..http::Request::default()
        };
        match door.http()?.get(url, &request) {
            Ok(answer) => Ok(HttpReply { status: answer.status, headers: answer.headers, body: answer.body }),
            Err(error) => {
                let sort = match &error {
                    HttpError::Cancelled { .. } => Sort::Cancelled,
                    HttpError::BadUrl { .. } | HttpError::BadHeader { .. } => Sort::Argument,
                    HttpError::NoClient(_) => Sort::Hard,
                    _ => Sort::Unreachable,
                };
                Err(self.ran_into(EffectError::new(sort, error.to_string())))
            }
        }
    }
}
