use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use http::Uri;
use kube::config::{Cluster as ClusterEntry, Config, ExecAuthCluster, ExecInteractiveMode, Kubeconfig, NamedContext};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use super::{ClusterError, proxy::proxy_for};

/// Longest time for a connection to be made.
const CONNECT: std::time::Duration = std::time::Duration::from_secs(5);

/// Where the kubeconfig is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeconfigSource {
    /// The files, merged as kubectl does: the first that names a thing wins.
    pub files: Vec<PathBuf>,
    /// Whether a missing file is an error: it is for one that was named, and is not for the list in `KUBECONFIG`.
    pub explicit: bool,
    /// Whether an exec plugin may ask on the terminal.
    pub interactive: bool,
    /// What was read of them, where they are not read again.
    read: Option<Read>,
}

/// A kubeconfig as it was read. It holds credentials, and is not shown.
#[derive(Clone, PartialEq, Eq)]
struct Read(Arc<str>);

impl fmt::Debug for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl KubeconfigSource {
    /// The files in `KUBECONFIG`, else `~/.kube/config`.
    pub fn from_environment() -> Self {
        let listed: Vec<PathBuf> = std::env::var_os("KUBECONFIG")
            .map(|list| std::env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()).collect())
            .unwrap_or_default();
        let files = if listed.is_empty() {
            std::env::home_dir().map(|home| home.join(".kube").join("config")).into_iter().collect()
        } else {
            listed
        };
        Self::of(files)
    }

    /// Files of which any may be missing.
    pub fn of(files: Vec<PathBuf>) -> Self {
        Self { files, explicit: false, interactive: false, read: None }
    }

    /// One file, which has to exist.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { explicit: true, ..Self::of(vec![path.into()]) }
    }

    /// The same with this context only, as it is now: what becomes of the files later, it does not see.
    ///
    /// # Errors
    /// [`ClusterError::Config`], where there is no such context or a part of it is missing.
    pub fn frozen(&self, kube_context: &str) -> Result<Self, ClusterError> {
        let read = Some(Read(self.only(kube_context)?.into()));
        Ok(Self { read, ..self.clone() })
    }

    /// The API servers that its contexts lead to, each context with a URL.
    ///
    /// # Errors
    /// [`ClusterError::Config`], where a file cannot be read.
    pub fn servers(&self) -> Result<Vec<(String, String)>, ClusterError> {
        let kubeconfig = self.read()?;
        let server = |named: &NamedContext| {
            let cluster = &named.context.as_ref()?.cluster;
            let entry = kubeconfig.clusters.iter().find(|entry| entry.name == *cluster)?;
            Some((named.name.clone(), entry.cluster.as_ref()?.server.clone()?))
        };
        Ok(kubeconfig.contexts.iter().filter_map(server).collect())
    }

    /// The names of its contexts, sorted.
    ///
    /// # Errors
    /// [`ClusterError::Config`], where a file cannot be read.
    pub fn contexts(&self) -> Result<Vec<String>, ClusterError> {
        let mut names: Vec<String> = self.read()?.contexts.into_iter().map(|context| context.name).collect();
        names.sort();
        Ok(names)
    }

    /// A kubeconfig with this context only, paths absolute, as JSON (which is YAML): for the private file of a run.
    /// It holds credentials.
    ///
    /// # Errors
    /// [`ClusterError::Config`], where there is no such context or a part of it is missing.
    pub fn only(&self, kube_context: &str) -> Result<String, ClusterError> {
        let mut kubeconfig = self.read()?;
        let (cluster, user) = {
            let chosen = self.choose(&kubeconfig, kube_context)?;
            (chosen.cluster_name, chosen.user_name)
        };
        kubeconfig.contexts.retain(|context| context.name == kube_context);
        kubeconfig.clusters.retain(|entry| entry.name == cluster);
        kubeconfig.auth_infos.retain(|entry| Some(&entry.name) == user.as_ref());
        kubeconfig.current_context = Some(kube_context.to_owned());
        kubeconfig.api_version.get_or_insert_with(|| "v1".into());
        kubeconfig.kind.get_or_insert_with(|| "Config".into());
        serde_json::to_string(&kubeconfig)
            .map_err(|error| config(format!("kube-context `{kube_context}` cannot be written: {error}"), vec![]))
    }

    fn read(&self) -> Result<Kubeconfig, ClusterError> {
        if let Some(Read(text)) = &self.read {
            return serde_json::from_str(text)
                .map_err(|error| config(format!("the kubeconfig as it was read: {error}"), vec![self.said_where()]));
        }
        let mut merged: Option<Kubeconfig> = None;
        for file in &self.files {
            if !self.explicit && !file.exists() {
                continue;
            }
            let absolute = std::path::absolute(file).unwrap_or_else(|_| file.clone());
            let next = read_one(&absolute)?;
            merged = Some(match merged {
                None => next,
                Some(merged) => merged
                    .merge(next)
                    .map_err(|error| config(format!("kubeconfig {}: {error}", absolute.display()), vec![]))?,
            });
        }
        merged.ok_or_else(|| {
            let looked: Vec<String> = self.files.iter().map(|file| file.display().to_string()).collect();
            let looked = if looked.is_empty() { "nowhere: there is no home folder".into() } else { looked.join(", ") };
            config(
                format!("no kubeconfig found (looked in {looked})"),
                vec!["set KUBECONFIG to the file that has the context".into()],
            )
        })
    }

    fn choose(&self, kubeconfig: &Kubeconfig, kube_context: &str) -> Result<Chosen, ClusterError> {
        let found = kubeconfig.contexts.iter().find(|context| context.name == kube_context);
        let Some(NamedContext { context: Some(context), .. }) = found else {
            return Err(self.unknown_context(kubeconfig, kube_context));
        };
        let entry = kubeconfig.clusters.iter().find(|entry| entry.name == context.cluster);
        let Some(cluster) = entry.and_then(|entry| entry.cluster.clone()) else {
            let message = format!(
                "kube-context `{kube_context}` names the cluster `{}`, which the kubeconfig does not have",
                context.cluster
            );
            return Err(config(message, vec![self.said_where()]));
        };
        let mut auth = kube::config::AuthInfo::default();
        if let Some(user) = context.user.as_deref().filter(|user| !user.is_empty()) {
            let entry = kubeconfig.auth_infos.iter().find(|entry| entry.name == user);
            let Some(entry) = entry else {
                let message = format!(
                    "kube-context `{kube_context}` names the user `{user}`, which the kubeconfig does not have"
                );
                return Err(config(message, vec![self.said_where()]));
            };
            auth = entry.auth_info.clone().unwrap_or_default();
        }
        Ok(Chosen { cluster_name: context.cluster.clone(), user_name: context.user.clone(), cluster, auth })
    }

    fn unknown_context(&self, kubeconfig: &Kubeconfig, kube_context: &str) -> ClusterError {
        let mut names: Vec<&str> = kubeconfig.contexts.iter().map(|context| context.name.as_str()).collect();
        names.sort_unstable();
        let nearest = names
            .iter()
            .map(|name| (strsim::jaro_winkler(name, kube_context), *name))
            .filter(|(score, _)| *score > 0.8)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, name)| format!(": did you mean `{name}`?"))
            .unwrap_or_default();
        let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        config(
            format!("the kubeconfig has no context `{kube_context}`{nearest}"),
            vec![format!("contexts that there are: {there}"), self.said_where()],
        )
    }

    fn said_where(&self) -> String {
        let files: Vec<String> = self.files.iter().map(|file| file.display().to_string()).collect();
        format!("read from {}", files.join(", "))
    }

    /// The client's configuration for this context. Never guessed: no current-context, no in-cluster fallback.
    pub(super) fn config(&self, kube_context: &str) -> Result<Config, ClusterError> {
        let chosen = self.choose(&self.read()?, kube_context)?;
        let Chosen { cluster, mut auth, .. } = chosen;
        let broken = |part: String| config(format!("kube-context `{kube_context}`: {part}"), vec![self.said_where()]);
        let server = cluster.server.clone().filter(|server| !server.is_empty());
        let server = server.ok_or_else(|| broken("its cluster names no server".into()))?;
        let uri: Uri =
            server.parse().map_err(|error| broken(format!("its server `{server}` is not a URL: {error}")))?;
        if uri.host().is_none() || !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(broken(format!("its server `{server}` is not a URL: write https://host:port")));
        }
        if let Some(exec) = &mut auth.exec {
            if exec.provide_cluster_info {
                let info = ExecAuthCluster::try_from(&cluster).map_err(|error| broken(error.to_string()))?;
                exec.cluster = Some(info);
            }
            if !self.interactive {
                exec.interactive_mode = Some(ExecInteractiveMode::Never);
            }
        }
        let proxy = proxy_for(&uri, cluster.proxy_url.as_deref(), |name| std::env::var(name).ok()).map_err(broken)?;
        // two crypto libraries in one program would leave rustls without a default
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let mut client = Config::new(uri);
        client.root_cert = certificates(&cluster).map_err(broken)?;
        client.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or_default();
        client.tls_server_name = cluster.tls_server_name;
        client.disable_compression = cluster.disable_compression.unwrap_or_default();
        client.connect_timeout = Some(CONNECT);
        client.proxy_url = proxy;
        client.auth_info = auth;
        // retries would repeat changes, and hide an unreachable server from the one who waits for it
        client.default_retry = false;
        Ok(client)
    }
}

