use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::{DrainOptions, change::node_reference, parse, uncertain};
use crate::{
    cluster::{ApplyOptions, Cluster, Evicted, Selector},
    effect::{
        Call, EffectError, Mode, Sort, Wanted, Wanting,
        ledger::{Answer, Intent},
    },
    event::{Applied, Before, Outcome},
    model::{ObjectRef, Place, Touch, Verb},
    object::{self, head, path::text},
};

/// How long between two looks at what is still there.
const PACE: Duration = Duration::from_millis(500);

/// A pod that has to go, and what keeps it.
struct Pod {
    reference: ObjectRef,
    uid: String,
    asked: bool,
    held: Option<String>,
}

impl Call {
    /// Cordons a node and evicts its pods, disruption budgets kept, until they are gone or the step's time is over.
    pub fn k8s_drain(&self, node: &str, options: &DrainOptions, place: Option<Place>) -> Result<Value, EffectError> {
        let native = "k8s::drain";
        self.allow(native, Mode::Change)?;
        let reference = node_reference(native, node)?;
        if let Some(trial) = &self.trial {
            let mut touch = Touch::new(Verb::Drain, reference.as_str());
            touch.remark = Some("its pods do not come back by themselves".into());
            trial.touch(touch);
            trial.want(Wanted::new(native, parse(&reference)?, Wanting::Acted, place));
            return Ok(json!({ "object": reference, "evicted": [] }));
        }
        let cluster = self.door(native)?.cluster()?;
        let parsed = parse(&reference)?;
        let mut pods = vec![];
        let intent = Intent {
            native: native.into(),
            targets: vec![reference.clone()],
            input: self.digest_of(json!([options.unmanaged, options.empty_dirs])),
            idempotent: false,
            place,
        };
        let found = &mut pods;
        self.ledger(native)?.perform(
            intent,
            || {
                let live = self.outlast(|patience| cluster.get(&parsed, patience))?;
                let live = live.ok_or_else(|| self.absent(native, cluster, &parsed))?;
                *found = self.to_evict(cluster, &parsed.name, options)?;
                Ok(vec![Before { object: reference.clone(), image: Some(object::image(&live)) }])
            },
            |_| {
                let cordon = json!({ "spec": { "unschedulable": true } });
                let cordoned = cluster.merge_patch(&parsed, &cordon, &ApplyOptions::default(), &self.patience());
                let cordoned = match cordoned {
                    Ok(after) => after,
                    Err(error) if error.may_have_happened() => {
                        return Err(uncertain(native, &reference, &error.into()));
                    }
                    Err(error) => {
                        let error = EffectError { sort: Sort::Failed, ..error.into() };
                        let result = applied(&reference, Outcome::Failed, Some(error.message.clone()));
                        return Ok(Answer { results: vec![result], output: Value::Null, error: Some(error) });
                    }
                };
                // a drain that is sent again finds what is there by then
                let mut pods = self.to_evict(cluster, &parsed.name, &all())?;
                let error = self.evict_all(cluster, &parsed.name, &mut pods);
                let mut results = vec![Applied {
                    after: Some(object::image(&cordoned)),
                    ..applied(&reference, Outcome::Applied, None)
                }];
                results.extend(pods.iter().map(|pod| {
                    let outcome = match (&pod.held, pod.asked) {
                        (None, true) => Outcome::Applied,
                        (Some(_), _) => Outcome::Failed,
                        (None, false) => Outcome::NotTried,
                    };
                    applied(&pod.reference.to_string(), outcome, pod.held.clone())
                }));
                let evicted: Vec<String> = pods
                    .iter()
                    .filter(|pod| pod.asked && pod.held.is_none())
                    .map(|p| p.reference.to_string())
                    .collect();
                Ok(Answer { results, output: json!({ "object": reference, "evicted": evicted }), error })
            },
        )
    }

