//! What a child sees of the environment: an allow-list, and the way to the one context.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

const PASSED_ON: &[&str] = &["PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR", "SSH_AUTH_SOCK"];
const PROXIES: &[&str] = &["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"];
/// Names that decide which cluster, project or repository a tool reaches: neither inherited nor given by a script.
const RESERVED: &[&str] = &[
    "KUBECONFIG",
    "KUBERC",
    "KUBE_*",
    "KUBECTL_*",
    "KUBERNETES_*",
    "HELM_*",
    "FLUX_*",
    "TALOSCONFIG",
    "TALOS_*",
    "CLOUDSDK_*",
    "GOOGLE_CLOUD_PROJECT",
    "GCLOUD_PROJECT",
    "GIT_*",
    "EDITOR",
    "VISUAL",
    "PAGER",
    "LD_*",
    "DYLD_*",
    "PATH",
    "RUNBOOK_*",
];
/// What else leads a tool elsewhere, by another folder of settings, another proxy or other roots of trust: a context's
/// `env = […]` may pass it on, a playbook may not give it.
const NOT_GIVEN: &[&str] = &[
    "HOME",
    "XDG_*",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_*",
    "SSH_*",
    "GOOGLE_*",
    "KUSTOMIZE_*",
    "PYTHON*",
    "BASH_ENV",
];

/// The run that a command belongs to.
pub(super) const RUN: &str = "RUNBOOK_RUN";
/// The effect that it is: step and number.
pub(super) const EFFECT: &str = "RUNBOOK_EFFECT";

/// How far a command may reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reachable {
    /// The private kubeconfig; without one a tool finds an empty one.
    pub kubeconfig: Option<PathBuf>,
    /// The context's talosconfig; without one a tool finds an empty one.
    pub talosconfig: Option<PathBuf>,
    /// The context's GCP project.
    pub project: Option<String>,
}

/// The whole environment of a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// Takes what is allowed from `parent` (usually `std::env::vars_os()`), and what the context declares in `env`, and
    /// points every tool to what `reach` names. A declared name that is reserved is left out: see [`is_reserved`].
    pub fn new(parent: impl IntoIterator<Item = (OsString, OsString)>, declared: &[String], reach: &Reachable) -> Self {
        let allowed = |name: &OsStr| {
            name.to_str().is_some_and(|name| {
                PASSED_ON.contains(&name)
                    || name.starts_with("LC_")
                    || PROXIES.contains(&name.to_ascii_uppercase().as_str())
                    || (declared.iter().any(|d| d == name) && !is_reserved(name))
            })
        };
        let mut env: BTreeMap<_, _> = parent.into_iter().filter(|(name, _)| allowed(name)).collect();
        if let Some(path) = env.get_mut(OsStr::new("PATH")) {
            *path = absolute(path);
        }
        let file =
            |path: Option<&PathBuf>| path.map_or(Path::new("/dev/null"), PathBuf::as_path).as_os_str().to_owned();
        let mut set = |name: &str, value: OsString| env.insert(name.into(), value);
        set("KUBECONFIG", file(reach.kubeconfig.as_ref()));
        set("TALOSCONFIG", file(reach.talosconfig.as_ref()));
        set("KUBERC", "off".into());
        set("KUBECTL_KUBERC", "false".into());
        set("GIT_TERMINAL_PROMPT", "0".into()); // nobody is there to answer
        set("GIT_PAGER", "cat".into());
        set("CLOUDSDK_CORE_DISABLE_PROMPTS", "1".into());
        if let Some(project) = &reach.project {
            set("CLOUDSDK_CORE_PROJECT", project.into());
        }
        Self(env)
    }

    /// Adds a variable that a playbook gives to one command.
    pub fn with(mut self, name: &str, value: &str) -> Result<Self, String> {
        if is_reserved(name) || is_one_of(&name.to_ascii_uppercase(), NOT_GIVEN) {
            return Err(format!(
                "a playbook may not set `{name}`: it decides what a tool reaches; the context given with --context does that"
            ));
        }
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return Err(format!("`{name}` is not a name for an environment variable, or its value holds a NUL byte"));
        }
        self.0.insert(name.into(), value.into());
        Ok(self)
    }

    /// Says of which effect of which run it is, so that a child is found whose start was never noted: see [`super::of_effect`].
    #[must_use]
    pub fn marked(mut self, run: &str, effect: &str) -> Self {
        self.0.insert(RUN.into(), run.into());
        self.0.insert(EFFECT.into(), effect.into());
        self
    }

    /// Names and values, sorted.
    pub fn variables(&self) -> &BTreeMap<OsString, OsString> {
        &self.0
    }
}

