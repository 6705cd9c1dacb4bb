//! Objects of kinds whose definition comes before them in the same run: the API server knows nothing of these kinds yet, or only
//! what they were.

use super::scene::{Change, Scene, nearest};
use crate::{
    effect::{Misfit, misfits},
    model::Finding,
    object::{head, split_api_version},
};

/// Fields of one object that are told.
const FIELDS: usize = 8;

/// What each definition says against the objects of its kind that come after it.
pub(super) fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let found = scene.changes.iter().enumerate().filter_map(|(n, change)| {
        let manifest = change.manifest()?;
        let definition = definition_of(scene, n)?;
        let misfits = misfits(definition.manifest()?, manifest);
        (!misfits.is_empty()).then(|| finding(change, definition, &misfits))
    });
    found.collect()
}

/// The change before this one, or of the same step, that defines its kind.
pub(super) fn definition_of<'a>(scene: &'a Scene<'_>, n: usize) -> Option<&'a Change> {
    let about = head(scene.changes[n].manifest()?);
    scene.defined_by(n, split_api_version(about.api_version()).0, about.kind())
}

fn finding(change: &Change, definition: &Change, misfits: &[Misfit]) -> Finding {
    let told = misfits.iter().take(FIELDS).map(|misfit| match misfit.field.as_str() {
        "" => misfit.message.clone(),
        field => format!("{field}: {}", misfit.message),
    });
    let told = told.collect::<Vec<_>>().join("; ");
    let more = misfits.len().saturating_sub(FIELDS);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    let message = format!(
        "{} does not fit its definition, which comes before it, {}: {told}{more}",
        change.title(),
        definition.title()
    );
    let finding = Finding::error("definition", message).at(change.wanted.place.clone()).of_step(&change.step);
    misfits.iter().take(FIELDS).fold(finding, |finding, misfit| {
        let (parents, name) = misfit
            .field
            .rsplit_once('.')
            .map_or((String::new(), &*misfit.field), |(parents, name)| (format!("{parents}."), name));
        let near = nearest(name, misfit.known.iter().map(String::as_str));
        let near: Vec<String> = near.iter().map(|near| format!("`{parents}{near}`")).collect();
        if near.is_empty() {
            finding
        } else {
            finding.help(format!("{}: did you mean {}?", misfit.field, near.join(" or ")))
        }
    })
}
