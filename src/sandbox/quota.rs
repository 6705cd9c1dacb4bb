//! Quotas: what a namespace has room for. A write that goes over one is refused in a server's words, and what it uses is
//! noted in the quota's status with the write itself.

use serde_json::Value;

use super::apply::{self, Manager, Operation};
use super::meta;
use super::request::Place;
use super::status::ApiError;
use super::store::{Key, Tx};
use crate::object::{
    Quantity,
    usage::{self, Amounts},
};

pub(crate) const RESOURCE: &str = "resourcequotas";

/// Names that every container has to speak of where a quota limits them.
const MUST_BE_SAID: [&str; 6] = ["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];

/// `cpu=1,memory=2Gi`
fn listed(amounts: &Amounts, names: &[&String]) -> String {
    let shown = names.iter().map(|name| format!("{name}={}", amounts.get(*name).copied().unwrap_or_default()));
    shown.collect::<Vec<_>>().join(",")
}

/// What a quota allows and what of it is used: as its controller says, and where there are controllers as it is now.
fn stand(tx: &Tx<'_>, namespace: &str, quota: &Value) -> (Amounts, Amounts) {
    if !tx.collects() {
        return (usage::amounts(&quota["status"]["hard"]), usage::amounts(&quota["status"]["used"]));
    }
    let hard = usage::amounts(&quota["spec"]["hard"]);
    let list = |resource: &str| tx.list(resource, Some(namespace)).into_iter().map(|(_, object)| object).collect();
    let used = usage::of_namespace(quota, &hard, list);
    (hard, used)
}

/// What the containers of a Pod have to say and do not: `limits.cpu for: web,side; memory for: web`.
fn unsaid(pod: &Value, names: &[&String]) -> Option<String> {
    let mut missing: Vec<String> = Vec::new();
    for name in names.iter().filter(|name| MUST_BE_SAID.contains(&name.as_str())) {
        let (field, plain) = match name.split_once('.') {
            Some((field, plain)) => (field, plain),
            None => ("requests", name.as_str()),
        };
        let containers = ["containers", "initContainers"].into_iter().filter_map(|list| pod["spec"][list].as_array());
        let silent = containers.flatten().filter(|container| container["resources"][field][plain].is_null());
        let mut silent: Vec<&str> = silent.filter_map(|container| container["name"].as_str()).collect();
        silent.sort_unstable();
        if !silent.is_empty() {
            missing.push(format!("{name} for: {}", silent.join(",")));
        }
    }
    (!missing.is_empty()).then(|| missing.join("; "))
}

/// Refuses a write that a quota of the namespace has no room for, and notes in the others what it uses. `old` is the
/// object that is changed, if it is not a new one.
pub(crate) fn admit(tx: &mut Tx<'_>, place: &Place, object: &Value, old: Option<&Value>) -> Result<(), ApiError> {
    let resource = place.kind.resource();
    let Some(namespace) = place.namespace.as_deref() else { return Ok(()) };
    if old.is_some() && !matches!(resource.as_str(), "services" | "persistentvolumeclaims") {
        return Ok(());
    }
    let quotas = tx.list(RESOURCE, Some(namespace));
    if quotas.is_empty() {
        return Ok(());
    }
    let refused = |why: String| Err(ApiError::forbidden(&place.kind, meta::name(object), &why, None));
    let mut asked = usage::of(&resource, object);
    if let Some(old) = old {
        for (name, before) in usage::of(&resource, old) {
            asked.entry(name).and_modify(|now| *now = now.less(before));
        }
    }
    asked.retain(|_, amount| !amount.is_zero());
    let mut changed: Vec<(Key, Value)> = Vec::new();
    for (key, quota) in quotas {
        let (hard, used) = stand(tx, namespace, &quota);
        let names: Vec<&String> = hard.keys().filter(|name| usage::about(name) == Some(&resource)).collect();
        if names.is_empty() || !usage::falls_under(&resource, object, &quota) {
            continue;
        }
        if let Some(unsaid) = unsaid(object, &names).filter(|_| resource == "pods") {
            return refused(format!("failed quota: {}: must specify {unsaid}", meta::name(&quota)));
        }
        if names.iter().any(|name| !used.contains_key(*name)) {
            let names = names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(",");
            return refused(format!("status unknown for quota: {}, resources: {names}", meta::name(&quota)));
        }
        let own: Amounts = asked
            .iter()
            .filter(|(name, _)| hard.contains_key(*name))
            .map(|(name, amount)| (name.clone(), *amount))
            .collect();
        let mut new = used.clone();
        usage::add(&mut new, &own);
        let amount = |amounts: &Amounts, name: &String| amounts.get(name).copied().unwrap_or_else(Quantity::default);
        let over: Vec<&String> = own.keys().filter(|name| amount(&new, name) > amount(&hard, name)).collect();
        if !over.is_empty() {
            return refused(format!(
                "exceeded quota: {}, requested: {}, used: {}, limited: {}",
                meta::name(&quota),
                listed(&own, &over),
                listed(&used, &over),
                listed(&hard, &over)
            ));
        }
        if !own.is_empty() {
            let mut noted = (*quota).clone();
            noted["status"]["hard"] = usage::written(&hard);
            noted["status"]["used"] = usage::written(&new);
            if let Some(kind) = tx.registry().by_resource(RESOURCE) {
                let server = Manager {
                    operation: Operation::Update,
                    name: "kube-apiserver".into(),
                    subresource: "status".into(),
                    api_version: "v1".into(),
                };
                apply::recorded(kind, &quota, &mut noted, &server);
            }
            changed.push((key, noted));
        }
    }
    for (key, noted) in changed {
        tx.put(&key, noted);
    }
    Ok(())
}
