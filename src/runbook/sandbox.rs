//! The sandbox of a context, on its own: served to kubectl and its kin, loaded, reset.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    Error, ErrorKind, Runbook,
    builder::{Inner, own_file},
};
use crate::{
    bundle::Config,
    http::{Http, Request},
    model::{Digest, Fault},
    object::yaml,
    redact::Secret,
    sandbox::{Control, Front, Kept, Loaded, Sandbox, SandboxError, Served},
};

/// How long a large dump may take.
const LOADING: Duration = Duration::from_mins(5);

/// A sandbox as a run reaches it.
#[derive(Clone)]
pub(crate) enum Reached {
    /// This process holds its state.
    Here(Arc<Kept>),
    /// Another process serves it; the file is a kubeconfig for it.
    Served(Arc<Control>, PathBuf),
}

impl Reached {
    pub fn front(&self) -> Arc<dyn Front> {
        match self {
            Self::Here(sandbox) => sandbox.clone(),
            Self::Served(control, _) => control.clone(),
        }
    }
}

/// A kubeconfig whose one context is a served sandbox.
pub(super) fn kubeconfig(name: &str, url: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{ "name": name, "cluster": { "server": url } }],
        "users": [{ "name": name, "user": {} }],
        "contexts": [{ "name": name, "context": { "cluster": name, "user": name } }],
    })
}

impl Inner {
    /// The folder of a context's sandbox. A context of another `runbook.toml` has another one.
    pub fn sandbox_folder(&self, context: &str, config: Option<&Path>) -> PathBuf {
        let config = config.map(|path| path.canonicalize().unwrap_or_else(|_| path.to_owned()));
        let of = Digest::of(config.map(|path| path.display().to_string()).unwrap_or_default());
        self.state.join("sandbox").join(format!("{}-{}", crate::model::slug(context), &of.short()[..8]))
    }

    /// The sandbox of a context: where another process serves it, that one.
    pub fn sandbox(&self, context: &str, config: Option<&Path>, faults: &[Fault]) -> Result<Reached, Error> {
        let folder = self.sandbox_folder(context, config);
        if let Some((control, file)) = self.served_elsewhere(&folder)? {
            return Ok(Reached::Served(control, file));
        }
        let kept = self.hold_sandbox(context, &folder)?;
        // one that nobody has opened knows of none
        if !faults.is_empty() || kept.opened().is_some() {
            tell(&kept.open().map_err(|error| unusable(context, &error))?, faults)?;
        }
        Ok(Reached::Here(kept))
    }

    /// Takes the state in a folder; once per process, because it has one writer.
    fn hold_sandbox(&self, context: &str, folder: &Path) -> Result<Arc<Kept>, Error> {
        self.held(folder, || Kept::hold(folder.join("state.redb"))).map_err(|error| unusable(context, &error))
    }

    /// The same, opened.
    fn open_sandbox(&self, context: &str, folder: &Path) -> Result<(Arc<Kept>, Sandbox), Error> {
        let kept = self.hold_sandbox(context, folder)?;
        let sandbox = kept.open().map_err(|error| unusable(context, &error))?;
        Ok((kept, sandbox))
    }

    /// The process that serves the sandbox of a folder, if one does.
    fn served_elsewhere(&self, folder: &Path) -> Result<Option<(Arc<Control>, PathBuf)>, Error> {
        let file = folder.join("kubeconfig");
        let Ok(text) = fs::read(&file) else { return Ok(None) };
        let config: Value = serde_json::from_slice(&text).unwrap_or_default();
        let Some(url) = config["clusters"][0]["cluster"]["server"].as_str() else { return Ok(None) };
        let handle = self.runtime().map_err(|why| Error::new(ErrorKind::Internal, why))?;
        let http = Http::new(handle);
        let control = Control::new(
            url,
            Box::new(move |url, body| {
                let request = Request {
                    timeout: Some(if body.is_some() { LOADING } else { Duration::from_secs(2) }),
                    body,
                    ..Request::default()
                };
                let asked = if request.body.is_some() { http.post(url, &request) } else { http.get(url, &request) };
                match asked {
                    Ok(answer) if answer.status == 200 => Ok(answer.body),
                    Ok(answer) => Err(format!("the process that serves the sandbox answered {}", answer.status)),
                    // its URL holds the token
                    Err(_) => Err("the process that served the sandbox is gone".into()),
                }
            }),
        );
        // what a killed process left behind answers nothing
        if control.uid().is_err() {
            return Ok(None);
        }
        self.scrubber.learn(&Secret::new(url.rsplit('/').next().unwrap_or_default()));
        Ok(Some((Arc::new(control), file)))
    }
}

