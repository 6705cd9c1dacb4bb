use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};

use super::{Door, EffectError};
use crate::{
    cluster::{Watches, Woken},
    event::Cancel,
};

/// The watches of one verify: made with the first object that it reads, so that a verify which reads none costs nothing.
pub struct Watching {
    door: Arc<Door>,
    watches: OnceLock<Watches>,
}

impl Watching {
    /// None yet.
    pub fn new(door: Arc<Door>) -> Arc<Self> {
        Arc::new(Self { door, watches: OnceLock::new() })
    }

    pub(super) fn watches(&self) -> Result<&Watches, EffectError> {
        if let Some(watches) = self.watches.get() {
            return Ok(watches);
        }
        let cluster = self.door.cluster()?;
        Ok(self.watches.get_or_init(|| {
            let watches = Watches::new(cluster);
            watches.begin();
            watches
        }))
    }

    /// An evaluation begins: the read set is rebuilt.
    pub fn begin(&self) {
        if let Some(watches) = self.watches.get() {
            watches.begin();
        }
    }

    /// It ended: watches that it did not read are dropped.
    pub fn end(&self) {
        if let Some(watches) = self.watches.get() {
            watches.end();
        }
    }

    /// Whether every watch is in sync with its list: only then a pass counts.
    pub fn in_sync(&self) -> bool {
        self.watches.get().is_none_or(Watches::in_sync)
    }

    /// Since when the API server cannot be reached; none while it can.
    pub fn unreachable_since(&self) -> Option<jiff::Timestamp> {
        self.watches.get().and_then(Watches::unreachable_since)
    }

    /// Whether it answers from what a watch brings.
    pub fn is_watching(&self) -> bool {
        self.watches.get().is_some_and(|watches| watches.watching() > 0)
    }

    /// Lists again at the next read.
    pub fn relist(&self) {
        if let Some(watches) = self.watches.get() {
            watches.relist();
        }
    }

    /// Waits until something that was read has changed, the instant comes, or the run is cancelled.
    pub fn wait(&self, until: Instant, cancel: &Cancel) -> Woken {
        match self.watches.get() {
            Some(watches) => watches.wait(until, cancel),
            None if cancel.wait(until.saturating_duration_since(Instant::now())) => Woken::Cancelled,
            None => Woken::Deadline,
        }
    }

    /// What is worth telling, each once: a kind that may not be watched and is polled.
    pub fn take_notes(&self) -> Vec<String> {
        self.watches.get().map(Watches::take_notes).unwrap_or_default()
    }
}

impl std::fmt::Debug for Watching {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watching").field("used", &self.watches.get().is_some()).finish_non_exhaustive()
    }
}
