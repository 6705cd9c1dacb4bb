use serde_json::{Value, json};

use super::*;
use State::{Current, Failed, InProgress};

const NOW: &str = "2026-01-01T00:01:00Z";

fn check(api_version: &str, kind: &str, spec: &Value, status_part: &Value) -> Status {
    let object = json!({ "apiVersion": api_version, "kind": kind,
        "metadata": { "name": "a", "namespace": "web", "generation": 2 }, "spec": spec, "status": status_part });
    status(&object, NOW.parse().unwrap())
}

/// Each row: the status, what it comes to, and a word of the reason or message.
fn table(api_version: &str, kind: &str, spec: &Value, rows: &[(Value, State, &str)]) {
    for (part, state, word) in rows {
        let found = check(api_version, kind, spec, part);
        assert_eq!(found.status, *state, "{part} gave {found:?}");
        let said = format!("{}: {}", found.reason, found.message);
        assert!(said.contains(word), "{part}: `{said}` does not say `{word}`");
    }
}

fn conditions(list: &[(&str, &str, &str, &str)]) -> Value {
    let list: Vec<Value> = list
        .iter()
        .map(|(kind, status, reason, message)| {
            json!({ "type": kind, "status": status, "reason": reason, "message": message, "observedGeneration": 2 })
        })
        .collect();
    json!(list)
}

fn with(mut part: Value, list: &[(&str, &str, &str, &str)]) -> Value {
    part["conditions"] = conditions(list);
    part
}

fn ready(status: &str, reason: &str, message: &str) -> Value {
    json!({ "conditions": conditions(&[("Ready", status, reason, message)]) })
}

#[test]
fn any_object_follows_the_generic_order() {
    table(
        "example.com/v1",
        "Anything",
        &json!({}),
        &[
            (json!({}), Current, "exists"),
            (json!({ "observedGeneration": 1 }), InProgress, "generation 2 is not seen yet (observed: 1)"),
            (json!({ "observedGeneration": "1" }), Current, "exists"),
            (ready("True", "Done", "all good"), Current, "Done: all good"),
            (ready("False", "Broken", "no disk"), InProgress, "Broken: no disk"),
            (ready("Unknown", "Waiting", "for a disk"), InProgress, "for a disk"),
            (with(json!({}), &[("Reconciling", "True", "Progressing", "halfway")]), InProgress, "halfway"),
            (
                with(json!({}), &[("Stalled", "True", "BadSpec", "no such chart"), ("Ready", "True", "x", "")]),
                Failed,
                "BadSpec: no such chart",
            ),
            (
                json!({ "observedGeneration": 1, "conditions": [
                    { "type": "Ready", "status": "False", "reason": "x", "message": "old words", "observedGeneration": 1 } ] }),
                InProgress,
                "last seen: old words",
            ),
            (
                with(json!({ "observedGeneration": -1 }), &[("Ready", "False", "BuildFailed", "no such folder")]),
                InProgress,
                "BuildFailed: no such folder",
            ),
            (
                with(json!({ "observedGeneration": 1 }), &[("Stalled", "True", "BadSpec", "no such chart")]),
                Failed,
                "BadSpec: no such chart",
            ),
            (
                with(json!({ "observedGeneration": 1 }), &[("Ready", "True", "Done", "all good")]),
                InProgress,
                "GenerationNotObserved",
            ),
        ],
    );
    let deleted = json!({ "kind": "Anything", "metadata": { "deletionTimestamp": "2026-01-01T00:00:00Z" } });
    assert_eq!(status(&deleted, NOW.parse().unwrap()).status, State::Terminating);
    assert_eq!(status_of(None, NOW.parse().unwrap()).status, State::NotFound);
}

#[test]
fn generations_are_told() {
    let found = check("v1", "ConfigMap", &json!({}), &json!({ "observedGeneration": 2 }));
    assert_eq!((found.generation, found.observed_generation), (Some(2), Some(2)));
}

