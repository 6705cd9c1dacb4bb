//! Places in the cluster itself: a Lease per place, the head of each run's journal and what was verified as `ConfigMap`s,
//! all in the namespace `runbook-system`. So that runs of different machines know of each other.
//!
//! A Lease is held by a run, not by a process: it stays with the run that waits or has stopped. That it is renewed says
//! that a process works on the run; that it is not renewed any more says that nobody does, and gives it to nobody else.
//! Before each change the journal's head is compared and swapped, so that of two copies of a run only one goes on.

mod api;
mod evidence;
mod head;
mod held;
mod lease;

pub use api::NAMESPACE;
pub use evidence::ClusterEvidence;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Cluster, Patience};
use crate::{
    event::{Bearing, Folder, Held, Holder, Lock, LockError, RunState, Store, StoreError, overlap},
    model::RunId,
};
use api::{Api, Kind, Written};
use held::LeaseHeld;
use lease::Lease;

/// How long taking or giving up a place may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a place is tried that changes hands just then.
const TRIES: usize = 50;

/// How Leases are renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How often.
    pub renew: Duration,
    /// For how long one counts, in whole seconds.
    pub lasts: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self { renew: Duration::from_secs(5), lasts: Duration::from_secs(15) }
    }
}

/// The machine and state folder that this process works on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seat {
    /// The machine.
    pub host: String,
    /// The state folder.
    pub folder: Folder,
}

impl Seat {
    fn is_of(&self, holder: &Holder) -> bool {
        holder.host == self.host && holder.folder.as_ref() == Some(&self.folder)
    }
}

/// Connects to the cluster; asked at each use.
pub type Reach = Arc<dyn Fn() -> Result<Cluster, LockError> + Send + Sync>;

/// Places in a cluster, each taken in the state folder as well.
#[derive(Clone)]
pub struct ClusterLock {
    reach: Reach,
    local: Arc<dyn Lock>,
    store: Arc<dyn Store>,
    seat: Seat,
    timing: Timing,
}

impl ClusterLock {
    /// Places in this cluster. `local` is taken first; `store` has the journals of this state folder.
    pub fn new(reach: Reach, local: Arc<dyn Lock>, store: Arc<dyn Store>, seat: Seat) -> Self {
        Self { reach, local, store, seat, timing: Timing::default() }
    }