struct Chosen {
    cluster_name: String,
    user_name: Option<String>,
    cluster: ClusterEntry,
    auth: kube::config::AuthInfo,
}

fn read_one(file: &Path) -> Result<Kubeconfig, ClusterError> {
    let mut kubeconfig = read_file(file)?;
    for entry in &mut kubeconfig.auth_infos {
        let command = entry.auth_info.as_mut().and_then(|user| user.exec.as_mut()?.command.as_mut());
        // as kubectl does: one that is a path begins where the kubeconfig lies
        if let Some(command) = command.filter(|command| command.contains('/') && Path::new(command).is_relative()) {
            *command = file.parent().unwrap_or(Path::new("")).join(&*command).display().to_string();
        }
    }
    Ok(kubeconfig)
}

fn read_file(file: &Path) -> Result<Kubeconfig, ClusterError> {
    Kubeconfig::read_from(file).map_err(|error| {
        let mut message = format!("kubeconfig {}: {error}", file.display());
        // an excerpt of the file could show a token
        message.truncate(message.find('\n').unwrap_or(message.len()));
        config(message, vec![])
    })
}

fn certificates(cluster: &ClusterEntry) -> Result<Option<Vec<Vec<u8>>>, String> {
    let pem = match (&cluster.certificate_authority_data, &cluster.certificate_authority) {
        (Some(data), _) if !data.is_empty() => {
            let bytes: k8s_openapi::ByteString = serde_json::from_value(data.trim().into())
                .map_err(|_| "its certificate-authority-data is not base64".to_owned())?;
            bytes.0
        }
        (_, Some(file)) if !file.is_empty() => {
            std::fs::read(file).map_err(|error| format!("its certificate-authority {file}: {error}"))?
        }
        _ => return Ok(None),
    };
    let certificates: Vec<Vec<u8>> = CertificateDer::pem_slice_iter(&pem)
        .map(|certificate| certificate.map(|certificate| certificate.to_vec()))
        .collect::<Result<_, _>>()
        .map_err(|_| "its certificate authority is not PEM".to_owned())?;
    if certificates.is_empty() {
        return Err("its certificate authority holds no certificate".into());
    }
    Ok(Some(certificates))
}

