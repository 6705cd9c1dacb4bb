//! Pods: placed on a node, and running after a while; those of a Job end by themselves.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::meta;
use super::super::store::{Event, Key};
use super::desk::{Desk, condition_status, controller, key_of};
use super::{Controller, Told};

pub(super) struct Pods;

pub(super) const RESOURCE: &str = "pods";

pub(super) fn is_ready(pod: &Value) -> bool {
    condition_status(pod, "Ready") == "True" && !meta::is_terminating(pod)
}

/// Whether its containers have ended for good.
pub(super) fn is_over(pod: &Value) -> bool {
    matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}

fn ends_by_itself(pod: &Value) -> bool {
    controller(pod).is_some_and(|owner| owner["kind"] == "Job")
}

/// Nodes that take Pods.
pub(super) fn nodes(desk: &Desk<'_>) -> Vec<Arc<Value>> {
    let nodes = desk.list("nodes", None);
    nodes.into_iter().filter(|n| n["spec"]["unschedulable"] != true && condition_status(n, "Ready") == "True").collect()
}

fn selects(pod: &Value, node: &Value) -> bool {
    let selector = pod["spec"]["nodeSelector"].as_object();
    selector.into_iter().flatten().all(|(key, value)| node["metadata"]["labels"].get(key) == Some(value))
}

/// Where the Pod goes, or why it goes nowhere.
fn placed(desk: &Desk<'_>, pod: &Value) -> Result<String, String> {
    if let Some(node) = pod["spec"]["nodeName"].as_str().filter(|node| !node.is_empty()) {
        return Ok(node.to_owned());
    }
    let namespace = meta::namespace(pod);
    for volume in pod["spec"]["volumes"].as_array().into_iter().flatten() {
        let Some(claim) = volume["persistentVolumeClaim"]["claimName"].as_str() else { continue };
        match desk.get(super::claim::RESOURCE, namespace, claim) {
            None => return Err(format!("persistentvolumeclaim {claim:?} not found")),
            Some(found) if found["status"]["phase"] != "Bound" => {
                return Err("pod has unbound immediate PersistentVolumeClaims".into());
            }
            Some(_) => {}
        }
    }
    let all = desk.list("nodes", None).len();
    let fit: Vec<Arc<Value>> = nodes(desk).into_iter().filter(|node| selects(pod, node)).collect();
    // spread over the nodes by what is in the name
    let sum = meta::uid(pod).bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    match fit.get(sum % fit.len().max(1)) {
        Some(node) => Ok(meta::name(node).to_owned()),
        None => Err(format!("0/{all} nodes are available: {all} node(s) were unschedulable or did not match.")),
    }
}

/// A `ConfigMap` or Secret that it cannot start without and that is not there.
fn missing(desk: &Desk<'_>, pod: &Value) -> Option<String> {
    let namespace = meta::namespace(pod);
    let lacks = |resource: &str, kind: &str, reference: &Value, field: &str| {
        let name = reference[field].as_str().filter(|_| reference["optional"] != true)?;
        desk.get(resource, namespace, name).is_none().then(|| format!("{kind} {name:?} not found"))
    };
    let either = |secret: &Value, map: &Value, field: &str| {
        lacks("secrets", "secret", secret, field).or_else(|| lacks("configmaps", "configmap", map, "name"))
    };
    let spec = &pod["spec"];
    let containers = ["initContainers", "containers"].into_iter().filter_map(|field| spec[field].as_array());
    for container in containers.flatten() {
        for source in container["envFrom"].as_array().into_iter().flatten() {
            if let Some(why) = either(&source["secretRef"], &source["configMapRef"], "name") {
                return Some(why);
            }
        }
        for variable in container["env"].as_array().into_iter().flatten() {
            let from = &variable["valueFrom"];
            if let Some(why) = either(&from["secretKeyRef"], &from["configMapKeyRef"], "name") {
                return Some(why);
            }
        }
    }
    let volumes = spec["volumes"].as_array().into_iter().flatten();
    volumes.into_iter().find_map(|volume| either(&volume["secret"], &volume["configMap"], "secretName"))
}

/// How the containers stand.
enum Stand<'a> {
    Creating,
    Waiting { reason: &'a str, message: &'a str },
    Running,
    Over { succeeded: bool, message: Option<&'a str> },
}