/// Tells faults to a sandbox that is open here.
fn tell(sandbox: &Sandbox, faults: &[Fault]) -> Result<(), Error> {
    sandbox.set_faults(faults.to_vec()).map_err(|idle| {
        let start = Error::new(ErrorKind::Usage, "a fault would do nothing");
        idle.into_iter().fold(start, |error, (fault, why)| error.hint(format!("'{fault}': {why}")))
    })
}

pub(super) fn unusable(context: &str, error: &SandboxError) -> Error {
    match error {
        SandboxError::InUse { holder, .. } => {
            Error::new(ErrorKind::Locked, format!("the sandbox of {context} is in use by {holder}"))
                .hint("wait for it to end")
                .hint(format!(
                    "or serve the sandbox first: `runbook sandbox serve --context {context}`; runs then share it"
                ))
        }
        error => {
            let message = format!("the sandbox of {context} cannot be kept, so nothing is changed: {error}");
            let kept = Error::new(ErrorKind::Internal, message);
            match error {
                SandboxError::Damaged { .. } => kept.hint(format!("runbook sandbox reset --context {context}")),
                _ => kept.hint(crate::run::WRITABLE),
            }
        }
    }
}

/// The sandbox of a context of `runbook.toml`, without a run.
#[derive(Clone)]
pub struct ContextSandbox {
    inner: Arc<Inner>,
    context: String,
    folder: PathBuf,
    faults: Vec<Fault>,
}

impl Runbook {
    /// The sandbox of a context that the `runbook.toml` in force declares: the one of [`super::Builder::config`], or the
    /// first found from `folder` upwards. Nothing is opened.
    ///
    /// # Errors
    /// No `runbook.toml`, one that is refused, no such context, or one that is no sandbox.
    pub fn sandbox(&self, context: &str, folder: impl AsRef<Path>) -> Result<ContextSandbox, Error> {
        let folder = folder.as_ref();
        let config = Config::find(folder, self.inner.config.as_deref())
            .map_err(|error| Error::new(ErrorKind::Usage, "the configuration is refused").findings_are(error.0))?;
        let Some(config) = config else {
            let shown = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
            let message = format!("there is no runbook.toml in {} or above it", shown.display());
            return Err(below(folder).into_iter().fold(Error::new(ErrorKind::Usage, message), |error, path| {
                error.hint(format!("name the one in force: --config {}", path.display()))
            }));
        };
        let declared = config.context(context).map_err(|finding| {
            finding.help.into_iter().fold(Error::new(ErrorKind::Context, finding.message), Error::hint)
        })?;
        if !declared.sandbox {
            let sandboxes: Vec<&str> =
                config.contexts.values().filter(|other| other.sandbox).map(|other| other.name.as_str()).collect();
            let message = format!("context {context} is a real cluster, not a sandbox: nothing was contacted");
            return Err(match sandboxes.as_slice() {
                [] => Error::new(ErrorKind::Context, message)
                    .hint("a sandbox is declared by [contexts.NAME] sandbox = true"),
                names => Error::new(ErrorKind::Context, message).hint(format!("sandboxes here: {}", names.join(", "))),
            });
        }
        Ok(ContextSandbox {
            inner: self.inner.clone(),
            context: context.into(),
            folder: self.inner.sandbox_folder(context, Some(&config.path)),
            faults: declared.faults.clone(),
        })
    }
}

/// Files of this name one folder below: whoever stands in a repository means one of them.
fn below(folder: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> =
        folders.map(|below| below.join("runbook.toml")).filter(|path| path.is_file()).collect();
    found.sort();
    found.iter().map(|path| path.strip_prefix("./").unwrap_or(path).to_owned()).take(3).collect()
}

impl ContextSandbox {
    /// Tells an object not to become ready, such as `HelmRelease/monitoring/grafana: install retries exhausted`, as long
    /// as it is served.
    #[must_use]
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// The name of the context.
    pub fn context(&self) -> &str {
        &self.context
    }

    /// Serves it on a free port of 127.0.0.1 until what this gives is dropped. Runs on the context use it meanwhile.
    ///
    /// # Errors
    /// Another process has it, a fault that would do nothing, or its state cannot be kept.
    pub fn serve(&self) -> Result<ServedSandbox, Error> {
        let internal = |why: String| Error::new(ErrorKind::Internal, why);
        if let Some((_, file)) = self.inner.served_elsewhere(&self.folder)? {
            let message = format!("the sandbox of {} is served already", self.context);
            return Err(Error::new(ErrorKind::Locked, message).hint(format!("export KUBECONFIG={}", file.display())));
        }
        let (kept, sandbox) = self.inner.open_sandbox(&self.context, &self.folder)?;
        tell(&sandbox, &self.faults)?;
        let handle = self.inner.runtime().map_err(internal)?;
        sandbox.start_controllers(&handle);
        let served = handle
            .block_on(sandbox.serve())
            .map_err(|error| internal(format!("the sandbox cannot be served on loopback: {error}")))?;
        self.inner.scrubber.learn(&Secret::new(served.token()));
        let file = self.folder.join("kubeconfig");
        let text = kubeconfig(&self.context, &served.url()).to_string();
        own_file(&file, text.as_bytes()).map_err(|error| internal(format!("{}: {error}", file.display())))?;
        Ok(ServedSandbox { file, served, _kept: kept })
    }