#[test]
fn a_deployment() {
    let part = |replicas: i64, updated: i64, ready: i64, available: i64| json!({ "observedGeneration": 2, "replicas": replicas, "updatedReplicas": updated, "readyReplicas": ready, "availableReplicas": available });
    let up = ("Available", "True", "MinimumReplicasAvailable", "");
    let down = ("Available", "False", "MinimumReplicasUnavailable", "not enough pods");
    let done = ("Progressing", "True", "NewReplicaSetAvailable", "it has progressed");
    let going = ("Progressing", "True", "ReplicaSetUpdated", "is progressing");
    let late = ("Progressing", "False", "ProgressDeadlineExceeded", "has timed out progressing");
    let refused = ("ReplicaFailure", "True", "FailedCreate", "quota exceeded");
    table(
        "apps/v1",
        "Deployment",
        &json!({ "replicas": 3, "progressDeadlineSeconds": 600 }),
        &[
            (json!({}), InProgress, "not seen"),
            (with(part(2, 2, 2, 2), &[up, going]), InProgress, "replicas: 2 of 3"),
            (with(part(3, 1, 3, 3), &[up, going]), InProgress, "updated replicas: 1 of 3"),
            (with(part(4, 3, 3, 3), &[up, going]), InProgress, "1 old replicas still run"),
            (with(part(3, 3, 2, 2), &[up, going]), InProgress, "ready replicas: 2 of 3"),
            (with(part(3, 3, 3, 2), &[up, going]), InProgress, "available replicas: 2 of 3"),
            (with(part(3, 3, 3, 3), &[down, going]), InProgress, "not enough pods"),
            (with(part(3, 3, 3, 3), &[going]), InProgress, "not Available"),
            (with(part(3, 3, 3, 3), &[up, going]), InProgress, "is progressing"),
            (with(part(3, 3, 3, 3), &[up]), InProgress, "ReplicaSet"),
            (with(part(3, 3, 3, 3), &[up, done]), Current, "it has progressed"),
            (with(part(2, 2, 2, 2), &[up, going, refused]), InProgress, "quota exceeded"),
            (with(part(3, 3, 3, 3), &[up, done, refused]), Current, "it has progressed"),
            (with(part(3, 1, 2, 2), &[up, late]), Failed, "has timed out"),
            (with(part(3, 3, 3, 3), &[up, late]), InProgress, "has timed out"),
        ],
    );
    let unlimited = check("apps/v1", "Deployment", &json!({}), &with(part(1, 1, 1, 1), &[up]));
    assert_eq!(unlimited.status, Current, "no deadline: no Progressing condition to wait for");
    let none = check(
        "apps/v1",
        "Deployment",
        &json!({ "replicas": 0, "progressDeadlineSeconds": 600 }),
        &with(part(0, 0, 0, 0), &[up, done]),
    );
    assert_eq!(none.status, Current);
}

#[test]
fn a_stateful_set() {
    let part = |replicas: i64, ready: i64, current: i64, updated: i64, revision: &str| {
        json!({ "observedGeneration": 2, "replicas": replicas, "readyReplicas": ready, "currentReplicas": current,
            "updatedReplicas": updated, "currentRevision": "r1", "updateRevision": revision })
    };
    table(
        "apps/v1",
        "StatefulSet",
        &json!({ "replicas": 3 }),
        &[
            (json!({}), InProgress, "not seen"),
            (part(2, 2, 2, 2, "r1"), InProgress, "replicas: 2 of 3"),
            (part(4, 3, 3, 3, "r1"), InProgress, "1 replicas too many"),
            (part(3, 2, 3, 3, "r1"), InProgress, "ready replicas: 2 of 3"),
            (part(3, 3, 1, 2, "r2"), InProgress, "current replicas: 1 of 3"),
            (part(3, 3, 3, 3, "r2"), InProgress, "revision r1 is not yet r2"),
            (part(3, 3, 3, 3, "r1"), Current, "3 replicas are ready"),
        ],
    );
    let partition = json!({ "replicas": 3, "updateStrategy": { "rollingUpdate": { "partition": 1 } } });
    table(
        "apps/v1",
        "StatefulSet",
        &partition,
        &[
            (part(3, 3, 2, 1, "r2"), InProgress, "updated replicas: 1 of 2"),
            (part(3, 3, 1, 2, "r2"), Current, "beyond the partition"),
        ],
    );
    let on_delete = json!({ "updateStrategy": { "type": "OnDelete" } });
    table("apps/v1", "StatefulSet", &on_delete, &[(json!({}), Current, "deleted")]);
}

