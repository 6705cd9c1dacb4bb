//! A Lease that is held: renewed in the background, asked before each change.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use http::Method;
use jiff::Timestamp;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::{
    super::{Cluster, Inner, Patience},
    ClusterLock, Timing,
    api::{self, Api, Kind, NAMESPACE, Written},
    head::Journal,
    lease::{self, Lease},
};
use crate::{
    event::{Bearing, Head, Held, Holder, LockError},
    object::path::text,
};

/// How long one request about a held place may take.
const ASK: Duration = Duration::from_secs(5);
/// A renewal younger than this says that the place is held; before a change an older one is renewed.
const FRESH: Duration = Duration::from_secs(1);
/// How soon a renewal is tried again that was not answered.
const AGAIN: Duration = Duration::from_secs(1);

pub(super) struct LeaseHeld {
    /// The place in the state folder.
    here: Box<dyn Held>,
    lock: ClusterLock,
    cluster: Cluster,
    kept: Arc<Kept>,
    journal: Mutex<Journal>,
    renewing: JoinHandle<()>,
}

/// What the holder and its renewal share.
struct Kept {
    inner: Arc<Inner>,
    holder: Holder,
    timing: Timing,
    state: Mutex<State>,
    /// One renewal at a time.
    turn: tokio::sync::Mutex<()>,
}

struct State {
    lease: Value,
    renewed: Moment,
    lost: Option<Loss>,
    /// Why the last renewal was not answered.
    trouble: Option<String>,
}

/// By the steady clock and by the machine's: the steady one stands still while the machine is suspended.
#[derive(Clone, Copy)]
struct Moment(Instant, Timestamp);

#[derive(Clone)]
enum Loss {
    Taken(Box<Holder>, Bearing),
    Deleted,
}

impl Moment {
    fn now() -> Self {
        Self(Instant::now(), Timestamp::now())
    }

    fn age(self) -> Duration {
        let wall = Duration::try_from(Timestamp::now().duration_since(self.1)).unwrap_or_default();
        self.0.elapsed().max(wall)
    }
}

impl LeaseHeld {
    pub(super) fn new(api: &Api, here: Box<dyn Held>, lock: &ClusterLock, lease: Lease, journal: Journal) -> Self {
        let state = State { lease: lease.object, renewed: Moment::now(), lost: None, trouble: None };
        let kept = Arc::new(Kept {
            inner: api.inner(),
            holder: lease.holder,
            timing: lock.timing,
            state: Mutex::new(state),
            turn: tokio::sync::Mutex::new(()),
        });
        let renewing = api.cluster.inner.handle.spawn(keep_renewing(kept.clone()));
        let cluster = api.cluster.clone();
        Self { here, lock: lock.clone(), cluster, kept, journal: Mutex::new(journal), renewing }
    }

    fn api(&self) -> Api {
        Api { cluster: self.cluster.clone(), patience: Patience::of(ASK) }
    }

    /// Renews it now. What becomes of that stands in the state.
    fn renew(&self, change: impl FnOnce(&mut Value) + Send + 'static) {
        let kept = self.kept.clone();
        let waited = self.cluster.wait(&Patience::of(ASK), "renew a place", async move {
            kept.renew(change).await;
            Ok(())
        });
        if let Err(error) = waited {
            self.kept.state().trouble = Some(error.to_string());
        }
    }
}

impl Kept {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn renew(&self, change: impl FnOnce(&mut Value)) {
        let _turn = self.turn.lock().await;
        let mut object = {
            let state = self.state();
            if state.lost.is_some() {
                return;
            }
            state.lease.clone()
        };
        change(&mut object);
        for _ in 0..3 {
            let begun = Moment::now();
            lease::renew(&mut object, api::now(&self.inner));
            match self.inner.place_write(Method::PUT, Kind::Lease, &object).await {
                Ok(Written::Done(lease)) => {
                    let mut state = self.state();
                    (state.lease, state.renewed, state.trouble) = (lease, begun, None);
                    return;
                }
                Ok(Written::Gone) => return self.lose(Loss::Deleted),
                Ok(Written::Conflict) => {}
                Err(error) => {
                    self.state().trouble = Some(error.to_string());
                    return;
                }
            }
            // somebody changed it: was it taken away, or only looked after?
            let name = text(&object, "metadata.name").unwrap_or_default().to_owned();
            match self.inner.place_get(Kind::Lease, &name).await {
                Ok(None) => return self.lose(Loss::Deleted),
                Ok(Some(found)) => {
                    let lease = Lease::read_any(found.clone(), &name);
                    if !lease.is_held_by(&self.holder) {
                        let bearing = lease.bearing(api::now(&self.inner));
                        return self.lose(Loss::Taken(Box::new(lease.holder), bearing));
                    }
                    object["metadata"] = found["metadata"].clone();
                }
                Err(error) => {
                    self.state().trouble = Some(error.to_string());
                    return;
                }
            }
        }
    }

    fn lose(&self, loss: Loss) {
        self.state().lost = Some(loss);
    }

    /// Whether it is held, by what is known.
    fn verdict(&self) -> Result<(), LockError> {
        let state = self.state();
        let lease = || format!("Lease/{NAMESPACE}/{}", text(&state.lease, "metadata.name").unwrap_or_default());
        match &state.lost {
            Some(Loss::Taken(holder, _)) if holder.broke.is_some() => return Err(LockError::forced(holder)),
            Some(Loss::Taken(holder, bearing)) => {
                return Err(LockError::Held { holder: holder.clone(), bearing: bearing.clone() });
            }
            Some(Loss::Deleted) => return Err(LockError::Lost { message: format!("{} was deleted", lease()) }),
            None => {}
        }
        let age = state.renewed.age();
        if age <= self.timing.lasts {
            return Ok(());
        }
        let why = state.trouble.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        let message = format!(
            "{} could not be renewed for {} s and counts for {} s{why}",
            lease(),
            age.as_secs(),
            self.timing.lasts.as_secs()
        );
        Err(LockError::Unreachable { message })
    }
}

async fn keep_renewing(kept: Arc<Kept>) {
    loop {
        let pause = if kept.state().trouble.is_some() { AGAIN.min(kept.timing.renew) } else { kept.timing.renew };
        tokio::time::sleep(pause).await;
        if kept.state().lost.is_some() {
            return;
        }
        if tokio::time::timeout(ASK, kept.renew(|_| {})).await.is_err() {
            kept.state().trouble = Some(format!("no answer within {} s", ASK.as_secs()));
        }
    }
}

impl Held for LeaseHeld {
    fn check(&self) -> Result<(), LockError> {
        self.here.check()?;
        if self.kept.state().renewed.age() > FRESH {
            self.renew(|_| {});
        }
        self.kept.verdict()
    }

    fn claim(&self, head: &Head) -> Result<(), LockError> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner).claim(&self.api(), head)
    }

    fn rest(&self, head: &Head, bearing: &Bearing) -> Result<(), LockError> {
        self.renewing.abort();
        self.kept.verdict()?;
        self.claim(head)?;
        let bearing = bearing.clone();
        self.renew(move |lease| lease::says(lease, &bearing));
        self.kept.verdict()
    }

    fn release(self: Box<Self>) -> Result<(), LockError> {
        self.renewing.abort();
        let lease = self.kept.state().lease.clone();
        self.api().delete(Kind::Lease, &lease)?;
        self.lock.give_up_here(&self.kept.holder.run)
    }
}

impl Drop for LeaseHeld {
    fn drop(&mut self) {
        // what is not renewed says by itself that nobody works on it
        self.renewing.abort();
    }
}