/// `CrashLoopBackOff`, unless the message begins with a reason of its own such as `ImagePullBackOff`.
fn reason_in(message: &str) -> &str {
    let first = message.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    let humps = first.bytes().filter(u8::is_ascii_uppercase).count();
    if humps > 1 && first.starts_with(|c: char| c.is_ascii_uppercase()) && first.bytes().any(|b| b.is_ascii_lowercase())
    {
        first
    } else {
        "CrashLoopBackOff"
    }
}

fn address(pod: &Value) -> String {
    let sum = meta::uid(pod).bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    format!("10.244.{}.{}", (sum >> 8) % 254 + 1, sum % 254 + 1)
}

fn container_statuses(pod: &Value, field: &str, stand: &Stand<'_>, since: &Value) -> Vec<Value> {
    let containers = pod["spec"][field].as_array().into_iter().flatten();
    containers
        .map(|container| {
            let (state, ready, started) = match stand {
                Stand::Creating => (json!({"waiting": {"reason": "ContainerCreating"}}), false, false),
                Stand::Waiting { reason, message } => {
                    (json!({"waiting": {"reason": reason, "message": message}}), false, false)
                }
                Stand::Running => (json!({"running": {"startedAt": since}}), true, true),
                Stand::Over { succeeded, message } => {
                    let (code, reason) = if *succeeded { (0, "Completed") } else { (1, "Error") };
                    let mut over = json!({"exitCode": code, "reason": reason, "startedAt": since, "finishedAt": since});
                    if let Some(message) = message {
                        over["message"] = (*message).into();
                    }
                    (json!({"terminated": over}), false, false)
                }
            };
            let image = container["image"].as_str().unwrap_or_default();
            json!({
                "name": container["name"], "image": image, "imageID": "", "ready": ready, "started": started,
                "restartCount": 0, "lastState": {}, "state": state,
            })
        })
        .collect()
}

fn status(pod: &Value, node: Option<&str>, stand: &Stand<'_>) -> Value {
    let old = &pod["status"];
    let start = if old["startTime"].is_null() { meta::now().into() } else { old["startTime"].clone() };
    let condition = |kind: &str, holds: bool, reason: &str| {
        let mut condition = meta::condition(pod, kind, if holds { "True" } else { "False" }, reason, "");
        condition["lastProbeTime"] = Value::Null;
        for field in ["reason", "message"] {
            if condition[field] == "" {
                meta::map_mut(&mut condition).remove(field);
            }
        }
        condition
    };
    let qos = if old["qosClass"].is_null() { "BestEffort".into() } else { old["qosClass"].clone() };
    if node.is_none() {
        let Stand::Waiting { message, .. } = stand else { return old.clone() };
        let mut placed = condition("PodScheduled", false, "Unschedulable");
        placed["message"] = (*message).into();
        return json!({"phase": "Pending", "qosClass": qos, "conditions": [placed]});
    }
    let (phase, ready, unready) = match stand {
        Stand::Running => ("Running", true, ""),
        Stand::Waiting { reason, .. } if *reason == "CrashLoopBackOff" => ("Running", false, "ContainersNotReady"),
        Stand::Creating | Stand::Waiting { .. } => ("Pending", false, "ContainersNotReady"),
        Stand::Over { succeeded: true, .. } => ("Succeeded", false, "PodCompleted"),
        Stand::Over { .. } => ("Failed", false, "PodFailed"),
    };
    let up = !matches!(stand, Stand::Creating | Stand::Over { .. });
    let since =
        meta::condition(pod, "Ready", if ready { "True" } else { "False" }, "", "")["lastTransitionTime"].clone();
    let mut status = json!({
        "phase": phase, "qosClass": qos, "startTime": start, "hostIP": "192.0.2.21", "hostIPs": [{"ip": "192.0.2.21"}],
        "conditions": [
            condition("PodReadyToStartContainers", up, ""),
            condition("Initialized", true, if matches!(stand, Stand::Over { succeeded: true, .. }) { "PodCompleted" } else { "" }),
            condition("Ready", ready, unready),
            condition("ContainersReady", ready, unready),
            condition("PodScheduled", true, ""),
        ],
        "containerStatuses": container_statuses(pod, "containers", stand, &since),
    });
    if !matches!(stand, Stand::Creating) {
        let ip = address(pod);
        status["podIPs"] = json!([{"ip": ip}]);
        status["podIP"] = ip.into();
    }
    if pod["spec"]["initContainers"].is_array() {
        let over = Stand::Over { succeeded: true, message: None };
        let waits = matches!(stand, Stand::Creating | Stand::Waiting { .. });
        status["initContainerStatuses"] =
            container_statuses(pod, "initContainers", if waits { stand } else { &over }, &since).into();
    }
    status
}