#[test]
fn a_daemon_set() {
    let part = |current: i64, updated: i64, available: i64, ready: i64| {
        json!({ "observedGeneration": 2, "desiredNumberScheduled": 2, "currentNumberScheduled": current,
            "updatedNumberScheduled": updated, "numberAvailable": available, "numberReady": ready })
    };
    table(
        "apps/v1",
        "DaemonSet",
        &json!({}),
        &[
            (json!({}), InProgress, "not seen"),
            (json!({ "observedGeneration": 2 }), InProgress, "counted"),
            (part(1, 2, 2, 2), InProgress, "scheduled pods: 1 of 2"),
            (part(2, 1, 2, 2), InProgress, "updated pods: 1 of 2"),
            (part(2, 2, 1, 2), InProgress, "available pods: 1 of 2"),
            (part(2, 2, 2, 1), InProgress, "ready pods: 1 of 2"),
            (part(2, 2, 2, 2), Current, "2 pods are ready"),
        ],
    );
}

#[test]
fn a_replica_set() {
    let part = |replicas: i64, labelled: i64, available: i64, ready: i64| json!({ "replicas": replicas, "fullyLabeledReplicas": labelled, "availableReplicas": available, "readyReplicas": ready });
    table(
        "apps/v1",
        "ReplicaSet",
        &json!({ "replicas": 2 }),
        &[
            (Value::Null, InProgress, "not seen"),
            (part(3, 2, 2, 2), InProgress, "1 replicas too many"),
            (part(2, 1, 2, 2), InProgress, "labelled replicas: 1 of 2"),
            (part(2, 2, 1, 2), InProgress, "available replicas: 1 of 2"),
            (part(2, 2, 2, 1), InProgress, "ready replicas: 1 of 2"),
            (part(2, 2, 2, 2), Current, "2 replicas are ready"),
            (
                with(part(2, 2, 2, 2), &[("ReplicaFailure", "True", "FailedCreate", "quota exceeded")]),
                InProgress,
                "quota exceeded",
            ),
        ],
    );
}

#[test]
fn a_pod() {
    let waiting = |reason: &str| json!({ "phase": "Running", "containerStatuses": [{ "name": "c", "state": { "waiting": { "reason": reason, "message": "words" } } }] });
    let scheduled = |since: &str| {
        json!({ "phase": "Pending", "conditions": [{ "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": "0/3 nodes are available", "lastTransitionTime": since }] })
    };
    table(
        "v1",
        "Pod",
        &json!({}),
        &[
            (json!({}), InProgress, "Pending"),
            (json!({ "phase": "Succeeded" }), Current, "succeeded"),
            (json!({ "phase": "Failed", "reason": "Evicted", "message": "no memory" }), Failed, "Evicted: no memory"),
            (
                json!({ "phase": "Failed", "containerStatuses": [{ "name": "c", "state": { "terminated": { "exitCode": 2, "reason": "Error" } } }] }),
                Failed,
                "container c ended with 2",
            ),
            (with(json!({ "phase": "Running" }), &[("Ready", "True", "", "")]), Current, "ready"),
            (
                with(
                    json!({ "phase": "Running" }),
                    &[("Ready", "False", "ContainersNotReady", "containers with unready status: [c]")],
                ),
                InProgress,
                "unready",
            ),
            (waiting("CrashLoopBackOff"), Failed, "container c: words"),
            (waiting("ImagePullBackOff"), InProgress, "ImagePullBackOff: container c: words"),
            (waiting("ContainerCreating"), InProgress, "Running"),
            (scheduled("2026-01-01T00:00:50Z"), InProgress, "0/3 nodes"),
            (scheduled("2026-01-01T00:00:40Z"), Failed, "0/3 nodes"),
        ],
    );
}

#[test]
fn a_job() {
    table(
        "batch/v1",
        "Job",
        &json!({}),
        &[
            (json!({}), InProgress, "0 pods active"),
            (json!({ "active": 1, "failed": 2 }), InProgress, "1 pods active, 0 succeeded, 2 failed"),
            (with(json!({}), &[("Complete", "True", "CompletionsReached", "reached")]), Current, "reached"),
            (with(json!({}), &[("Failed", "True", "BackoffLimitExceeded", "too often")]), Failed, "too often"),
            (with(json!({}), &[("Suspended", "True", "JobSuspended", "")]), Current, "suspended"),
        ],
    );
    table("batch/v1", "Job", &json!({ "suspend": true }), &[(json!({}), Current, "suspended")]);
}