    /// Lays the objects of YAML or JSON files into it, lists unpacked: a live cluster's `kubectl get -o yaml` too. `-` is
    /// not read; all files are read before anything is loaded.
    ///
    /// # Errors
    /// A file that cannot be read or is no list of objects, another process that has the sandbox, or state that cannot
    /// be kept. What a sandbox does not serve is no error: see [`Loaded::left_out`].
    pub fn load(&self, files: &[PathBuf]) -> Result<Loaded, Error> {
        let mut objects = vec![];
        for path in files {
            let name = path.display().to_string();
            let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
            let read = yaml::objects(&text, &name).map_err(|error| Error::new(ErrorKind::Usage, error.to_string()))?;
            if read.is_empty() {
                return Err(Error::new(ErrorKind::Usage, format!("{name} holds no objects")));
            }
            objects.extend(read);
        }
        match self.inner.served_elsewhere(&self.folder)? {
            Some((control, _)) => control.load(objects).map_err(|why| Error::new(ErrorKind::Internal, why)),
            None => Ok(self.inner.open_sandbox(&self.context, &self.folder)?.1.load(objects)),
        }
    }

    /// Removes all that it holds; it begins anew, as another cluster. Gives how many objects there were; none are counted
    /// where its state could not be read.
    ///
    /// # Errors
    /// A run that uses it, or state that cannot be removed.
    pub fn reset(&self) -> Result<Option<usize>, Error> {
        if let Some((control, _)) = self.inner.served_elsewhere(&self.folder)? {
            return control.reset().map(Some).map_err(|why| Error::new(ErrorKind::Internal, why));
        }
        let file = self.folder.join("state.redb");
        if !file.exists() {
            return Ok(Some(0));
        }
        match self.inner.open_sandbox(&self.context, &self.folder) {
            Ok((_, sandbox)) => sandbox.reset().map(Some).map_err(|error| unusable(&self.context, &error)),
            Err(error) if error.kind() == ErrorKind::Locked => Err(error),
            // what cannot be read is removed as it is
            Err(_) => match fs::remove_file(&file) {
                Ok(()) => Ok(None),
                Err(source) => Err(unusable(&self.context, &SandboxError::Unreadable { path: file, source })),
            },
        }
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    let name = path.display();
    let wrong = Error::new(
        ErrorKind::Usage,
        match error.kind() {
            io::ErrorKind::NotFound => format!("there is no file {name}"),
            io::ErrorKind::InvalidData => format!("{name} is not UTF-8 text"),
            _ => format!("{name} cannot be read: {error}"),
        },
    );
    let (folder, file) = (path.parent().filter(|p| !p.as_os_str().is_empty()), path.file_name());
    let beside = fs::read_dir(folder.unwrap_or(Path::new("."))).into_iter().flatten().flatten();
    let names: Vec<String> = beside.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let wanted = file.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match crate::bundle::nearest(&wanted, names.iter().map(String::as_str)).first() {
        Some(near) if error.kind() == io::ErrorKind::NotFound => {
            wrong.hint(format!("did you mean {}?", path.with_file_name(near).display()))
        }
        _ => wrong,
    }
}

/// A sandbox that is served until this is dropped.
pub struct ServedSandbox {
    file: PathBuf,
    served: Served,
    _kept: Arc<Kept>,
}

impl ServedSandbox {
    /// A kubeconfig with this one cluster, readable by its owner only; gone with this value. It holds the token.
    pub fn kubeconfig(&self) -> &Path {
        &self.file
    }

    /// Where it listens, such as `127.0.0.1:40123`.
    pub fn address(&self) -> String {
        self.served.address().to_string()
    }
}

impl Drop for ServedSandbox {
    fn drop(&mut self) {
        // one that is gone already is as it should be
        let _ = fs::remove_file(&self.file);
    }
}

impl fmt::Debug for ContextSandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContextSandbox").field("context", &self.context).finish_non_exhaustive()
    }
}

impl fmt::Debug for ServedSandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServedSandbox").field("kubeconfig", &self.file).finish_non_exhaustive()
    }
}