    /// The pods of a node that have to go; an error where one may not, before anything is changed.
    fn to_evict(&self, cluster: &Cluster, node: &str, options: &DrainOptions) -> Result<Vec<Pod>, EffectError> {
        let (mut pods, mut unmanaged, mut filled) = (vec![], vec![], vec![]);
        for pod in self.pods_of(cluster, node)?.into_values() {
            let done = matches!(text(&pod, "status.phase"), Some("Succeeded" | "Failed"));
            let reference = object::reference(&pod);
            let owned = pod["metadata"]["ownerReferences"]
                .as_array()
                .is_some_and(|owners| owners.iter().any(|o| o["controller"] == true));
            if !owned && !done && !options.unmanaged {
                unmanaged.push(reference.to_string());
            }
            let volumes = pod["spec"]["volumes"].as_array();
            if volumes.into_iter().flatten().any(|volume| volume.get("emptyDir").is_some())
                && !done
                && !options.empty_dirs
            {
                filled.push(reference.to_string());
            }
            let uid = head(&pod).uid().unwrap_or_default().to_owned();
            pods.push(Pod { reference, uid, asked: false, held: None });
        }
        let refuse = |what: &str, pods: &[String], option: &str| {
            let message = format!("k8s::drain: {what}: {}; nothing was changed", pods.join(", "));
            Err(EffectError::new(Sort::Refused, message)
                .help(format!("if they may go: k8s::drain(\"{node}\", #{{ {option}: true }})")))
        };
        if !unmanaged.is_empty() {
            return refuse("nothing would bring these pods back", &unmanaged, "unmanaged");
        }
        if !filled.is_empty() {
            return refuse("these pods would lose what is in their emptyDir volumes", &filled, "empty_dirs");
        }
        Ok(pods)
    }

    /// The pods of a node by their uid, but for those of a `DaemonSet` and static ones.
    fn pods_of(&self, cluster: &Cluster, node: &str) -> Result<BTreeMap<String, Value>, EffectError> {
        let selector = Selector { labels: None, fields: Some(format!("spec.nodeName={node}")) };
        let listed = self.outlast(|patience| cluster.list("Pod", None, &selector, patience))?;
        let stays = |pod: &Value| {
            let owners = pod["metadata"]["ownerReferences"].as_array();
            pod["metadata"]["annotations"].get("kubernetes.io/config.mirror").is_some()
                || owners.into_iter().flatten().any(|owner| owner["kind"] == "DaemonSet" && owner["controller"] == true)
        };
        let going = listed.items.into_iter().filter(|pod| !stays(pod));
        Ok(going.map(|pod| (head(&pod).uid().unwrap_or_default().to_owned(), pod)).collect())
    }

    /// Asks each pod to go, again where a budget does not allow it yet, and waits until all are gone.
    fn evict_all(&self, cluster: &Cluster, node: &str, pods: &mut [Pod]) -> Option<EffectError> {
        loop {
            for pod in pods.iter_mut().filter(|pod| !pod.asked) {
                if let Err(error) = self.go_on() {
                    return Some(left(error, node, pods, None));
                }
                match cluster.evict(&pod.reference, &pod.uid, &self.patience()) {
                    Ok(Evicted::Going | Evicted::Gone) => (pod.asked, pod.held) = (true, None),
                    Ok(Evicted::NotNow(why)) => pod.held = Some(why),
                    // asking again is safe: it is about this one pod
                    Err(error) if error.is_unreachable() => pod.held = Some(error.to_string()),
                    Err(error) => {
                        pod.held = Some(error.to_string());
                        return Some(EffectError { sort: Sort::Failed, ..error.into() });
                    }
                }
            }
            let there = match self.pods_of(cluster, node) {
                Ok(there) => there,
                Err(error) => return Some(error),
            };
            if pods.iter().all(|pod| pod.asked && !there.contains_key(&pod.uid)) {
                return None;
            }
            self.cancel.wait(PACE);
            if let Err(error) = self.go_on() {
                return Some(left(error, node, pods, Some(&there)));
            }
        }
    }
}

/// Names what is left on the node where the drain had to end.
fn left(error: EffectError, node: &str, pods: &[Pod], there: Option<&BTreeMap<String, Value>>) -> EffectError {
    let left: Vec<String> = pods
        .iter()
        .filter(|pod| there.is_none_or(|there| there.contains_key(&pod.uid)))
        .map(|pod| match &pod.held {
            Some(why) => format!("{} ({why})", pod.reference),
            None if pod.asked => format!("{} (asked to go)", pod.reference),
            None => pod.reference.to_string(),
        })
        .collect();
    let message = format!("drain of {node}: {}; still there: {}", error.message, left.join(", "));
    // what was done is known: it may be asked for again
    let sort = if error.sort == Sort::Deadline { Sort::Failed } else { error.sort };
    EffectError { sort, message, ..error }
}

fn all() -> DrainOptions {
    DrainOptions { unmanaged: true, empty_dirs: true }
}

fn applied(target: &str, outcome: Outcome, message: Option<String>) -> Applied {
    Applied { target: target.into(), outcome, message, after: None }
}
