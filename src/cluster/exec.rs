use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{AttachParams, AttachedProcess},
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};

use super::{Cluster, ClusterError, EMBEDDED, Inner, Patience, error::What, error::from_status, wire::Call};
use crate::{model::ObjectRef, sandbox};

/// At most so much of each stream is kept: its end.
const MOST: usize = 64 * 1024;

/// What a command in a container did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Executed {
    /// Its exit status.
    pub status: i32,
    /// The last 64 KiB of its stdout.
    pub stdout: String,
    /// The same of its stderr.
    pub stderr: String,
}

impl Cluster {
    /// Runs a command in a container of a pod, to its end.
    ///
    /// # Errors
    /// `Unreachable` with `sent` where it may have been started; else what the server says.
    pub fn exec(
        &self,
        pod: &ObjectRef,
        container: Option<&str>,
        argv: &[String],
        stdin: Option<&str>,
        patience: &Patience,
    ) -> Result<Executed, ClusterError> {
        let (inner, pod, argv) = (self.inner.clone(), pod.clone(), argv.to_vec());
        let (container, stdin) = (container.map(ToOwned::to_owned), stdin.map(ToOwned::to_owned));
        let text = format!("exec in {pod}");
        self.wait(patience, &text.clone(), async move {
            let what = What { text, kind: "Pod".into(), namespace: pod.namespace.clone() };
            if inner.server == EMBEDDED {
                return inner.played(&pod, container, &argv, what).await;
            }
            let pods: Api<Pod> = Api::namespaced(inner.client.clone(), pod.namespace.as_deref().unwrap_or("default"));
            let mut parameters = AttachParams::default().stdin(stdin.is_some());
            parameters.container = container;
            let process = pods.exec(&pod.name, argv, &parameters).await.map_err(|error| refused(&error, &what))?;
            ended(process, stdin).await.map_err(|message| unknown(&what, message))
        })
    }
}

impl Inner {
    /// The embedded cluster has no connections that could be taken over: it answers at once, with all of it.
    async fn played(
        &self,
        pod: &ObjectRef,
        container: Option<String>,
        argv: &[String],
        what: What,
    ) -> Result<Executed, ClusterError> {
        let namespace = pod.namespace.as_deref().unwrap_or("default");
        let mut call = Call::get(format!("/api/v1/namespaces/{namespace}/pods/{}/exec", pod.name), what);
        call.accept = sandbox::EXECUTED;
        call.query = argv.iter().map(|word| ("command", word.clone())).collect();
        call.query.extend(container.map(|container| ("container", container)));
        let answer = self.call(call).await?;
        let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
        let status = answer["status"].as_i64().and_then(|status| i32::try_from(status).ok()).unwrap_or_default();
        Ok(Executed { status, stdout: text("stdout"), stderr: text("stderr") })
    }
}

async fn ended(mut process: AttachedProcess, stdin: Option<String>) -> Result<Executed, String> {
    let status = process.take_status();
    let (out, err) = (process.stdout(), process.stderr());
    let input = process.stdin();
    let feed = async {
        if let (Some(mut input), Some(text)) = (input, stdin) {
            // a command that does not read to the end has said enough by its status
            let _ = input.write_all(text.as_bytes()).await;
            let _ = input.shutdown().await;
        }
    };
    let ((), stdout, stderr) = tokio::join!(feed, tail(out), tail(err));
    let status = match status {
        Some(status) => status.await,
        None => None,
    };
    process.join().await.map_err(|error| error.to_string())?;
    let Some(status) = status else { return Err("the connection ended before the command did".into()) };
    let code = if status.status.as_deref() == Some("Success") {
        0
    } else {
        let causes = status.details.as_ref().and_then(|details| details.causes.as_ref());
        let code = causes.into_iter().flatten().find(|cause| cause.reason.as_deref() == Some("ExitCode"));
        match code.and_then(|cause| cause.message.as_deref()?.parse().ok()) {
            Some(code) => code,
            None => return Err(status.message.unwrap_or_else(|| "it did not say how the command ended".into())),
        }
    };
    Ok(Executed { status: code, stdout, stderr })
}

/// The end of a stream.
async fn tail(stream: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut stream) = stream else { return String::new() };
    let (mut kept, mut chunk) = (Vec::new(), vec![0; 8 * 1024]);
    while let Ok(read @ 1..) = stream.read(&mut chunk).await {
        kept.extend_from_slice(&chunk[..read]);
        if kept.len() > 2 * MOST {
            kept.drain(..kept.len() - MOST);
        }
    }
    let start = kept.len().saturating_sub(MOST);
    String::from_utf8_lossy(&kept[start..]).into_owned()
}

fn unknown(what: &What, message: String) -> ClusterError {
    ClusterError::Unreachable { what: what.text.clone(), message, sent: true }
}

fn refused(error: &kube::Error, what: &What) -> ClusterError {
    match error {
        kube::Error::Api(status) => {
            let json = serde_json::to_value(status).unwrap_or_default();
            from_status(status.code, &json, what)
        }
        kube::Error::UpgradeConnection(kube::client::UpgradeConnectionError::ProtocolSwitch(code)) => {
            ClusterError::Rejected {
                what: what.text.clone(),
                code: code.as_u16(),
                reason: String::new(),
                message: "the server did not open a connection to the container".into(),
            }
        }
        other => ClusterError::Unreachable { what: what.text.clone(), message: other.to_string(), sent: false },
    }
}
