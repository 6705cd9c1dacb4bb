use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};

use super::{
    EffectError, Elsewhere, HostRule, Manifests, Module, RepoPlace, Sort, held::TalosContext, outlast::outlast,
};
use crate::{
    bundle::Bundle,
    cluster::{Cluster, Patience},
    event::Cancel,
    http::Http,
    model::{Identity, Target},
    process::{PrivateKubeconfig, rules::ToolDecl},
    redact::Scrubber,
    sandbox::Front,
};

/// How long it may take to find out which cluster it is.
const IDENTITY: Duration = Duration::from_secs(30);

/// Makes something at its first use; what went wrong then is said at every use.
pub(super) type Lazy<T> = Box<dyn Fn() -> Result<T, EffectError> + Send + Sync>;

/// What a door opens to.
pub struct DoorParts {
    /// The context.
    pub target: Target,
    /// What natives read files from.
    pub bundle: Arc<Bundle>,
    /// What its manifests hold.
    pub manifests: Manifests,
    /// Connects to the cluster at the first use.
    pub cluster: Lazy<Cluster>,
    /// The sandbox, where the context is one.
    pub sandbox: Option<Arc<dyn Front>>,
    /// The http client; not made before it is needed.
    pub http: Lazy<Http>,
    /// Which hosts belong to which context.
    pub hosts: HostRule,
    /// Declared tools.
    pub tools: BTreeMap<String, ToolDecl>,
    /// The environment that commands get an allow-list of.
    pub environment: Vec<(OsString, OsString)>,
    /// Where commands run: the playbook's folder.
    pub folder: Option<PathBuf>,
    /// Environment variables that commands get besides the allow-list.
    pub env: Vec<String>,
    /// The context's talosconfig.
    pub talosconfig: Option<PathBuf>,
    /// What it is instead of a cluster.
    pub elsewhere: Option<Elsewhere>,
    /// Where the GitOps repository is.
    pub repo: RepoPlace,
    /// Writes the private kubeconfig at the first command.
    pub kubeconfig: Lazy<PrivateKubeconfig>,
    /// Natives of the program that embeds this one.
    pub modules: Vec<Module>,
    /// Replaces known secrets in all that is written.
    pub scrubber: Scrubber,
}

/// What the natives of one run reach: one context, one bundle. Nothing is contacted before it is needed.
pub struct Door {
    pub(super) parts: DoorParts,
    cluster: OnceLock<Result<Cluster, EffectError>>,
    http: OnceLock<Result<Http, EffectError>>,
    kubeconfig: OnceLock<Result<PrivateKubeconfig, EffectError>>,
    /// The cluster's UID, as it was first asked.
    uid: OnceLock<String>,
    /// What the context's talosconfig said first.
    pub(super) talos: OnceLock<TalosContext>,
}

impl Door {
    /// A door to these.
    pub fn new(parts: DoorParts) -> Arc<Self> {
        Arc::new(Self {
            parts,
            cluster: OnceLock::new(),
            http: OnceLock::new(),
            kubeconfig: OnceLock::new(),
            uid: OnceLock::new(),
            talos: OnceLock::new(),
        })
    }

    /// The context that it opens to.
    pub fn target(&self) -> &Target {
        &self.parts.target
    }

    /// What natives read files from.
    pub fn bundle(&self) -> &Bundle {
        &self.parts.bundle
    }

    /// The cluster, connected at the first use.
    pub fn cluster(&self) -> Result<&Cluster, EffectError> {
        self.cluster.get_or_init(|| (self.parts.cluster)()).as_ref().map_err(Clone::clone)
    }

