//! Objects that a controller keeps: Flux, Helm, Argo CD, an owner. What they would put back does not last.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    scene::{Change, Live, Scene},
    unchecked::About,
};
use crate::{
    effect::{Resource, Unserved, Wanting},
    model::{Finding, ObjectRef},
    object::kept::{self, Keeper},
};

pub(super) fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let found: Vec<(usize, &Change, Keeper, String)> = scene
        .changes
        .iter()
        .enumerate()
        .filter_map(|(n, change)| {
            let (keeper, what) = undone(change)?;
            Some((n, change, keeper, what))
        })
        .collect();
    let suspended = suspended(scene, &found);
    let mut findings = vec![];
    for (n, change, keeper, what) in found {
        let source = keeper.source.as_ref().map(ToString::to_string);
        if source.as_ref().is_some_and(|source| suspended.get(source) == Some(&true)) || is_held(scene, n, &keeper) {
            continue;
        }
        let words = format!("{} is kept by {} ({}): {what}", change.name(), keeper.tool(), keeper.name);
        let unknown = source.as_ref().is_some_and(|source| !suspended.contains_key(source));
        findings.push(match &change.wanted.despite_owner {
            None if unknown => Finding::warning("kept", format!("{words}, unless it is suspended, which is not known"))
                .at(change.wanted.place.clone())
                .of_step(&change.step)
                .help(keeper.lasts()),
            Some(reason) => Finding::warning("kept", format!("{words}; it is changed all the same: {reason}"))
                .at(change.wanted.place.clone())
                .of_step(&change.step),
            None => Finding::error("kept", words)
                .at(change.wanted.place.clone())
                .of_step(&change.step)
                .help(keeper.lasts())
                .help(format!(
                    "or change it all the same: {}(…, #{{ despite_owner: \"reason\" }})",
                    change.wanted.native
                )),
        });
    }
    findings
}

/// Who would take the change back, and what of it.
fn undone(change: &Change) -> Option<(Keeper, String)> {
    let Live::Is(live) = &change.live else { return None };
    let keeper = kept::keeper(live)?;
    let what = match &change.wanted.change {
        Wanting::Applied(object) => keeper.undoes(live, Some(object))?,
        Wanting::Fields { fields, .. } => keeper.undoes(live, Some(fields))?,
        Wanting::Deleted => keeper.undoes(live, None)?,
        Wanting::Acted => return None,
    };
    Some((keeper, what))
}

/// Which of the keepers are suspended now; one that cannot be asked is left out, and said.
fn suspended(scene: &Scene<'_>, found: &[(usize, &Change, Keeper, String)]) -> BTreeMap<String, bool> {
    let mut sources: BTreeMap<String, (Arc<Resource>, ObjectRef)> = BTreeMap::new();
    let mut unserved = BTreeMap::new();
    for source in found.iter().filter_map(|(_, _, keeper, _)| keeper.source.as_ref()) {
        match scene.lookout.kind_of(source) {
            Ok(kind) => drop(sources.insert(source.to_string(), (kind, source.clone()))),
            Err(Unserved::Unknown(why)) => scene.doubts.add(About::Keeper, source.to_string(), &why),
            // what is not served suspends nothing
            Err(_) => drop(unserved.insert(source.to_string(), false)),
        }
    }
    let (names, wanted): (Vec<_>, Vec<_>) = sources.into_iter().unzip();
    let doubt = |name: &str, why: &str| scene.doubts.add(About::Keeper, name, why);
    let live = match scene.lookout.live(wanted) {
        Ok(live) => live,
        Err(error) => {
            for name in &names {
                doubt(name, &error.message);
            }
            return unserved;
        }
    };
    let mut known: BTreeMap<String, bool> = unserved;
    for (name, found) in names.into_iter().zip(live) {
        match found {
            Ok(found) => drop(known.insert(name, found.is_some_and(|it| it["spec"]["suspend"] == true))),
            Err(error) => doubt(&name, &error.message),
        }
    }
    known
}

/// Whether an earlier step suspends the keeper, or makes it go.
fn is_held(scene: &Scene<'_>, n: usize, keeper: &Keeper) -> bool {
    let Some(source) = &keeper.source else { return false };
    let before = scene.changes[..n].iter().rev().filter(|change| {
        let object = &change.wanted.object;
        (&object.kind, &object.namespace, &object.name) == (&source.kind, &source.namespace, &source.name)
    });
    let suspends = before.filter_map(|change| match &change.wanted.change {
        Wanting::Applied(fields) | Wanting::Fields { fields, .. } => fields["spec"].get("suspend").map(|it| it == true),
        Wanting::Deleted => Some(true),
        Wanting::Acted => None,
    });
    suspends.into_iter().next().unwrap_or(false)
}
