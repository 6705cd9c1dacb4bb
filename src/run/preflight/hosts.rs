//! Which hosts the plan will ask that its context does not declare, computed ones included.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    effect::{Call, Door, Mode, Trial},
    event::{Cancel, Clock},
    model::{Body, Finding, Place},
    script::Declared,
};

/// `urls` are those of the steps; those of the outcome are looked for here.
pub(super) fn check(
    door: &Arc<Door>,
    declared: &Declared,
    mut urls: Vec<(String, Option<Place>)>,
    cancel: &Cancel,
    clock: &dyn Clock,
) -> Vec<Finding> {
    for n in 0..declared.plan.verifies.len() {
        let body = Body::Outcome(n);
        let mut call =
            Call::new(Mode::Read, Some(door.clone()), cancel.clone()).until(Instant::now() + Duration::from_secs(2));
        call.trial = Some(Arc::new(Trial::new()));
        // what it would see is not there yet
        let _ = declared.evaluate(&body, crate::run::bind::tag(&body, &call, clock));
        urls.extend(call.urls());
    }
    let mut found: Vec<Finding> = vec![];
    for (url, place) in urls {
        let Some(finding) = door.host_finding(&url) else { continue };
        // each host once; one that is written out was found by `check`
        if !found.iter().chain(&declared.findings).any(|known| known.message == finding.message) {
            found.push(finding.at(place));
        }
    }
    found
}