fn config(message: String, help: Vec<String>) -> ClusterError {
    ClusterError::Config { message, help }
}

/// The error for a context that reads well but cannot be used: a plugin that fails, a key that is none.
pub(super) fn unusable(kube_context: &str, plugin: Option<&str>, error: &kube::Error) -> ClusterError {
    let plugin = plugin.map(|plugin| format!(" (its user's plugin is `{plugin}`)")).unwrap_or_default();
    let mut message = format!("kube-context `{kube_context}`{plugin}: {error}");
    if let Some(source) = std::error::Error::source(error).map(ToString::to_string)
        && !message.contains(&source)
    {
        message = format!("{message}: {source}");
    }
    config(message, vec![format!("try it: kubectl --context {kube_context} version")])
}

#[cfg(test)]
mod tests {
    use super::*;

    const KUBECONFIG: &str = r#"
apiVersion: v1
kind: Config
current-context: other
clusters:
- {name: one, cluster: {server: "https://127.0.0.1:6443", insecure-skip-tls-verify: true}}
- {name: bad, cluster: {server: "not a url"}}
- {name: noca, cluster: {server: "https://k8s:6443", certificate-authority-data: "!!!"}}
- {name: nopem, cluster: {server: "https://k8s:6443", certificate-authority-data: "aGVsbG8="}}
- {name: lost, cluster: {server: "https://k8s:6443", certificate-authority: missing.crt}}
users:
- {name: me, user: {token: s3cret}}
- {name: you, user: {token: other}}
contexts:
- {name: staging, context: {cluster: one, user: me}}
- {name: other, context: {cluster: one, user: you}}
- {name: no-cluster, context: {cluster: gone, user: me}}
- {name: no-user, context: {cluster: one, user: gone}}
- {name: bad-server, context: {cluster: bad, user: me}}
- {name: bad-ca, context: {cluster: noca, user: me}}
- {name: bad-pem, context: {cluster: nopem, user: me}}
- {name: lost-ca, context: {cluster: lost, user: me}}
"#;