impl Pods {
    /// The status as it is to be in the end, as far as can be said now.
    fn settled(desk: &Desk<'_>, pod: &Value, told: &Told) -> Value {
        let node = match placed(desk, pod) {
            Ok(node) => node,
            Err(why) => {
                return status(pod, None, &Stand::Waiting { reason: "Unschedulable", message: &why });
            }
        };
        let lacking = missing(desk, pod);
        let stand = match told {
            Told::Stall => Stand::Creating,
            Told::Fail(message) if ends_by_itself(pod) => Stand::Over { succeeded: false, message: Some(message) },
            Told::Fail(message) => Stand::Waiting { reason: reason_in(message), message },
            Told::Settle => match &lacking {
                Some(message) => Stand::Waiting { reason: "CreateContainerConfigError", message },
                None if ends_by_itself(pod) && pod["status"]["phase"] == "Running" => {
                    Stand::Over { succeeded: true, message: None }
                }
                None => Stand::Running,
            },
        };
        status(pod, Some(&node), &stand)
    }

    fn bind(desk: &Desk<'_>, key: &Key, pod: &Value) {
        if let Ok(node) = placed(desk, pod)
            && pod["spec"]["nodeName"].as_str().unwrap_or_default().is_empty()
        {
            let bound = desk.store.write(false, |tx| {
                if let Some(old) = tx.get(key) {
                    let mut new = (*old).clone();
                    new["spec"]["nodeName"] = node.into();
                    new["status"] = status(&new, Some(""), &Stand::Creating);
                    tx.put(key, new);
                }
                Ok(())
            });
            super::desk::report(key, bound);
        }
    }
}

impl Controller for Pods {
    fn resource(&self) -> &'static str {
        RESOURCE
    }

    fn concerned(&self, desk: &Desk<'_>, event: &Event) -> Vec<Key> {
        let waits = |pod: &Value| pod["status"]["phase"].as_str().is_none_or(|phase| phase == "Pending");
        let within = match &*event.key.resource {
            "secrets" | "configmaps" if event.old.is_none() => Some(&*event.key.namespace),
            super::claim::RESOURCE => Some(&*event.key.namespace),
            "nodes" => None,
            _ => return Vec::new(),
        };
        let pods = desk.list(RESOURCE, within);
        pods.iter().filter(|pod| waits(pod)).map(|pod| key_of(RESOURCE, pod)).collect()
    }

    fn look(&self, desk: &Desk<'_>, key: &Key, pod: &Arc<Value>, told: &Told) -> bool {
        if meta::is_terminating(pod) || is_over(pod) {
            return false;
        }
        Self::bind(desk, key, pod);
        let Some(pod) = desk.store.get(key) else { return false };
        let settled = Self::settled(desk, &pod, told);
        if *told == Told::Stall {
            if pod["status"]["containerStatuses"].is_array() {
                desk.write_status(key, "kubelet", Some(settled));
            }
            return false;
        }
        settled != pod["status"]
    }

    fn act(&self, desk: &Desk<'_>, key: &Key, pod: &Arc<Value>, told: &Told) {
        if !meta::is_terminating(pod) && !is_over(pod) && *told != Told::Stall {
            desk.write_status(key, "kubelet", Some(Self::settled(desk, pod, told)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_may_begin_with_the_reason_that_a_container_waits_for() {
        assert_eq!(reason_in("ImagePullBackOff: no such image"), "ImagePullBackOff");
        assert_eq!(reason_in("ErrImagePull"), "ErrImagePull");
        assert_eq!(reason_in("OOM killed"), "CrashLoopBackOff");
        assert_eq!(reason_in("the probe fails"), "CrashLoopBackOff");
    }
}
