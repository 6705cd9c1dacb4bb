//! Every change of a plan as the API server sees it: what is there now, and what a dry run says.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    scene::{Live, Scene},
    unchecked::About,
};
use crate::{
    effect::{Patched, Tried, Wanting},
    model::StepId,
};

/// How many objects of one kind that one step applies are tried beforehand. The step itself tries all of them before its
/// first write.
const TRIED: usize = 25;
impl Scene<'_> {
    /// Keeps what the server said of these changes.
    fn tried(&mut self, places: &[usize], tried: Vec<Tried>) {
        for (n, tried) in places.iter().zip(tried) {
            if let Tried::Unknown(why) = &tried {
                self.doubts.add(About::Tried, self.changes[*n].name(), why);
            }
            self.changes[*n].tried = Some(tried);
        }
    }

    /// Keeps that none of these could be asked about.
    fn doubt_all(&self, about: About, places: &[usize], why: &str) {
        for n in places {
            self.doubts.add(about, self.changes[*n].name(), why);
        }
    }
}

/// Reads everything that is changed as it is now.
pub(super) fn read(scene: &mut Scene<'_>) {
    let mut wanted = vec![];
    let mut places = vec![];
    for (n, change) in scene.changes.iter().enumerate() {
        if let (Ok(kind), false) = (&change.kind, change.again) {
            let mut object = change.wanted.object.clone();
            if !kind.namespaced {
                object.namespace = None;
            }
            wanted.push((kind.clone(), object));
            places.push(n);
        }
    }
    let found = match scene.lookout.live(wanted) {
        Ok(found) => found,
        Err(error) => return scene.doubt_all(About::Live, &places, &error.message),
    };
    for (n, found) in places.into_iter().zip(found) {
        scene.changes[n].live = match found {
            Ok(Some(object)) => Live::Is(object),
            Ok(None) => Live::Absent,
            Err(error) => {
                scene.doubts.add(About::Live, scene.changes[n].name(), &error.message);
                Live::Unknown
            }
        };
    }
}

/// Has every change tried by the server, where what it meets is there already.
pub(super) fn dry_run(scene: &mut Scene<'_>) {
    let mut applies: BTreeMap<Option<String>, Vec<(usize, Value)>> = BTreeMap::new();
    let mut patches = vec![];
    let mut counts: BTreeMap<(&StepId, &str), usize> = BTreeMap::new();
    for (n, change) in scene.changes.iter().enumerate() {
        if change.again || change.kind.is_err() {
            continue;
        }
        let count = counts.entry((&change.step, &change.wanted.object.kind)).or_default();
        *count += 1;
        match (&change.wanted.change, &change.live) {
            (Wanting::Applied(_), _) if *count > TRIED => {}
            (Wanting::Applied(object), _) => {
                applies.entry(change.wanted.take_over.clone()).or_default().push((n, object.clone()));
            }
            (Wanting::Fields { patch: (kind, patch), subresource: None, .. }, Live::Is(_)) => {
                let object = change.wanted.object.clone();
                patches.push((n, Patched { object, kind: *kind, patch: patch.clone() }));
            }
            _ => {}
        }
    }
    for (take_over, objects) in applies {
        let (places, objects): (Vec<usize>, Vec<Value>) = objects.into_iter().unzip();
        match scene.lookout.try_all(objects, take_over.as_deref()) {
            Ok(tried) => scene.tried(&places, tried),
            Err(error) => scene.doubt_all(About::Tried, &places, &error.message),
        }
    }
    let (places, patches): (Vec<usize>, Vec<Patched>) = patches.into_iter().unzip();
    match scene.lookout.try_patches(patches) {
        Ok(tried) => scene.tried(&places, tried),
        Err(error) => scene.doubt_all(About::Tried, &places, &error.message),
    }
    stand_in(scene);
}

/// What goes into a namespace that is made on the way is tried in `default` under another name: its fields are checked, what
/// depends on its namespace is not.
fn stand_in(scene: &mut Scene<'_>) {
    let mut objects = vec![];
    let mut places = vec![];
    for (n, change) in scene.changes.iter().enumerate() {
        if let (Some(Tried::NoNamespace(namespace)), Some(object)) = (&change.tried, change.manifest())
            && scene.made_by(n, "Namespace", None, namespace)
        {
            let mut object = object.clone();
            object["metadata"]["namespace"] = "default".into();
            object["metadata"]["name"] = format!("stand-in-{n}").into();
            objects.push(object);
            places.push(n);
        }
    }
    let tried = match scene.lookout.try_all(objects, None) {
        Ok(tried) => tried,
        Err(error) => return scene.doubt_all(About::Tried, &places, &error.message),
    };
    for (n, tried) in places.into_iter().zip(tried) {
        if let Tried::Unknown(why) = &tried {
            scene.doubts.add(About::Tried, scene.changes[n].name(), why);
        }
        scene.changes[n].tried = match tried {
            // what is there in `default` says nothing about the namespace to come
            Tried::Refused(message, help) if message.contains(": invalid: ") => {
                let change = &scene.changes[n];
                let other = format!("{}/default/stand-in-{n}", change.wanted.object.kind);
                Some(Tried::Refused(message.replacen(&other, &change.name(), 1), help))
            }
            _ => None,
        };
    }
}