    fn folder() -> (tempfile::TempDir, KubeconfigSource) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        std::fs::write(&file, KUBECONFIG).unwrap();
        (folder, KubeconfigSource::file(file))
    }

    fn error(source: &KubeconfigSource, context: &str) -> (String, String) {
        let error = source.config(context).err().unwrap();
        assert!(matches!(error, ClusterError::Config { .. }), "{error:?}");
        (error.to_string(), error.help().join("\n"))
    }

    #[test]
    fn a_context_is_taken_by_its_name_and_never_guessed() {
        let (_folder, source) = folder();
        let config = source.config("staging").unwrap();
        assert_eq!(config.cluster_url, "https://127.0.0.1:6443");
        assert!(!config.default_retry);
        let (message, help) = error(&source, "stagign");
        assert_eq!(message, "the kubeconfig has no context `stagign`: did you mean `staging`?");
        assert!(help.contains("contexts that there are: bad-ca, "), "{help}");
        assert!(!error(&source, "").0.is_empty());
    }

    #[test]
    fn what_a_context_lacks_is_named() {
        let (_folder, source) = folder();
        for (context, words) in [
            ("no-cluster", "names the cluster `gone`"),
            ("no-user", "names the user `gone`"),
            ("bad-server", "`not a url` is not a URL"),
            ("bad-ca", "certificate-authority-data is not base64"),
            ("bad-pem", "holds no certificate"),
            ("lost-ca", "missing.crt"),
        ] {
            let (message, _) = error(&source, context);
            assert!(message.contains(words) && message.contains(context), "{message}");
        }
    }

    #[test]
    fn files_of_a_list_may_be_missing_and_a_named_one_may_not() {
        let (folder, source) = folder();
        let missing = folder.path().join("missing");
        let list = KubeconfigSource::of(vec![missing.clone(), source.files[0].clone()]);
        assert!(list.config("staging").is_ok());
        let none = KubeconfigSource { files: vec![missing.clone()], ..list };
        assert!(error(&none, "staging").0.contains("no kubeconfig found"));
        assert!(error(&KubeconfigSource::file(&missing), "staging").0.contains("missing"));
    }

    #[test]
    fn the_first_file_that_names_a_thing_wins() {
        let (folder, source) = folder();
        let first = folder.path().join("first");
        let text = "clusters: [{name: one, cluster: {server: \"https://10.0.0.1\"}}]\ncontexts: []\nusers: []\n";
        std::fs::write(&first, text).unwrap();
        let list = KubeconfigSource::of(vec![first, source.files[0].clone()]);
        assert_eq!(list.config("staging").unwrap().cluster_url, "https://10.0.0.1");
    }

    #[test]
    fn the_private_kubeconfig_has_one_context_and_absolute_paths() {
        let (folder, source) = folder();
        let text = source.only("lost-ca").unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        for list in ["contexts", "clusters", "users"] {
            assert_eq!(value[list].as_array().unwrap().len(), 1, "{list}: {value}");
        }
        assert_eq!(value["current-context"], "lost-ca");
        let ca = value["clusters"][0]["cluster"]["certificate-authority"].as_str().unwrap();
        assert!(Path::new(ca).is_absolute() && Path::new(ca).starts_with(folder.path()), "{ca}");
        assert!(!text.contains("other"), "{text}");
        assert!(source.only("nowhere").is_err());
    }

    #[test]
    fn a_frozen_one_does_not_see_what_becomes_of_its_files() {
        let (_folder, source) = folder();
        let frozen = source.frozen("staging").unwrap();
        std::fs::write(&source.files[0], KUBECONFIG.replace("127.0.0.1:6443", "10.9.9.9")).unwrap();
        assert_eq!(source.config("staging").unwrap().cluster_url, "https://10.9.9.9/");
        assert_eq!(frozen.config("staging").unwrap().cluster_url, "https://127.0.0.1:6443");
        assert!(frozen.only("staging").unwrap().contains("127.0.0.1:6443"));
        assert!(!format!("{frozen:?}").contains("s3cret"), "{frozen:?}");
        let servers = source.servers().unwrap();
        assert!(servers.contains(&("bad-ca".to_owned(), "https://k8s:6443".to_owned())), "{servers:?}");
    }

    #[test]
    fn a_file_that_is_no_kubeconfig_is_named_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        std::fs::write(&file, "users: [{name: me, user: {token: s3cret}}\n").unwrap();
        let (message, _) = error(&KubeconfigSource::file(&file), "staging");
        assert!(message.contains("config") && !message.contains("s3cret"), "{message}");
    }

    #[test]
    fn an_exec_plugin_that_fails_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        let text = KUBECONFIG.replace(
            "{token: s3cret}",
            "{exec: {apiVersion: client.authentication.k8s.io/v1, command: ./no-such-plugin, interactiveMode: IfAvailable}}",
        );
        std::fs::write(&file, text).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let error =
            super::super::Cluster::connect(runtime.handle(), &KubeconfigSource::file(&file), "staging").unwrap_err();
        assert!(error.to_string().contains("kube-context `staging`"), "{error}");
        assert!(error.to_string().contains("no-such-plugin"), "{error}");
    }
}