    /// The same places, renewed at another pace.
    #[must_use]
    pub fn timed(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    fn api(&self) -> Result<Api, LockError> {
        let patience = Patience { deadline: Instant::now().checked_add(PATIENCE), ..Patience::default() };
        Ok(Api { cluster: (self.reach)()?, patience })
    }

    /// Whether a run of this state folder is closed, or gone with its folder.
    fn is_over(&self, holder: &Holder) -> bool {
        if !self.seat.is_of(holder) {
            return false;
        }
        match self.store.state(&holder.run) {
            // one that is closed may be taken back just now
            Ok(state) => (state.is_closed() || state.run.is_none()) && !self.store.is_live(&holder.run),
            Err(error) => matches!(error, StoreError::NoRun { .. }),
        }
    }

    /// How the holder of a Lease is; what its own journal says, where that is here, is fresher than the Lease.
    fn bearing(&self, lease: &Lease, api: &Api) -> Bearing {
        if self.seat.is_of(&lease.holder) {
            if self.store.is_live(&lease.holder.run) {
                return Bearing::Live;
            }
            if let Some(bearing) = self.store.state(&lease.holder.run).ok().as_ref().and_then(RunState::bearing) {
                return bearing;
            }
        }
        lease.bearing(api.now())
    }

    /// Whether the run that has a Lease may have it again by this process.
    fn may_go_on(&self, lease: &Lease, api: &Api) -> bool {
        // whoever has the journal of this state folder open for writing is the only one who has
        self.seat.is_of(&lease.holder) || lease.bearing(api.now()) != Bearing::Live
    }

    /// Gives up the place in the state folder.
    fn give_up_here(&self, run: &RunId) -> Result<(), LockError> {
        self.local.free(run)
    }

    fn held(&self, lease: &Lease, api: &Api) -> LockError {
        LockError::Held { holder: Box::new(lease.holder.clone()), bearing: self.bearing(lease, api) }
    }

    /// The Leases of other runs whose place overlaps with this one.
    fn others(&self, api: &Api, place: &str, run: &RunId) -> Result<Vec<Lease>, LockError> {
        let leases = api.list(Kind::Lease, None)?.into_iter().filter_map(Lease::read);
        let others = leases.filter(|lease| lease.holder.run != *run && overlap(&lease.place, place));
        Ok(others.filter(|lease| !self.is_over(&lease.holder)).collect())
    }

    /// Takes the place's own Lease; gives it as it was written, and whom it was taken from by force.
    fn acquire(
        &self,
        api: &Api,
        place: &str,
        holder: &Holder,
        force: bool,
    ) -> Result<(Lease, Option<Holder>), LockError> {
        let name = lease::name(place);
        for _ in 0..TRIES {
            let found = api.get(Kind::Lease, &name)?;
            let Some(found) = found else {
                let lease = Lease::new(place, holder, api.now(), self.timing.lasts);
                match api.create(Kind::Lease, &lease.object)? {
                    Written::Done(object) => return Ok((lease.written(object), None)),
                    _ => continue,
                }
            };
            let lease = Lease::read_any(found, &name);
            let same = lease.holder.run == holder.run;
            let is_free = if same { self.may_go_on(&lease, api) } else { self.is_over(&lease.holder) };
            if !is_free && !force {
                return Err(self.held(&lease, api));
            }
            let broken = (!is_free).then(|| lease.holder.clone());
            if let Some(broken) = broken.as_ref().filter(|_| !same) {
                // first what stops it at once, then what takes its place
                head::break_off(api, &broken.run, holder)?;
            }
            let taken = lease.taken(place, holder, api.now(), self.timing.lasts);
            if let Written::Done(object) = api.replace(Kind::Lease, &taken.object)? {
                return Ok((taken.written(object), broken.filter(|_| !same)));
            }
        }
        let message = format!("Lease/{}/{name} changes hands all the time; try again", api::NAMESPACE);
        Err(LockError::Unreachable { message })
    }

    /// Takes the place in the cluster.
    fn occupy(
        &self,
        here: Box<dyn Held>,
        place: &str,
        holder: &Holder,
        force: bool,
    ) -> Result<(Box<dyn Held>, Vec<Holder>), LockError> {
        let api = self.api()?;
        // read before the place is taken: whoever takes it away after that is noticed by the first swap
        let head = head::Known::read(&api, self.store.as_ref(), &holder.run)?;
        let (lease, broken) = self.acquire(&api, place, holder, force)?;
        let mut broken: Vec<Holder> = broken.into_iter().collect();
        // of two that take overlapping places at once, both see each other here
        for other in self.others(&api, place, &holder.run)? {
            if force {
                head::break_off(&api, &other.holder.run, holder)?;
                let taken = other.taken(&other.place, holder, api.now(), self.timing.lasts);
                let _ = api.replace(Kind::Lease, &taken.object)?;
                broken.push(other.holder);
            } else {
                api.delete(Kind::Lease, &lease.object)?;
                return Err(self.held(&other, &api));
            }
        }
        let journal = head::Journal { store: self.store.clone(), known: head, holder: holder.clone() };
        Ok((Box::new(LeaseHeld::new(&api, here, self, lease, journal)), broken))
    }
}

impl Lock for ClusterLock {
    fn take(&self, place: &str, holder: &Holder) -> Result<Box<dyn Held>, LockError> {
        let here = self.local.take(place, holder)?;
        self.occupy(here, place, holder, false).map(|(held, _)| held)
    }

    fn seize(&self, place: &str, holder: &Holder) -> Result<(Box<dyn Held>, Vec<Holder>), LockError> {
        let (here, mut broken) = self.local.seize(place, holder)?;
        let (held, more) = self.occupy(here, place, holder, true)?;
        let known: Vec<RunId> = broken.iter().map(|holder| holder.run.clone()).collect();
        broken.extend(more.into_iter().filter(|holder| !known.contains(&holder.run)));
        Ok((held, broken))
    }

    fn free(&self, run: &RunId) -> Result<(), LockError> {
        let api = self.api()?;
        let label = api::legal(run.as_str());
        let leases: Vec<Lease> = api
            .list(Kind::Lease, Some(&format!("{}={label}", api::RUN)))?
            .into_iter()
            .filter_map(Lease::read)
            .collect();
        let leases: Vec<Lease> = leases.into_iter().filter(|lease| lease.holder.run == *run).collect();
        // another machine works on it: it is not closed from here
        if let Some(live) = leases.iter().find(|lease| !self.may_go_on(lease, &api)) {
            return Err(self.held(live, &api));
        }
        for lease in &leases {
            api.delete(Kind::Lease, &lease.object)?;
        }
        head::close(&api, run)?;
        self.local.free(run)
    }

    fn look(&self, run: &RunId) -> Result<(), LockError> {
        head::Known::read(&self.api()?, self.store.as_ref(), run).map(drop)
    }
}

impl fmt::Debug for ClusterLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterLock").field("seat", &self.seat).field("timing", &self.timing).finish_non_exhaustive()
    }
}
