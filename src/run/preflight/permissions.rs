//! Whether this account may do everything that is to be done, and look at everything that is to be verified.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::Value;

use super::{
    scene::{Change, Live, Scene},
    unchecked::About,
};
use crate::{
    effect::{Resource, Unserved, Wanting, Wish},
    model::{Finding, ObjectRef, Place, StepId},
};

/// Something that has to be permitted, and what for.
struct Need {
    resource: Arc<Resource>,
    wish: Wish,
    step: StepId,
    place: Option<Place>,
    what_for: String,
}

impl Need {
    /// `list secrets in namespace web`.
    fn words(&self) -> String {
        let Resource { plural, group, .. } = &*self.resource;
        let full = if group.is_empty() { plural.clone() } else { format!("{plural}.{group}") };
        let place = self.wish.namespace.as_ref().map_or("the cluster".into(), |name| format!("namespace {name}"));
        let part = self.wish.subresource.as_ref().map(|part| format!("/{part}")).unwrap_or_default();
        format!("{} {full}{part} in {place}", self.wish.verb)
    }
}

type Key = (String, String, Option<String>, Option<String>, Option<String>);

pub(super) fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let mut needs: BTreeMap<(String, Key), Need> = BTreeMap::new();
    let mut add = |need: Need| {
        let wish = &need.wish;
        let resource = format!("{}.{}", need.resource.plural, need.resource.group);
        let key = (resource, wish.verb.clone(), wish.namespace.clone(), wish.name.clone(), wish.subresource.clone());
        needs.entry((need.step.to_string(), key)).or_insert(need);
    };
    for change in &scene.changes {
        changed(scene, change, &mut add);
    }
    read(scene, &mut add);
    let mut asked: BTreeMap<Key, Vec<Need>> = BTreeMap::new();
    for ((_, key), need) in needs {
        asked.entry(key).or_default().push(need);
    }
    let mut findings = vec![];
    let told = told(scene, asked.values().flatten());
    let open: Vec<Vec<Need>> = asked
        .into_values()
        .filter(|needs| {
            let Need { resource, wish, .. } = &needs[0];
            !wish
                .namespace
                .as_ref()
                .and_then(|namespace| told.get(namespace))
                .is_some_and(|rules| allows(rules, resource, wish))
        })
        .collect();
    let wishes = open.iter().map(|needs| (needs[0].resource.clone(), needs[0].wish.clone())).collect();
    let answers = match scene.lookout.may_all(wishes) {
        Ok(answers) => answers,
        Err(error) => {
            for needs in &open {
                scene.doubts.add(About::Permission, needs[0].words(), &error.message);
            }
            return vec![];
        }
    };
    let mut denied = vec![];
    for (needs, answer) in open.into_iter().zip(answers) {
        match answer {
            Ok(answer) if answer.allowed => {}
            Ok(_) => denied.push(needs),
            Err(error) => scene.doubts.add(About::Permission, needs[0].words(), &error.message),
        }
    }
    if !denied.is_empty() {
        findings.extend(refused(scene, &denied));
    }
    findings
}

/// What one change needs: to see what is there, and to change it.
fn changed(scene: &Scene<'_>, change: &Change, add: &mut impl FnMut(Need)) {
    let Ok(resource) = &change.kind else { return };
    let object = &change.wanted.object;
    let mut wants =
        |resource: &Arc<Resource>, verb: &str, subresource: Option<&str>, object: &ObjectRef, named: bool| {
            let namespace = object.namespace.clone().filter(|_| resource.namespaced);
            let name = named.then(|| object.name.clone());
            let wish = Wish { verb: verb.into(), namespace, name, subresource: subresource.map(Into::into) };
            add(Need {
                resource: resource.clone(),
                wish,
                step: change.step.clone(),
                place: change.wanted.place.clone(),
                what_for: change.name(),
            });
        };
    let makes = matches!(change.live, Live::Absent) || change.again;
    wants(resource, "get", None, object, true);
    match (&change.wanted.change, change.wanted.native.as_str()) {
        (Wanting::Applied(_), _) => {
            wants(resource, "patch", None, object, true);
            if makes {
                wants(resource, "create", None, object, true);
            }
        }
        (Wanting::Fields { subresource, .. }, _) => wants(resource, "patch", *subresource, object, true),
        (Wanting::Deleted, _) => wants(resource, "delete", None, object, true),
        (Wanting::Acted, "k8s::drain") => {
            wants(resource, "patch", None, object, true);
            if let Ok(pods) = scene.lookout.kind_of(&ObjectRef::new("Pod", Some("any"), "any")) {
                let everywhere = ObjectRef::new("Pod", None, "any");
                wants(&pods, "list", None, &everywhere, false);
                wants(&pods, "create", Some("eviction"), &everywhere, false);
            }
        }
        (Wanting::Acted, _) => wants(resource, "create", Some("exec"), object, true),
    }
}