    /// Which cluster it is. A sandbox is asked without a client.
    pub fn identity(&self, cancel: &Cancel) -> Result<Option<Identity>, EffectError> {
        if let Some(sandbox) = &self.parts.sandbox {
            return Ok(Some(Identity {
                uid: sandbox.uid().map_err(|why| EffectError::new(Sort::Unreachable, why))?,
                server: "sandbox".into(),
                ca: None,
                version: "v1.35.0+sandbox".into(),
                nodes: vec![],
            }));
        }
        if let Some(elsewhere) = &self.parts.elsewhere {
            return Ok(Some(self.identity_elsewhere(elsewhere, cancel)?));
        }
        let patience = Patience { deadline: Some(Instant::now() + IDENTITY), cancel: cancel.clone() };
        let identity = self.cluster()?.identity(&patience)?;
        let _ = self.uid.set(identity.uid.clone());
        Ok(Some(identity))
    }

    /// Where its API server is asked for, in words; none for a sandbox, or where no client could be made.
    pub fn asked_at(&self) -> Option<String> {
        let cluster = self.parts.sandbox.is_none().then(|| self.cluster().ok()).flatten()?;
        Some(cluster.asked_at())
    }

    /// What the time is by the API server's clock, once it has answered; none for a sandbox, whose clock is this machine's.
    /// What crosses processes (soak, max-age, expiry) is compared by it.
    pub fn server_now(&self) -> Option<Timestamp> {
        self.answered()?.server_now()
    }

    /// How far this machine's clock is ahead of the API server's (negative: behind), once it has answered.
    pub fn clock_skew(&self) -> Option<SignedDuration> {
        self.answered()?.clock_skew()
    }

    /// The cluster, where it was connected to already.
    fn answered(&self) -> Option<&Cluster> {
        self.cluster.get()?.as_ref().ok()
    }

    /// Whether it is still the cluster with this UID.
    pub fn same_cluster(&self, uid: &str, cancel: &Cancel) -> Result<(), EffectError> {
        if self.parts.sandbox.is_some() {
            return Ok(());
        }
        if let Some(elsewhere) = &self.parts.elsewhere {
            let now = self.identity_elsewhere(elsewhere, cancel)?;
            let message = format!("context {} is {} now, and was {uid}", self.parts.target.name, now.uid);
            return if now.uid == uid { Ok(()) } else { Err(EffectError::new(Sort::Identity, message)) };
        }
        let patience = Patience { deadline: Some(Instant::now() + IDENTITY), cancel: cancel.clone() };
        let cluster = self.cluster()?;
        if outlast(&patience, |patience| cluster.check_uid(uid, patience))? {
            return Ok(());
        }
        Err(self.another(uid))
    }

    /// Refuses where it is certain that it is another cluster than the one that was asked first.
    pub(super) fn not_another(&self, patience: &Patience) -> Result<(), EffectError> {
        let (Some(uid), Some(cluster)) = (self.uid.get(), self.answered()) else { return Ok(()) };
        match cluster.check_uid(uid, patience) {
            Ok(false) => Err(self.another(uid)),
            // what cannot be reached now, the one who asks says better
            _ => Ok(()),
        }
    }

    fn another(&self, uid: &str) -> EffectError {
        EffectError::new(
            Sort::Identity,
            format!(
                "context {} is another cluster now: its kube-system no longer has UID {uid}",
                self.parts.target.name
            ),
        )
    }

    /// The API server's warnings since the last call, each once; none where nothing was connected.
    pub fn take_warnings(&self) -> Vec<String> {
        match self.cluster.get() {
            Some(Ok(cluster)) => cluster.take_warnings(),
            _ => vec![],
        }
    }

    /// A value as the journal holds it: without known secrets.
    pub fn scrubbed(&self, mut value: serde_json::Value) -> serde_json::Value {
        self.parts.scrubber.scrub_value(&mut value);
        value
    }

    pub(super) fn http(&self) -> Result<&Http, EffectError> {
        self.http.get_or_init(|| (self.parts.http)()).as_ref().map_err(Clone::clone)
    }

    pub(super) fn kubeconfig(&self) -> Result<&PrivateKubeconfig, EffectError> {
        self.kubeconfig.get_or_init(|| (self.parts.kubeconfig)()).as_ref().map_err(Clone::clone)
    }
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").field("target", &self.parts.target).finish_non_exhaustive()
    }
}
