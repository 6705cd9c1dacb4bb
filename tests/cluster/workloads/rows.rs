//! Each row of the table of readiness, as real controllers fill it: state, reason and message that `k8s::status` gives are
//! theirs, read here from the object in another way.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use runbook::object::readiness::{State, status};
use serde_json::Value;

use super::{World, play};
use crate::apiserver::{Cluster, workloads};

/// What an object's own fields say: reason and message.
type Facts = fn(&Value) -> Option<(String, String)>;

struct Row {
    /// Kind/name, in the namespace of the test where the kind has one.
    what: &'static str,
    state: State,
    facts: Facts,
}

const MANIFESTS: &str = include_str!("rows.yaml");

/// Of the same kind as the one above; sent once that has its names.
const CLASHING: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: lines.NS.example.com}
spec:
  group: NS.example.com
  scope: Namespaced
  names: {kind: Row, plural: lines}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
";

/// The reason and message of a condition that has this status.
fn condition(object: &Value, kind: &str, status: &str) -> Option<(String, String)> {
    let conditions = object["status"]["conditions"].as_array()?;
    let found = conditions.iter().find(|c| c["type"] == kind && c["status"] == status)?;
    Some((found["reason"].as_str()?.to_owned(), found["message"].as_str()?.to_owned()))
}

fn number(object: &Value, path: &str) -> i64 {
    object.pointer(path).and_then(Value::as_i64).unwrap_or_default()
}

/// The reason and message of a pod's container that waits.
fn waiting(pod: &Value) -> Option<(String, String)> {
    let waiting = &pod["status"]["containerStatuses"][0]["state"]["waiting"];
    Some((waiting["reason"].as_str()?.into(), format!("container app: {}", waiting["message"].as_str()?)))
}

/// What runbook says itself, of an object whose controllers have done this much.
fn said(done: bool, reason: &str, message: impl Into<String>) -> Option<(String, String)> {
    done.then(|| (reason.to_owned(), message.into()))
}

use State::{Current, Failed, InProgress, Terminating};