/// What verifies need: a verify reads by a list, and a part of an object by `get`. That it may be watched too is better, and
/// no must.
fn read(scene: &Scene<'_>, add: &mut impl FnMut(Need)) {
    let mut kinds: BTreeMap<&str, Option<Arc<Resource>>> = BTreeMap::new();
    for (step, look) in &scene.looks {
        let kind = kinds.entry(&look.kind).or_insert_with(|| {
            let (kind, group) =
                look.kind.split_once('.').map_or((look.kind.as_str(), None), |(kind, group)| (kind, Some(group)));
            // a kind is known whatever its namespace is
            let known = [Some("any"), None];
            known.into_iter().find_map(|namespace| {
                let kind_of = scene.lookout.kind_of(&ObjectRef::new(kind, namespace, "any").in_group(group));
                if let Err(Unserved::Unknown(why)) = &kind_of {
                    scene.doubts.add(About::Kind, format!("{}, which step {step} reads", look.kind), why);
                }
                kind_of.ok()
            })
        });
        let Some(resource) = kind else { continue };
        let namespace = look.namespace.clone().filter(|_| resource.namespaced);
        let (verb, subresource) = look.part.map_or(("list", None), |part| ("get", Some(part.to_owned())));
        let wish = Wish { verb: verb.into(), namespace, name: look.name.clone(), subresource };
        let name = look.name.as_deref().map(|name| format!("/{name}")).unwrap_or_default();
        let place = look.namespace.as_deref().map(|namespace| format!("/{namespace}")).unwrap_or_default();
        add(Need {
            resource: resource.clone(),
            wish,
            step: step.clone(),
            place: None,
            what_for: match look.part {
                Some(part) => format!("a verify that reads the {part} of {}{place}{name}", resource.kind),
                None => format!("a verify that reads {}{place}{name}", resource.kind),
            },
        });
    }
}

/// What the authorizer tells of each namespace, where it can; most wishes need no question of their own then.
fn told<'a>(scene: &Scene<'_>, needs: impl Iterator<Item = &'a Need>) -> BTreeMap<String, Value> {
    let namespaces: BTreeSet<String> = needs.filter_map(|need| need.wish.namespace.clone()).collect();
    let namespaces: Vec<String> = namespaces.into_iter().collect();
    let rules = scene.lookout.rules_in(namespaces.clone()).unwrap_or_default();
    namespaces.into_iter().zip(rules).filter_map(|(namespace, rules)| Some((namespace, rules.ok()?))).collect()
}

/// Whether rules permit a wish. What they do not permit may still be: not every authorizer can tell its rules.
fn allows(rules: &Value, resource: &Resource, wish: &Wish) -> bool {
    let has = |list: &Value, wanted: &str| {
        list.as_array().into_iter().flatten().any(|item| item == "*" || item.as_str() == Some(wanted))
    };
    let plural = match &wish.subresource {
        Some(subresource) => format!("{}/{subresource}", resource.plural),
        None => resource.plural.clone(),
    };
    let names = |rule: &Value| match rule["resourceNames"].as_array() {
        Some(names) if !names.is_empty() => {
            wish.name.as_deref().is_some_and(|wanted| names.iter().any(|name| name.as_str() == Some(wanted)))
        }
        _ => true,
    };
    rules["resourceRules"].as_array().into_iter().flatten().any(|rule| {
        has(&rule["verbs"], &wish.verb)
            && has(&rule["apiGroups"], &resource.group)
            && has(&rule["resources"], &plural)
            && names(rule)
    })
}

