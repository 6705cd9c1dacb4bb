//! Which http hosts belong to which context: those of another one are refused, those of none are told.

use super::{Call, Door};
use crate::{http, model::Finding};

/// Which http hosts belong to which context.
#[derive(Clone, Debug, Default)]
pub struct HostRule {
    /// Patterns of this context, e.g. `*.example.com`.
    pub own: Vec<String>,
    /// Patterns of the other contexts, with their names.
    pub others: Vec<(String, Vec<String>)>,
    /// The API server of this context, as `host:port`, where it is known.
    pub server: Option<String>,
    /// The API servers of other contexts, likewise, each with what it is called: `context main`.
    pub servers: Vec<(String, String)>,
}

impl HostRule {
    /// The other context that a host belongs to, where it does not belong to this one.
    fn belongs_elsewhere(&self, host: &str) -> Option<&str> {
        let others = self.others.iter().filter(|_| !self.is_own(host));
        let has = |patterns: &[String]| patterns.iter().any(|pattern| http::host_matches(pattern, host));
        others.into_iter().find(|(_, patterns)| has(patterns)).map(|(name, _)| name.as_str())
    }

    /// Whether a host is declared for this context.
    pub fn is_own(&self, host: &str) -> bool {
        self.own.iter().any(|pattern| http::host_matches(pattern, host))
    }

    /// Why context `own` may not ask a URL, and what to do; nothing where it may.
    pub(super) fn refuses(&self, own: &str, url: &str) -> Option<(String, String)> {
        let (host, place) = (http::host_of(url).ok()?, http::place_of(url).ok()?);
        if self.server.as_ref() == Some(&place) {
            return None;
        }
        if let Some((other, _)) = self.servers.iter().find(|(_, server)| *server == place) {
            let message = format!("{place} is the API server of {other}; this run works on {own}");
            return Some((
                message,
                "what is asked there belongs to a run on it: runbook run PLAYBOOK --context OTHER".into(),
            ));
        }
        let other = self.belongs_elsewhere(&host)?;
        let help = format!("declare it for this context: [contexts.{own}] hosts = {}", self.with(&host));
        Some((format!("{host} belongs to context {other}; this run works on {own}"), help))
    }

    /// What is to be said about a URL that a playbook asks on context `own`: that it will be refused there, or that no
    /// context declares its host. This machine's own addresses and the context's API server belong to every run.
    pub fn finding(&self, own: &str, url: &str) -> Option<Finding> {
        if let Some((why, help)) = self.refuses(own, url) {
            return Some(Finding::warning("http-host", format!("{why}: the request is refused there")).help(help));
        }
        let host = http::host_of(url).ok().filter(|host| !host.is_empty())?;
        if http::is_loopback(&host) || self.is_own(&host) || self.server == http::place_of(url).ok() {
            return None;
        }
        let message = format!("context {own} does not declare the http host {host}");
        let finding = Finding::warning("http-host", message);
        Some(finding.help(format!(
            "if it belongs to this context, say so in runbook.toml: [contexts.{own}] hosts = {}",
            self.with(&host)
        )))
    }

    /// The list of this context with one more.
    fn with(&self, host: &str) -> String {
        let all: Vec<String> =
            self.own.iter().map(String::as_str).chain([host]).map(|host| format!("\"{host}\"")).collect();
        format!("[{}]", all.join(", "))
    }
}

impl Door {
    /// What is to be said about a URL that a closure asks; a sandbox reaches no host of the world.
    pub fn host_finding(&self, url: &str) -> Option<Finding> {
        if self.target().sandbox { None } else { self.parts.hosts.finding(&self.target().name, url) }
    }
}

impl Call {
    /// Remembers, in a trial, which host a URL is of.
    pub(super) fn asks(&self, url: &str) {
        if let (Ok(place), Some(scheme)) = (http::place_of(url), url.split("://").next()) {
            self.asked(format!("{scheme}://{place}/"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule() -> HostRule {
        HostRule {
            own: vec!["*.staging.example.com".into(), "shared.example.com".into()],
            others: vec![("main".into(), vec!["*.example.com".into()])],
            server: Some("10.0.0.1:6443".into()),
            servers: vec![
                ("context main".into(), "10.0.0.2:6443".into()),
                ("kube-context s".into(), "10.0.0.1:6443".into()),
            ],
        }
    }

    #[test]
    fn a_host_of_another_context_and_its_api_server_are_refused() {
        let refused = |url: &str| rule().refuses("staging", url).map(|(why, _)| why).unwrap_or_default();
        assert_eq!(
            refused("https://shop.example.com/x"),
            "shop.example.com belongs to context main; this run works on staging"
        );
        assert_eq!(
            refused("https://10.0.0.2:6443/api"),
            "10.0.0.2:6443 is the API server of context main; this run works on staging"
        );
        for url in [
            "https://a.staging.example.com",
            "https://shared.example.com",
            "https://10.0.0.1:6443/healthz",
            "https://10.0.0.2/",
        ] {
            assert_eq!(refused(url), "", "{url}");
        }
    }

    #[test]
    fn a_host_that_no_context_declares_is_told_with_the_line_to_write() {
        let found = |url: &str| rule().finding("staging", url);
        let one = found("https://status.example.org:8443/x").unwrap();
        assert_eq!(one.message, "context staging does not declare the http host status.example.org");
        assert!(
            one.help[0].ends_with(
                "[contexts.staging] hosts = [\"*.staging.example.com\", \"shared.example.com\", \"status.example.org\"]"
            ),
            "{:?}",
            one.help
        );
        for url in [
            "http://localhost:8080/",
            "http://127.0.0.1/",
            "http://[::1]:1/",
            "https://10.0.0.1:6443/healthz",
            "https://a.staging.example.com/",
            "not a url",
            "/path",
        ] {
            assert!(found(url).is_none(), "{url}");
        }
        assert!(found("https://shop.example.com/").unwrap().message.contains("is refused there"));
    }
}
