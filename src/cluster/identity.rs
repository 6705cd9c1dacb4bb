use super::{Cluster, ClusterError, Inner, Patience, error::What, read::METADATA, wire::Call};
use crate::{
    model::Identity,
    object::{head, path::text},
};

impl Cluster {
    /// Which cluster this is: the UID of its `kube-system`, the way there, its version and, where they may be listed, its nodes.
    ///
    /// # Errors
    /// What the server says.
    pub fn identity(&self, patience: &Patience) -> Result<Identity, ClusterError> {
        let inner = self.inner.clone();
        self.wait(patience, "identify the cluster", async move {
            let uid = inner.uid().await?;
            let version = inner.call(Call::get("/version", what("get the server's version"))).await?;
            Ok(Identity {
                uid,
                server: inner.server.clone(),
                ca: inner.ca.clone(),
                version: text(&version, "gitVersion").unwrap_or("unknown").to_owned(),
                nodes: inner.nodes().await,
            })
        })
    }

    /// The server's version, e.g. `v1.35.0`: one GET.
    ///
    /// # Errors
    /// What the server says.
    pub fn version(&self, patience: &Patience) -> Result<String, ClusterError> {
        let inner = self.inner.clone();
        self.wait(patience, "get the server's version", async move {
            let version = inner.call(Call::get("/version", what("get the server's version"))).await?;
            Ok(text(&version, "gitVersion").unwrap_or("unknown").to_owned())
        })
    }

    /// The UID of `kube-system`: one GET, cheap enough for once per effect.
    ///
    /// # Errors
    /// What the server says.
    pub fn uid(&self, patience: &Patience) -> Result<String, ClusterError> {
        let inner = self.inner.clone();
        self.wait(patience, "identify the cluster", async move { inner.uid().await })
    }

    /// Whether it is the cluster with this UID: one GET.
    ///
    /// # Errors
    /// What the server says; another UID is no error but `false`.
    pub fn check_uid(&self, expected: &str, patience: &Patience) -> Result<bool, ClusterError> {
        Ok(self.uid(patience)? == expected)
    }
}

impl Inner {
    async fn uid(&self) -> Result<String, ClusterError> {
        let what = what("get Namespace/kube-system");
        let namespace = self.call(Call::get("/api/v1/namespaces/kube-system", what.clone())).await?;
        head(&namespace).uid().map(ToOwned::to_owned).ok_or_else(|| ClusterError::Unreachable {
            what: what.text,
            message: "it answered a namespace without a UID".into(),
            sent: true,
        })
    }

    async fn nodes(&self) -> Vec<String> {
        let mut call = Call::get("/api/v1/nodes", what("list Node"));
        // names are enough: a node's status is long
        call.accept = METADATA;
        let Ok(list) = self.call(call).await else { return vec![] };
        let items = list["items"].as_array().into_iter().flatten();
        let mut names: Vec<String> = items.map(|node| head(node).name().to_owned()).collect();
        names.sort();
        names
    }
}

fn what(text: &str) -> What {
    What { text: text.into(), kind: text.rsplit(' ').next().unwrap_or_default().into(), namespace: None }
}