#[test]
fn an_autoscaler() {
    let able = ("AbleToScale", "True", "SucceededGetScale", "it was able to get the current scale");
    let active = |status, reason, message| ("ScalingActive", status, reason, message);
    let found = active("True", "ValidMetricFound", "it computed a replica count from cpu");
    let limited = ("ScalingLimited", "True", "TooManyReplicas", "more than the maximum");
    let rows = [
        (json!({}), InProgress, "NoStatus"),
        (with(json!({}), &[("AbleToScale", "False", "FailedGetScale", "no such deployment")]), InProgress, "no such"),
        (with(json!({}), &[("AbleToScale", "Unknown", "x", "who knows"), found]), InProgress, "who knows"),
        (with(json!({}), &[able]), InProgress, "NoStatus"),
        (with(json!({}), &[able, active("False", "FailedGetResourceMetric", "no metrics")]), InProgress, "no metrics"),
        (with(json!({}), &[able, active("Unknown", "x", "not yet")]), InProgress, "not yet"),
        (with(json!({}), &[able, active("False", "ScalingDisabled", "no replicas")]), Current, "no replicas"),
        (with(json!({}), &[able, found]), Current, "ValidMetricFound"),
        (with(json!({}), &[able, found, limited]), Current, "ValidMetricFound"),
    ];
    table("autoscaling/v2", "HorizontalPodAutoscaler", &json!({}), &rows);
    // version 1 has no conditions, and keeps them elsewhere
    for (part, state, _) in rows {
        let kept = part["conditions"].to_string();
        let object = json!({ "apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": { "name": "a",
            "annotations": { "autoscaling.alpha.kubernetes.io/conditions": kept } }, "status": { "currentReplicas": 1 } });
        assert_eq!(status(&object, NOW.parse().unwrap()).status, state, "{kept}");
    }
}

#[test]
fn kinds_without_a_rule_are_ready_when_they_exist_and_their_controller_has_seen_them() {
    let address = json!({ "loadBalancer": { "ingress": [{ "ip": "192.0.2.1" }] } });
    for (api_version, kind, part) in [
        ("policy/v1", "PodDisruptionBudget", json!({ "observedGeneration": 2, "disruptionsAllowed": 0 })),
        ("networking.k8s.io/v1", "Ingress", json!({})),
        ("networking.k8s.io/v1", "Ingress", address),
        ("networking.k8s.io/v1", "NetworkPolicy", Value::Null),
        ("v1", "ResourceQuota", json!({})),
        ("batch/v1", "CronJob", json!({})),
    ] {
        table(api_version, kind, &json!({}), &[(part, Current, "exists")]);
    }
    let stale = json!({ "observedGeneration": 1, "disruptionsAllowed": 1 });
    table("policy/v1", "PodDisruptionBudget", &json!({}), &[(stale, InProgress, "generation 2 is not seen yet")]);
    table(
        "v1",
        "Node",
        &json!({ "unschedulable": true }),
        &[
            (ready("True", "KubeletReady", "kubelet is posting ready status"), Current, "KubeletReady"),
            (ready("Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status."), InProgress, "stopped"),
        ],
    );
}

#[test]
fn what_is_simple() {
    table(
        "v1",
        "Namespace",
        &json!({}),
        &[(json!({}), Current, "Active"), (json!({ "phase": "Terminating" }), InProgress, "Terminating")],
    );
    table(
        "v1",
        "PersistentVolumeClaim",
        &json!({}),
        &[
            (json!({ "phase": "Bound" }), Current, "Bound"),
            (json!({ "phase": "Pending" }), InProgress, "WaitForFirstConsumer"),
            (json!({ "phase": "Lost" }), Failed, "gone"),
        ],
    );
    table("v1", "Service", &json!({ "type": "ClusterIP" }), &[(json!({}), Current, "exists")]);
    table("v1", "Service", &json!({ "type": "LoadBalancer" }), &[(json!({}), InProgress, "clusterIP")]);
    table(
        "v1",
        "Service",
        &json!({ "type": "LoadBalancer", "clusterIP": "10.0.0.1" }),
        &[
            (json!({ "loadBalancer": { "ingress": [] } }), InProgress, "no address"),
            (json!({ "loadBalancer": { "ingress": [{ "ip": "1.2.3.4" }] } }), Current, "address"),
        ],
    );
    table("v1", "Secret", &json!({}), &[(json!({}), Current, "exists")]);
}

#[test]
fn a_definition() {
    table(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        &json!({}),
        &[
            (json!({}), InProgress, "not Established"),
            (with(json!({}), &[("Established", "False", "Installing", "soon")]), InProgress, "soon"),
            (with(json!({}), &[("Established", "False", "NotAccepted", "no")]), Failed, "NotAccepted"),
            (with(json!({}), &[("NamesAccepted", "False", "ListKindConflict", "taken")]), Failed, "taken"),
            (
                with(
                    json!({}),
                    &[("NamesAccepted", "True", "", ""), ("Established", "True", "InitialNamesAccepted", "")],
                ),
                Current,
                "Initial",
            ),
        ],
    );
}