const ROWS: &[Row] = &[
    Row {
        what: "Deployment/good",
        state: Current,
        facts: |d| condition(d, "Progressing", "True").filter(|(reason, _)| reason == "NewReplicaSetAvailable"),
    },
    Row {
        what: "Deployment/crashes",
        state: Failed,
        facts: |d| condition(d, "Progressing", "False").filter(|(reason, _)| reason == "ProgressDeadlineExceeded"),
    },
    Row {
        what: "Deployment/homeless",
        state: InProgress,
        facts: |d| {
            let (updated, wanted) = (number(d, "/status/updatedReplicas"), number(d, "/spec/replicas"));
            let ready = number(d, "/status/readyReplicas");
            said(updated == wanted, "Progressing", format!("ready replicas: {ready} of {wanted}"))
        },
    },
    Row { what: "Deployment/refused", state: InProgress, facts: |d| condition(d, "ReplicaFailure", "True") },
    Row {
        what: "Deployment/paused",
        state: InProgress,
        facts: |d| {
            condition(d, "Progressing", "Unknown")?;
            said(true, "Progressing", "replicas: 0 of 1")
        },
    },
    Row {
        what: "ReplicaSet/good",
        state: Current,
        facts: |s| said(s["status"]["availableReplicas"] == 1, "Ready", "1 replicas are ready"),
    },
    Row { what: "ReplicaSet/refused", state: InProgress, facts: |s| condition(s, "ReplicaFailure", "True") },
    Row {
        what: "StatefulSet/good",
        state: Current,
        facts: |s| {
            let same = s["status"]["currentRevision"] == s["status"]["updateRevision"];
            said(same && s["status"]["availableReplicas"] == 2, "Ready", "2 replicas are ready")
        },
    },
    // the second is not made before the first is ready
    Row {
        what: "StatefulSet/crashes",
        state: InProgress,
        facts: |s| said(s["status"]["replicas"] == 1, "Progressing", "replicas: 1 of 2"),
    },
    Row {
        what: "DaemonSet/good",
        state: Current,
        facts: |s| {
            let nodes = number(s, "/status/desiredNumberScheduled");
            said(nodes > 1 && number(s, "/status/numberAvailable") == nodes, "Ready", format!("{nodes} pods are ready"))
        },
    },
    Row {
        what: "DaemonSet/crashes",
        state: InProgress,
        facts: |s| {
            let nodes = number(s, "/status/desiredNumberScheduled");
            let up = number(s, "/status/updatedNumberScheduled");
            said(nodes > 1 && up == nodes, "Progressing", format!("available pods: 0 of {nodes}"))
        },
    },
    Row { what: "Job/good", state: Current, facts: |j| condition(j, "Complete", "True") },
    Row { what: "Job/fails", state: Failed, facts: |j| condition(j, "Failed", "True") },
    Row { what: "Job/late", state: Failed, facts: |j| condition(j, "Failed", "True") },
    Row {
        what: "Job/waits",
        state: InProgress,
        facts: |j| said(j["status"]["active"] == 1, "Running", "1 pods active, 0 succeeded, 0 failed"),
    },
    Row {
        what: "Job/suspended",
        state: Current,
        facts: |j| {
            condition(j, "Suspended", "True")?;
            said(true, "Suspended", "the job is suspended")
        },
    },
    Row { what: "CronJob/good", state: Current, facts: |_| said(true, "Ready", "it exists") },
    Row {
        what: "PersistentVolumeClaim/bound",
        state: Current,
        facts: |c| said(c["status"]["phase"] == "Bound", "Ready", "the claim is Bound"),
    },
    Row {
        what: "PersistentVolumeClaim/unbound",
        state: InProgress,
        facts: |c| {
            let hint = "a storage class with WaitForFirstConsumer binds when a pod uses the claim";
            said(c["status"]["phase"] == "Pending", "Pending", format!("the claim is Pending; {hint}"))
        },
    },
    Row {
        what: "Pod/good",
        state: Current,
        facts: |p| said(p["status"]["phase"] == "Running", "Ready", "the pod is ready"),
    },
    Row { what: "Pod/crashes", state: Failed, facts: waiting },
    Row { what: "Pod/imageless", state: InProgress, facts: waiting },
    Row {
        what: "Pod/fails",
        state: Failed,
        facts: |p| {
            let end = &p["status"]["containerStatuses"][0]["state"]["terminated"];
            said(end["exitCode"] == 3, "Failed", format!("container app ended with 3: {}", end["message"].as_str()?))
        },
    },
    // for a while it is on the way, as the scheduler may yet find a node
    Row { what: "Pod/homeless", state: Failed, facts: |p| condition(p, "PodScheduled", "False") },
    Row {
        what: "Pod/ending",
        state: Terminating,
        facts: |p| {
            let since = p["metadata"]["deletionTimestamp"].as_str()?;
            said(true, "Terminating", format!("it is being deleted since {since}"))
        },
    },
    Row { what: "Service/good", state: Current, facts: |_| said(true, "Ready", "the service exists") },
    // nothing in this cluster gives addresses
    Row {
        what: "Service/balanced",
        state: InProgress,
        facts: |s| said(s["spec"]["clusterIP"].is_string(), "NoAddress", "the load balancer has no address yet"),
    },
    Row {
        what: "PodDisruptionBudget/good",
        state: Current,
        facts: |b| said(b["status"]["currentHealthy"] == 2, "Ready", "it exists"),
    },
    Row {
        what: "HorizontalPodAutoscaler/good",
        state: InProgress,
        // nothing in this cluster gives metrics
        facts: |h| condition(h, "ScalingActive", "False"),
    },
    Row {
        what: "Namespace/NS",
        state: Current,
        facts: |n| said(n["status"]["phase"] == "Active", "Ready", "the namespace is Active"),
    },
    Row {
        what: "Namespace/NS-ends",
        state: Terminating,
        facts: |n| {
            let since = n["metadata"]["deletionTimestamp"].as_str()?;
            said(n["status"]["phase"] == "Terminating", "Terminating", format!("it is being deleted since {since}"))
        },
    },
    Row {
        what: "CustomResourceDefinition/rows.NS.example.com",
        state: Current,
        facts: |d| condition(d, "Established", "True"),
    },
    Row {
        what: "CustomResourceDefinition/lines.NS.example.com",
        state: Failed,
        facts: |d| condition(d, "NamesAccepted", "False"),
    },
    Row { what: "APIService/v1.NS-away.example.com", state: InProgress, facts: |s| condition(s, "Available", "False") },
    Row { what: "APIService/v1.apps", state: Current, facts: |s| condition(s, "Available", "True") },
    Row { what: "Node/node-a", state: Current, facts: |n| condition(n, "Ready", "True") },
];