/// One finding for each resource and namespace: what is missing, for which step, and the rule that would grant it.
fn refused(scene: &Scene<'_>, denied: &[Vec<Need>]) -> Vec<Finding> {
    let account = scene.lookout.account().map_or_else(|| "this account".into(), |name| format!("account {name}"));
    let mut by_place: BTreeMap<(String, String, Option<String>), Vec<&Need>> = BTreeMap::new();
    for need in denied.iter().flatten() {
        let plural = match &need.wish.subresource {
            Some(subresource) => format!("{}/{subresource}", need.resource.plural),
            None => need.resource.plural.clone(),
        };
        by_place.entry((need.resource.group.clone(), plural, need.wish.namespace.clone())).or_default().push(need);
    }
    let findings = by_place.into_iter().map(|((group, plural, namespace), needs)| {
        let verbs: BTreeSet<&str> = needs.iter().map(|need| need.wish.verb.as_str()).collect();
        let verbs: Vec<&str> = verbs.into_iter().collect();
        let what_for: BTreeSet<&str> = needs.iter().map(|need| need.what_for.as_str()).collect();
        let first = what_for.iter().next().copied().unwrap_or_default();
        let more = if what_for.len() > 1 { format!(" and {} more", what_for.len() - 1) } else { String::new() };
        let full = if group.is_empty() { plural.clone() } else { format!("{plural}.{group}") };
        let place = match &namespace {
            Some(namespace) => format!("in namespace {namespace}"),
            None => "in the cluster".into(),
        };
        let role = if namespace.is_some() { "Role" } else { "ClusterRole" };
        let message = format!("{account} may not {} {full} {place}, which {first}{more} needs", verbs.join(", "));
        let rule = format!("{{apiGroups: [\"{group}\"], resources: [\"{plural}\"], verbs: [{}]}}", verbs.join(", "));
        let bound = namespace.map(|namespace| format!(" of namespace {namespace}")).unwrap_or_default();
        Finding::error("permission", message)
            .at(needs.iter().find_map(|need| need.place.clone()))
            .of_step(&needs[0].step)
            .help(format!("grant it in a {role}{bound} that is bound to {account}: {rule}"))
    });
    findings.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployments() -> Resource {
        Resource {
            group: "apps".into(),
            version: "v1".into(),
            kind: "Deployment".into(),
            plural: "deployments".into(),
            singular: "deployment".into(),
            short_names: vec![],
            namespaced: true,
            verbs: vec![],
        }
    }

    #[test]
    fn rules_permit_what_they_name_and_nothing_else() {
        let wish = |verb: &str, name: Option<&str>, subresource: Option<&str>| Wish {
            verb: verb.into(),
            namespace: Some("web".into()),
            name: name.map(Into::into),
            subresource: subresource.map(Into::into),
        };
        let rule = |verbs: Value, groups: Value, resources: Value, names: Value| json!({ "resourceRules": [{ "verbs": verbs, "apiGroups": groups, "resources": resources, "resourceNames": names }] });
        let all = rule(json!(["*"]), json!(["*"]), json!(["*"]), json!(null));
        let patch = rule(json!(["patch"]), json!(["apps"]), json!(["deployments"]), json!(["app"]));
        let scale = rule(json!(["patch"]), json!(["apps"]), json!(["deployments/scale"]), json!([]));
        let on = deployments();
        assert!(allows(&all, &on, &wish("patch", Some("app"), Some("scale"))));
        assert!(allows(&patch, &on, &wish("patch", Some("app"), None)));
        assert!(!allows(&patch, &on, &wish("patch", Some("other"), None)), "another name");
        assert!(!allows(&patch, &on, &wish("patch", None, None)), "any name");
        assert!(!allows(&patch, &on, &wish("delete", Some("app"), None)), "another verb");
        assert!(!allows(&patch, &on, &wish("patch", Some("app"), Some("scale"))), "a subresource");
        assert!(allows(&scale, &on, &wish("patch", Some("app"), Some("scale"))));
        assert!(!allows(&json!({}), &on, &wish("get", None, None)));
    }
}