#[test]
fn an_api_service() {
    let available = |status, reason| with(json!({}), &[("Available", status, reason, "as its server says")]);
    table(
        "apiregistration.k8s.io/v1",
        "APIService",
        &json!({}),
        &[
            (json!({}), InProgress, "not reported"),
            (available("False", "ServiceNotFound"), InProgress, "ServiceNotFound: as its server says"),
            (available("True", "Passed"), Current, "Passed"),
        ],
    );
}

#[test]
fn a_flux_object() {
    let old = json!({ "conditions": [{ "type": "Ready", "status": "True", "reason": "x", "message": "old", "observedGeneration": 1 }] });
    let unsaid =
        json!({ "conditions": [{ "type": "Ready", "status": "True", "message": "fine" }], "observedGeneration": 2 });
    let nobody = json!({ "conditions": [{ "type": "Ready", "status": "True", "message": "fine" }] });
    table(
        "helm.toolkit.fluxcd.io/v2",
        "HelmRelease",
        &json!({}),
        &[
            (json!({}), InProgress, "not reported"),
            (json!({ "observedGeneration": -1 }), InProgress, "not seen"),
            (ready("False", "InstallFailed", "chart not found"), InProgress, "InstallFailed: chart not found"),
            (ready("True", "InstallSucceeded", "installed"), Current, "installed"),
            (old, InProgress, "last seen: old"),
            (unsaid, Current, "fine"),
            (nobody, InProgress, "observed: -1"),
            (with(json!({}), &[("Stalled", "True", "RetriesExceeded", "gave up")]), Failed, "gave up"),
            (
                with(
                    json!({}),
                    &[
                        ("Reconciling", "True", "ProgressingWithRetry", ""),
                        ("Ready", "False", "ArtifactFailed", "no route"),
                    ],
                ),
                InProgress,
                "no route",
            ),
        ],
    );
    let suspended = json!({ "suspend": true });
    let rows = [(ready("True", "x", "was fine"), Failed, "last seen: was fine")];
    table("kustomize.toolkit.fluxcd.io/v1", "Kustomization", &suspended, &rows);
    let mut object = json!({ "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
        "metadata": { "generation": 2, "annotations": { "reconcile.fluxcd.io/requestedAt": "t2" } },
        "status": { "lastHandledReconcileAt": "t1", "conditions": conditions(&[("Ready", "True", "x", "y")]) } });
    assert_eq!(status(&object, NOW.parse().unwrap()).reason, "ReconcileRequested");
    object["status"]["lastHandledReconcileAt"] = json!("t2");
    assert!(status(&object, NOW.parse().unwrap()).is_ready());
    table("notification.toolkit.fluxcd.io/v1beta3", "Alert", &json!({}), &[(json!({}), Current, "exists")]);
}

#[test]
fn an_external_secret() {
    let synced = |version: &str| json!({ "syncedResourceVersion": version, "conditions": [{ "type": "Ready", "status": "True", "reason": "SecretSynced", "message": "synced" }] });
    let rows = [
        (json!({}), InProgress, "not reported"),
        (ready("False", "SecretSyncedError", "no such item"), InProgress, "no such item"),
        (synced("1-abc"), InProgress, "generation 2 is not synced yet (synced: 1)"),
        (synced(""), InProgress, "synced: none"),
        (synced("2-abc"), Current, "SecretSynced"),
    ];
    table("external-secrets.io/v1", "ExternalSecret", &json!({ "refreshInterval": "1h" }), &rows);
    table("external-secrets.io/v1alpha1", "PushSecret", &json!({}), &rows);
    let once = [(synced("1-abc"), Current, "SecretSynced")];
    table("external-secrets.io/v1", "ExternalSecret", &json!({ "refreshInterval": "0" }), &once);
    table("external-secrets.io/v1", "ExternalSecret", &json!({ "refreshPolicy": "CreatedOnce" }), &once);
    let store = [
        (json!({}), InProgress, "not reported"),
        (ready("False", "InvalidProviderConfig", "bad token"), InProgress, "bad token"),
        (ready("True", "Valid", "store validated"), Current, "store validated"),
    ];
    table("external-secrets.io/v1", "ClusterSecretStore", &json!({}), &store);
}