/// Whether a variable decides what a tool reaches or runs, so that neither playbook nor `env = […]` may give it.
pub fn is_reserved(name: &str) -> bool {
    is_one_of(name, RESERVED)
}

fn is_one_of(name: &str, list: &[&str]) -> bool {
    list.iter().any(|known| match known.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == *known,
    })
}

/// The folders of a `PATH` that are the same wherever a command runs: one that is relative would take what lies in a
/// playbook's folder for a tool.
pub fn absolute(path: &OsStr) -> OsString {
    let folders = std::env::split_paths(path).filter(|folder| folder.is_absolute());
    std::env::join_paths(folders).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        pairs.iter().map(|(n, v)| (OsString::from(n), OsString::from(v))).collect()
    }

    #[test]
    fn only_what_is_allowed_or_declared_is_passed_on() {
        let parent = vars(&[
            ("PATH", "/bin"),
            ("LC_ALL", "C"),
            ("https_proxy", "http://p"),
            ("AWS_SECRET_ACCESS_KEY", "x"),
            ("MINE", "1"),
            ("HELM_KUBECONTEXT", "main"),
            ("HELM_KUBEAPISERVER", "https://main"),
            ("KUBECONFIG", "/home/me/.kube/config"),
            ("TALOSCONFIG", "/home/me/.talos/config"),
            ("KUBECTL_EXTERNAL_DIFF", "rm -rf"),
        ]);
        let declared = ["MINE".to_owned(), "HELM_KUBECONTEXT".to_owned(), "KUBECONFIG".to_owned()];
        let reach = Reachable { kubeconfig: Some("/run/private".into()), ..Reachable::default() };
        let env = Environment::new(parent, &declared, &reach);
        let shown: Vec<_> = env.variables().iter().map(|(n, v)| format!("{}={}", n.display(), v.display())).collect();
        assert_eq!(
            shown,
            [
                "CLOUDSDK_CORE_DISABLE_PROMPTS=1",
                "GIT_PAGER=cat",
                "GIT_TERMINAL_PROMPT=0",
                "KUBECONFIG=/run/private",
                "KUBECTL_KUBERC=false",
                "KUBERC=off",
                "LC_ALL=C",
                "MINE=1",
                "PATH=/bin",
                "TALOSCONFIG=/dev/null",
                "https_proxy=http://p",
            ]
        );
    }

    #[test]
    fn a_tool_is_never_found_in_a_relative_folder() {
        let env = Environment::new(vars(&[("PATH", ".:/bin::bin:/usr/bin")]), &[], &Reachable::default());
        assert_eq!(env.variables()[OsStr::new("PATH")], "/bin:/usr/bin");
    }

    #[test]
    fn a_context_passes_on_what_a_playbook_may_not_give() {
        let parent = vars(&[("XDG_CONFIG_HOME", "/x"), ("GOOGLE_APPLICATION_CREDENTIALS", "/y")]);
        let declared = ["XDG_CONFIG_HOME".to_owned()];
        let env = Environment::new(parent, &declared, &Reachable::default());
        assert!(env.variables().contains_key(OsStr::new("XDG_CONFIG_HOME")));
        assert!(!env.variables().contains_key(OsStr::new("GOOGLE_APPLICATION_CREDENTIALS")));
    }

    #[test]
    fn a_playbook_may_not_turn_a_tool_to_another_cluster() {
        let env = Environment::new(vars(&[]), &[], &Reachable::default());
        for name in [
            "KUBECONFIG",
            "HELM_KUBEAPISERVER",
            "TALOSCONFIG",
            "GIT_SSH_COMMAND",
            "LD_PRELOAD",
            "PATH",
            "HOME",
            "XDG_DATA_HOME",
            "https_proxy",
            "ALL_PROXY",
            "SSL_CERT_FILE",
        ] {
            let message = env.clone().with(name, "x").expect_err(name);
            assert!(message.contains(name), "{message}");
        }
        assert_eq!(env.with("TAG", "1").map(|e| e.variables().contains_key(OsStr::new("TAG"))), Ok(true));
    }
}