/// The kinds of the rows that are in no namespace.
const CLUSTER_WIDE: [&str; 4] = ["Namespace/", "CustomResourceDefinition/", "APIService/", "Node/"];

impl Row {
    fn reference(&self, ns: &str) -> String {
        let what = self.what.replace("NS", ns);
        if CLUSTER_WIDE.iter().any(|kind| what.starts_with(kind)) {
            return what;
        }
        what.replacen('/', &format!("/{ns}/"), 1)
    }
}

/// Sends everything, and begins the ends of what has to end.
fn fill(cluster: &Cluster, ns: &str) {
    cluster.apply(&MANIFESTS.replace("NS", ns));
    for reference in [format!("Pod/{ns}/ending"), format!("Namespace/{ns}-ends")] {
        cluster.client().delete(&reference);
    }
    let first = format!("CustomResourceDefinition/rows.{ns}.example.com");
    cluster.wait(&first, "it has its names", |d| condition(d, "Established", "True").is_some());
    cluster.apply(&CLASHING.replace("NS", ns));
}

/// Lets go of what is held, and of what is in no namespace.
fn clear(cluster: &Cluster, ns: &str) {
    for reference in [format!("Pod/{ns}/ending"), format!("Namespace/{ns}-ends")] {
        cluster.let_go(&reference);
    }
    for name in ["CustomResourceDefinition/lines.NS", "CustomResourceDefinition/rows.NS", "APIService/v1.NS-away"] {
        cluster.client().delete(&format!("{}.example.com", name.replace("NS", ns)));
    }
    for reference in [format!("Namespace/{ns}"), format!("PersistentVolume/{ns}")] {
        cluster.client().delete(&reference);
    }
}

#[test]
fn what_k8s_status_says_of_each_kind_is_what_its_controllers_say() {
    let Some(cluster) = workloads::shared() else { return };
    let ns = cluster.namespace_for_pods("rows");
    fill(&cluster, &ns);
    let mut verifies = String::new();
    for row in ROWS {
        let reference = row.reference(&ns);
        let what = format!("its controller has said all it has to say for {:?}", row.state);
        let object = cluster.wait(&reference, &what, |object| {
            // a pod that finds no node has failed after a while only
            let then = Timestamp::now() + SignedDuration::from_mins(1);
            (row.facts)(object).is_some() && status(object, then).status == row.state
        });
        let (reason, message) = (row.facts)(&object).unwrap();
        let found = status(&object, Timestamp::now() + SignedDuration::from_mins(1));
        assert_eq!((found.status, &found.reason, &found.message), (row.state, &reason, &message), "{reference}");
        assert_eq!(found.generation, object["metadata"]["generation"].as_i64(), "{reference}");
        println!("{reference}: {}: {reason}: {message}", row.state.word());
        let wanted = format!("{}: {reason}: {message}", row.state.word());
        write!(
            verifies,
            ".verify({reference:?}, || {{ let s = k8s::status({reference:?}); `${{s.status}}: ${{s.reason}}: ${{s.message}}` == {wanted:?} }}).within(\"1m\")\n    "
        )
        .unwrap();
    }
    // and the program reads the same
    let world = World::new("[contexts.workloads]\n", &[("workloads", &cluster)]);
    world.file("p.rhai", &play("\"workloads\"", "true", &format!("step(\"Look\")\n    {verifies};")));
    world.run("run p.rhai --context workloads").exits(0);
    clear(&cluster, &ns);
}

#[test]
fn a_pod_that_finds_no_node_is_on_its_way_before_it_has_failed() {
    let Some(cluster) = workloads::shared() else { return };
    let ns = cluster.namespace_for_pods("homeless");
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: homeless, namespace: NS}, spec: {nodeSelector: {disk: fast}, containers: [{name: app, image: a}]}}";
    cluster.apply(&pod.replace("NS", &ns));
    let pod = cluster.wait(&format!("Pod/{ns}/homeless"), "the scheduler has looked", |pod| {
        condition(pod, "PodScheduled", "False").is_some()
    });
    let since = pod["status"]["conditions"][0]["lastTransitionTime"].as_str().unwrap().parse::<Timestamp>().unwrap();
    let after = |seconds| status(&pod, since + SignedDuration::from_secs(seconds)).status;
    assert_eq!((after(14), after(16)), (InProgress, Failed));
    cluster.client().delete(&format!("Namespace/{ns}"));
}