#[test]
fn a_route() {
    let parent = |name: &str, list: &[(&str, &str, &str, &str)]| json!({ "parentRef": { "name": name }, "conditions": conditions(list) });
    let parents = |list: &[Value]| json!({ "parents": list });
    let yes = ("Accepted", "True", "Accepted", "");
    let resolved = ("ResolvedRefs", "True", "ResolvedRefs", "");
    let no = ("Accepted", "False", "NotAllowedByListeners", "no listener allows it");
    let old = json!({ "parentRef": { "name": "gw" }, "conditions": [{ "type": "Accepted", "status": "False", "reason": "x", "observedGeneration": 1 }] });
    let section = json!({ "parentRef": { "name": "gw", "sectionName": "https", "group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": "web" },
        "conditions": conditions(&[yes, resolved]) });
    let rows = [
        (json!({}), InProgress, "parent gw"),
        (parents(&[parent("other", &[yes, resolved])]), InProgress, "no controller has reported"),
        (parents(&[parent("gw", &[no])]), Failed, "no listener allows it"),
        (parents(&[parent("gw", &[("Accepted", "False", "Pending", "soon")])]), InProgress, "soon"),
        (parents(&[parent("gw", &[yes])]), InProgress, "ResolvedRefs is not reported"),
        (
            parents(&[parent("gw", &[yes, ("ResolvedRefs", "False", "BackendNotFound", "no service")])]),
            InProgress,
            "no service",
        ),
        (parents(&[old]), InProgress, "older generation"),
        (parents(&[parent("gw", &[yes, resolved])]), Current, "accepted"),
        (parents(&[parent("gw", &[no]), parent("gw", &[yes, resolved])]), Current, "accepted"),
        (parents(std::slice::from_ref(&section)), Current, "accepted"),
    ];
    table("gateway.networking.k8s.io/v1", "HTTPRoute", &json!({ "parentRefs": [{ "name": "gw" }] }), &rows);
    table("gateway.networking.k8s.io/v1", "GRPCRoute", &json!({ "parentRefs": [{ "name": "gw" }] }), &rows);
    let named = json!({ "parentRefs": [{ "name": "gw", "sectionName": "http" }] });
    table("gateway.networking.k8s.io/v1", "HTTPRoute", &named, &[(parents(&[section]), InProgress, "no controller")]);
    table("gateway.networking.k8s.io/v1", "HTTPRoute", &json!({}), &[(json!({}), Current, "no parent")]);
}

#[test]
fn a_gateway() {
    let yes = ("Accepted", "True", "Accepted", "");
    table(
        "gateway.networking.k8s.io/v1",
        "Gateway",
        &json!({}),
        &[
            (json!({}), InProgress, "Accepted is not reported"),
            (
                with(json!({}), &[("Accepted", "Unknown", "Pending", "waiting for controller")]),
                InProgress,
                "waiting for controller",
            ),
            (with(json!({}), &[("Accepted", "False", "Invalid", "bad listener")]), Failed, "bad listener"),
            (with(json!({}), &[yes]), InProgress, "Programmed is not reported"),
            (
                with(json!({}), &[yes, ("Programmed", "False", "AddressNotAssigned", "no address")]),
                InProgress,
                "no address",
            ),
            (with(json!({}), &[yes, ("Programmed", "True", "Programmed", "")]), Current, "Programmed"),
        ],
    );
    table(
        "gateway.networking.k8s.io/v1",
        "GatewayClass",
        &json!({}),
        &[(with(json!({}), &[yes]), Current, "Accepted")],
    );
}

#[test]
fn no_shape_of_an_object_makes_it_panic() {
    for object in [
        json!(null),
        json!([]),
        json!("x"),
        json!({ "status": [] }),
        json!({ "status": { "conditions": [1, null, {}] } }),
    ] {
        status(&object, NOW.parse().unwrap());
    }
    for (api_version, kind) in [
        ("v1", "Pod"),
        ("v1", "Service"),
        ("apps/v1", "Deployment"),
        ("apps/v1", "StatefulSet"),
        ("apps/v1", "DaemonSet"),
        ("batch/v1", "Job"),
        ("gateway.networking.k8s.io/v1", "HTTPRoute"),
        ("helm.toolkit.fluxcd.io/v2", "HelmRelease"),
        ("external-secrets.io/v1", "ExternalSecret"),
    ] {
        for part in [json!(null), json!(5), json!({ "conditions": "x", "parents": 1, "containerStatuses": {} })] {
            check(api_version, kind, &part, &part);
        }
    }
}
