//! One Lease: who has the place, how that run is, when it was heard of last.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::api::{Kind, RUN, legal};
use crate::{
    event::{Bearing, Holder},
    model::{Digest, RunId},
    object::path::text,
};

const PLACE: &str = "runbook/place";
const HOLDER: &str = "runbook/holder";
const BEARING: &str = "runbook/bearing";

/// A place's Lease, as it was read or is to be written.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    pub(super) object: Value,
    pub(super) place: String,
    pub(super) holder: Holder,
    /// What the holder said last about itself.
    said: Bearing,
    renewed: Option<Timestamp>,
    lasts: SignedDuration,
}

/// The name of a place's Lease. The cluster itself is not in it: it is where the Lease is.
pub(super) fn name(place: &str) -> String {
    let digest = Digest::of(place);
    let part = place.split_once('/').map_or_else(|| "cluster".into(), |(_, scope)| legal(scope));
    format!("{part}-{}", &digest.short()[..8.min(digest.short().len())])
}

impl Lease {
    /// A Lease that is not there yet.
    pub(super) fn new(place: &str, holder: &Holder, now: Timestamp, lasts: Duration) -> Self {
        let object = Kind::Lease.object(&name(place), &[]);
        Self::of(object, place, holder, now, lasts, 0)
    }

    /// The same Lease in the hands of this holder.
    pub(super) fn taken(&self, place: &str, holder: &Holder, now: Timestamp, lasts: Duration) -> Self {
        let transitions = self.object["spec"]["leaseTransitions"].as_i64().unwrap_or_default();
        let more = i64::from(self.holder.run != holder.run);
        Self::of(self.object.clone(), place, holder, now, lasts, transitions + more)
    }

    fn of(mut object: Value, place: &str, holder: &Holder, now: Timestamp, lasts: Duration, transitions: i64) -> Self {
        object["metadata"]["labels"][RUN] = legal(holder.run.as_str()).into();
        let annotations = &mut object["metadata"]["annotations"];
        annotations[PLACE] = place.into();
        annotations[HOLDER] = json!(holder).to_string().into();
        annotations[BEARING] = json!(Bearing::Live).to_string().into();
        object["spec"] = json!({
            "holderIdentity": identity(holder),
            "leaseDurationSeconds": lasts.as_secs().max(1),
            "acquireTime": micro(now),
            "renewTime": micro(now),
            "leaseTransitions": transitions,
        });
        let lasts = SignedDuration::try_from(lasts).unwrap_or(SignedDuration::MAX);
        Self { object, place: place.into(), holder: holder.clone(), said: Bearing::Live, renewed: Some(now), lasts }
    }

    /// The same, as the server answered.
    pub(super) fn written(mut self, object: Value) -> Self {
        self.object = object;
        self
    }

    /// A Lease of runbook's; none for another.
    pub(super) fn read(object: Value) -> Option<Self> {
        let annotation = |key: &str| object["metadata"]["annotations"][key].as_str();
        let holder: Holder = serde_json::from_str(annotation(HOLDER)?).ok()?;
        let place = annotation(PLACE)?.to_owned();
        let said = annotation(BEARING).and_then(|said| serde_json::from_str(said).ok()).unwrap_or_default();
        let renewed = text(&object, "spec.renewTime").and_then(|time| time.parse().ok());
        let lasts = SignedDuration::from_secs(object["spec"]["leaseDurationSeconds"].as_i64().unwrap_or(15));
        Some(Self { object, place, holder, said, renewed, lasts })
    }

    /// Whatever stands under a place's name: what is not runbook's is held by whom it names.
    pub(super) fn read_any(object: Value, name: &str) -> Self {
        if let Some(lease) = Self::read(object.clone()) {
            return lease;
        }
        let time = |path| text(&object, path).and_then(|time| time.parse().ok());
        let identity =
            text(&object, "spec.holderIdentity").filter(|identity| !identity.is_empty()).unwrap_or("unknown");
        let holder = Holder {
            run: RunId::new(identity),
            context: format!("Lease/{}/{name}", super::api::NAMESPACE),
            since: time("spec.acquireTime").or_else(|| time("metadata.creationTimestamp")).unwrap_or_default(),
            pid: 0,
            host: String::new(),
            account: None,
            folder: None,
            broke: None,
        };
        let (place, renewed) = (String::new(), time("spec.renewTime"));
        Self { object, place, holder, said: Bearing::Unknown, renewed, lasts: SignedDuration::ZERO }
    }

    /// How its holder is, by what it said and by when it was heard of last.
    pub(super) fn bearing(&self, now: Timestamp) -> Bearing {
        match (&self.said, self.renewed) {
            (Bearing::Live, Some(renewed)) if now.duration_since(renewed) > self.lasts => Bearing::Dead(Some(renewed)),
            (said, _) => said.clone(),
        }
    }

    /// Whether it is still in the hands of this process.
    pub(super) fn is_held_by(&self, holder: &Holder) -> bool {
        self.holder.run == holder.run && self.holder.pid == holder.pid && self.holder.is_beside(holder)
    }
}

/// Puts the time of a renewal into a Lease.
pub(super) fn renew(object: &mut Value, now: Timestamp) {
    object["spec"]["renewTime"] = micro(now).into();
}

/// Puts what the holder says about itself into its Lease.
pub(super) fn says(object: &mut Value, bearing: &Bearing) {
    object["metadata"]["annotations"][BEARING] = json!(bearing).to_string().into();
}

fn identity(holder: &Holder) -> String {
    let folder = holder.folder.as_ref().map(|folder| format!("/{}", folder.id)).unwrap_or_default();
    format!("{}@{}{folder}", holder.run, holder.host)
}

/// A time as Leases have it.
fn micro(time: Timestamp) -> String {
    format!("{time:.6}")
}
